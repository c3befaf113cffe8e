//! A run directory: lock, append-only journal, blobs, and what is derived from them.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Blobs, ByInstance, Index, LinesWriter, Place, Record};
use crate::exit_code::Stop;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::verdict::Evidence;

/// `run.json`: which tool wrote the directory, with which configuration, from which input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunInfo {
    pub format: String,
    pub tool_version: String,
    pub sandbox: String,
    pub repeats: u32,
    /// Evidence that was asked for.
    #[serde(default = "evidence_before_it_was_a_choice")]
    pub evidence: Evidence,
    /// Name of an input file -> sha256 of its bytes.
    pub inputs: BTreeMap<String, Digest>,
}

fn evidence_before_it_was_a_choice() -> Evidence {
    Evidence::E2
}

/// A run directory, locked for one process.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    blobs: Blobs,
    _lock: File,
}

impl RunDir {
    /// Opens a run directory, or makes it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path.join("journal"))
            .with_context(|| format!("cannot make run directory {}; choose a writable place", path.display()))?;
        let run = Self::lock(path)?;
        run.check_format()?;
        Ok(run)
    }

    /// Opens a run directory that must be there already.
    pub fn existing(path: &Path) -> anyhow::Result<Self> {
        if !path.join("journal").is_dir() {
            return Err(Stop::Usage(format!(
                "{} is not a run directory: it has no journal/; name the directory that `assay verify --run` wrote",
                path.display()
            ))
            .into());
        }
        Self::open(path)
    }

    fn lock(path: &Path) -> anyhow::Result<Self> {
        let lock_path = path.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .with_context(|| format!("cannot write {}; choose a writable run directory", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), blobs: Blobs::new(path.join("blobs")), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Stop::Usage(format!(
                "{} is in use by another assay process; wait for it or choose another --run",
                path.display()
            ))
            .into()),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", lock_path.display()))
            }
        }
    }

    fn check_format(&self) -> anyhow::Result<()> {
        if let Some(info) = self.info_value()? {
            let found = info.get("format").and_then(|format| format.as_str());
            format::check(found, format::RUN)
                .map_err(|error| Stop::Usage(format!("{} {error}", self.path.join("run.json").display())))?;
        }
        Ok(())
    }

    fn info_value(&self) -> anyhow::Result<Option<serde_json::Value>> {
        let path = self.path.join("run.json");
        match fs::read(&path) {
            Ok(bytes) => {
                let value =
                    serde_json::from_slice(&bytes).with_context(|| format!("{} is not JSON", path.display()))?;
                Ok(Some(value))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// What `run.json` says, if it was written.
    pub fn info(&self) -> anyhow::Result<Option<RunInfo>> {
        let Some(value) = self.info_value()? else { return Ok(None) };
        serde_json::from_value(value)
            .map(Some)
            .with_context(|| format!("{} does not hold a run.v1", self.path.join("run.json").display()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Reads every journal; see [`Index::read`].
    pub fn index(&self) -> anyhow::Result<Index> {
        Index::read(&self.path.join("journal"))
    }

    /// Starts a journal of this process, known to the index.
    pub fn writer(&self, index: &mut Index) -> anyhow::Result<Writer> {
        let mut suffix = [0_u8; 8];
        getrandom::fill(&mut suffix).map_err(|error| anyhow!("no random bytes from the system: {error}"))?;
        let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_secs());
        let path = self.path.join("journal").join(format!("{started:012}-{}.jsonl", hex::encode(suffix)));
        let file = File::options()
            .create_new(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot start journal {}; make the run directory writable", path.display()))?;
        Ok(Writer { file, number: index.file(&path)?, path, end: 0 })
    }

    /// Writes a derived JSON Lines file, one line per item.
    pub fn write_lines<T: Serialize>(&self, name: &str, items: impl IntoIterator<Item = T>) -> anyhow::Result<PathBuf> {
        let mut lines = self.lines_writer(name)?;
        for item in items {
            lines.push(&item)?;
        }
        lines.finish()?;
        Ok(self.path.join(name))
    }

    /// Starts a derived JSON Lines file that is too large to be held.
    pub fn lines_writer(&self, name: &str) -> anyhow::Result<LinesWriter> {
        LinesWriter::create(self.path.join(name))
    }

    /// Opens a derived JSON Lines file to be read one instance at a time.
    pub fn by_instance(&self, name: &str) -> anyhow::Result<ByInstance> {
        ByInstance::open(self.path.join(name))
    }

    /// Reads a derived JSON Lines file back.
    pub fn read_lines<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Vec<T>> {
        let path = self.path.join(name);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}; run `assay verify` into this directory first", path.display()))?;
        let parse = |(index, line)| {
            serde_json::from_str(line).with_context(|| format!("{}:{} cannot be read", path.display(), index + 1))
        };
        text.lines().enumerate().map(parse).collect()
    }

    /// Writes a derived file whole, or not at all.
    pub fn write_derived(&self, name: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        write_atomically(&path, bytes)?;
        Ok(path)
    }
}

/// Writes a file whole, or not at all.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    crate::output::write_file(path, bytes)
}

pub(super) fn readable() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o644)
}

/// The journal of one process.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
    /// Of this file in the index.
    number: u32,
    /// Where the last whole record ends.
    end: u64,
}

impl Writer {
    /// Appends a record with one write, so that a kill leaves either the whole line or a torn last one; says where it stands.
    pub fn append(&mut self, record: &Record) -> anyhow::Result<Place> {
        let mut line = serde_json::to_vec(record).context("a journal record is JSON")?;
        line.push(b'\n');
        let place = Index::at(self.number, self.end, line.len())?;
        if let Err(error) = self.file.write_all(&line) {
            // Half a record must not stand before one that another worker appends; if even this fails, the next start says so.
            let _half_stays = self.file.set_len(self.end);
            return Err(error).with_context(|| {
                format!(
                    "cannot append to {}; free space, then run the same command again to continue",
                    self.path.display()
                )
            });
        }
        self.end += line.len() as u64;
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Failure;

    fn failure(n: u8) -> Record {
        Record::Failure(Failure { trial_id: Digest::of(&[n]), attempts: vec!["x".to_owned()] })
    }

    #[test]
    fn a_torn_last_record_is_dropped_and_damage_elsewhere_is_an_error_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(folder.path()).unwrap();
        let mut writer = run.writer(&mut run.index().unwrap()).unwrap();
        writer.append(&failure(1)).unwrap();
        writer.append(&failure(2)).unwrap();
        let path = writer.path.clone();
        let whole = fs::read(&path).unwrap();

        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let index = run.index().unwrap();
        assert_eq!((index.failures.len(), index.torn), (1, 1));

        fs::write(&path, [b"{}\n", whole.as_slice()].concat()).unwrap();
        let error = format!("{:#}", run.index().unwrap_err());
        assert!(error.contains(".jsonl:1 is not a journal record"), "{error}");
    }

    #[test]
    fn a_second_process_is_refused_while_the_first_holds_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let _run = RunDir::open(folder.path()).unwrap();
        assert!(RunDir::open(folder.path()).unwrap_err().to_string().contains("in use"));
    }

    #[test]
    fn a_directory_of_a_newer_version_is_refused_with_the_next_step() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("run.json"), r#"{"format": "run.v9"}"#).unwrap();
        let error = RunDir::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("run.v9") && error.contains("upgrade assay"), "{error}");
    }
}
