//! A candidate that prints 2 GB: cut, recorded and judged, and the driver stays small.

use crate::harness::{Test, tests};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::support::{BUSY, assay, expect_exit, lines};

const TWO_GB: u64 = 2 << 30;

fn two_gigabytes_of_output_are_cut_recorded_and_judged_in_little_memory() {
    // The flood has a deadline of seconds; beside a busy Docker engine it was seen to miss it.
    let _alone = BUSY.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = tempfile::tempdir().unwrap();
    let demo = folder.path().join("demo");
    expect_exit(assay().args(["demo", "--offline", "--out"]).arg(&demo), 0);
    let first_line = {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("sandboxes/offline-demo/v1/spans/duration.py");
        fs::read_to_string(source).unwrap().lines().next().unwrap().to_owned()
    };
    let flood = "import sys\nfor _ in range(2048):\n    sys.stdout.write('x' * (1 << 20))\nsys.stdout.flush()";
    let completion = format!(
        "```python\n### spans/duration.py\n<<<<<<< SEARCH\n{first_line}\n=======\n{first_line}\n{flood}\n>>>>>>> REPLACE\n```\n"
    );
    let generations = folder.path().join("flood.jsonl");
    let row = json!({"instance_id": "assay__spans-v2", "skill": "repair", "completion": completion, "index": 0});
    fs::write(&generations, format!("{row}\n")).unwrap();

    let run = folder.path().join("run");
    let mut child = assay()
        .arg("verify")
        .arg(&demo)
        .arg("--generations")
        .arg(&generations)
        .arg("--run")
        .arg(&run)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak_kib = 0;
    let status = loop {
        peak_kib = peak_kib.max(peak_memory_kib(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    // Nothing is verified: the fix is missing.
    assert_eq!(status.code(), Some(2));
    let verdicts = lines(&run.join("verdicts.jsonl"));
    assert_eq!(verdicts[0]["status"], "rejected");
    assert_eq!(verdicts[0]["reason"], "still_failing");
    assert!(peak_kib > 0 && peak_kib < 200 << 10, "the driver peaked at {peak_kib} KiB");

    let mut printed = 0;
    for journal in fs::read_dir(run.join("journal")).unwrap() {
        for record in lines(&journal.unwrap().path()) {
            printed = printed.max(record["output"]["total_bytes"].as_u64().unwrap_or(0));
        }
    }
    assert!(printed >= TWO_GB, "{printed} bytes recorded");
    let stored: u64 = walkdir::WalkDir::new(&run)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(stored < 4 << 20, "{stored} bytes kept");
}

/// Peak resident memory of a process so far; 0 once it is gone.
fn peak_memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

pub const TESTS: &[Test] = tests![two_gigabytes_of_output_are_cut_recorded_and_judged_in_little_memory,];
