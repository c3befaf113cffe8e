//! What an image of ours is made from.

use std::path::Path;

use super::built::Workshop;
use super::phases::Phases;
use crate::language::Files;
use crate::model::instance::Environment;
use crate::sandbox::{SandboxError, SealedImage};

/// What an image is made from.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    pub environment: &'a Environment,
    /// Tree whose packaging metadata describes the project: base without what a build adds.
    pub base_tree: &'a str,
    /// The files of that tree.
    pub base_files: &'a dyn Files,
    /// The version of the project at base, if the instance knows it.
    pub version: Option<&'a str>,
    /// Top-level modules of the project: nothing else in the environment may bring them.
    pub modules: &'a [String],
    /// Tree that the image holds at the work directory.
    pub layer_tree: &'a str,
    /// Writes a tree into an empty directory, every file with modification time [`crate::sandbox::LAYER_MTIME`].
    pub checkout: &'a dyn Fn(&str, &Path) -> anyhow::Result<()>,
    /// Runs test files once over the unfinished image, if the language has caches that later runs profit from, and gives the
    /// image with them ([`crate::sandbox::Sandbox::warm`]).
    pub warm: &'a dyn Fn(&SealedImage) -> Result<SealedImage, SandboxError>,
    /// Where code of the project is built, if the sandbox in use has such a place.
    pub workshop: Option<&'a Workshop<'a>>,
    /// Is told about every step that takes time.
    pub say: &'a dyn Fn(&str),
    /// Is told what the project declares for its tests and could not be installed, a line each with the reason.
    pub not_installed: &'a dyn Fn(Vec<String>),
    /// Where the time goes.
    pub phases: &'a Phases,
}

impl std::fmt::Debug for Order<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { environment, base_tree, modules, layer_tree, .. } = self;
        f.debug_struct("Order")
            .field("environment", environment)
            .field("base_tree", base_tree)
            .field("modules", modules)
            .field("layer_tree", layer_tree)
            .finish_non_exhaustive()
    }
}
