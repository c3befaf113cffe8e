//! The recipe against a local server that plays the model: prompt, sample, verify, prompt again with what was verified, export,
//! curriculum, select.

use crate::harness::{Test, tests};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use swe_assay::inside::dataset::files::parquet;
use swe_assay::inside::intake::{Wanted, import_folders, write_import};
use swe_assay::inside::model::instance::Environment;

use crate::model_server::{Asked, ModelServer, Say, completion};
use crate::support::{assay, expect_exit, json, lines};

/// An instance, and what the model answers: indexes of hand-written answers, by skill and in order.
type Played = (&'static str, [(&'static str, &'static [u64]); 3]);

const OFFLINE: [Played; 2] = [
    ("assay__spans-v2", [("localization", &[3, 0, 1]), ("test", &[0]), ("repair", &[3, 0, 1, 4, 2])]),
    ("assay__spans-v3", [("localization", &[3, 0, 1]), ("test", &[0]), ("repair", &[4, 0, 2, 5, 3])]),
];
const RELEASES: [Played; 2] = [
    ("python-hyper__h11-0.16.0", [("localization", &[3, 0, 1]), ("test", &[0]), ("repair", &[4, 1, 2, 5, 3])]),
    ("tkem__cachetools-5.5.2", [("localization", &[3, 0, 1]), ("test", &[0]), ("repair", &[5, 0, 2, 6, 1])]),
];

fn sandboxes(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sandboxes").join(path)
}

/// Imports the two instances of the offline demo.
fn import_offline(work: &Path) {
    let instances = [("assay__spans-v2", "v1", "v2"), ("assay__spans-v3", "v2", "v3")].map(|(id, base, fix)| {
        let problem = sandboxes(&format!("offline-demo/problems/{id}.md"));
        let wanted = Wanted {
            problem_statement: std::fs::read_to_string(problem).unwrap(),
            instance_id: Some(id.to_owned()),
            repo: Some("assay/spans".to_owned()),
            license: Some("Apache-2.0".to_owned()),
            environment: Environment {
                recipe: Some("python-stdlib".to_owned()),
                framework: "unittest".to_owned(),
                ..Environment::default()
            },
            ..Wanted::default()
        };
        let folder = |name: &str| sandboxes("offline-demo").join(name);
        import_folders(&folder(base), &folder(fix), wanted, work).unwrap()
    });
    write_import(work, &instances, &[]).unwrap();
}

/// Imports two releases each of two packages, from the index.
fn import_releases(work: &Path) {
    for (name, old, new, id, repo, leave_out) in [
        ("h11", "0.15.0", "0.16.0", "python-hyper__h11-0.16.0", "python-hyper/h11", "h11/_version.py"),
        ("cachetools", "5.5.1", "5.5.2", "tkem__cachetools-5.5.2", "tkem/cachetools", "LICENSE"),
    ] {
        let problem = sandboxes(&format!("release-pairs/problems/{id}.md"));
        let mut import = assay();
        import.args(["import", "pypi", name, old, new, "--id", id, "--repo", repo, "--license", "MIT"]);
        import.args(["--leave-out", leave_out]).arg("--problem-file").arg(problem).arg("--out").arg(work);
        expect_exit(&mut import, 0);
    }
}

/// Answers with what is written by hand: which instance and skill is asked about shows in the prompt, which sample in the seed.
fn model(played: &'static [Played], data: &str, generations: &[&str]) -> ModelServer {
    let written = generations.iter().flat_map(|file| lines(&sandboxes(data).join(file)));
    let written: BTreeMap<(String, String, u64), String> = written
        .filter_map(|row| {
            let text = |name: &str| row[name].as_str().map(str::to_owned);
            Some(((text("instance_id")?, text("skill")?, row["index"].as_u64()?), text("completion")?))
        })
        .collect();
    let problem = |id: &str| std::fs::read_to_string(sandboxes(data).join(format!("problems/{id}.md"))).unwrap();
    let played: Vec<_> = played.iter().map(|(id, answers)| (*id, problem(id), answers)).collect();
    ModelServer::start(move |asked: &Asked| {
        let (id, _, answers) =
            played.iter().find(|(_, problem, _)| asked.text().contains(problem.trim())).expect("a known issue");
        let skill = match asked.text() {
            text if text.contains("Find the files") => "localization",
            text if text.contains("Write a test") => "test",
            _ => "repair",
        };
        let (_, indexes) = answers.iter().find(|(known, _)| *known == skill).unwrap();
        let index = indexes[asked.body["seed"].as_u64().unwrap() as usize % indexes.len()];
        Say::Json(completion(&[&written[&((*id).to_owned(), skill.to_owned(), index)]]))
    })
}

struct Place(tempfile::TempDir);

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Arguments that begin with `@` are paths of this place.
    fn run(&self, command: &str, arguments: &[&str], code: i32) -> Value {
        let mut assay = assay();
        assay.arg(command);
        for argument in arguments {
            match argument.strip_prefix('@') {
                Some(name) => assay.arg(self.path(name)),
                None => assay.arg(argument),
            };
        }
        json(&expect_exit(assay.arg("--json"), code))
    }
}

