//! The only door to git2: base trees, exact application of answers, path classes, policy trees and trial trees.
//!
//! In: a git repository, instances and parsed answers. Out: tree ids, canonical diffs, and the changes that a sandbox
//! lays over its base layer. Nothing here runs a program or follows a link. Trees are read from the object store and
//! written to it, never through a work tree.
//!
//! What runs is a tree and not a patch, so the tree that ran is the tree that is exported. An answer is applied
//! exactly, or with a recorded normalisation that gives a new tree.

mod apply;
mod binary;
mod blob;
mod checkout;
mod diff;
mod draft;
mod edits;
mod escaped;
mod import;
mod links;
pub mod patch;
pub mod paths;
mod prepare;
mod record;
mod reduce;
mod scan;
pub mod store;
#[cfg(test)]
mod survey_tests;
#[cfg(test)]
mod tests;
mod text_diff;
mod trees;

use std::path::PathBuf;

use thiserror::Error;

pub use super::model::layout::Layout;
pub use blob::blob_id;
pub use diff::ChangedLines;
pub use draft::{Entry, Mode};
pub use prepare::prepare;
pub use record::Recorded;
pub use reduce::GoldParts;
pub use store::Repository;
pub use text_diff::text_diff;
pub use trees::{Sources, instance_trees, layout, protected_among, submitted_trial_tree, trial_tree};

use crate::model::candidate::Malformed;

/// Faults of the repository or the machine. None of them is a fact about a candidate.
#[derive(Debug, Error)]
pub enum RepoError {
    /// The repository lacks the commit an instance names.
    #[error("commit {commit} is not in {}; fetch it there, or correct the instance's base_commit", repository.display())]
    CommitNotFound { commit: String, repository: PathBuf },
    /// A tree id that this repository does not hold.
    #[error("tree {tree} is not in {}; import the base tree again", repository.display())]
    TreeNotFound { tree: String, repository: PathBuf },
    /// A file that a git tree of ours cannot hold: a name that is not UTF-8, a socket, a nested repository, ...
    #[error("{path}: {why}")]
    Unstorable { path: String, why: String },
    /// A tree whose layout its language cannot read.
    #[error("the layout of tree {tree} cannot be read: {why}")]
    Survey { tree: String, why: String },
    #[error("{} is not an empty directory; give a new one", path.display())]
    NotEmpty { path: PathBuf },
    #[error("{doing} in {}: {source}", repository.display())]
    Git { doing: &'static str, repository: PathBuf, source: git2::Error },
    #[error("{doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
}

/// Why putting an answer on a tree stopped: the answer is bad (data), or the repository failed (ours).
#[derive(Debug)]
pub(crate) enum Stop {
    Malformed(Malformed),
    Fault(RepoError),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<RepoError> for Stop {
    fn from(fault: RepoError) -> Self {
        Self::Fault(fault)
    }
}

/// Turns a stop into the two layers callers see: the fault outside, the malformed answer inside.
pub(crate) fn layered<T>(result: Result<T, Stop>) -> anyhow::Result<Result<T, Malformed>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::Malformed(malformed)) => Ok(Err(malformed)),
        Err(Stop::Fault(fault)) => Err(fault.into()),
    }
}
