//! The index of a journal: where each outcome and admission stands, so that a million of them need not be in memory. A
//! line is looked at for kind and trial when the journal is opened, and it is understood when it is asked for. If it
//! says something else by that time, it is `evidence_unreadable` for the candidates that it concerns, and it is not run
//! again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, bail};
use serde::Deserialize;

use super::{Failure, Record};
use crate::model::admission::Admission;
use crate::model::digest::Digest;
use crate::model::trial::Outcome;

/// Bytes of a journal that are held at once while it is read.
const READ_AHEAD: usize = 1 << 20;

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    file: u32,
    length: u32,
    offset: u64,
}

/// Everything in a journal, with later copies of the same thing left out. Outcomes and admissions stay on disk.
#[derive(Debug, Default)]
pub struct Index {
    pub failures: BTreeMap<Digest, Failure>,
    /// The last admission per key.
    admissions: BTreeMap<[u8; 32], Place>,
    outcomes: BTreeMap<[u8; 32], Place>,
    files: Vec<PathBuf>,
    /// Last records that were cut off in the middle of being written.
    pub torn: u64,
}

/// As much of a record as says where it belongs. The rest is understood when it is asked for.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    record: Cow<'a, str>,
    #[serde(borrow, default)]
    trial_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
}

impl Index {
    /// Reads every journal of a folder. A torn last record is dropped and counted; damage anywhere else is an error with its
    /// place.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>())
            .with_context(|| format!("cannot list {}", folder.display()))?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        files.sort();
        let mut index = Self::default();
        for file in files {
            index.read_file(file)?;
        }
        Ok(index)
    }

    fn read_file(&mut self, path: PathBuf) -> anyhow::Result<()> {
        let file = self.file(&path)?;
        let cannot = || format!("cannot read journal {}", path.display());
        let mut reader = BufReader::with_capacity(READ_AHEAD, File::open(&path).with_context(cannot)?);
        let (mut line, mut offset) = (Vec::new(), 0);
        for number in 1_u64.. {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).with_context(cannot)?;
            if length == 0 {
                break;
            }
            if !line.ends_with(b"\n") {
                self.torn += 1;
                break;
            }
            let place = Place { file, length: u32::try_from(length).with_context(cannot)?, offset };
            self.add_line(&line, place).with_context(|| damaged(&path, number))?;
            offset += length as u64;
        }
        Ok(())
    }

    fn add_line(&mut self, line: &[u8], place: Place) -> anyhow::Result<()> {
        let head: Head = serde_json::from_slice(line)?;
        match &*head.record {
            "outcome" => {
                let id = head.trial_id.context("an outcome has a trial_id")?;
                self.place(key(&id)?, place);
                self.failures.remove(&Digest::from_hex(&id).map_err(Error::msg)?);
                Ok(())
            }
            "admission" => {
                self.admissions.insert(key(&head.key.context("an admission has a key")?)?, place);
                Ok(())
            }
            _ => self.add(&serde_json::from_slice(line)?, place),
        }
    }

    /// Takes a record in that stands at a place. The first outcome of a trial counts; a later admission replaces an earlier
    /// one.
    pub fn add(&mut self, record: &Record, place: Place) -> anyhow::Result<()> {
        match record {
            Record::Admission(admission) => {
                self.admissions.insert(key(admission.key.as_str())?, place);
            }
            Record::Outcome(outcome) => {
                self.failures.remove(&outcome.trial_id);
                self.place(key(outcome.trial_id.as_str())?, place);
            }
            Record::Failure(failure) => {
                if !self.holds(&failure.trial_id)? {
                    self.failures.insert(failure.trial_id.clone(), failure.clone());
                }
            }
        }
        Ok(())
    }

    fn place(&mut self, id: [u8; 32], place: Place) {
        self.outcomes.entry(id).or_insert(place);
    }

    /// The number of a journal file among those that places point into.
    pub(super) fn file(&mut self, path: &Path) -> anyhow::Result<u32> {
        let number = u32::try_from(self.files.len()).context("more journals than can be counted")?;
        self.files.push(path.to_owned());
        Ok(number)
    }

    pub(super) fn at(file: u32, offset: u64, length: usize) -> anyhow::Result<Place> {
        let length = u32::try_from(length).context("a journal record of more than 4 GiB")?;
        Ok(Place { file, length, offset })
    }

    fn holds(&self, trial: &Digest) -> anyhow::Result<bool> {
        Ok(self.outcomes.contains_key(&key(trial.as_str())?))
    }

    /// How many trials have an outcome.
    pub fn outcomes(&self) -> usize {
        self.outcomes.len()
    }

    /// Where the outcome of a trial is to be read, if it has one. Reading is apart, so that nobody waits for another's disk.
    pub fn outcome(&self, trial: &Digest) -> anyhow::Result<Option<Stored>> {
        self.stored(&self.outcomes, trial)
    }

    /// Where the admission with a key is to be read, if there is one.
    pub fn admission(&self, key: &Digest) -> anyhow::Result<Option<Stored>> {
        self.stored(&self.admissions, key)
    }

    fn stored(&self, places: &BTreeMap<[u8; 32], Place>, name: &Digest) -> anyhow::Result<Option<Stored>> {
        let Some(place) = places.get(&key(name.as_str())?) else { return Ok(None) };
        let path = self.files.get(place.file as usize).context("a place in a journal that is not known")?;
        Ok(Some(Stored { path: path.clone(), name: name.clone(), place: *place }))
    }

    /// Every outcome and failure, by the name of its trial; read one at a time.
    pub fn records(&self) -> impl Iterator<Item = anyhow::Result<Record>> {
        let outcomes = self.outcomes.keys().map(|id| (Digest::from_bytes(id), true));
        let mut trials: Vec<_> = outcomes.chain(self.failures.keys().map(|id| (id.clone(), false))).collect();
        trials.sort();
        trials.into_iter().map(|(id, outcome)| {
            if outcome {
                let stored = self.outcome(&id)?.with_context(|| format!("trial {id} was in the index just now"))?;
                return Ok(Record::Outcome(Box::new(stored.outcome()?)));
            }
            Ok(Record::Failure(self.failures[&id].clone()))
        })
    }

    /// The same with recorded sandbox failures forgotten, so that they are tried again.
    pub fn without_failures(self) -> Self {
        Self { failures: BTreeMap::new(), ..self }
    }
}

