//! The lists of requirements that a tree declares, by what they are.

use super::entry::Entry;
use super::list_name::Purpose;

/// A list of requirements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List {
    /// Normalised.
    pub name: String,
    /// Where it stands, for people.
    pub told: String,
    pub purpose: Purpose,
    pub entries: Vec<Entry>,
}

/// All of a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    /// The name of the distribution, normalised.
    pub project: Option<String>,
    /// What runs there is not packaged, or its packaging names no requirements: these are needed in any case.
    pub always: Vec<List>,
    pub groups: Vec<List>,
    pub extras: Vec<List>,
    /// Environments of tools that run tests.
    pub environments: Vec<List>,
    pub files: Vec<List>,
    /// Extras, normalised, that only the built project tells.
    pub built: Vec<String>,
    /// Those of them that are no more than keys of a script: they may be none.
    pub guessed: Vec<String>,
}

impl Lists {
    /// Every list that may be chosen, in the order in which they are told.
    pub fn all(&self) -> impl Iterator<Item = &List> {
        self.groups.iter().chain(&self.extras).chain(&self.files).chain(&self.environments)
    }

    /// Extras of the built project that it has for sure.
    pub fn sure(&self) -> impl Iterator<Item = &String> {
        self.built.iter().filter(|name| !self.guessed.contains(name))
    }

    pub fn groups_named(&self, name: &str) -> Vec<&List> {
        self.groups.iter().filter(|list| list.name == name).collect()
    }

    pub fn extras_named(&self, name: &str) -> Vec<&List> {
        self.extras.iter().filter(|list| list.name == name).collect()
    }
}
