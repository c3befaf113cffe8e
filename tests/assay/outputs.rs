//! Every output option of the command line, given each input of its command, other names of it, and places that are not
//! the command's: refused before the first byte. `docs/outputs.md` says what else happens, and is held against this.

use crate::harness::{Test, tests};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use serde_json::json;
use swe_assay::Cli;

use crate::support::{assay, expect_exit, stderr};

/// What an option that takes a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Input,
    /// A file of a kind, replaced.
    File,
    /// Added to.
    Growing,
    /// Never replaced.
    New,
    /// Files in a folder; a name that would be among them.
    Set(&'static str),
    /// A directory that is replaced as a whole.
    Directory,
    /// A run directory; a name that it writes.
    Run,
    /// Instances are added to what is there.
    Import,
    /// Everything of a demo.
    Demo,
    Cache,
}

use Role::*;

/// Every option of type path, by command and name. A new one must be put here.
const OPTIONS: &[(&str, &str, Role)] = &[
    ("audit", "benchmark", Input),
    ("audit", "instances", Input),
    ("audit", "logs", Input),
    ("audit", "sarif", File),
    ("audit", "verify_signature", Input),
    ("audit", "repos", Input),
    ("audit", "run", Set("sample.jsonl")),
    ("audit", "cache", Cache),
    ("demo", "out", Demo),
    ("demo", "cache", Cache),
    ("import", "files", Input),
    ("import", "out", Import),
    ("import pypi", "out", Import),
    ("import pypi", "problem_file", Input),
    ("import git", "path", Input),
    ("import git", "out", Import),
    ("import git", "problem_file", Input),
    ("import folders", "base", Input),
    ("import folders", "fix", Input),
    ("import folders", "out", Import),
    ("import folders", "problem_file", Input),
    ("image pull", "cache", Cache),
    ("image pull", "from", Input),
    ("image build", "instances", Input),
    ("image build", "repos", Input),
    ("image build", "cache", Cache),
    ("image seal", "instances", Input),
    ("image seal", "repos", Input),
    ("image seal", "cache", Cache),
    ("image list", "cache", Cache),
    ("image gc", "cache", Cache),
    ("validate", "instances", Input),
    ("validate", "admissions", Input),
    ("validate", "repos", Input),
    ("validate", "run", Run),
    ("validate", "cache", Cache),
    ("prompt", "instances", Input),
    ("prompt", "batch", Set("requests-0001.jsonl")),
    ("prompt", "from", Input),
    ("prompt", "out", File),
    ("prompt", "repos", Input),
    ("prompt", "templates", Input),
    ("prompt", "tokenizer", Input),
    ("prompt", "write_templates", New),
    ("sample", "prompts", Input),
    ("sample", "out", Growing),
    ("sample", "results", Input),
    ("verify", "instances", Input),
    ("verify", "generations", Input),
    ("verify", "prompts", Input),
    ("verify", "repos", Input),
    ("verify", "run", Run),
    ("verify", "cache", Cache),
    ("pack", "run", Input),
    ("pack", "out", File),
    ("judge", "run", Input),
    ("judge", "instances", Input),
    ("judge", "logs", Input),
    ("judge", "out", File),
    ("export", "run", Input),
    ("export", "out", Directory),
    ("export", "benchmark", Input),
    ("export", "tokenizer", Input),
    ("export", "sign", Input),
    ("export", "new_key", New),
    ("curriculum", "rollouts", Input),
    ("curriculum", "rows", Input),
    ("curriculum", "out", File),
    ("curriculum", "report", File),
    ("publish", "directory", Input),
    ("serve", "instances", Input),
    ("serve", "repos", Input),
    ("serve", "run", Run),
    ("report", "source", Input),
    ("report", "out", File),
    ("select", "input", Input),
    ("select", "out", Set("predictions.jsonl")),
    ("select", "repos", Input),
    ("schema", "write", File),
    ("serve", "cache", Cache),
    ("select", "cache", Cache),
    ("export rl", "run", Input),
    ("export rl", "out", Directory),
    ("export rl", "benchmark", Input),
    ("export rl", "tokenizer", Input),
    ("export rl", "sign", Input),
    ("export rl", "new_key", New),
];

