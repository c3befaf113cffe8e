//! The trees of an instance, and the trees that trials run.
//!
//! An instance has four trees: base, gold, and both with the trusted tests (the *tested base* and the *tested gold*). A
//! sandbox holds the tested base as its read-only layer. A trial is the difference between that layer and the trial's
//! tree. It is written file by file with another modification time, so that warm bytecode counts for files that did not
//! change and for no others.
//!
//! A repair's trial tree is its policy tree with every protected path that gold changes taken from gold.

use std::collections::BTreeSet;

use super::apply::{Normalised, Origin, apply_diff};
use super::draft::Draft;
use super::store::Repository;
use super::{RepoError, Stop, built, layered};
use crate::language::{self, Files, Stated, classes};
use crate::model::admission::Trees;
use crate::model::candidate::{Malformed, PathClass};
use crate::model::layout::Layout;
use crate::runner;

/// The trees of an instance. Both patches must apply exactly, one after the other; what is [`Malformed`] here is the
/// instance.
///
/// # Errors
/// A base commit that the repository does not have, or a fault of the repository.
pub fn instance_trees(repo: &Repository, from: Sources<'_>) -> anyhow::Result<Result<Trees, Malformed>> {
    layered(trees(repo, from))
}

/// What an instance's trees are made from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    pub base_commit: &'a str,
    pub patch: &'a str,
    pub test_patch: &'a str,
    pub framework: &'a str,
    /// Ids of the listed tests.
    pub listed: &'a [String],
    /// Files and folders that are said to be the suite. A file among them is a test file.
    pub named: &'a [String],
}

fn trees(repo: &Repository, from: Sources<'_>) -> Result<Trees, Stop> {
    let base = repo.tree_of(from.base_commit)?;
    let gold = patched(repo, &base, from.patch, "patch")?;
    let tested_gold = patched(repo, &gold, from.test_patch, "test_patch")?;
    let (changed, tests) = (repo.changed_paths(&base, &gold)?, repo.changed_paths(&gold, &tested_gold)?);
    let mut listed = match runner::by_name(from.framework).filter(|_| !from.listed.is_empty()) {
        Some(runner) => runner::files_of(runner, from.listed, &repo.paths(&tested_gold)?),
        None => Vec::new(),
    };
    listed.extend(from.named.iter().cloned());
    let stated = Stated { gold: &changed, tests: &tests, listed: &listed };
    let layout = layout(repo, from.framework, &base, &tested_gold, stated)?;
    let trusted = protected_changes(repo, &layout, &base, &tested_gold)?;
    let trusted: Vec<_> = trusted.into_iter().map(|(path, _)| path).collect();
    let tested_base = repo.take_paths(&base, &tested_gold, &trusted)?;
    Ok(Trees { base, gold, tested_base, tested_gold, layout })
}

/// The layout of an instance. `trusted` is the tree that tests are taken from.
///
/// # Errors
/// A fault of the repository.
pub fn layout(
    repo: &Repository,
    framework: &str,
    base: &str,
    trusted: &str,
    stated: Stated<'_>,
) -> Result<Layout, RepoError> {
    let view = View { repo, base, trusted };
    language::of_framework(framework).survey(&view, framework, stated).map_err(|error| {
        let other = |error: anyhow::Error| RepoError::Survey { tree: trusted.to_owned(), why: format!("{error:#}") };
        error.downcast::<RepoError>().unwrap_or_else(other)
    })
}

/// The trees of an instance, for a language to read.
pub fn files<'a>(repo: &'a Repository, trees: &'a Trees) -> impl Files + 'a {
    View { repo, base: &trees.base, trusted: &trees.tested_gold }
}

/// The files of one tree, for a language or a tool chain to read.
pub fn files_of<'a>(repo: &'a Repository, tree: &'a str) -> impl Files + 'a {
    View { repo, base: tree, trusted: tree }
}

/// The files that gold and its tests change, and those of the tested gold that use them.
///
/// # Errors
/// A fault of the repository.
pub fn users_of_change(repo: &Repository, framework: &str, trees: &Trees) -> Result<BTreeSet<String>, RepoError> {
    let view = View { repo, base: &trees.base, trusted: &trees.tested_gold };
    let changed = repo.changed_paths(&trees.base, &trees.tested_gold)?.into_iter().collect();
    language::of_framework(framework).users(&view, &trees.layout, &changed).map_err(|error| {
        let why =
            |error: anyhow::Error| RepoError::Survey { tree: trees.tested_gold.clone(), why: format!("{error:#}") };
        error.downcast::<RepoError>().unwrap_or_else(why)
    })
}

