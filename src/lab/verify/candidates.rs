//! Samples to candidates, and candidates through their trials.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::file_names::{CANDIDATES, CONTESTS};
use super::generated_tests::test_trees;
use super::ground::Ground;
use super::identity::Identity;
use super::peers::peers;
use super::read_cache::ReadCache;
use super::samples::Samples;
use super::screen::screened;
use super::task::Task;
use super::unread;
use super::worker_state::WorkerState;
use crate::console::Stage;
use crate::judge::{LocalizationRules, Peers, count_passes, judge};
use crate::lab::admit::controls::control_tree;
use crate::lab::run::facts::Knowledge;
use crate::lab::run::pool;
use crate::lab::{Admissions, Lab, Located, Sample};
use crate::model::admission::Admission;
use crate::model::candidate::{Candidate, Payload, Prepared, TrialTrees};
use crate::model::contest::Contest;
use crate::model::generation::Skill;
use crate::model::instance::Instance;
use crate::model::verdict::Reason;
use crate::prompt::extract::extract;
use crate::repo;
use crate::repo::Repository;

/// Candidates in memory at a time; more only if one instance has more.
const HELD: usize = 256;
/// The same for each worker, so that many of them seldom wait for the last trials of a batch.
const HELD_PER_WORKER: usize = 32;

/// The instance that a worker came to last.
struct AtHand<'l> {
    instance: Instance,
    path: &'l Path,
    repository: Repository,
    memory: ReadCache,
}

impl<'l> AtHand<'l> {
    fn open(lab: &Lab, located: &'l Located) -> anyhow::Result<Self> {
        let path = located.repository.as_path();
        Ok(Self {
            instance: located.instance.read()?,
            path,
            repository: lab.repository(path)?,
            memory: ReadCache::default(),
        })
    }

    /// An instance of the same repository.
    fn with(self, located: &Located) -> anyhow::Result<Self> {
        if self.instance.instance_id == located.instance_id {
            return Ok(self);
        }
        Ok(Self { instance: located.instance.read()?, ..self })
    }
}

