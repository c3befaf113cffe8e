//! A draft: a tree with uncommitted changes in memory, on which answers are applied.

use std::collections::BTreeMap;

use super::paths;
use super::store::{Leaf, Repository, SUBMODULE_MODE};
use super::{RepoError, Stop};
use crate::model::candidate::{Malformed, MalformedReason};

/// The kinds of entry an answer may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Plain,
    Executable,
    Link,
}

/// A file: its mode, and its bytes or the target of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub mode: Mode,
    pub content: Vec<u8>,
}

impl Mode {
    pub(super) fn raw(self) -> i32 {
        match self {
            Self::Plain => 0o100_644,
            Self::Executable => 0o100_755,
            Self::Link => 0o120_000,
        }
    }

    pub(super) fn from_raw(raw: i32) -> Option<Self> {
        match raw {
            0o120_000 => Some(Self::Link),
            _ if raw & 0o170_000 != 0o100_000 => None,
            _ if raw & 0o111 != 0 => Some(Self::Executable),
            _ => Some(Self::Plain),
        }
    }
}

/// Most bytes an answer may write. Copies and binary deltas turn a small answer into any size otherwise.
const MAX_WRITTEN_BYTES: usize = 64 << 20;

/// A tree being changed.
pub(super) struct Draft<'r> {
    repo: &'r Repository,
    base_id: String,
    base: git2::Tree<'r>,
    /// `None` is a removed file.
    touched: BTreeMap<String, Option<Entry>>,
    /// Bytes held in `touched`.
    written: usize,
}

impl<'r> Draft<'r> {
    pub fn on(repo: &'r Repository, tree: &str) -> Result<Self, RepoError> {
        Ok(Self { repo, base_id: tree.to_owned(), base: repo.tree(tree)?, touched: BTreeMap::new(), written: 0 })
    }

    /// The file at a path as it stands now; `None` for a directory.
    pub fn get(&self, path: &str) -> Result<Option<Entry>, Stop> {
        if let Some(touched) = self.touched.get(path) {
            return Ok(touched.clone());
        }
        let Some(leaf) = self.repo.leaf(&self.base, path)? else { return Ok(None) };
        if leaf.mode == SUBMODULE_MODE {
            return Err(Malformed::new(MalformedReason::OddMode, format!("{path} is a submodule")).into());
        }
        let Some(mode) = Mode::from_raw(leaf.mode) else { return Ok(None) };
        Ok(Some(Entry { mode, content: self.repo.blob(leaf.oid)? }))
    }

    /// Whether base has a file or a folder at a path.
    pub fn base_has(&self, path: &str) -> Result<bool, RepoError> {
        Ok(self.repo.leaf(&self.base, path)?.is_some())
    }

    /// Refuses a path that is unsafe in itself or that passes through a link of this tree.
    pub fn check(&self, path: &str) -> Result<(), Stop> {
        paths::check(path)?;
        for parent in paths::parents(path) {
            let through_link = match self.touched.get(parent) {
                Some(touched) => touched.as_ref().is_some_and(|entry| entry.mode == Mode::Link),
                None => self.repo.leaf(&self.base, parent)?.is_some_and(|leaf| leaf.mode == Mode::Link.raw()),
            };
            if through_link {
                let detail = format!("{path} goes through the link {parent}");
                return Err(Malformed::new(MalformedReason::UnsafePath, detail).into());
            }
        }
        Ok(())
    }

    pub fn put(&mut self, path: &str, entry: Entry) -> Result<(), Stop> {
        self.check(path)?;
        self.touch(path, Some(entry))
    }

    pub fn remove(&mut self, path: &str) -> Result<(), Stop> {
        self.check(path)?;
        self.touch(path, None)
    }

    fn touch(&mut self, path: &str, entry: Option<Entry>) -> Result<(), Stop> {
        self.written += entry.as_ref().map_or(0, |entry| entry.content.len());
        let former = self.touched.insert(path.to_owned(), entry).flatten();
        self.written -= former.map_or(0, |entry| entry.content.len());
        if self.written > MAX_WRITTEN_BYTES {
            let detail = format!("the changed files hold more than {MAX_WRITTEN_BYTES} bytes");
            return Err(Malformed::new(MalformedReason::TooLarge, detail).into());
        }
        Ok(())
    }

    /// Writes the tree. A file that would stand where a directory is, or the other way round, does not apply.
    pub fn finish(self) -> Result<String, Stop> {
        let mut leaves: BTreeMap<String, Option<Leaf>> = BTreeMap::new();
        for (path, entry) in &self.touched {
            let leaf = match entry {
                Some(entry) => {
                    self.check_room(path)?;
                    Some(self.repo.store(&entry.content, entry.mode)?)
                }
                None => None,
            };
            leaves.insert(path.clone(), leaf);
        }
        Ok(self.repo.write_tree(&self.base_id, &leaves)?)
    }

    /// Whether a file can stand at `path`: no parent is a file, and no file or submodule is left below.
    fn check_room(&self, path: &str) -> Result<(), Stop> {
        let clash = |other: &str| {
            Stop::from(Malformed::new(
                MalformedReason::DoesNotApply,
                format!("{path} and {other} cannot both be files"),
            ))
        };
        for parent in paths::parents(path) {
            if self.get(parent)?.is_some() {
                return Err(clash(parent));
            }
        }
        let below = format!("{path}/");
        let touched_below = self.touched.range(below.clone()..).take_while(|(other, _)| other.starts_with(&below));
        for (other, entry) in touched_below {
            if entry.is_some() {
                return Err(clash(other));
            }
        }
        let Some(leaf) = self.repo.leaf(&self.base, path)? else { return Ok(()) };
        if Mode::from_raw(leaf.mode).is_none() {
            for other in self.repo.entries(&leaf.oid.to_string())?.into_keys() {
                let other = below.clone() + &other;
                if !self.touched.contains_key(&other) {
                    return Err(clash(&other));
                }
            }
        }
        Ok(())
    }
}
