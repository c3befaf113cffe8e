//! `assay judge`: verdicts again, from stored outcomes.

use std::path::PathBuf;

use clap::Args;

use super::verify::{Summary, summary_table};
use crate::console::Console;
use crate::exit_code::ExitCode;
use crate::journal::RunDir;
use crate::lab::recompute;

/// Recomputes the verdicts of a run directory; needs no sandbox
#[derive(Debug, Args)]
#[command(
    after_help = "Writes RUN/verdicts.jsonl, byte for byte what `assay verify` wrote from the same outcomes.\n\n\
Example: assay judge runs/first --json"
)]
pub struct Judge {
    /// Run directory written by `assay verify`
    run: PathBuf,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

impl Judge {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let run = RunDir::existing(&self.run)?;
        let summary = Summary::of(recompute(&run)?, &run);
        run.write_derived("summary.json", &serde_json::to_vec_pretty(&summary)?)?;
        if self.json {
            console.print(serde_json::to_string(&summary)?);
        } else {
            console.print(summary_table(&summary.skills));
            console.print(format!("verdicts: {}", run.path().join("verdicts.jsonl").display()));
        }
        Ok(ExitCode::Done)
    }
}
