//! The difference of two trees: as a canonical diff, as paths, and as changes for a sandbox.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Delta, DiffFormat, DiffLineType, DiffOptions, Oid};

use super::RepoError;
use super::escaped;
use super::paths;
use super::store::{Leaf, Repository};
use crate::sandbox::FileChange;

impl Repository {
    /// The canonical unified diff `a`..`b`: git style with `a/` and `b/`, three lines of context, full object ids, no
    /// renames, no section headings (they depend on the reader's git attributes). Files that hold NUL or are not UTF-8
    /// are written as git binary patches, and so are lines with characters that stand for other bytes in an answer. So the diff is
    /// always text and always applies back.
    pub fn diff(&self, a: &str, b: &str) -> Result<String, RepoError> {
        let doing = "comparing trees";
        let (old, new) = (self.tree(a)?, self.tree(b)?);
        let options = || {
            let mut options = DiffOptions::new();
            options.context_lines(3).interhunk_lines(0).id_abbrev(40).old_prefix("a/").new_prefix("b/");
            options.ignore_submodules(false);
            options
        };
        let text = self
            .git
            .diff_tree_to_tree(Some(&old), Some(&new), Some(options().force_text(true)))
            .map_err(self.fault(doing))?;
        let mut binary = Vec::new();
        for delta in text.deltas() {
            let changed = delta.old_file().id() != delta.new_file().id();
            binary.push(changed && (self.is_binary(delta.old_file())? || self.is_binary(delta.new_file())?));
        }
        let sections = self.sections(&text)?;
        for (section, binary) in sections.iter().zip(&mut binary) {
            *binary |= escaped::holds(section);
        }
        if !binary.contains(&true) {
            return Ok(sections.concat());
        }
        let as_binary = self
            .git
            .diff_tree_to_tree(Some(&old), Some(&new), Some(options().force_binary(true).show_binary(true)))
            .map_err(self.fault(doing))?;
        let as_binary = self.sections(&as_binary)?;
        let chosen = sections.into_iter().zip(as_binary).zip(binary);
        Ok(chosen.map(|((text, literal), binary)| if binary { literal } else { text }).collect())
    }

