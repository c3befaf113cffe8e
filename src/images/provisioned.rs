//! An environment that is ready for host cells.

use std::path::PathBuf;

use crate::model::digest::Digest;

/// An environment that is ready for host cells.
#[derive(Clone, Debug)]
pub struct Provisioned {
    /// Names tool version, packages and whatever else of the project is in the environment.
    pub digest: Digest,
    /// Read-only mounts of a cell: host path -> path inside. Beside them a cell shows the host's `/usr` and `/bin`.
    pub mounts: Vec<(PathBuf, String)>,
    /// The program inside the cell that tests are run with.
    pub tool: String,
    /// Its full version, e.g. `3.11.7`.
    pub tool_version: String,
    /// Where the project's code is expected, e.g. `/testbed`.
    pub workdir: String,
    /// What is installed, as `name==version`, sorted.
    pub packages: Vec<String>,
}