/// A record on disk.
#[derive(Clone, Debug)]
pub struct Stored {
    path: PathBuf,
    /// The trial's, or the admission's key.
    name: Digest,
    place: Place,
}

impl Stored {
    /// # Errors
    /// The line cannot be read, or no longer says what it said when the journal was opened.
    pub fn outcome(&self) -> anyhow::Result<Outcome> {
        match self.read()? {
            Record::Outcome(outcome) if outcome.trial_id == self.name => Ok(*outcome),
            _ => bail!("{} is not the outcome of trial {}; the journal was edited", self.at(), self.name),
        }
    }

    /// # Errors
    /// As [`Stored::outcome`].
    pub fn admission(&self) -> anyhow::Result<Admission> {
        match self.read()? {
            Record::Admission(admission) if admission.key == self.name => Ok(*admission),
            _ => bail!("{} is not the admission {}; the journal was edited", self.at(), self.name),
        }
    }

    fn at(&self) -> String {
        format!("{}, byte {}", self.path.display(), self.place.offset)
    }

    fn read(&self) -> anyhow::Result<Record> {
        let mut line = vec![0; self.place.length as usize];
        File::open(&self.path)
            .and_then(|file| file.read_exact_at(&mut line, self.place.offset))
            .with_context(|| format!("cannot read {}", self.at()))?;
        serde_json::from_slice(&line).with_context(|| {
            format!("{} is not a journal record; the journal was edited or written by a newer assay", self.at())
        })
    }
}

fn key(id: &str) -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(id, &mut bytes).with_context(|| format!("{id:?} is not a trial's name"))?;
    Ok(bytes)
}

fn damaged(path: &Path, number: u64) -> String {
    format!("{}:{number} is not a journal record; the journal was edited or written by a newer assay", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::RunDir;
    use crate::model::trial::{Exit, Limits, OutputRef, TestPlan, Trial};

    fn outcome(tree: &str, wall_ms: u64) -> Outcome {
        let trial = Trial {
            instance_id: "a".to_owned(),
            tree: tree.to_owned(),
            plan: TestPlan::default(),
            image: Digest::of(b"image"),
            limits: Limits::default(),
            repeat: 0,
        };
        Outcome {
            format: crate::model::format::OUTCOME.to_owned(),
            trial_id: trial.id(),
            trial,
            sandbox: "cell".to_owned(),
            exit: Exit::Code(0),
            tampered: Vec::new(),
            report: None,
            output: OutputRef { blob: None, total_bytes: 0 },
            wall_ms,
            overhead_ms: 0,
            peak_memory_bytes: None,
            retried: Vec::new(),
            reused: false,
            imported: None,
        }
    }

    #[test]
    fn the_first_outcome_counts_whether_it_was_loaded_or_just_written() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(folder.path()).unwrap();
        let mut index = run.index().unwrap();
        let mut writer = run.writer(&mut index).unwrap();
        for outcome in [outcome("one", 1), outcome("two", 2), outcome("one", 3)] {
            let record = Record::Outcome(Box::new(outcome));
            let place = writer.append(&record).unwrap();
            index.add(&record, place).unwrap();
        }
        for index in [index, run.index().unwrap()] {
            assert_eq!(index.outcomes(), 2);
            for (tree, wall_ms) in [("one", 1), ("two", 2)] {
                let wanted = outcome(tree, wall_ms);
                assert_eq!(index.outcome(&wanted.trial_id).unwrap().unwrap().outcome().unwrap(), wanted);
            }
            assert!(index.outcome(&outcome("three", 1).trial_id).unwrap().is_none());
        }
    }

    #[test]
    fn a_line_that_was_edited_after_it_was_indexed_is_an_error_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(folder.path()).unwrap();
        let mut writer = run.writer(&mut Index::default()).unwrap();
        writer.append(&Record::Outcome(Box::new(outcome("one", 1)))).unwrap();
        let index = run.index().unwrap();
        let id = outcome("one", 1).trial_id;
        let other = serde_json::to_vec(&Record::Outcome(Box::new(outcome("two", 1)))).unwrap();
        for bytes in [other, b"{}".to_vec()] {
            let file = fs::read_dir(folder.path().join("journal")).unwrap().next().unwrap().unwrap().path();
            fs::write(file, [bytes, vec![b' '; 2000]].concat()).unwrap();
            let error = format!("{:#}", index.outcome(&id).unwrap().unwrap().outcome().unwrap_err());
            assert!(error.contains("byte 0") && error.contains("edited"), "{error}");
        }
    }
}
