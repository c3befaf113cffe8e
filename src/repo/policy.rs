//! The policy tree of a repair: the answer without what it may not decide.
//!
//! A look at a tree names what may not stay: changes of protected classes, new links ([`links`]), and changes that
//! trusted files would take the place of, because what is exported must be what ran. What is named is taken back to base. A folder may
//! thereby become a file again, and a link may then show something else. So the tree is looked at again until
//! nothing more is named, and the diff of the last tree, prepared again, gives the same tree.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{DANGLING_LINK, LINK_LEFT_OUT, Normalised};
use super::links::{self, TakenBack};
use super::store::Repository;
use super::trees::{protected_changes, trial_tree};
use super::{RepoError, Stop, paths};
use crate::model::admission::Trees;
use crate::model::candidate::{PathClass, Stripped};

/// A repair under the policy.
pub(super) struct Policy {
    /// The answer without what was taken back.
    pub tree: String,
    /// The answer without the links that were left out.
    pub submitted: String,
    pub stripped: Vec<Stripped>,
}

/// Takes back what an answer may not decide. Each look that names something takes at least one change away, so
/// there are no more looks than changes.
pub(super) fn policy(repo: &Repository, trees: &Trees, answer: String, notes: &mut Normalised) -> Result<Policy, Stop> {
    let mut tree = answer.clone();
    let (mut stripped, mut left_out) = (BTreeMap::new(), Vec::new());
    loop {
        let named = look(repo, trees, &tree)?;
        if named.is_empty() {
            break;
        }
        let paths: Vec<_> = named.keys().cloned().collect();
        tree = repo.take_paths(&tree, &trees.base, &paths)?;
        for (path, why) in named {
            let note = match why {
                TakenBack::Protected(class) => {
                    stripped.insert(path, class);
                    continue;
                }
                TakenBack::Dangling => DANGLING_LINK,
                TakenBack::Astray => LINK_LEFT_OUT,
            };
            notes.insert(note);
            left_out.push(path);
        }
    }
    Ok(Policy {
        submitted: repo.take_paths(&answer, &trees.base, &left_out)?,
        tree,
        stripped: stripped.into_iter().map(|(path, class)| Stripped { path, class }).collect(),
    })
}

/// The changes of a tree that may not stay.
fn look(repo: &Repository, trees: &Trees, tree: &str) -> Result<BTreeMap<String, TakenBack>, Stop> {
    let changed = repo.changed_paths(&trees.base, tree)?;
    if changed.is_empty() {
        return Ok(BTreeMap::new());
    }
    let runs = trial_tree(repo, trees, tree)?;
    let links = links::taken_back(repo, &trees.layout, &changed, tree, &runs)?;
    let protected: BTreeMap<_, _> = protected_changes(repo, &trees.layout, &trees.base, tree)?.into_iter().collect();
    let differs: BTreeSet<_> = repo.changed_paths(tree, &runs)?.into_iter().collect();
    let gone = changed.iter().filter(|path| differs.contains(*path) && !protected.contains_key(*path));
    let displaced = displaced(repo, trees, gone.cloned().collect(), &protected)?;

    let mut named: BTreeMap<_, _> =
        protected.into_iter().chain(displaced).map(|(path, class)| (path, TakenBack::Protected(class))).collect();
    named.extend(links);
    Ok(named)
}

/// Changes that are not protected, and that are gone in the tree that runs: a trusted file, or one that is taken back, stands in
/// their place or below it. Each gets the class of that file.
fn displaced(
    repo: &Repository,
    trees: &Trees,
    gone: Vec<String>,
    protected: &BTreeMap<String, PathClass>,
) -> Result<Vec<(String, PathClass)>, RepoError> {
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let mut laid = protected.clone();
    laid.extend(protected_changes(repo, &trees.layout, &trees.base, &trees.tested_gold)?);
    let class = |path: &str| class_of_what_displaces(path, &laid).unwrap_or_else(|| trees.layout.class(path));
    Ok(gone.into_iter().map(|path| (path.clone(), class(&path))).collect())
}

/// The class of the file above or below a path that cannot be beside it.
fn class_of_what_displaces(path: &str, laid: &BTreeMap<String, PathClass>) -> Option<PathClass> {
    let below = format!("{path}/");
    let above = paths::parents(path).find_map(|parent| laid.get(parent));
    let inside = laid.range(below.clone()..).next().filter(|(other, _)| other.starts_with(&below));
    above.or(inside.map(|(_, class)| class)).copied()
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
