//! Faults of the machine at every stage of a trial: they verify nobody and reject nobody.

use crate::harness::{Test, tests};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use swe_assay::inside::exit_code::Stop;
use swe_assay::inside::model::trial::Exit;
use swe_assay::inside::model::verdict::VerdictStatus;
use swe_assay::inside::sandbox::{Engine, Executed, FileChange, Job, Sandbox, SandboxError, SealedImage, Slot};

use crate::small_world::{Answer, RIGHT, World, cell};

/// A stage of a trial, and how it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// No slot opens.
    Slot,
    /// The overlay cannot be laid, or the agent dies.
    Overlay,
    /// The trusted reporter is not there. Really: the job starts without it.
    SupportFiles,
    /// A file of the base layer is gone. Really.
    BaseLayer,
    /// No room for what is laid. Really: the scratch space is as small as it gets.
    Scratch,
    /// The interpreter does not start. Really.
    Interpreter,
    /// The standard input with the nonce comes from another run. Really.
    Nonce,
    ReporterKilled,
    ChannelClosed,
    RecordTruncated,
    ReportCut,
    ReportOfNobody,
    KilledForMemory,
    Stuck,
    ExitLost,
}

const ALL: [Fault; 15] = [
    Fault::Slot,
    Fault::Overlay,
    Fault::SupportFiles,
    Fault::BaseLayer,
    Fault::Scratch,
    Fault::Interpreter,
    Fault::Nonce,
    Fault::ReporterKilled,
    Fault::ChannelClosed,
    Fault::RecordTruncated,
    Fault::ReportCut,
    Fault::ReportOfNobody,
    Fault::KilledForMemory,
    Fault::Stuck,
    Fault::ExitLost,
];

/// Cells whose jobs meet a fault: the first `left` of them.
struct Faulty {
    cell: Arc<dyn Sandbox>,
    fault: Fault,
    left: Arc<AtomicI64>,
}

struct FaultySlot {
    slot: Box<dyn Slot>,
    fault: Fault,
    left: Arc<AtomicI64>,
}

fn faulty(fault: Fault, times: i64) -> Arc<dyn Sandbox> {
    Arc::new(Faulty { cell: cell(), fault, left: Arc::new(AtomicI64::new(times)) })
}

impl Sandbox for Faulty {
    fn name(&self) -> &'static str {
        self.cell.name()
    }

    fn warm(&self, image: &SealedImage, job: &Job) -> Result<SealedImage, SandboxError> {
        self.cell.warm(image, job)
    }

    fn slot(&self, image: &SealedImage) -> Result<Box<dyn Slot>, SandboxError> {
        if self.fault == Fault::Slot && self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(SandboxError::Failed { doing: "opening a slot", why: "planted".to_owned() });
        }
        let slot = self.cell.slot(image)?;
        Ok(Box::new(FaultySlot { slot, fault: self.fault, left: self.left.clone() }))
    }
}

impl Slot for FaultySlot {
    fn run(&mut self, job: &Job) -> Result<Executed, SandboxError> {
        if self.fault == Fault::Slot || self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return self.slot.run(job);
        }
        let mut job = job.clone();
        match self.fault {
            Fault::Overlay => {
                return Err(SandboxError::Failed { doing: "setting up a cell", why: "planted".to_owned() });
            }
            Fault::SupportFiles => job.support.clear(),
            Fault::BaseLayer => job.changes.push(FileChange::Remove { path: "tests/__init__.py".to_owned() }),
            Fault::Scratch => {
                job.limits.disk_bytes = 0;
                let content = vec![b'x'; 1 << 20].into();
                job.changes.push(FileChange::Write { path: "large.txt".to_owned(), content, executable: false });
            }
            Fault::Interpreter => job.argv[0] = "/opt/assay/environment/bin/gone".to_owned(),
            // A script gets none.
            Fault::Nonce if !job.stdin.is_empty() => job.stdin.splice(0..4, *b"0000").for_each(drop),
            _ => {}
        }
        if self.fault == Fault::BaseLayer {
            job.changes.retain(|change| !matches!(change, FileChange::Write { path, .. } if path == "calc.py"));
            job.changes.push(FileChange::Remove { path: "calc.py".to_owned() });
        }
        let mut ran = self.slot.run(&job)?;
        let half = ran.report.len() / 2;
        match self.fault {
            Fault::ReporterKilled => {
                ran.exit = Exit::Signal(9);
                ran.report.truncate(half);
            }
            Fault::ChannelClosed => ran.report.clear(),
            Fault::RecordTruncated => match ran.report.len().checked_sub(5) {
                Some(kept) => ran.report.truncate(kept),
                // Nothing to cut: the fault is planted in a later run.
                None => drop(self.left.fetch_add(1, Ordering::SeqCst)),
            },
            Fault::ReportCut => ran.report_truncated = true,
            Fault::ReportOfNobody => ran.report = ran.report.iter().map(|byte| byte ^ 1).collect(),
            Fault::KilledForMemory => ran.exit = Exit::OutOfMemory,
            Fault::Stuck => ran.exit = Exit::TimedOut,
            Fault::ExitLost => ran.exit = Exit::Code(77),
            _ => {}
        }
        Ok(ran)
    }
}