fn every_option_that_takes_a_path_is_known_to_be_an_input_or_an_output() {
    fn walk(command: &clap::Command, name: &str, found: &mut Vec<(String, String)>) {
        for argument in command.get_arguments() {
            if argument.get_value_parser().type_id() == TypeId::of::<PathBuf>() {
                found.push((name.to_owned(), argument.get_id().to_string()));
            }
        }
        for sub in command.get_subcommands() {
            walk(sub, format!("{name} {}", sub.get_name()).trim(), found);
        }
    }
    let mut found = Vec::new();
    walk(&Cli::command(), "", &mut found);
    let mut known: Vec<_> =
        OPTIONS.iter().map(|(command, option, _)| ((*command).to_owned(), (*option).to_owned())).collect();
    found.sort();
    known.sort();
    let new: Vec<_> = found.iter().filter(|one| !known.contains(one)).collect();
    let gone: Vec<_> = known.iter().filter(|one| !found.contains(one)).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "say whether these are inputs or outputs: {new:?}; no longer there: {gone:?}"
    );
}

/// A folder with one input of every sort. Nothing of it is good enough to be worked on: refusals come before any work.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let instance = json!({"instance_id": "a__b-1", "repo": "a/b", "base_commit": "0".repeat(40), "patch": "",
            "problem_statement": "x"});
        let files = [
            ("work/instances.jsonl", instance.to_string()),
            ("work/repos/a__b.git/HEAD", "ref: refs/heads/main".to_owned()),
            ("run/journal/000000000001-0123456789abcdef.jsonl", String::new()),
            ("run/lock", String::new()),
            ("run/run.json", json!({"format": "run.v1"}).to_string()),
            ("run/verdicts.jsonl", json!({"format": "verdict.v1"}).to_string()),
            ("generations.jsonl", json!({"format": "generation.v1", "instance_id": "a__b-1"}).to_string()),
            ("prompts.jsonl", json!({"format": "prompt.v1"}).to_string()),
            ("results.jsonl", json!({"custom_id": "1"}).to_string()),
            ("rollouts.jsonl", json!({"instance_id": "a__b-1", "score": 1}).to_string()),
            ("rows.jsonl", json!({"instance_id": "a__b-1"}).to_string()),
            ("shards/a.jsonl", json!({"instance_id": "a__b-1"}).to_string()),
            ("shards/b.jsonl", json!({"instance_id": "a__b-2"}).to_string()),
            ("templates/repair.jinja", "{{ problem }}".to_owned()),
            ("tokenizer.json", "{}".to_owned()),
            ("benchmark.jsonl", json!({"instance_id": "c__d-1"}).to_string()),
            ("key", "secret".to_owned()),
            ("key.pub", "public".to_owned()),
            ("logs/a__b-1.log", "passed".to_owned()),
            ("data/rows.jsonl", json!({"messages": []}).to_string()),
            ("archive/index.json", "{}".to_owned()),
            ("issue.md", "It breaks.".to_owned()),
            ("project/.git/HEAD", "ref: refs/heads/main".to_owned()),
            // A project of somebody else, with files of the names that are ours elsewhere.
            ("web/manifest.json", json!({"name": "an app", "icons": []}).to_string()),
            ("web/src/app.js", "code".to_owned()),
        ];
        for (path, text) in files {
            world.put(path, &text);
        }
        for name in [
            "requests-0001.jsonl",
            "predictions.jsonl",
            "a.jsonl",
            "instances.jsonl",
            "sample.jsonl",
            "instance.v1.json",
            "repair.v1.jinja",
            "generations.jsonl",
        ] {
            world.put(&format!("web/{name}"), "mine\n");
        }
        world
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Every file with its bytes.
    fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = walkdir::WalkDir::new(self.folder.path()).into_iter().map(Result::unwrap);
        let files = entries.filter(|entry| !entry.file_type().is_dir());
        files.map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap_or_default())).collect()
    }

    /// The command with this output: ends with 1, names the places, and changes nothing.
    fn refuses(&self, line: &str, out: &Path, named: &[&Path]) {
        let before = self.snapshot();
        let mut command = assay();
        command.current_dir(self.folder.path()).env_remove("OPENAI_BASE_URL");
        for word in line.split_whitespace() {
            match word {
                "OUT" => command.arg(out),
                word => command.arg(word),
            };
        }
        let output = expect_exit(&mut command, 1);
        let said = stderr(&output);
        for path in named {
            assert!(
                said.contains(&path.display().to_string()),
                "{line}, OUT {}: {} in {said}",
                out.display(),
                path.display()
            );
        }
        assert!(said.contains("nothing was written"), "{line}, OUT {}: {said}", out.display());
        assert_eq!(self.snapshot(), before, "{line}, OUT {}", out.display());
    }
}

