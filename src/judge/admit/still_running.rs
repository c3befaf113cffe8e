//! What is said of an instance whose run on gold met the time limit. It is refused then: another run of gold would take as
//! long, and everything else is judged against gold.

use super::AdmissionInput;
use crate::judge::asker::Seen;
use crate::judge::name_some;
use crate::model::trial::Phase;
use crate::runner::Runner;

/// In words: the limit, what had no end yet, and what to do.
pub(super) fn told(input: &AdmissionInput, runner: &dyn Runner, seen: &Seen) -> String {
    let limit = seen.outcome.trial.limits.deadline_ms;
    let (files, tests) = (&seen.outcome.trial.plan.files, &seen.report.tests);
    let ended = |id: &&String| {
        let last = tests.get(*id).and_then(|test| test.phases.last());
        last.is_some_and(|(phase, _)| matches!(phase, Phase::Teardown | Phase::Whole))
    };
    let open = |file: &&String| tests.keys().any(|id| runner.target_of(id) == **file && !ended(&id));
    let open: Vec<_> = files.iter().filter(open).map(String::as_str).collect();
    let what = if tests.is_empty() {
        format!("no test had been collected from {}", name_some(files.iter().map(String::as_str)))
    } else {
        let done = tests.keys().filter(ended).count();
        format!("{done} of {} tests had ended, and these files had not: {}", tests.len(), name_some(open))
    };
    let own = input.instance.environment.timeout_s.is_some_and(|seconds| seconds.saturating_mul(1000) == limit);
    // A run directory knows this run, whatever the limit is.
    let longer = format!("a longer {} with another --run", if own { "environment.timeout_s" } else { "--timeout" });
    let next = match &input.part {
        None => format!("use {longer}, or --changed-tests, which runs only the test files of what changed"),
        Some(_) => format!("use {longer}"),
    };
    format!(
        "the run on gold was still running after {} s, which is the time limit: {what}; {next}",
        limit as f64 / 1000.0
    )
}
