//! The quarantine: input that could not be used, with file, line and reason.

use std::path::Path;

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::format;
use crate::output::write_file;

/// Longest reason that is kept, in characters: a reason may quote the input.
const LONGEST_WHY: usize = 500;

/// One line of `quarantine.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quarantined {
    pub format: String,
    /// File as it was named on the command line.
    pub file: String,
    /// Line, or row of a table or an array, counted from 1.
    pub line: u64,
    pub why: String,
}

impl Quarantined {
    pub fn new(file: impl Into<String>, line: u64, why: impl AsRef<str>) -> Self {
        let why = why.as_ref().chars().take(LONGEST_WHY).collect();
        Self { format: format::QUARANTINE.to_owned(), file: file.into(), line, why }
    }
}

/// Writes `quarantine.jsonl` into a directory and says whether there was anything to write; without entries there is
/// no file, and one of an earlier run is removed.
pub fn write_quarantine(directory: &Path, entries: &[Quarantined]) -> Result<bool> {
    let path = directory.join("quarantine.jsonl");
    if entries.is_empty() {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(false),
        };
    }
    write_file(&path, &quarantine_lines(entries)?)?;
    Ok(true)
}

/// Entries as they stand in the file.
pub fn quarantine_lines(entries: &[Quarantined]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut lines, entry).context("a quarantined row is JSON")?;
        lines.push(b'\n');
    }
    Ok(lines)
}
