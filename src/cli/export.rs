//! `assay export`: verdicts to a dataset directory.

use std::path::PathBuf;

use clap::Args;

use super::export_input::export_run;

use crate::console::{Console, table};
use crate::dataset::export::{ExportOptions, ExportSummary};
use crate::exit_code::ExitCode;
use crate::journal::RunDir;

/// Writes the verified samples of a run as a dataset: SFT and RL, with card, manifest and evidence
#[derive(Debug, Args)]
#[command(
    after_help = "The directory is a Hub dataset: README.md (card), Parquet per config, JSON Lines beside it, evidence/ and \
manifest.json. The same run gives the same bytes.\n\nExample: assay export runs/first --out dataset"
)]
pub struct Export {
    /// Run directory written by `assay verify`
    run: PathBuf,
    /// Dataset directory; replaced when it is there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// At most this many rows per instance and skill
    #[arg(long, value_name = "N")]
    max_per_instance: Option<u64>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

impl Export {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let run = RunDir::existing(&self.run)?;
        let mut options = ExportOptions::default();
        options.select.cap = self.max_per_instance;
        let summary = export_run(&run, &self.out, &options)?;
        if self.json {
            console.print(serde_json::to_string(&summary)?);
        } else {
            console.print(rows_table(&summary));
            console.print(format!("dataset: {}", summary.path.display()));
        }
        let rows: u64 = summary.rows.values().sum();
        Ok(if rows == 0 { ExitCode::Findings } else { ExitCode::Done })
    }
}

/// Rows per config, as a table for people.
pub(super) fn rows_table(summary: &ExportSummary) -> String {
    let mut rows = vec![vec!["config".to_owned(), "rows".to_owned()]];
    rows.extend(summary.rows.iter().map(|(config, count)| vec![config.clone(), count.to_string()]));
    table(&rows)
}
