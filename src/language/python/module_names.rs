//! Which test files one session of pytest can import: no two of them, or of their packages, may have one name. Pure.
//!
//! Unless `--import-mode=importlib` is set, pytest imports a test file from the first folder above it that is no package, by
//! the name that it has from there. Files from one such folder belong together. Folders from which one name is imported
//! twice do not.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{folder, join};
use super::pytest_config::PytestConfig;
use crate::language::files::Files;

/// Groups of the test files. One group: all can be imported in one session.
///
/// # Errors
/// A fault of whoever keeps the files.
pub(crate) fn sessions(files: &dyn Files, runner: &str, tests: &[String]) -> anyhow::Result<Vec<Vec<String>>> {
    let config = PytestConfig::of(files)?;
    let by_path = || config.options(&["--import-mode"]).last().is_some_and(|mode| mode == "importlib");
    if runner != "pytest" || by_path() {
        return Ok(vec![tests.to_vec()]);
    }
    let paths = files.trusted()?;
    let paths: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
    Ok(groups(&paths, tests))
}

fn groups(paths: &BTreeSet<&str>, tests: &[String]) -> Vec<Vec<String>> {
    let mut roots: BTreeMap<String, (BTreeSet<String>, Vec<String>)> = BTreeMap::new();
    for test in tests {
        let (root, name) = imported(paths, test);
        let (names, files) = roots.entry(root).or_default();
        names.insert(name);
        files.push(test.clone());
    }
    let mut groups: Vec<(BTreeSet<String>, Vec<String>)> = Vec::new();
    for (names, files) in roots.into_values() {
        match groups.iter_mut().find(|(taken, _)| taken.is_disjoint(&names)) {
            Some((taken, group)) => {
                taken.extend(names);
                group.extend(files);
            }
            None => groups.push((names, files)),
        }
    }
    let sorted = |(_, mut files): (_, Vec<String>)| {
        files.sort();
        files
    };
    groups.into_iter().map(sorted).collect()
}

/// The folder that a file is imported from, and the first part of the name that it has from there.
fn imported(paths: &BTreeSet<&str>, path: &str) -> (String, String) {
    let mut root = folder(path);
    while !root.is_empty() && paths.contains(join(root, "__init__.py").as_str()) {
        root = folder(root);
    }
    let inside = if root.is_empty() { path } else { &path[root.len() + 1..] };
    let name = inside.split('/').next().unwrap_or(inside);
    (root.to_owned(), name.strip_suffix(".py").unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::paper::Paper;
    use super::*;

    fn of(more: &[(&str, &str)], tests: &[&str], runner: &str) -> Vec<Vec<String>> {
        let files: Vec<_> = tests.iter().map(|path| (*path, "")).chain(more.iter().copied()).collect();
        let tests: Vec<_> = tests.iter().map(|path| (*path).to_owned()).collect();
        sessions(&Paper::of(&files), runner, &tests).unwrap()
    }

    #[test]
    fn files_whose_names_clash_stand_in_groups_of_their_own() {
        let init = |path| (path, "");
        let tests = ["e2e/a/tests/test_a.py", "e2e/b/tests/test_b.py", "other/test_c.py", "tests/test_d.py"];
        let packages = [init("e2e/a/tests/__init__.py"), init("e2e/b/tests/__init__.py"), init("tests/__init__.py")];
        let found = of(&packages, &tests, "pytest");
        assert_eq!(
            found,
            [vec![tests[3], tests[2]].into_iter().rev().collect::<Vec<_>>(), vec![tests[0]], vec![tests[1]]]
        );
        // Without packages, only files of the same name clash.
        assert_eq!(of(&[], &tests, "pytest").len(), 1);
        assert_eq!(of(&[], &["a/test_x.py", "a/test_y.py", "b/test_x.py"], "pytest")[1], ["b/test_x.py"]);
        // Each of these is loaded by its path.
        assert_eq!(of(&packages, &tests, "unittest").len(), 1);
        let mode = ("pytest.ini", "[pytest]\naddopts = --import-mode=importlib\n");
        assert_eq!(of(&[&packages[..], &[mode]].concat(), &tests, "pytest").len(), 1);
    }
}
