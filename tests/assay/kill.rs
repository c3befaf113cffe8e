//! SIGKILL at random moments: the same verdicts as an unbroken run, and nothing left behind.

use crate::harness::{Test, tests};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::mixer;
use crate::support::{answers, assay, assert_answers, expect_exit, expected, lines, processes_naming};

fn a_run_killed_ten_times_ends_with_the_same_verdicts_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    expect_exit(assay().args(["demo", "--offline", "--json", "--out"]).arg(&whole), 0);

    let broken = folder.path().join("broken-run");
    let needle = broken.display().to_string();
    // Spread over the run's length, not evenly, from a fixed list so that a failure can be repeated.
    for (round, milliseconds) in [40, 350, 900, 1500, 250, 2100, 700, 1200, 120, 3000].into_iter().enumerate() {
        let mut child = assay()
            .args(["demo", "--offline", "--json", "--out"])
            .arg(&broken)
            .env("ASSAY_TEST_MARK", &needle)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        // The agents notice the driver's end by themselves.
        let gone = (0..50).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            processes_naming(&needle).is_empty()
        });
        assert!(gone, "after kill {round}: {:?}", processes_naming(&needle));
    }
    expect_exit(assay().args(["demo", "--offline", "--json", "--out"]).arg(&broken), 0);
    assert_answers(&answers(&broken.join("run")), &answers(&whole.join("run")));

    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&needle), "{mounts}");
    assert_no_cgroup_of_a_dead_owner();
    let scratch: Vec<_> = walkdir::WalkDir::new(&broken)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(".new-"))
        .map(|entry| entry.path().to_owned())
        .collect();
    assert!(scratch.len() <= 10, "temporary files pile up: {scratch:?}");
}

/// Cgroups of ours are named after their owner's pid; `assay clean` must leave none whose owner is gone.
fn assert_no_cgroup_of_a_dead_owner() {
    expect_exit(assay().arg("clean"), 0);
    for entry in walkdir::WalkDir::new("/sys/fs/cgroup").max_depth(4).into_iter().flatten() {
        let path = entry.path();
        if path.parent().and_then(Path::file_name).is_none_or(|name| name != "assay") {
            continue;
        }
        let owner = entry.file_name().to_string_lossy().split('-').next().and_then(|pid| pid.parse::<u32>().ok());
        let Some(owner) = owner else { continue };
        assert!(Path::new(&format!("/proc/{owner}")).exists(), "{} outlived its owner", path.display());
    }
}

fn an_interrupted_run_says_so_with_exit_code_three_and_goes_on_when_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let mut command = assay();
    command.args(["demo", "--offline", "--out"]).arg(&out).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(2000));
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("run the same command again"), "{said}");
    expect_exit(assay().args(["demo", "--offline", "--out"]).arg(&out), 0);
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("sandboxes/offline-demo/expected.jsonl");
    assert_answers(&answers(&out.join("run")), &expected(&table));
}

fn an_admission_that_is_interrupted_refuses_nothing_and_ends_as_an_unbroken_one() {
    let folder = tempfile::tempdir().unwrap();
    let base = "def ratio(part, whole):\n    return part * 100 // whole\n";
    let suite = "import time\nimport unittest\n\nfrom mixer.core import ratio\n\n\nclass Tests(unittest.TestCase):
    def test_thirds(self):\n        time.sleep(0.4)\n        self.assertEqual(ratio(2, 3), 67)\n";
    let tree = |core: &str| mixer::tree(core, suite);
    let gold = base.replace("part * 100 // whole", "round(part * 100 / whole)");
    let work = mixer::imported(folder.path(), "unittest", &[tree(base), tree(&gold)], &[], |_| {});
    let validate = |run: &Path| {
        let mut command = assay();
        command.arg("validate").arg(&work).arg("--run").arg(run).env("ASSAY_CACHE", run.with_extension("cache"));
        command
    };
    let admissions = |run: &Path| {
        let mut admissions = lines(&run.join("admissions.jsonl"));
        // It follows from how fast the machine was.
        admissions.iter_mut().for_each(|one| drop(one["limits"].as_object_mut().unwrap().remove("deadline_ms")));
        admissions
    };
    let whole = folder.path().join("whole");
    expect_exit(&mut validate(&whole), 0);

    let broken = folder.path().join("broken");
    let records = |kind: &str| {
        let files = std::fs::read_dir(broken.join("journal")).into_iter().flatten().flatten();
        let texts = files.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default());
        texts.map(|text| text.matches(&format!("\"record\":\"{kind}\"")).count()).sum::<usize>()
    };
    let log = folder.path().join("log");
    let said = || std::fs::read_to_string(&log).unwrap();
    // In the warm-up while the image is sealed, and then after each of the first runs.
    for outcomes in 0..4 {
        let mut command = validate(&broken);
        command.process_group(0).stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let there = || match outcomes {
            0 => said().contains("for warm bytecode"),
            outcomes => records("outcome") >= outcomes,
        };
        while !there() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(100));
        // With everything in its process group, as a terminal does.
        let group = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process_group(group, rustix::process::Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3), "{}", said());
        assert!(!said().contains("refused"), "{}", said());
        assert!(!broken.join("admissions.jsonl").exists());
        assert_eq!((records("admission"), records("failure")), (0, 0), "after {outcomes} outcomes");
    }
    expect_exit(&mut validate(&broken), 0);
    assert_eq!(admissions(&broken), admissions(&whole));
}

pub const TESTS: &[Test] = tests![
    a_run_killed_ten_times_ends_with_the_same_verdicts_and_leaves_nothing_behind,
    an_interrupted_run_says_so_with_exit_code_three_and_goes_on_when_run_again,
    an_admission_that_is_interrupted_refuses_nothing_and_ends_as_an_unbroken_one,
];
