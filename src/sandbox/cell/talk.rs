//! The driver's side of the conversation with an agent, over whatever carries it.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assay_agent::protocol::{Bounds, Change, Done, End, Killed, OpenSlot, Reply, Request, RunJob, receive, send};

use crate::model::trial::Exit;
use crate::sandbox::{Executed, FileChange, Job, SandboxError};

/// How long an agent may take beyond the job's deadline before it counts as stuck.
const GRACE: Duration = Duration::from_secs(60);

/// Opening a slot may copy a whole tree.
const OPENING: Duration = Duration::from_secs(300);

/// What carries the frames.
pub trait Carrier {
    /// Waits at most until then, or until the flag is raised. 0: the agent is gone.
    fn read(&mut self, buffer: &mut [u8], cancel: &AtomicBool, until: Instant) -> io::Result<usize>;
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// What a dead agent printed, or how it ended.
    fn last_words(&mut self) -> String;
}

/// A conversation.
#[derive(Debug)]
pub struct Talk<C> {
    pub carrier: C,
    cancel: Arc<AtomicBool>,
}

/// A job's facts and the bytecode it compiled: path below the work directory, content.
pub type Harvest = (Executed, Vec<(String, Vec<u8>)>);

/// A job's end as the agent tells it, before the driver has looked at the cgroups.
#[derive(Debug)]
pub struct Told {
    done: Done,
    output: Vec<u8>,
    report: Vec<u8>,
    compiled: Vec<(String, Vec<u8>)>,
}

impl<C: Carrier> Talk<C> {
    pub fn new(carrier: C, cancel: Arc<AtomicBool>) -> Self {
        Self { carrier, cancel }
    }