fn verified_places_lead_to_verified_repairs_and_rows_hold_the_prompts_that_the_model_saw() {
    let server = model(&OFFLINE, "offline-demo", &["generations.jsonl"]);
    whole_recipe(&server, import_offline);
}

fn the_recipe_over_releases_of_real_packages_ends_with_selected_patches_that_resolve() {
    let generations = ["generations/python-hyper__h11-0.16.0.jsonl", "generations/tkem__cachetools-5.5.2.jsonl"];
    let server = model(&RELEASES, "release-pairs", &generations);
    whole_recipe(&server, import_releases);
}

fn whole_recipe(server: &ModelServer, import: impl Fn(&Path)) {
    let place = Place(tempfile::tempdir().unwrap());
    import(&place.path("work"));
    let url = server.url();
    let sample = |prompts: &str, out: &str, n: &str, more: u64| {
        let arguments = [prompts, "--out", out, "--endpoint", &url, "--model", "played", "-n", n, "--seed", "0"];
        let summary = place.run("sample", &arguments, 0);
        assert_eq!(summary["sampled"], more, "{summary}");
    };

    // Where.
    place.run("prompt", &["@work", "--out", "@where.jsonl", "--skill", "localization"], 0);
    sample("@where.jsonl", "@places.jsonl", "3", 6);
    let verify = |arguments: &[&str]| place.run("verify", &[&["@work", "--run", "@run"], arguments].concat(), 0);
    let summary = verify(&["--generations", "@places.jsonl", "--prompts", "@where.jsonl"]);
    assert_eq!((&summary["verified"], &summary["rejected"]), (&json!(4), &json!(2)), "{summary}");

    // What: a test each, and five repairs, seeing the files of verified localizations.
    let chain = ["--localization", "verdicts", "--from", "@run", "--retrieve", "1"];
    place.run("prompt", &[&["@work", "--out", "@tests.jsonl", "--skill", "test"], &chain[..]].concat(), 0);
    place.run("prompt", &[&["@work", "--out", "@mend.jsonl", "--skill", "repair"], &chain[..]].concat(), 0);
    let prompts = lines(&place.path("mend.jsonl"));
    for prompt in &prompts {
        assert_eq!((&prompt["localization"], &prompt["files"][0]["origin"]), (&json!("verdicts"), &json!("localized")));
    }
    sample("@tests.jsonl", "@written.jsonl", "1", 2);
    sample("@mend.jsonl", "@patches.jsonl", "5", 10);
    let everything = [
        "--generations",
        "@places.jsonl",
        "@written.jsonl",
        "@patches.jsonl",
        "--prompts",
        "@where.jsonl",
        "@tests.jsonl",
        "@mend.jsonl",
    ];
    let summary = verify(&everything);
    assert_eq!((&summary["candidates"], &summary["quarantined"]), (&json!(18), &json!(0)), "{summary}");
    assert_eq!(
        (&summary["skills"]["repair"]["verified"], &summary["skills"]["repair"]["rejected"]),
        (&json!(6), &json!(4))
    );
    assert_eq!(summary["skills"]["test"]["verified"], 2, "{summary}");

    // The exported rows hold the prompts that the model saw.
    place.run("export", &["@run", "--out", "@dataset"], 0);
    let mut rows = Vec::new();
    parquet::each_row(&place.path("dataset/sft-repair/train-00000-of-00001.parquet"), &mut |row| {
        rows.push(Value::Object(row));
        Ok(())
    })
    .unwrap();
    assert!(!rows.is_empty());
    for row in &rows {
        let prompt = prompts.iter().find(|prompt| prompt["prompt_id"] == row["prompt_id"]).expect("a prompt of ours");
        assert_eq!(row["messages"][0]["content"], prompt["messages"][0]["content"]);
    }

    // Three of five repairs of each instance are right: mastered only where that is asked to be little.
    for (threshold, left, code) in [("0.9", 2, 0), ("0.5", 0, 2)] {
        let arguments = ["@run", "--rows", "@work/instances.jsonl", "--out", "@stage2.jsonl", "--threshold", threshold];
        place.run("curriculum", &arguments, code);
        assert_eq!(lines(&place.path("stage2.jsonl")).len(), left, "above {threshold}");
    }

    // So with the tasks as a trainer reads them: places and tests were found more often than that, repairs exactly so often.
    place.run("export", &["rl", "@run", "--out", "@tasks"], 0);
    let count = |path: &str| {
        let mut count = 0;
        let file = place.path(path).join("train-00000-of-00001.parquet");
        parquet::each_row(&file, &mut |_| {
            count += 1;
            Ok(())
        })
        .unwrap();
        count
    };
    place.run("curriculum", &["@run", "--rows", "@tasks/rl", "--out", "@stage2", "--threshold", "0.6"], 0);
    assert_eq!((count("tasks/rl"), count("stage2")), (6, 2));

    // One patch of five each, chosen without its verdict.
    verify(&[&everything[..], &["--matrix"]].concat());
    place.run("select", &["@run", "--method", "enhanced"], 0);
    let verdicts = lines(&place.path("run/verdicts.jsonl"));
    let selections = lines(&place.path("run/selection/selection.jsonl"));
    assert_eq!(selections.len(), 2);
    for selection in &selections {
        let chosen = selection["chosen"].as_u64().expect("a patch is chosen");
        let ballot = selection["candidates"].as_array().unwrap().iter().find(|one| one["number"] == chosen).unwrap();
        let verdict = verdicts.iter().find(|verdict| verdict["candidate_id"] == ballot["candidate_id"]).unwrap();
        assert_eq!(verdict["reason"], "resolved", "{selection}");
    }
    let predictions = lines(&place.path("run/selection/predictions.jsonl"));
    assert!(predictions.iter().all(|one| one["model_patch"].as_str().is_some_and(|patch| patch.starts_with("diff "))));
    let curve = std::fs::read_to_string(place.path("run/selection/scaling.json")).unwrap();
    assert!(curve.contains("enhanced") && place.path("run/selection/scaling.svg").exists(), "{curve}");
    expect_exit(assay().arg("report").arg(place.path("run")), 0);
    let page = std::fs::read_to_string(place.path("run/report.html")).unwrap();
    assert!(page.contains("<img class=\"curve\""), "the report shows the curve");
}

pub const TESTS: &[Test] = tests![
    verified_places_lead_to_verified_repairs_and_rows_hold_the_prompts_that_the_model_saw,
    the_recipe_over_releases_of_real_packages_ends_with_selected_patches_that_resolve,
];
