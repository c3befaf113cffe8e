//! Which place a path names: through links of both kinds, and also where nothing is there yet.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// A place on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Without links, `.` and `..`.
    pub path: PathBuf,
    /// Device and inode of what is there.
    pub inode: Option<(u64, u64)>,
    /// Whether a file has more than one name.
    pub has_other_names: bool,
}

impl Identity {
    /// Finds out where a path leads.
    ///
    /// # Errors
    /// A folder on the way cannot be read, or links lead in a circle.
    pub fn of(path: &Path) -> io::Result<Self> {
        let path = real(path)?;
        match fs::metadata(&path) {
            Ok(about) => Ok(Self {
                inode: Some((about.dev(), about.ino())),
                has_other_names: about.is_file() && about.nlink() > 1,
                path,
            }),
            Err(error) if absent(&error) => Ok(Self { path, inode: None, has_other_names: false }),
            Err(error) => Err(error),
        }
    }

    /// Whether both are one file or one folder, be it there or to come.
    pub fn is(&self, other: &Self) -> bool {
        self.path == other.path || (self.inode.is_some() && self.inode == other.inode)
    }

    /// Whether this is below the other, or the other itself.
    pub fn is_in(&self, folder: &Self) -> bool {
        self.path.starts_with(&folder.path) || self.is(folder)
    }
}

/// The canonical path. Of one that is not there, the part that is there is canonical and the rest follows; a link that
/// leads to nothing is followed to where it would be made.
fn real(path: &Path) -> io::Result<PathBuf> {
    let mut missing: Vec<OsString> = Vec::new();
    let mut at = std::path::absolute(path)?;
    for _ in 0..256 {
        match fs::canonicalize(&at) {
            Ok(there) => return Ok(normal(there.join(missing.iter().rev().collect::<PathBuf>()))),
            Err(error) if absent(&error) => {}
            Err(error) => return Err(error),
        }
        let Some(folder) = at.parent().map(Path::to_owned) else { break };
        match fs::read_link(&at) {
            Ok(target) => at = folder.join(target),
            Err(_) => {
                missing.push(at.components().next_back().map(|last| last.as_os_str().to_owned()).unwrap_or_default());
                at = folder;
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "its links lead nowhere"))
}

fn normal(path: PathBuf) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_and_paths_that_are_not_there_yet_are_told_to_be_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Identity::of(&folder.path().join(name)).unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("d/file"), "x").unwrap();
        fs::hard_link(folder.path().join("d/file"), folder.path().join("hard")).unwrap();
        symlink("d/file", folder.path().join("soft")).unwrap();
        symlink("d", folder.path().join("folder")).unwrap();
        symlink("d/to-come", folder.path().join("dangling")).unwrap();
        for name in ["hard", "soft", "folder/file", "d/../d/./file"] {
            assert!(at(name).is(&at("d/file")), "{name}");
        }
        for name in ["dangling", "folder/to-come", "d/none/../to-come"] {
            assert!(at(name).is(&at("d/to-come")), "{name}");
        }
        assert!(!at("d/other").is(&at("d/to-come")) && !at("d").is(&at("d/file")));
        assert!(at("folder/a/b").is_in(&at("d")) && !at("dd").is_in(&at("d")));
        symlink("round", folder.path().join("round")).unwrap();
        assert!(Identity::of(&folder.path().join("round")).is_err());
    }
}
