//! Samples to candidates, and candidates through their trials.

use std::collections::{BTreeMap, BTreeSet};

use super::controls::control_tree;
use super::peers::peers;
use super::prepare::Site;
use super::screen::screened;
use super::tests::test_trees;
use super::trials::KeptSlot;
use super::{Lab, Located, Sample, Workshop, pool};
use crate::admission::{Admission, Trees};
use crate::candidate::{Candidate, Payload, Prepared, TrialTrees};
use crate::contest::Contest;
use crate::digest::canonical_json;
use crate::format;
use crate::framework::Framework;
use crate::generation::Skill;
use crate::judge::{LocalizationRules, Peers, Step, judge};
use crate::prompt::extract::extract;
use crate::repo::{self, Layout, Repository};
use crate::verdict::Reason;

/// What makes two candidates the same in other clothes: everything that runs, or what is predicted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SameAs(String, Skill, Vec<String>);

/// What a row of the candidate would say: the same without what the policy took back.
pub(super) fn exported_content(candidate: &Candidate) -> Option<SameAs> {
    let SameAs(instance, skill, mut content) = SameAs::of(candidate)?;
    if skill == Skill::Repair {
        content.truncate(1);
    }
    Some(SameAs(instance, skill, content))
}

impl SameAs {
    /// None for a candidate that nothing was understood of.
    pub fn of(candidate: &Candidate) -> Option<Self> {
        let prepared = candidate.prepared.as_ref()?;
        let content = match (&candidate.trees, candidate.skill) {
            (_, Skill::Localization) => prepared.files.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect(),
            (Some(TrialTrees::Repair { policy, submitted, .. }), _) => {
                vec![policy.clone(), submitted.clone().unwrap_or_default()]
            }
            (Some(TrialTrees::Test { on_base, files, script, .. }), _) => {
                let mut content = vec![on_base.clone(), script.to_string()];
                content.extend(files.clone());
                content
            }
            (None, _) => return None,
        };
        Some(Self(candidate.instance_id.clone(), candidate.skill, content))
    }
}

