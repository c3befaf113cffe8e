//! The last tests of a repair and its control session in one run: one start of the runner less.
//!
//! That start is most of a small suite's time. If gold runs the whole suite in [`LONGEST_SUITE_MS`], the control session shares a
//! run with the tests that come after the fail-to-pass files, if gold is clean in that one run. Gold runs it when the first
//! candidate comes there; all candidates share that run of gold. A repair passes here only if nothing is unclear. Nothing is
//! rejected for what is seen in this run alone: whatever is not clean is run apart.
//!
//! The fail-to-pass tests stay a run of their own. Most repairs fail them, and a canary has the path and the id of such a test,
//! so that nothing tells the two apart. Therefore the control session is a run of its own too if there is no second split.

use std::collections::BTreeSet;

use super::confirm;
use crate::judge::asker::{Ask, Bench, Evidence, Seen};
use crate::judge::run_result;
use crate::judge::run_result::Shown;
use crate::judge::steady::gold_of;
use crate::judge::{Halt, control};
use crate::model::admission::{Admission, Sessions, Split};
use crate::model::verdict::{Evidence as Level, Reason, VerdictStatus};

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

/// Whether repairs may run the control session and the second split in one run: as it was chosen, or else if the suite is short.
pub fn one_session(admission: &Admission, chosen: Option<Sessions>, evidence: &dyn Evidence) -> bool {
    // The first trial of an admission is gold's run of everything.
    let whole = || admission.trials.first().and_then(|trial| evidence.outcome(trial));
    last(admission).is_some()
        && match chosen {
            Some(Sessions::One) => true,
            Some(Sessions::Split) => false,
            None => whole().is_some_and(|outcome| outcome.wall_ms <= LONGEST_SUITE_MS),
        }
}

/// The split that repairs run together with the control session, if gold is clean in that one run.
pub(crate) fn shared<'a>(admission: &'a Admission, bench: &mut Bench) -> Result<Option<&'a Split>, Halt> {
    let split = last(admission);
    if admission.joint {
        return Ok(split);
    }
    let (Some(split), Some(session)) = (split, &admission.one_session) else { return Ok(None) };
    match run(session, gold_of(admission)?, split, admission, bench) {
        Ok(Joint::Clean(..)) => Ok(Some(split)),
        Err(needs @ Halt::Needs(_)) => Err(needs),
        Ok(Joint::Failing(..) | Joint::Against(..) | Joint::Unclear) | Err(Halt::Judged(..)) => Ok(None),
    }
}

/// The split that can be run together with the control session: one that holds no fail-to-pass test.
fn last(admission: &Admission) -> Option<&Split> {
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