/// Right, plainly wrong, and breaking what worked.
const CANDIDATES: [&str; 3] = [
    RIGHT,
    "def double(x):\n    return x + x + 2\n\n\ndef keep(x):\n    return x\n",
    "def double(x):\n    return x + x\n\n\ndef keep(x):\n    return x + 1\n",
];

fn a_fault_that_stays_leaves_every_candidate_open() {
    let world = World::admitted(Engine::Cell(cell()));
    let sound: Vec<_> = world.verdicts("sound", None, &CANDIDATES).iter().map(|verdict| verdict.status).collect();
    assert_eq!(sound, [VerdictStatus::Verified, VerdictStatus::Rejected, VerdictStatus::Rejected]);
    for fault in ALL {
        for verdict in world.verdicts(&format!("{fault:?}"), Some(faulty(fault, i64::MAX)), &CANDIDATES) {
            let (index, reason) = (verdict.generation.index, verdict.reason);
            let what = format!("{fault:?}, candidate {index}: {reason:?} {}", verdict.detail);
            assert_eq!(verdict.status, VerdictStatus::Inconclusive, "{what}");
        }
    }
}

fn a_fault_that_comes_once_or_twice_gives_no_wrong_verdict() {
    let world = World::admitted(Engine::Cell(cell()));
    for fault in ALL {
        // Twice is what a rule of two could be fooled by.
        let twice = matches!(fault, Fault::ReporterKilled | Fault::ReportOfNobody | Fault::BaseLayer);
        for times in 1..=1 + i64::from(twice) {
            let verdicts = world.verdicts(&format!("{fault:?}{times}"), Some(faulty(fault, times)), &CANDIDATES);
            for (verdict, wrong) in
                verdicts.iter().zip([VerdictStatus::Rejected, VerdictStatus::Verified, VerdictStatus::Verified])
            {
                let what = format!("{fault:?} x{times}, {:?}: {:?}", verdict.generation.index, verdict.detail);
                assert_ne!(verdict.status, wrong, "{what}");
            }
            // Only the first candidate met it.
            assert!(verdicts[1..].iter().all(|verdict| verdict.status == VerdictStatus::Rejected), "{verdicts:?}");
        }
    }
}

fn a_fault_from_the_start_admits_nothing_and_judges_nobody() {
    let world = World::imported(Engine::Cell(cell()));
    for fault in [Fault::Overlay, Fault::SupportFiles, Fault::ChannelClosed, Fault::Stuck] {
        for verdict in world.verdicts_from_the_start(&format!("{fault:?}"), faulty(fault, i64::MAX), &CANDIDATES) {
            assert_eq!(verdict.status, VerdictStatus::Inconclusive, "{fault:?}: {}", verdict.detail);
        }
    }
}

/// A test that asks for this of `double(4)` and `keep(4)`; a test and a script that are right; ones that ask for too much.
fn tests() -> [Answer; 5] {
    let test = |double: u8, keep: u8| {
        let body =
            format!("        self.assertEqual(double(4), {double})\n        self.assertEqual(keep(4), {keep})\n");
        let head = "import unittest\n\nfrom calc import double, keep\n\n\nclass More(unittest.TestCase):\n    def test_four(self):\n";
        ("test", format!("```python\n### tests/test_more.py\n{head}{body}```\n"))
    };
    let script = |double: u8| {
        let says = "print('Issue resolved' if double(4) == EXPECTED else 'Issue reproduced')";
        let says = says.replace("EXPECTED", &double.to_string());
        ("test", format!("```python\nfrom calc import double\n\n{says}\n```\n"))
    };
    // Base says 9.
    [test(8, 4), script(8), test(10, 4), script(10), test(9, 4)]
}

