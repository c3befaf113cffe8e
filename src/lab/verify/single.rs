//! The judge of single candidates: they come one at a time, and the verdict on each is wanted at once. Every worker has
//! one. It is a view of the lab with the same journal and knowledge, its own cancel flag, and the last instances with
//! their sandbox slots open.
//!
//! Every candidate is judged by itself: what others of the instance showed has no part in it, so that a verdict depends
//! on the instance and the answer alone. Tests are still run against gold's mutants; locations are held against gold's
//! alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

use super::ground::Ground;
use super::identity::Identity;
use super::peers::peers;
use super::read_cache::ReadCache;
use super::task::Task;
use super::unread;
use super::verdicts::verdicts;
use super::worker_state::WorkerState;
use crate::judge::Peers;
use crate::lab::{Lab, Located, Sample, read_candidate};
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::model::contest::Contest;
use crate::model::digest::Digest;
use crate::model::generation::Skill;
use crate::model::instance::Instance;
use crate::model::verdict::{Reason, Verdict};
use crate::repo::Repository;

/// Instances whose repository and sandbox slot are kept open.
const OPEN: usize = 4;

/// Judges candidates one at a time.
pub struct SingleJudge<'a> {
    lab: Lab<'a>,
    /// Last used first.
    open: VecDeque<Open>,
}

/// A verdict, and what it took.
#[derive(Clone, Debug)]
pub struct SingleVerdict {
    pub verdict: Verdict,
    /// Reading the answer met a bug of ours: another attempt meets it again.
    pub unread: bool,
    /// Trials that were run for it; the others were known.
    pub trials_run: u64,
}

/// An instance at hand, by itself in the maps that judging looks it up in.
struct Open {
    instance_id: String,
    admissions: BTreeMap<String, Admission>,
    digests: BTreeMap<String, Digest>,
    instance: Instance,
    repository: Repository,
    kept: WorkerState,
    memory: ReadCache,
}

impl std::fmt::Debug for SingleJudge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SingleJudge").field("lab", &self.lab).finish_non_exhaustive()
    }
}

impl<'a> SingleJudge<'a> {
    /// One that shares journal and knowledge with the lab and has a flag of its own.
    pub fn new(lab: &Lab<'a>) -> Self {
        Self { lab: lab.beside(Arc::default()), open: VecDeque::new() }
    }

    /// Raising it ends the running trial; the candidate at hand is then an error, [`crate::exit_code::Stop::Interrupted`].
    pub fn cancel(&self) -> &Arc<AtomicBool> {
        &self.lab.cancel
    }

    /// Takes a candidate through its trials. A failure of the sandbox is in the verdict; the next candidate that needs
    /// the same trial tries again.
    ///
    /// # Errors
    /// The flag was raised, or something of ours failed: disk, repository, journal.
    pub fn judge(
        &mut self,
        located: &Located,
        admission: &Admission,
        sample: &Sample,
    ) -> anyhow::Result<SingleVerdict> {
        let before = self.lab.ran.load(Ordering::Relaxed);
        self.bring_up(located, admission)?;
        let lab = &self.lab;
        let open = self.open.front_mut().context("the instance was just opened; this is a bug of assay")?;
        let candidate = unread::guarded(sample, lab.console, || open.read(sample))?;
        let unread = candidate.unread.is_some();
        if unread {
            open.memory = ReadCache::default();
        }
        let candidates = [candidate];
        let contests = lab.take_alone(located, &candidates, open)?;
        let judged = verdicts(&candidates, &open.admissions, &open.digests, contests, &lab.knowledge)?;
        let (verdict, _) = judged.into_iter().next().context("a candidate has a verdict")?;
        if verdict.reason == Reason::SandboxFailed {
            lab.knowledge.forget_failures();
            // Its image may be gone: the next candidate looks for it again.
            self.open.pop_front();
        }
        Ok(SingleVerdict { verdict, unread, trials_run: self.lab.ran.load(Ordering::Relaxed) - before })
    }

    /// Makes the instance the first of those at hand.
    fn bring_up(&mut self, located: &Located, admission: &Admission) -> anyhow::Result<()> {
        let id = &located.instance_id;
        let found = self.open.iter().position(|open| open.instance_id == *id).and_then(|at| self.open.remove(at));
        let open = match found {
            Some(open) => open,
            None => {
                let instance = located.instance.read()?;
                Open {
                    instance_id: id.clone(),
                    admissions: BTreeMap::from([(id.clone(), admission.clone())]),
                    digests: BTreeMap::from([(id.clone(), instance.digest())]),
                    instance,
                    repository: self.lab.repository(&located.repository)?,
                    kept: WorkerState::default(),
                    memory: ReadCache::default(),
                }
            }
        };
        self.open.push_front(open);
        self.open.truncate(OPEN);
        Ok(())
    }
}

impl Open {
    fn read(&self, sample: &Sample) -> anyhow::Result<Candidate> {
        let admission = self.admissions.get(&self.instance_id).with_context(missing)?;
        let Some(trees) = &admission.trees else { return read_candidate(sample, None) };
        let place = Ground::of(&self.instance, admission, trees, &self.repository, &self.memory);
        read_candidate(sample, Some(place))
    }
}

fn missing() -> &'static str {
    "an open instance has its admission; this is a bug of assay"
}

impl Lab<'_> {
    /// Runs whatever the verdict on one candidate needs.
    fn take_alone(
        &self,
        located: &Located,
        candidates: &[Candidate; 1],
        open: &mut Open,
    ) -> anyhow::Result<BTreeMap<String, Contest>> {
        let [candidate] = candidates;
        let Open { instance_id, admissions, kept, .. } = open;
        let admission = admissions.get(instance_id).with_context(missing)?;
        let runs = candidate.skill != Skill::Localization && Identity::of(candidate).is_some();
        if !runs || !admission.admitted() {
            return Ok(BTreeMap::new());
        }
        let task = Task { located, admission, candidate };
        if candidate.skill == Skill::Repair {
            self.take_through(&task, &Peers::default(), kept)?;
            return Ok(BTreeMap::new());
        }
        // A test first runs on base, on gold and in the suite. If it holds, it then runs against mutants of gold.
        let mut peers = peers(candidates, admissions, &self.knowledge)?;
        let none = Peers::default();
        let own = peers.get(instance_id).unwrap_or(&none);
        if self.take_through(&task, own, kept)? != Reason::NotRun {
            return Ok(BTreeMap::new());
        }
        let contests = self.contests(&[task], &peers)?;
        let own = peers.entry(instance_id.clone()).or_default();
        own.contest = contests.get(instance_id).cloned();
        self.take_through(&task, own, kept)?;
        Ok(contests)
    }
}
