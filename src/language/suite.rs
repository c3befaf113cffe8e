//! Which of the test files that a runner collects make an instance's suite. In: the files of its trees. Out: what is left out
//! and why, and which files one session cannot hold together. A language says what the project's own configuration leaves
//! out; the rest holds for every language.
//!
//! - A file that gold or its tests change belongs to the suite, and so does everything if tests are listed: then the lists say
//!   what runs.
//! - `--tests` overrules the configuration.
//! - A rule that would leave no file leaves all of them, and that is told.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::suite::Suite;

/// What is asked of a language.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub runner: &'a str,
    /// Test files that the runner collects if they are named.
    pub collected: &'a [String],
    /// Paths that gold and its tests change.
    pub changed: &'a BTreeSet<String>,
}

/// The files of the suite, and what is told of the others.
pub fn settled(question: Question<'_>, rules: Vec<BTreeMap<String, String>>) -> (Vec<String>, Suite) {
    let mut suite = Suite::default();
    let mut files: Vec<String> = question.collected.to_vec();
    for rule in rules {
        if files.iter().all(|file| rule.contains_key(file)) {
            suite.overruled.extend(rule.into_values());
            continue;
        }
        files.retain(|file| match rule.get(file).filter(|_| !question.changed.contains(file)) {
            Some(why) => {
                suite.outside.entry(why.clone()).or_default().insert(file.clone());
                false
            }
            None => true,
        });
    }
    (files, suite)
}

/// The rule of `--tests`: what is neither one of these paths nor below one is left out.
pub fn named(question: Question<'_>, paths: &[String]) -> BTreeMap<String, String> {
    let why = format!("--tests {}", paths.join(" "));
    let below = |file: &String| paths.iter().any(|path| is_at(path.trim_end_matches('/'), file));
    question.collected.iter().filter(|file| !below(file)).map(|file| (file.clone(), why.clone())).collect()
}

/// Whether a path is this one or below it.
pub(crate) fn is_at(above: &str, path: &str) -> bool {
    let above = above.strip_prefix("./").unwrap_or(above);
    let rest = path.strip_prefix(above);
    above.is_empty() || above == "." || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn rule(why: &str, files: &[&str]) -> BTreeMap<String, String> {
        files.iter().map(|file| ((*file).to_owned(), why.to_owned())).collect()
    }

    #[test]
    fn rules_leave_files_out_in_their_order_and_never_a_changed_one_nor_all() {
        let collected = strings(&["a/t", "b/t", "c/t", "d/t"]);
        let changed = BTreeSet::from(["c/t".to_owned()]);
        let question = Question { runner: "any", collected: &collected, changed: &changed };
        let rules = vec![rule("one", &["a/t", "c/t"]), rule("two", &["a/t", "b/t"])];
        let (files, suite) = settled(question, rules);
        assert_eq!(files, ["c/t", "d/t"]);
        let outside: Vec<_> = suite.outside.iter().map(|(why, files)| (why.as_str(), files.len())).collect();
        assert_eq!(outside, [("one", 1), ("two", 1)]);

        let all = rule("none is left", &["a/t", "b/t", "c/t", "d/t"]);
        let (files, suite) = settled(question, vec![all, rule("two", &["a/t"])]);
        assert_eq!(files, ["b/t", "c/t", "d/t"]);
        assert!(suite.lines()[1].ends_with("because none would be left (none is left)"), "{:?}", suite.lines());
        assert_eq!(settled(question, Vec::new()), (collected.clone(), Suite::default()));
    }

    #[test]
    fn named_paths_stand_for_themselves_and_what_is_below() {
        let collected = strings(&["a/t", "a/deep/t", "ab/t", "t"]);
        let changed = BTreeSet::new();
        let question = Question { runner: "any", collected: &collected, changed: &changed };
        let out = |paths: &[&str]| named(question, &strings(paths)).into_keys().collect::<Vec<_>>();
        assert_eq!(out(&["a/"]), ["ab/t", "t"]);
        assert_eq!(out(&["./a/deep", "t"]), ["a/t", "ab/t"]);
        assert_eq!(out(&["."]), Vec::<String>::new());
        assert_eq!(named(question, &strings(&["t"]))["a/t"], "--tests t");
    }
}
