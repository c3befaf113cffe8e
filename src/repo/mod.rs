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
#[cfg(test)]
mod bridged_tests;
mod brought;
mod built;
mod built_trees;
mod checkout;
mod clone_kind;
mod diff;
mod draft;
mod edits;
mod error;
mod escaped;
mod import;
mod links;
mod mends;
mod open;
pub mod patch;
mod patch_names;
pub mod paths;
mod policy;
mod prepare;
mod record;
mod reduce;
mod regular;
mod scan;
pub mod store;
#[cfg(test)]
mod survey_tests;
mod tags;
#[cfg(test)]
mod tests;
mod text_diff;
mod trees;

pub use blob::blob_id;
pub use brought::{Brought, Submodule};
pub use built::{build_changes, built_otherwise, input_changes, unbuilt};
pub use built_trees::with_built;
pub use diff::ChangedLines;
pub use draft::Mode;
pub use error::RepoError;
#[cfg(test)]
pub(crate) use error::planted;
pub use prepare::prepare;
pub use record::Recorded;
pub use reduce::GoldParts;
pub use store::Repository;
pub use text_diff::text_diff;
pub use trees::{
    Sources, files, files_of, instance_trees, layout, protected_among, submitted_trial_tree, trial_tree,
    users_of_change,
};

use crate::model::candidate::Malformed;

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
