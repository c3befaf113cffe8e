//! The judge: outcomes in, verdicts out. Pure: no disk, network, clock or terminal.
//!
//! One function per skill says which trial is needed next and, once there is enough, what the verdict is. The lab
//! answers [`Step::Needs`] by running the trial and asks again; `assay judge` answers it with `inconclusive (not_run)`.
//! The plan and the verdict therefore cannot disagree, and a verdict can be computed again years later and without
//! Docker. A planner beside the judge would need a second description of the same rules.
//!
//! Early exit is the order of the questions: the fail-to-pass files come first, and the first rejection ends the
//! asking. Splits are fixed at admission, so what is not run cannot change what was decided.

mod admit;
mod asker;
mod control;
mod localization;
mod matrix;
mod reduce;
mod repair;
mod run_result;
mod steady;
mod test;

use std::collections::BTreeSet;

use crate::language;
use crate::model::admission::Admission;
use crate::model::candidate::{Candidate, MalformedReason, TrialTrees};
use crate::model::contest::Contest;
use crate::model::digest::Digest;
use crate::model::generation::Skill;
use crate::model::name::name;
use crate::model::strength::Strength;
use crate::model::trial::Trial;
use crate::model::unread::Unread;
use crate::model::verdict::{Evidence as Level, Reason, VerdictStatus};
use crate::runner::Runner;

pub use admit::cost::Cost;
pub use admit::lost::lost_as_stored;
pub use admit::{AdmissionInput, DeadlineRule, admit, listed_among};
pub use asker::Evidence;
pub use control::bare::prove_plain;
pub use control::canary::{Forms, prove};
pub use control::held_out::{LEAST_CHECKS, Planned, observe};
pub use control::{Rehearsed, rehearse, sentinel_seed};
pub use localization::LocalizationRules;
pub use matrix::{OnBase, on_base, on_repair, regression};
pub use reduce::{Reduced, Reduction, reduce};
pub use repair::pass_counts::count_passes;
pub use repair::shared_run::one_session;

/// What comes next: a trial to run, or the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<T> {
    Needs(Box<Trial>),
    Done(T),
}

/// A verdict without its receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub reason: Reason,
    pub detail: String,
    pub evidence: Level,
    /// Of a verified test.
    pub strength: Option<Strength>,
    /// Trials it rests on.
    pub trials: Vec<Digest>,
}

impl Judgement {
    /// Nothing is known, because something that the verdict needs was not run.
    pub fn not_run(detail: &str) -> Self {
        Self {
            reason: Reason::NotRun,
            detail: detail.to_owned(),
            evidence: Level::E0,
            strength: None,
            trials: Vec::new(),
        }
    }
}

/// What the other candidates of an instance showed, as far as a verdict rests on it.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// Location sets that a localization is held against: gold's and those of verified repairs.
    pub accepted: BTreeSet<Vec<String>>,
    /// Policy trees of repairs that the instance's tests rejected.
    pub rejected: Vec<String>,
    /// Policy trees of verified repairs other than gold. A repair of E0 is not among them.
    pub verified: Vec<String>,
    /// What generated tests are run against; `None` before it was made.
    pub contest: Option<Contest>,
}

/// Stops an evaluation early.
#[derive(Debug)]
enum Halt {
    Needs(Box<Trial>),
    Judged(Reason, String),
}

