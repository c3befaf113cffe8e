//! Candidates and evidence to verdicts with receipts. Needs no sandbox; the same code runs after trials and years later.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::file_names::{CANDIDATES, CONTESTS};
use super::identity::{Identity, exported_content};
use super::judge_one::judge_one;
use super::peers::{judge_repairs, peers_of};
use crate::journal::RunDir;
use crate::judge::{Judgement, Peers, Step, count_passes};
use crate::lab::Admissions;
use crate::lab::run::facts::Knowledge;
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::model::contest::Contest;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::generation::Skill;
use crate::model::instance::Instance;
use crate::model::receipt::{Receipt, Tool};
use crate::model::verdict::{Counts, Reason, Verdict};
use crate::runner;

/// A verdict and the receipt that it carries the digest of.
pub(crate) type Judged = (Verdict, Receipt);

/// How many verdicts of which kind were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub total: Counts,
    pub skills: BTreeMap<Skill, Counts>,
    pub reasons: BTreeMap<Reason, u64>,
}

impl Tally {
    fn add(&mut self, verdict: &Verdict) {
        self.total.add(verdict);
        self.skills.entry(verdict.skill).or_default().add(verdict);
        *self.reasons.entry(verdict.reason).or_default() += 1;
    }
}

/// Recomputes the verdicts of a run directory from what it holds, and writes them.
pub fn recompute(run: &RunDir) -> anyhow::Result<Tally> {
    let knowledge = Knowledge::new(run.index()?, run.blobs().clone());
    let (mut admissions, mut instances) = (Admissions::new()?, BTreeMap::new());
    let lines = run.by_instance("admissions.jsonl")?;
    for (id, _) in lines.instances() {
        lines.read(id)?.iter().try_for_each(|admission| admissions.keep(admission))?;
    }
    let lines = run.by_instance("instances.jsonl")?;
    for (id, _) in lines.instances() {
        instances.extend(lines.read(id)?.iter().map(|instance: &Instance| (id.to_owned(), instance.digest())));
    }
    write_verdicts(run, &admissions, &instances, &knowledge)
}

/// Writes `verdicts.jsonl` and `receipts.jsonl` with one instance in memory at a time.
pub(crate) fn write_verdicts(
    run: &RunDir,
    admissions: &Admissions,
    instances: &BTreeMap<String, Digest>,
    knowledge: &Knowledge,
) -> anyhow::Result<Tally> {
    let candidates = run.by_instance(CANDIDATES)?;
    // The file exists only if some generated test held on base and gold.
    let contests = if run.path().join(CONTESTS).exists() { Some(run.by_instance(CONTESTS)?) } else { None };
    let (mut receipts, mut lines) = (run.lines_writer("receipts.jsonl")?, run.lines_writer("verdicts.jsonl")?);
    let mut tally = Tally { skills: Skill::ALL.map(|skill| (skill, Counts::default())).into(), ..Tally::default() };
    for (id, _) in candidates.instances() {
        let contest = match &contests {
            Some(contests) => {
                contests.read::<Contest>(id)?.into_iter().map(|contest| (id.to_owned(), contest)).collect()
            }
            None => BTreeMap::new(),
        };
        for (verdict, receipt) in
            verdicts(&candidates.read(id)?, &admissions.read_some([id])?, instances, contest, knowledge)?
        {
            receipts.push(&receipt)?;
            lines.push(&verdict)?;
            tally.add(&verdict);
        }
    }
    receipts.finish()?;
    lines.finish()?;
    Ok(tally)
}

