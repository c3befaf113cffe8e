//! The file that samples are appended to: what is in it is not asked again. A sample counts once its line is on disk. A
//! torn last line is taken off, and its sample is asked for again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::model::generation::Generation;

/// How a line of this file begins. What begins otherwise was written by somebody else, and is not cut off.
const BEGINNING: &[u8] = b"{\"format\":\"generation.v";

fn is_torn(line: &[u8]) -> bool {
    line.starts_with(BEGINNING) || BEGINNING.starts_with(line)
}

/// An open samples file, held by one process.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    have: BTreeSet<(String, u64)>,
    models: BTreeMap<String, u64>,
    /// Bytes of a last line that an earlier kill cut off; they are gone.
    pub torn: u64,
}

impl Ledger {
    /// Opens or makes the file, and reads which samples it holds. A torn last line is taken off; its sample is asked again.
    ///
    /// # Errors
    /// Another process has it open, or it holds something other than generations: that would be lost in the middle of samples.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(path).with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another assay is writing to {}; wait for it, or name another file", path.display())
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        let mut ledger = Self { path: path.to_owned(), file, have: BTreeSet::new(), models: BTreeMap::new(), torn: 0 };
        ledger.read_back().with_context(|| format!("reading {}", path.display()))?;
        Ok(ledger)
    }

    fn read_back(&mut self) -> anyhow::Result<()> {
        let mut reader = BufReader::new(self.file.try_clone()?);
        let (mut good, mut line, mut unended) = (0, Vec::new(), false);
        for number in 1_u64.. {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)? as u64;
            if length == 0 {
                break;
            }
            let whole = line.ends_with(b"\n");
            match serde_json::from_slice::<Generation>(&line) {
                Ok(generation) if whole => self.note(&generation),
                // An editor may have taken the last line's end.
                Ok(generation) => {
                    self.note(&generation);
                    unended = true;
                }
                _ if !whole && is_torn(&line) => {
                    self.torn = length;
                    break;
                }
                _ if line.trim_ascii().is_empty() => {}
                Err(error) => bail!("line {number} is not a generation ({error}); mend it, or name another file"),
            }
            good += length;
        }
        drop(reader);
        self.file.set_len(good)?;
        self.file.seek(SeekFrom::End(0))?;
        if unended {
            self.file.write_all(b"\n")?;
        }
        Ok(())
    }

    fn note(&mut self, generation: &Generation) {
        if let Some(id) = &generation.prompt_id {
            self.have.insert((id.clone(), generation.index));
        }
        if let Some(model) = &generation.model {
            *self.models.entry(model.clone()).or_default() += 1;
        }
    }

    /// Which samples are there, by prompt and index.
    pub fn have(&self) -> &BTreeSet<(String, u64)> {
        &self.have
    }

    /// Models that gave what is there.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// Appends a sample and waits until it is on disk; says whether it was new.
    ///
    /// # Errors
    /// The file cannot be written; a full disk, for example.
    pub fn append(&mut self, generation: &Generation) -> anyhow::Result<bool> {
        let key = (generation.prompt_id.clone().unwrap_or_default(), generation.index);
        if self.have.contains(&key) {
            return Ok(false);
        }
        let mut line = serde_json::to_vec(generation)?;
        line.push(b'\n');
        let mut write = || self.file.write_all(&line).and_then(|()| self.file.sync_data());
        write().with_context(|| format!("writing {}", self.path.display()))?;
        self.note(generation);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::generation::Skill;

    fn generation(index: u64) -> Generation {
        serde_json::from_value(serde_json::json!({
            "instance_id": "a", "skill": Skill::Repair, "completion": "x", "prompt_id": "p", "index": index, "model": "m"
        }))
        .unwrap()
    }

    #[test]
    fn what_was_cut_off_is_taken_away_and_the_rest_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        assert!(ledger.append(&generation(0)).unwrap());
        assert!(!ledger.append(&generation(0)).unwrap());
        assert!(ledger.append(&generation(1)).unwrap());
        let error = Ledger::open(&path).unwrap_err().to_string();
        assert!(error.contains("another assay"), "{error}");
        drop(ledger);

        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let mut ledger = Ledger::open(&path).unwrap();
        assert!(ledger.torn > 0);
        assert_eq!(ledger.have().iter().map(|(_, index)| *index).collect::<Vec<_>>(), [0]);
        assert_eq!(ledger.models().collect::<Vec<_>>(), ["m"]);
        assert!(ledger.append(&generation(1)).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.jsonl");
        std::fs::write(&path, "my notes\nmore\n").unwrap();
        let error = format!("{:#}", Ledger::open(&path).unwrap_err());
        assert!(error.contains("notes.jsonl") && error.contains("line 1"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "my notes\nmore\n");
        // One line without an end is no torn sample either.
        for text in ["my notes", "{\"my\": \"notes\"}"] {
            std::fs::write(&path, text).unwrap();
            assert!(Ledger::open(&path).is_err(), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_whole_last_sample_without_its_line_end_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        assert!(ledger.append(&generation(0)).unwrap());
        drop(ledger);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, whole.trim_ascii_end()).unwrap();
        let mut ledger = Ledger::open(&path).unwrap();
        assert!(!ledger.append(&generation(0)).unwrap() && ledger.append(&generation(1)).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    }
}
