//! Canaries: tests with changed expectations fail on gold, which proves them, and must fail on every candidate.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::{Ask, Bench, Evidence, Seen};
use super::{Halt, Step, name_some, suite};
use crate::admission::{Admission, Canaries, CanaryStrength};
use crate::digest::Digest;
use crate::framework::canary::Form;
use crate::trial::{Phase, Status, TestResult};
use crate::verdict::{Evidence as Level, Reason};

/// Planted canaries by test id.
pub type Forms = BTreeMap<String, Form>;

/// What running the mutated tests on gold showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Canaries that failed as they must. Empty when the run did not end.
    pub failed: BTreeSet<String>,
    /// The sandbox gave no answer: nothing is known.
    pub sandbox_failed: Option<String>,
    pub trials: Vec<Digest>,
}

/// Runs the mutated tests on gold, as candidates will run them, and says which failed in their own body. A strong one
/// must fail by an assertion or by what its test expected before, as far as is known: any other error says nothing about
/// what the test compares.
pub fn prove(admission: &Admission, canaries: &Canaries, forms: &Forms, evidence: &dyn Evidence) -> Step<Proof> {
    let mut bench = Bench::new(admission, evidence);
    let mut proof = Proof { failed: BTreeSet::new(), sandbox_failed: None, trials: Vec::new() };
    match run(&canaries.tree, canaries, &mut bench) {
        Ok(seen) if suite::ended(&seen).is_ok() => {
            let fails = |id: &str, form| {
                seen.report.tests.get(id).is_some_and(|test| test.failed_in_call() && by_its_change(test, form))
            };
            let failed = forms.iter().filter(|(id, form)| fails(id, form));
            proof.failed = failed.map(|(id, _)| id.clone()).collect();
        }
        Ok(_) => {}
        Err(Halt::Needs(trial)) => return Step::Needs(trial),
        Err(Halt::Judged(_, detail)) => proof.sandbox_failed = Some(detail),
    }
    proof.trials = bench.into_trials();
    Step::Done(proof)
}

/// Whether a candidate that passed everything fails its canaries, and the evidence that gives. A pass is a rejection
/// however the run ended; anything else than a clear failure of every canary leaves the candidate unverified.
pub(super) fn must_fail(tree: Option<&str>, admission: &Admission, bench: &mut Bench) -> Result<(Level, String), Halt> {
    let Some(canaries) = admission.canaries.as_ref().filter(|canaries| !canaries.tests.is_empty()) else {
        return Ok((Level::E1, "no canary".to_owned()));
    };
    let Some(tree) = tree else {
        return Err(unreadable("the candidate was never put under the changed expectations".to_owned()));
    };
    let seen = run(tree, canaries, bench)?;
    let result = |id: &String| seen.report.tests.get(id);
    let ids = || canaries.tests.keys();
    let passed: Vec<_> = ids().filter(|id| result(id).is_some_and(passes)).map(String::as_str).collect();
    if !passed.is_empty() {
        return Err(Halt::Judged(Reason::PassesImpossibleTest, name_some(passed)));
    }
    let code = match suite::ended(&seen) {
        Ok(code) => code,
        Err(Halt::Judged(reason, detail)) => return Err(unreadable(format!("{reason:?}: {detail}"))),
        Err(needs) => return Err(needs),
    };
    let unclear: Vec<_> =
        ids().filter(|id| !result(id).is_some_and(TestResult::failed_in_call)).map(String::as_str).collect();
    if !unclear.is_empty() {
        return Err(unreadable(format!("neither passed nor failed: {}", name_some(unclear))));
    }
    if code == 0 {
        return Err(unreadable("exit status 0 beside failing canaries".to_owned()));
    }
    let [strong, weak, _] = admission.canary_counts();
    let level = if strong > 0 { Level::E2 } else { Level::E1 };
    Ok((level, format!("{strong} strong and {weak} weak canaries failed as they must")))
}

/// Runs the canaries and nothing else of their files.
fn run(tree: &str, canaries: &Canaries, bench: &mut Bench) -> Result<Seen, Halt> {
    bench.seen(&Ask { only: canaries.tests.keys().cloned().collect(), ..Ask::suite(tree, &canaries.files) })
}

fn passes(test: &TestResult) -> bool {
    let call = |status| test.phases.contains(&(Phase::Call, status));
    call(Status::Passed) || call(Status::Xpassed)
}

/// Errors of a test that its mutation broke, rather than of what it tests.
const BROKEN: [&str; 6] = ["NameError", "UnboundLocalError", "SyntaxError", "TypeError", "AttributeError", "Failed"];

fn by_its_change(test: &TestResult, form: &Form) -> bool {
    // pytest hands the exception of a unittest method on too late for our reporter: those have no name.
    let Some(error) = test.error.as_deref().filter(|_| form.strength == CanaryStrength::Strong) else { return true };
    // Code may raise what derives from an expected type.
    let unexpected = !form.unexpected.is_empty() && !BROKEN.contains(&error);
    error == "AssertionError" || form.unexpected.contains(error) || unexpected
}

fn unreadable(detail: String) -> Halt {
    Halt::Judged(Reason::CanaryUnreadable, detail)
}

#[cfg(test)]
#[path = "canary_tests.rs"]
mod tests;
