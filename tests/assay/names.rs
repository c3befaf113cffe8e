//! Options that name something: what they match is said, and what they do not match is a mistake before anything is written.

use crate::harness::{Test, tests};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use swe_assay::inside::dataset::source::Source as _;
use swe_assay::inside::intake::{Wanted, import_folders};
use swe_assay::inside::journal::RunDir;
use swe_assay::inside::model::digest::canonical_json;
use swe_assay::inside::model::format;
use swe_assay::inside::model::generation::Skill;
use swe_assay::inside::model::instance::Environment;

use crate::export::World;
use crate::support::{assay, expect_exit, json, stderr};

/// A run directory of the small world of the export: `example/one` (MIT, seven candidates), `example/two` (no licence, two
/// candidates) and `example/three` (MIT, refused, one candidate).
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn of(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(&folder.path().join("run")).unwrap();
        let info = json!({"format": format::RUN, "tool_version": "0", "sandbox": "cell", "repeats": 3, "inputs": {}});
        run.write_derived("run.json", info.to_string().as_bytes()).unwrap();
        run.write_lines("instances.jsonl", world.instances.values()).unwrap();
        run.write_lines("admissions.jsonl", world.admissions.values()).unwrap();
        run.write_lines("verdicts.jsonl", &world.verdicts).unwrap();
        run.write_lines("candidates.jsonl", &world.candidates).unwrap();
        run.write_lines("receipts.jsonl", &world.receipts).unwrap();
        for generation in world.generations.values() {
            run.blobs().put(&canonical_json(generation)).unwrap();
        }
        let mut prompts = Vec::new();
        for (id, instance) in &world.instances {
            for skill in Skill::ALL {
                let messages = world.prompt(instance, skill).unwrap();
                prompts.push(json!({"instance_id": id, "skill": skill, "prompt_id": "p", "messages": messages}));
            }
        }
        run.write_lines("prompts.jsonl", &prompts).unwrap();
        drop(run);
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    fn export(&self, more: &[&str]) -> Command {
        let mut command = assay();
        command.arg("export").arg(self.path("run")).arg("--out").arg(self.path("dataset")).arg("--json").args(more);
        command
    }

    /// Exports with exit code 0 or 2; gives the summary, what was said, the card and the manifest.
    fn exported(&self, more: &[&str], code: i32) -> (Value, String, String, Value) {
        let output = expect_exit(&mut self.export(more), code);
        let card = fs::read_to_string(self.path("dataset/README.md")).unwrap();
        let manifest = serde_json::from_slice(&fs::read(self.path("dataset/manifest.json")).unwrap()).unwrap();
        (json(&output), stderr(&output), card, manifest)
    }

    /// Expects a mistake that names all of this, and nothing written.
    fn refused(&self, more: &[&str], said: &[&str]) {
        let output = expect_exit(&mut self.export(more), 1);
        for part in said {
            assert!(stderr(&output).contains(part), "{more:?}: {part:?} is not in {}", stderr(&output));
        }
        let mut left: Vec<_> = fs::read_dir(self.folder.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
        left.retain(|name| name.to_string_lossy().contains("dataset"));
        assert!(left.is_empty(), "{more:?} wrote {left:?}");
    }
}

fn benchmark_row(id: &str, repo: &str) -> String {
    let row = json!({
        "instance_id": id, "repo": repo, "base_commit": "c".repeat(40), "problem_statement": "Something else.",
        "patch": "--- a/z.py\n+++ b/z.py\n@@ -1 +1 @@\n-z = 1\n+z = 2\n", "test_patch": "", "FAIL_TO_PASS": ["t"], "PASS_TO_PASS": [],
    });
    format!("{row}\n")
}

fn a_repository_is_held_out_however_it_is_written_and_the_card_counts_what_was() {
    let place = Place::of(&World::small());
    for text in [
        "example/one",
        "EXAMPLE/One",
        "https://github.com/example/one.git",
        "git@github.com:Example/one",
        "example__one/",
    ] {
        let (summary, said, card, manifest) = place.exported(&["--license", "any", "--hold-out", text], 0);
        assert_eq!((&summary["rows"]["sft"], &summary["rows"]["rl"]), (&json!(0), &json!(1)), "{text}: {summary}");
        assert!(said.contains("held out: example/one, 1 instance(s) with 7 candidate(s)"), "{text}: {said}");
        assert!(
            card.contains("| example/one | 1 | 7 |") && card.contains("`held_out_repository` | 3 |"),
            "{text}: {card}"
        );
        assert_eq!(manifest["settings"]["held_out_repositories"], json!(["example/one"]), "{text}");
        assert_eq!(manifest["matched"]["held_out"], json!({"example/one": {"instances": 1, "candidates": 7}}));
    }
    let (_, _, card, manifest) = place.exported(&["--license", "any", "--hold-out", "example/THREE, example/one"], 0);
    assert_eq!(manifest["settings"]["held_out_repositories"], json!(["example/one", "example/three"]));
    assert!(card.contains("| example/three | 1 | 1 |"), "{card}");
    let (_, _, card, manifest) = place.exported(&[], 0);
    assert!(!card.contains("Held out for evaluation") && manifest.get("matched").is_none(), "{card}");
}

fn a_hold_out_that_no_instance_has_or_that_is_no_name_is_refused_with_the_nearest_names() {
    let place = Place::of(&World::small());
    place.refused(&["--hold-out", "example/onne"], &["example/onne", "no instance", "there are example/one,"]);
    place.refused(&["--hold-out", "example/one,other/one"], &["other/one: no instance"]);
    place.refused(&["--hold-out", "one"], &["there are example/one,"]);
    for text in ["example/*", "", " , ", "https://github.com/example", "the first one"] {
        place.refused(&["--hold-out", text], &["--hold-out", "OWNER/NAME"]);
    }
}

fn licences_are_chosen_by_spdx_name_and_a_name_that_no_instance_has_is_refused_with_those_that_there_are() {
    let place = Place::of(&World::small());
    let (summary, said, _, manifest) = place.exported(&["--license", "mit, isc"], 0);
    assert_eq!((&summary["rows"]["sft"], &manifest["settings"]["licenses"]), (&json!(3), &json!(["isc", "mit"])));
    assert!(said.contains("--license isc: no instance has this licence"), "{said}");
    fs::remove_dir_all(place.path("dataset")).unwrap();
    for wrong in ["MIT License", "Apache-2.0", "MIT,Apach-2.0"] {
        place.refused(&["--license", wrong], &["no instance of the run has this licence", "there is MIT"]);
    }
    place.refused(&["--license", ""], &["--license is empty"]);
    place.refused(&["--license", "unknown"], &["`any`"]);
}

fn a_run_of_unknown_licences_says_why_nothing_came_out_and_what_to_do_and_makes_no_folder() {
    let mut world = World::small();
    world.instances.values_mut().for_each(|instance| instance.license = None);
    let place = Place::of(&world);
    let output = expect_exit(&mut place.export(&[]), 2);
    let said = stderr(&output);
    for part in
        ["nothing was written", "3 candidate(s) left out: the licence of its repository is not known", "--license any"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(json(&output)["path"], Value::Null);
    assert!(!place.path("dataset").exists());
    place.exported(&["--license", "any"], 0);
    let before = fs::read(place.path("dataset/manifest.json")).unwrap();
    expect_exit(&mut place.export(&[]), 2);
    assert_eq!(fs::read(place.path("dataset/manifest.json")).unwrap(), before, "the earlier dataset is left alone");
}

fn a_view_without_a_file_is_said_and_not_claimed() {
    let place = Place::of(&World::small());
    let (_, said, card, manifest) = place.exported(&["--view", "harbor", "--view", "trl"], 2);
    assert!(said.contains("--view harbor: no file was written, because no task is of an instance"), "{said}");
    assert!(card.contains("are in `views/`: `trl`.") && card.contains("No file was written for `harbor`"), "{card}");
    assert_eq!(manifest["settings"]["views"], json!(["trl"]));
    let (_, said, card, _) = place.exported(&["--view", "harbor"], 2);
    assert!(said.contains("--view harbor") && !card.contains("`views/`: "), "{card}");
    let mut rl = assay();
    rl.args(["export", "rl"]).arg(place.path("run")).arg("--out").arg(place.path("tasks"));
    let output = expect_exit(rl.args(["--view", "trl", "--view", "llama-factory", "--view", "slime"]), 2);
    assert!(stderr(&output).contains("--view trl: no file was written, because there is no SFT row"));
    assert!(!place.path("tasks/dataset_info.json").exists() && place.path("tasks/views/slime").is_dir());
}

fn a_benchmark_file_says_what_it_matched_and_what_of_it_could_not_be_read() {
    let place = Place::of(&World::small());
    let far = place.write("far.jsonl", &benchmark_row("far__away-1", "far/away"));
    let near =
        place.write("near.jsonl", &format!("{}{{broken\n", benchmark_row("e-1", "https://github.com/Example/One")));
    let wanted = ["--license", "any", "--benchmark", &far, "--benchmark", &near, "--keep-benchmark-repositories"];
    let (summary, said, card, manifest) = place.exported(&wanted, 0);
    assert_eq!(summary["rows"]["sft"], 0, "{summary}");
    for part in [
        "far.jsonl: 1 benchmark instances; the run has nothing of them",
        "near.jsonl: 1 benchmark instances; 1 instance(s)",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("1 row(s) of a benchmark could not be read") && said.contains("near.jsonl:2"), "{said}");
    assert!(
        card.contains("| far.jsonl | 1 | 0 | 0 | 0 |") && card.contains("| near.jsonl | 1 | 1 | 1 | 0 |"),
        "{card}"
    );
    assert!(card.contains("Repositories of public benchmarks were not looked for."), "{card}");
    assert_eq!(manifest["matched"]["benchmarks"][1]["matched_instances"], 1);

    fs::remove_dir_all(place.path("dataset")).unwrap();
    let empty = place.write("empty.jsonl", "{\"question\": 1}\n");
    place.refused(&["--benchmark", &empty], &["empty.jsonl", "no instance of a benchmark"]);
}

fn other_names_that_nothing_has_are_refused_with_the_nearest_ones() {
    let place = Place::of(&World::small());
    place.exported(&["--license", "any"], 0);
    let dataset = place.path("dataset");
    let row = json!({"instance_id": "one", "base_commit": "c".repeat(40), "problem": "p", "gold_diff": "--- a/x\n"});
    let rows = place.write("rows.jsonl", &format!("{row}\n"));
    let table: [(&[&str], &[&str]); 4] = [
        (&["audit", "show", &dataset.display().to_string(), "onne"], &["no row is onne", "there are one"]),
        (&["audit", &rows, "--column", "patch=golddiff"], &["golddiff", "there are gold_diff,"]),
        (&["image", "gc", "--reference", "no/such:image"], &["no/such:image", "there are none"]),
        (&["prompt", "x", "--out", "y", "--skill", "Repare"], &["\"Repare\"", "there are repair,"]),
    ];
    for (arguments, said) in table {
        let output = expect_exit(assay().args(arguments).env("ASSAY_CACHE", place.path("cache")), 1);
        for part in said {
            assert!(stderr(&output).contains(part), "{arguments:?}: {part:?} is not in {}", stderr(&output));
        }
    }
}

fn a_file_to_leave_out_that_neither_version_has_is_refused_with_those_that_differ() {
    let folder = tempfile::tempdir().unwrap();
    let tree = |name: &str, version: &str, value: &str| {
        let root = folder.path().join(name);
        fs::create_dir_all(root.join("shop")).unwrap();
        fs::write(root.join("shop/version.py"), version).unwrap();
        fs::write(root.join("shop/price.py"), value).unwrap();
        root
    };
    let (base, fix) = (tree("base", "V = 1\n", "price = 1\n"), tree("fix", "V = 2\n", "price = 2\n"));
    let import = |path: &str, out: &Path| {
        let wanted = Wanted {
            problem_statement: "p".to_owned(),
            leave_out: vec![path.to_owned()],
            environment: Environment { framework: "unittest".to_owned(), ..Environment::default() },
            ..Wanted::default()
        };
        import_folders(&base, &fix, wanted, out)
    };
    let error = format!("{:#}", import("shop/versions.py", &folder.path().join("a")).unwrap_err());
    assert!(error.contains("--leave-out shop/versions.py") && error.contains("there are shop/version.py,"), "{error}");
    assert!(!import("shop/version.py", &folder.path().join("b")).unwrap().patch.contains("V = 2"));
}

pub const TESTS: &[Test] = tests![
    a_repository_is_held_out_however_it_is_written_and_the_card_counts_what_was,
    a_hold_out_that_no_instance_has_or_that_is_no_name_is_refused_with_the_nearest_names,
    licences_are_chosen_by_spdx_name_and_a_name_that_no_instance_has_is_refused_with_those_that_there_are,
    a_run_of_unknown_licences_says_why_nothing_came_out_and_what_to_do_and_makes_no_folder,
    a_view_without_a_file_is_said_and_not_claimed,
    a_benchmark_file_says_what_it_matched_and_what_of_it_could_not_be_read,
    other_names_that_nothing_has_are_refused_with_the_nearest_ones,
    a_file_to_leave_out_that_neither_version_has_is_refused_with_those_that_differ,
];
