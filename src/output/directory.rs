//! A directory in the making: written beside its place, then exchanged with it, so that its place holds the whole old one
//! or the whole new one. Only what is proved to be ours is replaced.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// File that tells a folder of ours, and that is locked while a process writes there.
const MARK: &str = ".assay-staging";

/// Says why a directory may not be replaced.
pub type Proof = fn(&Path) -> Result<()>;

/// A directory that takes its place when it is whole, and goes when it is dropped before.
#[derive(Debug)]
pub struct Directory {
    /// Where it goes, without links.
    out: PathBuf,
    /// Everything of ours, beside the place.
    staging: PathBuf,
    proof: Proof,
    /// What was there and could not be put back: it stays, and the next run takes it up.
    keep: bool,
    _lock: File,
}

impl Directory {
    /// Takes up what an interrupted run left, and makes an empty directory to write to.
    ///
    /// # Errors
    /// The place cannot be written, holds something that is not proved to be ours, or is being written by another process.
    pub fn prepare(out: &Path, proof: Proof) -> Result<Self> {
        let named = out.display();
        if out.file_name().is_none() {
            bail!("{named} is not a name for a new directory; give one");
        }
        let place = match fs::symlink_metadata(out) {
            Ok(about) if about.is_symlink() => fs::canonicalize(out).with_context(|| {
                format!("{named} is a link that leads to nothing; remove it or choose another name")
            })?,
            _ => out.to_owned(),
        };
        let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let staging = place.with_file_name(format!(".{name}.partial"));
        let lock = claim(&staging, out)?;
        let directory = Self { out: place, staging, proof, keep: false, _lock: lock };
        directory.take_up()?;
        directory.refuse_strangers()?;
        let new = directory.path();
        fs::create_dir(&new).with_context(|| format!("cannot create {}", new.display()))?;
        Ok(directory)
    }

    /// Write here.
    pub fn path(&self) -> PathBuf {
        self.staging.join("new")
    }

    fn old(&self) -> PathBuf {
        self.staging.join("old")
    }

    /// A process that was killed between two renames left the former directory here and nothing in its place.
    fn take_up(&self) -> Result<()> {
        if self.old().exists() && fs::symlink_metadata(&self.out).is_err() {
            rename(&self.old(), &self.out)?;
        }
        [self.old(), self.path()].iter().filter(|left| left.exists()).try_for_each(|left| remove(left))
    }

    /// Only nothing, an empty directory, or what is proved to be ours is replaced.
    fn refuse_strangers(&self) -> Result<()> {
        let out = self.out.display();
        match fs::symlink_metadata(&self.out) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("cannot look at {out}")),
            Ok(about) if !about.is_dir() => {
                bail!("{out} is a file and not a directory to write to; choose another name")
            }
            Ok(_) => {}
        }
        let mut entries = fs::read_dir(&self.out).with_context(|| format!("{out} is not a directory to write to"))?;
        if entries.next().is_none() {
            return Ok(());
        }
        (self.proof)(&self.out)
    }

    /// Puts what was written where it belongs, if what is there may still be replaced.
    ///
    /// # Errors
    /// Something came into the place meanwhile; a rename fails. The place holds what it held.
    pub fn swap_in(mut self) -> Result<()> {
        self.refuse_strangers()?;
        let (new, old) = (self.path(), self.old());
        if fs::symlink_metadata(&self.out).is_err() {
            return match renameat_with(CWD, &new, CWD, &self.out, RenameFlags::NOREPLACE) {
                Ok(()) => Ok(()),
                // Not every file system knows the flag; a rename to a name that is free needs none.
                Err(error) if unknown(error) => rename(&new, &self.out),
                Err(error) => {
                    Err(error).with_context(|| format!("cannot rename {} to {}", new.display(), self.out.display()))
                }
            };
        }
        match renameat_with(CWD, &new, CWD, &self.out, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(error) if unknown(error) => {
                rename(&self.out, &old)?;
                if let Err(error) = rename(&new, &self.out) {
                    self.keep = rename(&old, &self.out).is_err();
                    return Err(error);
                }
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot replace {} by {}", self.out.display(), new.display()));
            }
        }
        // The old one is in the staging folder now.
        Ok(())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed now is removed by the next run, which knows it by its mark. The mark goes last.
            let gone = [self.old(), self.path()].iter().all(|left| !left.exists() || fs::remove_dir_all(left).is_ok());
            if gone && fs::remove_file(self.staging.join(MARK)).is_ok() {
                let _not_empty = fs::remove_dir(&self.staging);
            }
        }
    }
}

