//! Cancelled, killed, side by side, as another user: nothing is left behind.

use super::*;
use crate::harness::{MUST_USE, Need, Test, skip, tests};

fn cancelling_ends_a_running_job_at_once() {
    let world = World::new();
    let cancel = Arc::new(AtomicBool::new(false));
    let cell = Cell::new(agent(), cancel.clone());
    let mut slot = cell.slot(&world.image()).unwrap();
    let raise = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        cancel.store(true, Ordering::Relaxed);
    });
    let begun = Instant::now();
    let error = slot.run(&sh(&format!("sleep {}", nap(4323)))).unwrap_err();
    raise.join().unwrap();
    assert!(matches!(error, SandboxError::Interrupted), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(slot);
    assert!(!sleeps(&nap(4323)));
}

fn slots_run_side_by_side_without_seeing_each_other_and_mount_nothing_on_the_host() {
    let world = World::new();
    let image = world.image();
    let workers: Vec<_> = (0..4)
        .map(|n| {
            let image = image.clone();
            std::thread::spawn(move || {
                let mut slot = cell().slot(&image).unwrap();
                for _ in 0..5 {
                    assert_eq!(
                        text(&slot.run(&sh(&format!("echo {n} > /tmp/mine; cat /tmp/mine"))).unwrap()),
                        format!("{n}\n")
                    );
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains("assay"), "{mounts}");
}

fn a_killed_driver_leaves_no_process_and_no_cgroup() {
    if let Ok(nap) = std::env::var("ASSAY_TEST_DRIVER") {
        let world = World::new();
        let mut slot = cell().slot(&world.image()).unwrap();
        println!("base {}", world.base.path().display());
        slot.run(&sh(&format!("setsid sleep {nap} & sleep {nap}"))).unwrap();
        return;
    }
    let mut driver = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cell::ends::a_killed_driver_leaves_no_process_and_no_cgroup", "--nocapture"])
        .env("ASSAY_TEST_DRIVER", nap(4324))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the job runs", || sleeps(&nap(4324)));
    assert_eq!(cgroups_of(driver.id()).is_empty(), !is_root() || !has_memory_cgroup());
    driver.kill().unwrap();
    driver.wait().unwrap();
    wait_until("the job is gone", || !sleeps(&nap(4324)));
    wait_until("the cgroups are gone", || cgroups_of(driver.id()).is_empty());
    assert!(sweep().unwrap().iter().all(|path| !path.contains(&format!("/{}-", driver.id()))));
}

fn what_a_dead_driver_left_is_swept() {
    let memory = Path::new("/sys/fs/cgroup/memory");
    if !is_root() || !memory.join("cgroup.procs").exists() {
        skip(Need::CgroupV1, "needs root, and a memory controller of version 1");
    }
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let left = memory.join(format!("assay/{}-1-0", gone.id()));
    fs::create_dir_all(&left).unwrap();
    assert!(sweep().unwrap().contains(&left.display().to_string()));
    assert!(!left.exists());
    assert!(!sweep().unwrap().contains(&left.display().to_string()));
}

fn the_probe_says_what_is_enforced() {
    let enforcement = probe(&agent());
    println!("{enforcement}");
    assert!(enforcement.isolation.is_yes(), "{enforcement}");
    assert!(enforcement.memory.is_yes() && enforcement.processes.is_yes(), "{enforcement}");
    assert!(Cell::open(agent(), Arc::new(AtomicBool::new(false)), false).is_ok());
    let broken = Cell::open("/bin/false".into(), Arc::new(AtomicBool::new(false)), true);
    assert!(matches!(broken, Err(SandboxError::Unavailable(_))));
}

fn all_of_this_holds_for_an_ordinary_user_too() {
    as_user(1000, 1000);
}

/// An ordinary user's group may have any number: it is the host's, not what the user namespace shows before it has a map.
fn all_of_this_holds_for_a_user_whose_group_has_another_number() {
    as_user(12_345, 23_456);
}

/// Runs every test of this folder again as that user.
fn as_user(user: u32, group: u32) {
    if !is_root() {
        skip(Need::Root, "everything in this folder ran as an ordinary user already");
    }
    let place = tempfile::tempdir().unwrap();
    let open = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode;
    fs::set_permissions(place.path(), open(0o1777)).unwrap();
    // The build directory may be closed to others.
    let copy = |from: &Path, name: &str| {
        let to = place.path().join(name);
        fs::copy(from, &to).unwrap();
        fs::set_permissions(&to, open(0o755)).unwrap();
        to
    };
    let tests = copy(&std::env::current_exe().unwrap(), "tests");
    let out = Command::new("setpriv")
        .args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups", "--"])
        .arg(&tests)
        .args(["cell::", "--test-threads", "2"])
        .env("TMPDIR", place.path())
        .env("ASSAY_TEST_AGENT", copy(&agent(), "assay"))
        .env("HOME", "/nonexistent")
        .env_remove(MUST_USE)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "as {user}:{group}\n{text}\n{}", String::from_utf8_lossy(&out.stderr));
}

pub const TESTS: &[Test] = tests![
    cancelling_ends_a_running_job_at_once,
    slots_run_side_by_side_without_seeing_each_other_and_mount_nothing_on_the_host,
    a_killed_driver_leaves_no_process_and_no_cgroup,
    what_a_dead_driver_left_is_swept,
    the_probe_says_what_is_enforced,
    all_of_this_holds_for_an_ordinary_user_too,
    all_of_this_holds_for_a_user_whose_group_has_another_number,
];
