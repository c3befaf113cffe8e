//! The listing of a repository: every file below its directory. A listing that does not fit drops what is not source,
//! then folds folders from below, and says so in the prompt. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tokens::{Counter, TokensError};

/// Spaces per level.
const INDENT: usize = 4;

/// How much of a repository a listing shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Every file.
    All,
    /// Source files only.
    Source,
    /// Source files; folders deeper than this many levels are given with the number of files in them.
    Folded { levels: u32 },
    /// Nothing fitted.
    #[default]
    Nothing,
}

/// A listing that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub text: String,
    pub tokens: u64,
    pub shown: Shown,
}

impl Listing {
    /// Every file, however long that is.
    pub fn whole(paths: &[String]) -> Self {
        Self { text: tree(paths.iter().map(String::as_str), usize::MAX), tokens: 0, shown: Shown::All }
    }

    /// What is said about a listing that is not whole; nothing about a whole one.
    pub fn note(&self) -> String {
        match self.shown {
            Shown::All | Shown::Nothing => String::new(),
            Shown::Source => "Only source files are listed.".to_owned(),
            Shown::Folded { levels } => {
                format!("Only source files are listed; folders below level {levels} with their number of files.")
            }
        }
    }
}

/// The listings of a repository, the fullest first: all files, source files only, then deeper and deeper folders folded. Each is
/// made and counted once, when it is first needed.
#[derive(Debug, Default)]
pub struct Listings {
    made: Vec<Listing>,
}

impl Listings {
    /// The fullest listing of at most `room` tokens; an empty one if none fits. Paths and classes are to be the same every time.
    ///
    /// # Errors
    /// The tokenizer refuses the text.
    pub fn fitting(
        &mut self,
        paths: &[String],
        is_source: impl Fn(&str) -> bool,
        room: u64,
        counter: &Counter,
    ) -> Result<Listing, TokensError> {
        if let Some(listing) = self.made.iter().find(|listing| listing.tokens <= room) {
            return Ok(listing.clone());
        }
        let source: Vec<&str> = paths.iter().map(String::as_str).filter(|path| is_source(path)).collect();
        let deepest = source.iter().map(|path| path.matches('/').count()).max().unwrap_or(0);
        let folded = (1..=deepest).rev().map(|levels| Shown::Folded { levels: levels as u32 });
        for shown in [Shown::All, Shown::Source].into_iter().chain(folded).skip(self.made.len()) {
            let text = match shown {
                Shown::All => tree(paths.iter().map(String::as_str), usize::MAX),
                Shown::Source => tree(source.iter().copied(), usize::MAX),
                Shown::Folded { levels } => tree(source.iter().copied(), levels as usize),
                Shown::Nothing => String::new(),
            };
            let tokens = match self.made.last() {
                Some(fuller) if fuller.text == text => fuller.tokens,
                _ => counter.count(&text)?,
            };
            self.made.push(Listing { text, tokens, shown });
            if let Some(listing) = self.made.last().filter(|listing| listing.tokens <= room) {
                return Ok(listing.clone());
            }
        }
        Ok(Listing::default())
    }
}

#[derive(Default)]
struct Directory<'a> {
    files: BTreeSet<&'a str>,
    below: BTreeMap<&'a str, Directory<'a>>,
}

impl<'a> Directory<'a> {
    fn add(&mut self, path: &'a str) {
        match path.split_once('/') {
            Some((name, rest)) => self.below.entry(name).or_default().add(rest),
            None => {
                self.files.insert(path);
            }
        }
    }

    fn count(&self) -> usize {
        self.files.len() + self.below.values().map(Self::count).sum::<usize>()
    }

    /// Names in order, directories with a slash, `levels` of directories in full.
    fn list(&self, level: usize, levels: usize, text: &mut String) {
        let names: BTreeSet<_> = self.files.iter().chain(self.below.keys()).collect();
        for name in names {
            let mut line = |end: &str| {
                text.extend(std::iter::repeat_n(' ', level * INDENT));
                text.push_str(name);
                text.push_str(end);
            };
            if self.files.contains(*name) {
                line("\n");
            }
            let Some(below) = self.below.get(*name) else { continue };
            if level < levels {
                line("/\n");
                below.list(level + 1, levels, text);
            } else {
                line(&format!("/ ({} files)\n", below.count()));
            }
        }
    }
}

/// One name a line, four spaces a level.
fn tree<'a>(paths: impl Iterator<Item = &'a str>, levels: usize) -> String {
    let mut root = Directory::default();
    for path in paths.filter(|path| !path.is_empty()) {
        root.add(path);
    }
    let mut text = String::new();
    root.list(0, levels, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Vec<String> {
        [
            "README",
            "setup.cfg",
            "src/a.py",
            "src/inner/b.py",
            "src/inner/deep/c.py",
            "src/inner/deep/d.py",
            "tests/t.py",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn fitting(room: u64) -> Listing {
        Listings::default().fitting(&paths(), |path| path.starts_with("src/"), room, &Counter::estimate()).unwrap()
    }

    #[test]
    fn every_file_stands_once_below_its_directory() {
        let all = "README\nsetup.cfg\nsrc/\n    a.py\n    inner/\n        b.py\n        deep/\n            c.py\n            d.py\ntests/\n    t.py\n";
        assert_eq!(fitting(1000), Listing { text: all.to_owned(), tokens: fitting(1000).tokens, shown: Shown::All });
        assert_eq!(Listing::whole(&paths()).text, all);
        assert_eq!(Listing::whole(&[]).text, "");
    }

    #[test]
    fn where_the_whole_does_not_fit_source_is_kept_and_folders_are_folded_from_below() {
        let whole = fitting(1000).tokens;
        let source = fitting(whole - 1);
        assert_eq!(source.shown, Shown::Source);
        assert_eq!(
            source.text,
            "src/\n    a.py\n    inner/\n        b.py\n        deep/\n            c.py\n            d.py\n"
        );
        let folded = fitting(source.tokens - 1);
        assert_eq!(folded.shown, Shown::Folded { levels: 2 });
        assert_eq!(folded.text, "src/\n    a.py\n    inner/\n        b.py\n        deep/ (2 files)\n");
        assert!(folded.note().contains("level 2"), "{}", folded.note());
        assert_eq!(fitting(folded.tokens - 1).text, "src/\n    a.py\n    inner/ (3 files)\n");
        assert_eq!(fitting(1), Listing::default());
    }

    #[test]
    fn a_name_may_be_a_file_in_one_place_and_a_folder_in_another() {
        let paths = ["a", "b/a/c"].map(str::to_owned);
        assert_eq!(Listing::whole(&paths).text, "a\nb/\n    a/\n        c\n");
    }

    #[test]
    fn no_listing_is_longer_than_its_room() {
        let mut kept = Listings::default();
        for room in (0..80).chain((0..80).rev()) {
            let again = kept.fitting(&paths(), |path| path.starts_with("src/"), room, &Counter::estimate()).unwrap();
            assert!(again.tokens <= room);
            assert_eq!(again, fitting(room), "what was asked before does not matter");
        }
    }
}
