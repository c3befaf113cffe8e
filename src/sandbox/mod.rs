//! The seam between trials and the machine. In: a sealed image and a job. Out: what happened, as facts.
//!
//! [`Sandbox`] opens a slot per worker for a sealed image; a slot takes one job at a time. Three ways to run stand
//! behind this trait: [`cell`] (own namespaces on the host), [`docker::cells`] (the same inside a container) and
//! [`docker`] (one container per trial). `Err` means that the sandbox failed and never says anything about a candidate.
//!
//! Images are made and kept by [`crate::images`], of which nothing here knows.

pub mod cell;
pub mod docker;
pub mod engine;
pub mod lease;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use assay_agent::{REPORT_FD, SUPPORT_DIR};
pub use engine::Engine;
pub use lease::Lease;
use thiserror::Error;

use crate::model::digest::Digest;
use crate::model::trial::{Exit, Limits};

/// Absolute path inside the sandbox of a provisioned environment, read-only.
pub const ENVIRONMENT_DIR: &str = "/opt/assay/environment";
/// Modification time of every file and directory of a base layer, Unix seconds. What a job changes gets another one, so that
/// warm bytecode never stands for a changed file.
pub const LAYER_MTIME: i64 = 1_000_000_000;

/// An environment made ready: everything a trial needs except the candidate's files.
#[derive(Clone, Debug)]
pub struct SealedImage {
    /// Names base layer, environment and tool.
    pub digest: Digest,
    /// Repository path inside the sandbox, e.g. `/testbed`.
    pub workdir: String,
    /// Absolute path, inside the sandbox, of the program that tests are run with.
    pub tool: String,
    pub backing: Backing,
    /// Keeps the image from being removed while it is in use.
    pub lease: Lease,
}

/// What an image is made of.
#[derive(Clone, Debug)]
pub enum Backing {
    /// Directories of the host.
    Host {
        /// The checked-out base layer that appears at `workdir` under a throw-away upper layer.
        base_layer: PathBuf,
        /// Read-only mounts: host path -> path inside.
        mounts: Vec<(PathBuf, String)>,
    },
    /// An image of others, unpacked on this host: its root, read-only, and the base layer that appears at `workdir`.
    Unpacked { root: PathBuf, base_layer: PathBuf },
    /// An image of the Docker engine, by id, that holds base layer and environment.
    Docker { image_id: String },
}

/// A change to the base layer, laid on before the job starts. Paths are relative to the work directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    Write { path: String, content: Arc<[u8]>, executable: bool },
    Link { path: String, target: String },
    Remove { path: String },
}

/// One run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Absolute program and its arguments.
    pub argv: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub env: BTreeMap<String, String>,
    pub changes: Vec<FileChange>,
    /// Trusted files: name below [`SUPPORT_DIR`] -> content.
    pub support: BTreeMap<String, Arc<[u8]>>,
    /// Fed to the job's standard input, then closed.
    pub stdin: Vec<u8>,
    pub limits: Limits,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Executed {
    pub exit: Exit,
    /// What arrived on [`REPORT_FD`], up to the limit.
    pub report: Vec<u8>,
    pub report_truncated: bool,
    /// First and last bytes of standard output and standard error together.
    pub output_head: Vec<u8>,
    pub output_tail: Vec<u8>,
    pub output_total: u64,
    /// Milliseconds from the job's start to its end, and of everything around it.
    pub wall_ms: u64,
    pub overhead_ms: u64,
    pub peak_memory_bytes: Option<u64>,
    /// What the job changed, replaced or removed of the work directory as it found it, looked at when all its processes
    /// were gone: paths, with a slash at the end for everything below. Not known of a job that was ended from outside.
    pub touched: Vec<String>,
}

/// The machine's faults. None of them is a fact about a candidate.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// Nothing on this host can isolate a job.
    #[error("this host cannot isolate jobs: {0}")]
    Unavailable(String),
    /// The image is not there; running again will not help.
    #[error("image {image} is missing: {why}")]
    ImageMissing { image: String, why: String },
    /// Something failed that may work the next time.
    #[error("{doing} failed: {why}")]
    Failed { doing: &'static str, why: String },
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A way to run jobs.
pub trait Sandbox: Send + Sync {
    /// `cell`, `docker-cell` or `container`.
    fn name(&self) -> &'static str;

    /// Runs a job of trusted code once with the work directory kept, so that later jobs find warm bytecode, and gives the
    /// image with it. Only bytecode is kept; whatever else the job wrote is dropped. How the job ends does not matter.
    fn warm(&self, image: &SealedImage, job: &Job) -> Result<SealedImage, SandboxError>;

    /// Opens a slot for one worker: whatever can be kept from one job to the next.
    fn slot(&self, image: &SealedImage) -> Result<Box<dyn Slot>, SandboxError>;
}

/// A worker's place. Every job starts from a fresh copy of the image and leaves nothing behind.
pub trait Slot: Send {
    fn run(&mut self, job: &Job) -> Result<Executed, SandboxError>;
}
