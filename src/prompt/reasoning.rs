//! Splits the reasoning off a completion. Pure, in one pass.
//!
//! Models write their reasoning between tags of their own, and chat templates often write the opening one. So reasoning ends at
//! a closing tag that stands outside code; a tag inside code or quotes is text. What is read as reasoning is never an edit, and no
//! edit of the answer may be lost with it: if code could belong to either, the end is unclear and nothing is read.

use std::collections::BTreeSet;

use super::fence::{Opening, opening};
use super::harmony;
use super::search_replace::marker;
use super::split::{Rest, Split};

/// Tags around reasoning. The letters of a tag may be of either case.
const TAGS: [(&str, &str); 17] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<analysis>", "</analysis>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("[think]", "[/think]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|channel>thought", "<channel|>"),
    ("<unused94>thought", "<unused95>"),
];

pub(super) fn split(completion: &str) -> Split<'_> {
    let text = completion.trim_start();
    if let Some(split) = harmony::split(text) {
        return split;
    }
    if !holds_tag(text) {
        return Split { reasoning: None, rest: Rest::Answer(text) };
    }
    let mut broken = Broken::default();
    for _ in 0..=RETRIES {
        match Scan::new(text).run(&mut broken) {
            Some(split) => return split,
            None => continue,
        }
    }
    Split { reasoning: None, rest: Rest::Unclear }
}

/// Most pieces of code that break off around a tag before the text is given up.
const RETRIES: usize = 16;

fn holds_tag(text: &str) -> bool {
    let mut bytes = text.bytes().enumerate();
    bytes.any(|(at, byte)| {
        matches!(byte, b'<' | b'[' | 0xe2) && text.is_char_boundary(at) && tag_at(&text[at..]).is_some()
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag {
    family: usize,
    closes: bool,
    length: usize,
}

fn tag_at(text: &str) -> Option<Tag> {
    let bytes = text.as_bytes();
    // No tag begins otherwise; this look is quick.
    let second = bytes.get(1)?;
    if !second.is_ascii_alphabetic() && !matches!(second, b'/' | b'|' | 0x97) {
        return None;
    }
    let is = |tag: &str| bytes.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()));
    for (family, (open, close)) in TAGS.iter().enumerate() {
        let found = |tag: &str, closes| is(tag).then_some(Tag { family, closes, length: tag.len() });
        if let Some(tag) = found(open, false).or_else(|| found(close, true)) {
            return Some(tag);
        }
    }
    None
}

/// Code that was begun and, as a look at the rest showed, never ended. The lines where it begins are text.
#[derive(Default)]
struct Broken<'t> {
    lines: BTreeSet<usize>,
    /// Fences that nothing closes, with where they begin.
    fences: Vec<(Opening<'t>, usize)>,
}

impl<'t> Broken<'t> {
    fn holds_fence(&self, fence: &Opening<'t>, at: usize) -> bool {
        self.fences.iter().any(|(open, begin)| at >= *begin && fence.closed_only_with(open))
    }
}

/// Where a line stands.
#[derive(Clone, Copy, Default)]
struct Code<'t> {
    /// The fence and where its line begins.
    fence: Option<(Opening<'t>, usize)>,
    /// Where the line of the SEARCH marker begins.
    edit: Option<usize>,
    diff: bool,
}

/// A closing tag inside code.
#[derive(Clone, Copy)]
struct Inner {
    at: usize,
    tag: Tag,
    /// Nothing else stands on its line.
    alone: bool,
}

/// How far a look at a line went.
enum Step {
    /// To its end.
    Line,
    /// To the end of a tag in it, in bytes.
    Tag(usize),
    /// Code stands on both sides of a tag and could belong to either.
    Unclear,
}

struct Scan<'t> {
    text: &'t str,
    /// The text begins as a diff.
    raw: bool,
    code: Code<'t>,
    /// Closing tags inside the code that is open, in the order of the text.
    inner: Vec<Inner>,
    /// Opening tags inside the code that is open.
    opened_inside: Vec<usize>,
    /// Tags alone on a line of a fence that was closed, each with whether the fence looks as if the answer had opened another in it.
    alone: Vec<(Inner, bool)>,
    /// A fence was opened inside the fence, behind a tag.
    nested: bool,
    /// The reasoning: where it begins, and where it ends as far as is known.
    begin: usize,
    end: Option<(usize, Tag)>,
    /// Family of an opening tag that waits for its closing one, and whether it is the first thing of the completion or answer.
    waiting: Option<(usize, bool)>,
    /// Code was seen since the last end of reasoning, and whether it was there before the tag that waits.
    code_seen: bool,
    code_before: bool,
}

