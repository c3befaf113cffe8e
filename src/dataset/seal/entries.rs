//! What a manifest lists: files, and the tables that they belong to.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;

/// One config of the dataset, or one table of its evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Config {
    pub rows: u64,
    /// Format of its rows, e.g. `sft-row.v1`.
    pub row_format: String,
    /// Its shards, in order. Configs may share shards: `sft` is those of the three skills.
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

impl FileEntry {
    /// Reads and digests a file below `directory`.
    pub fn read(directory: &Path, path: &str, rows: Option<u64>) -> Result<Self> {
        let full = directory.join(path);
        let digest = || {
            let file = File::open(&full)?;
            Ok::<_, std::io::Error>((file.metadata()?.len(), Digest::of_reader(file)?))
        };
        let (bytes, sha256) = digest().with_context(|| format!("cannot read back {}", full.display()))?;
        Ok(Self { path: path.to_owned(), bytes, sha256, rows })
    }

    /// Whether a file of this size in its place may be the pointer that git holds for a large file.
    pub fn may_be_pointer(&self, bytes: u64) -> bool {
        bytes < 200 && self.bytes > 200
    }
}
