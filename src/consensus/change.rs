//! A patch read as a change, however it is written: sections in the order of their paths, hunks cut or joined as git cuts them
//! with three lines of context. Index lines, prefixes of names and the way a diff is split leave no trace. Pure.
//!
//! A patch is read as the answer that is put on the tree ([`patch::parse_answer`]), so what is bridged there is bridged here.
//! Without the tree only the diff itself can say whether it could be applied: its grammar, safe paths, a new file that has no
//! old lines and a deleted one that keeps none.

use std::collections::BTreeMap;

use super::file_edit::{FileEdit, Place, Sides};
use super::hunk::{CONTEXT, Hunk};
use super::surroundings::Surroundings;
use crate::model::candidate::{Malformed, MalformedReason};
use crate::repo::patch::{self, Change as Content, FilePatch, LineKind};
use crate::repo::{Mode, paths};

/// What a patch does.
#[derive(Clone, Debug)]
pub struct Change(Vec<Section>);

/// What it does to one file.
#[derive(Clone, Debug)]
struct Section {
    file: FilePatch,
    hunks: Vec<Hunk>,
    /// Whether the hunks stand in order and apart, so that their numbers can be believed.
    numbered: bool,
}

impl Change {
    /// Reads a diff.
    ///
    /// # Errors
    /// It cannot be applied to any tree.
    pub fn read(diff: &str) -> Result<Self, Malformed> {
        let files = patch::parse_answer(diff)?.files;
        let mut sections: Vec<Section> = Vec::new();
        for file in files {
            applicable(&file)?;
            let created = |section: &&Section| file.old.is_none() && section.file.new == file.new;
            if let Some(twice) = sections.iter().find(created) {
                return Err(bad(&twice.file, "is made twice"));
            }
            let section = Section::of(file);
            let plain = |section: &Section| {
                let file = &section.file;
                file.old == file.new && file.mode.is_none() && !section.hunks.is_empty()
            };
            match sections
                .iter_mut()
                .find(|known| plain(known) && plain(&section) && known.file.old == section.file.old)
            {
                Some(known) => known.hunks.extend(section.hunks),
                None => sections.push(section),
            }
        }
        sections.iter_mut().for_each(Section::tidy);
        sections.sort_by(|a, b| a.path().cmp(b.path()));
        Ok(Self(sections))
    }

    /// Notes the old lines that the diff shows.
    pub(super) fn show(&self, surroundings: &mut Surroundings) {
        for section in self.0.iter().filter(|section| section.numbered) {
            for hunk in &section.hunks {
                surroundings.note(section.path(), hunk);
            }
        }
    }

    /// Whether a hunk has less context than usual, so that surroundings could add to it.
    pub(super) fn is_short(&self) -> bool {
        self.0.iter().filter(|section| section.file.old.is_some() && section.file.new.is_some()).any(|section| {
            section.hunks.iter().any(|hunk| {
                let (before, after) = hunk.context();
                before < CONTEXT || after < CONTEXT
            })
        })
    }

    /// Adds the context that other diffs of the same tree show.
    pub(super) fn widen(&mut self, surroundings: &Surroundings) {
        for section in self.0.iter_mut().filter(|section| section.numbered) {
            let path = section.path().to_owned();
            if section.hunks.iter().all(|hunk| surroundings.agrees(&path, hunk)) {
                surroundings.widen(&path, &mut section.hunks);
                section.tidy();
            }
        }
    }

    /// The edits, in the order of their paths.
    pub fn edits(&self) -> Vec<FileEdit> {
        self.0.iter().filter_map(Section::edit).collect()
    }
}

fn bad(file: &FilePatch, what: &str) -> Malformed {
    let path = file.new.as_deref().or(file.old.as_deref()).unwrap_or_default();
    Malformed::new(MalformedReason::DoesNotApply, format!("{path} {what}"))
}

/// Whether a section could be applied to some tree.
fn applicable(file: &FilePatch) -> Result<(), Malformed> {
    for path in [&file.old, &file.new].into_iter().flatten() {
        paths::check(path)?;
    }
    let Content::Text(hunks) = &file.change else { return Ok(()) };
    let has = |kind: LineKind| hunks.iter().flat_map(|hunk| &hunk.lines).any(|line| line.kind == kind);
    if file.old.is_none() && (has(LineKind::Context) || has(LineKind::Removed)) {
        return Err(bad(file, "is a new file, and the diff shows old lines of it"));
    }
    if file.new.is_none() && (has(LineKind::Context) || has(LineKind::Added)) {
        return Err(bad(file, "is deleted, and the diff leaves lines of it"));
    }
    Ok(())
}

