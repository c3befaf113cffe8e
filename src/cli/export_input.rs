//! An export of what a run directory holds.

use std::path::Path;

use crate::dataset::RunSource;
use crate::dataset::export::{ExportOptions, ExportSummary, export};
use crate::journal::RunDir;

/// Exports what a run directory holds.
pub(super) fn export_run(run: &RunDir, out: &Path, options: &ExportOptions) -> anyhow::Result<ExportSummary> {
    export(&RunSource::open(run)?, out, options)
}
