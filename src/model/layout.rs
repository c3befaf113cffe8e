//! A layout: what an instance's own trees say about which files are tests, beyond their names. Pure.
//!
//! Names alone miss the tests of a repository that calls them otherwise, so an instance has a layout beside the table
//! of names. The layout is kept with the trees of the admission. The language of the instance reads it off the trees, and
//! `language::layout` says what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::built_part::BuiltPart;
use super::candidate::PathClass;

/// How a repository is laid out, read off base and the trusted tests. Without one, names alone decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Layout {
    /// The framework whose rows of the table hold.
    pub framework: String,
    /// Files whose part is another than their name says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, PathClass>,
    /// Folders that hold tests and what tests need, and nothing else.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub test_dirs: BTreeSet<String>,
    /// Test files that the runner's conventions do not name.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tests: BTreeSet<String>,
    /// File names that the runner's configuration collects, where that is not the convention.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub patterns: BTreeSet<String>,
    /// Folders that modules are imported from, empty for the top, each with the modules that base has there.
    pub roots: BTreeMap<String, BTreeSet<String>>,
    /// Top-level modules of the sealed environment, as the runs on gold saw them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub installed: BTreeSet<String>,
    /// What the project's build adds to its trees, if it adds anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built: Option<BuiltPart>,
}