/// Two trees of a repository, for a language to read.
struct View<'a> {
    repo: &'a Repository,
    base: &'a str,
    trusted: &'a str,
}

impl Files for View<'_> {
    fn base(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.repo.paths(self.base)?)
    }

    fn trusted(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.repo.paths(self.trusted)?)
    }

    fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.repo.read(self.trusted, path)?)
    }
}

fn patched(repo: &Repository, tree: &str, diff: &str, field: &str) -> Result<String, Stop> {
    if diff.trim().is_empty() {
        return Ok(tree.to_owned());
    }
    let apply = || {
        let mut draft = Draft::on(repo, tree)?;
        apply_diff(&mut draft, diff, Origin::Instance, &mut Normalised::new())?;
        draft.finish()
    };
    apply().map_err(|stop| match stop {
        Stop::Malformed(malformed) => Malformed::new(malformed.why, format!("{field}: {}", malformed.detail)).into(),
        fault @ Stop::Fault(_) => fault,
    })
}

/// Protected paths that differ between two trees of an instance, with their class.
pub(super) fn protected_changes(
    repo: &Repository,
    layout: &Layout,
    from: &str,
    to: &str,
) -> Result<Vec<(String, PathClass)>, RepoError> {
    let classed = repo.changed_paths(from, to)?.into_iter().map(|path| {
        let class = layout.class(&path);
        (path, class)
    });
    Ok(classed.filter(|(_, class)| classes::protected(*class)).collect())
}

/// The protected paths of a tree that are among the touched ones: paths, with a slash at the end for everything below.
pub fn protected_among(
    repo: &Repository,
    layout: &Layout,
    tree: &str,
    touched: &[String],
) -> Result<Vec<String>, RepoError> {
    if touched.is_empty() {
        return Ok(Vec::new());
    }
    let paths = repo.paths(tree)?;
    let all: BTreeSet<_> = paths.iter().map(String::as_str).collect();
    let mut among: BTreeSet<&str> = BTreeSet::new();
    for touched in touched {
        match touched.strip_suffix('/') {
            Some(_) => {
                let from = all.range(touched.as_str()..);
                among.extend(from.take_while(|path| path.starts_with(touched.as_str())));
            }
            None => among.extend(all.get(touched.as_str())),
        }
    }
    let protected = among.into_iter().filter(|path| classes::protected(layout.class(path)));
    Ok(protected.map(|path| (*path).to_owned()).collect())
}

/// The tree a repair trial runs: the policy tree, every protected path as in base, and last, by tree write, every
/// protected path that base and tested gold differ in, from tested gold. What is built is laid as `built` says.
pub fn trial_tree(repo: &Repository, trees: &Trees, policy_tree: &str) -> Result<String, RepoError> {
    let own = paths_of(protected_changes(repo, &trees.layout, &trees.base, policy_tree)?);
    let kept = repo.take_paths(policy_tree, &trees.base, &own)?;
    let trusted = paths_of(protected_changes(repo, &trees.layout, &trees.base, &trees.tested_gold)?);
    let runs = repo.take_paths(&kept, &trees.tested_gold, &trusted)?;
    built::laid(repo, trees, policy_tree, runs)
}

/// The tree of an as-submitted check: the submitted tree with only the test and fixture files that base and tested
/// gold differ in laid over it. Runner configuration and start-up files stay as submitted; that is what is checked.
pub fn submitted_trial_tree(repo: &Repository, trees: &Trees, submitted_tree: &str) -> Result<String, RepoError> {
    let mut trusted = protected_changes(repo, &trees.layout, &trees.base, &trees.tested_gold)?;
    trusted.retain(|(_, class)| matches!(class, PathClass::Test | PathClass::Fixture));
    let runs = repo.take_paths(submitted_tree, &trees.tested_gold, &paths_of(trusted))?;
    built::laid(repo, trees, submitted_tree, runs)
}

fn paths_of(changes: Vec<(String, PathClass)>) -> Vec<String> {
    changes.into_iter().map(|(path, _)| path).collect()
}
