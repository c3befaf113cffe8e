//! What the first screen says: counts, pictures and tables, gathered one candidate at a time. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::why::why;
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::model::instance::Instance;
use crate::model::name::name;
use crate::model::suite::Suite;
use crate::model::trial::Outcome;
use crate::model::verdict::{Counts, Evidence, Reason, Verdict, VerdictStatus};

/// Bars of the pass-rate picture.
const BUCKETS: usize = 10;

/// Everything that the overview is made of.
#[derive(Debug, Default)]
pub struct Overview {
    total: Counts,
    skills: BTreeMap<&'static str, Counts>,
    reasons: BTreeMap<Reason, u64>,
    evidence: BTreeMap<Evidence, u64>,
    models: BTreeMap<String, Counts>,
    instances: BTreeMap<String, InstanceLine>,
    understood: u64,
    applied: u64,
    fix_shown: u64,
    distinct: u64,
    trials: BTreeSet<crate::model::digest::Digest>,
    cost: Cost,
}

/// What running took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Distinct trials that the verdicts rest on.
    pub trials: u64,
    /// Seconds of the trials' own run, and of the sandboxes around them.
    pub wall_s: f64,
    pub overhead_s: f64,
    /// Of the longest trial, seconds.
    pub longest_s: f64,
    /// Of the largest trial, MiB.
    pub peak_mib: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
struct InstanceLine {
    repo: String,
    refusal: Option<String>,
    note: String,
    fail_to_pass: usize,
    pass_to_pass: usize,
    counts: Counts,
}

/// One bar: a label, a number and its share of the longest in percent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bar {
    pub label: String,
    pub title: String,
    pub count: u64,
    pub percent: f64,
    pub tone: &'static str,
}

impl Overview {
    /// Instances with what admission said of them.
    pub fn instance(&mut self, instance: &Instance, admission: Option<&Admission>) {
        let refusal = admission.and_then(|admission| admission.refusal).map(|refusal| name(&refusal));
        let line = InstanceLine {
            repo: instance.repo.clone(),
            note: admission.map_or_else(|| "never admitted".to_owned(), note),
            refusal: if admission.is_none() { Some("not_run".to_owned()) } else { refusal },
            fail_to_pass: admission.map_or(0, |admission| admission.fail_to_pass.len()),
            pass_to_pass: admission.map_or(0, |admission| admission.pass_to_pass.len()),
            counts: Counts::default(),
        };
        self.instances.insert(instance.instance_id.clone(), line);
    }

    /// One candidate, its verdict and the model that wrote it.
    pub fn add(&mut self, candidate: &Candidate, verdict: &Verdict, model: &str) {
        self.total.add(verdict);
        self.skills.entry(verdict.skill.as_str()).or_default().add(verdict);
        *self.reasons.entry(verdict.reason).or_default() += 1;
        if verdict.status == VerdictStatus::Verified {
            *self.evidence.entry(verdict.evidence).or_default() += 1;
        }
        self.models.entry(model.to_owned()).or_default().add(verdict);
        self.instances.entry(verdict.instance_id.clone()).or_default().counts.add(verdict);
        self.understood += u64::from(candidate.form.is_some());
        self.applied += u64::from(candidate.prepared.is_some());
        let counts = verdict.status.at(verdict.evidence) == VerdictStatus::Verified;
        self.distinct += u64::from(counts && verdict.duplicate_of.is_none());
        self.fix_shown += u64::from(counts);
    }

    /// A trial that a verdict rests on; one that several rest on is counted once.
    pub fn trial(&mut self, outcome: &Outcome) {
        if !self.trials.insert(outcome.trial_id.clone()) {
            return;
        }
        let seconds = outcome.wall_ms as f64 / 1000.0;
        self.cost.trials += 1;
        self.cost.wall_s += seconds;
        self.cost.overhead_s += outcome.overhead_ms as f64 / 1000.0;
        self.cost.longest_s = self.cost.longest_s.max(seconds);
        self.cost.peak_mib = self.cost.peak_mib.max(outcome.peak_memory_bytes.unwrap_or(0) >> 20);
    }

    /// What the template shows.
    pub fn view(&self) -> View {
        let repositories = self.instances.values().fold(BTreeMap::new(), |mut found: BTreeMap<_, Counts>, line| {
            let counts = found.entry(line.repo.clone()).or_default();
            counts.candidates += line.counts.candidates;
            counts.verified += line.counts.verified;
            counts.rejected += line.counts.rejected;
            counts.inconclusive += line.counts.inconclusive;
            counts.duplicates += line.counts.duplicates;
            found
        });
        View {
            total: self.total,
            skills: lines(self.skills.iter().map(|(name, counts)| ((*name).to_owned(), *counts))),
            models: lines(self.models.iter().map(|(name, counts)| (name.clone(), *counts))),
            repositories: lines(repositories),
            funnel: self.funnel(),
            reasons: self.reason_bars(),
            pass_rates: self.pass_rates(),
            evidence: bars(
                self.evidence.iter().map(|(level, count)| (format!("{level:?}"), String::new(), *count, "good")),
            ),
            instances: self.instances.iter().map(|(id, line)| instance_view(id, line)).collect(),
            refused: self.instances.values().filter(|line| line.refusal.is_some()).count(),
            cost: Cost { wall_s: tenth(self.cost.wall_s), overhead_s: tenth(self.cost.overhead_s), ..self.cost },
        }
    }