/// One verdict per candidate of an instance, in the candidates' order.
pub(crate) fn verdicts(
    candidates: &[Candidate],
    admissions: &BTreeMap<String, Admission>,
    instances: &BTreeMap<String, Digest>,
    contests: BTreeMap<String, Contest>,
    knowledge: &Knowledge,
) -> anyhow::Result<Vec<Judged>> {
    // Repairs come first, because tests and localizations are held against what repairs showed.
    let mut judged = judge_repairs(candidates, admissions, knowledge)?;
    let mut peers = peers_of(candidates, admissions, &judged);
    for (id, contest) in contests {
        peers.entry(id).or_default().contest = Some(contest);
    }
    let none = Peers::default();
    let mut known: BTreeMap<Identity, Judgement> = BTreeMap::new();
    for candidate in candidates.iter().filter(|candidate| candidate.skill != Skill::Repair) {
        let same = Identity::of(candidate);
        let judgement = match same.as_ref().and_then(|same| known.get(same)) {
            Some(judgement) => judgement.clone(),
            None => judge_one(candidate, admissions, peers.get(&candidate.instance_id).unwrap_or(&none), knowledge)?,
        };
        known.extend(same.map(|same| (same, judgement.clone())));
        judged.insert(&candidate.candidate_id, judgement);
    }
    let id = candidates.first().map_or("", |candidate| &candidate.instance_id);
    let admission = admissions.get(id);
    let grounds =
        Grounds { admission, digest: admission.map(Admission::digest), instance: instances.get(id), knowledge };
    let mut first: BTreeMap<(Identity, Reason), &Digest> = BTreeMap::new();
    let mut verdicts = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let id = &candidate.candidate_id;
        let judgement =
            judged.get(id).with_context(|| format!("candidate {id} was not judged; this is a bug of assay"))?;
        let original = exported_content(candidate).map(|same| *first.entry((same, judgement.reason)).or_insert(id));
        let duplicate_of = original.filter(|original| *original != id).cloned();
        let receipt = grounds.receipt(candidate, judgement)?;
        verdicts.push((grounds.verdict(candidate, judgement, duplicate_of, &receipt), receipt));
    }
    Ok(verdicts)
}

/// What the verdicts of an instance rest on together.
struct Grounds<'a> {
    admission: Option<&'a Admission>,
    digest: Option<Digest>,
    instance: Option<&'a Digest>,
    knowledge: &'a Knowledge,
}

impl Grounds<'_> {
    fn receipt(&self, candidate: &Candidate, judgement: &Judgement) -> anyhow::Result<Receipt> {
        let missing = || {
            let Candidate { candidate_id, instance_id, .. } = candidate;
            format!("candidate {candidate_id}: instance {instance_id} is not in the run directory")
        };
        let outcome = |trial: &Digest| {
            let outcome = self.knowledge.read_outcome(trial)?;
            let outcome = outcome.with_context(|| format!("trial {trial} was judged and has no outcome"))?;
            Ok((trial.clone(), Digest::of_json(&*outcome)))
        };
        Ok(Receipt {
            format: format::RECEIPT.to_owned(),
            candidate_id: candidate.candidate_id.clone(),
            instance: self.instance.cloned().with_context(missing)?,
            admission: self.digest.clone().with_context(missing)?,
            patch: Digest::of(candidate.prepared.as_ref().map_or("", |prepared| &prepared.diff).as_bytes()),
            tree: candidate.prepared.as_ref().map(|prepared| prepared.tree.clone()).unwrap_or_default(),
            trials: judgement.trials.iter().map(outcome).collect::<anyhow::Result<_>>()?,
            status: judgement.reason.status(),
            reason: judgement.reason,
            tool: Tool::this(),
        })
    }

    fn verdict(
        &self,
        candidate: &Candidate,
        judgement: &Judgement,
        duplicate_of: Option<Digest>,
        receipt: &Receipt,
    ) -> Verdict {
        let runner = self.admission.and_then(|admission| Some((admission, runner::of(&admission.framework)?)));
        let counted = runner
            .map(|(admission, runner)| count_passes(candidate, judgement.reason, admission, runner, self.knowledge));
        let passed = match counted {
            Some(Step::Done(passed)) => passed,
            // After an early exit the other splits were never run.
            Some(Step::Needs(_)) | None => None,
        };
        Verdict {
            format: format::VERDICT.to_owned(),
            candidate_id: candidate.candidate_id.clone(),
            instance_id: candidate.instance_id.clone(),
            skill: candidate.skill,
            generation: candidate.generation.clone(),
            status: judgement.reason.status(),
            reason: judgement.reason,
            detail: judgement.detail.clone(),
            evidence: judgement.evidence,
            stripped: candidate.prepared.as_ref().map(|prepared| prepared.stripped.clone()).unwrap_or_default(),
            strength: judgement.strength.clone(),
            flags: candidate.screen.as_ref().map(|screen| screen.flags.clone()).unwrap_or_default(),
            literal_overlap: candidate.screen.as_ref().map_or(0, |screen| screen.literal_overlap),
            passed,
            duplicate_of,
            trials: judgement.trials.clone(),
            receipt: receipt.digest(),
        }
    }
}
