//! A file in the making: written beside its place, then renamed, so that its place holds the old one or the new one.

use std::fs::{File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;
use tempfile::NamedTempFile;

use super::identity::Identity;

/// A file that takes its name when it is whole, and goes when it is dropped before.
#[derive(Debug)]
pub struct NewFile {
    /// As it was named.
    path: PathBuf,
    /// Where it goes: a link in its place stays, and what it leads to is replaced.
    target: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl NewFile {
    /// Starts a file; its folder is made where it is not there.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}; choose a folder that can be written", path.display());
        let target = Identity::of(path).with_context(cannot)?.path;
        let folder = target.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).with_context(cannot)?;
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix(".new-").permissions(Permissions::from_mode(0o644)).tempfile_in(folder);
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file.with_context(cannot)?), target })
    }

    /// As it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself, for writers that keep their own buffer.
    pub fn as_file(&self) -> &File {
        self.file.get_ref().as_file()
    }

    /// Appends a line of JSON.
    pub fn line<T: Serialize>(&mut self, value: &T) -> anyhow::Result<()> {
        let write = |file: &mut BufWriter<NamedTempFile>| -> anyhow::Result<()> {
            serde_json::to_writer(&mut *file, value)?;
            Ok(file.write_all(b"\n")?)
        };
        write(&mut self.file).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Puts it in its place; gives its size.
    pub fn finish(self) -> anyhow::Result<u64> {
        let Self { path, target, file } = self;
        let write = || -> std::io::Result<u64> {
            let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            let file = file.persist(&target).map_err(|error| error.error)?;
            file.set_permissions(Permissions::from_mode(0o644))?;
            Ok(file.metadata()?.len())
        };
        write().with_context(|| format!("cannot write {}; free space or make its folder writable", path.display()))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file whole, or not at all.
///
/// # Errors
/// It cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))?;
    file.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole_and_a_link_keeps_leading_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (link, real) = (folder.path().join("link"), folder.path().join("there/real"));
        write_file(&real, b"old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut new = NewFile::create(&link).unwrap();
        new.line(&1).unwrap();
        drop(new);
        assert_eq!(fs::read(&real).unwrap(), b"old");
        write_file(&link, b"new").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(real.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
    }
}
