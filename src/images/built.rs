//! What a build of a tree makes beside it, ready to be laid into the trees of an instance.

use crate::model::built_part::BuiltPart;
use crate::sandbox::{Executed, FileChange, Job, SandboxError, SealedImage};

/// Runs a job of a build: in a cell with a network and nothing of the caller's, over a tree that it may fill and that is
/// thrown away.
pub type Workshop<'a> = dyn Fn(&SealedImage, &Job) -> Result<Executed, SandboxError> + 'a;

/// The built part of a tree.
#[derive(Clone, Debug)]
pub struct Built {
    pub part: BuiltPart,
    /// The files of the part, as they are written into a tree.
    pub files: Vec<FileChange>,
}
