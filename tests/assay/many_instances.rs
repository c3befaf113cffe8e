//! Many large instances: the commands that go over all of them hold one at a time.

use crate::harness::{Test, tests};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::{assay, lines};

const INSTANCES: u64 = 3_000;
/// The file has 60 MB. Commands that held all instances took 140 to 236 MiB; these take 45 to 72.
const MOST_KIB: u64 = 100 << 10;

/// Rows of 20 KB as the SWE-bench family has them, no two of which are alike. Most of a row is its list of tests, which is the
/// cheapest text for every command.
fn write_rows(path: &Path) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    for number in 0..INSTANCES {
        let words = |seed: u64, count: u64| -> String {
            (0..count).map(|at| format!("word{} ", (number * 31 + seed * 7 + at * at) % 9_973)).collect()
        };
        let changed: String = (0..6).map(|at| format!("+    value_{number}_{at} = {}\n", words(at, 6))).collect();
        let patch = format!("diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1,7 @@\n a\n{changed}");
        let tests: Vec<_> = (0..390).map(|at| format!("tests/test_module.py::TestCase::test_{number}_{at}")).collect();
        let row = json!({
            "instance_id": format!("a__a-{number}"), "repo": "a/a", "base_commit": "0".repeat(40), "license": "MIT",
            "patch": patch, "test_patch": patch, "problem_statement": words(50, 60), "hints_text": words(60, 30),
            "FAIL_TO_PASS": json!(tests[..2]).to_string(), "PASS_TO_PASS": json!(tests[2..]).to_string(),
        });
        writeln!(file, "{row}").unwrap();
    }
    file.into_inner().unwrap();
}

/// Runs a command to its end and gives the most memory that it had, in KiB.
fn peak_kib(command: &mut Command, code: i32) -> u64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(code), "{command:?}");
            assert!(peak > 0, "{command:?} ended before it was looked at");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn sixty_megabytes_of_instances_are_imported_verified_and_exported_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_rows(&at("rows.jsonl"));
    assert!(fs::metadata(at("rows.jsonl")).unwrap().len() > 55_000_000);
    let import = || {
        let mut command = assay();
        command.arg("import").arg(at("rows.jsonl")).arg("--out").arg(at("work"));
        command
    };
    let first = peak_kib(&mut import(), 0);
    let imported = fs::read(at("work/instances.jsonl")).unwrap();
    assert_eq!(imported.iter().filter(|byte| **byte == b'\n').count() as u64, INSTANCES);
    let again = peak_kib(&mut import(), 0);
    assert!(fs::read(at("work/instances.jsonl")).unwrap() == imported, "the same rows again change nothing");

    // No repository is there, so each instance is refused, and the answer to one of them is not judged.
    let answer = json!({"instance_id": "a__a-7", "skill": "repair", "completion": "x"});
    fs::write(at("answers.jsonl"), format!("{answer}\n")).unwrap();
    let mut verify = assay();
    verify.arg("verify").arg(at("work")).arg("--generations").arg(at("answers.jsonl")).arg("--run").arg(at("run"));
    let verified = peak_kib(&mut verify, 2);
    assert!(
        fs::read(at("run/instances.jsonl")).unwrap() == imported,
        "the run has the instances as they were imported"
    );
    let admissions = lines(&at("run/admissions.jsonl"));
    assert_eq!(admissions.len() as u64, INSTANCES);
    assert!(admissions.iter().all(|admission| admission["refusal"] == "base_not_found"));

    // Nothing can become a row, and all instances are looked at before that is known.
    let exported = peak_kib(assay().arg("export").arg(at("run")).arg("--out").arg(at("dataset")), 2);
    for (what, peak) in [("import", first), ("import again", again), ("verify", verified), ("export", exported)] {
        println!("{what}: {} MiB at the peak", peak >> 10);
        assert!(peak < MOST_KIB, "{what} peaked at {peak} KiB");
    }
}

pub const TESTS: &[Test] = tests![sixty_megabytes_of_instances_are_imported_verified_and_exported_in_little_memory,];
