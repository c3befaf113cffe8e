//! The site of an instance: what its trials run on.

use crate::images::toolchain::Toolchain;
use crate::model::admission::Trees;
use crate::model::instance::Environment;
use crate::repo::Repository;
use crate::runner::Runner;
use crate::sandbox::SealedImage;

/// Everything that trials of an instance share.
pub(crate) struct Site {
    pub repository: Repository,
    pub trees: Trees,
    pub image: SealedImage,
    pub framework: &'static dyn Runner,
    pub toolchain: &'static dyn Toolchain,
    pub environment: Environment,
    /// What the project declares for its tests and the environment does not have.
    pub not_installed: Vec<String>,
}
