//! What makes an instance's suite where that is not every test file of its tree, run together.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names that a sentence of a suite lists.
const MOST_NAMES: usize = 3;

/// Which test files of a tree are not part of its suite, and which run apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suite {
    /// Test files of the tree that nothing runs, by what leaves them out: the project's own configuration, or `--tests`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outside: BTreeMap<String, BTreeSet<String>>,
    /// What would leave every test file out, so that all of them are taken.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overruled: BTreeSet<String>,
    /// Groups of files with a session each, because one session cannot load them all. Empty: they run together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<Vec<String>>,
    /// Tests that the runner's configuration takes out of files that run, by file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deselected: BTreeMap<String, u64>,
}

impl Suite {
    /// Whether there is nothing to tell: every test file runs, and all in one session.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The suite as an admission stores it.
    pub fn stored(self) -> Option<Self> {
        (!self.is_plain()).then_some(self)
    }

    /// What of the tree's tests nothing runs: one sentence per reason.
    pub fn holes(&self) -> Vec<String> {
        let outside = self.outside.iter().map(|(why, files)| {
            let (count, are) = counted(files.len() as u64, "test file");
            format!("{count} {are} not part of the suite ({why}): {}", some(files))
        });
        let deselected = (!self.deselected.is_empty()).then(|| {
            let (count, are) = counted(self.deselected.values().sum(), "test");
            let files: BTreeSet<_> = self.deselected.keys().cloned().collect();
            format!("{count} {are} deselected by the runner's configuration: in {}", some(&files))
        });
        outside.chain(deselected).collect()
    }

    /// All that there is to tell, one sentence each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.holes();
        if !self.overruled.is_empty() {
            let why: Vec<_> = self.overruled.iter().map(String::as_str).collect();
            lines
                .push(format!("every test file is part of the suite, because none would be left ({})", why.join("; ")));
        }
        if !self.apart.is_empty() {
            lines.push(format!(
                "the test files run in {} sessions, because one session cannot load them all",
                self.apart.len()
            ));
        }
        lines
    }

    /// The session of a file that runs apart: the one that holds it, or else the one with a file nearest to it.
    pub fn session_of(&self, path: &str) -> Option<usize> {
        let near = |group: &Vec<String>| group.iter().map(|file| shared_folders(file, path)).max();
        let held = self.apart.iter().position(|group| group.iter().any(|file| file == path));
        held.or_else(|| {
            let nearest = self.apart.iter().map(near).max()?;
            self.apart.iter().position(|group| near(group) == nearest)
        })
    }
}

/// How many folders two paths have in common, from the top.
fn shared_folders(one: &str, other: &str) -> usize {
    let folders = |path| str::rsplit_once(path, '/').map_or("", |(folder, _)| folder);
    let (one, other) = (folders(one), folders(other));
    one.split('/').zip(other.split('/')).take_while(|(a, b)| a == b && !a.is_empty()).count()
}

fn counted(count: u64, what: &str) -> (String, &'static str) {
    if count == 1 { (format!("1 {what}"), "is") } else { (format!("{count} {what}s"), "are") }
}

fn some(names: &BTreeSet<String>) -> String {
    let first: Vec<_> = names.iter().take(MOST_NAMES).map(String::as_str).collect();
    match names.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_suite_tells_each_reason_once_with_a_count_and_some_names() {
        let suite = Suite {
            outside: BTreeMap::from([
                ("a plan".to_owned(), names(&["x/a", "x/b", "x/c", "x/d", "x/e"])),
                ("a rule".to_owned(), names(&["y/a"])),
            ]),
            overruled: names(&["another rule"]),
            apart: vec![vec!["a/t".to_owned()], vec!["b/t".to_owned()]],
            deselected: BTreeMap::from([("a/t".to_owned(), 2)]),
        };
        assert_eq!(
            suite.lines(),
            [
                "5 test files are not part of the suite (a plan): x/a, x/b, x/c and 2 more",
                "1 test file is not part of the suite (a rule): y/a",
                "2 tests are deselected by the runner's configuration: in a/t",
                "every test file is part of the suite, because none would be left (another rule)",
                "the test files run in 2 sessions, because one session cannot load them all",
            ]
        );
        assert_eq!(Suite::default().stored(), None);
    }

    #[test]
    fn a_new_file_runs_with_the_files_nearest_to_it() {
        let apart = [&["tests/a", "tests/deep/b"][..], &["e2e/x/tests/a"], &["e2e/y/tests/a"]];
        let apart = apart.map(|group| group.iter().map(|file| (*file).to_owned()).collect()).to_vec();
        let suite = Suite { apart, ..Suite::default() };
        for (path, session) in
            [("tests/new", 0), ("e2e/y/tests/new", 2), ("e2e/x/new", 1), ("new", 0), ("e2e/y/tests/a", 2)]
        {
            assert_eq!(suite.session_of(path), Some(session), "{path}");
        }
        assert_eq!(Suite::default().session_of("tests/a"), None);
    }
}