/// Command lines with an output as OUT, the option's role, and the inputs that they name.
#[rustfmt::skip]
fn lines() -> Vec<(&'static str, &'static str, Role, Vec<&'static str>)> {
    let instances = "work/instances.jsonl";
    vec![
        ("audit data --benchmark benchmark.jsonl --instances work/instances.jsonl --logs logs --verify-signature key.pub --sarif OUT",
         "audit --sarif", File, vec!["data/rows.jsonl", "benchmark.jsonl", instances, "logs/a__b-1.log", "key.pub"]),
        ("audit data --instances work/instances.jsonl --rerun 1 --run OUT",
         "audit --rerun --run", Set("instances.jsonl"), vec![instances, "data/rows.jsonl"]),
        ("prompt work --from generations.jsonl --localization generations --tokenizer tokenizer.json --templates templates --out OUT",
         "prompt --out", File, vec![instances, "generations.jsonl", "tokenizer.json", "templates/repair.jinja", "work/repos/a__b.git/HEAD"]),
        ("prompt work --from generations.jsonl --localization generations --model m --out new.jsonl --batch OUT",
         "prompt --batch", Set("requests-0001.jsonl"), vec![instances, "generations.jsonl"]),
        ("sample prompts.jsonl --results results.jsonl --out OUT", "sample --out", Growing, vec!["prompts.jsonl", "results.jsonl"]),
        ("validate work --run OUT", "validate --run", Run, vec![instances]),
        ("pack run --out OUT", "pack --out", File, vec!["run/verdicts.jsonl", "run/run.json"]),
        ("verify work/instances.jsonl --generations generations.jsonl --prompts prompts.jsonl --run OUT",
         "verify --run", Run, vec![instances, "generations.jsonl", "prompts.jsonl"]),
        ("serve work/instances.jsonl --run OUT", "serve --run", Run, vec![instances]),
        ("judge --logs logs --instances work/instances.jsonl --out OUT", "judge --out", File, vec![instances, "logs/a__b-1.log"]),
        ("export run --benchmark benchmark.jsonl --tokenizer tokenizer.json --sign key --out OUT",
         "export --out", Directory, vec!["run/verdicts.jsonl", "benchmark.jsonl", "tokenizer.json", "key"]),
        ("export rl run --benchmark benchmark.jsonl --out OUT", "export rl --out", Directory, vec!["run/verdicts.jsonl", "benchmark.jsonl"]),
        ("export --new-key OUT", "export --new-key", New, vec![]),
        ("export rl --new-key OUT", "export rl --new-key", New, vec![]),
        ("prompt --write-templates OUT", "prompt --write-templates", Set("repair.v1.jinja"), vec![]),
        ("schema --write OUT", "schema --write", Set("instance.v1.json"), vec![]),
        ("curriculum rollouts.jsonl run --rows rows.jsonl --out OUT",
         "curriculum --out FILE", File, vec!["rollouts.jsonl", "rows.jsonl", "run/verdicts.jsonl"]),
        ("curriculum rollouts.jsonl run --rows shards --out OUT",
         "curriculum --out DIR", Set("a.jsonl"), vec!["rollouts.jsonl", "shards/a.jsonl", "shards/b.jsonl", "run/verdicts.jsonl"]),
        ("curriculum rollouts.jsonl --rows rows.jsonl --out new.jsonl --report OUT",
         "curriculum --report", File, vec!["rollouts.jsonl", "rows.jsonl"]),
        ("report run --out OUT", "report --out", File, vec!["run/verdicts.jsonl", "run/run.json"]),
        ("select generations.jsonl --repos work/repos --method first --out OUT",
         "select --out", Set("predictions.jsonl"), vec!["generations.jsonl"]),
        ("import rows.jsonl --out OUT", "import --out", Import, vec!["rows.jsonl"]),
        ("import pypi a 1 2 --problem-file issue.md --out OUT", "import pypi --out", Import, vec!["issue.md"]),
        ("import git project HEAD~1 HEAD --problem-file issue.md --out OUT", "import git --out", Import, vec!["issue.md"]),
        ("import folders project project --problem-file issue.md --out OUT", "import folders --out", Import, vec!["issue.md"]),
        ("image pull x --from archive --cache OUT", "image pull --cache", Cache, vec!["archive/index.json"]),
        ("demo --offline --out OUT", "demo --out", Demo, vec![]),
    ]
}

