//! The ways to run give the same verdicts: cell and container, root and ordinary user.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{answers, assay, assert_answers, docker_answers, expect_exit, expected};

fn table() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sandboxes/offline-demo/expected.jsonl")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn containers_give_the_same_verdicts_as_cells() {
    if !docker_answers() {
        println!("skipped: no Docker engine answers, so only cells are checked");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    expect_exit(assay().args(["demo", "--offline", "--sandbox", "container", "--out"]).arg(&out), 0);
    assert_answers(&answers(&out.join("run")), &expected(&table()));
    let left = Command::new("docker").args(["ps", "-aq", "--filter", "label=assay.owner"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout).trim(), "", "containers left behind");
}

#[test]
fn an_ordinary_user_gets_the_same_verdicts_as_root() {
    if !is_root() {
        println!("skipped: not root, so the other tests are the ordinary user's");
        return;
    }
    // A place of its own that the other user owns: the build's directories may be closed to it.
    let folder = tempfile::Builder::new().prefix("assay-user-").tempdir_in("/var/tmp").unwrap();
    let binary = folder.path().join("assay");
    std::fs::copy(env!("CARGO_BIN_EXE_assay"), &binary).unwrap();
    let (user, group) = (65_534, 65_534);
    std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
    let out = folder.path().join("demo");
    let mut command = Command::new(&binary);
    command
        .args(["demo", "--offline", "--sandbox", "cell", "--out"])
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
}
