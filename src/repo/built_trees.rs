//! The trees of an instance with what builds of base and of gold made.

use std::collections::BTreeSet;

use super::RepoError;
use super::built::{beside, built_otherwise, has_gold_s_sources};
use super::store::Repository;
use super::trees::trial_tree;
use crate::model::admission::Trees;
use crate::model::built_part::BuiltPart;
use crate::model::candidate::PathClass;
use crate::sandbox::FileChange;

/// The trees with what the builds of base and of gold made. A file that a tree has of its own stays. The tested base is what
/// runs of an answer that changes nothing: what is laid into answers is measured on base too. If gold's build differs by nothing
/// but packaging, which is gold's in whatever runs, base has gold's part, and with it every tree that is made of base.
///
/// # Errors
/// A fault of the repository.
pub fn with_built(
    repo: &Repository,
    trees: &Trees,
    mut part: BuiltPart,
    (base, gold): (&[FileChange], &[FileChange]),
) -> Result<Trees, RepoError> {
    // Gold may generate what base holds as a source. Answers are written for base, so they may change it.
    let own: BTreeSet<_> = repo.paths(&trees.base)?.into_iter().collect();
    let sources: Vec<_> = part.files.intersection(&own).cloned().collect();
    part.files.retain(|path| !own.contains(path));
    part.inputs.extend(sources);
    let mut layout = trees.layout.clone();
    layout.files.extend(part.files.iter().map(|path| (path.clone(), PathClass::BuildConfig)));
    layout.built = Some(part);
    let mut laid = Trees {
        base: beside(repo, &trees.base, base)?,
        gold: beside(repo, &trees.gold, gold)?,
        tested_base: beside(repo, &trees.tested_base, base)?,
        tested_gold: beside(repo, &trees.tested_gold, gold)?,
        layout,
    };
    if has_gold_s_sources(repo, &laid, &laid.base)? {
        laid.base = repo.take_paths(&laid.base, &laid.gold, &built_otherwise(repo, &laid)?)?;
    }
    laid.tested_base = trial_tree(repo, &laid, &laid.base)?;
    Ok(laid)
}

#[cfg(test)]
#[path = "built_trees_tests.rs"]
mod tests;