/// Makes the staging folder, or takes one that is empty or ours, and locks it.
fn claim(staging: &Path, out: &Path) -> Result<File> {
    let cannot = || format!("cannot create {}; choose a directory that can be written", staging.display());
    fs::create_dir_all(staging.parent().unwrap_or(Path::new("."))).with_context(cannot)?;
    match fs::create_dir(staging) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let folder = fs::symlink_metadata(staging).is_ok_and(|about| about.is_dir());
            let free = || fs::read_dir(staging).is_ok_and(|mut entries| entries.next().is_none());
            if !folder || !(free() || staging.join(MARK).is_file()) {
                bail!(
                    "{} is in the way: assay did not make it and leaves it alone; move it away, or choose another name than {}",
                    staging.display(),
                    out.display()
                );
            }
        }
        Err(error) => return Err(error).with_context(cannot),
    }
    let mark = staging.join(MARK);
    let lock = File::options().create(true).truncate(false).write(true).open(&mark).with_context(cannot)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            bail!("another assay process is writing {}; wait for it or choose another name", out.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", mark.display())),
    }
}

/// Whether a file system does not know a kind of rename.
fn unknown(error: rustix::io::Errno) -> bool {
    use rustix::io::Errno;
    [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP].contains(&error)
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))
}

fn remove(directory: &Path) -> Result<()> {
    fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ours is what holds a file called `ours`.
    fn proof(directory: &Path) -> Result<()> {
        if directory.join("ours").is_file() { Ok(()) } else { bail!("{} is a stranger", directory.display()) }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    }

    fn replace(out: &Path, file: &str) -> Result<()> {
        let directory = Directory::prepare(out, proof)?;
        fs::write(directory.path().join("ours"), file)?;
        directory.swap_in()
    }

    #[test]
    fn a_directory_of_ours_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("above/dataset");
        for text in ["1", "2"] {
            replace(&out, text).unwrap();
            assert_eq!(fs::read_to_string(out.join("ours")).unwrap(), text);
            assert_eq!(names(&folder.path().join("above")), ["dataset"]);
        }
        fs::remove_file(out.join("ours")).unwrap();
        replace(&out, "in an empty one").unwrap();
        fs::write(out.join("ours"), "").unwrap();
        drop(Directory::prepare(&out, proof).unwrap());
        assert_eq!((names(&folder.path().join("above")), names(&out)), (vec!["dataset".into()], vec!["ours".into()]));
    }

    #[test]
    fn strangers_and_files_are_left_alone_at_the_start_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (out, file) = (folder.path().join("out"), folder.path().join("file"));
        fs::create_dir(&out).unwrap();
        fs::write(out.join("thesis"), "work").unwrap();
        fs::write(&file, "").unwrap();
        assert!(replace(&out, "").unwrap_err().to_string().contains("stranger"));
        assert!(replace(&file, "").unwrap_err().to_string().contains("is a file"));
        fs::write(out.join("ours"), "").unwrap();
        let directory = Directory::prepare(&out, proof).unwrap();
        fs::remove_file(out.join("ours")).unwrap();
        assert!(directory.swap_in().is_err(), "it became a stranger while the new one was written");
        assert_eq!((names(folder.path()), names(&out)), (vec!["file".into(), "out".into()], vec!["thesis".into()]));
    }

    #[test]
    fn a_folder_of_somebody_else_under_the_name_beside_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (out, beside) = (folder.path().join("out"), folder.path().join(".out.partial"));
        fs::create_dir_all(beside.join("new")).unwrap();
        fs::write(beside.join("new/thesis"), "work").unwrap();
        let error = replace(&out, "").unwrap_err().to_string();
        assert!(error.contains(".out.partial") && beside.join("new/thesis").exists(), "{error}");
        fs::remove_dir_all(&beside).unwrap();
        fs::create_dir(folder.path().join(".out.old")).unwrap();
        replace(&out, "").unwrap();
        assert_eq!(names(folder.path()), [".out.old", "out"]);
    }

    #[test]
    fn a_run_that_was_killed_is_taken_up_and_one_that_lives_is_respected() {
        let folder = tempfile::tempdir().unwrap();
        let (out, staging) = (folder.path().join("out"), folder.path().join(".out.partial"));
        // Killed before its first file, and between two renames.
        fs::create_dir(&staging).unwrap();
        replace(&out, "1").unwrap();
        fs::create_dir(&staging).unwrap();
        fs::write(staging.join(MARK), "").unwrap();
        fs::create_dir(staging.join("new")).unwrap();
        fs::rename(&out, staging.join("old")).unwrap();
        let directory = Directory::prepare(&out, proof).unwrap();
        assert_eq!(
            fs::read_to_string(out.join("ours")).unwrap(),
            "1",
            "the former one is back until the new one is whole"
        );
        let error = Directory::prepare(&out, proof).unwrap_err().to_string();
        assert!(error.contains("another assay process"), "{error}");
        drop(directory);
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn a_link_keeps_leading_to_the_directory_that_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("there/real"), folder.path().join("link"));
        replace(&real, "1").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace(&link, "2").unwrap();
        assert_eq!(fs::read_to_string(real.join("ours")).unwrap(), "2");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(folder.path()), ["link", "there"]);
        std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
        assert!(replace(&folder.path().join("dangling"), "").unwrap_err().to_string().contains("leads to nothing"));
    }
}
