//! The built part of a project in the trees of an instance. It stands in all four, so every tree that is made of them has it,
//! and no diff between them shows it unless gold is built otherwise. What a candidate changes of its sources is told here.

use std::collections::BTreeSet;

use super::RepoError;
use super::store::Repository;
use crate::language::{self, classes};
use crate::model::admission::Trees;
use crate::model::candidate::{PathClass, Prepared};
use crate::model::layout::Layout;
use crate::sandbox::FileChange;

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

/// A tree with files beside its own.
pub(super) fn beside(repo: &Repository, tree: &str, files: &[FileChange]) -> Result<String, RepoError> {
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

/// Paths that differ between two trees and that the project is built from. Where nothing was built, these are the sources
/// that only a compiler makes use of.
///
/// # Errors
/// A fault of the repository.
pub fn input_changes(repo: &Repository, layout: &Layout, from: &str, to: &str) -> Result<Vec<String>, RepoError> {
    changes(repo, layout, (from, to), |_, class| layout.built.is_some() && class == PathClass::RunnerConfig)
}

/// Paths that gold changes and by which its build may make something else than that of base, or something where that of
/// base makes nothing. Of packaging, what lies at the top counts: the build begins there.
///
/// # Errors
/// A fault of the repository.
pub fn build_changes(repo: &Repository, layout: &Layout, from: &str, to: &str) -> Result<Vec<String>, RepoError> {
    changes(repo, layout, (from, to), |path, class| {
        !path.contains('/') && matches!(class, PathClass::RunnerConfig | PathClass::BuildConfig)
    })
}

fn changes(
    repo: &Repository,
    layout: &Layout,
    (from, to): (&str, &str),
    configures: impl Fn(&str, PathClass) -> bool,
) -> Result<Vec<String>, RepoError> {
    let language = language::of_framework(&layout.framework);
    let sections = |tree: &str, path: &str| {
        let text = repo.read(tree, path)?.unwrap_or_default();
        Ok::<_, RepoError>(language.build_sections(path, &String::from_utf8_lossy(&text)))
    };
    let mut inputs = Vec::new();
    for path in repo.changed_paths(from, to)? {
        let is_input = layout.is_built_from(&path)
            || (configures(&path, layout.class(&path)) && sections(from, &path)? != sections(to, &path)?);
        if is_input {
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
    // What is built of gold is what the answer's own sources make if they are gold's. Packaging that only gold changes is
    // taken from gold in the tree that runs.
    let as_gold = other.iter().all(|path| classes::protected(layout.class(path)));
    Ok(own.into_iter().filter(|path| !as_gold || other.contains(path)).collect())
}

/// The tree that runs with the built part that fits its sources: gold's if all that is built from them is as in gold,
/// otherwise base's. `judged` is the answer's tree. Nothing runs of an answer whose sources fit neither ([`unbuilt`]).
pub(super) fn laid(repo: &Repository, trees: &Trees, judged: &str, runs: String) -> Result<String, RepoError> {
    let differs = built_otherwise(repo, trees)?;
    if differs.is_empty() {
        return Ok(runs);
    }
    let from = if has_gold_s_sources(repo, trees, judged)? { &trees.tested_gold } else { &trees.tested_base };
    repo.take_paths(&runs, from, &differs)
}

/// Whether all that is built from a tree is as in gold, but for packaging, which is gold's in whatever runs.
pub(super) fn has_gold_s_sources(repo: &Repository, trees: &Trees, judged: &str) -> Result<bool, RepoError> {
    let layout = &trees.layout;
    let is_source = |path: &String| layout.is_built_from(path) && !classes::protected(layout.class(path));
    Ok(!repo.changed_paths(judged, &trees.gold)?.iter().any(is_source))
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
