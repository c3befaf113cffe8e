//! What the build of a project makes and its tree does not hold: compiled modules, generated sources. Pure data, kept with the
//! layout of an instance's trees.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The built part of a project, and what is known of how it is made. `language::layout` says what follows for a path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BuiltPart {
    /// Paths of the files that the build makes. They stand in the trees of the instance, and no candidate decides them.
    pub files: BTreeSet<String>,
    /// Files and folders that the build copies as they are, or never reads; the empty path is the whole tree. Every other
    /// file may decide what is built.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub copied: BTreeSet<String>,
    /// Files and folders inside those that the build reads all the same, or that would stand for a built file.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub inputs: BTreeSet<String>,
    /// Names of files that are built from wherever they stand; `*` is any text.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub patterns: BTreeSet<String>,
}

impl BuiltPart {
    /// The part of base with that of gold: a file is of the part if either makes it, and an input if either reads it.
    pub fn with(mut self, gold: Self) -> Self {
        self.files.extend(gold.files);
        self.inputs.extend(gold.inputs);
        self.patterns.extend(gold.patterns);
        if self.copied.contains("") {
            self.copied = gold.copied;
        }
        self
    }
}
