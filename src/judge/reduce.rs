//! Which parts of gold its tests do not need (`--minimal-gold`). Pure.
//!
//! The source hunks of gold, or its files if there are more than eight hunks, are left out one by one, then all that
//! could go together. Every expected test runs on what is left. Parts that can go together are `unneeded`. A file that
//! holds nothing else is not a location that an answer must name.

use std::collections::{BTreeMap, BTreeSet};

use super::Halt;
use super::asker::{Ask, Bench, Evidence};
use super::run_result;
use super::run_result::Shown;
use super::steady::steady;
use crate::model::admission::Admission;
use crate::model::digest::Digest;
use crate::model::trial::Trial;
use crate::model::verdict::Reason;
use crate::runner::Runner;

/// Trees of gold without some of its parts, by the parts' numbers.
pub type Reduced = BTreeMap<BTreeSet<usize>, String>;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The tree without these parts.
    Tree(BTreeSet<usize>),
    Trial(Box<Trial>),
    /// Parts without which, all together, every expected test passes.
    Done {
        unneeded: BTreeSet<usize>,
        trials: Vec<Digest>,
    },
    /// The sandbox could not run a trial.
    Failed(String),
}

/// Finds which of `parts` parts are not needed. A part is left out alone first. Parts whose absence changes
/// nothing are then left out together. If that does not pass, they are left out one after the other as long as it passes.
pub fn reduce(
    admission: &Admission,
    runner: &dyn Runner,
    parts: usize,
    trees: &Reduced,
    evidence: &dyn Evidence,
) -> Reduction {
    let mut bench = Bench::new(admission, runner, evidence);
    match find(admission, parts, trees, &mut bench) {
        Ok(unneeded) => Reduction::Done { unneeded, trials: bench.into_trials() },
        Err(Missing::Tree(set)) => Reduction::Tree(set),
        Err(Missing::Halt(Halt::Needs(trial))) => Reduction::Trial(trial),
        Err(Missing::Halt(Halt::Judged(_, detail))) => Reduction::Failed(detail),
    }
}

enum Missing {
    Tree(BTreeSet<usize>),
    Halt(Halt),
}

fn find(admission: &Admission, parts: usize, trees: &Reduced, bench: &mut Bench) -> Result<BTreeSet<usize>, Missing> {
    let mut alone = BTreeSet::new();
    for part in 0..parts {
        if passes(admission, BTreeSet::from([part]), trees, bench)? {
            alone.insert(part);
        }
    }
    if alone.len() < 2 || passes(admission, alone.clone(), trees, bench)? {
        return Ok(alone);
    }
    let mut together = BTreeSet::new();
    for part in alone {
        let mut more = together.clone();
        more.insert(part);
        if passes(admission, more.clone(), trees, bench)? {
            together = more;
        }
    }
    Ok(together)
}

