//! A generated test put on its trees, and its source read.

use std::collections::BTreeSet;

use super::ground::Ground;
use crate::language::reader::{Project, Versions};
use crate::model::candidate::{Oracle, PathClass, Prepared, TrialTrees};
use crate::model::strength::Doubt;
use crate::runner::Runner;

/// The trees of a test, and what its source shows.
pub(crate) fn test_trees(place: Ground, prepared: &Prepared, script: bool) -> anyhow::Result<TrialTrees> {
    let Ground { repository, trees, framework, .. } = place;
    let collected =
        |path: &&String| script || framework.is_some_and(|framework| trees.layout.collects_new(framework, path));
    let own_tests: Vec<_> = prepared.files.iter().filter(collected).cloned().collect();
    let mut of_base = Vec::new();
    for path in &own_tests {
        if repository.read(&trees.base, path)?.is_some() {
            of_base.push(path.clone());
        }
    }
    let runner = framework.filter(|_| !script);
    let trusted: BTreeSet<_> = repository.changed_paths(&trees.base, &trees.tested_base)?.into_iter().collect();
    let own: Vec<_> = prepared.files.iter().filter(|path| !trusted.contains(*path)).cloned().collect();
    Ok(TrialTrees::Test {
        on_base: prepared.tree.clone(),
        on_gold: repository.take_paths(&trees.gold, &prepared.tree, &prepared.files)?,
        in_suite: repository.take_paths(&trees.tested_gold, &prepared.tree, &own)?,
        overruled: own_tests.iter().filter(|path| trusted.contains(*path)).cloned().collect(),
        oracle: read(place, prepared, script)?,
        files: targets(runner, &own_tests),
        script,
        edited: targets(runner, &of_base),
    })
}

/// What a runner is given to run these files, each once. Without one, as for a script, they are run by their paths.
fn targets(runner: Option<&dyn Runner>, paths: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let target = |path: &String| runner.map_or_else(|| Some(path.clone()), |runner| runner.target_of_file(path));
    paths.iter().filter_map(target).filter(|target| seen.insert(target.clone())).collect()
}

/// Reads every source file of the answer. If nothing reads the language, nothing is held against the answer either: it is
/// not read.
fn read(place: Ground, prepared: &Prepared, script: bool) -> anyhow::Result<Oracle> {
    let Ground { repository, trees, issue, .. } = place;
    let language = place.language();
    let Some(reader) = language.reader() else {
        let doubts = BTreeSet::from([Doubt::Unparsed]);
        return Ok(Oracle { not_read: Ground::unread(prepared), doubts, uses_project: true, ..Oracle::default() });
    };
    let is_source = |path: &str| language.is_source(path);
    let mut project = Project::default();
    for path in repository.paths(&trees.base)? {
        if trees.layout.class(&path) == PathClass::Source && is_source(&path) {
            project.modules.extend(reader.modules(&path));
            project.files.insert(path);
        }
    }
    let bytes = |tree: &str, path: &str| anyhow::Ok(repository.read(tree, path)?.unwrap_or_default());
    let text = |tree: &str, path: &str| anyhow::Ok(reader.text(&bytes(tree, path)?));
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    for path in repository.changed_paths(&trees.base, &trees.gold)? {
        if trees.layout.class(&path) != PathClass::Source || !is_source(&path) {
            continue;
        }
        if repository.read(&trees.base, &path)?.is_none() {
            after.extend(reader.added_module(&path));
        }
        before.extend(reader.mentioned(&text(&trees.base, &path)?));
        after.extend(reader.defined(&text(&trees.gold, &path)?));
    }
    let mut oracle = Oracle::default();
    for path in prepared.files.iter().filter(|path| is_source(path)) {
        let [base, candidate, gold] = [&trees.base, &prepared.tree, &trees.tested_gold].map(|tree| bytes(tree, path));
        let (base, candidate, gold) = (base?, candidate?, gold?);
        oracle.not_read.extend(reader.unread(path, Versions { base: &base, candidate: &candidate, gold: &gold }));
        let source = reader.text(&candidate);
        let found = reader.oracle(path, &source, script, &project);
        oracle.faults.extend(found.faults);
        oracle.doubts.extend(found.doubts);
        oracle.uses_project |= found.uses_project;
        let own = reader.defined(&source);
        let expected = reader.expected(&source).into_iter();
        let wanted = expected.filter(|name| after.contains(name) && !before.contains(name) && !own.contains(name));
        oracle.new_names.extend(wanted);
    }
    let said = |name: &String| issue.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
    if oracle.new_names.iter().any(|name| !said(name)) {
        oracle.doubts.insert(Doubt::NamesOnlyInGold);
    }
    Ok(oracle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::go::test::GoTest;
    use crate::runner::python::pytest::Pytest;

    #[test]
    fn files_are_run_by_what_their_runner_is_given_and_each_of_these_once() {
        let paths = ["q/a_test.go", "q/b_test.go", "top_test.go"].map(str::to_owned);
        assert_eq!(targets(Some(&GoTest), &paths), ["q", "."]);
        assert_eq!(targets(Some(&Pytest), &paths), paths);
        assert_eq!(targets(None, &paths), paths);
    }
}
