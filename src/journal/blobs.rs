//! Blobs: bytes stored once under their sha256, compressed.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::model::digest::Digest;

/// A content-addressed store below one directory.
#[derive(Clone, Debug)]
pub struct Blobs {
    root: PathBuf,
}

impl Blobs {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Stores bytes; storing the same bytes again costs a look-up. The name is that of the uncompressed bytes.
    pub fn put(&self, bytes: &[u8]) -> anyhow::Result<Digest> {
        let digest = Digest::of(bytes);
        let path = self.path(&digest);
        if path.exists() {
            return Ok(digest);
        }
        let folder = path.parent().context("a blob has a folder")?;
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
            file.write_all(&zstd::encode_all(bytes, 3)?)?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        write().with_context(|| {
            format!(
                "cannot store {} bytes at {}; free space or make it writable, then run again",
                bytes.len(),
                path.display()
            )
        })?;
        Ok(digest)
    }

    /// Lays a blob into another store as it is.
    pub fn copy_to(&self, digest: &Digest, other: &Self) -> anyhow::Result<()> {
        let (from, to) = (self.path(digest), other.path(digest));
        if to.exists() {
            return Ok(());
        }
        let folder = to.parent().context("a blob has a folder")?;
        let copy = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
            std::io::copy(&mut fs::File::open(&from)?, &mut file)?;
            file.persist(&to).map_err(|error| error.error)?;
            Ok(())
        };
        copy().with_context(|| {
            format!("cannot copy blob {} to {}; free space or make it writable", from.display(), to.display())
        })
    }

    /// Reads bytes back and checks them against their name.
    pub fn get(&self, digest: &Digest) -> anyhow::Result<Vec<u8>> {
        let path = self.path(digest);
        let compressed = fs::read(&path).with_context(|| format!("cannot read blob {}", path.display()))?;
        let bytes =
            zstd::decode_all(compressed.as_slice()).with_context(|| format!("blob {} is damaged", path.display()))?;
        if Digest::of(&bytes) != *digest {
            bail!("blob {} does not hold what its name says; it was changed after it was written", path.display());
        }
        Ok(bytes)
    }

    pub fn holds(&self, digest: &Digest) -> bool {
        self.path(digest).exists()
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.as_str();
        self.root.join(&name[..2]).join(format!("{name}.zst"))
    }

    pub fn root(&self) -> &Path {
        &self.root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_comes_back_and_a_changed_one_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path());
        let digest = blobs.put(b"hello").unwrap();
        assert_eq!(blobs.put(b"hello").unwrap(), digest);
        assert_eq!(blobs.get(&digest).unwrap(), b"hello");
        fs::write(blobs.path(&digest), zstd::encode_all(&b"other"[..], 3).unwrap()).unwrap();
        assert!(blobs.get(&digest).unwrap_err().to_string().contains("changed after"));
    }
}
