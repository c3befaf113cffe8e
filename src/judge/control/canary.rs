//! Canaries: tests with changed expectations. What fails on gold is proved; the control session runs it on candidates.

use std::collections::{BTreeMap, BTreeSet};

use crate::judge::asker::{Ask, Bench, Evidence, Seen};
use crate::judge::{Halt, Step, run_result};
use crate::model::admission::{Admission, Canaries, CanaryStrength};
use crate::model::canary_form::Form;
use crate::model::cause::Cause;
use crate::model::digest::Digest;
use crate::model::trial::{Phase, Status, TestResult};
use crate::runner::Runner;

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
pub fn prove(
    admission: &Admission,
    runner: &dyn Runner,
    canaries: &Canaries,
    forms: &Forms,
    evidence: &dyn Evidence,
) -> Step<Proof> {
    let mut bench = Bench::new(admission, runner, evidence);
    let mut proof = Proof { failed: BTreeSet::new(), sandbox_failed: None, trials: Vec::new() };
    match run(&canaries.tree, canaries, &mut bench) {
        Ok(seen) if run_result::ended(&seen).is_ok() => {
            let fails = |id: &str, form| {
                seen.report.tests.get(id).is_some_and(|test| test.failed_in_call() && by_its_change(runner, test, form))
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
pub(crate) fn passes(test: &TestResult) -> bool {
    let body = |status| [Phase::Call, Phase::Whole].iter().any(|phase| test.phases.contains(&(*phase, status)));
    body(Status::Passed) || body(Status::Xpassed)
}

/// Whether the kind of an error is that of a test that its mutation broke, rather than of what it tests.
fn broken(cause: Cause) -> bool {
    match cause {
        Cause::MissingName
        | Cause::UnboundName
        | Cause::Unreadable
        | Cause::WrongType
        | Cause::MissingAttribute
        | Cause::ExplicitFailure => true,
        Cause::Assertion
        | Cause::Unnamed
        | Cause::MissingModule
        | Cause::NameClash
        | Cause::Deadline
        | Cause::MissingFixture
        | Cause::NoNetwork
        | Cause::Network
        | Cause::Other => false,
    }
}

fn by_its_change(runner: &dyn Runner, test: &TestResult, form: &Form) -> bool {
    // Some runners do not say which error it was.
    let Some(error) = test.error.as_deref().filter(|_| form.strength == CanaryStrength::Strong) else { return true };
    // Code may raise what derives from an expected type.
    let unexpected = !form.unexpected.is_empty() && !broken(runner.cause(error));
    runner.cause(error) == Cause::Assertion || form.unexpected.contains(error) || unexpected
}
