//! What a patch shows by itself: whether it is one, and which parts of a repository it changes. Pure.

use std::collections::BTreeSet;

use crate::language::classes::classify_change;
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
        /// Lines that are added, without white space at their ends, by the file that they are added to. Lines that the patch
        /// takes out elsewhere are only moved, as by a rename.
        added: Vec<(String, Vec<String>)>,
    },
}

/// Reads a patch.
pub fn patch_facts(patch: &str) -> PatchFacts {
    if patch.trim().is_empty() {
        return PatchFacts::Empty;
    }
    let files = match parse(patch) {
        Ok(files) => files,
        Err(malformed) => return PatchFacts::Unreadable(malformed.detail),
    };
    let (mut judging, mut others, mut added) = (Vec::new(), 0, Vec::new());
    let named: Vec<_> =
        files.iter().filter_map(|file| Some((file, file.new.as_deref().or(file.old.as_deref())?))).collect();
    let classes = classify_change(&named.iter().map(|(_, path)| *path).collect::<Vec<_>>());
    let removed: BTreeSet<_> = files.iter().flat_map(|file| changed_lines(file, LineKind::Removed)).collect();
    for ((file, path), class) in named.into_iter().zip(classes) {
        match class {
            PathClass::Test | PathClass::Fixture | PathClass::RunnerConfig => judging.push(path.to_owned()),
            _ => others += 1,
        }
        let lines = changed_lines(file, LineKind::Added).into_iter().filter(|line| !removed.contains(line)).collect();
        added.push((path.to_owned(), lines));
    }
    PatchFacts::Read { judging, others, added }
}

fn changed_lines(file: &FilePatch, kind: LineKind) -> Vec<String> {
    let Change::Text(hunks) = &file.change else { return Vec::new() };
    let lines = hunks.iter().flat_map(|hunk| &hunk.lines);
    lines.filter(|line| line.kind == kind).map(|line| line.text.trim().to_owned()).collect()
}

/// Shorter lines say nothing about where they come from.
const TELLING: usize = 6;

/// Whether at least half of the telling lines that a patch adds stand in the answer it was made from. White space around a
/// line does not count; a line that an edit changed in its middle holds a line of the answer. Half, because git may show
/// a line as added that the answer only moved. A file that the answer copies does not stand in it.
pub fn stands_in_answer(added: &[(String, Vec<String>)], answer: &str) -> bool {
    let bare = |line: &str| line.trim().trim_start_matches('+').trim().to_owned();
    let said: BTreeSet<String> = answer.lines().flat_map(|line| [line.trim().to_owned(), bare(line)]).collect();
    let parts: Vec<_> = said.iter().filter(|line| line.len() >= TELLING).collect();
    let copied = |path: &str| said.contains(&format!("copy to {path}"));
    let lines = added.iter().filter(|(path, _)| !copied(path)).flat_map(|(_, lines)| lines);
    let telling: Vec<_> = lines.filter(|line| line.len() >= TELLING).collect();
    let stands = |line: &&&String| said.contains(**line) || parts.iter().any(|part| line.contains(part.as_str()));
    telling.iter().filter(stands).count() * 2 >= telling.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_read_by_what_they_touch() {
        let diff = |path: &str| format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-x\n+  y = 1\n");
        assert_eq!(patch_facts(" \n"), PatchFacts::Empty);
        assert!(matches!(patch_facts("I would change src/a.py"), PatchFacts::Unreadable(_)));
        let read = patch_facts(&format!("{}{}", diff("src/a.py"), diff("tests/test_a.py")));
        let PatchFacts::Read { judging, others, added } = read else { panic!("{read:?}") };
        assert_eq!((judging, others), (vec!["tests/test_a.py".to_owned()], 1));
        assert_eq!(added.iter().flat_map(|(_, lines)| lines).collect::<Vec<_>>(), ["y = 1", "y = 1"]);
        let judging = |paths: &[&str]| match patch_facts(&paths.iter().map(|path| diff(path)).collect::<String>()) {
            PatchFacts::Read { judging, .. } => judging,
            other => panic!("{other:?}"),
        };
        for honest in [
            "core/src/main/java/org/x/spec/RangeSpec.java",
            "lib/spec/parse.rs",
            "site/templates/features/options.html",
            "docs/spec/format.adoc",
            "src/specs/a.py",
        ] {
            assert_eq!(judging(&[honest]), [""; 0], "{honest}");
        }
        for test in [
            "core/src/test/java/org/x/RangeTest.java",
            "spec/parse_spec.rb",
            "tests/data/a.json",
            "a.spec.ts",
            "tox.ini",
        ] {
            assert_eq!(judging(&[test]), [test]);
        }
        assert_eq!(
            judging(&["lib/a.rb", "features/a.html"]),
            ["features/a.html"],
            "beside code of a language that has them"
        );
    }

    #[test]
    fn what_a_rename_or_a_copy_only_moves_is_not_looked_for_in_the_answer() {
        let gone = "diff --git a/old.md b/old.md\ndeleted file mode 100644\n--- a/old.md\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-# A long title\n-More of the text\n";
        let come = "diff --git a/new.md b/new.md\nnew file mode 100644\n--- /dev/null\n+++ b/new.md\n@@ -0,0 +1,2 @@\n+# A long title\n+More of the text\n";
        let added = |patch: &str| match patch_facts(patch) {
            PatchFacts::Read { added, .. } => added,
            other => panic!("{other:?}"),
        };
        assert!(stands_in_answer(&added(&format!("{come}{gone}")), "rename from old.md\nrename to new.md\n"));
        assert!(stands_in_answer(&added(come), "copy from old.md\ncopy to new.md\n"));
        assert!(!stands_in_answer(&added(come), "rename from old.md\nrename to new.md\n"));
    }

    #[test]
    fn a_change_of_many_files_costs_no_more_than_each_of_them() {
        let paths: Vec<_> =
            (0..6_000).map(|at| if at % 2 == 0 { format!("a/{at}.py") } else { format!("a/{at}.md") }).collect();
        let classes = classify_change(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(classes.iter().filter(|class| **class == PathClass::Source).count(), 3_000);
    }

    #[test]
    fn added_lines_stand_in_their_answer_and_not_in_anothers() {
        let lines = ["total = sum(items)".to_owned(), "return total / 2  # half".to_owned(), "}".to_owned()];
        let added = [("a.py".to_owned(), lines.to_vec())];
        assert!(stands_in_answer(&added, "<<<\n    total = sum(items)\n    return total / 2  # half\n"));
        assert!(stands_in_answer(&added, "+    total = sum(items)\n+return total / 2  # half\n"));
        assert!(stands_in_answer(&added, "total = sum(items)\nreturn total / 2\n"), "an edit in the middle of a line");
        assert!(!stands_in_answer(&added, "total = max(items)\n}\n"));
        assert!(stands_in_answer(&[], "nothing is added"));
    }
}
