//! Outcomes that run directories share: one file per trial and kind of sandbox, named by the trial, each with the
//! digest of what it holds. `--fresh` turns them off. The name of a trial counts the repeat, so no repeat answers for
//! another.
//!
//! An outcome is kept only if its run came to its own end at the first attempt, with a whole report. Runs of gold that
//! ask whether the machine is well now are neither kept nor taken, and a weak sandbox does neither. An outcome that
//! does not match its digest, its name or its blobs is dropped and run again. A taken outcome is copied into the run's
//! own journal with its blobs and says `reused`.
//!
//! Files are written under a temporary name and never changed, so any number of processes may use the store at once,
//! and two stores merge by copying. Who may write here may say what trials gave, as with everything else in the cache.
//! A cache that is full costs later runs what they might have used.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::Blobs;
use crate::model::digest::Digest;
use crate::model::trial::{Exit, Outcome, TestReport, Trial};

/// Raised when what a sandbox does to a job changes: what was seen under another one is not asked again.
const VERSION: &str = "2";

/// The store below a cache directory.
#[derive(Clone, Debug)]
pub struct SharedOutcomes {
    root: PathBuf,
    blobs: Blobs,
}

/// What a file of the store holds.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// Of the outcome's canonical JSON.
    digest: Digest,
    outcome: Outcome,
}

/// What the store has of a trial.
#[derive(Debug)]
pub enum Shared {
    Found(Box<Outcome>),
    Nothing,
    /// Something that is not what it was when it was written; it is gone now.
    Dropped(String),
}

impl SharedOutcomes {
    pub fn new(cache: &Path) -> Self {
        let root = cache.join("outcomes").join(VERSION);
        Self { blobs: Blobs::new(root.join("blobs")), root }
    }

    /// Keeps an outcome for other runs, with its report, if it has one. Only a run that came to its own end at the first attempt
    /// with a whole report is kept: what was cut short by a limit or by the machine may go otherwise the next time. Controls
    /// are about the machine at their time, and kept for nobody.
    pub fn keep(&self, outcome: &Outcome, report: Option<&TestReport>, run: &Blobs) -> anyhow::Result<()> {
        let whole = report.is_none_or(|report| report.finished && report.alarms.is_empty());
        let ended = matches!(outcome.exit, Exit::Code(_)) && outcome.retried.is_empty();
        if !whole || !ended || outcome.reused || outcome.trial.is_control() {
            return Ok(());
        }
        for blob in outcome.report.iter().chain(&outcome.output.blob) {
            run.copy_to(blob, &self.blobs)?;
        }
        let path = self.path(&outcome.trial_id, &outcome.sandbox);
        let entry = Entry { digest: Digest::of_json(outcome), outcome: outcome.clone() };
        let folder = path.parent().context("an entry has a folder")?;
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
            file.write_all(&serde_json::to_vec(&entry)?)?;
            match file.persist_noclobber(&path) {
                Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(error.error),
                Ok(_) | Err(_) => Ok(()),
            }
        };
        write().with_context(|| format!("cannot keep an outcome at {}", path.display()))
    }

    /// Looks for the outcome of this very trial, repeat and all, in this kind of sandbox, and brings its blobs into the run.
    pub fn find(&self, trial: &Trial, sandbox: &str, run: &Blobs) -> anyhow::Result<Shared> {
        let path = self.path(&trial.id(), sandbox);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Shared::Nothing),
            Err(error) => return Ok(Shared::Dropped(format!("{}: {error}", path.display()))),
        };
        match self.checked(&bytes, trial, sandbox) {
            Ok((outcome, blobs)) => {
                for blob in blobs {
                    run.put(&blob)?;
                }
                Ok(Shared::Found(Box::new(outcome)))
            }
            Err(error) => {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}, which is damaged", path.display()))?;
                Ok(Shared::Dropped(format!("{}: {error:#}", path.display())))
            }
        }
    }

    fn checked(&self, bytes: &[u8], trial: &Trial, sandbox: &str) -> anyhow::Result<(Outcome, Vec<Vec<u8>>)> {
        let Entry { digest, outcome } = serde_json::from_slice(bytes)?;
        if Digest::of_json(&outcome) != digest {
            bail!("it does not hold what its digest says");
        }
        if outcome.trial.id() != trial.id() || outcome.trial_id != trial.id() || outcome.sandbox != sandbox {
            bail!("it holds another trial's outcome");
        }
        let blobs = outcome.report.iter().chain(&outcome.output.blob).map(|blob| self.blobs.get(blob));
        let blobs = blobs.collect::<anyhow::Result<_>>()?;
        Ok((Outcome { trial: trial.clone(), reused: true, ..outcome }, blobs))
    }

    fn path(&self, trial: &Digest, sandbox: &str) -> PathBuf {
        self.root.join(sandbox).join(&trial.as_str()[..2]).join(format!("{trial}.json"))
    }
}
