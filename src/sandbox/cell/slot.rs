//! The driver's end of a slot: its cgroup, its agent, and one job at a time.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use assay_agent::protocol::{Bounds, Change, Done, End, OpenSlot, Reply, Request, RunJob, receive, send};
use assay_agent::warden::remove_cgroups;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::cgroup::{self, SlotCgroup};
use crate::sandbox::{Backing, Executed, FileChange, Job, SandboxError, SealedImage, Slot};
use crate::trial::Exit;

/// How long an agent may take beyond the job's deadline before it counts as stuck.
const GRACE: Duration = Duration::from_secs(60);
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

/// A job's facts and the bytecode it compiled: path below the work directory, content.
type Harvest = (Executed, Vec<(String, Vec<u8>)>);

impl CellSlot {
    /// Opens the slot and waits until its agent is ready.
    pub fn new(
        agent_exe: &Path,
        cancel: &Arc<AtomicBool>,
        image: &SealedImage,
        copies: bool,
    ) -> Result<Self, SandboxError> {
        let missing = |why: String| SandboxError::ImageMissing { image: image.digest.to_string(), why };
        let Backing::Host { base_layer, mounts } = &image.backing else {
            return Err(missing("it is an image of the Docker engine; cells run over host directories".to_owned()));
        };
        for path in std::iter::once(base_layer).chain(mounts.iter().map(|(path, _)| path)) {
            path.metadata().map_err(|error| missing(format!("{}: {error}", path.display())))?;
        }
        let open =
            OpenSlot { base_layer: base_layer.clone(), workdir: image.workdir.clone(), mounts: mounts.clone(), copies };
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
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    cancel: Arc<AtomicBool>,
    copies: bool,
    /// After the child, so that it is dropped when the agent's processes are gone.
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
        let mut agent = Self { child, input: Some(input), output, cancel: cancel.clone(), copies: false, cgroup };
        let until = Instant::now() + GRACE;
        match agent.receive(until)? {
            (Reply::Hello, _) => {}
            (other, _) => return Err(unexpected(&other)),
        }
        agent.cgroup.enter(agent.child.id()).map_err(|error| failed(format!("entering its cgroup: {error}")))?;
        agent.send(&Request::Open(open.clone()), &[])?;
        match agent.receive(until)? {
            (Reply::Ready { copies }, _) => {
                agent.copies = copies;
                Ok(agent)
            }
            (other, _) => Err(unexpected(&other)),
        }
    }

    fn run(&mut self, job: &Job, harvest: bool) -> Result<Harvest, SandboxError> {
        let failed = |why: String| SandboxError::Failed { doing: "running a cell", why };
        let limits = &job.limits;
        self.cgroup
            .limit(limits.memory_bytes, limits.pids, limits.cpu_millis)
            .map_err(|error| failed(format!("setting limits: {error}")))?;
        let kills = self.cgroup.kills();
        let (request, blobs) = to_wire(job, !self.cgroup.holds().memory, harvest);
        self.send(&Request::Run(request), &blobs)?;

        let until = Instant::now() + Duration::from_millis(limits.deadline_ms).saturating_add(GRACE);
        let (mut report, mut compiled) = (Vec::new(), Vec::new());
        let (done, output) = loop {
            match self.receive(until)? {
                (Reply::Report, bytes) => report.extend_from_slice(&bytes),
                (Reply::Bytecode { path }, content) => compiled.push((path, content)),
                (Reply::Done(done), output) => break (done, output),
                (other, _) => return Err(unexpected(&other)),
            }
        };
        let now = self.cgroup.kills();
        let killed = matches!((kills, now), (Some(before), Some(now)) if now.killed > before.killed);
        let by_limit = matches!((kills, now), (Some(before), Some(now)) if now.limit_hits > before.limit_hits);
        let exit = match done.end {
            End::TimedOut => Exit::TimedOut,
            End::OutOfMemory => Exit::OutOfMemory,
            _ if killed && by_limit => Exit::OutOfMemory,
            _ if killed => return Err(failed("the host ran out of memory and killed a process of the job".to_owned())),
            End::Code(code) => Exit::Code(code),
            End::Signal(signal) => Exit::Signal(signal),
            End::Lost => return Err(failed("its pid 1 was killed from outside".to_owned())),
        };
        Ok((self.facts(exit, &done, &output, report), compiled))
    }

