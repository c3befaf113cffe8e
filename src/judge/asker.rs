//! The bench: asks for trials by what they are, and keeps the list of the trials that a judgement rests on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Halt;
use crate::journal::Failure;
use crate::model::admission::Admission;
use crate::model::candidate::Prepared;
use crate::model::digest::Digest;
use crate::model::trial::{Exit, FIRST_CONTROL, Limits, Mode, Outcome, TestPlan, TestReport, Trial, Variation};
use crate::model::verdict::Reason;
use crate::runner::Runner;

/// Facts about trials, as far as they are known.
pub trait Evidence {
    fn outcome(&self, trial: &Digest) -> Option<Arc<Outcome>>;
    /// Why something that exists was not given: the outcome of a trial, or the blob that an outcome names, cannot be read
    /// back. The trial is not run again because of that.
    fn unreadable(&self, _name: &Digest) -> Option<String> {
        None
    }
    /// A trial that the sandbox could not run.
    fn failure(&self, trial: &Digest) -> Option<Failure>;
    /// The structured report of an outcome; `None` if it cannot be read back.
    fn report(&self, outcome: &Outcome) -> Option<Arc<TestReport>>;
    /// Kept head and tail of what was printed; `None` if it cannot be read back.
    fn output(&self, outcome: &Outcome) -> Option<String>;
}

/// What is needed to name a trial, apart from tree and files.
pub(super) struct Bench<'a> {
    evidence: &'a dyn Evidence,
    instance_id: String,
    image: Option<Digest>,
    framework: String,
    /// Runs the tests, and knows what their ids and errors say.
    pub runner: &'a dyn Runner,
    limits: Limits,
    /// How many rounds came before this one. Each round judges the candidate from its first run on.
    round: u32,
    trials: Vec<Digest>,
    /// The repair that is judged, if it is one.
    pub repair: Option<&'a Prepared>,
}

/// How many numbers of repeats belong to one round.
const ROUND: u32 = 100_000;

/// The number of a repeat in a round. The number of a control stays one of a control, whatever the round.
fn number(repeat: u32, round: u32) -> u32 {
    match repeat.checked_sub(FIRST_CONTROL) {
        Some(control) => FIRST_CONTROL + (control + round * ROUND) % FIRST_CONTROL,
        None => repeat + round * ROUND,
    }
}

/// An outcome with its report at hand.
#[derive(Clone)]
pub(super) struct Seen {
    pub outcome: Arc<Outcome>,
    pub report: Arc<TestReport>,
}

/// One run to ask for.
pub(super) struct Ask<'a> {
    pub tree: &'a str,
    pub files: &'a [String],
    /// Ids of the only tests that run. If it is empty, all tests of the files run.
    pub only: Vec<String>,
    pub mode: Mode,
    /// Lines to watch.
    pub watch: BTreeMap<String, Vec<u32>>,
    /// Whether held-out tests note the answers that they get.
    pub note: bool,
    pub variation: Variation,
    pub repeat: u32,
    /// A deadline that is shorter than the admission's.
    pub deadline_ms: Option<u64>,
}

impl<'a> Ask<'a> {
    /// A candidate's run of test files.
    pub fn suite(tree: &'a str, files: &'a [String]) -> Self {
        Self {
            tree,
            files,
            only: Vec::new(),
            mode: Mode::Suite,
            watch: BTreeMap::new(),
            note: false,
            variation: Variation::None,
            repeat: 0,
            deadline_ms: None,
        }
    }
}

impl<'a> Bench<'a> {
    pub fn new(admission: &Admission, runner: &'a dyn Runner, evidence: &'a dyn Evidence) -> Self {
        Self {
            evidence,
            instance_id: admission.instance_id.clone(),
            image: admission.image.clone(),
            framework: admission.framework.clone(),
            runner,
            limits: admission.limits.clone(),
            round: 0,
            trials: Vec::new(),
            repair: None,
        }
    }

    /// From here on every run that is asked for differs from the runs of other rounds by the number of its repeat.
    pub fn begin_round(&mut self, round: u32) {
        self.round = round;
    }

