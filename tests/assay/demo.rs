//! The demo on real release pairs: the verdicts are exactly those of the committed table, in cells and in containers.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::{BUSY, answers, assay, assert_answers, docker_answers, expected, json, stderr};

fn table() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sandboxes/release-pairs/expected.jsonl")
}

/// Runs the demo; none where pip reaches no index, which is said.
fn demo(out: &Path, sandbox: &str) -> Option<Output> {
    let mut command = assay();
    command.args(["demo", "--json", "--sandbox", sandbox, "--out"]).arg(out);
    let output = command.output().unwrap();
    if output.status.code() == Some(4) && stderr(&output).contains("pip reaches its index") {
        println!("skipped: pip reaches no package index, so no real release can be fetched");
        return None;
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    Some(output)
}

#[test]
fn real_release_pairs_give_the_expected_verdicts_in_cells() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let Some(output) = demo(&out, "cell") else { return };
    assert_answers(&answers(&out.join("run")), &expected(&table()));
    let printed = json(&output);
    assert!(printed["instances"].as_u64().unwrap() >= 3, "{printed}");
    assert_eq!(printed["inconclusive"], 0);
    for config in ["rl", "sft", "sft-localization", "sft-repair", "sft-test"] {
        assert!(printed["rows"][config].as_u64().unwrap() > 0, "{config} in {printed}");
    }
}

#[test]
fn real_release_pairs_give_the_expected_verdicts_in_containers() {
    if !docker_answers() {
        println!("skipped: no Docker engine answers, so only cells are checked");
        return;
    }
    let _busy = BUSY.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    if demo(&out, "container").is_some() {
        assert_answers(&answers(&out.join("run")), &expected(&table()));
    }
}