    /// Waits for the agent's first word.
    pub fn greet(&mut self) -> Result<(), SandboxError> {
        match self.receive(Instant::now() + GRACE)? {
            (Reply::Hello, _) => Ok(()),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Opens the slot. Whether its jobs get copies of the base layer.
    pub fn open(&mut self, slot: &OpenSlot) -> Result<bool, SandboxError> {
        self.send(&Request::Open(slot.clone()), &[])?;
        match self.receive(Instant::now() + OPENING)? {
            (Reply::Ready { copies }, _) => Ok(copies),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Has a job run.
    pub fn run(&mut self, job: &Job, watch_memory: bool, harvest: bool) -> Result<Told, SandboxError> {
        let (request, blobs) = to_wire(job, watch_memory, harvest);
        self.send(&Request::Run(request), &blobs)?;
        let until = Instant::now() + Duration::from_millis(job.limits.deadline_ms).saturating_add(GRACE);
        let (mut report, mut compiled) = (Vec::new(), Vec::new());
        loop {
            match self.receive(until)? {
                (Reply::Report, bytes) => report.extend_from_slice(&bytes),
                (Reply::Bytecode { path }, content) => compiled.push((path, content)),
                (Reply::Done(done), output) => return Ok(Told { done, output, report, compiled }),
                (other, _) => return Err(unexpected(&other)),
            }
        }
    }

    fn send(&mut self, request: &Request, blobs: &[&[u8]]) -> Result<(), SandboxError> {
        // One write for all the small pieces: each may wake somebody far away.
        let mut to = io::BufWriter::with_capacity(64 << 10, Outgoing(&mut self.carrier));
        send(&mut to, request, blobs).map_err(|error| lost(&format!("writing to it: {error}")))
    }

    /// Waits for the agent's next word, the cancel flag, or the end of patience.
    fn receive(&mut self, until: Instant) -> Result<(Reply, Vec<u8>), SandboxError> {
        let mut from = Incoming { carrier: &mut self.carrier, cancel: &self.cancel, until };
        match receive::<Reply>(&mut from) {
            Ok(Some((Reply::Failed { why }, _))) => Err(SandboxError::Failed { doing: "setting up a cell", why }),
            Ok(Some(reply)) => Ok(reply),
            _ if self.cancel.load(Ordering::Relaxed) => Err(SandboxError::Interrupted),
            Ok(None) => Err(lost(&self.carrier.last_words())),
            Err(error) => Err(lost(&error.to_string())),
        }
    }
}

impl Told {
    /// The facts, with what the driver knows of kills for want of memory and of the peak. If it could not find out
    /// whether a process was killed, a job that ended by itself has no known end.
    pub fn harvest(self, killed: io::Result<Option<Killed>>, peak: Option<u64>) -> Result<Harvest, SandboxError> {
        let failed = |why: String| SandboxError::Failed { doing: "running a cell", why };
        let killed = killed.map(|killed| killed.or(self.done.killed));
        let exit = match (self.done.end, killed) {
            (End::TimedOut, _) => Exit::TimedOut,
            (End::OutOfMemory, _) | (_, Ok(Some(Killed::ByLimit))) => Exit::OutOfMemory,
            (_, Ok(Some(Killed::ByMachine))) => {
                return Err(failed("the machine ran out of memory and killed a process of the job".to_owned()));
            }
            (End::Code(code), Ok(None)) => Exit::Code(code),
            (End::Signal(signal), Ok(None)) => Exit::Signal(signal),
            (End::Lost, Ok(None)) => return Err(failed("its pid 1 was killed from outside".to_owned())),
            (End::Code(_) | End::Signal(_) | End::Lost, Err(error)) => {
                return Err(failed(format!(
                    "it is unknown whether the kernel killed a process of the job for want of memory: {error}"
                )));
            }
        };
        let head_len = usize::try_from(self.done.head_len).unwrap_or(usize::MAX).min(self.output.len());
        let (head, tail) = self.output.split_at(head_len);
        let executed = Executed {
            exit,
            report: self.report,
            report_truncated: self.done.report_truncated,
            output_head: head.to_vec(),
            output_tail: tail.to_vec(),
            output_total: self.done.output_total,
            wall_ms: self.done.wall_us / 1000,
            overhead_ms: 0,
            peak_memory_bytes: peak.or(self.done.peak_memory_bytes),
            touched: self.done.touched,
        };
        Ok((executed, self.compiled))
    }
}

fn lost(why: &str) -> SandboxError {
    SandboxError::Failed { doing: "talking to a cell agent", why: why.to_owned() }
}

fn unexpected(reply: &Reply) -> SandboxError {
    lost(&format!("it said {reply:?} out of turn"))
}

struct Outgoing<'a, C>(&'a mut C);

impl<C: Carrier> Write for Outgoing<'_, C> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Incoming<'a, C> {
    carrier: &'a mut C,
    cancel: &'a AtomicBool,
    until: Instant,
}

impl<C: Carrier> Read for Incoming<'_, C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.carrier.read(buffer, self.cancel, self.until)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(end: End) -> Told {
        let done = Done {
            end,
            report_truncated: false,
            head_len: 0,
            output_total: 0,
            wall_us: 0,
            peak_memory_bytes: None,
            killed: None,
            touched: Vec::new(),
        };
        Told { done, output: Vec::new(), report: Vec::new(), compiled: Vec::new() }
    }

    #[test]
    fn an_exit_code_counts_only_where_it_is_known_that_nobody_was_killed() {
        let exit = |end, killed| told(end).harvest(killed, None).map(|(executed, _)| executed.exit);
        let unknown = || Err(io::Error::other("memory.events: no such file"));
        assert_eq!(exit(End::Code(0), Ok(None)).unwrap(), Exit::Code(0));
        for end in [End::Code(0), End::Signal(9), End::Lost] {
            let error = exit(end, unknown()).unwrap_err().to_string();
            assert!(error.contains("is unknown") && error.contains("memory.events"), "{error}");
        }
        // Both hold whoever else was killed.
        assert_eq!(exit(End::TimedOut, unknown()).unwrap(), Exit::TimedOut);
        assert_eq!(exit(End::OutOfMemory, unknown()).unwrap(), Exit::OutOfMemory);
    }
}
