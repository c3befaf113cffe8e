//! The key of a patch: equal for patches that make the same change although their texts differ. Votes count equal keys,
//! and similarity compares keys, as in the released code of SWE-Swiss.
//!
//! A key is made file by file, in the order of the paths. Both sides of a file are brought into canonical form
//! of its language, and the key holds their difference as git writes it, header and blob ids
//! included. If some functions of a whole file were added and nothing else happened to its functions, the key
//! holds the added and removed lines alone, so that the place does not matter. If one side does not parse, both sides
//! stay as they are, because a difference between a canonical and a written text would be noise; the released code
//! makes that noise.
//!
//! Without whole files, the places that a diff shows are used. They are cut at three lines of context and widened by
//! what other diffs show.

use std::collections::{BTreeMap, HashMap};

use super::change::Change;
use super::file_edit::{FileEdit, Sides};
use crate::language::{Canonical, canonical};
use crate::repo;

/// The edits that a diff shows; its text alone if it cannot be read as one.
pub fn edits_of(diff: &str) -> Vec<FileEdit> {
    Change::read(diff).map(|change| change.edits()).unwrap_or_else(|_| {
        let other = Sides::Other(diff.trim().to_owned());
        vec![FileEdit { path: String::new(), moved: String::new(), sides: other }]
    })
}

/// Makes keys of patches to one tree. Each text that is there before the change is read once.
#[derive(Debug, Default)]
pub struct Normaliser {
    /// Path and text before -> its form, if it parses.
    before: HashMap<(String, String), Option<Canonical>>,
}

impl Normaliser {
    /// The key of a patch; empty for one that changes nothing but its clothes.
    pub fn key(&mut self, edits: &[FileEdit]) -> String {
        let parts: Vec<_> = edits.iter().map(|edit| self.file_key(edit)).collect();
        parts.concat().trim().to_owned()
    }

    fn file_key(&mut self, edit: &FileEdit) -> String {
        let path = &edit.path;
        let key = match &edit.sides {
            Sides::Other(text) => format!("{text}\n"),
            Sides::Places(places) => {
                let (mut old, mut new) = (String::new(), String::new());
                for place in places {
                    let (before, after) = (dedented(&place.before), dedented(&place.after));
                    match self.forms(path, &before, &after, false) {
                        Some((before, after)) => {
                            old.push_str(&before.text);
                            new.push_str(&after.text);
                        }
                        None => {
                            old.push_str(&ended(&before));
                            new.push_str(&ended(&after));
                        }
                    }
                }
                let diff = repo::text_diff(path, &old, &new);
                let lines = places.iter().filter_map(|place| place.line).filter(|_| !diff.is_empty());
                lines.map(|line| format!("at {line}\n")).collect::<String>() + &diff
            }
            Sides::Whole { old, new } => match self.forms(path, old, new, true) {
                Some((old, new)) => {
                    let diff = repo::text_diff(path, &old.text, &new.text);
                    if only_adds(&old.functions, &new.functions) { changed_lines(&diff) } else { diff }
                }
                None => repo::text_diff(path, &ended(old), &ended(new)),
            },
        };
        format!("{}{key}", edit.moved)
    }

    /// Both sides in canonical form; `None` if one of them does not parse.
    fn forms(&mut self, path: &str, old: &str, new: &str, whole: bool) -> Option<(&Canonical, Canonical)> {
        let before =
            self.before.entry((path.to_owned(), old.to_owned())).or_insert_with(|| canonical(path, old, whole));
        Some((before.as_ref()?, canonical(path, new, whole)?))
    }
}

