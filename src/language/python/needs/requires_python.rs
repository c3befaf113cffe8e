//! The versions of Python that a project asks for.

use super::poetry;
use super::pyproject::{self, below};
use super::requirement::satisfies;
use super::setup;
use super::tree::Tree;

/// Bounds of Python versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequiresPython {
    /// As they are written.
    text: String,
    /// Where they stand.
    place: String,
    /// In PEP 440, one of which must hold.
    alternatives: Vec<String>,
}

impl RequiresPython {
    /// Bounds of PEP 440; None if they cannot be read, so that they ask for nothing.
    pub fn new(text: &str, place: &str) -> Option<Self> {
        let text = text.trim();
        let known = !text.is_empty() && satisfies("3.11.0", text).is_some();
        known.then(|| Self { text: text.to_owned(), place: place.to_owned(), alternatives: vec![text.to_owned()] })
    }

    fn of_poetry(text: &str, place: &str) -> Option<Self> {
        let alternatives = poetry::bounds(text)?;
        let known = alternatives.iter().all(|bounds| bounds.is_empty() || satisfies("3.11.0", bounds).is_some());
        known.then(|| Self { text: text.to_owned(), place: place.to_owned(), alternatives })
    }

    /// What a tree says before it is built.
    ///
    /// # Errors
    /// A fault of whoever keeps the files.
    pub fn of_tree(tree: &Tree) -> anyhow::Result<Option<Self>> {
        // A file that is not TOML says nothing here; it is told where its requirements are read.
        let table: Option<toml::Table> = tree.read(pyproject::FILE)?.and_then(|text| text.parse().ok());
        let text = |keys: &[&str], key: &str| {
            table.as_ref().and_then(|table| below(table, keys)?.get(key)?.as_str().map(str::to_owned))
        };
        if let Some(bounds) = text(&["project"], "requires-python") {
            return Ok(Self::new(&bounds, "requires-python in pyproject.toml"));
        }
        if let Some(bounds) = text(&["tool", "poetry", "dependencies"], "python") {
            return Ok(Self::of_poetry(&bounds, "[tool.poetry] in pyproject.toml"));
        }
        if let Some(bounds) = text(&["tool", "flit", "metadata"], "requires-python") {
            return Ok(Self::new(&bounds, "[tool.flit] in pyproject.toml"));
        }
        Ok(setup::python_requires(tree)?.and_then(|(bounds, place)| Self::new(&bounds, place)))
    }

    /// Whether a full version such as `3.11.7` is one of them.
    pub fn fits(&self, version: &str) -> bool {
        self.alternatives.iter().any(|bounds| bounds.is_empty() || satisfies(version, bounds) == Some(true))
    }
}

impl std::fmt::Display for RequiresPython {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Python {} ({})", self.text, self.place)
    }
}
