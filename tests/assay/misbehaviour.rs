//! Code that does what a sandbox must stand: the same verdicts in every way to run, and right ones.

use crate::harness::{Need, Test, needs_docker, skip, tests};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use swe_assay::inside::judge::DeadlineRule;
use swe_assay::inside::model::trial::Limits;
use swe_assay::inside::model::verdict::{Reason, VerdictStatus};
use swe_assay::inside::sandbox::docker::cells::DockerCells;
use swe_assay::inside::sandbox::{Backing, Engine, Sandbox, SandboxError, SealedImage, Slot};

use crate::full_disk::Tmpfs;
use crate::small_world::{Kind, RIGHT, World, cell, containers};

/// What a right answer does first, and what becomes of it.
const TABLE: [(&str, &str, Reason); 7] = [
    ("hangs", "while True:\n        pass", Reason::TimedOut),
    (
        "forks",
        "import os, time\n    try:\n        while os.fork():\n            pass\n        time.sleep(600)\n    except OSError:\n        pass",
        Reason::Resolved,
    ),
    (
        "fills-disk",
        "try:\n        with open('/tmp/full', 'wb') as file:\n            for _ in range(48):\n                file.write(bytes(1 << 20))\n    except OSError:\n        pass\n    import os\n    os.remove('/tmp/full')",
        Reason::Resolved,
    ),
    ("eats-memory", "hoard = [b'x' * (1 << 20) for _ in range(1024)]", Reason::OutOfMemory),
    ("floods-output", "print('a line of much\\n' * 500_000)", Reason::Resolved),
    (
        "kills-everything",
        "import os, signal\n    try:\n        os.kill(-1, signal.SIGKILL)\n    except OSError:\n        pass",
        Reason::Resolved,
    ),
    (
        "daemonizes",
        "import subprocess\n    subprocess.Popen(['/bin/sleep', '600'], start_new_session=True)",
        Reason::Resolved,
    ),
];

fn kind(mark: &str) -> Kind {
    let limits = Limits { memory_bytes: 192 << 20, pids: 64, disk_bytes: 24 << 20, ..Limits::default() };
    Kind { mark: mark.to_owned(), limits, deadline: DeadlineRule { floor_ms: 3_000, multiplier: 6 }, ..Kind::default() }
}

fn sound(engine: Engine) {
    let world = World::admitted_as(engine, kind(""));
    let sources: Vec<_> =
        TABLE.iter().map(|(_, does, _)| RIGHT.replace("return 2 * x", &format!("{does}\n    return 2 * x"))).collect();
    let sources: Vec<_> = sources.iter().map(String::as_str).collect();
    let verdicts = world.verdicts("misbehaviour", None, &sources);
    let found: Vec<_> = verdicts.iter().map(|verdict| (verdict.reason, &verdict.detail)).collect();
    let differing: Vec<_> = TABLE
        .iter()
        .zip(&found)
        .filter(|((_, _, wanted), (reason, _))| wanted != reason)
        .map(|((name, ..), found)| (name, found))
        .collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

fn misbehaviour_is_stood_in_cells() {
    sound(Engine::Cell(cell()));
}

fn misbehaviour_is_stood_in_cells_in_docker() {
    needs_docker();
    sound(Engine::DockerCell(docker_cells()));
}

fn misbehaviour_is_stood_in_containers() {
    needs_docker();
    sound(Engine::Container(containers()));
}

fn docker_cells() -> Arc<DockerCells> {
    Arc::new(DockerCells::new(containers().as_ref().clone()).unwrap())
}

/// Cells in Docker whose image goes before the first of them opens.
struct Deleting(Arc<DockerCells>, AtomicBool);

impl Sandbox for Deleting {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn warm(&self, image: &SealedImage, job: &swe_assay::inside::sandbox::Job) -> Result<SealedImage, SandboxError> {
        self.0.warm(image, job)
    }

    fn slot(&self, image: &SealedImage) -> Result<Box<dyn Slot>, SandboxError> {
        let Backing::Docker { image_id } = &image.backing else { panic!("not an image of Docker's") };
        if !self.1.swap(true, Ordering::SeqCst) {
            let removed = std::process::Command::new("docker").args(["rmi", "-f", image_id]).output().unwrap();
            assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
        }
        self.0.slot(image)
    }
}

const WRONG: &str = "def double(x):\n    return x + x + 2\n\n\ndef keep(x):\n    return x\n";

fn an_image_deleted_from_under_a_run_rejects_nobody_and_the_next_run_makes_it_again() {
    needs_docker();
    let cells = docker_cells();
    let world = World::admitted_as(Engine::DockerCell(cells.clone()), kind("an image that goes"));
    let verdicts = world.verdicts("gone", Some(Arc::new(Deleting(cells, AtomicBool::new(false)))), &[RIGHT, WRONG]);
    for verdict in verdicts {
        assert_eq!(
            (verdict.status, verdict.reason),
            (VerdictStatus::Inconclusive, Reason::SandboxFailed),
            "{verdict:?}"
        );
    }
    let reasons: Vec<_> = world.verdicts("gone", None, &[RIGHT, WRONG]).iter().map(|verdict| verdict.reason).collect();
    assert_eq!(reasons, [Reason::Resolved, Reason::StillFailing]);
}

fn a_full_cache_costs_nothing_but_what_later_runs_might_have_used() {
    let Some(disk) = Tmpfs::mount("16k") else {
        skip(Need::Root, "only root can mount the small disk that this test fills");
    };
    let cache = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(disk.0.path(), cache.path().join("outcomes")).unwrap();
    let mut world = World::admitted(Engine::Cell(cell()));
    world.reuse = Some(cache.path().to_owned());
    for name in ["first", "second"] {
        let reasons: Vec<_> =
            world.verdicts(name, None, &[RIGHT, WRONG]).iter().map(|verdict| verdict.reason).collect();
        assert_eq!(reasons, [Reason::Resolved, Reason::StillFailing]);
    }
}

pub const TESTS: &[Test] = tests![
    misbehaviour_is_stood_in_cells,
    misbehaviour_is_stood_in_cells_in_docker,
    misbehaviour_is_stood_in_containers,
    an_image_deleted_from_under_a_run_rejects_nobody_and_the_next_run_makes_it_again,
    a_full_cache_costs_nothing_but_what_later_runs_might_have_used,
];