impl Lab<'_> {
    /// Reads every sample as a candidate, in a stable order, and keeps the generations as blobs.
    pub(super) fn read_candidates(
        &self,
        instances: &[Located],
        admissions: &BTreeMap<String, Admission>,
        samples: &[Sample],
    ) -> anyhow::Result<Vec<Candidate>> {
        let located: BTreeMap<_, _> = instances.iter().map(|l| (l.instance.instance_id.as_str(), l)).collect();
        let mut candidates = pool::map(self.settings.workers, samples, |sample| {
            self.check_interrupt()?;
            self.run.blobs().put(&canonical_json(&sample.generation))?;
            let known = located.get(sample.generation.instance_id.as_str());
            let admission = admissions.get(&sample.generation.instance_id);
            match (known, admission.and_then(|admission| Some((admission, admission.trees.as_ref()?)))) {
                (Some(located), Some((admission, trees))) => {
                    let repository = Repository::open(&located.repository)?;
                    let framework = crate::framework::by_name(&located.instance.environment.framework);
                    let tests = admission.splits.first().map(|split| split.files.as_slice()).unwrap_or_default();
                    let issue = &located.instance.problem_statement;
                    let repository = &repository;
                    read_candidate(sample, Some(Place { repository, trees, admission, framework, tests, issue }))
                }
                _ => read_candidate(sample, None),
            }
        })?;
        candidates.sort_by(|a, b| (&a.generation, &a.candidate_id).cmp(&(&b.generation, &b.candidate_id)));
        self.run.write_lines("candidates.jsonl", &candidates)?;
        Ok(candidates)
    }

    /// Runs whatever trials the candidates' verdicts need. Of candidates that are the same, the first is run. Repairs come
    /// first: what they showed is what tests are run against.
    pub(super) fn run_trials(
        &self,
        instances: &[Located],
        admissions: &BTreeMap<String, Admission>,
        candidates: &[Candidate],
    ) -> anyhow::Result<BTreeMap<String, Contest>> {
        let located: BTreeMap<_, _> = instances.iter().map(|l| (l.instance.instance_id.as_str(), l)).collect();
        let mut taken = BTreeSet::new();
        let mut tasks = Vec::new();
        for candidate in candidates {
            let runs = candidate.skill != Skill::Localization && candidate.prepared.is_some();
            let known = located.get(candidate.instance_id.as_str()).copied();
            let admission = admissions.get(&candidate.instance_id).filter(|admission| admission.admitted());
            if let (true, Some(located), Some(admission)) = (runs, known, admission)
                && SameAs::of(candidate).is_some_and(|same| taken.insert(same))
            {
                tasks.push(Task { located, admission, candidate });
            }
        }
        // Workers stay on an image: its slot is open and its files are warm.
        tasks.sort_by(|a, b| a.candidate.instance_id.cmp(&b.candidate.instance_id));
        let (tests, repairs): (Vec<_>, Vec<_>) =
            tasks.into_iter().partition(|task| task.candidate.skill == Skill::Test);
        let stage = self.console.stage("verify", (repairs.len() + tests.len()) as u64);
        let none = BTreeMap::new();
        self.take_all(&repairs, &none, |_, reason| stage.judged(reason.status()))?;
        if tests.is_empty() {
            return Ok(BTreeMap::new());
        }

        // First as far as base, gold and the suite go; those that hold are then run against the others.
        let mut peers = peers(candidates, admissions, &self.knowledge)?;
        let reached = std::sync::Mutex::new(BTreeSet::new());
        self.take_all(&tests, &peers, |candidate, reason| match reason {
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
        self.take_all(&tests, &peers, |_, reason| stage.judged(reason.status()))?;
        Ok(contests)
    }

    fn take_all<'t>(
        &self,
        tasks: &[Task<'t>],
        peers: &BTreeMap<String, Peers>,
        done: impl Fn(&'t Candidate, Reason) + Sync,
    ) -> anyhow::Result<()> {
        let none = Peers::default();
        pool::each(self.settings.workers, tasks, Kept::default, |kept, task| {
            let peers = peers.get(&task.candidate.instance_id).unwrap_or(&none);
            done(task.candidate, self.take_through(task, peers, kept)?);
            Ok(())
        })?;
        Ok(())
    }

    pub(super) fn take_through(&self, task: &Task, peers: &Peers, kept: &mut Kept) -> anyhow::Result<Reason> {
        let Task { located, admission, candidate } = task;
        let workshop = Workshop::new(self, located);
        let framework = workshop.framework()?;
        let rules = LocalizationRules::default();
        loop {
            self.check_interrupt()?;
            match judge(candidate, admission, framework, peers, &rules, &self.knowledge) {
                Step::Done(judgement) => return Ok(judgement.reason),
                Step::Needs(trial) => {
                    let id = &candidate.instance_id;
                    let site = match kept.site.take().filter(|(made_for, _)| made_for == id) {
                        Some(site) => kept.site.insert(site),
                        None => kept.site.insert((id.clone(), workshop.site()?)),
                    };
                    self.run_trial(&site.1, &mut kept.slot, &trial)?;
                }
            }
        }
    }
}

/// A candidate to take through its trials.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub located: &'a Located,
    pub admission: &'a Admission,
    pub candidate: &'a Candidate,
}

/// What a worker keeps from one candidate to the next: the last instance's site and the slot that is open for it.
#[derive(Default)]
pub(super) struct Kept {
    site: Option<(String, Site)>,
    slot: KeptSlot,
}

/// What a sample is held against.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub repository: &'a Repository,
    pub trees: &'a Trees,
    pub admission: &'a Admission,
    pub framework: Option<&'static dyn Framework>,
    /// Files of the fail-to-pass tests.
    pub tests: &'a [String],
    pub issue: &'a str,
}

impl std::fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("trees", self.trees).finish_non_exhaustive()
    }
}

/// Reads one sample. Without a tree (the instance was refused before it had one) only the answer's form is known.
pub fn read_candidate(sample: &Sample, place: Option<Place>) -> anyhow::Result<Candidate> {
    let generation = &sample.generation;
    let (completion, reasoning) = generation.answer();
    let extraction = extract(generation.skill, completion, reasoning);
    let mut candidate = Candidate {
        format: format::CANDIDATE.to_owned(),
        candidate_id: generation.id(),
        instance_id: generation.instance_id.clone(),
        skill: generation.skill,
        generation: sample.place.clone(),
        form: None,
        malformed: None,
        prepared: None,
        trees: None,
        screen: None,
    };
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
            }
            candidate.prepared = Some(prepared);
        }
        Err(malformed) => candidate.malformed = Some(malformed),
    }
    Ok(candidate)
}

fn trial_trees(
    place: Place,
    skill: Skill,
    payload: &Payload,
    prepared: &Prepared,
) -> anyhow::Result<Option<TrialTrees>> {
    let Place { repository, trees, admission, .. } = place;
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

/// Location sets of verified changes: source files that exist at base.
pub(super) fn locations(prepared: &Prepared, layout: &Layout) -> Vec<String> {
    let created: BTreeSet<_> = created_files(&prepared.diff);
    let is_source = |path: &&String| layout.class(path) == crate::candidate::PathClass::Source;
    prepared.files.iter().filter(is_source).filter(|path| !created.contains(path.as_str())).cloned().collect()
}

/// Paths that a canonical diff creates.
fn created_files(diff: &str) -> BTreeSet<&str> {
    let lines: Vec<_> = diff.lines().collect();
    let pairs = lines.windows(2).filter(|pair| pair[0] == "--- /dev/null");
    pairs.filter_map(|pair| pair[1].strip_prefix("+++ b/")).collect()
}
