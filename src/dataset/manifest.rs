//! The manifest: every file of a dataset directory with its digest, and what the dataset was made from.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::digest::Digest;
use crate::format;
use crate::receipt::Tool;

/// Name of the file in a dataset directory.
pub const MANIFEST: &str = "manifest.json";

/// `manifest.json`, written last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// Always `manifest.v1`.
    pub format: String,
    pub tool: Tool,
    /// What went in: name -> digest.
    pub inputs: BTreeMap<String, Digest>,
    pub configs: BTreeMap<String, Config>,
    /// Verdicts that did not become rows: reason -> count.
    pub left_out: BTreeMap<String, u64>,
    /// Every file but this one, by path.
    pub files: Vec<FileEntry>,
}

/// One config of the dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Config {
    pub rows: u64,
    /// Format of its rows, e.g. `sft-row.v1`.
    pub row_format: String,
    /// Its Parquet shards, in order.
    pub data_files: Vec<String>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileEntry {
    /// Relative to the dataset directory, with `/`.
    pub path: String,
    pub bytes: u64,
    pub sha256: Digest,
    /// Rows or records of a table; null for texts.
    pub rows: Option<u64>,
}

impl Manifest {
    /// Reads and digests every file below `directory`. `rows` gives the number of rows by path.
    pub fn of_directory(
        directory: &Path,
        inputs: BTreeMap<String, Digest>,
        configs: BTreeMap<String, Config>,
        left_out: BTreeMap<String, u64>,
        rows: &BTreeMap<String, u64>,
    ) -> Result<Self> {
        let mut files = Vec::new();
        for entry in WalkDir::new(directory) {
            let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
            if !entry.file_type().is_file() {
                continue;
            }
            let inner = entry.path().strip_prefix(directory).unwrap_or(entry.path());
            let path = inner.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
            if path == MANIFEST {
                continue;
            }
            let digest = || {
                let file = File::open(entry.path())?;
                Ok::<_, std::io::Error>((file.metadata()?.len(), Digest::of_reader(file)?))
            };
            let (bytes, sha256) = digest().with_context(|| format!("cannot read back {}", entry.path().display()))?;
            files.push(FileEntry { rows: rows.get(&path).copied(), path, bytes, sha256 });
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self { format: format::MANIFEST.to_owned(), tool: Tool::this(), inputs, configs, left_out, files })
    }

    /// Writes `manifest.json` into the directory.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(MANIFEST);
        let mut text = serde_json::to_string_pretty(self).context("the manifest cannot be written as JSON")?;
        text.push('\n');
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}