/// Judges a candidate as far as the evidence goes. Tests and localizations are held against what the repairs of the
/// instance showed.
pub fn judge(
    candidate: &Candidate,
    admission: &Admission,
    runner: &dyn Runner,
    peers: &Peers,
    rules: &LocalizationRules,
    evidence: &dyn Evidence,
) -> Step<Judgement> {
    let mut bench = asker::Bench::new(admission, runner, evidence);
    let mut strength = None;
    let result = if let Some(refusal) = admission.refusal {
        Err(Halt::Judged(Reason::InstanceNotAdmitted, format!("{refusal} {}", admission.detail)))
    } else if let Some(why) = &candidate.unread {
        Err(Halt::Judged(Reason::NotRun, format!("the answer could not be put on its tree: {why}")))
    } else if let Some(malformed) = &candidate.malformed {
        Err(Halt::Judged(rejection(malformed.why), malformed.detail.clone()))
    } else if !candidate.unbuilt.is_empty() {
        // Before any run: what would run was built from other sources than the answer's, or without them, so no result says
        // anything of its change.
        let named = name_some(candidate.unbuilt.iter().map(String::as_str));
        Err(Halt::Judged(
            Reason::ChangesWhatIsBuilt,
            format!("nothing was built of its change of {named}, so no run here shows what the change does"),
        ))
    } else {
        match candidate.skill {
            Skill::Localization => localization::judge(candidate, &peers.accepted, rules).map(at_e1),
            Skill::Repair => repair::judge(candidate, admission, &mut bench).and_then(|v| screened(candidate, v)),
            Skill::Test => test::judge(candidate, admission, runner, peers, &mut bench).and_then(|verified| {
                let level = verified.level();
                let judged = readable(not_read(candidate), (Reason::Reproduces, level, verified.detail))?;
                strength = Some(verified.strength);
                Ok(judged)
            }),
        }
    };
    let trials = bench.into_trials();
    let (reason, evidence, detail) = match result {
        Ok(verified) => {
            let verified = admit::part::bounded(admission, admit::lost::bounded(admission, verified));
            bounded(candidate.skill, admission, runner, verified)
        }
        Err(Halt::Judged(reason, detail)) => {
            let ran = reason.status() == VerdictStatus::Rejected && !trials.is_empty();
            (reason, if ran { Level::E1 } else { Level::E0 }, detail)
        }
        Err(Halt::Needs(trial)) => return Step::Needs(trial),
    };
    Step::Done(Judgement { reason, detail, evidence, strength, trials })
}

/// A repair that everything else verified is kept for review if its source is suspicious. This is asked last, so that a
/// wrong repair is rejected for what is wrong.
fn screened(candidate: &Candidate, verified: (Reason, Level, String)) -> Result<(Reason, Level, String), Halt> {
    let Some(screen) = &candidate.screen else {
        return Err(Halt::Judged(Reason::NotRun, "the source was never screened; run `assay verify` again".to_owned()));
    };
    let found: Vec<_> =
        screen.suspicious.iter().map(|f| format!("{} in {}:{}", f.token.name(), f.path, f.line)).collect();
    if found.is_empty() {
        return readable(&screen.not_read, verified);
    }
    Err(Halt::Judged(Reason::SuspiciousSource, name_some(found.iter().map(String::as_str))))
}

/// Places of a generated test that were not read.
fn not_read(candidate: &Candidate) -> &[Unread] {
    match &candidate.trees {
        Some(TrialTrees::Test { oracle, .. }) => &oracle.not_read,
        Some(TrialTrees::Repair { .. }) | None => &[],
    }
}

/// What cannot be read is not clean. It never rejects: an answer that would be verified stays unverified. If gold cannot be
/// read either, nothing is held against the answer, and only its runs speak for it.
fn readable(not_read: &[Unread], verified: (Reason, Level, String)) -> Result<(Reason, Level, String), Halt> {
    let own: Vec<_> = not_read.iter().filter(|one| !one.in_gold).map(Unread::to_string).collect();
    if !own.is_empty() {
        return Err(Halt::Judged(Reason::SourceNotRead, name_some(own.iter().map(String::as_str))));
    }
    if not_read.is_empty() {
        return Ok(verified);
    }
    let (reason, level, detail) = verified;
    let like_gold: Vec<_> = not_read.iter().map(Unread::to_string).collect();
    let named = name_some(like_gold.iter().map(String::as_str));
    Ok((reason, level.min(Level::E1), format!("{detail}; not read, and gold's version is not either: {named}")))
}

