//! `assay export`: verdicts to a dataset directory.

use std::path::PathBuf;

use clap::Args;

use super::export_input::export_run;

use crate::console::{Console, table};
use crate::dataset::export::{ExportOptions, ExportSummary};
use crate::dataset::signature::SecretKey;
use crate::exit_code::{ExitCode, Stop};
use crate::journal::RunDir;

/// Writes the verified samples of a run as a dataset: SFT and RL, with card, manifest and evidence
#[derive(Debug, Args)]
#[command(
    after_help = "The directory is a Hub dataset: README.md (card), Parquet per config, evidence/, manifest.json and \
statement.json. The same run gives the same bytes. A signature needs a key (Ed25519, PEM): `assay export --new-key FILE` \
makes FILE and FILE.pub.\n\nExample: assay export runs/first --out dataset --sign keys/mine"
)]
pub struct Export {
    /// Run directory written by `assay verify`
    #[arg(required_unless_present = "new_key")]
    run: Option<PathBuf>,
    /// Dataset directory; replaced when it is there
    #[arg(long, value_name = "DIR", required_unless_present = "new_key")]
    out: Option<PathBuf>,
    /// Sign the dataset's statement with this key
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Make a key for --sign and do nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "out", "sign"])]
    new_key: Option<PathBuf>,
    /// At most this many rows per instance and skill
    #[arg(long, value_name = "N")]
    max_per_instance: Option<u64>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

impl Export {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        if let Some(path) = &self.new_key {
            let public = SecretKey::generate()?.write(path)?;
            console.print(format!("key: {}\npublic key: {}", path.display(), public.display()));
            return Ok(ExitCode::Done);
        }
        let (Some(run), Some(out)) = (&self.run, &self.out) else {
            return Err(Stop::Usage("give a run directory and --out DIR".to_owned()).into());
        };
        let mut options = ExportOptions::default();
        options.select.cap = self.max_per_instance;
        options.key = self.sign.as_deref().map(SecretKey::read).transpose()?;
        let summary = export_run(&RunDir::existing(run)?, out, &options)?;
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