/// Functions were added, none is gone and none is another.
fn only_adds(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> bool {
    new.len() > old.len() && old.iter().all(|(name, text)| new.get(name) == Some(text))
}

/// With a line feed at the end.
fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

fn changed_lines(diff: &str) -> String {
    let changed = diff.lines().filter(|line| line.starts_with(['+', '-']));
    changed.map(|line| format!("{line}\n")).collect()
}

/// A place as if it stood at the margin: hunks rarely start there, and would not parse.
fn dedented(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let Some(least) = text.lines().filter(|line| !line.trim().is_empty()).map(indent).min() else {
        return text.to_owned();
    };
    text.lines().map(|line| format!("{}\n", line.get(least..).unwrap_or(""))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(path: &str, old: &str, new: &str) -> String {
        let sides = Sides::Whole { old: old.to_owned(), new: new.to_owned() };
        Normaliser::default().key(&[FileEdit { path: path.to_owned(), moved: String::new(), sides }])
    }

    const OLD: &str = "def f(a):\n    return a\n";

    #[test]
    fn the_same_change_in_other_clothes_has_one_key_and_another_change_another() {
        let plain = whole("a.py", OLD, "def f(a):\n    return a + 'x'\n");
        let dressed = whole("a.py", OLD, "def f(a):\n    '''Adds.'''\n    return (a + \"x\")  # now\n");
        assert_eq!(plain, dressed);
        assert_ne!(plain, whole("a.py", OLD, "def f(a):\n    return a + 'y'\n"));
        assert_ne!(plain, whole("b.py", OLD, "def f(a):\n    return a + 'x'\n"));
        assert!(
            plain.contains("+    return a + \"x\"") && plain.starts_with("diff --git a/a.py b/a.py\nindex "),
            "{plain}"
        );
    }

    #[test]
    fn a_change_of_clothes_alone_is_no_change() {
        assert_eq!(whole("a.py", OLD, "def f(a):\n    # same\n    return (a)\n"), "");
        assert_eq!(Normaliser::default().key(&[]), "");
    }

    #[test]
    fn where_functions_are_only_added_their_place_does_not_matter() {
        let (old, new) = ("def f():\n    a()\n\ndef g():\n    b()\n", "def h():\n    c()\n");
        let (first, last) = (format!("{new}{old}"), format!("{old}{new}"));
        assert_eq!(whole("a.py", old, &first), whole("a.py", old, &last));
        assert!(!whole("a.py", old, &first).contains("@@"));
        let altered = last.replace("b()", "d()");
        assert!(whole("a.py", old, &altered).contains("@@"), "g is another function");
        let renamed = "def f():\n    a()\n\ndef h():\n    b()\n";
        assert!(whole("a.py", old, renamed).contains("@@"), "g is gone");
    }

    #[test]
    fn text_that_does_not_parse_stays_as_it_is_on_both_sides() {
        let key = whole("a.py", OLD, "def f(a):\n    return (a  +\n");
        assert!(key.contains("-    return a\n+    return (a  +"), "{key}");
        assert!(whole("a.txt", "a  b\n", "a  c\n").contains("+a  c"));
    }

    #[test]
    fn the_places_of_a_diff_are_read_like_files() {
        let diff = |line: &str| {
            format!(
                "diff --git a/a.py b/a.py\nindex 1..2 100644\n--- a/a.py\n+++ b/a.py\n@@ -7,3 +7,3 @@ class A:\n     def f(a):\n\
                 \x20        b = 1\n-        return a\n+        {line}\n"
            )
        };
        let plain = Normaliser::default().key(&edits_of(&diff("return a + 'x'")));
        assert_eq!(plain, Normaliser::default().key(&edits_of(&diff("return (a + \"x\")  # now"))));
        assert_ne!(plain, Normaliser::default().key(&edits_of(&diff("return a + 'y'"))));
        assert!(plain.contains("+    return a + \"x\""), "{plain}");
    }

    #[test]
    fn what_is_no_diff_is_its_own_key() {
        assert_eq!(Normaliser::default().key(&edits_of("  not a diff\n")), "not a diff");
        assert_eq!(Normaliser::default().key(&edits_of(" \n")), "");
    }
}
