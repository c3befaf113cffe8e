//! An answer: a verdict as a trainer reads it. Nothing but `rejected` is 0. Inconclusive has no number, and neither has
//! a status that its reason does not have.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Unanswered;
use crate::lab::SingleVerdict;
use crate::model::candidate::Stripped;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::generation::Skill;
use crate::model::screen::Token as Flag;
use crate::model::strength::Tier;
use crate::model::verdict::{Evidence, Reason, Verdict, VerdictStatus};

/// Body of a response with status 200 to `POST /v1/verify`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    pub format: String,
    pub instance_id: String,
    pub skill: Skill,
    pub status: VerdictStatus,
    /// 1 for verified, 0 for rejected, null for inconclusive and for verified at E0: then there is no reward, not even 0.
    pub reward: Option<f64>,
    pub reason: Reason,
    /// For people: which test, which file, what was seen.
    pub detail: String,
    pub evidence: Evidence,
    /// What a verified test has shown beside base and gold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Changes that the policy took back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stripped: Vec<Stripped>,
    /// What the static screen found in the added source.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub flags: BTreeSet<Flag>,
    /// The generation's digest.
    pub candidate_id: Digest,
    /// Digest over everything that the verdict rests on.
    pub receipt: Digest,
    /// Trials that the verdict rests on.
    pub trials: Vec<Digest>,
    /// Trials that were run for this answer.
    pub trials_run: u64,
    /// Nothing was run: all of it was known.
    pub cached: bool,
    /// Inconclusive for a fault of the machine: asking again may give a verdict.
    pub retryable: bool,
    /// What was read otherwise than it was written, e.g. half surrogate pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    pub timings: Timings,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    /// From being asked to being taken up.
    pub queued_ms: u64,
    /// From being taken up to the verdict.
    pub judged_ms: u64,
}

/// Body of a response to `POST /v1/verify/batch`: one item per question, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BatchAnswer {
    pub format: String,
    pub answers: Vec<Item>,
}

/// One answer of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Item {
    Answer(Box<Answer>),
    Unanswered {
        /// Always `unanswered`.
        status: NoVerdict,
        /// Place of the question among the items, from 0.
        index: u64,
        /// None where the question names none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance_id: Option<String>,
        error: Unanswered,
    },
}

/// Status of an item of a batch that has no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoVerdict {
    Unanswered,
}

impl Answer {
    pub(super) fn new(answered: SingleVerdict, queued: Duration, judged: Duration) -> Self {
        let SingleVerdict { verdict, unread, trials_run } = answered;
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            format: format::REWARD.to_owned(),
            reward: reward(&verdict),
            retryable: !unread && verdict.status == VerdictStatus::Inconclusive && of_the_machine(verdict.reason),
            instance_id: verdict.instance_id,
            skill: verdict.skill,
            status: verdict.status,
            reason: verdict.reason,
            detail: verdict.detail,
            evidence: verdict.evidence,
            tier: verdict.strength.map(|strength| strength.tier),
            stripped: verdict.stripped,
            flags: verdict.flags,
            candidate_id: verdict.candidate_id,
            receipt: verdict.receipt,
            trials: verdict.trials,
            trials_run,
            cached: trials_run == 0,
            notes: Vec::new(),
            timings: Timings { queued_ms: milliseconds(queued), judged_ms: milliseconds(judged) },
        }
    }

    /// The same, found ready.
    pub(super) fn again(&self) -> Self {
        Self { trials_run: 0, cached: true, timings: Timings::default(), ..self.clone() }
    }
}

/// Only a verdict that says so is a number. A status that its reason does not have is none, and nothing rests on E0.
fn reward(verdict: &Verdict) -> Option<f64> {
    if verdict.status != verdict.reason.status() {
        return None;
    }
    match verdict.status.at(verdict.evidence) {
        VerdictStatus::Verified => Some(1.0),
        VerdictStatus::Rejected => Some(0.0),
        VerdictStatus::Inconclusive => None,
    }
}

/// Whether another attempt may find another reason.
fn of_the_machine(reason: Reason) -> bool {
    matches!(reason, Reason::SandboxFailed | Reason::NotRun)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::digest::Digest;

    #[test]
    fn only_what_another_attempt_may_change_is_asked_again() {
        for (reason, unread, retryable) in [
            ("sandbox_failed", false, true),
            ("not_run", false, true),
            ("not_run", true, false),
            ("unsteady", false, false),
        ] {
            let digest = Digest::of(b"any");
            let verdict = serde_json::from_value(json!({
                "format": format::VERDICT, "candidate_id": digest, "instance_id": "a", "skill": "repair",
                "generation": {"file": "g", "line": 1, "index": 0}, "status": "inconclusive", "reason": reason, "detail": "",
                "evidence": "E1", "trials": [], "receipt": digest,
            }))
            .unwrap();
            let answered = SingleVerdict { verdict, unread, trials_run: 0 };
            let answer = Answer::new(answered, Duration::ZERO, Duration::ZERO);
            assert_eq!((answer.retryable, answer.reward), (retryable, None), "{reason}, unread: {unread}");
        }
    }
}
