//! Evidence of paper for the judge's tests: what a test says that runs showed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::asker::Evidence;
use crate::journal::Failure;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::trial::{Exit, Outcome, OutputRef, Phase, Status, TestReport, TestResult, Trial};

type Ran = (Arc<Outcome>, Arc<TestReport>);

/// Outcomes with their reports, by trial. No trial failed, and none printed anything.
#[derive(Default)]
pub(crate) struct Paper(RefCell<BTreeMap<Digest, Ran>>);

impl Paper {
    pub fn add(&self, outcome: Outcome, report: TestReport) {
        self.0.borrow_mut().insert(outcome.trial_id.clone(), (Arc::new(outcome), Arc::new(report)));
    }
}

impl Evidence for Paper {
    fn outcome(&self, trial: &Digest) -> Option<Arc<Outcome>> {
        self.0.borrow().get(trial).map(|(outcome, _)| outcome.clone())
    }

    fn failure(&self, _: &Digest) -> Option<Failure> {
        None
    }

    fn report(&self, outcome: &Outcome) -> Option<Arc<TestReport>> {
        self.0.borrow().get(&outcome.trial_id).map(|(_, report)| report.clone())
    }

    fn output(&self, _: &Outcome) -> Option<String> {
        None
    }
}

/// A run that ended so after a second and changed no file.
pub(crate) fn outcome(trial: &Trial, exit: Exit) -> Outcome {
    Outcome {
        format: format::OUTCOME.to_owned(),
        trial_id: trial.id(),
        trial: trial.clone(),
        sandbox: "paper".to_owned(),
        exit,
        report: Some(Digest::of(b"report")),
        output: OutputRef::default(),
        wall_ms: 1000,
        overhead_ms: 1,
        peak_memory_bytes: None,
        tampered: Vec::new(),
        retried: Vec::new(),
        reused: false,
        imported: None,
    }
}

/// A test that passed, or that failed in its body by this error.
pub(crate) fn result(error: Option<&str>) -> TestResult {
    let call = if error.is_some() { Status::Failed } else { Status::Passed };
    let phases = vec![(Phase::Setup, Status::Passed), (Phase::Call, call), (Phase::Teardown, Status::Passed)];
    TestResult { phases, error: error.map(str::to_owned), frames: Vec::new() }
}
