//! Where a dataset goes: it is written beside its place, then swapped in, so the place always holds one whole dataset.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::manifest::MANIFEST;

/// Where a dataset goes, and the names beside it that are used on the way.
pub(super) struct Place<'a> {
    out: &'a Path,
    /// Write here.
    pub partial: PathBuf,
    old: PathBuf,
}

impl<'a> Place<'a> {
    /// Takes up what an interrupted export left, and makes an empty directory to write to.
    pub fn prepare(out: &'a Path) -> Result<Self> {
        let Some(file_name) = out.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            bail!("{} is no name for a new directory; give one", out.display());
        };
        let place = Self {
            out,
            partial: out.with_file_name(format!(".{file_name}.partial")),
            old: out.with_file_name(format!(".{file_name}.old")),
        };
        if place.old.exists() {
            if out.exists() {
                remove(&place.old)?;
            } else {
                rename(&place.old, out)?;
            }
        }
        place.refuse_strangers()?;
        if place.partial.exists() {
            remove(&place.partial)?;
        }
        std::fs::create_dir_all(&place.partial).with_context(|| {
            format!("cannot create {}; choose a directory that can be written", place.partial.display())
        })?;
        Ok(place)
    }

    /// Only a dataset or nothing is replaced.
    fn refuse_strangers(&self) -> Result<()> {
        let out = self.out.display();
        if !self.out.exists() || self.out.join(MANIFEST).is_file() {
            return Ok(());
        }
        let mut entries =
            std::fs::read_dir(self.out).with_context(|| format!("{out} is not a directory to write to"))?;
        if entries.next().is_some() {
            bail!("{out} holds files but no {MANIFEST}, so it is not a dataset and is left alone; choose another name");
        }
        Ok(())
    }

    /// Puts what was written where it belongs.
    pub fn swap_in(self) -> Result<()> {
        let replaced = self.out.exists();
        if replaced {
            rename(self.out, &self.old)?;
        }
        rename(&self.partial, self.out)?;
        if replaced {
            remove(&self.old)?;
        }
        Ok(())
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))
}

fn remove(directory: &Path) -> Result<()> {
    std::fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    }

    #[test]
    fn an_export_killed_between_the_two_renames_is_taken_up_by_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("dataset");
        fs::create_dir(directory.path().join(".dataset.old")).unwrap();
        fs::write(directory.path().join(".dataset.old").join(MANIFEST), "{}").unwrap();
        let place = Place::prepare(&out).unwrap();
        assert!(out.join(MANIFEST).is_file(), "the former dataset is back until the new one is whole");
        fs::write(place.partial.join("new"), "").unwrap();
        place.swap_in().unwrap();
        assert_eq!(names(directory.path()), ["dataset"]);
        assert_eq!(names(&out), ["new"]);
    }
}
