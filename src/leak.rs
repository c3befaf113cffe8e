//! What an instance's own text gives away of the accepted change: the change itself, or the files to change. Pure.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::language::{self, classes::classify};
use crate::model::candidate::PathClass;
use crate::model::instance::Instance;
use crate::repo::patch::{Change, FilePatch, LineKind, parse};

/// Shorter lines, white space left out, say nothing about where they come from.
const TELLING: usize = 10;
/// Lines this long count as quoted inside a longer line, too.
const TELLING_INSIDE: usize = 20;

/// Answers that stand in the problem statement or its hints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leaks {
    /// At least half of the telling source lines that gold adds (or, where it adds none, removes) stand there.
    pub solution_in_issue: bool,
    /// The path, the file name or the dotted module name of a source file that gold changes stands there.
    pub path_named_in_issue: bool,
}

impl Leaks {
    /// An instance whose patch cannot be read leaks nothing that is known; it is refused at admission.
    pub fn of(instance: &Instance) -> Self {
        let Ok(files) = parse(&instance.patch) else { return Self::default() };
        let framework = &instance.environment.framework;
        let source = |path: &str| classify(path, framework) == PathClass::Source;
        let is_source = |file: &&FilePatch| path(file).is_some_and(source);
        let files: Vec<_> = files.iter().filter(is_source).collect();
        let text = format!("{}\n{}", instance.problem_statement, instance.hints_text);
        Self {
            solution_in_issue: holds_solution(&text, &files),
            path_named_in_issue: files.iter().filter_map(|file| path(file)).any(|path| names(&text, path)),
        }
    }
}

/// The path at base; of a new file, its own.
fn path(file: &FilePatch) -> Option<&str> {
    file.old.as_deref().or(file.new.as_deref())
}

fn holds_solution(text: &str, files: &[&FilePatch]) -> bool {
    let (added, removed, kept) = lines(files);
    let known: BTreeSet<_> = removed.union(&kept).cloned().collect();
    let quoted: BTreeSet<_> = text.lines().flat_map(readings).collect();
    let whole: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let stands = |line: &&String| quoted.contains(*line) || (line.len() >= TELLING_INSIDE && whole.contains(*line));
    // What base has already does not belong to the answer, even if gold moves it.
    let answer: Vec<_> = added.difference(&known).filter(|line| telling(line)).collect();
    if !answer.is_empty() {
        return answer.iter().filter(|line| stands(line)).count() * 2 >= answer.len();
    }
    let taken: BTreeSet<_> =
        text.lines().filter_map(|line| line.trim_start().strip_prefix('-')).map(squeezed).collect();
    let answer: Vec<_> = removed.difference(&added).filter(|line| telling(line)).collect();
    !answer.is_empty() && answer.iter().filter(|line| taken.contains(**line)).count() * 2 >= answer.len()
}

/// Lines that gold adds, removes and keeps, without white space.
fn lines(files: &[&FilePatch]) -> (BTreeSet<String>, BTreeSet<String>, BTreeSet<String>) {
    let (mut added, mut removed, mut kept) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for file in files {
        let Change::Text(hunks) = &file.change else { continue };
        for line in hunks.iter().flat_map(|hunk| &hunk.lines) {
            let set = match line.kind {
                LineKind::Added => &mut added,
                LineKind::Removed => &mut removed,
                LineKind::Context => &mut kept,
            };
            set.insert(squeezed(&line.text));
        }
    }
    (added, removed, kept)
}

/// A line of the issue as it stands, and without the marks of a diff, a quotation or an interpreter's prompt.
fn readings(line: &str) -> [String; 2] {
    [squeezed(line), squeezed(line.trim_start_matches([' ', '\t', '>', '+', '.']))]
}