    fn facts(&self, exit: Exit, done: &Done, output: &[u8], report: Vec<u8>) -> Executed {
        let head_len = usize::try_from(done.head_len).unwrap_or(usize::MAX).min(output.len());
        let (head, tail) = output.split_at(head_len);
        Executed {
            exit,
            report,
            report_truncated: done.report_truncated,
            output_head: head.to_vec(),
            output_tail: tail.to_vec(),
            output_total: done.output_total,
            wall_ms: done.wall_us / 1000,
            overhead_ms: 0,
            peak_memory_bytes: self.cgroup.peak_memory().or(done.peak_memory_bytes),
            touched: done.touched.clone(),
        }
    }

    fn send(&mut self, request: &Request, blobs: &[&[u8]]) -> Result<(), SandboxError> {
        let input = self.input.as_mut().ok_or_else(|| lost("its input is closed"))?;
        send(input, request, blobs).map_err(|error| lost(&format!("writing to it: {error}")))
    }

    /// Waits for the agent's next word, the cancel flag, or the end of patience.
    fn receive(&mut self, until: Instant) -> Result<(Reply, Vec<u8>), SandboxError> {
        let mut from = Patient { output: &mut self.output, cancel: &self.cancel, until };
        match receive::<Reply>(&mut from) {
            Ok(Some((Reply::Failed { why }, _))) => Err(SandboxError::Failed { doing: "setting up a cell", why }),
            Ok(Some(reply)) => Ok(reply),
            _ if self.cancel.load(Ordering::Relaxed) => Err(SandboxError::Interrupted),
            Ok(None) => Err(lost(&self.last_words())),
            Err(error) => Err(lost(&error.to_string())),
        }
    }

    /// What a dead agent printed, or how it ended.
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
        drop(self.input.take());
        let until = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                // Its jobs die with it (parent death signal).
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        remove_cgroups(&self.cgroup.directories());
    }
}

fn lost(why: &str) -> SandboxError {
    SandboxError::Failed { doing: "talking to a cell agent", why: why.to_owned() }
}

fn unexpected(reply: &Reply) -> SandboxError {
    lost(&format!("it said {reply:?} out of turn"))
}

/// Reads that give up when the caller cancels or waits too long.
struct Patient<'a> {
    output: &'a mut ChildStdout,
    cancel: &'a AtomicBool,
    until: Instant,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(io::Error::other("cancelled"));
            }
            if Instant::now() > self.until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match poll(&mut [PollFd::new(&*self.output, PollFlags::IN)], Some(&GLANCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.output.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The wire form of a job and its contents, in the order that the agent takes them.
fn to_wire(job: &Job, watch_memory: bool, harvest: bool) -> (RunJob, Vec<&[u8]>) {
    let mut blobs: Vec<&[u8]> = Vec::new();
    let mut changes = Vec::with_capacity(job.changes.len());
    for change in &job.changes {
        changes.push(match change {
            FileChange::Write { path, content, executable } => {
                blobs.push(content);
                Change::Write { path: path.clone(), len: content.len() as u64, executable: *executable }
            }
            FileChange::Link { path, target } => Change::Link { path: path.clone(), target: target.clone() },
            FileChange::Remove { path } => Change::Remove { path: path.clone() },
        });
    }
    let mut support = Vec::with_capacity(job.support.len());
    for (name, content) in &job.support {
        blobs.push(content);
        support.push((name.clone(), content.len() as u64));
    }
    blobs.push(&job.stdin);
    let limits = Bounds {
        deadline_ms: job.limits.deadline_ms,
        memory_bytes: job.limits.memory_bytes,
        pids: job.limits.pids,
        disk_bytes: job.limits.disk_bytes,
        inodes: job.limits.inodes,
        keep_output_bytes: job.limits.keep_output_bytes,
        report_bytes: job.limits.report_bytes,
    };
    let request = RunJob {
        argv: job.argv.clone(),
        env: job.env.clone(),
        changes,
        support,
        stdin_len: job.stdin.len() as u64,
        limits,
        watch_memory,
        harvest,
    };
    (request, blobs)
}