    /// Line numbers that differ between two trees, by path: taken out, as `a` counts them, and added, as `b` does. Files
    /// that are not text have none.
    pub fn changed_lines(&self, a: &str, b: &str) -> Result<BTreeMap<String, ChangedLines>, RepoError> {
        let doing = "comparing trees";
        let (old, new) = (self.tree(a)?, self.tree(b)?);
        let mut options = DiffOptions::new();
        options.context_lines(0).ignore_submodules(false);
        let diff = self.git.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options)).map_err(self.fault(doing))?;
        let mut changed: BTreeMap<String, ChangedLines> = BTreeMap::new();
        diff.print(DiffFormat::Patch, |delta, _, line| {
            let path = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes());
            let Some(path) = path.and_then(|path| std::str::from_utf8(path).ok()) else { return true };
            let entry = changed.entry(path.to_owned()).or_default();
            match line.origin_value() {
                DiffLineType::Addition => entry.added.extend(line.new_lineno()),
                DiffLineType::Deletion => entry.removed.extend(line.old_lineno()),
                _ => {}
            }
            true
        })
        .map_err(self.fault(doing))?;
        Ok(changed)
    }

    /// One text per changed file, in path order.
    fn sections(&self, diff: &git2::Diff<'_>) -> Result<Vec<String>, RepoError> {
        let mut sections: Vec<Vec<u8>> = Vec::new();
        diff.print(DiffFormat::Patch, |_, hunk, line| {
            let kind = line.origin_value();
            if kind == DiffLineType::FileHeader || sections.is_empty() {
                sections.push(Vec::new());
            }
            let Some(section) = sections.last_mut() else { return true };
            match (kind, hunk) {
                (DiffLineType::HunkHeader, Some(hunk)) => section.extend(hunk_header(&hunk).bytes()),
                (DiffLineType::Context, _) => section.push(b' '),
                (DiffLineType::Addition, _) => section.push(b'+'),
                (DiffLineType::Deletion, _) => section.push(b'-'),
                _ => {}
            }
            if kind != DiffLineType::HunkHeader {
                section.extend(line.content());
            }
            true
        })
        .map_err(self.fault("writing a diff"))?;
        // Binary sections are replaced by the caller, so what is lossy here is never used.
        let sections = sections.into_iter().map(|section| String::from_utf8_lossy(&section).into_owned());
        Ok(sections.map(without_idle_names).collect())
    }

    fn is_binary(&self, file: git2::DiffFile<'_>) -> Result<bool, RepoError> {
        if file.id().is_zero() || file.mode() == git2::FileMode::Commit {
            return Ok(false);
        }
        let blob = self.git.find_blob(file.id()).map_err(self.fault("reading a file"))?;
        let content = blob.content();
        Ok(content.contains(&0) || std::str::from_utf8(content).is_err())
    }

    /// Paths that differ between two trees, sorted by bytes, each once.
    pub fn changed_paths(&self, a: &str, b: &str) -> Result<Vec<String>, RepoError> {
        Ok(self.compare(a, b)?.into_iter().map(|change| change.path).collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// What turns files of `from_tree` into files of `to_tree`: removals first, then writes. If a file takes the
    /// place of a directory, the removal of its files is followed by the removal of the directory itself.
    pub fn changes(&self, from_tree: &str, to_tree: &str) -> Result<Vec<FileChange>, RepoError> {
        let compared = self.compare(from_tree, to_tree)?;
        let mut removals = Vec::new();
        let mut writes = Vec::new();
        let mut emptied = BTreeSet::new();
        let written: BTreeSet<_> = compared.iter().filter(|c| c.new.is_some()).map(|c| c.path.clone()).collect();
        for change in compared {
            match change.new {
                Some(new) => {
                    // A link or a file never turns into the other by writing over it.
                    if change.old.is_some_and(|old| (old.mode ^ new.mode) & 0o170_000 != 0) {
                        removals.push(FileChange::Remove { path: change.path.clone() });
                    }
                    writes.push(self.change(change.path, new)?);
                }
                None => {
                    emptied.extend(paths::parents(&change.path).filter(|p| written.contains(*p)).map(str::to_owned));
                    removals.push(FileChange::Remove { path: change.path });
                }
            }
        }
        removals.extend(emptied.into_iter().rev().map(|path| FileChange::Remove { path }));
        removals.extend(writes);
        Ok(removals)
    }

    /// One record per changed path. Submodules are left out: nothing of them is in the store.
    fn compare(&self, a: &str, b: &str) -> Result<Vec<Change>, RepoError> {
        let (old, new) = (self.tree(a)?, self.tree(b)?);
        let mut options = DiffOptions::new();
        options.include_typechange(true).skip_binary_check(true);
        let diff = self
            .git
            .diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))
            .map_err(self.fault("comparing trees"))?;
        let mut changes = Vec::new();
        for delta in diff.deltas() {
            let leaf = |file: git2::DiffFile<'_>, absent: Delta| {
                let mode = u32::from(file.mode()) as i32;
                let there = delta.status() != absent && file.id() != Oid::ZERO_SHA1 && mode & 0o170_000 != 0o160_000;
                there.then_some(Leaf { oid: file.id(), mode })
            };
            let (old, new) = (leaf(delta.old_file(), Delta::Added), leaf(delta.new_file(), Delta::Deleted));
            if old.is_none() && new.is_none() {
                continue;
            }
            let name = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes()).unwrap_or_default();
            let path = std::str::from_utf8(name).map_err(|_| RepoError::Unstorable {
                path: String::from_utf8_lossy(name).into_owned(),
                why: "the name is not UTF-8; such repositories cannot be used".to_owned(),
            })?;
            changes.push(Change { path: path.to_owned(), old, new });
        }
        Ok(changes)
    }
}

/// Lines of a file that a change takes out and adds, counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedLines {
    pub removed: BTreeSet<u32>,
    pub added: BTreeSet<u32>,
}

/// A changed path: what was there, what is there.
struct Change {
    path: String,
    old: Option<Leaf>,
    new: Option<Leaf>,
}

/// An empty file that comes or goes has no hunk, and git writes no `---` and `+++` lines then; libgit2 does.
fn without_idle_names(mut section: String) -> String {
    let header = section
        .find("\n--- ")
        .filter(|at| !section[at + 1..].contains("\n@@ ") && !section.contains("\nGIT binary patch\n"));
    if let Some(at) = header {
        section.truncate(at + 1);
    }
    section
}

fn hunk_header(hunk: &git2::DiffHunk<'_>) -> String {
    let range = |start: u32, lines: u32| if lines == 1 { start.to_string() } else { format!("{start},{lines}") };
    format!("@@ -{} +{} @@\n", range(hunk.old_start(), hunk.old_lines()), range(hunk.new_start(), hunk.new_lines()))
}
