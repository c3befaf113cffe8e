//! Evidence: what the verdicts of a dataset rest on, enough to judge again without a sandbox. JSON Lines compressed
//! with zstd, in frames that are cut by content, `evidence/<name>-00000-of-00001.jsonl.zst` and on; the manifest lists
//! the shards of every table.
//!
//! | table | a line | order |
//! | --- | --- | --- |
//! | `instances` | `instance.v1` | instance |
//! | `admissions` | `admission.v1` | instance |
//! | `contests` | `contest.v1` | instance |
//! | `candidates` | `candidate.v1` | instance, skill, place in the input |
//! | `verdicts` | `verdict.v1` | as candidates |
//! | `receipts` | `receipt.v1` | as candidates |
//! | `journal` | a record of the run's journal: the outcome of a trial (`outcome.v1`) or a failure | trial |
//! | `blobs` | `blob.v1`: what reports and scripts said | digest |
//!
//! Printed output of test runs stays in the run; an outcome names it by digest. Nothing of an excluded instance is
//! here. [`unpack`] makes a run directory of the evidence, and `lab::recompute` gives the same verdicts and receipts
//! there.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::seal::manifest::Manifest;
use crate::journal::{RunDir, RunInfo, StoredBlob};
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::verdict::Evidence;

/// Names of the tables.
pub const INSTANCES: &str = "instances";
pub const ADMISSIONS: &str = "admissions";
pub const CONTESTS: &str = "contests";
pub const CANDIDATES: &str = "candidates";
pub const VERDICTS: &str = "verdicts";
pub const RECEIPTS: &str = "receipts";
pub const JOURNAL: &str = "journal";
pub const BLOBS: &str = "blobs";

/// Reads the lines of a table, shard after shard; `each` gets a line and its place for messages.
///
/// # Errors
/// A shard that cannot be read (the message names it and the line), and whatever `each` fails with.
pub fn read_table(
    dataset: &Path,
    manifest: &Manifest,
    name: &str,
    each: &mut dyn FnMut(&str, &str) -> Result<()>,
) -> Result<()> {
    let Some(table) = manifest.contents.evidence.get(name) else { return Ok(()) };
    for file in &table.data_files {
        let path = dataset.join(file);
        let open = || zstd::Decoder::new(File::open(&path)?);
        let reader = BufReader::new(open().with_context(|| format!("cannot read {}", path.display()))?);
        for (index, line) in reader.lines().enumerate() {
            let place = format!("{file}:{}", index + 1);
            let line = line.with_context(|| format!("{place} cannot be read; the file is damaged"))?;
            each(&line, &place)?;
        }
    }
    Ok(())
}

/// Makes a run directory out of a dataset's evidence, so that `assay judge` and everything else that reads a run works
/// on it. `into` must not exist yet or be empty.
///
/// # Errors
/// A dataset without manifest or evidence, a record that cannot be read (with its place), a blob that is not what its
/// digest names.
pub fn unpack(dataset: &Path, into: &Path) -> Result<RunDir> {
    let manifest = Manifest::read(dataset)?;
    if into.exists()
        && std::fs::read_dir(into).with_context(|| format!("cannot list {}", into.display()))?.next().is_some()
    {
        bail!("{} is not empty; choose a new directory for the evidence", into.display());
    }
    let run = RunDir::open(into)?;
    // The names of the derived files of a run are those of the tables.
    for name in [INSTANCES, ADMISSIONS, CONTESTS, CANDIDATES, VERDICTS, RECEIPTS] {
        if manifest.contents.evidence.contains_key(name) {
            copy_lines(dataset, &manifest, name, &into.join(format!("{name}.jsonl")))?;
        }
    }
    copy_lines(dataset, &manifest, JOURNAL, &into.join("journal").join("evidence.jsonl"))?;
    read_table(dataset, &manifest, BLOBS, &mut |line, place| {
        let blob: StoredBlob = serde_json::from_str(line).with_context(|| format!("{place} is not a blob"))?;
        run.blobs().put(&blob.bytes().with_context(|| place.to_owned())?).map(drop)
    })?;
    let info = RunInfo {
        format: format::RUN.to_owned(),
        tool_version: manifest.contents.tool.version.clone(),
        sandbox: "evidence".to_owned(),
        repeats: 0,
        evidence: Evidence::E1,
        inputs: manifest.contents.inputs.clone(),
    };
    run.write_derived("run.json", &serde_json::to_vec_pretty(&info)?)?;
    Ok(run)
}

fn copy_lines(dataset: &Path, manifest: &Manifest, name: &str, to: &Path) -> Result<()> {
    let cannot = || format!("cannot write {}", to.display());
    let mut file = std::io::BufWriter::new(File::create(to).with_context(cannot)?);
    read_table(dataset, manifest, name, &mut |line, _| {
        file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n")).with_context(cannot)
    })?;
    file.flush().with_context(cannot)
}

/// Blobs that judging again reads: reports, and the output of runs that have no report.
pub(super) fn needed_blob(outcome: &crate::model::trial::Outcome) -> Option<&Digest> {
    outcome.report.as_ref().or(outcome.output.blob.as_ref())
}
