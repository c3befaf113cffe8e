//! Files against the manifest, the manifest against its statement, the statement against a signature. What follows from
//! something else is made again and compared byte for byte, so no changed bit goes unseen.

use std::fs::File;
use std::path::{Component, Path};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rayon::prelude::*;

use super::finding::{Findings, Place, Rule};
use crate::dataset::seal::entries::FileEntry;
use crate::dataset::seal::file_names::MANIFEST;
use crate::dataset::seal::file_names::STATEMENT;
use crate::dataset::seal::manifest::Manifest;
use crate::dataset::seal::merkle;
use crate::dataset::seal::signature::{ENVELOPE, Envelope, PublicKey};
use crate::dataset::seal::statement::Statement;
use crate::dataset::select::strangers::strangers;
use crate::model::digest::Digest;
use crate::model::format;

/// Checks a directory with a manifest of ours; gives the manifest if it can be read.
///
/// # Errors
/// The directory cannot be listed, or the key file is none.
pub fn check_files(root: &Path, key: Option<&Path>, findings: &mut Findings) -> Result<Option<Manifest>> {
    let bytes = std::fs::read(root.join(MANIFEST)).with_context(|| format!("cannot read {MANIFEST}"))?;
    let key = key.map(PublicKey::read).transpose()?;
    let manifest = match read_manifest(&bytes) {
        Ok(manifest) => manifest,
        Err(why) => {
            findings.add(Rule::ManifestUnreadable, Place::file(MANIFEST), why);
            return Ok(None);
        }
    };
    let problems: Vec<_> = manifest.files.par_iter().filter_map(|entry| check_file(root, entry)).collect();
    for (rule, path, message) in problems {
        findings.add(rule, Place::file(path), message);
    }
    unlisted(root, &manifest, findings)?;
    check_statement(root, &manifest, &bytes, key.as_ref(), findings)?;
    for config in manifest.contents.configs.values().chain(manifest.contents.evidence.values()) {
        let rows: Option<u64> = config.data_files.iter().map(|path| rows_of(&manifest, path)).sum();
        if rows != Some(config.rows) {
            let message = format!("{} rows are said, the shards hold {rows:?}", config.rows);
            findings.add(Rule::CountsDiffer, Place::file(MANIFEST), message);
        }
    }
    Ok(Some(manifest))
}

/// Rows of a file, as the manifest has them.
pub fn rows_of(manifest: &Manifest, path: &str) -> Option<u64> {
    manifest.files.iter().find(|entry| entry.path == path)?.rows
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, String> {
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| format!("it is not JSON: {error}"))?;
    format::check(value.get("format").and_then(|format| format.as_str()), format::MANIFEST)
        .map_err(|error| format!("it {error}"))?;
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| format!("it is not a manifest: {error}"))?;
    if manifest.to_bytes().map_err(|error| error.to_string())? != bytes {
        return Err("it is not written as assay writes it: it was edited".to_owned());
    }
    if merkle::root(&manifest.files) != manifest.merkle_root {
        return Err("its Merkle root is not that of its files: it was edited".to_owned());
    }
    Ok(manifest)
}

fn check_file(root: &Path, entry: &FileEntry) -> Option<(Rule, String, String)> {
    let path = Path::new(&entry.path);
    let found = |rule, message: String| Some((rule, entry.path.clone(), message));
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return found(Rule::ManifestUnreadable, "the manifest names a path outside the dataset".to_owned());
    }
    let full = root.join(path);
    if !full.symlink_metadata().is_ok_and(|data| data.is_file() || data.is_symlink()) {
        return found(Rule::FileMissing, "the file is not there".to_owned());
    }
    let read = || -> std::io::Result<(u64, Digest)> {
        let file = File::open(&full)?;
        Ok((file.metadata()?.len(), Digest::of_reader(file)?))
    };
    match read() {
        Err(error) => found(Rule::FileMissing, format!("the file cannot be read: {error}")),
        Ok((bytes, _)) if bytes != entry.bytes => {
            let hint =
                if entry.may_be_pointer(bytes) { "; it may be a Git LFS pointer: fetch the file itself" } else { "" };
            found(Rule::FileChanged, format!("{bytes} bytes where the manifest says {}{hint}", entry.bytes))
        }
        Ok((_, digest)) if digest != entry.sha256 => found(
            Rule::FileChanged,
            format!("sha256 {} where the manifest says {}", digest.short(), entry.sha256.short()),
        ),
        Ok(_) => None,
    }
}

fn unlisted(root: &Path, manifest: &Manifest, findings: &mut Findings) -> Result<()> {
    for path in strangers(root, manifest).with_context(|| format!("cannot list {}", root.display()))? {
        findings.add(Rule::FileUnlisted, Place::file(path), "the manifest does not list it");
    }
    Ok(())
}

fn check_statement(
    root: &Path,
    manifest: &Manifest,
    bytes: &[u8],
    key: Option<&PublicKey>,
    findings: &mut Findings,
) -> Result<()> {
    let expected = Statement::of(manifest, bytes).to_bytes()?;
    match std::fs::read(root.join(STATEMENT)) {
        Ok(found) if found == expected => {}
        Ok(_) => findings.add(Rule::StatementDiffers, Place::file(STATEMENT), "it is not that of this manifest"),
        Err(error) => {
            findings.add(Rule::StatementDiffers, Place::file(STATEMENT), format!("it cannot be read: {error}"))
        }
    }
    let mut wrong = |why: String| findings.add(Rule::SignatureWrong, Place::file(ENVELOPE), why);
    let envelope = match std::fs::read(root.join(ENVELOPE)) {
        Ok(envelope) => envelope,
        Err(_) if key.is_none() => return Ok(()),
        Err(error) => {
            wrong(format!("the dataset is not signed: {error}"));
            return Ok(());
        }
    };
    let parsed = match serde_json::from_slice::<Envelope>(&envelope) {
        Ok(parsed) if parsed.to_bytes()? == envelope => parsed,
        _ => {
            wrong("it is not an envelope as assay writes it".to_owned());
            return Ok(());
        }
    };
    match key {
        // Without the publisher's key nothing says who signed; what was signed can still be compared.
        None if STANDARD.decode(&parsed.payload).is_ok_and(|statement| statement == expected) => {}
        None => wrong("it holds another statement".to_owned()),
        Some(key) => match parsed.verify(key) {
            Ok(statement) if statement == expected => {}
            Ok(_) => wrong("it signs another statement".to_owned()),
            Err(error) => wrong(format!("{error:#}")),
        },
    }
    Ok(())
}
