//! The warm-up while an image is sealed: what it runs, for how long, and that nothing depends on how it goes.

use crate::harness::{Test, tests};
use std::sync::{Arc, Mutex};

use swe_assay::inside::sandbox::{Engine, Job, Sandbox, SandboxError, SealedImage, Slot};

use crate::small_world::{Kind, World, cell};

/// Cells that note the warm-ups they are asked for, and may fail in them.
struct Watched {
    cell: Arc<dyn Sandbox>,
    fails: bool,
    warmed: Arc<Mutex<Vec<Job>>>,
}

impl Sandbox for Watched {
    fn name(&self) -> &'static str {
        self.cell.name()
    }

    fn warm(&self, image: &SealedImage, job: &Job) -> Result<SealedImage, SandboxError> {
        self.warmed.lock().unwrap().push(job.clone());
        match self.fails {
            true => Err(SandboxError::Failed { doing: "keeping bytecode", why: "planted".to_owned() }),
            false => self.cell.warm(image, job),
        }
    }

    fn slot(&self, image: &SealedImage) -> Result<Box<dyn Slot>, SandboxError> {
        self.cell.slot(image)
    }
}

/// Admits the small world with these listed tests, out of an empty cache. Whether it is admitted, and the warm-ups.
fn admitted(listed: &[&str], fails: bool) -> (bool, Vec<Job>) {
    let kind = Kind {
        listed: listed.iter().map(|id| (*id).to_owned()).collect(),
        more: vec![("tests/test_slow.py".to_owned(), "import unittest\n".to_owned())],
        longest_ms: Some(1_800_000),
        ..Kind::default()
    };
    let cache = tempfile::tempdir().unwrap();
    let mut world = World::imported_as(Engine::Cell(cell()), kind);
    world.reuse = Some(cache.path().to_owned());
    let warmed = Arc::default();
    let sandbox = Watched { cell: cell(), fails, warmed: Arc::clone(&warmed) };
    let admission = world.admission_through("warm-up", Arc::new(sandbox)).unwrap();
    let jobs = warmed.lock().unwrap().clone();
    (admission.admitted(), jobs)
}

const LISTED: &str = "tests/test_calc.py::Doubling::test_even";

fn names(job: &Job, file: &str) -> bool {
    job.argv.iter().any(|argument| argument.contains(file))
}

fn a_warm_up_runs_the_listed_files_for_a_minute_at_most() {
    let (admitted_it, jobs) = admitted(&[LISTED], false);
    assert!(admitted_it);
    let [job] = jobs.as_slice() else { panic!("{} warm-ups", jobs.len()) };
    assert!(names(job, "test_calc.py") && !names(job, "test_slow.py"), "{:?}", job.argv);
    assert!(job.limits.deadline_ms <= 60_000, "{}", job.limits.deadline_ms);
    // Without a list, every file may show the change.
    let (admitted_it, jobs) = admitted(&[], false);
    assert!(admitted_it && names(&jobs[0], "test_calc.py") && names(&jobs[0], "test_slow.py"), "{:?}", jobs[0].argv);
    assert!(jobs[0].limits.deadline_ms <= 60_000, "{}", jobs[0].limits.deadline_ms);
    // A list that names no file of the tree is no reason to run them all.
    let (admitted_it, jobs) = admitted(&["test_even"], false);
    assert!(!admitted_it && jobs.is_empty(), "{jobs:?}");
}

fn a_warm_up_that_fails_refuses_nothing() {
    let (admitted_it, jobs) = admitted(&[LISTED], true);
    assert!(admitted_it);
    assert_eq!(jobs.len(), 1);
}

pub const TESTS: &[Test] =
    tests![a_warm_up_runs_the_listed_files_for_a_minute_at_most, a_warm_up_that_fails_refuses_nothing];
