//! Writing a tree out as plain files.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::RepoError;
use super::draft::Mode;
use super::paths;
use super::store::Repository;

impl Repository {
    /// Writes a tree into an empty (or new) directory: plain files 0644, executable ones 0755, links, directories 0755,
    /// each with modification and access time `mtime_unix` (seconds). Empty directories do not exist in a tree.
    ///
    /// # Errors
    /// [`RepoError::NotEmpty`] if the directory holds anything; nothing is written then.
    pub fn checkout(&self, tree: &str, dir: &Path, mtime_unix: i64) -> Result<(), RepoError> {
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |fault| RepoError::Io { doing, path, fault }
        };
        fs::create_dir_all(dir).map_err(io("creating directory", dir))?;
        if fs::read_dir(dir).map_err(io("reading directory", dir))?.next().is_some() {
            return Err(RepoError::NotEmpty { path: dir.to_owned() });
        }
        let mut dirs: Vec<PathBuf> = vec![dir.to_owned()];
        let mut made = HashSet::new();
        for (path, leaf) in self.leaves(tree)? {
            // Trees of other people's repositories may hold any name at all.
            if let Some(why) = paths::fault(&path) {
                return Err(RepoError::Unstorable {
                    path: path.clone(),
                    why: format!("the path {why}; nothing like it is written"),
                });
            }
            for parent in paths::parents(&path) {
                if made.insert(parent.to_owned()) {
                    let parent = dir.join(parent);
                    fs::create_dir(&parent).map_err(io("creating directory", &parent))?;
                    fs::set_permissions(&parent, fs::Permissions::from_mode(0o755))
                        .map_err(io("setting the mode of", &parent))?;
                    dirs.push(parent);
                }
            }
            let content = self.blob(leaf.oid)?;
            let target = dir.join(&path);
            match Mode::from_raw(leaf.mode) {
                Some(Mode::Link) => {
                    symlink(OsStr::from_bytes(&content), &target).map_err(io("writing link", &target))?;
                }
                mode => {
                    let bits = if mode == Some(Mode::Executable) { 0o755 } else { 0o644 };
                    let mut file = fs::OpenOptions::new()
                        .write(true)
                        .create_new(true)
                        .mode(bits)
                        .open(&target)
                        .map_err(io("creating", &target))?;
                    file.write_all(&content).map_err(io("writing", &target))?;
                    // The umask may have taken bits away.
                    file.set_permissions(fs::Permissions::from_mode(bits))
                        .map_err(io("setting the mode of", &target))?;
                }
            }
            set_time(&target, mtime_unix).map_err(io("setting the time of", &target))?;
        }
        for dir in dirs.iter().rev() {
            set_time(dir, mtime_unix).map_err(io("setting the time of", dir))?;
        }
        Ok(())
    }
}

fn set_time(path: &Path, seconds: i64) -> std::io::Result<()> {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
