//! Folders in which every name has a meaning: run directories and datasets. No other command's output goes there.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::dataset::seal::file_names::MANIFEST;

/// What `assay validate`, `verify` and `judge` write into a run directory.
pub const RUN_NAMES: [&str; 16] = [
    "run.json",
    "lock",
    "journal",
    "blobs",
    "instances.jsonl",
    "admissions.jsonl",
    "admission-report.json",
    "admission-report.md",
    "candidates.jsonl",
    "contests.jsonl",
    "matrix.jsonl",
    "prompts.jsonl",
    "quarantine.jsonl",
    "receipts.jsonl",
    "summary.json",
    "verdicts.jsonl",
];

/// What `assay serve` writes beside these.
pub const SERVED: &str = "generations.jsonl";

/// Whose names a path would be among.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Territory {
    /// A run directory, and the name of its own that the path has.
    Run(PathBuf, String),
    /// A dataset: its manifest lists all that it holds.
    Dataset(PathBuf),
}

impl Territory {
    /// Looks at every folder above a canonical path.
    pub fn around(path: &Path) -> Option<Self> {
        path.ancestors().skip(1).find_map(|folder| {
            if is_dataset(folder) {
                return Some(Self::Dataset(folder.to_owned()));
            }
            let name = path.strip_prefix(folder).ok()?.iter().next()?.to_str()?;
            let reserved = RUN_NAMES.contains(&name) || name == SERVED;
            (reserved && is_run(folder)).then(|| Self::Run(folder.to_owned(), name.to_owned()))
        })
    }
}

/// Whether a folder is a run directory: its journal is there, and what only a run puts beside or into it.
pub fn is_run(folder: &Path) -> bool {
    let journal = folder.join("journal");
    let marked = || {
        let ours = |name: &str| {
            let stem = name.strip_suffix(".jsonl").and_then(|stem| stem.split_once('-'));
            stem.is_some_and(|(time, random)| {
                time.len() == 12 && time.bytes().all(|b| b.is_ascii_digit()) && random.len() == 16
            })
        };
        let mut entries = fs::read_dir(&journal).into_iter().flatten().flatten();
        entries.any(|entry| entry.file_name().to_str().is_some_and(ours))
    };
    journal.is_dir() && (folder.join("lock").is_file() || folder.join("run.json").is_file() || marked())
}

/// Whether a folder says of itself that it is a dataset of ours, of any version.
fn is_dataset(folder: &Path) -> bool {
    let Ok(bytes) = fs::read(folder.join(MANIFEST)) else { return false };
    let manifest: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let format = manifest["format"].as_str().unwrap_or_default();
    format.starts_with("manifest.v") && manifest["merkle_root"].is_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_run_and_everything_in_a_dataset_are_taken_and_other_places_are_free() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("run/journal")).unwrap();
        fs::write(root.join("run/lock"), "").unwrap();
        fs::create_dir_all(root.join("data/sft")).unwrap();
        fs::write(root.join("data").join(MANIFEST), r#"{"format": "manifest.v2", "merkle_root": "0"}"#).unwrap();
        fs::create_dir_all(root.join("web/journal")).unwrap();
        fs::write(root.join("web").join(MANIFEST), r#"{"name": "an app"}"#).unwrap();
        let around = |path: &str| Territory::around(&root.join(path));
        assert_eq!(around("run/verdicts.jsonl"), Some(Territory::Run(root.join("run"), "verdicts.jsonl".to_owned())));
        assert!(around("run/journal/x").is_some() && around("data/sft/new").is_some());
        for free in ["run/notes.jsonl", "run", "data", "web/verdicts.jsonl", "web/a"] {
            assert_eq!(around(free), None, "{free}");
        }
    }
}