/// A verified answer as it counts: never more than the channel of its report allows, and the reader of its language, whatever else
/// ran.
fn bounded(
    skill: Skill,
    admission: &Admission,
    runner: &dyn Runner,
    (reason, level, detail): (Reason, Level, String),
) -> (Reason, Level, String) {
    let channel = runner.channel();
    let read = language::of(runner).reader().is_some();
    let Some(most) = admission.bound(channel, read, skill) else { return (reason, level, detail) };
    let why = if admission.bound(channel, true, skill) == Some(most) {
        format!("the report comes by the channel: {}", name(&channel))
    } else {
        "nothing reads the language of its tests".to_owned()
    };
    (reason, level.min(most), format!("{detail}; {most:?} at most, for {why}"))
}

/// Evidence of sealed runs and exact ids alone.
fn at_e1((reason, detail): (Reason, String)) -> (Reason, Level, String) {
    (reason, Level::E1, detail)
}

/// The rejection that an unusable answer earns.
fn rejection(why: MalformedReason) -> Reason {
    match why {
        MalformedReason::Empty
        | MalformedReason::UnfinishedReasoning
        | MalformedReason::NoAnswer
        | MalformedReason::BadFormat
        | MalformedReason::TooLarge => Reason::Malformed,
        MalformedReason::UnsafePath | MalformedReason::OddMode => Reason::Unsafe,
        MalformedReason::DoesNotApply => Reason::DoesNotApply,
        MalformedReason::NoChange => Reason::NoChange,
    }
}

/// Names a few items and counts the rest, for a verdict's detail.
fn name_some<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: Vec<_> = items.into_iter().collect();
    match items.len() {
        0..=3 => items.join(", "),
        more => format!("{} and {} more", items[..3].join(", "), more - 3),
    }
}

/// The same for reasons. They hold commas, so the list does not.
fn name_reasons(items: &[String]) -> String {
    let named = items.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("; ");
    match items.len().saturating_sub(3) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

#[cfg(test)]
mod channel_tests;
#[cfg(test)]
mod paper;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repair_whose_source_was_never_read_is_not_verified() {
        let mut candidate: Candidate = serde_json::from_value(json!({
            "format": crate::model::format::CANDIDATE, "candidate_id": Digest::of(b"c"), "instance_id": "a", "skill": "repair",
            "generation": {"file": "g.jsonl", "line": 1, "index": 0},
        }))
        .unwrap();
        let verified = || (Reason::Resolved, Level::E2, String::new());
        let reason = |candidate: &Candidate| match screened(candidate, verified()) {
            Ok((reason, ..)) | Err(Halt::Judged(reason, _)) => reason,
            Err(Halt::Needs(trial)) => unreachable!("a screen needs no run of {}", trial.tree),
        };
        assert_eq!(reason(&candidate), Reason::NotRun);
        candidate.screen = Some(Default::default());
        assert_eq!(reason(&candidate), Reason::Resolved);
    }

    #[test]
    fn what_is_not_read_is_never_verified_beyond_what_gold_allows() {
        let unread =
            |in_gold| Unread { path: "a.py".to_owned(), line: 3, why: crate::model::unread::Why::TooDeep, in_gold };
        let verified = || (Reason::Resolved, Level::E3, "passed".to_owned());
        let Err(Halt::Judged(reason, detail)) = readable(&[unread(true), unread(false)], verified()) else {
            panic!("it was not read");
        };
        assert_eq!((reason, reason.status()), (Reason::SourceNotRead, VerdictStatus::Inconclusive));
        assert!(detail.contains("a.py:3"), "{detail}");
        let Ok((reason, level, detail)) = readable(&[unread(true)], verified()) else {
            panic!("gold is not read either")
        };
        assert_eq!((reason, level), (Reason::Resolved, Level::E1));
        assert!(detail.contains("a.py:3"), "{detail}");
    }
}
