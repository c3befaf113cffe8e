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
    /// Names of files that are built from wherever they stand; `*` is any text. One with a slash is a path.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub patterns: BTreeSet<String>,
}

impl BuiltPart {
    /// The part of base with that of gold: a file is of the part if either makes it, and an input if either reads it.
    #[must_use]
    pub fn with(mut self, gold: Self) -> Self {
        self.copied = both(&self.copied, &gold.copied);
        self.files.extend(gold.files);
        self.inputs.extend(gold.inputs);
        self.patterns.extend(gold.patterns);
        self
    }
}

/// Whether a path, or a folder that it is in, is among these. The empty one is the top.
pub fn covers(paths: &BTreeSet<String>, path: &str) -> bool {
    paths.contains("") || ancestors(path).any(|path| paths.contains(path))
}

/// A path and every folder above it, itself first.
pub fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(above, _)| above))
}

/// What lies in both of two sets of files and folders.
fn both(one: &BTreeSet<String>, other: &BTreeSet<String>) -> BTreeSet<String> {
    let of = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        one.iter().filter(|path| covers(other, path)).cloned().collect::<Vec<_>>()
    };
    of(one, other).into_iter().chain(of(other, one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(copied: &[&str], inputs: &[&str]) -> BuiltPart {
        let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        BuiltPart { copied: set(copied), inputs: set(inputs), ..BuiltPart::default() }
    }

    #[test]
    fn of_base_and_gold_a_file_is_copied_if_both_copy_it_and_an_input_if_either_reads_it() {
        for (base, gold, expected) in [
            (&["pkg", "docs"] as &[&str], &["pkg"] as &[&str], &["pkg"] as &[&str]),
            (&["pkg"], &["pkg", "new"], &["pkg"]),
            (&["pkg"], &["pkg/data", "other"], &["pkg/data"]),
            (&["", "x"], &["pkg"], &["pkg"]),
            (&["pkg"], &[""], &["pkg"]),
            (&[""], &[""], &[""]),
            (&["pkg"], &[], &[]),
        ] {
            let expected: BTreeSet<_> = expected.iter().map(|path| (*path).to_owned()).collect();
            let both = part(base, &["a"]).with(part(gold, &["b"]));
            assert_eq!(both.copied, expected, "{base:?} {gold:?}");
            assert_eq!(both.inputs, part(&[], &["a", "b"]).inputs);
        }
    }
}
