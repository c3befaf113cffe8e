//! The files of a tree that declare something, as text.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::super::source::text;
use crate::language::Files;

/// Bytes of a file beyond which nobody wrote it by hand, and of a lock file.
const LONGEST: usize = 4 << 20;

/// A tree, and what is to be said of files that cannot be read.
pub(crate) struct Tree<'a> {
    files: &'a dyn Files,
    paths: BTreeSet<String>,
    notes: RefCell<Vec<String>>,
}

impl<'a> Tree<'a> {
    pub fn new(files: &'a dyn Files) -> anyhow::Result<Self> {
        Ok(Self { files, paths: files.base()?.into_iter().collect(), notes: RefCell::default() })
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    pub fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// The text of a file; None if there is none of this name, or if it is too long to be read.
    pub fn read(&self, path: &str) -> anyhow::Result<Option<String>> {
        if !self.has(path) {
            return Ok(None);
        }
        let Some(bytes) = self.files.read(path)? else { return Ok(None) };
        if bytes.len() > LONGEST {
            self.note(format!("{path} is skipped: it is longer than {} MiB", LONGEST >> 20));
            return Ok(None);
        }
        Ok(Some(text(&bytes)))
    }

    /// A TOML file; None if there is none, or if it cannot be read, which is noted.
    pub fn toml(&self, path: &str) -> anyhow::Result<Option<toml::Table>> {
        let Some(text) = self.read(path)? else { return Ok(None) };
        match text.parse() {
            Ok(table) => Ok(Some(table)),
            Err(error) => {
                let error: toml::de::Error = error;
                self.note(format!("{path} is skipped, because it is not TOML: {}", error.message()));
                Ok(None)
            }
        }
    }

    /// Keeps a sentence for the user.
    pub fn note(&self, sentence: String) {
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&sentence) {
            notes.push(sentence);
        }
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }
}
