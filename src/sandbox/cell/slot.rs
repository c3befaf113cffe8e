//! The driver's end of a slot: its cgroup, its agent, and one job at a time.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use assay_agent::protocol::{Killed, OpenSlot, Root};
use assay_agent::warden::remove_cgroups;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::cgroup::{self, Kills, SlotCgroup};
use super::talk::{Carrier, Harvest, Talk};
use crate::sandbox::{Backing, Executed, Job, SandboxError, SealedImage, Slot};

/// How often the cancel flag is looked at.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

static NEXT_SLOT: AtomicU64 = AtomicU64::new(0);

/// A worker's place. The agent is started again after a failure.
#[derive(Debug)]
pub struct CellSlot {
    agent_exe: PathBuf,
    cancel: Arc<AtomicBool>,
    open: OpenSlot,
    agent: Option<Agent>,
}

impl CellSlot {
    /// Opens the slot and waits until its agent is ready.
    pub fn new(
        agent_exe: &Path,
        cancel: &Arc<AtomicBool>,
        image: &SealedImage,
        copies: bool,
        network: bool,
    ) -> Result<Self, SandboxError> {
        let missing = |why: String| SandboxError::ImageMissing { image: image.digest.to_string(), why };
        let root = match &image.backing {
            Backing::Host { base_layer, mounts } => {
                Root::Host { base_layer: base_layer.clone(), mounts: mounts.clone() }
            }
            Backing::Unpacked { root, base_layer } => {
                Root::Image { base_layer: base_layer.clone(), root: root.clone() }
            }
            Backing::Docker { .. } => {
                return Err(missing("it is an image of the Docker engine; cells run over host directories".to_owned()));
            }
        };
        for path in root.paths() {
            path.metadata().map_err(|error| missing(format!("{}: {error}", path.display())))?;
        }
        let open = OpenSlot { workdir: image.workdir.clone(), root, copies, network };
        let agent = Agent::start(agent_exe, cancel, &open)?;
        Ok(Self { agent_exe: agent_exe.to_path_buf(), cancel: cancel.clone(), open, agent: Some(agent) })
    }

    /// Whether jobs get copies of the base layer, because no overlay does here.
    pub fn copies(&self) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.copies)
    }

    /// Runs a job; with `harvest` gives the bytecode that it left.
    pub fn execute(&mut self, job: &Job, harvest: bool) -> Result<Harvest, SandboxError> {
        let begun = Instant::now();
        let mut agent = match self.agent.take() {
            Some(agent) => agent,
            None => Agent::start(&self.agent_exe, &self.cancel, &self.open)?,
        };
        let mut harvest = agent.run(job, harvest)?;
        // An agent that failed is dropped on the way out, with everything it holds.
        self.agent = Some(agent);
        let total = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        harvest.0.overhead_ms = total.saturating_sub(harvest.0.wall_ms);
        Ok(harvest)
    }
}

impl Slot for CellSlot {
    fn run(&mut self, job: &Job) -> Result<Executed, SandboxError> {
        Ok(self.execute(job, false)?.0)
    }
}

#[derive(Debug)]
struct Agent {
    talk: Talk<Pipes>,
    copies: bool,
    cgroup: SlotCgroup,
}

