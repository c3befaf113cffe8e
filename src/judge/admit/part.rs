//! The part of the suite that runs if `--changed-tests` was given: test files that gold or the test patch changes, those
//! that use what they change, and those of the listed fail-to-pass tests.
//!
//! What is verified then is worth E1 at most. The levels above it say that no test of the suite fails any more, and that
//! rests on the other test files: a repair may break what they test, and nothing here would show it. The canaries and
//! held-out tests speak for the tests that ran and say nothing of the others.

use std::collections::BTreeSet;

use super::{AdmissionInput, listed_among};
use crate::model::admission::Admission;
use crate::model::part_of_suite::PartOfSuite;
use crate::model::verdict::{Evidence as Level, Reason};
use crate::runner::Runner;

impl AdmissionInput<'_> {
    /// What the runner is given to run, and how much of the suite that is, if it is not all.
    pub(super) fn files_to_run(&self, runner: &dyn Runner) -> (Vec<String>, Option<PartOfSuite>) {
        let suite = listed_among(self.instance, runner, self.test_files.clone());
        let Some(part) = &self.part else { return (suite, None) };
        let listed: BTreeSet<_> = self.instance.fail_to_pass.iter().map(|id| runner.target_of(id)).collect();
        let of = suite.len();
        let files: Vec<_> = suite.into_iter().filter(|file| part.contains(file) || listed.contains(file)).collect();
        let narrowed = files.len() < of;
        let part = narrowed.then_some(PartOfSuite { ran: files.len() as u64, of: of as u64 });
        (files, part)
    }

    /// Whether a test is left out, because its file does not run.
    pub(super) fn leaves_out(&self, runner: &dyn Runner, id: &str) -> bool {
        let file = runner.target_of(id);
        let part = self.part.as_ref().filter(|part| !part.contains(&file));
        let listed = || self.instance.fail_to_pass.iter().any(|id| runner.target_of(id) == file);
        part.is_some() && self.test_files.contains(&file) && !listed()
    }
}

/// A verified answer as it counts: of an instance whose suite did not run as a whole, never more than E1.
pub(crate) fn bounded(
    admission: &Admission,
    (reason, level, detail): (Reason, Level, String),
) -> (Reason, Level, String) {
    match &admission.part {
        None => (reason, level, detail),
        Some(part) => (reason, level.min(Level::E1), format!("{detail}; E1 at most, because only {}", part.told())),
    }
}
