//! What a patch shows by itself: whether it is one, and which parts of a repository it changes. Pure.

use std::collections::BTreeSet;

use crate::language::classes::classify;
use crate::model::candidate::PathClass;
use crate::repo::patch::{Change, FilePatch, LineKind, parse};

/// A patch, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchFacts {
    Empty,
    /// No unified diff; what is wrong with it.
    Unreadable(String),
    Read {
        /// Changed files that decide how a repair is judged: tests, fixtures, runner configuration.
        judging: Vec<String>,
        /// Changed files of any other kind.
        others: usize,
        /// Lines that are added, without white space at their ends.
        added: Vec<String>,
    },
}

/// Reads a patch. `framework` names the rows of the class table for its language; any name will do for the rest.
pub fn patch_facts(patch: &str, framework: &str) -> PatchFacts {
    if patch.trim().is_empty() {
        return PatchFacts::Empty;
    }
    let files = match parse(patch) {
        Ok(files) => files,
        Err(malformed) => return PatchFacts::Unreadable(malformed.detail),
    };
    let (mut judging, mut others, mut added) = (Vec::new(), 0, Vec::new());
    for file in &files {
        let Some(path) = file.new.as_deref().or(file.old.as_deref()) else { continue };
        match classify(path, framework) {
            PathClass::Test | PathClass::Fixture | PathClass::RunnerConfig => judging.push(path.to_owned()),
            _ => others += 1,
        }
        added.extend(added_lines(file));
    }
    PatchFacts::Read { judging, others, added }
}

fn added_lines(file: &FilePatch) -> Vec<String> {
    let Change::Text(hunks) = &file.change else { return Vec::new() };
    let lines = hunks.iter().flat_map(|hunk| &hunk.lines);
    lines.filter(|line| line.kind == LineKind::Added).map(|line| line.text.trim().to_owned()).collect()
}

/// Shorter lines say nothing about where they come from.
const TELLING: usize = 6;

/// Whether at least half of the telling lines that a patch adds stand in the answer it was made from. White space around a
/// line does not count; a line that an edit changed in its middle holds a line of the answer. Half, because git may show
/// a line as added that the answer only moved.
pub fn stands_in_answer(added: &[String], answer: &str) -> bool {
    let bare = |line: &str| line.trim().trim_start_matches('+').trim().to_owned();
    let said: BTreeSet<String> = answer.lines().flat_map(|line| [line.trim().to_owned(), bare(line)]).collect();
    let parts: Vec<_> = said.iter().filter(|line| line.len() >= TELLING).collect();
    let telling: Vec<_> = added.iter().filter(|line| line.len() >= TELLING).collect();
    let stands = |line: &&&String| said.contains(**line) || parts.iter().any(|part| line.contains(part.as_str()));
    telling.iter().filter(stands).count() * 2 >= telling.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_read_by_what_they_touch() {
        let diff = |path: &str| format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-x\n+  y = 1\n");
        assert_eq!(patch_facts(" \n", "pytest"), PatchFacts::Empty);
        assert!(matches!(patch_facts("I would change src/a.py", "pytest"), PatchFacts::Unreadable(_)));
        let read = patch_facts(&format!("{}{}", diff("src/a.py"), diff("tests/test_a.py")), "pytest");
        let PatchFacts::Read { judging, others, added } = read else { panic!("{read:?}") };
        assert_eq!((judging, others), (vec!["tests/test_a.py".to_owned()], 1));
        assert_eq!(added, ["y = 1", "y = 1"]);
    }

    #[test]
    fn added_lines_stand_in_their_answer_and_not_in_anothers() {
        let added = ["total = sum(items)".to_owned(), "return total / 2  # half".to_owned(), "}".to_owned()];
        assert!(stands_in_answer(&added, "<<<\n    total = sum(items)\n    return total / 2  # half\n"));
        assert!(stands_in_answer(&added, "+    total = sum(items)\n+return total / 2  # half\n"));
        assert!(stands_in_answer(&added, "total = sum(items)\nreturn total / 2\n"), "an edit in the middle of a line");
        assert!(!stands_in_answer(&added, "total = max(items)\n}\n"));
        assert!(stands_in_answer(&[], "nothing is added"));
    }
}