impl Agent {
    fn start(exe: &Path, cancel: &Arc<AtomicBool>, open: &OpenSlot) -> Result<Self, SandboxError> {
        let failed = |why: String| SandboxError::Failed { doing: "starting a cell agent", why };
        if cancel.load(Ordering::Relaxed) {
            return Err(SandboxError::Interrupted);
        }
        let name = cgroup::name_of(NEXT_SLOT.fetch_add(1, Ordering::Relaxed)).map_err(|e| failed(e.to_string()))?;
        let cgroup = SlotCgroup::create(&name);
        let mut command = Command::new(exe);
        command
            .arg("cell-agent")
            .args(cgroup.directories())
            .env_clear()
            .current_dir("/")
            // Ctrl-C is for the driver alone, which then ends its agents.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(format!("{}: {error}", exe.display())))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("its pipes are missing".to_owned()));
        };
        let pipes = Pipes { child, input: Some(input), output };
        let mut agent = Self { talk: Talk::new(pipes, cancel.clone()), copies: false, cgroup };
        agent.talk.greet()?;
        let pid = agent.talk.carrier.child.id();
        agent.cgroup.enter(pid).map_err(|error| failed(format!("entering its cgroup: {error}")))?;
        agent.copies = agent.talk.open(open)?;
        Ok(agent)
    }

    fn run(&mut self, job: &Job, harvest: bool) -> Result<Harvest, SandboxError> {
        let failed = |why: String| SandboxError::Failed { doing: "running a cell", why };
        let limits = &job.limits;
        self.cgroup
            .limit(limits.memory_bytes, limits.pids, limits.cpu_millis)
            .map_err(|error| failed(format!("setting limits: {error}")))?;
        let before = self.cgroup.kills();
        let told = self.talk.run(job, !self.cgroup.holds().memory, harvest)?;
        told.harvest(killed(before, self.cgroup.kills()), self.cgroup.peak_memory())
    }
}

/// What the kernel did to the job for want of memory, from the counters before and after it.
fn killed(before: io::Result<Option<Kills>>, after: io::Result<Option<Kills>>) -> io::Result<Option<Killed>> {
    match (before?, after?) {
        (Some(before), Some(after)) => Ok(after.since(before)),
        // Without a memory cgroup pid 1 watches.
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(io::Error::other("the memory cgroup was not there all the time")),
    }
}

/// An agent's process and the pipes to it.
#[derive(Debug)]
struct Pipes {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Carrier for Pipes {
    fn read(&mut self, buffer: &mut [u8], cancel: &AtomicBool, until: Instant) -> io::Result<usize> {
        loop {
            if cancel.load(Ordering::Relaxed) {
                return Err(io::Error::other("cancelled"));
            }
            if Instant::now() > until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match poll(&mut [PollFd::new(&self.output, PollFlags::IN)], Some(&GLANCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.output.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes)
    }

    fn last_words(&mut self) -> String {
        let mut words = String::new();
        if let Some(stderr) = self.child.stderr.as_mut() {
            // A panic message is short; reading stops at its end because the agent is gone.
            let _ = stderr.take(4096).read_to_string(&mut words);
        }
        match (words.trim(), self.child.try_wait()) {
            ("", Ok(Some(status))) => format!("it ended with {status}"),
            ("", _) => "it closed its output".to_owned(),
            (words, _) => words.to_owned(),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // The agent takes the end of its input as the order to end everything.
        let pipes = &mut self.talk.carrier;
        drop(pipes.input.take());
        let until = Instant::now() + Duration::from_secs(5);
        while matches!(pipes.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                // Its jobs die with it (parent death signal).
                let _ = pipes.child.kill();
                let _ = pipes.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        remove_cgroups(&self.cgroup.directories());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_between_two_looks_is_seen_and_a_look_that_failed_is_no_look() {
        let kills = |killed, limit_hits| Ok(Some(Kills { killed, limit_hits }));
        let failed = || Err(io::Error::other("gone"));
        assert_eq!(killed(kills(1, 0), kills(1, 0)).unwrap(), None);
        assert_eq!(killed(kills(1, 0), kills(2, 1)).unwrap(), Some(Killed::ByLimit));
        assert_eq!(killed(kills(1, 0), kills(2, 0)).unwrap(), Some(Killed::ByMachine));
        assert_eq!(killed(Ok(None), Ok(None)).unwrap(), None);
        for (before, after) in [(failed(), kills(0, 0)), (kills(0, 0), failed()), (kills(0, 0), Ok(None))] {
            assert!(killed(before, after).is_err());
        }
    }
}
