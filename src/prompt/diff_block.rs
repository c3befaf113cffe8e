//! Unified diffs in answers: the whole answer, in fences, or bare after some prose. Pure.
//!
//! The diff is handed on verbatim; its grammar is checked where it is applied.

use super::fence::{Block, scan};
use crate::model::candidate::{Malformed, MalformedReason};

/// The answer itself, if it begins as a diff: the form of SWE-bench predictions.
pub(super) fn raw(answer: &str) -> Option<String> {
    begins(answer.trim_start()).then(|| answer.trim_start().to_owned())
}

/// The diff that an answer holds: its `diff` and `patch` fences, and others that begin as a diff, one after the other;
/// without any, the text from the first diff header on.
pub(super) fn parse(answer: &str) -> Result<Option<String>, Malformed> {
    let fences = scan(answer);
    let blocks: Vec<_> = fences.blocks.iter().filter(|block| is_diff(block)).collect();
    if blocks.iter().any(|block| !block.closed) {
        return Err(Malformed::new(MalformedReason::BadFormat, "the fence around the diff is never closed"));
    }
    if !blocks.is_empty() {
        return Ok(Some(blocks.iter().map(|block| block.body).collect()));
    }
    let mut outside = fences.outside.iter();
    Ok(outside.find(|(at, _)| begins(&answer[*at..])).map(|(at, _)| answer[*at..].to_owned()))
}

/// Whether a block is meant as a diff.
fn is_diff(block: &Block<'_>) -> bool {
    matches!(block.language().as_str(), "diff" | "patch" | "udiff") || begins(block.body.trim_start())
}

/// Whether a text begins with the header of a diff.
fn begins(text: &str) -> bool {
    if text.starts_with("diff --git ") {
        return true;
    }
    let mut lines = text.lines();
    text.starts_with("--- ") && lines.nth(1).is_some_and(|line| line.starts_with("+++ "))
}
