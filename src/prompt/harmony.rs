//! The channels of the harmony format: `analysis` and `commentary` hold reasoning, `final` holds the answer. Pure.

use super::split::{Rest, Split};

const START: &str = "<|start|>";
const CHANNEL: &str = "<|channel|>";
const MESSAGE: &str = "<|message|>";
const ENDS: [&str; 3] = ["<|return|>", "<|end|>", "<|call|>"];

/// `None` if the text is not in this format.
pub(super) fn split(text: &str) -> Option<Split<'_>> {
    if !text.starts_with(CHANNEL) && !text.strip_prefix(START).is_some_and(|rest| rest.starts_with("assistant")) {
        // The template wrote the first header, or code speaks of one. What begins as a diff has no reasoning before it.
        let header = text.contains("<|start|>assistant<|channel|>final<|message|>");
        let unclear = header && super::diff_block::raw(text).is_none();
        return if unclear { Some(Split { reasoning: None, rest: Rest::Unclear }) } else { bare(text) };
    }
    // The first `<|message|>` ends the header that the text begins with.
    let (head, body) = text.split_once(MESSAGE)?;
    if channel(head) == Some("final") {
        return Some(Split { reasoning: None, rest: answer(body) });
    }
    let mut from = 0;
    while let Some(found) = body[from..].find(CHANNEL) {
        let at = from + found;
        // A header is short.
        let most = body[at..].char_indices().nth(200).map_or(body.len(), |(length, _)| at + length);
        if let Some((name, _)) = body[at..most].split_once(MESSAGE)
            && channel(name) == Some("final")
        {
            let rest = &body[at + name.len() + MESSAGE.len()..];
            let before = body[..at].trim_end();
            let before = before.strip_suffix("assistant").map_or(before, str::trim_end);
            let before = before.strip_suffix(START).unwrap_or(before).trim_end();
            let before = ENDS.iter().find_map(|end| before.strip_suffix(end)).unwrap_or(before);
            return Some(Split { reasoning: Some(before.trim()), rest: answer(rest) });
        }
        from = at + CHANNEL.len();
    }
    Some(Split { reasoning: Some(body.trim()), rest: Rest::Unfinished })
}

/// The name of a header such as `<|channel|>commentary to=functions.run`; a text without a channel is an answer.
fn channel(header: &str) -> Option<&str> {
    let Some((_, name)) = header.rsplit_once(CHANNEL) else { return Some("final") };
    name.split_whitespace().next()
}

fn answer(body: &str) -> Rest<'_> {
    let body = body.trim();
    let body = ENDS.iter().find_map(|end| body.strip_suffix(end)).unwrap_or(body);
    // Another message after the answer: one of the two is not meant.
    let another = |line: &str| {
        line.starts_with(CHANNEL)
            || line.starts_with(START)
            || ENDS.iter().any(|end| line.contains(&format!("{end}{START}")))
    };
    if body.lines().any(another) { Rest::Unclear } else { Rest::Answer(body.trim_start()) }
}

/// The same with the special tokens left out by a decoder: `analysis...assistantfinal...`.
fn bare(text: &str) -> Option<Split<'_>> {
    let body = text.strip_prefix("analysis").filter(|body| !body.starts_with(char::is_whitespace))?;
    let (reasoning, rest) = body.split_once("assistantfinal")?;
    let rest = if rest.contains("assistantfinal") { Rest::Unclear } else { Rest::Answer(rest.trim_start()) };
    Some(Split { reasoning: Some(reasoning.trim()), rest })
}
