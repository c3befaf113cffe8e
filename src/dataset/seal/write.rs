//! Writes the three files that seal a dataset directory: manifest, statement and, with a key, the signature.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::file_names::{MANIFEST, STATEMENT};
use super::manifest::Manifest;
use super::signature::{ENVELOPE, SecretKey};
use super::statement::Statement;

impl Manifest {
    /// Writes `manifest.json` and the statement into the directory, and the signature if there is a key.
    pub fn write(&self, directory: &Path, key: Option<&SecretKey>) -> Result<()> {
        let manifest = self.to_bytes()?;
        let statement = Statement::of(self, &manifest).to_bytes()?;
        write(&directory.join(MANIFEST), &manifest)?;
        write(&directory.join(STATEMENT), &statement)?;
        match key {
            Some(key) => write(&directory.join(ENVELOPE), &key.sign(&statement).to_bytes()?),
            None => Ok(()),
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
