//! Canaries: tests with changed expectations. What fails on gold is proved; the control session runs it on candidates.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::{Ask, Bench, Evidence, Seen};
use super::{Halt, Step, suite};
use crate::admission::{Admission, Canaries, CanaryStrength};
use crate::digest::Digest;
use crate::framework::canary::Form;
use crate::trial::{Phase, Status, TestResult};

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

/// Runs the changed tests on gold, as candidates will run them, and says which failed in their own body. A strong canary
/// must fail by an assertion or by what its test expected before, as far as that is known. Any other error says nothing about
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

/// Runs the canaries and nothing else of their files.
fn run(tree: &str, canaries: &Canaries, bench: &mut Bench) -> Result<Seen, Halt> {
    bench.seen(&Ask { only: canaries.tests.keys().cloned().collect(), ..Ask::suite(tree, &canaries.files) })
}

/// Whether a test passed, whatever else it did.
pub(super) fn passes(test: &TestResult) -> bool {
    let call = |status| test.phases.contains(&(Phase::Call, status));
    call(Status::Passed) || call(Status::Xpassed)
}

/// Errors of a test that its mutation broke, rather than of what it tests.
const BROKEN: [&str; 6] = ["NameError", "UnboundLocalError", "SyntaxError", "TypeError", "AttributeError", "Failed"];

fn by_its_change(test: &TestResult, form: &Form) -> bool {
    // Old versions of pytest hand the exception of a unittest method on too late for our reporter: no name then.
    let Some(error) = test.error.as_deref().filter(|_| form.strength == CanaryStrength::Strong) else { return true };
    // Code may raise what derives from an expected type.
    let unexpected = !form.unexpected.is_empty() && !BROKEN.contains(&error);
    error == "AssertionError" || form.unexpected.contains(error) || unexpected
}
