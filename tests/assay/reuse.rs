//! What one run saw serves another: through the cache, and by copying run directories together.

use crate::harness::{Test, tests};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use swe_assay::inside::model::verdict::{Reason, Verdict, VerdictStatus};
use swe_assay::inside::sandbox::{Engine, Executed, Job, Sandbox, SandboxError, SealedImage, Slot};

use crate::small_world::{RIGHT, World, cell, copy};
use crate::support::lines;

const WRONG: &str = "def double(x):\n    return x + x + 2\n\n\ndef keep(x):\n    return x\n";

/// Cells that count the jobs they run.
struct Counting(Arc<AtomicU64>);

struct CountingSlot(Box<dyn Slot>, Arc<AtomicU64>);

impl Sandbox for Counting {
    fn name(&self) -> &'static str {
        "cell"
    }

    fn warm(&self, image: &SealedImage, job: &Job) -> Result<SealedImage, SandboxError> {
        cell().warm(image, job)
    }

    fn slot(&self, image: &SealedImage) -> Result<Box<dyn Slot>, SandboxError> {
        Ok(Box::new(CountingSlot(cell().slot(image)?, self.0.clone())))
    }
}

impl Slot for CountingSlot {
    fn run(&mut self, job: &Job) -> Result<Executed, SandboxError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.run(job)
    }
}

/// Verdicts, and how many jobs they took.
fn counted(world: &World, name: &str, sources: &[&str]) -> (Vec<(VerdictStatus, Reason)>, u64) {
    let jobs = Arc::new(AtomicU64::new(0));
    let verdicts = world.verdicts(name, Some(Arc::new(Counting(jobs.clone()))), sources);
    let short = |verdict: &Verdict| (verdict.status, verdict.reason);
    (verdicts.iter().map(short).collect(), jobs.load(Ordering::SeqCst))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.unwrap().into_path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// How many outcomes of a run directory came from another run.
fn reused(run: &Path) -> usize {
    let records = files(&run.join("journal"), "jsonl").into_iter().flat_map(|file| lines(&file));
    records.filter(|record: &Value| record["reused"] == true).count()
}

fn an_outcome_of_an_earlier_run_is_used_and_marked_and_a_changed_one_is_dropped() {
    let cache = tempfile::tempdir().unwrap();
    let mut world = World::admitted(Engine::Cell(cell()));
    world.reuse = Some(cache.path().to_owned());
    let (verdicts, jobs) = counted(&world, "first", &[RIGHT, WRONG]);
    assert_eq!(
        verdicts,
        [(VerdictStatus::Verified, Reason::Resolved), (VerdictStatus::Rejected, Reason::StillFailing)]
    );
    assert!(jobs > 2);
    assert_eq!(reused(&world.place("first")), 0);

    assert_eq!(counted(&world, "second", &[RIGHT, WRONG]), (verdicts.clone(), 0));
    assert_eq!(reused(&world.place("second")) as u64, jobs);

    // One that says something else than its digest, one of another trial, and blobs that are gone.
    let entries = files(&cache.path().join("outcomes"), "json");
    assert_eq!(entries.len() as u64, jobs);
    let text = fs::read_to_string(&entries[0]).unwrap();
    fs::write(&entries[0], text.replace("\"wall_ms\":", "\"wall_ms\":1")).unwrap();
    fs::copy(&entries[2], &entries[1]).unwrap();
    assert_eq!(counted(&world, "third", &[RIGHT, WRONG]), (verdicts.clone(), 2));
    for blob in files(&cache.path().join("outcomes"), "zst") {
        fs::remove_file(blob).unwrap();
    }
    // Equal reports are one blob: what the first of them leaves again serves the others.
    let (without_blobs, again) = counted(&world, "fourth", &[RIGHT, WRONG]);
    assert_eq!(without_blobs, verdicts);
    assert!(again > 0);
    assert_eq!(counted(&world, "fifth", &[RIGHT, WRONG]), (verdicts, 0));
}

fn run_directories_copied_together_know_what_each_of_them_knew() {
    let world = World::admitted(Engine::Cell(cell()));
    let (mut apart, mut jobs) = (Vec::new(), 0);
    for (name, source) in [("a", RIGHT), ("b", WRONG)] {
        let (verdicts, took) = counted(&world, name, &[source]);
        apart.extend(verdicts);
        jobs += took;
        copy(&world.place(name), &world.place("together"));
    }
    assert!(jobs > 2);
    assert_eq!(counted(&world, "together", &[RIGHT, WRONG]), (apart, 0));
}

pub const TESTS: &[Test] = tests![
    an_outcome_of_an_earlier_run_is_used_and_marked_and_a_changed_one_is_dropped,
    run_directories_copied_together_know_what_each_of_them_knew,
];