    /// The outcome of a run, or a halt that says what is missing.
    pub fn outcome(&mut self, ask: &Ask) -> Result<Arc<Outcome>, Halt> {
        let Some(image) = self.image.clone() else {
            return Err(Halt::Judged(Reason::NotRun, "the instance has no sealed image".to_owned()));
        };
        let trial = Trial {
            instance_id: self.instance_id.clone(),
            tree: ask.tree.to_owned(),
            plan: TestPlan {
                framework: match ask.mode {
                    Mode::Suite | Mode::Script => self.framework.clone(),
                    Mode::Plain => self.bare_name()?.to_owned(),
                },
                files: ask.files.to_vec(),
                only: ask.only.clone(),
                mode: ask.mode,
                watch: ask.watch.clone(),
                note: ask.note,
                variation: ask.variation,
            },
            image,
            limits: Limits {
                deadline_ms: ask.deadline_ms.unwrap_or(u64::MAX).min(self.limits.deadline_ms),
                ..self.limits.clone()
            },
            repeat: number(ask.repeat, self.round),
        };
        let id = trial.id();
        if let Some(outcome) = self.evidence.outcome(&id) {
            if !self.trials.contains(&id) {
                self.trials.push(id);
            }
            return Ok(outcome);
        }
        if let Some(why) = self.evidence.unreadable(&id) {
            return Err(Halt::Judged(Reason::EvidenceUnreadable, format!("outcome of trial {id}: {why}")));
        }
        match self.evidence.failure(&id) {
            Some(failure) => Err(Halt::Judged(
                Reason::SandboxFailed,
                format!("{} attempts, the last: {}", failure.attempts.len(), failure.attempts.last().map_or("", |s| s)),
            )),
            None => Err(Halt::Needs(Box::new(trial))),
        }
    }

    /// The name that stands in a plan whose tests run without their runner.
    fn bare_name(&self) -> Result<&'static str, Halt> {
        let missing = || Halt::Judged(Reason::NotRun, format!("{} has no run without it", self.runner.name()));
        self.runner.bare().map(|bare| bare.name()).ok_or_else(missing)
    }

    /// The outcome of a run with its report.
    pub fn seen(&mut self, ask: &Ask) -> Result<Seen, Halt> {
        let outcome = self.outcome(ask)?;
        match self.evidence.report(&outcome) {
            Some(report) => Ok(Seen { outcome, report }),
            None => Err(self.not_read_back("report", &outcome, outcome.report.as_ref())),
        }
    }

    /// What a run printed.
    pub fn printed(&mut self, ask: &Ask) -> Result<(Exit, String), Halt> {
        let outcome = self.outcome(ask)?;
        match self.evidence.output(&outcome) {
            Some(text) => Ok((outcome.exit, text)),
            None => Err(self.not_read_back("output", &outcome, outcome.output.blob.as_ref())),
        }
    }

    /// The verdict if something that an outcome names is gone or damaged.
    fn not_read_back(&self, what: &str, outcome: &Outcome, blob: Option<&Digest>) -> Halt {
        let why =
            blob.and_then(|blob| self.evidence.unreadable(blob)).map_or_else(String::new, |why| format!(": {why}"));
        Halt::Judged(Reason::EvidenceUnreadable, format!("{what} of trial {}{why}", outcome.trial_id))
    }

    pub fn into_trials(self) -> Vec<Digest> {
        self.trials
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_numbers_of_its_own_and_a_control_stays_one() {
        assert_eq!([number(0, 0), number(3, 0), number(3, 2)], [0, 3, 200_003]);
        assert_eq!(number(FIRST_CONTROL + 7, 0), FIRST_CONTROL + 7);
        let last = u32::MAX;
        for round in 0..3 {
            assert!(number(last, round) >= FIRST_CONTROL && number(FIRST_CONTROL, round) >= FIRST_CONTROL);
        }
        assert_ne!(number(last, 1), number(last, 2));
    }
}
