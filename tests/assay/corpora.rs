//! The corpora: cheats are never verified, honest repairs never rejected, in every sandbox way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use swe_assay::instance::Environment;
use swe_assay::intake::{Wanted, import_folders, write_import};

use crate::support::{assay, docker_answers, lines, stderr};

/// A world: a folder of `worlds/`, and how its tests run.
const WORLDS: [(&str, &str, &str); 5] = [
    ("harbour", "python-stdlib", "unittest"),
    ("ledger", "python-stdlib", "unittest"),
    ("orchard", "python-pytest", "pytest"),
    ("parcel", "python-pytest", "pytest"),
    ("roman", "python-pytest", "pytest"),
];

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata")
}

/// A candidate of a corpus and what became of it.
struct Case {
    name: String,
    mechanism: String,
    needs: String,
    expected: (String, String),
    found: (String, String),
    detail: String,
}

impl Case {
    fn line(&self) -> String {
        format!(
            "{} ({}): expected {} {}, found {} {}: {}",
            self.name, self.mechanism, self.expected.0, self.expected.1, self.found.0, self.found.1, self.detail
        )
    }
}

/// Every candidate of a world with its verdict; none where pip reaches no index, which is said.
fn judge(world: &(&str, &str, &str), sandbox: &str) -> Option<(Vec<Case>, Vec<Case>)> {
    let (name, recipe, framework) = *world;
    let folder = tempfile::tempdir().unwrap();
    let (import, run) = (folder.path().join("import"), folder.path().join("run"));
    let trees = testdata().join("worlds").join(name);
    let wanted = Wanted {
        problem_statement: std::fs::read_to_string(trees.join("problem.md")).unwrap(),
        instance_id: Some(format!("worlds__{name}")),
        repo: Some(format!("worlds/{name}")),
        license: Some("Apache-2.0".to_owned()),
        environment: Environment {
            recipe: Some(recipe.to_owned()),
            framework: framework.to_owned(),
            ..Environment::default()
        },
        ..Wanted::default()
    };
    let instance = import_folders(&trees.join("base"), &trees.join("fix"), wanted, &import).unwrap();
    write_import(&import, &[instance], &[]).unwrap();
    let files = ["cheats", "benign"].map(|corpus| testdata().join(corpus).join(format!("{name}.jsonl")));
    let mut command = assay();
    command.arg("verify").arg(&import).args(["--evidence", "E3", "--sandbox", sandbox, "--run"]).arg(&run);
    command.arg("--generations").args(&files);
    let output = command.output().unwrap();
    if output.status.code() == Some(4) && stderr(&output).contains("pip reaches its index") {
        println!("skipped {name}: pip reaches no package index");
        return None;
    }
    assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
    let verdicts: BTreeMap<_, _> = lines(&run.join("verdicts.jsonl"))
        .into_iter()
        .map(|verdict| (verdict["generation"]["index"].as_u64().unwrap(), verdict))
        .collect();
    let [cheats, benign] = files.map(|file| lines(&file).iter().map(|row| case(row, &verdicts)).collect::<Vec<_>>());
    assert_eq!(verdicts.len(), cheats.len() + benign.len(), "{name}: candidates and verdicts differ in number");
    Some((cheats, benign))
}

fn case(row: &Value, verdicts: &BTreeMap<u64, Value>) -> Case {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value} is not text in {row}")).to_owned();
    let verdict = &verdicts[&row["index"].as_u64().unwrap()];
    Case {
        name: text(&row["name"]),
        mechanism: text(&row["mechanism"]),
        needs: text(&row["needs"]),
        expected: (text(&row["expected_status"]), text(&row["expected_reason"])),
        found: (text(&verdict["status"]), text(&verdict["reason"])),
        detail: text(&verdict["detail"]),
    }
}

fn named<'a>(cases: impl IntoIterator<Item = &'a Case>) -> String {
    cases.into_iter().map(|case| format!("  {}\n", case.line())).collect()
}

/// Names in `cheats/accepted.txt`: what today's evidence lets through.
fn known_to_pass() -> BTreeSet<String> {
    let text = std::fs::read_to_string(testdata().join("cheats/accepted.txt")).unwrap();
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn corpora(sandbox: &str) {
    let (mut cheats, mut benign) = (Vec::new(), Vec::new());
    let mut skipped = false;
    for world in &WORLDS {
        match judge(world, sandbox) {
            Some((more_cheats, more_benign)) => {
                cheats.extend(more_cheats);
                benign.extend(more_benign);
            }
            None => skipped = true,
        }
    }
    let differing = cheats.iter().chain(&benign).filter(|case| case.found != case.expected);
    println!("{sandbox}: verdicts other than the corpora expect:\n{}", named(differing));
    let refused: Vec<_> = benign.iter().filter(|case| case.found.0 != "verified").collect();
    assert!(refused.is_empty(), "{} of {} honest repairs refused:\n{}", refused.len(), benign.len(), named(refused));

    let (plain, hard): (Vec<_>, Vec<_>) = cheats.iter().partition(|case| case.needs != "e3");
    let accepted: Vec<_> = plain.iter().filter(|case| case.found.0 != "rejected").copied().collect();
    assert!(accepted.is_empty(), "{} of {} cheats not rejected:\n{}", accepted.len(), plain.len(), named(accepted));
    let otherwise: Vec<_> = plain.iter().filter(|case| case.found != case.expected).copied().collect();
    assert!(otherwise.len() * 10 <= plain.len(), "more than one in ten reasons differ:\n{}", named(otherwise));

    let passing: BTreeSet<_> =
        hard.iter().filter(|case| case.found.0 != "rejected").map(|case| case.name.clone()).collect();
    println!("{sandbox}: {} of {} cheats pass today's evidence: {passing:?}", passing.len(), cheats.len());
    let known = known_to_pass();
    let grown: Vec<_> = passing.difference(&known).collect();
    assert!(grown.is_empty(), "cheats that pass and are not in cheats/accepted.txt: {grown:?}");
    let stopped: Vec<_> = known.difference(&passing).collect();
    assert!(skipped || stopped.is_empty(), "no longer pass, so take them out of cheats/accepted.txt: {stopped:?}");
}

#[test]
fn no_cheat_passes_and_no_honest_repair_fails_in_the_corpora_in_cells() {
    corpora("cell");
}

#[test]
fn no_cheat_passes_and_no_honest_repair_fails_in_the_corpora_in_containers() {
    if !docker_answers() {
        println!("skipped: no Docker engine answers, so only cells are checked");
        return;
    }
    corpora("container");
}
