//! The last tests of a repair and its control session in one run: one start of the runner less.
//!
//! That start is most of a small suite's time. If gold runs the whole suite in [`LONGEST_SUITE_MS`], the control session shares a run with the tests that come
//! after the fail-to-pass files, if gold, at admission, is clean in that one run. A repair passes here only if nothing
//! is unclear. Nothing is rejected for what is seen in this run alone: whatever is not clean is run apart. If all tests
//! are in the fail-to-pass files, the control session stays a run of its own.

use std::collections::BTreeSet;

use super::confirm;
use crate::judge::asker::{Ask, Bench, Evidence, Seen};
use crate::judge::run_result;
use crate::judge::run_result::Shown;
use crate::judge::{Halt, Step, control};
use crate::model::admission::{Admission, Split};
use crate::model::digest::Digest;
use crate::model::verdict::{Evidence as Level, Reason, VerdictStatus};
use crate::runner::Runner;

/// On a longer suite a start is a small part, and to learn whether the runs can be shared costs one more run of the suite.
const LONGEST_SUITE_MS: u64 = 10_000;

/// What the one run showed.
pub(crate) enum Joint {
    /// Every test passed, and the control session is as it must be.
    Clean(Level, String),
    /// Tests that did not pass; the run itself came to its end.
    Failing(Seen, BTreeSet<String>),
    /// Every test passed, and the control session speaks against the repair.
    Against(Reason, String),
    /// Anything else, which says nothing.
    Unclear,
}

/// Whether gold, with the session's files over it as `tree`, is clean in the one run, and the trials that show it.
pub fn rehearse_joint(
    admission: &Admission,
    runner: &dyn Runner,
    gold: &str,
    tree: &str,
    evidence: &dyn Evidence,
) -> Step<(bool, Vec<Digest>)> {
    let mut bench = Bench::new(admission, runner, evidence);
    // The first trial of an admission is gold's run of everything.
    let whole = admission.trials.first().and_then(|trial| evidence.outcome(trial));
    if whole.is_none_or(|outcome| outcome.wall_ms > LONGEST_SUITE_MS) {
        return Step::Done((false, Vec::new()));
    }
    let clean = match last(admission).map(|split| run(tree, gold, split, admission, &mut bench)) {
        Some(Ok(Joint::Clean(..))) => true,
        Some(Err(Halt::Needs(trial))) => return Step::Needs(trial),
        Some(Ok(Joint::Failing(..) | Joint::Against(..) | Joint::Unclear) | Err(Halt::Judged(..))) | None => false,
    };
    Step::Done((clean, bench.into_trials()))
}

/// The split that can be run together with the control session: one that holds no fail-to-pass test.
pub(crate) fn last(admission: &Admission) -> Option<&Split> {
    match admission.splits.as_slice() {
        [_, rest] if admission.has_controls() => Some(rest),
        _ => None,
    }
}

/// Runs a split of the policy tree and its control session. `tree` is the policy tree with the files of the session.
pub(crate) fn run(
    tree: &str,
    policy: &str,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<Joint, Halt> {
    let (controls, ids) = control::plan(admission, bench.runner);
    // The session's own tests come last, so that they can disturb no other.
    let files: Vec<_> = split.files.iter().chain(&controls).cloned().collect();
    let only = split.expected.iter().cloned().chain(ids).collect();
    let seen = bench.seen(&Ask { only, note: admission.held_out.is_some(), ..Ask::suite(tree, &files) })?;
    if !confirm::tampered(&seen, split, admission, bench)?.is_empty() {
        return Ok(Joint::Unclear);
    }
    Ok(match run_result::shown(&seen, &split.expected, admission, bench.runner) {
        Shown::Passed => match control::read(&seen, policy, admission, bench.runner) {
            Ok((level, said)) => Joint::Clean(level, said),
            Err(needs @ Halt::Needs(_)) => return Err(needs),
            Err(Halt::Judged(reason, detail)) if reason.status() == VerdictStatus::Rejected => {
                Joint::Against(reason, detail)
            }
            Err(Halt::Judged(..)) => Joint::Unclear,
        },
        Shown::Failing(failing) => Joint::Failing(seen, failing),
        Shown::Abnormal(..) => Joint::Unclear,
    })
}

#[cfg(test)]
#[path = "shared_run_tests.rs"]
mod tests;
