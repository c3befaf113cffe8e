//! Lays a job's changes and support files down. Never follows a link that the tree or an earlier change brought.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::fault::Doing;
use super::files::names;
use super::protocol::Change;

/// Modification time of every file that a change writes: never that of the base layer, so bytecode that was compiled
/// from the base layer's file is never taken for the new one.
const CHANGED_AT: i64 = 1_000_000_001;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const DIR_MODE: Mode = Mode::from_raw_mode(0o755);

/// Applies changes below `root`: removals first, then writes and links, in order. `blob` holds the contents.
/// Gives the number of bytes of `blob` that were used.
pub fn apply(root: &str, changes: &[Change], blob: &[u8]) -> Result<usize, String> {
    let root = rustix::fs::openat(CWD, root, DIRECTORY, Mode::empty()).doing(|| format!("opening {root}"))?;
    for change in changes {
        if let Change::Remove { path } = change {
            remove_path(&root, path).doing(|| format!("removing {path:?}"))?;
        }
    }
    let mut used = 0;
    for change in changes {
        match change {
            Change::Write { path, len, executable } => {
                let content = slice(blob, &mut used, *len)?;
                write(&root, path, content, *executable).doing(|| format!("writing {path:?}"))?;
            }
            Change::Link { path, target } => {
                link(&root, path, target).doing(|| format!("linking {path:?}"))?;
            }
            Change::Remove { .. } => {}
        }
    }
    Ok(used)
}

/// Writes the trusted files below `root`.
pub fn write_support(root: &str, files: &[(String, u64)], blob: &[u8]) -> Result<usize, String> {
    let root = rustix::fs::openat(CWD, root, DIRECTORY, Mode::empty()).doing(|| format!("opening {root}"))?;
    let mut used = 0;
    for (name, len) in files {
        let content = slice(blob, &mut used, *len)?;
        write(&root, name, content, false).doing(|| format!("writing the support file {name:?}"))?;
    }
    Ok(used)
}

fn slice<'a>(blob: &'a [u8], used: &mut usize, len: u64) -> Result<&'a [u8], String> {
    let end = usize::try_from(len).ok().and_then(|len| used.checked_add(len));
    let content = end.and_then(|end| blob.get(*used..end)).ok_or("the job's contents are cut short")?;
    *used += content.len();
    Ok(content)
}

/// The components of a relative path, if it stays below where it starts.
fn components(path: &str) -> Result<Vec<&str>, Errno> {
    let parts: Vec<&str> = path.split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) { Err(Errno::INVAL) } else { Ok(parts) }
}

/// Opens the directory that holds `path`, making it if it is missing. A link on the way is refused.
fn parent(root: &OwnedFd, parts: &[&str], make: bool) -> Result<OwnedFd, Errno> {
    let mut at = root.try_clone().map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    for part in parts {
        at = match rustix::fs::openat(&at, *part, DIRECTORY, Mode::empty()) {
            Err(Errno::NOENT) if make => {
                rustix::fs::mkdirat(&at, *part, DIR_MODE)?;
                rustix::fs::openat(&at, *part, DIRECTORY, Mode::empty())?
            }
            other => other?,
        };
    }
    Ok(at)
}

fn write(root: &OwnedFd, path: &str, content: &[u8], executable: bool) -> Result<(), Errno> {
    let (dir, name) = prepared(root, path)?;
    let mode = Mode::from_raw_mode(if executable { 0o755 } else { 0o644 });
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(&dir, name, flags, mode)?);
    file.write_all(content).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    rustix::fs::fchmod(&file, mode)?;
    rustix::fs::futimens(&file, &changed_at())
}

fn link(root: &OwnedFd, path: &str, target: &str) -> Result<(), Errno> {
    let (dir, name) = prepared(root, path)?;
    rustix::fs::symlinkat(target, &dir, name)?;
    rustix::fs::utimensat(&dir, name, &changed_at(), AtFlags::SYMLINK_NOFOLLOW)
}

fn changed_at() -> Timestamps {
    let time = Timespec { tv_sec: CHANGED_AT, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

/// The parent directory, with nothing left at the name.
fn prepared<'a>(root: &OwnedFd, path: &'a str) -> Result<(OwnedFd, &'a str), Errno> {
    let parts = components(path)?;
    let (name, above) = parts.split_last().ok_or(Errno::INVAL)?;
    let dir = parent(root, above, true)?;
    remove_entry(dir.as_fd(), *name)?;
    Ok((dir, name))
}

/// Removes what is at a path, the bytecode of a removed module, and directories that this leaves empty: git has none.
fn remove_path(root: &OwnedFd, path: &str) -> Result<(), Errno> {
    let parts = components(path)?;
    for depth in (1..=parts.len()).rev() {
        let (name, above) = parts[..depth].split_last().ok_or(Errno::INVAL)?;
        let dir = match parent(root, above, false) {
            Ok(dir) => dir,
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            Err(error) => return Err(error),
        };
        if depth == parts.len() {
            remove_entry(dir.as_fd(), *name)?;
            if let Some(module) = name.strip_suffix(".py") {
                remove_bytecode(&dir, module)?;
            }
        } else {
            match rustix::fs::unlinkat(&dir, *name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST) => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn remove_bytecode(dir: &OwnedFd, module: &str) -> Result<(), Errno> {
    let cache = match rustix::fs::openat(dir, "__pycache__", DIRECTORY, Mode::empty()) {
        Ok(cache) => cache,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        Err(error) => return Err(error),
    };
    for name in names(&cache)? {
        let rest = name.to_str().ok().and_then(|name| name.strip_prefix(module));
        if rest.is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".pyc")) {
            rustix::fs::unlinkat(&cache, name.as_c_str(), AtFlags::empty())?;
        }
    }
    match rustix::fs::unlinkat(dir, "__pycache__", AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

fn remove_entry(dir: BorrowedFd<'_>, name: impl rustix::path::Arg + Copy) -> Result<(), Errno> {
    let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error),
    };
    if !FileType::from_raw_mode(stat.st_mode).is_dir() {
        return rustix::fs::unlinkat(dir, name, AtFlags::empty());
    }
    let inner = rustix::fs::openat(dir, name, DIRECTORY, Mode::empty())?;
    for entry in names(&inner)? {
        remove_entry(inner.as_fd(), entry.as_c_str())?;
    }
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)
}
