//! The demo on real release pairs: the verdicts are exactly those of the committed table, in cells and in containers.

use crate::harness::{Need, Test, needs_docker, skip, tests};
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::{BUSY, answers, assay, assert_answers, expected, json, stderr};

fn table() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sandboxes/release-pairs/expected.jsonl")
}

/// Runs the demo; none where pip reaches no index, which is said.
fn demo(out: &Path, sandbox: &str) -> Output {
    let mut command = assay();
    command.args(["demo", "--json", "--sandbox", sandbox, "--out"]).arg(out);
    let output = command.output().unwrap();
    if output.status.code() == Some(4) && stderr(&output).contains("pip reaches its index") {
        skip(Need::PackageIndex, stderr(&output));
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    output
}

fn real_release_pairs_give_the_expected_verdicts_in_cells() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let output = demo(&out, "cell");
    assert_answers(&answers(&out.join("run")), &expected(&table()));
    let printed = json(&output);
    assert!(printed["instances"].as_u64().unwrap() >= 3, "{printed}");
    assert_eq!(printed["inconclusive"], 0);
    for config in ["rl", "sft", "sft-localization", "sft-repair", "sft-test"] {
        assert!(printed["rows"][config].as_u64().unwrap() > 0, "{config} in {printed}");
    }
}

fn real_release_pairs_give_the_expected_verdicts_in_containers() {
    needs_docker();
    let _busy = BUSY.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    demo(&out, "container");
    assert_answers(&answers(&out.join("run")), &expected(&table()));
}

pub const TESTS: &[Test] = tests![
    real_release_pairs_give_the_expected_verdicts_in_cells,
    real_release_pairs_give_the_expected_verdicts_in_containers,
];
