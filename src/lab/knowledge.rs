//! What is known about trials: the journal in memory, reports and outputs from blobs on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::admission::Admission;
use crate::digest::Digest;
use crate::format;
use crate::journal::{Blobs, Contents, Failure, Record};
use crate::judge::Evidence;
use crate::trial::{Outcome, TestReport};

/// Reports kept decoded: a candidate's splits and gold's are asked for again and again.
const KEPT_REPORTS: usize = 16;

/// Facts shared by the workers; a clone knows the same.
#[derive(Clone, Debug)]
pub struct Knowledge {
    blobs: Blobs,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    admissions: BTreeMap<Digest, Admission>,
    outcomes: BTreeMap<Digest, Arc<Outcome>>,
    failures: BTreeMap<Digest, Failure>,
    reports: VecDeque<(Digest, Arc<TestReport>)>,
}

impl Knowledge {
    pub fn new(contents: Contents, blobs: Blobs) -> Self {
        let state = State {
            admissions: contents.admissions,
            outcomes: contents.outcomes.into_iter().map(|(id, outcome)| (id, Arc::new(outcome))).collect(),
            failures: contents.failures,
            reports: VecDeque::new(),
        };
        Self { blobs, state: Arc::new(Mutex::new(state)) }
    }

    /// Takes in what was just written to the journal.
    pub fn learn(&self, record: &Record) {
        let mut state = self.lock();
        match record {
            Record::Admission(admission) => {
                state.admissions.insert(admission.key.clone(), (**admission).clone());
            }
            Record::Outcome(outcome) => {
                state.outcomes.entry(outcome.trial_id.clone()).or_insert_with(|| Arc::new((**outcome).clone()));
            }
            Record::Failure(failure) => {
                state.failures.insert(failure.trial_id.clone(), failure.clone());
            }
        }
    }

    /// Forgets failures, so that the trials are tried again when they are next asked for.
    pub fn forget_failures(&self) {
        self.lock().failures.clear();
    }

    pub fn admission(&self, key: &Digest) -> Option<Admission> {
        self.lock().admissions.get(key).cloned()
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Evidence for Knowledge {
    fn outcome(&self, trial: &Digest) -> Option<Arc<Outcome>> {
        self.lock().outcomes.get(trial).cloned()
    }

    fn failure(&self, trial: &Digest) -> Option<Failure> {
        self.lock().failures.get(trial).cloned()
    }

    fn report(&self, outcome: &Outcome) -> Option<Arc<TestReport>> {
        let digest = outcome.report.as_ref()?;
        if let Some((_, report)) = self.lock().reports.iter().find(|(kept, _)| kept == digest) {
            return Some(report.clone());
        }
        let report: TestReport = serde_json::from_slice(&self.blobs.get(digest).ok()?).ok()?;
        format::check(Some(&report.format), format::REPORT).ok()?;
        let report = Arc::new(report);
        let mut state = self.lock();
        state.reports.push_front((digest.clone(), report.clone()));
        state.reports.truncate(KEPT_REPORTS);
        Some(report)
    }

    fn output(&self, outcome: &Outcome) -> Option<String> {
        let Some(digest) = &outcome.output.blob else { return Some(String::new()) };
        let bytes = self.blobs.get(digest).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
