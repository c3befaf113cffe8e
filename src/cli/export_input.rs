//! An export of what a run directory holds.

use std::path::Path;

use crate::console::Console;
use crate::dataset::RunSource;
use crate::dataset::export::{ExportSummary, export};
use crate::dataset::options::ExportOptions;
use crate::dataset::source::Source as _;
use crate::journal::RunDir;

/// Exports what a run directory holds, and shows how far it is.
pub(super) fn export_run(
    run: &RunDir,
    out: &Path,
    options: &ExportOptions,
    console: &Console,
) -> anyhow::Result<ExportSummary> {
    let source = RunSource::open(run)?;
    let stage = console.stage("export", source.verdicts() as u64);
    let done = || stage.step();
    export(&source.watched(&done), out, options)
}
