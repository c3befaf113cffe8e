//! A full disk and a place that cannot be written: a clear message, and what was computed stays.

use crate::harness::{Need, Test, skip, tests};
use std::path::Path;
use std::process::Command;

use crate::support::{answers, assay, assert_answers, expect_exit, expected, stderr};

/// A tmpfs of a given size, unmounted when dropped.
pub struct Tmpfs(pub tempfile::TempDir);

impl Tmpfs {
    pub fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).status();
        status.is_ok_and(|status| status.success()).then_some(Self(folder))
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.0.path()).status().unwrap().success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "the tmpfs could not be unmounted");
    }
}

fn a_full_disk_stops_the_run_with_a_message_and_with_more_space_it_goes_on() {
    let Some(disk) = Tmpfs::mount("100k") else {
        skip(Need::Root, "only root can mount the small disk that this test fills");
    };
    let out = disk.0.path().join("demo");
    // Full while importing, while journalling, while exporting.
    for size in ["100k", "700k", "1200k"] {
        disk.resize(size);
        let output = expect_exit(assay().args(["demo", "--offline", "--out"]).arg(&out), 1);
        assert!(stderr(&output).contains("free space"), "{size}: {}", stderr(&output));
    }
    disk.resize("64m");
    expect_exit(assay().args(["demo", "--offline", "--out"]).arg(&out), 0);
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("sandboxes/offline-demo/expected.jsonl");
    assert_answers(&answers(&out.join("run")), &expected(&table));
}

fn an_output_directory_that_cannot_be_made_is_named() {
    let output = expect_exit(assay().args(["demo", "--offline", "--out", "/proc/assay-demo"]), 1);
    assert!(stderr(&output).contains("/proc/assay-demo"), "{}", stderr(&output));
}

pub const TESTS: &[Test] = tests![
    a_full_disk_stops_the_run_with_a_message_and_with_more_space_it_goes_on,
    an_output_directory_that_cannot_be_made_is_named,
];
