//! What is known about trials: the journal's index in memory; outcomes, reports and outputs from disk on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::journal::{Blobs, Failure, Index, Place, Record};
use crate::judge::Evidence;
use crate::model::admission::Admission;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::trial::{Outcome, TestReport};

/// Reports kept decoded: a candidate's splits and gold's are asked for again and again.
const KEPT_REPORTS: usize = 16;
/// Outcomes kept decoded: those of the candidates at hand and of gold.
const KEPT_OUTCOMES: usize = 256;

/// Facts shared by the workers; a clone knows the same.
#[derive(Clone, Debug)]
pub struct Knowledge {
    blobs: Blobs,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    index: Index,
    /// Why an outcome that the journal has, or a blob that one names, could not be read.
    unreadable: BTreeMap<Digest, String>,
    outcomes: VecDeque<Arc<Outcome>>,
    reports: VecDeque<(Digest, Arc<TestReport>)>,
}

impl Knowledge {
    pub fn new(index: Index, blobs: Blobs) -> Self {
        Self { blobs, state: Arc::new(Mutex::new(State { index, ..State::default() })) }
    }

    /// Takes in what was just written to the journal, and where.
    pub fn learn(&self, record: &Record, place: Place) -> anyhow::Result<()> {
        self.lock().index.add(record, place)
    }

    /// Forgets failures, so that the trials are tried again when they are next asked for.
    pub fn forget_failures(&self) {
        self.lock().index.failures.clear();
    }

    /// The admission with a key, if there is one.
    pub fn read_admission(&self, key: &Digest) -> anyhow::Result<Option<Admission>> {
        let stored = self.lock().index.admission(key)?;
        stored.map(|stored| stored.admission()).transpose()
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What was read. If it could not be read, `None`, and the reason is kept under its name.
    fn kept_why<T>(&self, name: &Digest, read: anyhow::Result<T>) -> Option<T> {
        read.map_err(|error| self.lock().unreadable.insert(name.clone(), format!("{error:#}"))).ok()
    }

    /// The outcome of a trial, if it has one.
    pub fn read_outcome(&self, trial: &Digest) -> anyhow::Result<Option<Arc<Outcome>>> {
        let stored = {
            let state = self.lock();
            if let Some(kept) = state.outcomes.iter().find(|kept| kept.trial_id == *trial) {
                return Ok(Some(kept.clone()));
            }
            let Some(stored) = state.index.outcome(trial)? else { return Ok(None) };
            stored
        };
        let outcome = Arc::new(stored.outcome()?);
        let mut state = self.lock();
        state.outcomes.push_front(outcome.clone());
        state.outcomes.truncate(KEPT_OUTCOMES);
        Ok(Some(outcome))
    }
}

impl Evidence for Knowledge {
    fn outcome(&self, trial: &Digest) -> Option<Arc<Outcome>> {
        self.kept_why(trial, self.read_outcome(trial)).flatten()
    }

    fn unreadable(&self, name: &Digest) -> Option<String> {
        self.lock().unreadable.get(name).cloned()
    }

    fn failure(&self, trial: &Digest) -> Option<Failure> {
        self.lock().index.failures.get(trial).cloned()
    }

    fn report(&self, outcome: &Outcome) -> Option<Arc<TestReport>> {
        let digest = outcome.report.as_ref()?;
        if let Some((_, report)) = self.lock().reports.iter().find(|(kept, _)| kept == digest) {
            return Some(report.clone());
        }
        let read = || -> anyhow::Result<TestReport> {
            let report: TestReport = serde_json::from_slice(&self.blobs.get(digest)?)?;
            format::check(Some(&report.format), format::REPORT)?;
            Ok(report)
        };
        let report = Arc::new(self.kept_why(digest, read())?);
        let mut state = self.lock();
        state.reports.push_front((digest.clone(), report.clone()));
        state.reports.truncate(KEPT_REPORTS);
        Some(report)
    }

    fn output(&self, outcome: &Outcome) -> Option<String> {
        let Some(digest) = &outcome.output.blob else { return Some(String::new()) };
        let bytes = self.kept_why(digest, self.blobs.get(digest))?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::RunDir;

    #[test]
    fn an_outcome_that_cannot_be_read_back_is_said_to_be_unreadable_and_not_to_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(folder.path()).unwrap();
        let id = Digest::of(b"trial");
        // Whole as JSON, so that it is indexed; and not an outcome.
        let line = format!("{{\"record\": \"outcome\", \"trial_id\": \"{id}\"}}\n");
        std::fs::write(folder.path().join("journal/1.jsonl"), line).unwrap();
        let knowledge = Knowledge::new(run.index().unwrap(), run.blobs().clone());
        assert!(knowledge.outcome(&id).is_none());
        assert!(knowledge.unreadable(&id).is_some_and(|why| why.contains("1.jsonl")));
        let report = Digest::of(b"a report that nobody stored");
        let outcome: Outcome = serde_json::from_value(serde_json::json!({
            "format": format::OUTCOME, "trial_id": id, "sandbox": "cell", "exit": {"kind": "code", "value": 0}, "report": report,
            "trial": {"instance_id": "a", "tree": "t", "plan": {"framework": "pytest/1", "files": []}, "image": id,
                "limits": crate::model::trial::Limits::default(), "repeat": 0},
            "output": {"blob": report, "total_bytes": 1}, "wall_ms": 1, "overhead_ms": 1, "peak_memory_bytes": 1,
        }))
        .unwrap();
        assert!(knowledge.report(&outcome).is_none() && knowledge.output(&outcome).is_none());
        assert!(knowledge.unreadable(&report).is_some_and(|why| why.contains(report.as_str())));
        let missing = Digest::of(b"another");
        assert!(knowledge.outcome(&missing).is_none() && knowledge.unreadable(&missing).is_none());
    }
}
