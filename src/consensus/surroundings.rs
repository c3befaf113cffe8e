//! Lines of a tree as far as the diffs against it show them. A diff with little context gets from it what others show.

use std::collections::{BTreeMap, HashMap};

use super::hunk::{CONTEXT, Hunk};
use crate::repo::patch::{Line, LineKind};

/// Old lines by path and number.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// Each text with the number of diffs that show it.
    shown: HashMap<String, HashMap<usize, BTreeMap<String, u32>>>,
    /// The text that most show.
    known: HashMap<String, HashMap<usize, String>>,
}

impl Surroundings {
    pub fn note(&mut self, path: &str, hunk: &Hunk) {
        let file = self.shown.entry(path.to_owned()).or_default();
        for (number, line) in numbered(hunk) {
            *file.entry(number).or_default().entry(line.text.clone()).or_default() += 1;
        }
    }

    /// What most show counts. Where as many show one text as another, nothing is known.
    pub fn settle(&mut self) {
        for (path, lines) in std::mem::take(&mut self.shown) {
            let known = lines.into_iter().filter_map(|(number, texts)| {
                let most = texts.values().max().copied()?;
                let mut leading = texts.into_iter().filter(|(_, count)| *count == most);
                let (text, _) = leading.next()?;
                leading.next().is_none().then_some((number, text))
            });
            self.known.insert(path, known.collect());
        }
    }

    fn line(&self, path: &str, number: usize) -> Option<&String> {
        self.known.get(path)?.get(&number)
    }

    /// Whether a hunk shows nothing else than is known: then its numbers are right.
    pub fn agrees(&self, path: &str, hunk: &Hunk) -> bool {
        numbered(hunk).all(|(number, line)| self.line(path, number) == Some(&line.text))
    }

    /// Fills the context of a file's hunks, which stand in order, up to three lines at each end.
    pub fn widen(&self, path: &str, hunks: &mut [Hunk]) {
        let context = |text: &String| Line { kind: LineKind::Context, text: text.clone(), newline: true };
        for at in 0..hunks.len() {
            let floor = if at == 0 { 1 } else { hunks[at - 1].end() };
            let ceiling = hunks.get(at + 1).map_or(usize::MAX, |next| next.start);
            let hunk = &mut hunks[at];
            while hunk.context().0 < CONTEXT && hunk.start > floor {
                let Some(text) = self.line(path, hunk.start - 1) else { break };
                hunk.lines.insert(0, context(text));
                hunk.start -= 1;
            }
            while hunk.context().1 < CONTEXT
                && hunk.end() < ceiling
                && hunk.lines.last().is_none_or(|last| last.newline)
            {
                let Some(text) = self.line(path, hunk.end()) else { break };
                hunk.lines.push(context(text));
            }
        }
    }
}

/// The old lines of a hunk with their numbers.
fn numbered(hunk: &Hunk) -> impl Iterator<Item = (usize, &Line)> {
    hunk.lines.iter().filter(|line| line.kind != LineKind::Added).enumerate().map(|(at, line)| (hunk.start + at, line))
}