fn no_output_is_an_input_or_another_name_of_one() {
    let world = World::new();
    for (line, _, role, inputs) in lines() {
        for input in inputs {
            let named = Path::new(input);
            let names = |place: &Path| {
                let _former = fs::remove_dir_all(place);
                fs::create_dir_all(place).unwrap();
            };
            let place = world.at("other-names");
            match role {
                Input => unreachable!("an input is no output"),
                File | Growing | New => {
                    world.refuses(line, named, &[named]);
                    names(&place);
                    fs::hard_link(world.at(input), place.join("hard")).unwrap();
                    symlink(world.at(input), place.join("soft")).unwrap();
                    for link in ["other-names/hard", "other-names/soft"] {
                        world.refuses(line, Path::new(link), &[Path::new(link)]);
                    }
                }
                Set(name) => {
                    for link in [true, false] {
                        names(&place);
                        match link {
                            true => symlink(world.at(input), place.join(name)).unwrap(),
                            false => fs::hard_link(world.at(input), place.join(name)).unwrap(),
                        }
                        world.refuses(line, Path::new("other-names"), &[Path::new("other-names"), named]);
                    }
                }
                Run | Import => {
                    names(&place);
                    fs::hard_link(world.at(input), place.join("instances.jsonl")).unwrap();
                    world.refuses(line, Path::new("other-names"), &[Path::new("other-names"), named]);
                }
                Directory => {
                    names(&place);
                    symlink(world.at(input).parent().unwrap(), place.join("folder")).unwrap();
                    let folder = named.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
                    let out = if folder == Path::new(".") { world.folder.path() } else { folder };
                    world.refuses(line, out, &[out]);
                    world.refuses(line, Path::new("other-names/folder"), &[Path::new("other-names/folder")]);
                    world.refuses(line, named, &[named]);
                }
                Cache | Demo => world.refuses(line, named.parent().unwrap(), &[named.parent().unwrap()]),
            }
            let _links = fs::remove_dir_all(&place);
        }
    }
}

fn places_of_somebody_else_are_left_alone() {
    let world = World::new();
    for (line, option, role, _) in lines() {
        let web = Path::new("web");
        match role {
            Input => unreachable!("an input is no output"),
            // Shared by all runs, and adds folders of its own.
            Cache => {}
            File | Growing | New => {
                world.refuses(line, web, &[web]);
                if role != Growing {
                    world.refuses(line, Path::new("web/src/app.js"), &[Path::new("web/src/app.js")]);
                    // A file of a run that this command does not write.
                    let verdicts = Path::new("run/verdicts.jsonl");
                    world.refuses(line, verdicts, &[verdicts]);
                }
            }
            Set(_) | Directory | Run | Import | Demo => {
                world.refuses(line, web, &[web]);
                let file = Path::new("web/src/app.js");
                world.refuses(line, file, &[file]);
            }
        }
        let row = format!("| `{option}` |");
        let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/outputs.md")).unwrap();
        assert!(table.contains(&row), "docs/outputs.md has no row of {option}");
    }
}

fn two_outputs_are_never_one_place() {
    let world = World::new();
    for (line, place) in [
        ("prompt work --model m --out requests-0001.jsonl --batch OUT", "."),
        ("curriculum rollouts.jsonl --rows rows.jsonl --out new.json --report OUT", "./new.json"),
        ("curriculum rollouts.jsonl --rows rows.jsonl --out OUT", "quarantine.jsonl"),
        ("curriculum rollouts.jsonl --rows rows.jsonl --out OUT", "curriculum.json"),
    ] {
        world.refuses(line, Path::new(place), &[Path::new(place)]);
    }
}

fn rows_that_were_dropped_do_not_come_back_from_an_earlier_run() {
    let world = World::new();
    let run = |code: i32| {
        let mut command = assay();
        command.current_dir(world.folder.path());
        command.args(["curriculum", "rollouts.jsonl", "--stage", "1", "--rows", "shards", "--out", "stage2"]);
        expect_exit(&mut command, code)
    };
    run(0);
    assert!(world.at("stage2/b.jsonl").exists());
    fs::remove_file(world.at("shards/b.jsonl")).unwrap();
    world.put("stage2/notes.md", "mine");
    run(0);
    assert!(world.at("stage2/a.jsonl").exists() && world.at("stage2/notes.md").exists());
    assert!(!world.at("stage2/b.jsonl").exists(), "a shard of the earlier run stands beside the new one");
    world.put("stage2/mine.jsonl", "{}\n");
    let said = stderr(&run(1));
    assert!(said.contains("stage2/mine.jsonl") && said.contains("left alone"), "{said}");

    // What an import set aside is not removed by a command that has nothing to set aside.
    world.put("work/quarantine.jsonl", "{\"format\":\"quarantine.v1\"}\n");
    let mut command = assay();
    command.current_dir(world.folder.path()).args(["curriculum", "rollouts.jsonl", "--stage", "1"]);
    expect_exit(command.args(["--rows", "work/instances.jsonl", "--out", "work/stage2.jsonl"]), 0);
    assert!(world.at("work/quarantine.jsonl").exists());
}

pub const TESTS: &[Test] = tests![
    every_option_that_takes_a_path_is_known_to_be_an_input_or_an_output,
    no_output_is_an_input_or_another_name_of_one,
    places_of_somebody_else_are_left_alone,
    two_outputs_are_never_one_place,
    rows_that_were_dropped_do_not_come_back_from_an_earlier_run,
];
