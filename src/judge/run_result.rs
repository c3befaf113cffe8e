//! Whether a run of test files can be trusted, and whether the expected tests passed in it.

use std::collections::BTreeSet;

use super::asker::Seen;
use super::{Halt, name_some};
use crate::model::admission::Admission;
use crate::model::trial::{Exit, Status, TestReport, TestResult};
use crate::model::verdict::Reason;
use crate::runner::Runner;

/// What a run shows about the tests that are expected to pass.
pub(super) enum Shown {
    /// Each passed exactly once and in all phases.
    Passed,
    /// These tests did not pass so.
    Failing(BTreeSet<String>),
    /// The run says nothing about tests: it or its report did not come to a proper end.
    Abnormal(Reason, String),
}

/// Checks that the run came to its own end, and that its report is whole and from our reporter.
pub(super) fn ended(seen: &Seen) -> Result<i32, Halt> {
    end(seen).map_err(|(reason, detail)| Halt::Judged(reason, detail))
}

fn end(seen: &Seen) -> Result<i32, (Reason, String)> {
    let report = &seen.report;
    let code = match seen.outcome.exit {
        Exit::TimedOut => {
            let seconds = seen.outcome.trial.limits.deadline_ms as f64 / 1000.0;
            return Err((Reason::TimedOut, format!("still running after {seconds} s")));
        }
        Exit::OutOfMemory => {
            let limit = seen.outcome.trial.limits.memory_bytes >> 20;
            return Err((Reason::OutOfMemory, format!("more than {limit} MiB")));
        }
        Exit::Signal(signal) => return Err((Reason::EndedEarly, format!("killed by signal {signal}"))),
        Exit::Code(code) => code,
    };
    if let Some(alarm) = report.alarms.first() {
        return Err((Reason::ForgedReport, alarm.clone()));
    }
    if !report.finished {
        return Err((Reason::EndedEarly, format!("exit status {code} before the session said that it had ended")));
    }
    if report.exit_status != Some(code) {
        let detail = format!("exit status {code}, the session announced {:?}", report.exit_status);
        return Err((Reason::ExitContradictsReport, detail));
    }
    if let Some(contradiction) = report.contradictions.first() {
        return Err((Reason::ExitContradictsReport, contradiction.clone()));
    }
    Ok(code)
}

/// What a run shows of the expected tests of its split.
pub(super) fn shown(seen: &Seen, expected: &[String], admission: &Admission, runner: &dyn Runner) -> Shown {
    let code = match end(seen) {
        Ok(code) => code,
        Err((reason, detail)) => return Shown::Abnormal(reason, detail),
    };
    let passed = |id: &&String| seen.report.tests.get(*id).is_some_and(TestResult::passed);
    let failing: BTreeSet<_> = expected.iter().filter(|id| !passed(id)).cloned().collect();
    if !failing.is_empty() {
        return Shown::Failing(failing);
    }
    if let Some((module, file)) = seen.report.shadows.iter().find(|(module, _)| !admission.shadows.contains(*module)) {
        return Shown::Abnormal(Reason::ShadowsEnvironment, format!("{module} was imported from {file}"));
    }
    if !runner.agrees(code, any_failure(&seen.report)) {
        let beside = if any_failure(&seen.report) { "with" } else { "without" };
        let detail = format!("exit status {code} beside a report {beside} failures");
        return Shown::Abnormal(Reason::ExitContradictsReport, detail);
    }
    Shown::Passed
}

/// The rejection that failing tests earn. If fail-to-pass tests are among them, only those are named.
pub(super) fn rejection(seen: &Seen, failing: &BTreeSet<String>, admission: &Admission) -> Halt {
    let (missed, regressed): (Vec<_>, Vec<_>) = failing.iter().partition(|id| admission.fail_to_pass.contains(*id));
    let (reason, failing) =
        if missed.is_empty() { (Reason::Regressed, regressed) } else { (Reason::StillFailing, missed) };
    Halt::Judged(reason, describe(&seen.report, &failing))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::model::trial::Outcome;

    const TEST: &str = "tests/test_a.py::test_a";

    fn judged(from_the_tree: &[&str], on_gold: &[&str]) -> Option<Reason> {
        let shadows: serde_json::Map<_, _> =
            from_the_tree.iter().map(|name| ((*name).to_owned(), json!(format!("{name}.py")))).collect();
        judged_by(&json!({"shadows": shadows}), on_gold)
    }

    fn judged_by(more: &Value, on_gold: &[&str]) -> Option<Reason> {
        let passed = json!({"phases": [["setup", "passed"], ["call", "passed"], ["teardown", "passed"]]});
        let mut report = json!({
            "format": crate::model::format::REPORT, "finished": true, "exit_status": 0, "tests": {TEST: passed},
        });
        report.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let digest = crate::model::digest::Digest::of(b"");
        let outcome: Outcome = serde_json::from_value(json!({
            "format": crate::model::format::OUTCOME, "trial_id": digest, "sandbox": "cell", "wall_ms": 1, "overhead_ms": 1,
            "exit": {"kind": "code", "value": 0}, "output": {"blob": null, "total_bytes": 0},
            "trial": crate::model::trial::Trial {
                instance_id: "a".to_owned(), tree: "t".to_owned(), plan: Default::default(), image: digest.clone(),
                limits: Default::default(), repeat: 0,
            },
        }))
        .unwrap();
        let admission: Admission = serde_json::from_value(json!({
            "format": crate::model::format::ADMISSION, "instance_id": "a", "key": digest, "image": digest,
            "fail_to_pass": [TEST], "pass_to_pass": [], "gold_files": [], "framework": "pytest/1", "repeats": 3,
            "limits": crate::model::trial::Limits::default(), "trials": [],
            "shadows": on_gold.iter().collect::<BTreeSet<_>>(),
        }))
        .unwrap();
        let seen = Seen { outcome: Arc::new(outcome), report: Arc::new(serde_json::from_value(report).unwrap()) };
        match shown(&seen, &[TEST.to_owned()], &admission, crate::runner::by_name("pytest").unwrap()) {
            Shown::Passed => None,
            Shown::Abnormal(reason, _) => Some(reason),
            Shown::Failing(failing) => panic!("{failing:?}"),
        }
    }

    #[test]
    fn a_process_that_ended_otherwise_than_its_tests_say_is_no_pass() {
        let said = json!({"contradictions": ["p ended with status 1, and none of its tests failed"]});
        assert_eq!(judged_by(&said, &[]), Some(Reason::ExitContradictsReport));
    }

    #[test]
    fn a_module_of_the_environment_from_the_tree_is_no_pass_unless_gold_has_it_from_there_too() {
        assert_eq!(judged(&[], &[]), None);
        assert_eq!(judged(&["json"], &["json"]), None);
        assert_eq!(judged(&["json"], &[]), Some(Reason::ShadowsEnvironment));
        assert_eq!(judged(&["attr", "json"], &["json"]), Some(Reason::ShadowsEnvironment));
    }
}