impl Lab<'_> {
    /// Reads every sample as a candidate into `candidates.jsonl`, by instance and in the order of the input. About [`HELD`]
    /// samples are in memory at a time.
    pub(crate) fn read_candidates(
        &self,
        instances: &[Located],
        admissions: &Admissions,
        samples: &mut Samples,
    ) -> anyhow::Result<()> {
        let located: BTreeMap<_, _> = instances.iter().map(|l| (l.instance_id.as_str(), l)).collect();
        samples.sort();
        let mut lines = self.run.lines_writer(CANDIDATES)?;
        for piece in samples.pieces(self.run.blobs(), HELD) {
            let piece = piece?;
            let ids = piece.iter().map(|sample| sample.generation.instance_id.as_str());
            let admissions = admissions.read_some(ids)?;
            let read = pool::each(
                self.settings.workers,
                &piece,
                || None,
                |kept, sample| {
                    self.check_interrupt()?;
                    let located = located.get(sample.generation.instance_id.as_str()).copied();
                    let read = || self.read_one(located, &admissions, sample, kept);
                    let candidate = unread::guarded(sample, self.console, read)?;
                    if candidate.unread.is_some() {
                        *kept = None;
                    }
                    Ok(candidate)
                },
            )?;
            for candidate in read {
                lines.push(&candidate)?;
            }
        }
        lines.finish()
    }

    /// `kept` is the instance that the worker came to last, with its repository and what the worker has read of it.
    fn read_one<'l>(
        &self,
        located: Option<&'l Located>,
        admissions: &BTreeMap<String, Admission>,
        sample: &Sample,
        kept: &mut Option<AtHand<'l>>,
    ) -> anyhow::Result<Candidate> {
        let admission = admissions.get(&sample.generation.instance_id);
        let known = located.zip(admission.and_then(|admission| Some((admission, admission.trees.as_ref()?))));
        let Some((located, (admission, trees))) = known else { return read_candidate(sample, None) };
        let AtHand { instance, repository, memory, .. } =
            match kept.take().filter(|kept| kept.path == located.repository) {
                Some(same) => kept.insert(same.with(located)?),
                None => kept.insert(AtHand::open(self, located)?),
            };
        read_candidate(sample, Some(Ground::of(instance, admission, trees, repository, memory)))
    }

    /// Takes whole instances through their trials: together at least as many candidates as keep the workers busy, and then the
    /// next ones.
    pub(crate) fn run_all_trials(&self, instances: &[Located], admissions: &Admissions) -> anyhow::Result<()> {
        let located: BTreeMap<_, _> = instances.iter().map(|l| (l.instance_id.as_str(), l)).collect();
        let candidates = self.run.by_instance(CANDIDATES)?;
        let mut contests = self.run.lines_writer(CONTESTS)?;
        let mut ids: Vec<_> = candidates.instances().collect();
        ids.sort_by_key(|(id, _)| admissions.order(id));
        let stage = self.console.stage("verify", ids.iter().map(|(_, count)| *count as u64).sum());
        let mut kept: Vec<_> = (0..self.settings.workers.max(1)).map(|_| WorkerState::default()).collect();
        let most = HELD.max(HELD_PER_WORKER * kept.len());
        let mut batch: Vec<Candidate> = Vec::new();
        let mut waiting = ids.into_iter().peekable();
        while let Some((id, _)) = waiting.next() {
            batch.extend(candidates.read(id)?);
            if batch.len() >= most || waiting.peek().is_none() {
                let ids = batch.iter().map(|candidate| candidate.instance_id.as_str());
                let admissions = admissions.read_some(ids)?;
                for contest in self.run_trials(&located, &admissions, &batch, &mut kept, &stage)?.into_values() {
                    contests.push(&contest)?;
                }
                batch.clear();
            }
        }
        contests.finish()
    }

    /// Runs the trials that the candidates' verdicts need. Of candidates that are the same, the first is run. Repairs come
    /// first, because tests are run against what repairs showed.
    fn run_trials(
        &self,
        located: &BTreeMap<&str, &Located>,
        admissions: &BTreeMap<String, Admission>,
        candidates: &[Candidate],
        kept: &mut [WorkerState],
        stage: &Stage,
    ) -> anyhow::Result<BTreeMap<String, Contest>> {
        let mut taken = BTreeSet::new();
        let mut tasks = Vec::new();
        for candidate in candidates {
            let runs = candidate.skill != Skill::Localization && candidate.prepared.is_some();
            let known = located.get(candidate.instance_id.as_str()).copied();
            let admission = admissions.get(&candidate.instance_id).filter(|admission| admission.admitted());
            match (runs, known, admission) {
                (true, Some(located), Some(admission))
                    if Identity::of(candidate).is_some_and(|same| taken.insert(same)) =>
                {
                    tasks.push(Task { located, admission, candidate });
                }
                _ => stage.step(),
            }
        }
        let (tests, repairs): (Vec<_>, Vec<_>) =
            tasks.into_iter().partition(|task| task.candidate.skill == Skill::Test);
        let none = BTreeMap::new();
        self.take_all(repairs, &none, kept, |_, reason| stage.judged(reason.status()))?;
        if tests.is_empty() {
            return Ok(BTreeMap::new());
        }

        // Tests first run on base, on gold and in the suite. Those that hold then run against the other candidates.
        let mut peers = peers(candidates, admissions, &self.knowledge)?;
        let reached = std::sync::Mutex::new(BTreeSet::new());
        self.take_all(tests.clone(), &peers, kept, |candidate, reason| match reason {
            Reason::NotRun => {
                reached.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(&candidate.candidate_id);
            }
            reason => stage.judged(reason.status()),
        })?;
        let reached = reached.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        let tests: Vec<_> = tests.into_iter().filter(|task| reached.contains(&task.candidate.candidate_id)).collect();
        let contests = self.contests(&tests, &peers)?;
        for (id, contest) in &contests {
            peers.entry(id.clone()).or_default().contest = Some(contest.clone());
        }
        self.take_all(tests, &peers, kept, |_, reason| stage.judged(reason.status()))?;
        Ok(contests)
    }

    /// Takes tasks through their trials, by instance in the order in which they come.
    fn take_all<'t>(
        &self,
        tasks: Vec<Task<'t>>,
        peers: &BTreeMap<String, Peers>,
        kept: &mut [WorkerState],
        done: impl Fn(&'t Candidate, Reason) + Sync,
    ) -> anyhow::Result<()> {
        let none = Peers::default();
        let mut groups: Vec<Vec<Task>> = Vec::new();
        let mut numbers = BTreeMap::new();
        for task in tasks {
            let number = *numbers.entry(task.candidate.instance_id.as_str()).or_insert(groups.len());
            match groups.get_mut(number) {
                Some(group) => group.push(task),
                None => groups.push(vec![task]),
            }
        }
        // Workers stay on an image: its slot is open and its files are warm.
        let suits = |kept: &WorkerState, task: &Task| {
            kept.image().is_some_and(|image| task.admission.image.as_ref() == Some(image))
        };
        pool::grouped(kept, &groups, suits, |kept, task| {
            let peers = peers.get(&task.candidate.instance_id).unwrap_or(&none);
            done(task.candidate, self.take_through(task, peers, kept)?);
            Ok(())
        })
    }

    pub(crate) fn take_through(&self, task: &Task, peers: &Peers, kept: &mut WorkerState) -> anyhow::Result<Reason> {
        let Task { located, admission, candidate } = task;
        let framework = task.runner()?;
        let rules = LocalizationRules::default();
        let ask = |known: &Knowledge| judge(candidate, admission, framework, peers, &rules, known);
        let reason = self.settle(ask, |trial| kept.run(self, located, trial))?.reason;
        if self.settings.full {
            let ask = |known: &Knowledge| count_passes(candidate, reason, admission, framework, known);
            self.settle(ask, |trial| kept.run(self, located, trial))?;
        }
        Ok(reason)
    }
}

