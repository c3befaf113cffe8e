//! Files that a command puts into a folder which may hold others. All are written before the first takes its name, and what
//! an earlier run of the command left and this one does not write is removed: shards of two runs never stand side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::listing::Listing;
use super::new_file::NewFile;
use crate::exit_code::Stop;
use crate::model::digest::Digest;

/// The files of one command in one folder.
#[derive(Debug)]
pub struct FileSet {
    folder: PathBuf,
    command: &'static str,
    listing: Listing,
    files: BTreeMap<String, NewFile>,
}

impl FileSet {
    /// Looks at what the command left in the folder before. Nothing is made yet.
    ///
    /// # Errors
    /// The folder's listing cannot be read.
    pub fn open(folder: &Path, command: &'static str) -> anyhow::Result<Self> {
        let listing = Listing::read(folder)?;
        Ok(Self { folder: folder.to_owned(), command, listing, files: BTreeMap::new() })
    }

    /// Ends where a name that is or would be one of the command's is somebody else's file, or was changed since.
    ///
    /// # Errors
    /// [`Stop::Usage`] with the file's name.
    pub fn refuse_strangers(&self, fits: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(error).with_context(|| format!("{} is not a directory to write to", self.folder.display()));
            }
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", self.folder.display()))?;
            names.extend(entry.file_name().to_str().filter(|name| fits(name)).map(str::to_owned));
        }
        names.iter().try_for_each(|name| self.refuse_stranger(name))
    }

    fn refuse_stranger(&self, name: &str) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        if fs::symlink_metadata(&path).is_err() || self.listing.owns(&self.folder, self.command, name)? {
            return Ok(());
        }
        let command = self.command;
        let known = self.listing.outputs.get(command).is_some_and(|files| files.contains_key(name));
        let why = if known { "was changed since `assay` wrote it" } else { "is not an output of this command" };
        let path = path.display();
        Err(Stop::Usage(format!(
            "{path} {why} ({command}), so it is left alone and nothing was written; move it away, or name another folder"
        ))
        .into())
    }

    /// Starts a file.
    ///
    /// # Errors
    /// It cannot be written, or the name is taken.
    pub fn create(&self, name: &str) -> anyhow::Result<NewFile> {
        self.refuse_stranger(name)?;
        NewFile::create(&self.folder.join(name))
    }

    /// Takes a file that is whole, under the name that it was started with.
    pub fn add(&mut self, file: NewFile) {
        let name = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.files.insert(name, file);
    }

    /// Starts a file and takes it with these bytes.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let mut file = self.create(name)?;
        file.write_all(bytes).with_context(|| format!("cannot write {}", file.path().display()))?;
        self.add(file);
        Ok(())
    }

    /// Puts all files in their places, and removes what an earlier run left beside them.
    ///
    /// # Errors
    /// A file cannot be written or removed. The next run of the command knows which files are its own.
    pub fn commit(self) -> anyhow::Result<()> {
        let Self { folder, command, mut listing, mut files } = self;
        let former = listing.outputs.remove(command).unwrap_or_default();
        if former.is_empty() && files.is_empty() {
            return Ok(());
        }
        let mut new = BTreeMap::new();
        for (name, file) in &mut files {
            let path = file.path().to_owned();
            let digest = file.flush().and_then(|()| digest_of(file));
            new.insert(name.clone(), vec![digest.with_context(|| format!("cannot read back {}", path.display()))?]);
        }
        let mut stale = Vec::new();
        for name in former.keys().filter(|name| !new.contains_key(*name)) {
            let before = Listing { outputs: [(command.to_owned(), former.clone())].into(), ..listing.clone() };
            if before.owns(&folder, command, name)? {
                stale.push(folder.join(name));
            }
        }
        let mut both = former;
        new.iter().for_each(|(name, digests)| both.entry(name.clone()).or_default().extend(digests.clone()));
        listing.outputs.insert(command.to_owned(), both);
        listing.write(&folder)?;
        for path in stale {
            fs::remove_file(&path).with_context(|| format!("cannot remove {} of an earlier run", path.display()))?;
        }
        for file in files.into_values() {
            file.finish()?;
        }
        listing.outputs.insert(command.to_owned(), new);
        listing.write(&folder)
    }
}

fn digest_of(file: &NewFile) -> std::io::Result<Digest> {
    use std::io::Seek as _;
    let mut reader = file.as_file();
    reader.rewind()?;
    Digest::of_reader(reader)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }

    fn put(folder: &Path, files: &[(&str, &str)]) -> anyhow::Result<()> {
        let mut set = FileSet::open(folder, "test")?;
        set.refuse_strangers(|name| name.ends_with(".jsonl"))?;
        for (name, text) in files {
            set.write(name, text.as_bytes())?;
        }
        set.commit()
    }

    #[test]
    fn shards_of_an_earlier_run_go_and_files_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("new");
        put(&place, &[("1.jsonl", "a"), ("2.jsonl", "b"), ("3.jsonl", "c")]).unwrap();
        fs::write(place.join("notes.md"), "mine").unwrap();
        put(&place, &[("1.jsonl", "d")]).unwrap();
        assert_eq!(names(&place), ["1.jsonl", "notes.md"]);
        assert_eq!(fs::read(place.join("1.jsonl")).unwrap(), b"d");
        put(&place, &[]).unwrap();
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1, "the listing goes with the last file");
    }

    #[test]
    fn a_file_of_somebody_else_or_one_that_was_changed_is_named_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), &[("1.jsonl", "a"), ("2.jsonl", "b")]).unwrap();
        fs::write(folder.path().join("2.jsonl"), "edited").unwrap();
        let error = put(folder.path(), &[("1.jsonl", "c")]).unwrap_err().to_string();
        assert!(error.contains("2.jsonl was changed"), "{error}");
        fs::write(folder.path().join("2.jsonl"), "b").unwrap();
        fs::write(folder.path().join("mine.jsonl"), "x").unwrap();
        let error = put(folder.path(), &[("1.jsonl", "c")]).unwrap_err().to_string();
        assert!(error.contains("mine.jsonl is not an output"), "{error}");
        assert_eq!(fs::read(folder.path().join("1.jsonl")).unwrap(), b"a");
        assert_eq!(names(folder.path()), ["1.jsonl", "2.jsonl", "mine.jsonl"]);
    }

    #[test]
    fn a_run_that_was_killed_between_two_files_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), &[("1.jsonl", "a"), ("2.jsonl", "b")]).unwrap();
        let digests = |texts: &[&str]| texts.iter().map(|text| Digest::of(text.as_bytes())).collect::<Vec<_>>();
        let mut listing = Listing::read(folder.path()).unwrap();
        let files = listing.outputs.get_mut("test").unwrap();
        files.insert("1.jsonl".to_owned(), digests(&["a", "c"]));
        files.insert("2.jsonl".to_owned(), digests(&["b", "d"]));
        listing.write(folder.path()).unwrap();
        fs::write(folder.path().join("1.jsonl"), "c").unwrap();
        put(folder.path(), &[("1.jsonl", "c"), ("2.jsonl", "d")]).unwrap();
        assert_eq!(fs::read(folder.path().join("2.jsonl")).unwrap(), b"d");
    }
}