fn a_fault_that_stays_leaves_every_generated_test_open() {
    let world = World::admitted(Engine::Cell(cell()));
    let tests = tests();
    let sound: Vec<_> = world.verdicts_on("sound", None, &tests).iter().map(|verdict| verdict.status).collect();
    let (verified, rejected) = (VerdictStatus::Verified, VerdictStatus::Rejected);
    assert_eq!(sound, [verified, verified, rejected, rejected, rejected]);
    for fault in ALL {
        let verdicts = world.verdicts_on(&format!("{fault:?}"), Some(faulty(fault, i64::MAX)), &tests);
        // A script has no reporter, so nothing of it can break; what then runs well is judged well.
        let spared = matches!(
            fault,
            Fault::SupportFiles
                | Fault::Nonce
                | Fault::ChannelClosed
                | Fault::RecordTruncated
                | Fault::ReportCut
                | Fault::ReportOfNobody
        );
        for (index, verdict) in verdicts.iter().enumerate() {
            let what = format!("{fault:?}, candidate {index}: {:?} {}", verdict.reason, verdict.detail);
            match (index, spared) {
                (1, true) => assert_eq!(verdict.status, VerdictStatus::Verified, "{what}"),
                _ => assert_eq!(verdict.status, VerdictStatus::Inconclusive, "{what}"),
            }
        }
    }
}

fn a_fault_that_comes_once_gives_no_wrong_verdict_on_a_generated_test() {
    let world = World::admitted(Engine::Cell(cell()));
    let [right, right_script, wrong, wrong_script, _] = tests();
    for fault in [Fault::BaseLayer, Fault::SupportFiles, Fault::ReporterKilled, Fault::ReportOfNobody, Fault::Stuck] {
        // The answer that meets it comes first.
        for (answer, never) in [
            (&right, VerdictStatus::Rejected),
            (&right_script, VerdictStatus::Rejected),
            (&wrong, VerdictStatus::Verified),
            (&wrong_script, VerdictStatus::Verified),
        ] {
            let verdicts = world.verdicts_on("once", Some(faulty(fault, 1)), std::slice::from_ref(answer));
            assert_ne!(verdicts[0].status, never, "{fault:?}: {:?} {}", verdicts[0].reason, verdicts[0].detail);
        }
    }
}

/// Cells that open no slot, and whose user has had enough at the last attempt.
struct Interrupted {
    cell: Arc<dyn Sandbox>,
    attempts: AtomicI64,
    cancel: Arc<AtomicBool>,
}

impl Sandbox for Interrupted {
    fn name(&self) -> &'static str {
        self.cell.name()
    }

    fn warm(&self, image: &SealedImage, job: &Job) -> Result<SealedImage, SandboxError> {
        self.cell.warm(image, job)
    }

    fn slot(&self, _: &SealedImage) -> Result<Box<dyn Slot>, SandboxError> {
        self.cancel.store(self.attempts.fetch_add(1, Ordering::SeqCst) == 2, Ordering::SeqCst);
        Err(SandboxError::Failed { doing: "opening a slot", why: "its agent was interrupted".to_owned() })
    }
}

fn what_fails_as_the_user_interrupts_refuses_nothing() {
    let world = World::imported(Engine::Cell(cell()));
    let sandbox = Interrupted { cell: cell(), attempts: AtomicI64::new(0), cancel: world.cancel.clone() };
    let error = world.admission_through("interrupted", Arc::new(sandbox)).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Stop::Interrupted)), "{error:#}");
    world.cancel.store(false, Ordering::SeqCst);
    assert!(world.admission_through("interrupted", cell()).unwrap().admitted());
}

pub const TESTS: &[Test] = tests![
    a_fault_that_stays_leaves_every_candidate_open,
    a_fault_that_comes_once_or_twice_gives_no_wrong_verdict,
    a_fault_from_the_start_admits_nothing_and_judges_nobody,
    a_fault_that_stays_leaves_every_generated_test_open,
    a_fault_that_comes_once_gives_no_wrong_verdict_on_a_generated_test,
    what_fails_as_the_user_interrupts_refuses_nothing,
];