fn squeezed(line: &str) -> String {
    line.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Whether a line of code can only come from its change: long enough, and neither a comment nor an import.
fn telling(line: &str) -> bool {
    let idle = ["#", "//", "/*", "*", "\"\"\"", "'''", "import", "from"];
    line.chars().count() >= TELLING
        && line.chars().any(char::is_alphanumeric)
        && !idle.iter().any(|start| line.starts_with(start))
}

fn names(text: &str, path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let common = file.starts_with("__") || file.eq_ignore_ascii_case("index.js") || file == "mod.rs";
    stands_alone(text, path)
        || (!common && stands_alone(text, file))
        || language::all().filter_map(|language| language.import_name(path)).any(|name| stands_alone(text, &name))
}

/// Whether a name stands in a text and is not a part of a longer one.
fn stands_alone(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(name).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(part) && !text[at + name.len()..].chars().next().is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PATCH: &str = "\
diff --git a/src/mixer/core.py b/src/mixer/core.py
--- a/src/mixer/core.py
+++ b/src/mixer/core.py
@@ -1,4 +1,6 @@
 import math
-    return part * 100 // whole
+    if whole == 0:
+        raise EmptyMixture(part)
+    return math.floor(part * 100 / whole + 0.5)
 # end
 x = 1
diff --git a/CHANGES.rst b/CHANGES.rst
--- a/CHANGES.rst
+++ b/CHANGES.rst
@@ -1 +1,2 @@
 Changes
+Ratios are rounded to the nearest percent
";
    const REMOVES: &str = "\
diff --git a/mixer.py b/mixer.py
--- a/mixer.py
+++ b/mixer.py
@@ -1,2 +1 @@
-    value = int(value) - 1
 x = 1
";

    fn leaks(patch: &str, problem: &str, hints: &str) -> Leaks {
        let instance: Instance = serde_json::from_value(json!({
            "instance_id": "a", "repo": "a/a", "base_commit": "0", "problem_statement": problem, "hints_text": hints,
            "patch": patch,
        }))
        .unwrap();
        Leaks::of(&instance)
    }

    #[test]
    fn a_statement_that_holds_half_of_the_change_holds_the_solution() {
        let fixed =
            "```python\nif whole == 0:\n\traise EmptyMixture(part)\nreturn math.floor(part*100/whole + 0.5)\n```";
        let table = [
            ("two thirds come out as 66", "", false),
            ("it should say\n    return math.floor(part * 100 / whole + 0.5)", "", false),
            (fixed, "", true),
            ("see the hints", fixed, true),
            (
                "```diff\n-    return part * 100 // whole\n+    if whole == 0:\n+        raise EmptyMixture(part)\n```",
                "",
                true,
            ),
            ("today it does `return part * 100 // whole`", "", false),
            ("Ratios are rounded to the nearest percent", "", false),
            ("> if whole == 0: raise EmptyMixture(part), then return math.floor(part * 100 / whole + 0.5).", "", true),
        ];
        for (problem, hints, expected) in table {
            assert_eq!(leaks(PATCH, problem, hints).solution_in_issue, expected, "{problem:?} {hints:?}");
        }
    }

    #[test]
    fn a_change_that_only_removes_is_given_away_by_a_diff_and_not_by_quoting_base() {
        assert!(leaks(REMOVES, "this helps:\n-    value = int(value) - 1\n", "").solution_in_issue);
        assert!(!leaks(REMOVES, "why does it do `value = int(value) - 1`?", "").solution_in_issue);
    }

    #[test]
    fn a_file_is_named_by_path_by_name_and_by_module_and_not_by_a_part_of_another_name() {
        let table = [
            ("src/mixer/core.py rounds down", true),
            ("File \"/usr/lib/python3/mixer/core.py\", line 3", true),
            ("`mixer.core.ratio` rounds down", true),
            ("from mixer.core import ratio", true),
            ("mixer rounds down at its core", false),
            ("see hardcore.py and core.pyx", false),
            ("see mixer.core_tools", false),
            ("CHANGES.rst says otherwise", false),
        ];
        for (problem, expected) in table {
            assert_eq!(leaks(PATCH, problem, "").path_named_in_issue, expected, "{problem:?}");
        }
        assert_eq!(leaks("no diff", "src/mixer/core.py", ""), Leaks::default());
    }
}
