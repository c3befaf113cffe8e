//! Directories and what is in them: the names, a copy of everything, a new one.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, RawDir, Timespec, Timestamps};
use rustix::io::Errno;

use super::fault::Doing;

/// The names in a directory.
pub fn names(dir: impl AsFd) -> Result<Vec<CString>, Errno> {
    let mut buffer = Vec::with_capacity(16 << 10);
    let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Copies what is in a directory, with modes and modification times: bytecode is valid only with its source's time.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let meta = entry.metadata()?;
        if meta.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if meta.is_dir() {
            fs::create_dir(&target)?;
            copy(&source, &target)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(meta.mode() & 0o777 | 0o700))?;
        } else if meta.is_file() {
            fs::copy(&source, &target)?;
        } else {
            return Err(io::Error::other(format!("{} is neither file, directory nor link", source.display())));
        }
        let time = Timespec { tv_sec: meta.mtime(), tv_nsec: meta.mtime_nsec() };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, &target, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// Makes a directory and those above it. One that is there will do.
pub fn make_dir(path: &str) -> Result<(), String> {
    fs::create_dir_all(path).doing(|| format!("making the directory {path}"))
}
