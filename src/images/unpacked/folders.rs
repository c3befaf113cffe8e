//! Folder trees in the cache: copied, linked file by file, thinned out. No link inside one is ever followed.

use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use walkdir::WalkDir;

/// Linking waits for the file system more than for the processor, so more threads gain nothing.
const MOST_THREADS: usize = 4;

/// A path inside a tree, without a leading slash; refused if it leads out of the tree.
pub(crate) fn inside(path: &Path) -> io::Result<PathBuf> {
    let mut inside = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => inside.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(refused(path, "it leads out of the folder")),
        }
    }
    Ok(inside)
}

pub(crate) fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
}

/// The place of a path in a tree, if every folder above it is a real one.
pub(crate) fn place(root: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let path = inside(path)?;
    let mut at = root.to_owned();
    let parts: Vec<Component<'_>> = path.components().collect();
    for part in &parts[..parts.len().saturating_sub(1)] {
        at.push(part);
        if !fs::symlink_metadata(&at).is_ok_and(|data| data.is_dir()) {
            return Ok(None);
        }
    }
    Ok(Some(root.join(path)))
}

/// Removes a file, link or folder; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Makes something that must not be there yet; what stands in its place goes. Looking first would cost more, because there
/// seldom is anything.
pub(crate) fn in_place_of<T>(path: &Path, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match make() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove(path)?;
            make()
        }
        made => made,
    }
}

/// Makes a folder in the place of whatever else is there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !fs::symlink_metadata(path)?.is_dir() {
                remove(path)?;
                fs::create_dir(path)?;
            }
            Ok(())
        }
        made => made,
    }
}

/// Puts everything of `from` into `to` over what is there: folders are made, files become further names of the same
/// content, so that they take no room. Content, modes and times of `to` must never be changed in place. `wanted` says what of it, by the
/// path inside; nothing below an unwanted folder is looked at.
pub(crate) fn link_tree(from: &Path, to: &Path, wanted: impl Fn(&Path) -> bool) -> io::Result<()> {
    let mut files = Vec::new();
    let mut walk = WalkDir::new(from).min_depth(1).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry?;
        let inside = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let folder = entry.file_type().is_dir();
        match (wanted(inside), folder) {
            (false, true) => walk.skip_current_dir(),
            (false, false) => {}
            (true, true) => make_folder(&to.join(inside))?,
            (true, false) => files.push(inside.to_owned()),
        }
    }
    // All folders are there now, and no file is in the place of another one.
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(MOST_THREADS));
    let part = files.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let link = |files: &[PathBuf]| files.iter().try_for_each(|file| link_file(&from.join(file), &to.join(file)));
        let started: Vec<_> = files.chunks(part).map(|files| scope.spawn(move || link(files))).collect();
        let ended = started.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread that links files panicked")))
        });
        ended.fold(Ok(()), io::Result::and)
    })
}

fn link_file(from: &Path, to: &Path) -> io::Result<()> {
    match in_place_of(to, || fs::hard_link(from, to)) {
        // A file can have a limited number of names.
        Err(error) if matches!(error.kind(), io::ErrorKind::TooManyLinks | io::ErrorKind::CrossesDevices) => {
            copy_entry(from, to)
        }
        linked => linked,
    }
}

/// Copies a tree, with modes and times, into a folder; `wanted` says what of it, by the path inside.
pub(crate) fn copy_tree(from: &Path, to: &Path, mut wanted: impl FnMut(&Path) -> bool) -> io::Result<()> {
    let mut walk = WalkDir::new(from).min_depth(1).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry?;
        let inside = entry.path().strip_prefix(from).unwrap_or(entry.path());
        if !wanted(inside) {
            if entry.file_type().is_dir() {
                walk.skip_current_dir();
            }
            continue;
        }
        let target = to.join(inside);
        if entry.file_type().is_dir() {
            if !fs::symlink_metadata(&target).is_ok_and(|data| data.is_dir()) {
                fs::create_dir(&target)?;
            }
        } else {
            copy_entry(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn copy_entry(from: &Path, to: &Path) -> io::Result<()> {
    let data = fs::symlink_metadata(from)?;
    if data.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    fs::copy(from, to)?;
    fs::set_permissions(to, Permissions::from_mode(data.permissions().mode() & 0o777 | 0o600))?;
    let modified = data.modified()?;
    let file = File::options().write(true).open(to)?;
    file.set_times(FileTimes::new().set_modified(modified).set_accessed(modified))
}

/// Gives every file, link and folder of a tree the same time.
pub(crate) fn set_times(root: &Path, seconds: i64) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    for entry in WalkDir::new(root).contents_first(true) {
        utimensat(CWD, entry?.path(), &times, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// Writes a file anew: the old one may be a link, or a name of content that others share.
pub(crate) fn write_anew(path: &Path, content: &[u8], modified: SystemTime) -> io::Result<()> {
    remove(path)?;
    fs::write(path, content)?;
    fs::set_permissions(path, Permissions::from_mode(0o644))?;
    File::options().write(true).open(path)?.set_times(FileTimes::new().set_modified(modified))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_found_or_removed_through_a_link() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("file"), "1").unwrap();
        let root = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("link")).unwrap();
        assert_eq!(place(root.path(), Path::new("/link/file")).unwrap(), None);
        assert!(place(root.path(), Path::new("../file")).is_err());
        remove(&root.path().join("link")).unwrap();
        assert!(outside.path().join("file").exists());
    }

    #[test]
    fn a_linked_tree_takes_the_place_of_what_was_there_and_leaves_its_source_alone() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(from.path().join("a")).unwrap();
        fs::write(from.path().join("a/file"), "new").unwrap();
        symlink("/etc", to.path().join("a")).unwrap();
        link_tree(from.path(), to.path(), |_| true).unwrap();
        assert_eq!(fs::read(to.path().join("a/file")).unwrap(), b"new");
        assert!(!fs::symlink_metadata(to.path().join("a")).unwrap().is_symlink());
        write_anew(&to.path().join("a/file"), b"other", SystemTime::now()).unwrap();
        assert_eq!(fs::read(from.path().join("a/file")).unwrap(), b"new");
    }

    #[test]
    fn what_is_not_wanted_is_not_linked_and_all_else_is() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in ["a", "a/b", "c"] {
            fs::create_dir(from.path().join(folder)).unwrap();
            (0..20).for_each(|file| fs::write(from.path().join(folder).join(file.to_string()), folder).unwrap());
        }
        let unwanted = [Path::new("a/b"), Path::new("c/7")];
        link_tree(from.path(), to.path(), |inside| !unwanted.contains(&inside)).unwrap();
        assert!(!to.path().join("a/b").exists() && !to.path().join("c/7").exists());
        let files = WalkDir::new(to.path()).into_iter().filter(|entry| entry.as_ref().unwrap().file_type().is_file());
        assert_eq!(files.count(), 39);
        assert_eq!(fs::read(to.path().join("c/8")).unwrap(), b"c");
        // A file that cannot be linked is an error, whichever thread meets it.
        fs::write(to.path().join("d"), "").unwrap();
        assert!(link_tree(from.path(), &to.path().join("d"), |_| true).is_err());
    }
}
