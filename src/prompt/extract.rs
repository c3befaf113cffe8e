//! Extraction: what a completion says, parsed. Pure and total: any text gives an answer or a reason why there is none.
//!
//! Formats are those of the SWE-Swiss recipe, and the unified diffs of SWE-bench predictions. Nothing is repaired: a
//! block that is cut or breaks its grammar makes the whole answer malformed. Property tests stand beside it; `cargo
//! bench --bench fuzz_extract` runs as long as one likes.

use super::split::Rest;
use super::{diff_block, file_list, other_format, reasoning, search_replace, test_answer};
use crate::model::candidate::{Malformed, MalformedReason, Payload};
use crate::model::generation::Skill;

/// Largest answer, reasoning aside, in bytes.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A completion, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extraction {
    /// The reasoning, without its tags; `None` if there is none.
    pub reasoning: Option<String>,
    /// What follows the reasoning, verbatim but for leading white space.
    pub answer: String,
    pub payload: Result<Payload, Malformed>,
}

/// Takes a completion apart. `reasoning` is what the endpoint handed over in a field of its own.
pub fn extract(skill: Skill, completion: &str, reasoning: Option<&str>) -> Extraction {
    let split = reasoning::split(completion);
    let thoughts: Vec<_> =
        [reasoning, split.reasoning].into_iter().flatten().map(str::trim).filter(|t| !t.is_empty()).collect();
    let reasoning = (!thoughts.is_empty()).then(|| thoughts.join("\n\n"));
    let (answer, payload) = match split.rest {
        Rest::Answer(answer) => (answer, parse(skill, answer)),
        Rest::Unfinished => (
            "",
            Err(Malformed::new(
                MalformedReason::UnfinishedReasoning,
                "the reasoning is opened and never closed; the completion was cut",
            )),
        ),
        Rest::Unclear => (
            "",
            Err(Malformed::new(
                MalformedReason::BadFormat,
                "it cannot be told where the reasoning ends, because code stands on both sides of its tags",
            )),
        ),
    };
    Extraction { reasoning, answer: answer.to_owned(), payload }
}

fn parse(skill: Skill, answer: &str) -> Result<Payload, Malformed> {
    if answer.trim().is_empty() {
        return Err(Malformed::new(MalformedReason::Empty, "there is no answer"));
    }
    if answer.len() > MAX_ANSWER_BYTES {
        let detail = format!("the answer has {} bytes; the limit is {MAX_ANSWER_BYTES}", answer.len());
        return Err(Malformed::new(MalformedReason::TooLarge, detail));
    }
    match skill {
        Skill::Localization => file_list::parse(answer).map(|files| Payload::FileList { files }),
        Skill::Repair => repair(answer),
        Skill::Test => test_answer::parse(answer),
    }
}

fn repair(answer: &str) -> Result<Payload, Malformed> {
    if let Some(change) = change(answer)? {
        return Ok(change);
    }
    let mut detail = "neither SEARCH/REPLACE edits nor a unified diff was found".to_owned();
    if let Some(other) = other_format::name(answer) {
        detail.push_str(&format!("; the answer holds {other}, which is not read"));
    }
    Err(Malformed::new(MalformedReason::NoAnswer, detail))
}

/// A change of existing files: edits or a diff, if the answer has either.
pub(super) fn change(answer: &str) -> Result<Option<Payload>, Malformed> {
    if let Some(diff) = diff_block::raw(answer) {
        return Ok(Some(Payload::UnifiedDiff { diff }));
    }
    if let Some(edits) = search_replace::parse(answer)? {
        return Ok(Some(Payload::SearchReplace { edits }));
    }
    Ok(diff_block::parse(answer)?.map(|diff| Payload::UnifiedDiff { diff }))
}

#[cfg(test)]
#[path = "extract_tests.rs"]
mod tests;
