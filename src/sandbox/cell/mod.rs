//! Jobs in namespaces of our own on the host: the default without Docker. In: a sealed image of host directories and
//! jobs. Out: facts.
//!
//! ```text
//!  driver (threads) ──frames──► slot agent (one thread, own namespaces, in the slot's cgroup)
//!                                  └─ per job: pid 1 (fresh mounts, pids, ipc) ─► job
//! ```
//! The agent is this binary again, with the hidden argument `cell-agent`. The agent and what it uses are the crate
//! [`assay_agent`]; what is here runs in the driver's process.

mod cgroup;
mod probe;
mod slot;
pub(super) mod talk;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use assay_agent::bytecode;
pub use cgroup::sweep;
pub use probe::{Enforcement, probe};
use slot::CellSlot;

use super::{Backing, Job, Sandbox, SandboxError, SealedImage, Slot};

/// Modification time of every file of a base layer, seconds.
const BASE_MTIME: u64 = 1_000_000_000;

/// Own namespaces on the host.
#[derive(Clone, Debug)]
pub struct Cell {
    agent_exe: PathBuf,
    cancel: Arc<AtomicBool>,
    copies: bool,
    network: bool,
}

impl Cell {
    /// Without looking whether this host can do it; see [`Cell::open`]. `agent_exe` is a binary that runs
    /// [`assay_agent::agent::main`] when its first argument is `cell-agent`. Raising `cancel` ends running jobs and refuses new ones.
    pub fn new(agent_exe: PathBuf, cancel: Arc<AtomicBool>) -> Self {
        Self { agent_exe, cancel, copies: false, network: false }
    }

    /// The same, ended by another flag.
    pub fn with_cancel(self, cancel: Arc<AtomicBool>) -> Self {
        Self { cancel, ..self }
    }

    /// Gives every job a copy of the base layer even if the kernel can lay an overlay over it.
    pub fn with_copies(self) -> Self {
        Self { copies: true, ..self }
    }

    /// The same with the host's network, its loopback interface included: for builds, never for what is judged.
    pub fn with_network(self) -> Self {
        Self { network: true, ..self }
    }

    /// Looks what the host can enforce. Refuses a host that cannot isolate, and, unless `allow_weak`, one that cannot
    /// bound memory and processes.
    pub fn open(
        agent_exe: PathBuf,
        cancel: Arc<AtomicBool>,
        allow_weak: bool,
    ) -> Result<(Self, Enforcement), SandboxError> {
        let enforcement = probe(&agent_exe);
        enforcement.check(allow_weak)?;
        Ok((Self::new(agent_exe, cancel), enforcement))
    }
}

impl Sandbox for Cell {
    fn name(&self) -> &'static str {
        "cell"
    }

    /// The job runs over a throw-away layer like every other; what it compiled is then copied into the base layer.
    fn warm(&self, image: &SealedImage, job: &Job) -> Result<SealedImage, SandboxError> {
        let failed = |why: String| SandboxError::Failed { doing: "keeping bytecode", why };
        let mut slot = CellSlot::new(&self.agent_exe, &self.cancel, image, self.copies, self.network)?;
        let (_, compiled) = slot.execute(job, true)?;
        let (Backing::Host { base_layer, .. } | Backing::Unpacked { base_layer, .. }) = &image.backing else {
            return Ok(image.clone());
        };
        let mtime = SystemTime::UNIX_EPOCH + Duration::from_secs(BASE_MTIME);
        let times = fs::FileTimes::new().set_modified(mtime).set_accessed(mtime);
        for (path, content) in compiled {
            bytecode::keep(base_layer, &path, &content, times)
                .map_err(|error| failed(format!("{}: {error}", base_layer.join(&path).display())))?;
        }
        Ok(image.clone())
    }

    fn slot(&self, image: &SealedImage) -> Result<Box<dyn Slot>, SandboxError> {
        Ok(Box::new(CellSlot::new(&self.agent_exe, &self.cancel, image, self.copies, self.network)?))
    }
}
