//! Whether a run of test files can be trusted, and whether the expected tests passed in it.

use std::collections::BTreeSet;

use super::bench::Seen;
use super::{Halt, name_some};
use crate::admission::{Admission, Split};
use crate::trial::{Exit, Status, TestReport};
use crate::verdict::Reason;

/// The run came to its own end and its report is whole and of our reporter.
pub(super) fn ended(seen: &Seen) -> Result<i32, Halt> {
    let report = &seen.report;
    let code = match seen.outcome.exit {
        Exit::TimedOut => {
            let seconds = seen.outcome.trial.limits.deadline_ms as f64 / 1000.0;
            return Err(Halt::Judged(Reason::TimedOut, format!("still running after {seconds} s")));
        }
        Exit::OutOfMemory => {
            let limit = seen.outcome.trial.limits.memory_bytes >> 20;
            return Err(Halt::Judged(Reason::OutOfMemory, format!("more than {limit} MiB")));
        }
        Exit::Signal(signal) => {
            return Err(Halt::Judged(Reason::EndedEarly, format!("killed by signal {signal}")));
        }
        Exit::Code(code) => code,
    };
    if let Some(alarm) = report.alarms.first() {
        return Err(Halt::Judged(Reason::ForgedReport, alarm.clone()));
    }
    if !report.finished {
        return Err(Halt::Judged(
            Reason::EndedEarly,
            format!("exit status {code} before the session said that it had ended"),
        ));
    }
    if report.exit_status != Some(code) {
        return Err(Halt::Judged(
            Reason::ExitContradictsReport,
            format!("exit status {code}, the session announced {:?}", report.exit_status),
        ));
    }
    Ok(code)
}

/// Every expected test of the split passed, each exactly once and in all phases.
pub(super) fn expected_pass(seen: &Seen, split: &Split, admission: &Admission) -> Result<(), Halt> {
    let code = ended(seen)?;
    let fail_to_pass: BTreeSet<_> = admission.fail_to_pass.iter().collect();
    let (missed, regressed): (Vec<_>, Vec<_>) = split
        .expected
        .iter()
        .filter(|id| !seen.report.tests.get(*id).is_some_and(|test| test.passed()))
        .partition(|id| fail_to_pass.contains(id));
    for (failing, reason) in [(missed, Reason::StillFailing), (regressed, Reason::Regressed)] {
        if !failing.is_empty() {
            return Err(Halt::Judged(reason, describe(&seen.report, &failing)));
        }
    }
    if let Some((module, file)) = seen.report.shadows.iter().find(|(module, _)| !admission.shadows.contains(*module)) {
        return Err(Halt::Judged(Reason::ShadowsEnvironment, format!("{module} was imported from {file}")));
    }
    if (code == 0) == any_failure(&seen.report) {
        return Err(Halt::Judged(
            Reason::ExitContradictsReport,
            format!("exit status {code} beside a report {} failures", if code == 0 { "with" } else { "without" }),
        ));
    }
    Ok(())
}

/// Whether the report holds anything that makes a runner exit with a failure.
fn any_failure(report: &TestReport) -> bool {
    !report.collect_errors.is_empty()
        || report.tests.values().any(|test| {
            test.phases.iter().any(|(_, status)| match status {
                Status::Failed => true,
                Status::Passed | Status::Skipped | Status::Xfailed | Status::Xpassed => false,
            })
        })
}

fn describe(report: &TestReport, failing: &[&String]) -> String {
    let first = failing.first().map_or("", |id| id.as_str());
    let what =
        match report.tests.get(first) {
            None => report.collect_errors.iter().next().map_or("not run".to_owned(), |(file, error)| {
                format!("not run; {file} could not be collected: {error}")
            }),
            Some(test) => match (&test.error, test.phases.last()) {
                (Some(error), _) => error.clone(),
                (None, Some((phase, status))) => format!("{phase:?} {status:?}").to_lowercase(),
                (None, None) => "collected and never run".to_owned(),
            },
        };
    format!("{} ({what})", name_some(failing.iter().map(|id| id.as_str())))
}
