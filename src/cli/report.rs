//! `assay report`: one HTML file about a run or a dataset.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::console::Console;
use crate::dataset::seal::file_names::MANIFEST;
use crate::exit_code::{ExitCode, Stop};
use crate::journal::RunDir;
use crate::output::{Kind, Plan};
use crate::report::{report_dataset, report_run};

/// Writes one self-contained HTML file about a run or a dataset: pictures, a table, a page per candidate
#[derive(Debug, Args)]
#[command(
    after_help = "The file needs no network and no server: open it in a browser, or send it. Candidates are unpacked when they \
are looked at; long output is cut, and the page names the place of the whole. A report about a dataset shows its evidence and \
not what the models wrote.\n\n\
Example: assay report runs/first --out first.html\n\
Example: assay report dataset --out dataset.html"
)]
pub struct Report {
    /// Run directory written by `assay verify`, or dataset directory written by `assay export`
    #[arg(value_name = "RUN|DATASET")]
    source: PathBuf,
    /// Where to write it [default: RUN/report.html, DATASET.report.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Report {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let written = if self.source.join(MANIFEST).exists() {
            let out = match self.out {
                Some(out) => out,
                None => beside(&self.source)?,
            };
            let plan = Plan::default().reads("DATASET", &self.source)?;
            plan.file("--out", &out, Kind::Page)?.check()?;
            report_dataset(&self.source, &out)?
        } else {
            let run = RunDir::existing(&self.source)?;
            let out = self.out.unwrap_or_else(|| run.path().join("report.html"));
            let plan = Plan::default().reads_run("RUN", run.path())?;
            plan.file("--out", &out, Kind::Page)?.check()?;
            report_run(&run, &out)?
        };
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

/// Beside the dataset, whatever it is called by: a manifest lists everything that is inside.
fn beside(dataset: &Path) -> anyhow::Result<PathBuf> {
    let dataset = dataset.canonicalize().with_context(|| format!("cannot find {}", dataset.display()))?;
    let Some(name) = dataset.file_name() else {
        return Err(
            Stop::Usage(format!("there is nothing beside {}; name a file with --out", dataset.display())).into()
        );
    };
    Ok(dataset.with_file_name(format!("{}.report.html", name.to_string_lossy())))
}
