//! In how many sessions the test files of an admission run. All of them run in one. If gold's run shows that one session
//! cannot load them all, because files claim each other's names, they run in the groups that the language found
//! (`AdmissionInput::groups`), and so do candidates: each split is part of one group.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::AdmissionInput;
use crate::judge::asker::Seen;
use crate::model::cause::Cause;
use crate::model::suite::Suite;
use crate::model::trial::{Outcome, Remarks, TestReport};
use crate::runner::Runner;

/// The files of each session, by gold's run of all files in one.
pub(super) fn sessions(
    input: &AdmissionInput,
    runner: &dyn Runner,
    files: &[String],
    joint: &TestReport,
) -> Vec<Vec<String>> {
    let mut left: BTreeSet<&String> = files.iter().collect();
    let mut groups: Vec<Vec<String>> = Vec::new();
    for group in &input.groups {
        let own: Vec<_> = files.iter().filter(|file| group.contains(file) && left.remove(file)).cloned().collect();
        groups.extend((!own.is_empty()).then_some(own));
    }
    let together = || vec![files.to_vec()];
    // What another group's module stands in the way of is missing.
    let clash = |error: &String| match runner.cause(error) {
        Cause::NameClash | Cause::MissingModule => true,
        Cause::Assertion
        | Cause::ExplicitFailure
        | Cause::Unnamed
        | Cause::MissingName
        | Cause::UnboundName
        | Cause::MissingAttribute
        | Cause::WrongType
        | Cause::Unreadable
        | Cause::Deadline
        | Cause::MissingFixture
        | Cause::NoNetwork
        | Cause::Network
        | Cause::Other => false,
    };
    if groups.len() < 2 || !joint.collect_errors.values().any(clash) {
        return together();
    }
    if let Some(first) = groups.first_mut() {
        first.extend(left.into_iter().cloned());
        first.sort();
    }
    groups
}

/// What makes the suite, by the runs of gold that came to all of it.
pub(super) fn suite_of(input: &AdmissionInput, groups: &[Vec<String>], gold: &[Seen]) -> Suite {
    let apart = if groups.len() > 1 { groups.to_vec() } else { Vec::new() };
    let remarks = gold.iter().filter_map(|seen| seen.report.remarks.as_ref());
    let deselected = remarks.flat_map(|remarks| remarks.partly_deselected.clone()).collect();
    Suite { apart, deselected, ..input.suite.clone() }
}

/// Several sessions of one tree as if they were one.
pub(super) fn joined(sessions: &[Seen]) -> Option<Seen> {
    let (first, rest) = sessions.split_first()?;
    if rest.is_empty() {
        return Some(first.clone());
    }
    let (mut outcome, mut report) = (Outcome::clone(&first.outcome), TestReport::clone(&first.report));
    for seen in rest {
        outcome.trial.plan.files.extend(seen.outcome.trial.plan.files.iter().cloned());
        let TestReport { finished, exit_status, tests, collect_errors, traces, remarks, .. } = (*seen.report).clone();
        report.finished &= finished;
        report.exit_status = report.exit_status.max(exit_status);
        report.tests.extend(tests);
        report.collect_errors.extend(collect_errors);
        report.traces.extend(traces);
        report.remarks = match (report.remarks.take(), remarks) {
            (Some(mut all), Some(Remarks { messages, skipped, deselected, ignored, partly_deselected })) => {
                all.messages.extend(messages);
                all.skipped.extend(skipped);
                all.deselected.extend(deselected);
                all.ignored.extend(ignored);
                all.partly_deselected.extend(partly_deselected);
                Some(all)
            }
            // If one of them does not say, it is not known.
            (None, _) | (_, None) => None,
        };
    }
    Some(Seen { outcome: Arc::new(outcome), report: Arc::new(report) })
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