impl Section {
    fn of(mut file: FilePatch) -> Self {
        let mut hunks = Vec::new();
        if let Content::Text(read) = &mut file.change {
            for hunk in std::mem::take(read) {
                let mut lines = hunk.lines;
                if file.crlf_headers {
                    for line in lines.iter_mut().filter(|line| line.text.ends_with('\r')) {
                        line.text.pop();
                    }
                }
                let only_adds = lines.iter().all(|line| line.kind == LineKind::Added);
                hunks.push(Hunk { start: hunk.old_start + usize::from(only_adds), lines });
            }
        }
        Self { file, hunks, numbered: false }
    }

    fn path(&self) -> &str {
        self.file.new.as_deref().or(self.file.old.as_deref()).unwrap_or_default()
    }

    /// Joins hunks that touch, and cuts context that is longer than git shows.
    fn tidy(&mut self) {
        let in_order = self.hunks.windows(2).all(|pair| pair[0].end() <= pair[1].start);
        self.numbered = in_order && self.file.old.is_some() && self.hunks.iter().all(|hunk| hunk.start > 0);
        let mut joined: Vec<Hunk> = Vec::new();
        for hunk in std::mem::take(&mut self.hunks) {
            match joined.last_mut() {
                Some(last) if self.numbered && last.end() == hunk.start => last.lines.extend(hunk.lines),
                _ => joined.push(hunk),
            }
        }
        self.hunks = joined.into_iter().flat_map(cut).collect();
    }

    fn edit(&self) -> Option<FileEdit> {
        let file = &self.file;
        let path = self.path().to_owned();
        let moved = match (&file.old, &file.new) {
            (Some(old), Some(new)) if old != new => {
                format!("{} {old}\n", if file.copy { "copy of" } else { "renamed" })
            }
            _ => String::new(),
        };
        let sides = match &file.change {
            Content::Text(_) if !self.hunks.is_empty() => {
                let old_file = file.old.is_some();
                Sides::Places(self.hunks.iter().map(|hunk| place(hunk, old_file && self.numbered)).collect())
            }
            Content::Text(_) => {
                let (old, new) = (file.old.is_some(), file.new.is_some());
                let mode = match (old, file.mode) {
                    (false, None) => Some(Mode::Plain),
                    (true, mode) if mode == file.old_mode => None,
                    (_, mode) => mode,
                };
                if old && new && moved.is_empty() && mode.is_none() {
                    return None;
                }
                Sides::Other(format!("{path} there {old} then {new} mode {mode:?}"))
            }
            Content::Binary(binary) => Sides::Other(format!("{path} {binary:?}")),
        };
        Some(FileEdit { path, moved, sides })
    }
}

/// A hunk in parts that have at most three lines of context at each end, and six between changes.
fn cut(hunk: Hunk) -> Vec<Hunk> {
    let changed: Vec<usize> =
        hunk.lines.iter().enumerate().filter(|(_, line)| Hunk::is_changed(line)).map(|(at, _)| at).collect();
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for at in changed {
        match spans.last_mut() {
            Some((_, last)) if at - *last <= 2 * CONTEXT + 1 => *last = at,
            _ => spans.push((at, at)),
        }
    }
    let spans = spans
        .into_iter()
        .map(|(first, last)| (first.saturating_sub(CONTEXT), (last + 1 + CONTEXT).min(hunk.lines.len())));
    let spans: Vec<_> = spans.collect();
    if spans == [(0, hunk.lines.len())] {
        return vec![hunk];
    }
    let old = |lines: &[patch::Line]| lines.iter().filter(|line| line.kind != LineKind::Added).count();
    spans
        .into_iter()
        .map(|(from, to)| Hunk { start: hunk.start + old(&hunk.lines[..from]), lines: hunk.lines[from..to].to_vec() })
        .collect()
}

/// A hunk before and after. One without context is told apart by its number, if that can be believed.
fn place(hunk: &Hunk, numbered: bool) -> Place {
    let (mut before, mut after) = (String::new(), String::new());
    for line in &hunk.lines {
        let sides: &mut [&mut String] = match line.kind {
            LineKind::Context => &mut [&mut before, &mut after],
            LineKind::Removed => &mut [&mut before],
            LineKind::Added => &mut [&mut after],
        };
        for side in sides {
            side.push_str(&line.text);
            if line.newline {
                side.push('\n');
            }
        }
    }
    Place { before, after, line: (numbered && hunk.context() == (0, 0)).then_some(hunk.start) }
}

/// Reads the diffs of one instance, each distinct one once, and gives each the context that the others show.
pub fn read_together<'d>(diffs: impl IntoIterator<Item = &'d str>) -> BTreeMap<&'d str, Result<Change, Malformed>> {
    let mut changes: BTreeMap<&str, Result<Change, Malformed>> = BTreeMap::new();
    for diff in diffs {
        changes.entry(diff).or_insert_with(|| Change::read(diff));
    }
    if changes.values().flatten().any(Change::is_short) {
        let mut surroundings = Surroundings::default();
        changes.values().flatten().for_each(|change| change.show(&mut surroundings));
        surroundings.settle();
        changes.values_mut().flatten().for_each(|change| change.widen(&surroundings));
    }
    changes
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
