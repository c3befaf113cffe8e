//! `assay report`: one HTML file about a run.

use std::path::PathBuf;

use clap::Args;

use crate::console::Console;
use crate::exit_code::ExitCode;
use crate::journal::RunDir;
use crate::report::report_run;

/// Writes one self-contained HTML file about a run: pictures, a table, a page per candidate
#[derive(Debug, Args)]
#[command(
    after_help = "The file needs no network and no server: open it in a browser, or send it. Candidates are unpacked when they are \
looked at; long output is cut, with the place of the whole.\n\nExample: assay report runs/first --out first.html"
)]
pub struct Report {
    /// Run directory written by `assay verify`
    run: PathBuf,
    /// Where to write it [default: RUN/report.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Report {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let run = RunDir::existing(&self.run)?;
        let out = self.out.unwrap_or_else(|| run.path().join("report.html"));
        let written = report_run(&run, &out)?;
        if self.json {
            console.print(serde_json::to_string(&written)?);
        } else {
            let size = written.bytes as f64 / f64::from(1 << 20);
            console.print(format!("{} candidates, {size:.1} MiB", written.candidates));
            console.print(format!("report: {}", written.report.display()));
        }
        Ok(ExitCode::Done)
    }
}
