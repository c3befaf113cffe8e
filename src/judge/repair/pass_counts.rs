//! How many expected tests a repair passes, beside its verdict: for rewards and statistics, and never a verdict itself.
//!
//! With `--full` the splits that are left also run, so the count is there for rejected repairs too. The count is left
//! out if results are not to be believed: after a bad end, or for a cheat.

use crate::judge::asker::{Ask, Bench, Evidence};
use crate::judge::steady::without_unsteady;
use crate::judge::{Halt, Step, run_result};
use crate::model::admission::Admission;
use crate::model::candidate::{Candidate, TrialTrees};
use crate::model::trial::TestResult;
use crate::model::verdict::{PassCounts, Reason};
use crate::runner::Runner;

/// Counts the tests that passed in the first run of every split. If the repair is verified, all expected tests count.
///
/// Gives `None` if nothing can be counted: no repair was run, a run did not come to its own end, or the verdict says that
/// results are not to be believed.
pub fn count_passes(
    candidate: &Candidate,
    reason: Reason,
    admission: &Admission,
    runner: &dyn Runner,
    evidence: &dyn Evidence,
) -> Step<Option<PassCounts>> {
    let Some(TrialTrees::Repair { policy, .. }) = &candidate.trees else { return Step::Done(None) };
    if reason == Reason::Resolved {
        let [fail_to_pass, pass_to_pass] =
            [&admission.fail_to_pass, &admission.pass_to_pass].map(|ids| ids.len() as u64);
        return Step::Done(Some(PassCounts {
            fail_to_pass,
            of_fail_to_pass: fail_to_pass,
            pass_to_pass,
            of_pass_to_pass: pass_to_pass,
        }));
    }
    if !matches!(reason, Reason::StillFailing | Reason::Regressed) {
        return Step::Done(None);
    }
    match counted(policy, admission, &mut Bench::new(admission, runner, evidence)) {
        Ok(counts) => Step::Done(Some(counts)),
        Err(Halt::Needs(trial)) => Step::Needs(trial),
        Err(Halt::Judged(..)) => Step::Done(None),
    }
}

fn counted(tree: &str, admission: &Admission, bench: &mut Bench) -> Result<PassCounts, Halt> {
    let mut counts = PassCounts::default();
    for split in &admission.splits {
        let seen = bench.seen(&Ask::suite(tree, &split.files))?;
        run_result::ended(&seen)?;
        let passes = |id: &String| seen.report.tests.get(id).is_some_and(TestResult::passed);
        let failing = split.expected.iter().filter(|id| !passes(id)).cloned().collect();
        let (steady, _) = without_unsteady(&failing, split, admission, bench)?;
        for id in &steady.expected {
            let passed = u64::from(passes(id));
            if admission.fail_to_pass.contains(id) {
                counts.fail_to_pass += passed;
                counts.of_fail_to_pass += 1;
            } else {
                counts.pass_to_pass += passed;
                counts.of_pass_to_pass += 1;
            }
        }
    }
    Ok(counts)
}
