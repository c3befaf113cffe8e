//! The ways to run give the same verdicts: cell, cell in Docker and container, root and ordinary user.

use crate::harness::{Need, Test, needs_docker, skip, tests};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{answers, assay, assert_answers, expect_exit, expected, lines};

fn table() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sandboxes/offline-demo/expected.jsonl")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The demo's verdicts in one way of Docker's, and nothing left behind.
fn demo_in_docker(sandbox: &str) {
    needs_docker();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let mut command = assay();
    command.args(["demo", "--offline", "--sandbox", sandbox, "--out"]).arg(&out);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("instead"), "another way was taken: {said}");
    assert_answers(&answers(&out.join("run")), &expected(&table()));
    for outcome in lines_of_outcomes(&out.join("run")) {
        assert_eq!(outcome["sandbox"], sandbox);
    }
    let owner = format!("label=assay.owner={pid}-");
    let left = Command::new("docker").args(["ps", "-a", "--format", "{{.Label \"assay.owner\"}}"]).output().unwrap();
    let left = String::from_utf8_lossy(&left.stdout).into_owned();
    assert!(!left.lines().any(|line| line.starts_with(&format!("{pid}-"))), "{owner} left containers behind: {left}");
}

/// Every outcome of a run's journal.
fn lines_of_outcomes(run: &Path) -> Vec<serde_json::Value> {
    let files = std::fs::read_dir(run.join("journal")).unwrap();
    let records = files.flat_map(|file| lines(&file.unwrap().path()));
    let outcomes: Vec<_> = records.filter(|record| record["record"] == "outcome").collect();
    assert!(!outcomes.is_empty());
    outcomes
}

fn containers_give_the_same_verdicts_as_cells() {
    demo_in_docker("container");
}

fn cells_in_docker_give_the_same_verdicts_as_cells() {
    demo_in_docker("docker-cell");
}

fn an_ordinary_user_gets_the_same_verdicts_as_root() {
    demo_as(1000, 1000);
}

fn a_user_whose_group_has_another_number_gets_the_same_verdicts_as_root() {
    demo_as(12_345, 23_456);
}

fn nobody_gets_the_same_verdicts_as_root() {
    demo_as(65_534, 65_534);
}

/// The demo's verdicts in cells of a user who is not root and is in no group of Docker's. No way to run is named: the
/// default must find one.
fn demo_as(user: u32, group: u32) {
    if !is_root() {
        skip(Need::Root, "the other tests are the ordinary user's");
    }
    // A place of its own that the other user owns: the build's directories may be closed to it.
    let folder = tempfile::Builder::new().prefix("assay-user-").tempdir_in("/var/tmp").unwrap();
    let binary = folder.path().join("assay");
    std::fs::copy(env!("CARGO_BIN_EXE_assay"), &binary).unwrap();
    std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
    let out = folder.path().join("demo");
    let mut command = Command::new(&binary);
    command
        .args(["demo", "--offline", "--out"])
        .arg(&out)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder.path())
        .env("ASSAY_CACHE", folder.path().join("cache"))
        .current_dir(folder.path())
        .uid(user)
        .gid(group);
    expect_exit(&mut command, 0);
    assert_answers(&answers(&out.join("run")), &expected(&table()));
    for outcome in lines_of_outcomes(&out.join("run")) {
        assert_eq!(outcome["sandbox"], "cell");
    }
}

pub const TESTS: &[Test] = tests![
    containers_give_the_same_verdicts_as_cells,
    cells_in_docker_give_the_same_verdicts_as_cells,
    an_ordinary_user_gets_the_same_verdicts_as_root,
    a_user_whose_group_has_another_number_gets_the_same_verdicts_as_root,
    nobody_gets_the_same_verdicts_as_root,
];
