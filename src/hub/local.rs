//! A dataset directory as it would be published: what its manifest lists, and whether that is what is there.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::HubError;
use crate::dataset::seal::file_names::MANIFEST;
use crate::dataset::seal::file_names::STATEMENT;
use crate::dataset::seal::manifest::Manifest;
use crate::dataset::seal::merkle;
use crate::dataset::seal::signature::ENVELOPE;
use crate::dataset::seal::statement::Statement;
use crate::dataset::select::strangers::strangers;
use crate::model::digest::Digest;
use crate::model::format;
use crate::repo::blob_id;

/// Larger files are stored as pointers, by the Hub's own rule.
pub const LARGEST_INLINE: u64 = 10 << 20;

/// A dataset directory.
#[derive(Clone, Debug)]
pub struct Local {
    pub directory: PathBuf,
    /// What is published: every file that the manifest lists, the manifest, its statement and signature; by path.
    pub files: Vec<LocalFile>,
    /// Digest of `manifest.json`, which names everything else.
    pub manifest: Digest,
    /// If the directory is not what its manifest says.
    pub findings: Vec<String>,
}

/// One file of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Relative, with `/`.
    pub path: String,
    pub bytes: u64,
    pub sha256: Digest,
    /// Git's name of the content, for files that git may hold itself.
    pub blob: Option<String>,
}

impl LocalFile {
    /// Whether the Hub must hold a pointer to it and not the file itself.
    pub fn needs_pointer(&self) -> bool {
        self.bytes > 0 && (self.bytes > LARGEST_INLINE || self.path.ends_with(".parquet"))
    }
}

impl Local {
    /// Reads and digests everything the manifest lists.
    ///
    /// # Errors
    /// No directory, no manifest or one that cannot be read, no rows, a listed file that is missing or cannot be read.
    pub fn read(directory: &Path) -> Result<Self, HubError> {
        let place = directory.display();
        let path = directory.join(MANIFEST);
        let text = fs::read(&path).map_err(|error| {
            HubError::Usage(format!(
                "cannot read {}: {error}; {place} is not a dataset; make one with `assay export RUN --out DIR`",
                path.display()
            ))
        })?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| HubError::Usage(format!("{} is not a manifest: {error}; export again", path.display())))?;
        format::check(Some(&manifest.format), format::MANIFEST)
            .map_err(|error| HubError::Usage(format!("{} {error}", path.display())))?;
        if manifest.contents.configs.values().all(|config| config.rows == 0) {
            return Err(HubError::Usage(format!(
                "{place} holds no rows, so there is nothing to publish; see left_out in its {MANIFEST} for the reasons"
            )));
        }
        let beside = [STATEMENT, ENVELOPE].into_iter().filter(|name| directory.join(name).exists());
        let published: Vec<_> =
            manifest.files.iter().map(|file| file.path.as_str()).chain([MANIFEST]).chain(beside).collect();
        let mut files = published
            .par_iter()
            .map(|path| read_file(directory, path))
            .collect::<Result<Vec<LocalFile>, HubError>>()?;
        let mut findings = Vec::new();
        for (entry, file) in manifest.files.iter().zip(&files) {
            if (entry.bytes, &entry.sha256) != (file.bytes, &file.sha256) {
                let pointer = entry.may_be_pointer(file.bytes);
                let hint = if pointer {
                    ", or it is a Git LFS pointer; fetch the file itself with `git lfs pull`"
                } else {
                    ""
                };
                findings
                    .push(format!("{} is not what {MANIFEST} says: it was changed after the export{hint}", file.path));
            }
        }
        if merkle::root(&manifest.files) != manifest.merkle_root {
            findings.push(format!("{MANIFEST} was changed after the export: its Merkle root is not that of its files"));
        }
        let statement =
            Statement::of(&manifest, &text).to_bytes().map_err(|error| HubError::Usage(error.to_string()))?;
        if fs::read(directory.join(STATEMENT)).ok().as_ref() != Some(&statement) {
            findings.push(format!("{STATEMENT} is missing, or is not that of {MANIFEST}"));
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        // They are never published, but the user may think they are.
        let strangers = strangers(directory, &manifest)
            .map_err(|error| HubError::Usage(format!("cannot list {place}: {error}; make it readable")))?;
        findings.extend(strangers.iter().map(|path| format!("{path} is not in {MANIFEST} and would not be published")));
        Ok(Self { directory: directory.to_owned(), files, manifest: Digest::of(&text), findings })
    }
}

/// Whether a path from a manifest or a listing stays below the directory it is joined to.
pub(super) fn stays_below(path: &str) -> bool {
    !path.contains(['\\', '\0']) && path.split('/').all(|part| !matches!(part, "" | "." | ".." | ".git"))
}

fn read_file(directory: &Path, path: &str) -> Result<LocalFile, HubError> {
    if !stays_below(path) {
        return Err(HubError::Usage(format!("{MANIFEST} lists {path:?}, which is not a path below it; export again")));
    }
    let full = directory.join(path);
    let unreadable = |error: std::io::Error| {
        HubError::Usage(format!("cannot read {}, which {MANIFEST} lists: {error}; export again", full.display()))
    };
    let mut about = fs::symlink_metadata(&full).map_err(unreadable)?;
    if about.is_symlink() && is_kept_in_cache(directory, &full) {
        about = fs::metadata(&full).map_err(unreadable)?;
    }
    if !about.is_file() {
        return Err(HubError::Usage(format!("{} is not a regular file; export again", full.display())));
    }
    if about.len() > LARGEST_INLINE {
        let sha256 = fs::File::open(&full).and_then(Digest::of_reader).map_err(unreadable)?;
        return Ok(LocalFile { path: path.to_owned(), bytes: about.len(), sha256, blob: None });
    }
    let bytes = fs::read(&full).map_err(unreadable)?;
    Ok(LocalFile {
        path: path.to_owned(),
        bytes: bytes.len() as u64,
        sha256: Digest::of(&bytes),
        blob: Some(blob_id(&bytes)),
    })
}

/// Whether it is the directory of a revision in the Hub's own cache, whose files are links to `blobs/` of the same repository.
fn is_kept_in_cache(directory: &Path, full: &Path) -> bool {
    let blobs = || Some(fs::canonicalize(directory).ok()?.parent()?.parent()?.join("blobs"));
    let target = fs::canonicalize(full);
    blobs().zip(target.ok()).is_some_and(|(blobs, target)| target.parent() == Some(&blobs) && target.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_directory_is_told_from_one_that_stays() {
        assert!(stays_below("sft/train-00000-of-00001.parquet") && stays_below("README.md"));
        for path in ["", "/etc/passwd", "../up", "a/../../up", "a//b", "a\\..\\b", ".git/config", "./a"] {
            assert!(!stays_below(path), "{path}");
        }
    }
}
