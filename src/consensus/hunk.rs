//! A hunk: lines of a file that follow each other.

use crate::repo::patch::{self, LineKind};

/// Lines of context around a change.
pub(super) const CONTEXT: usize = 3;

/// Lines that follow each other.
#[derive(Clone, Debug)]
pub(super) struct Hunk {
    /// Old number of the first line; of a line that is added, that of the next old one.
    pub start: usize,
    pub lines: Vec<patch::Line>,
}

impl Hunk {
    /// Old number of the line after the last one.
    pub fn end(&self) -> usize {
        self.start + self.lines.iter().filter(|line| line.kind != LineKind::Added).count()
    }

    pub fn is_changed(line: &patch::Line) -> bool {
        line.kind != LineKind::Context
    }

    /// Lines of context before the first change and after the last.
    pub fn context(&self) -> (usize, usize) {
        let before = self.lines.iter().take_while(|line| !Self::is_changed(line)).count();
        let after = self.lines.iter().rev().take_while(|line| !Self::is_changed(line)).count();
        (before, after)
    }
}
