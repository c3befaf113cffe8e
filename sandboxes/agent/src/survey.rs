//! What a job did to files that were there before it: the upper layer is looked at before the job and after it.
//!
//! A mark holds the time of the last change, which only the kernel sets, so a file that was changed and put back shows.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::files::names;

/// How an overlay marks a directory that stands in place of the lower one.
const REPLACED: &CStr = c"user.overlay.opaque";

/// Directories in one another that are looked into; no repository has more.
const DEEPEST: usize = 200;

/// The entries of an upper layer, by path.
#[derive(Debug)]
pub struct Survey(BTreeMap<String, Mark>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Mark {
    /// A directory's own times say only that something in it changed.
    Directory {
        inode: u64,
        replaced: bool,
    },
    /// Nobody but the job can have closed it to us.
    Closed,
    /// An overlay's mark of a removal.
    Removed,
    Other {
        inode: u64,
        mode: u32,
        size: i64,
        changed: (i64, u64),
    },
}

impl Survey {
    /// Looks at everything below the upper layer.
    pub fn take(upper: &OwnedFd) -> Result<Self, Errno> {
        let mut found = BTreeMap::new();
        // Opened anew: a directory is read from where its descriptor stands.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let upper = rustix::fs::openat(upper, ".", flags, Mode::empty())?;
        descend(upper.as_fd(), "", &mut found)?;
        Ok(Self(found))
    }

    /// What the job changed, replaced or removed of that which was there at `before`: paths, and with a slash at the end
    /// directories of which nothing below is as it was. `lower` is the base layer. New files are left out.
    pub fn since(&self, before: &Self, lower: &OwnedFd) -> Vec<String> {
        let there = |path: &str| before.0.contains_key(path) || exists(lower, path).is_some();
        let mut touched = Vec::new();
        for (path, mark) in self.0.iter().filter(|(path, mark)| before.0.get(*path) != Some(*mark)) {
            match mark {
                Mark::Directory { inode, replaced } => {
                    let other = match before.0.get(path) {
                        Some(Mark::Directory { inode: old, .. }) => old != inode,
                        Some(_) => true,
                        None => *replaced || exists(lower, path).is_some_and(|kind| !kind.is_dir()),
                    };
                    if other || *replaced {
                        touched.extend([path.clone(), format!("{path}/")]);
                    }
                }
                Mark::Closed | Mark::Removed => touched.extend([path.clone(), format!("{path}/")]),
                Mark::Other { .. } if there(path) => touched.extend([path.clone(), format!("{path}/")]),
                Mark::Other { .. } => {}
            }
        }
        touched.extend(before.0.keys().filter(|path| !self.0.contains_key(*path)).cloned());
        touched
    }
}

/// The kind of what the base layer has at a path.
fn exists(lower: &OwnedFd, path: &str) -> Option<FileType> {
    let stat = rustix::fs::statat(lower, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

fn descend(dir: BorrowedFd<'_>, path: &str, found: &mut BTreeMap<String, Mark>) -> Result<(), Errno> {
    for name in names(dir)? {
        let text = name.to_string_lossy();
        let below = if path.is_empty() { text.into_owned() } else { format!("{path}/{text}") };
        let stat = rustix::fs::statat(dir, &*name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mark = if kind.is_dir() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(dir, &*name, flags, Mode::empty()) {
                Ok(_) if below.matches('/').count() > DEEPEST => Mark::Closed,
                Ok(inner) => match descend(inner.as_fd(), &below, found) {
                    Ok(()) => {
                        let replaced = rustix::fs::fgetxattr(&inner, REPLACED, &mut [0_u8; 8]).is_ok();
                        Mark::Directory { inode: stat.st_ino, replaced }
                    }
                    Err(Errno::ACCESS) => Mark::Closed,
                    Err(error) => return Err(error),
                },
                Err(Errno::ACCESS) => Mark::Closed,
                Err(error) => return Err(error),
            }
        } else if kind.is_char_device() && stat.st_rdev == 0 {
            Mark::Removed
        } else {
            let changed = (stat.st_ctime, stat.st_ctime_nsec);
            Mark::Other { inode: stat.st_ino, mode: stat.st_mode, size: stat.st_size, changed }
        };
        found.insert(below, mark);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn open(path: &std::path::Path) -> OwnedFd {
        fs::File::open(path).unwrap().into()
    }

    #[test]
    fn changes_to_what_was_there_are_found_even_if_put_back_and_new_files_are_not() {
        let folder = std::env::temp_dir().join(format!("assay-survey-{}", std::process::id()));
        let (upper, lower) = (folder.join("upper"), folder.join("lower"));
        for (path, content) in [
            (upper.join("tests/laid.py"), "laid"),
            (upper.join("tests/kept.py"), "kept"),
            (upper.join("tests/gone.py"), "gone"),
            (lower.join("tests/base.py"), "base"),
            (lower.join("data/base.txt"), "base"),
            (lower.join("closed/base.txt"), "base"),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let (upper_fd, lower_fd) = (open(&upper), open(&lower));
        let before = Survey::take(&upper_fd).unwrap();
        assert_eq!(before.since(&before, &lower_fd), Vec::<String>::new());

        // A job cannot come within a tick of the clock after its files were laid.
        std::thread::sleep(Duration::from_millis(20));
        let laid = upper.join("tests/laid.py");
        let time = fs::metadata(&laid).unwrap().modified().unwrap();
        fs::write(&laid, "evil").unwrap();
        fs::write(&laid, "laid").unwrap();
        fs::File::options().write(true).open(&laid).unwrap().set_modified(time).unwrap();
        fs::remove_file(upper.join("tests/gone.py")).unwrap();
        fs::write(upper.join("tests/base.py"), "copied up and written").unwrap();
        fs::write(upper.join("tests/new.py"), "new").unwrap();
        fs::create_dir_all(upper.join("fresh/deep")).unwrap();
        fs::write(upper.join("data"), "a file where a directory was").unwrap();
        let found = Survey::take(&upper_fd).unwrap().since(&before, &lower_fd);
        let expected = ["data", "data/", "tests/base.py", "tests/base.py/", "tests/laid.py", "tests/laid.py/"];
        assert_eq!(found, [&expected[..], &["tests/gone.py"]].concat());

        if !rustix::process::geteuid().is_root() {
            fs::create_dir(upper.join("closed")).unwrap();
            fs::set_permissions(upper.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
            let found = Survey::take(&upper_fd).unwrap().since(&before, &lower_fd);
            assert!(found.contains(&"closed/".to_owned()), "{found:?}");
            fs::set_permissions(upper.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
