//! What the integration tests share: the binary, scratch places, reading results back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The `assay` binary with a cache that all tests share, so that environments are made once. Cells on the host unless a
/// test names another way.
pub fn assay() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    // What one test saw must not answer for another.
    command.env("ASSAY_CACHE", shared_cache()).env("ASSAY_SANDBOX", "cell").env("ASSAY_FRESH", "true");
    command
}

/// Environments and base layers for the tests, beside the build's own scratch.
pub fn shared_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// Runs a command and fails the test with everything it said when it ends otherwise than expected.
pub fn expect_exit(command: &mut Command, code: i32) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot start: {error}"));
    assert_eq!(
        output.status.code(),
        Some(code),
        "{command:?}\n--- stdout\n{}\n--- stderr\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The JSON object on standard output.
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&output.stdout)))
}

/// The lines of a JSON Lines file.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// (instance, skill, index) -> (status, reason, index of the candidate it duplicates).
pub type Answers = BTreeMap<(String, String, u64), (String, String, Option<u64>)>;

/// The verdicts of a run directory, without what differs from run to run (receipts, details).
pub fn answers(run: &Path) -> Answers {
    let verdicts = lines(&run.join("verdicts.jsonl"));
    let index_of = |id: &Value| {
        verdicts.iter().find(|verdict| verdict["candidate_id"] == *id).and_then(|v| v["generation"]["index"].as_u64())
    };
    verdicts
        .iter()
        .map(|verdict| {
            let key = (text(&verdict["instance_id"]), text(&verdict["skill"]), verdict["generation"]["index"].as_u64());
            let original = verdict.get("duplicate_of").filter(|id| !id.is_null()).and_then(index_of);
            ((key.0, key.1, key.2.expect("an index")), (text(&verdict["status"]), text(&verdict["reason"]), original))
        })
        .collect()
}

/// The table of what is expected, as committed beside the generations.
pub fn expected(path: &Path) -> Answers {
    lines(path)
        .iter()
        .map(|row| {
            let key = (text(&row["instance_id"]), text(&row["skill"]), row["index"].as_u64().expect("an index"));
            (key, (text(&row["status"]), text(&row["reason"]), row["duplicate_of_index"].as_u64()))
        })
        .collect()
}

/// Compares verdicts with the table and names every difference.
pub fn assert_answers(found: &Answers, expected: &Answers) {
    let mut differences = Vec::new();
    for (key, want) in expected {
        match found.get(key) {
            Some(got) if got == want => {}
            got => differences.push(format!("{key:?}: expected {want:?}, got {got:?}")),
        }
    }
    for key in found.keys().filter(|key| !expected.contains_key(key)) {
        differences.push(format!("{key:?}: not in the table, got {:?}", found[key]));
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}

/// Tests that keep the machine busy for minutes hold this to read; what is timed against it, to write.
pub static BUSY: std::sync::RwLock<()> = std::sync::RwLock::new(());

/// Whether a Docker engine answers and has the base image that the tests are told to use.
pub fn docker_answers() -> bool {
    let works = |arguments: &[&str]| {
        Command::new("docker").args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let base = std::env::var("ASSAY_DOCKER_BASE").unwrap_or_else(|_| "python:3.11-slim-bookworm".to_owned());
    works(&["version"]) && works(&["image", "inspect", &base])
}

/// Processes whose command line or environment names this path.
pub fn processes_naming(needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if pid == std::process::id() {
            continue;
        }
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let seen = [read("cmdline"), read("environ")].concat();
        if String::from_utf8_lossy(&seen).contains(needle) {
            found.push(format!("{pid}: {}", String::from_utf8_lossy(&read("cmdline")).replace('\0', " ")));
        }
    }
    found
}
