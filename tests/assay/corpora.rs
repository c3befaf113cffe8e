//! The corpora: cheats are never verified, honest repairs never rejected, in every sandbox way. In cells on the host the control
//! session shares a run with the last tests; in the other two ways it never does.

use crate::harness::{Need, Test, needs_docker, skip, tests};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use swe_assay::inside::intake::{Wanted, import_folders, write_import};
use swe_assay::inside::interval::exact_95;
use swe_assay::inside::model::instance::Environment;

use crate::support::{BUSY, assay, lines, stderr};

/// A world: a folder of `worlds/`, and how its tests run.
pub type World = (&'static str, &'static str, &'static str);

pub const WORLDS: [World; 8] = [
    ("harbour", "python-stdlib", "unittest"),
    ("ledger", "python-stdlib", "unittest"),
    ("tally", "python-stdlib", "unittest"),
    ("atlas", "python-pytest", "pytest"),
    ("kiln", "python-pytest", "pytest"),
    ("orchard", "python-pytest", "pytest"),
    ("parcel", "python-pytest", "pytest"),
    ("roman", "python-pytest", "pytest"),
];

/// What runs in containers, which are tens of times slower to set up: the worlds with the most kinds of cheats, one of each recipe.
/// `tests/corpora_three_ways` runs all worlds there.
const SAMPLE: [World; 2] = [WORLDS[1], WORLDS[6]];

pub fn testdata() -> PathBuf {
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

/// Every candidate of worlds that share a recipe with its verdict. One run:
/// the worlds' admissions keep all workers busy.
fn judge(worlds: &[World], sandbox: &str, sessions: &str) -> (Vec<Case>, Vec<Case>) {
    let folder = tempfile::tempdir().unwrap();
    let (import, run) = (folder.path().join("import"), folder.path().join("run"));
    let mut command = assay();
    command.arg("verify").arg(&import).args(["--evidence", "E3", "--sandbox", sandbox, "--sessions", sessions]);
    command.arg("--run").arg(&run).arg("--generations");
    for (name, recipe, framework) in worlds {
        let trees = testdata().join("worlds").join(name);
        let wanted = Wanted {
            problem_statement: std::fs::read_to_string(trees.join("problem.md")).unwrap(),
            instance_id: Some(format!("worlds__{name}")),
            repo: Some(format!("worlds/{name}")),
            license: Some("Apache-2.0".to_owned()),
            environment: Environment {
                recipe: Some((*recipe).to_owned()),
                framework: (*framework).to_owned(),
                ..Environment::default()
            },
            ..Wanted::default()
        };
        let instance = import_folders(&trees.join("base"), &trees.join("fix"), wanted, &import).unwrap();
        write_import(&import, &[instance], &[]).unwrap();
        command.args(corpus_files(name));
    }
    let output = command.output().unwrap();
    let names: Vec<_> = worlds.iter().map(|(name, ..)| *name).collect();
    if output.status.code() == Some(4) && stderr(&output).contains("pip reaches its index") {
        skip(Need::PackageIndex, stderr(&output));
    }
    assert_eq!(output.status.code(), Some(0), "{names:?}: {}", stderr(&output));
    let verdicts: BTreeMap<_, _> = lines(&run.join("verdicts.jsonl"))
        .into_iter()
        .map(|verdict| (key(&verdict["instance_id"], &verdict["generation"]["index"]), verdict))
        .collect();
    let read = |which: usize| {
        let rows = names.iter().flat_map(|name| lines(&corpus_files(name)[which]));
        rows.map(|row| case(&row, &verdicts)).collect::<Vec<_>>()
    };
    let (cheats, benign) = (read(0), read(1));
    assert_eq!(verdicts.len(), cheats.len() + benign.len(), "{names:?}: candidates and verdicts differ in number");
    (cheats, benign)
}

fn corpus_files(world: &str) -> [PathBuf; 2] {
    ["cheats", "benign"].map(|corpus| testdata().join(corpus).join(format!("{world}.jsonl")))
}

fn key(instance: &Value, index: &Value) -> (String, u64) {
    (instance.as_str().unwrap().to_owned(), index.as_u64().unwrap())
}

fn case(row: &Value, verdicts: &BTreeMap<(String, u64), Value>) -> Case {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value} is not text in {row}")).to_owned();
    let verdict = &verdicts[&key(&row["instance_id"], &row["index"])];
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

/// The worlds that `ASSAY_WORLDS` names, separated by commas, for work on one of them; `all` names all. If it is not set: these.
fn chosen(otherwise: &[World]) -> Vec<World> {
    match std::env::var("ASSAY_WORLDS").ok().as_deref() {
        None => otherwise.to_vec(),
        Some("all") => WORLDS.to_vec(),
        Some(names) => WORLDS.into_iter().filter(|world| names.split(',').any(|name| name == world.0)).collect(),
    }
}

/// How many cases have each status, and how many of the corpus went the wrong way, with the interval for that share.
fn summary(sandbox: &str, corpus: &str, cases: &[Case], wrong: &str, called: &str) -> String {
    let count = |status: &str| cases.iter().filter(|case| case.found.0 == status).count();
    let (low, high) = exact_95(count(wrong), cases.len());
    format!(
        "{sandbox}: {} {corpus}: {} verified, {} rejected, {} inconclusive; {called} {}/{} = {:.1} % (95 %: {:.1} to {:.1} %)",
        cases.len(),
        count("verified"),
        count("rejected"),
        count("inconclusive"),
        count(wrong),
        cases.len(),
        100.0 * count(wrong) as f64 / cases.len().max(1) as f64,
        100.0 * low,
        100.0 * high,
    )
}

fn corpora(sandbox: &str, sessions: &str, worlds: &[World]) {
    let started = std::time::Instant::now();
    let (mut cheats, mut benign) = (Vec::new(), Vec::new());
    let worlds = chosen(worlds);
    let partial = worlds.len() < WORLDS.len();
    for group in worlds.chunk_by(|one, next| one.1 == next.1) {
        let (more_cheats, more_benign) = judge(group, sandbox, sessions);
        cheats.extend(more_cheats);
        benign.extend(more_benign);
    }
    let differing: Vec<_> = cheats.iter().chain(&benign).filter(|case| case.found != case.expected).collect();
    println!("{sandbox}: verdicts other than the corpora expect:\n{}", named(differing));
    println!("{}", summary(sandbox, "cheats", &cheats, "verified", "false accepts"));
    println!("{}", summary(sandbox, "honest repairs", &benign, "rejected", "false rejects"));
    let as_expected = cheats.iter().filter(|case| case.found == case.expected).count();
    let seconds = started.elapsed().as_secs();
    println!("{sandbox}: {as_expected} of {} cheats have the reason expected; {seconds} s", cheats.len());

    let refused: Vec<_> = benign.iter().filter(|case| case.found.0 != "verified").collect();
    assert!(refused.is_empty(), "{} of {} honest repairs refused:\n{}", refused.len(), benign.len(), named(refused));
    let (plain, hard): (Vec<_>, Vec<_>) = cheats.iter().partition(|case| case.needs != "e3");
    let known = known_to_pass();
    let let_through = |case: &&Case| case.found.0 != "rejected" && !known.contains(&case.name);
    let accepted: Vec<_> = plain.iter().copied().filter(let_through).collect();
    assert!(accepted.is_empty(), "{} of {} cheats not rejected:\n{}", accepted.len(), plain.len(), named(accepted));
    let otherwise: Vec<_> = cheats.iter().filter(|case| case.found != case.expected).collect();
    assert!(otherwise.len() * 10 <= cheats.len(), "more than one in ten reasons differ:\n{}", named(otherwise));

    // What is kept for review is not let through.
    let passing: BTreeSet<_> =
        cheats.iter().filter(|case| case.found.0 == "verified").map(|case| case.name.clone()).collect();
    println!("{sandbox}: {} of {} cheats ({} of them hard) pass: {passing:?}", passing.len(), cheats.len(), hard.len());
    let grown: Vec<_> = passing.difference(&known).collect();
    assert!(grown.is_empty(), "cheats that pass and are not in cheats/accepted.txt: {grown:?}");
    let stopped: Vec<_> = known.difference(&passing).collect();
    assert!(partial || stopped.is_empty(), "no longer pass, so take them out of cheats/accepted.txt: {stopped:?}");
}

fn no_cheat_passes_and_no_honest_repair_fails_in_the_corpora_in_cells() {
    corpora("cell", "one", &WORLDS);
}

fn no_cheat_passes_and_no_honest_repair_fails_in_the_corpora_in_cells_in_docker() {
    needs_docker();
    corpora("docker-cell", "split", &WORLDS);
}

fn no_cheat_passes_and_no_honest_repair_fails_in_the_corpora_in_containers() {
    needs_docker();
    let _busy = BUSY.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    corpora("container", "split", &SAMPLE);
}

pub const TESTS: &[Test] = tests![
    no_cheat_passes_and_no_honest_repair_fails_in_the_corpora_in_cells,
    no_cheat_passes_and_no_honest_repair_fails_in_the_corpora_in_cells_in_docker,
    no_cheat_passes_and_no_honest_repair_fails_in_the_corpora_in_containers,
];
