//! Bytes that are not UTF-8 in the text of an answer. Some programs read such a byte as half a surrogate pair (by the handler
//! `surrogateescape`), and the intake keeps each half as a character of its own ([`crate::surrogates`]). Pure.

use std::borrow::Cow;

use super::Stop;
use crate::model::candidate::{Malformed, MalformedReason};
use crate::surrogates::escaped_byte;
pub(super) use crate::surrogates::holds_bytes as holds;

/// The bytes that a text stands for.
pub(super) fn bytes(text: &str) -> Cow<'_, [u8]> {
    if !holds(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match escaped_byte(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// Refuses such bytes for a file that is UTF-8 or new. They are no bytes of it then, but what a cut character left behind.
pub(super) fn check(path: &str, before: &[u8]) -> Result<(), Stop> {
    match std::str::from_utf8(before) {
        Err(_) => Ok(()),
        Ok(_) => Err(refused(path, "and the file is not one of another encoding than UTF-8")),
    }
}

/// Why the diff of an instance is refused that holds what would be such bytes in an answer.
pub(super) fn of_instance(path: &str, hunk: usize) -> Stop {
    let detail = format!(
        "{path}: hunk {hunk} of the instance's diff holds characters of U+10F780 to U+10F7FF, by which bytes of answers are kept; give \
         such a file as a binary patch"
    );
    Malformed::new(MalformedReason::DoesNotApply, detail).into()
}

/// Refuses such bytes in an answer that is no diff.
pub(super) fn check_text(path: &str, texts: &[&str]) -> Result<(), Stop> {
    match texts.iter().any(|text| holds(text)) {
        true => Err(refused(path, "and only a diff may change bytes")),
        false => Ok(()),
    }
}

fn refused(path: &str, why: &str) -> Stop {
    let detail =
        format!("{path}: the answer holds half surrogate pairs, which stand for bytes that are not UTF-8, {why}");
    Malformed::new(MalformedReason::DoesNotApply, detail).into()
}