/// Whether every expected test passes without these parts. If a run fails or does not end, the parts are
/// needed. A run that could not be made says nothing.
fn passes(admission: &Admission, set: BTreeSet<usize>, trees: &Reduced, bench: &mut Bench) -> Result<bool, Missing> {
    let Some(tree) = trees.get(&set) else { return Err(Missing::Tree(set)) };
    for split in &admission.splits {
        let seen = bench.seen(&Ask::suite(tree, &split.files)).map_err(Missing::Halt)?;
        match run_result::shown(&seen, &split.expected, admission, bench.runner) {
            Shown::Passed => {}
            Shown::Failing(failing) => match steady(&failing, split, admission, bench) {
                Ok(steady) if steady.is_empty() => {}
                // Gold cannot tell whether the failure counts.
                Ok(_) | Err(Halt::Judged(Reason::ControlFailed, _)) => return Ok(false),
                Err(halt) => return Err(Missing::Halt(halt)),
            },
            Shown::Abnormal(..) => return Ok(false),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Failure;
    use crate::model::admission::Split;
    use crate::model::trial::{Exit, Limits, Outcome, OutputRef, Phase, Status, TestReport, TestResult};
    use std::sync::Arc;

    const A: &str = "t/test_a.py::a";

    /// The expected test passes on the trees that `passing` names; a tree is named by the parts it lacks.
    struct Trees<'a>(&'a dyn Fn(&str) -> bool, std::cell::RefCell<BTreeMap<Digest, Arc<Outcome>>>);

    impl Evidence for Trees<'_> {
        fn outcome(&self, trial: &Digest) -> Option<Arc<Outcome>> {
            self.1.borrow().get(trial).cloned()
        }

        fn failure(&self, _: &Digest) -> Option<Failure> {
            None
        }

        fn report(&self, outcome: &Outcome) -> Option<Arc<TestReport>> {
            let passes = (self.0)(&outcome.trial.tree);
            let call = if passes { Status::Passed } else { Status::Failed };
            let phases = vec![(Phase::Setup, Status::Passed), (Phase::Call, call), (Phase::Teardown, Status::Passed)];
            Some(Arc::new(TestReport {
                finished: true,
                exit_status: Some(i32::from(!passes)),
                tests: BTreeMap::from([(A.to_owned(), TestResult { phases, ..TestResult::default() })]),
                ..TestReport::default()
            }))
        }

        fn output(&self, _: &Outcome) -> Option<String> {
            None
        }
    }

    fn unneeded(parts: usize, passing: &dyn Fn(&str) -> bool) -> (Vec<usize>, usize) {
        let mut admission: Admission = serde_json::from_value(serde_json::json!({
            "format": crate::model::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"), "image": Digest::of(b"i"),
            "fail_to_pass": [A], "pass_to_pass": [], "gold_files": [], "framework": "pytest/4", "repeats": 3,
            "limits": Limits::default(), "trials": [],
        }))
        .unwrap();
        admission.splits =
            vec![Split { files: vec!["t/test_a.py".to_owned()], expected: vec![A.to_owned()], once: false }];
        let evidence = Trees(passing, Default::default());
        let mut trees = Reduced::new();
        loop {
            match reduce(&admission, &crate::runner::python::pytest::Pytest, parts, &trees, &evidence) {
                Reduction::Tree(set) => {
                    let name = set.iter().map(usize::to_string).collect::<Vec<_>>().join("+");
                    trees.insert(set, name);
                }
                Reduction::Trial(trial) => {
                    let code = i32::from(!passing(&trial.tree));
                    let outcome = Outcome {
                        format: crate::model::format::OUTCOME.to_owned(),
                        trial_id: trial.id(),
                        trial: (*trial).clone(),
                        sandbox: "cell".to_owned(),
                        exit: Exit::Code(code),
                        report: None,
                        output: OutputRef::default(),
                        wall_ms: 1,
                        overhead_ms: 1,
                        peak_memory_bytes: None,
                        tampered: Vec::new(),
                        retried: Vec::new(),
                        reused: false,
                        imported: None,
                    };
                    evidence.1.borrow_mut().insert(trial.id(), Arc::new(outcome));
                }
                Reduction::Done { unneeded, trials } => return (unneeded.into_iter().collect(), trials.len()),
                Reduction::Failed(detail) => panic!("{detail}"),
            }
        }
    }

    #[test]
    fn parts_are_unneeded_only_if_all_of_them_can_go_together() {
        // Nothing can go; two can go together; either of two can go, and not both; all can.
        assert_eq!(unneeded(3, &|_| false), (vec![], 3));
        assert_eq!(unneeded(3, &|tree| !tree.contains('1')), (vec![0, 2], 4));
        assert_eq!(unneeded(3, &|tree| !tree.contains('1') && tree != "0+2"), (vec![0], 4));
        assert_eq!(unneeded(2, &|_| true), (vec![0, 1], 3));
        assert_eq!(unneeded(0, &|_| true), (vec![], 0));
        // Of three that can each go, the first two cannot go together.
        assert_eq!(unneeded(3, &|tree| !tree.starts_with("0+1")), (vec![0, 2], 6));
    }
}