impl<'t> Scan<'t> {
    fn new(text: &'t str) -> Self {
        let raw = super::diff_block::raw(text).is_some();
        Self {
            text,
            raw,
            code: Code { diff: raw, ..Code::default() },
            inner: Vec::new(),
            opened_inside: Vec::new(),
            alone: Vec::new(),
            nested: false,
            begin: 0,
            end: None,
            waiting: None,
            code_seen: raw,
            code_before: false,
        }
    }

    /// `None` if code was begun that never ends and holds a tag: it is noted, and the text is to be read again.
    fn run(mut self, broken: &mut Broken<'t>) -> Option<Split<'t>> {
        let mut at = 0;
        for line in self.text.split_inclusive('\n') {
            let end = at + line.len();
            // What follows a tag in its line is looked at like a line of its own: code may begin there.
            while at < end {
                at += match self.line(at, &line[line.len() - (end - at)..], broken)? {
                    Step::Unclear => return Some(Split { reasoning: None, rest: Rest::Unclear }),
                    Step::Line => end - at,
                    Step::Tag(length) => length,
                };
            }
        }
        if self.inner.is_empty() {
            return Some(self.finish());
        }
        match self.code.edit {
            Some(begin) => _ = broken.lines.insert(begin),
            None => broken.fences.extend(self.code.fence),
        }
        None
    }

    fn line(&mut self, at: usize, line: &'t str, broken: &mut Broken<'t>) -> Option<Step> {
        let text = line.trim_end_matches(['\n', '\r']);
        if marker(text, '<', "SEARCH").is_some() && !broken.lines.contains(&at) {
            if let Some(begin) = self.code.edit
                && self.inner.last().is_some_and(|inner| inner.at > begin)
            {
                broken.lines.insert(begin);
                return None;
            }
            self.code.edit = Some(at);
            self.code_seen = true;
            return Some(Step::Line);
        }
        if let Some(begin) = self.code.edit {
            if marker(text, '>', "REPLACE").is_some() {
                self.code.edit = None;
                self.inner.truncate(self.inner.partition_point(|inner| inner.at < begin));
                self.opened_inside.clear();
            } else {
                self.inside(at, text);
            }
            return Some(Step::Line);
        }
        if let Some((fence, _)) = self.code.fence {
            if fence.closed_by(text) {
                self.close_fence();
            } else {
                self.nested |= !self.inner.is_empty() && opening(text).is_some_and(|other| !other.info.is_empty());
                self.inside(at, text);
            }
            return Some(Step::Line);
        }
        if let Some(fence) = opening(text).filter(|fence| !broken.holds_fence(fence, at)) {
            self.code.fence = Some((fence, at));
            self.code.diff = false;
            self.code_seen = true;
            return Some(Step::Line);
        }
        if text.starts_with("@@ -") || text.starts_with("diff --git ") {
            self.code.diff = true;
            self.code_seen = true;
        }
        let hunk_line = text.starts_with(['+', '-', ' ', '\\', '@']);
        self.code.diff &= hunk_line || text.starts_with("diff --git ") || (self.raw && text.trim().is_empty());
        if self.code.diff && hunk_line {
            return Some(Step::Line);
        }
        Some(self.outside(at, text))
    }

    fn close_fence(&mut self) {
        self.code.fence = None;
        let nested = std::mem::take(&mut self.nested);
        self.alone.extend(self.inner.drain(..).filter(|inner| inner.alone).map(|inner| (inner, nested)));
        self.opened_inside.clear();
    }

    fn inside(&mut self, at: usize, line: &str) {
        let whole = line.trim().len();
        for (offset, tag) in tags(line) {
            let alone = whole == tag.length;
            if !tag.closes {
                self.opened_inside.push(tag.family);
            } else if self.opened_inside.last() == Some(&tag.family) {
                self.opened_inside.pop();
            } else {
                self.inner.push(Inner { at: at + offset, tag, alone });
            }
        }
    }

    /// Looks for a tag in a line outside code.
    fn outside(&mut self, at: usize, line: &str) -> Step {
        let mut read = 0;
        let mut ticks = 0;
        // A line may have a megabyte and be full of tags, so what is asked of the whole line is asked once.
        let mut last_tick = None;
        let blank = line.len() - line.trim_start().len();
        for (offset, tag) in tags(line) {
            ticks += line[read..offset].matches('`').count();
            read = offset;
            let ticked = ticks % 2 == 1 && *last_tick.get_or_insert_with(|| line.rfind('`')) > Some(offset);
            if ticked || is_quoted(line, offset, tag.length) {
                continue;
            }
            let place = at + offset;
            if !tag.closes {
                if self.waiting.is_none() && offset == blank {
                    let begins = self.text[self.end.map_or(0, |(end, _)| end)..place].trim_start().is_empty();
                    self.waiting = Some((tag.family, begins));
                    self.code_before = self.code_seen && !begins;
                    self.code_seen = false;
                    if self.end.is_none() && begins {
                        self.begin = place + tag.length;
                    }
                    return Step::Tag(offset + tag.length);
                }
                continue;
            }
            let ends = match (self.waiting, self.end) {
                (Some((family, _)), _) => family == tag.family,
                (None, Some((_, first))) => first.family == tag.family,
                (None, None) => true,
            };
            if !ends {
                continue;
            }
            let lost = match (self.waiting, self.end) {
                (Some(_), _) => self.code_before,
                (None, Some(_)) => self.code_seen,
                (None, None) => self.code_seen && is_word(line, offset, tag.length),
            };
            if lost {
                return Step::Unclear;
            }
            self.end_at(place, tag);
            return Step::Tag(offset + tag.length);
        }
        Step::Line
    }

    fn end_at(&mut self, place: usize, tag: Tag) {
        self.end = Some((place + tag.length, tag));
        (self.waiting, self.code_seen, self.code_before) = (None, false, false);
        self.alone.clear();
    }

    fn finish(mut self) -> Split<'t> {
        let opened = self.waiting.is_some_and(|(_, begins)| begins) && self.end.is_none();
        let hidden: Vec<_> = match self.end {
            None => self
                .alone
                .iter()
                .filter(|(inner, _)| self.waiting.is_none_or(|(family, _)| family == inner.tag.family))
                .copied()
                .collect(),
            Some(_) => Vec::new(),
        };
        match hidden[..] {
            [] => {}
            // Reasoning may break off in a fence; then the only tag that stands as an end does is the end.
            [(inner, nested)] if opened || nested => self.end_at(inner.at, inner.tag),
            _ => return Split { reasoning: None, rest: Rest::Unclear },
        }
        let unfinished = self.waiting.is_some_and(|(_, begins)| begins || self.code_seen);
        let Some((end, tag)) = self.end else {
            return match unfinished {
                true => Split { reasoning: Some(self.text[self.begin..].trim()), rest: Rest::Unfinished },
                false => Split { reasoning: None, rest: Rest::Answer(self.text) },
            };
        };
        let reasoning = Some(self.text[self.begin..end - tag.length].trim());
        let rest = match unfinished {
            true => Rest::Unfinished,
            false => Rest::Answer(self.text[end..].trim_start()),
        };
        Split { reasoning, rest }
    }
}

/// The tags of a line and where they stand.
fn tags(line: &str) -> impl Iterator<Item = (usize, Tag)> + '_ {
    let starts = line.char_indices().filter(|(_, c)| matches!(c, '<' | '[' | '◁'));
    starts.filter_map(|(at, _)| Some((at, tag_at(&line[at..])?)))
}

/// Whether a tag stands in a sentence like a word of it.
fn is_word(line: &str, at: usize, length: usize) -> bool {
    let before = &line[..at];
    !before.trim().is_empty() && before.ends_with(char::is_whitespace) && !line[at + length..].trim().is_empty()
}

/// Whether a tag of a line is only spoken of, because it stands directly between quotes.
fn is_quoted(line: &str, at: usize, length: usize) -> bool {
    let (before, after) = (&line[..at], &line[at + length..]);
    let quotes = ['"', '\'', '“', '”', '‘', '’', '«', '»'];
    before.ends_with(quotes) && after.starts_with(quotes)
}

#[cfg(test)]
#[path = "reasoning_tests.rs"]
mod tests;
