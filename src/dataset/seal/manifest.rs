//! The manifest: every file of a dataset directory with its size and digest, the Merkle root over that list, and what
//! the dataset was made from. Beside it stand the statement that names it and, if the dataset is signed, the envelope
//! with the signature.
//!
//! The manifest lists none of these three files. A flipped bit in one of them shows against the other two.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use walkdir::WalkDir;

use super::entries::{Config, FileEntry};
use super::file_names::{MANIFEST, STATEMENT};
use super::merkle;
use super::signature::ENVELOPE;
use crate::dataset::select::matched::Matched;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::receipt::Tool;

/// `manifest.json`, written after all that it lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// Always `manifest.v2`.
    pub format: String,
    /// [`merkle::root`] of `files`.
    pub merkle_root: Digest,
    #[serde(flatten)]
    pub contents: Contents,
    /// Every file but this one, the statement and its envelope, sorted by path.
    pub files: Vec<FileEntry>,
}

/// What a dataset was made from and what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contents {
    pub tool: Tool,
    /// What went in: name -> digest.
    pub inputs: BTreeMap<String, Digest>,
    /// What was asked for: option -> value.
    pub settings: BTreeMap<String, Value>,
    /// What was found of the names that the settings give.
    #[serde(default, skip_serializing_if = "Matched::is_empty")]
    pub matched: Matched,
    pub configs: BTreeMap<String, Config>,
    /// Tables of `evidence/`, by name ([`crate::dataset::evidence`]).
    pub evidence: BTreeMap<String, Config>,
    /// Candidates that did not become rows of the SFT configs: reason -> count.
    pub left_out: BTreeMap<String, u64>,
    /// Tasks (instance and skill) that did not become rows of the RL config: reason -> count.
    pub left_out_tasks: BTreeMap<String, u64>,
}

impl Manifest {
    /// Reads and digests every file below `directory`. `rows` gives the number of rows by path.
    ///
    /// # Errors
    /// A file that cannot be read back.
    pub fn of_directory(directory: &Path, contents: Contents, rows: &BTreeMap<String, u64>) -> Result<Self> {
        let mut files = Vec::new();
        for entry in WalkDir::new(directory) {
            let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
            if !entry.file_type().is_file() {
                continue;
            }
            let inner = entry.path().strip_prefix(directory).unwrap_or(entry.path());
            let path = inner.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
            if [MANIFEST, STATEMENT, ENVELOPE].contains(&path.as_str()) {
                continue;
            }
            files.push(FileEntry::read(directory, &path, rows.get(&path).copied())?);
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self { format: format::MANIFEST.to_owned(), merkle_root: merkle::root(&files), contents, files })
    }

    /// Reads that of a dataset directory.
    ///
    /// # Errors
    /// There is no manifest, or none of this format.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(MANIFEST);
        let bytes = std::fs::read(&path)
            .with_context(|| format!("cannot read {}; is this a dataset that assay exported?", path.display()))?;
        let manifest: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not a {}; export again", path.display(), format::MANIFEST))?;
        format::check(Some(&manifest.format), format::MANIFEST).with_context(|| path.display().to_string())?;
        Ok(manifest)
    }

    /// Its bytes as they stand in the file.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).context("the manifest cannot be written as JSON")?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
