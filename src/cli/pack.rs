//! `assay pack`: admissions for others.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::console::Console;
use crate::exit_code::ExitCode;
use crate::journal::{Machine, RunDir, pack};
use crate::model::imported::bad_name;
use crate::output::{Kind, Plan};

/// Packs the admissions of a run into one file, so that others need not run base and gold again
#[derive(Debug, Args)]
#[command(
    after_help = "The file holds each admission with the outcomes and reports that it rests on. `assay validate --admissions FILE` \
computes it again from these and compares. Admissions that were imported are not packed: give their own bundle on. The file \
names the hidden tests, so it is as secret as they are.\n\n\
Example: assay pack runs/first --out admissions.jsonl.zst --by \"Team A\""
)]
pub struct Pack {
    /// Run directory written by `assay validate` or `assay verify`
    run: PathBuf,
    /// Who makes the bundle; it is told wherever an admission of it is used
    #[arg(long, value_name = "NAME", value_parser = name)]
    by: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// The bundle: JSON Lines, compressed with zstd
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn name(name: &str) -> Result<String, String> {
    bad_name(name).map_or_else(|| Ok(name.to_owned()), Err)
}

impl Pack {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let run = RunDir::existing(&self.run)?;
        let plan = Plan::default().reads_run("RUN", run.path())?;
        plan.file("--out", &self.out, Kind::Bundle)?.check()?;
        let packed = pack(&run, self.by, this_machine()?, &self.out)?;
        if self.json {
            console.print(serde_json::to_string(&packed)?);
            return Ok(ExitCode::Done);
        }
        console.print(format!(
            "{} admission(s) with {} trials, {} KiB",
            packed.admissions,
            packed.trials,
            packed.bytes >> 10
        ));
        let left_out = [
            (packed.nothing_ran, "refused before anything ran, or for a failure of the sandbox"),
            (packed.imported, "imported from another bundle, which you can give on as it is"),
            (packed.incomplete, "without all their outcomes in the journal; run `assay validate` again"),
        ];
        for (count, why) in left_out.into_iter().filter(|(count, _)| *count > 0) {
            console.print(format!("{count} left out: {why}"));
        }
        console.print(format!("bundle: {}", self.out.display()));
        Ok(ExitCode::Done)
    }
}

fn this_machine() -> anyhow::Result<Machine> {
    let path = "/proc/sys/kernel/osrelease";
    let kernel = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(Machine {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        kernel: kernel.trim().to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from) as u64,
    })
}