/// Reads one sample. Without a tree (the instance was refused before it had one) only the answer's form is known.
pub fn read_candidate(sample: &Sample, place: Option<Ground>) -> anyhow::Result<Candidate> {
    let generation = &sample.generation;
    let (completion, reasoning) = generation.answer();
    let extraction = extract(generation.skill, completion, reasoning);
    let mut candidate = unread::blank(sample);
    let payload = match extraction.payload {
        Ok(payload) => payload,
        Err(malformed) => {
            candidate.malformed = Some(malformed);
            return Ok(candidate);
        }
    };
    candidate.form = Some(payload.form().to_owned());
    let Some(place) = place else { return Ok(candidate) };
    match repo::prepare(place.repository, place.trees, generation.skill, &payload)? {
        Ok(prepared) => {
            candidate.trees = trial_trees(place, generation.skill, &payload, &prepared)?;
            if generation.skill == Skill::Repair {
                candidate.screen = Some(screened(place, &prepared)?);
                candidate.unbuilt = repo::unbuilt(place.repository, place.trees, &prepared)?;
            }
            candidate.prepared = Some(prepared);
        }
        Err(malformed) => candidate.malformed = Some(malformed),
    }
    Ok(candidate)
}

fn trial_trees(
    place: Ground,
    skill: Skill,
    payload: &Payload,
    prepared: &Prepared,
) -> anyhow::Result<Option<TrialTrees>> {
    let Ground { repository, trees, admission, .. } = place;
    Ok(match skill {
        Skill::Localization => None,
        Skill::Repair => {
            let policy = repo::trial_tree(repository, trees, &prepared.tree)?;
            let submitted = match &prepared.submitted_tree {
                Some(tree) => Some(repo::submitted_trial_tree(repository, trees, tree)?),
                None => None,
            };
            let canary = control_tree(repository, &policy, admission)?;
            Some(TrialTrees::Repair { policy, submitted, canary })
        }
        Skill::Test => {
            let script = matches!(payload, Payload::Script { .. });
            Some(test_trees(place, prepared, script)?)
        }
    })
}