    fn funnel(&self) -> Vec<Bar> {
        bars([
            ("answers".to_owned(), "generations that were read".to_owned(), self.total.candidates, "plain"),
            ("understood".to_owned(), "an answer in a known form was found".to_owned(), self.understood, "plain"),
            ("applied".to_owned(), "it could be put on the base commit".to_owned(), self.applied, "plain"),
            ("verified".to_owned(), "running showed that it holds".to_owned(), self.fix_shown, "good"),
            ("distinct".to_owned(), "verified, each change once".to_owned(), self.distinct, "good"),
        ])
    }

    fn reason_bars(&self) -> Vec<Bar> {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(reason, count)| (reason.status(), std::cmp::Reverse(**count)));
        bars(reasons.into_iter().map(|(reason, count)| {
            let tone = tone(reason.status());
            (name(reason), why(*reason).to_owned(), *count, tone)
        }))
    }

    /// Instances by the share of their candidates that were verified; what is inconclusive is in no share.
    fn pass_rates(&self) -> Vec<Bar> {
        let mut buckets = vec![0_u64; BUCKETS + 1];
        for line in self.instances.values() {
            let known = line.counts.verified + line.counts.rejected;
            if known > 0 {
                // None verified has a bar of its own: such instances teach nothing.
                let at = (line.counts.verified * BUCKETS as u64).div_ceil(known);
                buckets[usize::try_from(at).unwrap_or(BUCKETS)] += 1;
            }
        }
        bars(buckets.into_iter().enumerate().map(|(at, count)| {
            let (from, to) = (at.saturating_sub(1) * 100 / BUCKETS, at * 100 / BUCKETS);
            let label = if at == 0 { "0 %".to_owned() } else { format!("{to} %") };
            let title = if at == 0 { "no candidate verified".to_owned() } else { format!("over {from} to {to} %") };
            (label, title, count, if at == 0 { "bad" } else { "good" })
        }))
    }
}

/// The overview, ready for the template.
#[derive(Debug, Serialize)]
pub struct View {
    total: Counts,
    skills: Vec<Line>,
    models: Vec<Line>,
    repositories: Vec<Line>,
    funnel: Vec<Bar>,
    reasons: Vec<Bar>,
    pass_rates: Vec<Bar>,
    evidence: Vec<Bar>,
    instances: Vec<InstanceView>,
    refused: usize,
    cost: Cost,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    counts: Counts,
    rate: Option<String>,
}

#[derive(Debug, Serialize)]
struct InstanceView {
    id: String,
    rate: Option<String>,
    #[serde(flatten)]
    line: InstanceLine,
}

fn instance_view(id: &str, line: &InstanceLine) -> InstanceView {
    InstanceView { id: id.to_owned(), rate: rate(&line.counts), line: line.clone() }
}

fn lines(counted: impl IntoIterator<Item = (String, Counts)>) -> Vec<Line> {
    let mut lines: Vec<_> =
        counted.into_iter().map(|(name, counts)| Line { rate: rate(&counts), name, counts }).collect();
    lines.sort_by(|a, b| b.counts.candidates.cmp(&a.counts.candidates).then_with(|| a.name.cmp(&b.name)));
    lines
}

/// Verified of those that are known; `None` if none is known.
fn rate(counts: &Counts) -> Option<String> {
    let known = counts.verified + counts.rejected;
    (known > 0).then(|| format!("{:.0} %", counts.verified as f64 * 100.0 / known as f64))
}

fn bars(counted: impl IntoIterator<Item = (String, String, u64, &'static str)>) -> Vec<Bar> {
    let counted: Vec<_> = counted.into_iter().collect();
    let most = counted.iter().map(|(_, _, count, _)| *count).max().unwrap_or(0).max(1);
    let bar = |(label, title, count, tone)| {
        let percent = (count as f64 * 100_000.0 / most as f64).round() / 1000.0;
        Bar { label, title, count, percent, tone }
    };
    counted.into_iter().map(bar).collect()
}

/// Why it is refused, or what an admitted instance is judged without: test files that do not run, and what it lost.
fn note(admission: &Admission) -> String {
    if !admission.admitted() {
        return admission.detail.clone();
    }
    let files = admission.lost.as_ref().map(|lost| (lost.count(), lost.lines()));
    let tests = admission.lost_tests.as_ref().filter(|lost| lost.any()).map(|lost| (lost.count(), lost.lines()));
    let told = |(count, lines): (String, Vec<String>)| format!("{count} lost: {}", lines.join("; "));
    let part = admission.part.map(|part| format!("E1 at most, because only {}", part.told()));
    let suite = part.into_iter().chain(admission.suite.iter().flat_map(Suite::lines));
    let lost: Vec<_> = suite.chain(files.into_iter().chain(tests).map(told)).collect();
    if lost.is_empty() { admission.detail.clone() } else { lost.join("; ") }
}

pub(super) fn tone(status: VerdictStatus) -> &'static str {
    match status {
        VerdictStatus::Verified => "good",
        VerdictStatus::Rejected => "bad",
        VerdictStatus::Inconclusive => "open",
    }
}

fn tenth(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}
