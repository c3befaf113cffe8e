//! A shard: one of the numbered files that a table is written to, and what every writer of them offers.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// Takes lines of JSON, gives files.
pub trait LineWriter {
    /// Adds a row: one JSON object with its line feed.
    fn push_line(&mut self, line: &[u8]) -> Result<()>;

    /// Makes the files appear under their final names.
    fn finish(self: Box<Self>) -> Result<Vec<Shard>>;
}

/// A file with its number of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub path: PathBuf,
    pub rows: u64,
}

/// Name of a shard that is being written.
pub(crate) fn partial_name(directory: &Path, name: &str, index: usize) -> PathBuf {
    directory.join(format!("{name}-{index:05}.partial"))
}

/// Name of a shard as the Hub's loaders know it.
pub(crate) fn shard_name(name: &str, index: usize, count: usize, extension: &str) -> String {
    format!("{name}-{index:05}-of-{count:05}.{extension}")
}
