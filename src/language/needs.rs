//! What the tests of a project need beside the project itself, as its tree declares it.

use crate::model::declared::Declared;

/// What is asked for. If a list is named, nothing is chosen without being named.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Groups of requirements.
    pub groups: Vec<String>,
    /// Extras of the project.
    pub extras: Vec<String>,
    /// Requirement files.
    pub files: Vec<AskedFile>,
}

/// A requirement file that is asked for by name.
#[derive(Clone, Debug)]
pub struct AskedFile {
    pub path: String,
    /// Its text on disk; None: it is a file of the tree.
    pub text: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub declared: Vec<Declared>,
    /// Extras that only the built project tells.
    pub extras: Vec<String>,
    /// Files of the tree whose versions are taken if they can.
    pub locks: Vec<String>,
    /// What a user must know of it, a line each: what was taken from where, what was left out and why, what could not be read.
    pub told: Vec<String>,
}

impl Asked {
    /// Whether nothing is named, so that it is for the language to choose.
    pub fn nothing(&self) -> bool {
        self.groups.is_empty() && self.extras.is_empty() && self.files.is_empty()
    }
}
