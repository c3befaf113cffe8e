//! Splits the reasoning off a completion. Pure.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// A completion in two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split<'c> {
    pub reasoning: Option<&'c str>,
    /// `None` if the reasoning was opened and never closed.
    pub answer: Option<&'c str>,
}

/// Everything up to the last closing tag is reasoning; the opening tag may be missing, because chat templates write it.
/// Without a closing tag, reasoning that is opened at the start is unfinished. Tags elsewhere are part of the answer:
/// code may hold them.
pub(super) fn split(completion: &str) -> Split<'_> {
    let text = completion.trim_start();
    let (reasoning, answer) = match text.rfind(CLOSE) {
        Some(at) => (Some(&text[..at]), &text[at + CLOSE.len()..]),
        None => (None, text),
    };
    let answer = answer.trim_start();
    let reasoning = reasoning.map(|reasoning| reasoning.strip_prefix(OPEN).unwrap_or(reasoning).trim());
    match answer.strip_prefix(OPEN) {
        Some(unfinished) => Split { reasoning: reasoning.or(Some(unfinished.trim())), answer: None },
        None => Split { reasoning, answer: Some(answer) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_is_split_off_whether_or_not_its_opening_tag_is_there() {
        for (completion, reasoning, answer) in [
            ("<think>a</think>b", Some("a"), Some("b")),
            ("\n <think>\na\n</think>\n\nb\n", Some("a"), Some("b\n")),
            ("a</think>b", Some("a"), Some("b")),
            ("<think></think>b", Some(""), Some("b")),
            ("b", None, Some("b")),
            ("b <think> is a tag", None, Some("b <think> is a tag")),
            ("<think>a", Some("a"), None),
            ("<think>a</think><think>b", Some("a"), None),
            ("<think>x </think> y</think>b", Some("x </think> y"), Some("b")),
            ("", None, Some("")),
        ] {
            assert_eq!(split(completion), Split { reasoning, answer }, "{completion:?}");
        }
    }
}
