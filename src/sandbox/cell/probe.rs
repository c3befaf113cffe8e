//! What this host can enforce, found out by doing it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::cgroup::{self, SlotCgroup};
use super::slot::CellSlot;
use crate::model::digest::Digest;
use crate::model::trial::{Exit, Limits};
use crate::sandbox::{Backing, Job, Lease, SandboxError, SealedImage};

/// Whether one thing is enforced: how, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    Yes(String),
    No(String),
}

impl Support {
    pub fn is_yes(&self) -> bool {
        matches!(self, Self::Yes(_))
    }
}

/// What cells hold on this host. Prints as a short list of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enforcement {
    /// Namespaces, overlay, `/proc`, system-call filter, no network: all of them, or a cell cannot run.
    pub isolation: Support,
    /// Landlock, a second wall.
    pub landlock: Support,
    pub memory: Support,
    pub processes: Support,
    /// Never a reason to refuse: the deadline bounds a job's work.
    pub cores: Support,
}

impl Enforcement {
    /// Refuses a host without isolation, and, unless `allow_weak`, one that does not bound memory and processes.
    pub fn check(&self, allow_weak: bool) -> Result<(), SandboxError> {
        if let Support::No(why) = &self.isolation {
            return Err(SandboxError::Unavailable(why.clone()));
        }
        for (what, support) in [("memory", &self.memory), ("processes", &self.processes)] {
            if let (Support::No(why), false) = (support, allow_weak) {
                return Err(SandboxError::Unavailable(format!(
                    "{what} cannot be limited: {why}; run as root, give this user a delegated cgroup, or accept it with \
                     --allow-weak-sandbox"
                )));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("isolation", &self.isolation),
            ("landlock", &self.landlock),
            ("memory", &self.memory),
            ("processes", &self.processes),
            ("cores", &self.cores),
        ];
        for (index, (name, support)) in lines.into_iter().enumerate() {
            let (word, detail) = match support {
                Support::Yes(how) => ("yes", how),
                Support::No(why) => ("no", why),
            };
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{name:<10} {word:<4} {detail}")?;
        }
        Ok(())
    }
}

/// Runs one harmless job in a cell and looks at the cgroups and the kernel.
pub fn probe(agent_exe: &Path) -> Enforcement {
    let holds = match cgroup::name_of(u64::MAX) {
        Ok(name) => SlotCgroup::create(&name).holds(),
        Err(_) => cgroup::Holds::default(),
    };
    let cgroup = |held: bool| held.then(|| Support::Yes("cgroup".to_owned()));
    Enforcement {
        isolation: try_a_cell(agent_exe),
        landlock: landlock(),
        memory: cgroup(holds.memory).unwrap_or_else(|| {
            Support::Yes("measured by pid 1 of each cell, which ends it above the limit".to_owned())
        }),
        processes: cgroup(holds.pids).unwrap_or_else(process_limit),
        cores: cgroup(holds.cpu).unwrap_or_else(|| Support::No("no cgroup may be made here".to_owned())),
    }
}

fn try_a_cell(agent_exe: &Path) -> Support {
    let run = || -> Result<bool, SandboxError> {
        let failed =
            |error: std::io::Error| SandboxError::Failed { doing: "making a directory", why: error.to_string() };
        let base = tempfile::tempdir().map_err(failed)?;
        std::fs::create_dir(base.path().join("old")).map_err(failed)?;
        let image = SealedImage {
            digest: Digest::of(b"probe"),
            workdir: "/testbed".to_owned(),
            tool: String::new(),
            backing: Backing::Host { base_layer: base.path().to_path_buf(), mounts: Vec::new() },
            lease: Lease::default(),
        };
        let script = "rmdir old && mkdir old && cd old && echo 1 > file && : < /proc/self/status";
        let job = Job {
            argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            env: std::iter::once(("PATH".to_owned(), "/usr/bin:/bin".to_owned())).collect(),
            changes: Vec::new(),
            support: std::iter::empty().collect(),
            stdin: Vec::new(),
            limits: Limits { deadline_ms: 20_000, ..Limits::default() },
        };
        let mut slot = CellSlot::new(agent_exe, &Arc::new(AtomicBool::new(false)), &image, false, false)?;
        let (executed, _) = slot.execute(&job, false)?;
        match executed.exit {
            Exit::Code(0) => Ok(slot.copies()),
            other => Err(SandboxError::Failed {
                doing: "running a first cell",
                why: format!("{other:?}: {}", String::from_utf8_lossy(&executed.output_head).trim()),
            }),
        }
    };
    match run() {
        Ok(copies) => {
            let layer = if copies { "a copy of the tree per job, as no overlay does here" } else { "overlay" };
            Support::Yes(format!("own user, mount, pid, network and ipc namespaces; seccomp; {layer}"))
        }
        Err(error) => Support::No(error.to_string()),
    }
}

fn landlock() -> Support {
    // SAFETY: asks for the version only; no pointer is read.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, 1) };
    if version > 0 { Support::Yes(format!("version {version}")) } else { Support::No("not in this kernel".to_owned()) }
}

/// Before 5.14 the kernel counts a user's processes over the whole machine.
fn process_limit() -> Support {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 14) {
        Support::Yes("resource limit in the cell's user namespace".to_owned())
    } else {
        Support::No(format!("no cgroup may be made here, and Linux {release} is older than 5.14"))
    }
}
