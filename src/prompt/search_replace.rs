//! SEARCH/REPLACE edits: a path line, then the text to find and the text to put there, between marker lines. Pure.
//!
//! ```text
//! ### src/a.rs
//! <<<<<<< SEARCH
//! old
//! =======
//! new
//! >>>>>>> REPLACE
//! ```
//!
//! The path may stand in the info string of the fence too. It carries over to later edits of the same fence. Markers have four or more characters; the divider has as
//! many as the opening marker, so that underlines in the text do not divide it.

use std::collections::HashSet;

use super::fence::{Opening, heading_path, info_path, opening, path_of};
use crate::model::candidate::{Edit, Malformed, MalformedReason};

/// The edits in order, repeats dropped; `None` if the answer has no SEARCH marker. CR LF is read as LF.
pub(super) fn parse(answer: &str) -> Result<Option<Vec<Edit>>, Malformed> {
    let mut parser = Parser::default();
    for (number, line) in answer.lines().enumerate() {
        parser.line(number + 1, line)?;
    }
    parser.finish()
}

#[derive(Default)]
struct Parser<'a> {
    edits: Vec<Edit>,
    seen: HashSet<(String, String, String)>,
    fence: Option<Opening<'a>>,
    /// Path of the former edit in this fence.
    carried: Option<&'a str>,
    /// Path on the last line that is not blank.
    named: Option<&'a str>,
    open: Option<OpenEdit<'a>>,
    /// The first marker of an edit that does not begin at the left: one of a format of its own, or text of something else.
    indented: Option<usize>,
}

struct OpenEdit<'a> {
    line: usize,
    marks: usize,
    path: &'a str,
    search: String,
    /// `None` before the divider.
    replace: Option<String>,
}

fn bad(line: usize, what: &str) -> Malformed {
    Malformed::new(MalformedReason::BadFormat, format!("the edit at line {line} of the answer {what}"))
}

impl<'a> Parser<'a> {
    fn line(&mut self, number: usize, line: &'a str) -> Result<(), Malformed> {
        if let Some(marks) = marker(line, '<', "SEARCH") {
            if let Some(open) = &self.open {
                return Err(bad(open.line, "is not finished before the next one"));
            }
            let Some(path) = self.named.or(self.carried) else { return Err(bad(number, "has no path before it")) };
            self.open = Some(OpenEdit { line: number, marks, path, search: String::new(), replace: None });
            return Ok(());
        }
        let Some(open) = &mut self.open else {
            if marker(line.trim_start(), '<', "SEARCH").is_some() {
                self.indented.get_or_insert(number);
            }
            self.between(line);
            return Ok(());
        };
        if marker(line, '>', "REPLACE").is_some() {
            let Some(replace) = open.replace.take() else { return Err(bad(open.line, "has no ======= line")) };
            let edit = Edit { path: open.path.to_owned(), search: std::mem::take(&mut open.search), replace };
            (self.carried, self.named, self.open) = (Some(open.path), None, None);
            if self.seen.insert((edit.path.clone(), edit.search.clone(), edit.replace.clone())) {
                self.edits.push(edit);
            }
        } else if marker(line, '=', "") == Some(open.marks) {
            if open.replace.is_some() {
                return Err(bad(open.line, "has two ======= lines"));
            }
            open.replace = Some(String::new());
        } else {
            let text = open.replace.as_mut().unwrap_or(&mut open.search);
            text.push_str(line);
            text.push('\n');
        }
        Ok(())
    }

    fn between(&mut self, line: &'a str) {
        match self.fence {
            Some(fence) if fence.closed_by(line) => (self.fence, self.carried, self.named) = (None, None, None),
            None if let Some(fence) = opening(line) => {
                (self.fence, self.carried) = (Some(fence), info_path(fence.info));
                // What the fence itself says is nearer than the line before it.
                self.named = self.named.filter(|_| self.carried.is_none());
            }
            _ if line.trim().is_empty() => {}
            _ => self.named = heading_path(line).or_else(|| path_of(line)),
        }
    }

    fn finish(self) -> Result<Option<Vec<Edit>>, Malformed> {
        if let Some(open) = &self.open {
            return Err(bad(open.line, "is not finished; the answer was cut"));
        }
        // Beside others such an edit would be lost without a word. What it is indented by is not known to be no part of it.
        if let (false, Some(line)) = (self.edits.is_empty(), self.indented) {
            return Err(bad(line, "is indented; its lines have to begin at the left"));
        }
        Ok((!self.edits.is_empty()).then_some(self.edits))
    }
}

/// Number of marks, if the line is a marker: four or more of `mark`, then the word.
pub(super) fn marker(line: &str, mark: char, word: &str) -> Option<usize> {
    let rest = line.trim_start_matches(mark);
    let count = line.len() - rest.len();
    (count >= 4 && rest.trim() == word).then_some(count)
}
