//! Whether a directory is a dataset of ours and nothing else: only such a one is replaced by an export.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use walkdir::WalkDir;

use super::file_names::MANIFEST;
use super::file_names::STATEMENT;
use super::manifest::Manifest;
use super::signature::ENVELOPE;
use crate::model::digest::Digest;

/// Larger files are told by their size alone: an export should not begin with reading the former one whole.
const READ: u64 = 1 << 20;

/// Names of strangers that a message holds.
const NAMED: usize = 3;

/// Proves that a directory holds a dataset of this format, all that its manifest lists, as it was written, and nothing else.
///
/// # Errors
/// It does not; the message says where it differs, and what to do.
pub fn prove(directory: &Path) -> Result<()> {
    let out = directory.display();
    if !directory.join(MANIFEST).is_file() {
        bail!("{out} holds files but no {MANIFEST}, so it is not a dataset and is left alone; choose another name");
    }
    let manifest = Manifest::read(directory)
        .with_context(|| format!("{out} is not a dataset of this version and is left alone; choose another name"))?;
    let listed: BTreeMap<&str, _> = manifest.files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut missing: BTreeSet<&str> = listed.keys().copied().collect();
    let mut strangers = Vec::new();
    for entry in WalkDir::new(directory).min_depth(1).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot list {out}"))?;
        let inner = entry.path().strip_prefix(directory).unwrap_or(entry.path());
        let path = inner.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        if entry.file_type().is_dir() {
            let within = format!("{path}/");
            if !listed.keys().any(|file| file.starts_with(&within)) {
                strangers.push(within);
            }
            continue;
        }
        let plain = entry.file_type().is_file();
        match listed.get(path.as_str()) {
            Some(file) if plain => {
                missing.remove(path.as_str());
                if !as_written(entry.path(), file.bytes, &file.sha256)? {
                    bail!(
                        "{} was changed since the export, so {out} is left alone; move it away, or choose another name",
                        entry.path().display()
                    );
                }
            }
            None if plain && [MANIFEST, STATEMENT, ENVELOPE].contains(&path.as_str()) => {}
            Some(_) | None => strangers.push(path),
        }
    }
    if let Some(path) = missing.first() {
        bail!(
            "{out} lacks {path}, which its {MANIFEST} lists, so it is left alone; move it away, or choose another name"
        );
    }
    if !strangers.is_empty() {
        let more = match strangers.len() {
            count if count > NAMED => format!(" and {} more", count - NAMED),
            _ => String::new(),
        };
        strangers.truncate(NAMED);
        bail!(
            "{out} holds what its {MANIFEST} does not list: {}{more}; it is left alone, move these away or choose another name",
            strangers.join(", ")
        );
    }
    Ok(())
}

fn as_written(path: &Path, bytes: u64, sha256: &Digest) -> Result<bool> {
    let read = || -> std::io::Result<bool> {
        let file = fs::File::open(path)?;
        let size = file.metadata()?.len();
        Ok(size == bytes && (size > READ || Digest::of_reader(file)? == *sha256))
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}
