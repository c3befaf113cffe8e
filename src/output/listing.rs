//! `.assay-outputs.json`: which files of a folder are outputs of which command, so that the next run of it knows what to
//! replace and what to remove, and whose file it must leave alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::new_file::write_file;
use crate::exit_code::Stop;
use crate::model::digest::Digest;
use crate::model::format;

/// Name of the file; hidden, so that no reader of rows takes it for one.
pub const LISTING: &str = ".assay-outputs.json";

/// What it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Listing {
    /// Always `outputs.v1`.
    pub format: String,
    /// Command -> file -> sha256 of its bytes. In the middle of a replacement a file has two: what was and what becomes.
    pub outputs: BTreeMap<String, BTreeMap<String, Vec<Digest>>>,
}

impl Listing {
    /// That of a folder; an empty one where there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is not ours.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(LISTING);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(Self { format: format::OUTPUTS.to_owned(), outputs: BTreeMap::new() });
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let unusable = |why: String| {
            Stop::Usage(format!(
                "{} {why}; without it nobody knows whose files these are, name another folder",
                path.display()
            ))
        };
        let listing: Self =
            serde_json::from_slice(&bytes).map_err(|error| unusable(format!("cannot be read: {error}")))?;
        format::check(Some(&listing.format), format::OUTPUTS).map_err(|error| unusable(error.to_string()))?;
        Ok(listing)
    }

    /// Whether a file is as the command left it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn owns(&self, folder: &Path, command: &str, name: &str) -> anyhow::Result<bool> {
        let Some(digests) = self.outputs.get(command).and_then(|files| files.get(name)) else { return Ok(false) };
        let path = folder.join(name);
        Ok(is_plain(&path) && digests.contains(&digest(&path)?))
    }

    /// Writes it, or removes it where it would say nothing.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path: PathBuf = folder.join(LISTING);
        if self.outputs.values().all(BTreeMap::is_empty) {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(error).with_context(|| format!("cannot remove {}", path.display()))
                }
                _ => Ok(()),
            };
        }
        let mut bytes = serde_json::to_vec_pretty(self).context("a listing is JSON")?;
        bytes.push(b'\n');
        write_file(&path, &bytes)
    }
}

/// Whether a file of its own is there, and no link.
fn is_plain(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_file())
}

fn digest(path: &Path) -> anyhow::Result<Digest> {
    let digest = fs::File::open(path).and_then(Digest::of_reader);
    digest.with_context(|| format!("cannot read {}", path.display()))
}
