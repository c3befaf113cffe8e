//! The built part of a project in the trees of an instance. It stands in all four, so every tree that is made of them has it,
//! and no diff between them shows it unless gold is built otherwise. What a candidate changes of its sources is told here.

use std::collections::BTreeSet;

use super::RepoError;
use super::store::Repository;
use crate::language::{self, classes};
use crate::model::admission::Trees;
use crate::model::built_part::BuiltPart;
use crate::model::candidate::{PathClass, Prepared};
use crate::model::layout::Layout;
use crate::sandbox::FileChange;

/// The trees with what the builds of base and of gold made. A file that a tree has of its own stays.
///
/// # Errors
/// A fault of the repository.
pub fn with_built(
    repo: &Repository,
    trees: &Trees,
    part: BuiltPart,
    (base, gold): (&[FileChange], &[FileChange]),
) -> Result<Trees, RepoError> {
    let mut layout = trees.layout.clone();
    layout.files.extend(part.files.iter().map(|path| (path.clone(), PathClass::BuildConfig)));
    layout.built = Some(part);
    Ok(Trees {
        base: beside(repo, &trees.base, base)?,
        gold: beside(repo, &trees.gold, gold)?,
        tested_base: beside(repo, &trees.tested_base, base)?,
        tested_gold: beside(repo, &trees.tested_gold, gold)?,
        layout,
    })
}

/// Base as people have it, which an answer is written for: without what its build adds.
pub(super) fn source(repo: &Repository, trees: &Trees) -> Result<String, RepoError> {
    let Some(part) = &trees.layout.built else { return Ok(trees.base.clone()) };
    let gone: Vec<_> = part.files.iter().map(|path| FileChange::Remove { path: path.clone() }).collect();
    repo.with(&trees.base, &gone)
}

/// An answer's tree with what the build of base adds, but where the answer has something of its own.
pub(super) fn completed(repo: &Repository, trees: &Trees, tree: String) -> Result<String, RepoError> {
    let Some(part) = &trees.layout.built else { return Ok(tree) };
    let own: BTreeSet<_> = repo.paths(&tree)?.into_iter().collect();
    let taken = |path: &str| {
        let below = format!("{path}/");
        own.contains(path) || own.range(below.clone()..).next().is_some_and(|other| other.starts_with(&below))
    };
    let missing: Vec<_> = part.files.iter().filter(|path| !taken(path)).cloned().collect();
    repo.take_paths(&tree, &trees.base, &missing)
}

fn beside(repo: &Repository, tree: &str, files: &[FileChange]) -> Result<String, RepoError> {
    let own: BTreeSet<_> = repo.paths(tree)?.into_iter().collect();
    let laid: Vec<_> = files
        .iter()
        .filter(|file| match file {
            FileChange::Write { path, .. } | FileChange::Link { path, .. } | FileChange::Remove { path } => {
                !own.contains(path)
            }
        })
        .cloned()
        .collect();
    repo.with(tree, &laid)
}

/// Paths that differ between two trees and that the project is built from. Empty if nothing is built.
///
/// # Errors
/// A fault of the repository.
pub fn input_changes(repo: &Repository, layout: &Layout, from: &str, to: &str) -> Result<Vec<String>, RepoError> {
    if layout.built.is_none() {
        return Ok(Vec::new());
    }
    let language = language::of_framework(&layout.framework);
    let sections = |tree: &str, path: &str| {
        let text = repo.read(tree, path)?.unwrap_or_default();
        Ok::<_, RepoError>(language.build_sections(path, &String::from_utf8_lossy(&text)))
    };
    let mut inputs = Vec::new();
    for path in repo.changed_paths(from, to)? {
        let configures = layout.class(&path) == PathClass::RunnerConfig;
        if layout.is_built_from(&path) || (configures && sections(from, &path)? != sections(to, &path)?) {
            inputs.push(path);
        }
    }
    Ok(inputs)
}

/// Paths of a repair that the project is built from, and of which nothing was built. A repair whose sources of the built part
/// are those of gold has none: what gold's build made is what its own would make.
///
/// # Errors
/// A fault of the repository.
pub fn unbuilt(repo: &Repository, trees: &Trees, prepared: &Prepared) -> Result<Vec<String>, RepoError> {
    let layout = &trees.layout;
    let submitted = prepared.submitted_tree.as_ref().unwrap_or(&prepared.tree);
    let own = input_changes(repo, layout, &trees.base, submitted)?;
    if own.is_empty() {
        return Ok(own);
    }
    let other: BTreeSet<_> = input_changes(repo, layout, &trees.gold, submitted)?.into_iter().collect();
    // Packaging is taken from gold in the tree that runs. Of the rest, all must be as in gold, or all as in base.
    let protected = |path: &str| classes::protected(layout.class(path));
    let as_gold = other.iter().all(|path| protected(path));
    let unbuilt = |path: &String| if protected(path) { other.contains(path) } else { !as_gold };
    Ok(own.into_iter().filter(unbuilt).collect())
}

/// The tree that runs with the built part that fits its sources: gold's if all that is built from them is as in gold,
/// otherwise base's. `judged` is the answer's tree. Nothing runs of an answer whose sources fit neither ([`unbuilt`]).
pub(super) fn laid(repo: &Repository, trees: &Trees, judged: &str, runs: String) -> Result<String, RepoError> {
    let differs = built_otherwise(repo, trees)?;
    if differs.is_empty() {
        return Ok(runs);
    }
    let layout = &trees.layout;
    let inputs = repo.changed_paths(judged, &trees.gold)?.into_iter();
    let mut inputs = inputs.filter(|path| layout.is_built_from(path) && !classes::protected(layout.class(path)));
    let from = if inputs.next().is_none() { &trees.tested_gold } else { &trees.tested_base };
    repo.take_paths(&runs, from, &differs)
}

/// Files of the built part that gold's build makes otherwise.
///
/// # Errors
/// A fault of the repository.
pub fn built_otherwise(repo: &Repository, trees: &Trees) -> Result<Vec<String>, RepoError> {
    let Some(part) = &trees.layout.built else { return Ok(Vec::new()) };
    let changed = repo.changed_paths(&trees.base, &trees.gold)?;
    Ok(changed.into_iter().filter(|path| part.files.contains(path)).collect())
}
