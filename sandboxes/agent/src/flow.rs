//! One job as the agent sees it: fork pid 1, move bytes, keep the deadline, say how it ended.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::time::Timespec;

use super::clock::now;
use super::counters::{Before, Counters};
use super::descriptors::pipe_aside;
use super::ends::Ends;
use super::fault::Doing;
use super::init;
use super::protocol::{Done, End, Reply, RunJob, send};
use super::slot::Slot;
use super::tally::Tally;
use super::wire::Wire;
use super::words::Said;

/// Bytes read from a pipe at once.
const CHUNK: usize = 256 << 10;

/// Runs one job. `false`: the driver is gone, and so is the job.
pub fn run(wire: &mut Wire, job: &RunJob, blob: Vec<u8>, slot: &Slot<'_>) -> Result<bool, String> {
    let stdin_from = blob.len()
        - usize::try_from(job.stdin_len).ok().filter(|len| *len <= blob.len()).ok_or("the job's input is cut short")?;
    let (stdin_r, stdin_w) = pipe_aside().doing(|| "making a pipe".to_owned())?;
    let (output_r, output_w) = pipe_aside().doing(|| "making a pipe".to_owned())?;
    let (report_r, report_w) = pipe_aside().doing(|| "making a pipe".to_owned())?;
    let (status_r, status_w) = pipe_aside().doing(|| "making a pipe".to_owned())?;
    for fd in [&stdin_w, &output_r, &report_r] {
        rustix::io::ioctl_fionbio(fd, true).doing(|| "preparing a pipe".to_owned())?;
    }
    // A larger pipe saves wake-ups; the user's pipe budget may refuse it.
    let _ = rustix::pipe::fcntl_setpipe_size(&output_r, 1 << 20);

    let counted = slot.tally.begin().doing(|| "reading the cgroup's counters".to_owned())?;
    let ends = Ends { stdin: stdin_r, output: output_w, report: report_w, status: status_w };
    let flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::SIGCHLD;
    // SAFETY: without a stack of its own and without shared memory the child is a plain fork; one thread runs here.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if child < 0 {
        return Err(format!("starting pid 1: {}", io::Error::last_os_error()));
    }
    if child == 0 {
        drop((stdin_w, output_r, report_r, status_r));
        init::run(job, &blob, slot, ends);
    }
    drop(ends);
    let pid = i32::try_from(child).ok().and_then(Pid::from_raw).ok_or("pid 1 has no id")?;
    let mut flow = Flow {
        stdin: Some(File::from(stdin_w)),
        unsent: blob,
        sent: stdin_from,
        output: Some(output_r),
        report: Some(report_r),
        head: Vec::new(),
        tail: Vec::new(),
        total: 0,
        keep: usize::try_from(job.limits.keep_output_bytes).unwrap_or(usize::MAX),
        report_room: usize::try_from(job.limits.report_bytes).unwrap_or(usize::MAX),
        report_truncated: false,
        status: Vec::new(),
        killed_at: None,
        buffer: vec![0; CHUNK],
    };
    if flow.sent == flow.unsent.len() {
        flow.stdin = None;
    }
    let moved = flow.until_pid_1_ends(wire, pid, status_r, job.limits.deadline_ms);
    if moved.is_err() || matches!(moved, Ok(false)) {
        // Whatever went wrong, nothing of the job stays.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
    let ended = reap(pid)?;
    if !moved? {
        return Ok(false);
    }
    flow.drain(wire)?;
    flow.conclude(wire, job, ended, slot.tally, counted)?;
    Ok(true)
}

/// Waits for pid 1; the kernel has killed everything else of the job by then.
fn reap(pid: Pid) -> Result<WaitStatus, String> {
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(Errno::INTR) => {}
            Err(error) => return Err(format!("waiting for pid 1: {error}")),
        }
    }
}

struct Flow {
    stdin: Option<File>,
    unsent: Vec<u8>,
    sent: usize,
    output: Option<OwnedFd>,
    report: Option<OwnedFd>,
    head: Vec<u8>,
    tail: Vec<u8>,
    total: u64,
    keep: usize,
    report_room: usize,
    report_truncated: bool,
    status: Vec<u8>,
    /// When the deadline made an end.
    killed_at: Option<u64>,
    buffer: Vec<u8>,
}

enum Next {
    More,
    Empty,
    Closed,
}

impl Flow {
    /// Moves bytes until pid 1 closes its status pipe, which it does by ending. `false`: the driver is gone.
    fn until_pid_1_ends(
        &mut self,
        wire: &mut Wire,
        pid: Pid,
        status: OwnedFd,
        deadline_ms: u64,
    ) -> Result<bool, String> {
        let deadline = now().saturating_add(deadline_ms.saturating_mul(1_000_000));
        let mut status = File::from(status);
        loop {
            let left = deadline.saturating_sub(now());
            if left == 0 && self.killed_at.is_none() {
                rustix::process::kill_process(pid, Signal::KILL).doing(|| "ending the job".to_owned())?;
                self.killed_at = Some(now());
            }
            let timeout = self.killed_at.is_none().then(|| Timespec {
                tv_sec: (left / 1_000_000_000).cast_signed(),
                tv_nsec: (left % 1_000_000_000).cast_signed(),
            });
            let [driver, done, output, report, stdin] = self.wait(wire, &status, timeout.as_ref())?;
            if !driver.is_empty() {
                return Ok(false);
            }
            if !output.is_empty() {
                self.read_output()?;
            }
            if !report.is_empty() {
                self.read_report(wire)?;
            }
            if !stdin.is_empty() {
                self.feed();
            }
            if !done.is_empty() {
                let n = status.read(&mut self.buffer).doing(|| "listening to pid 1".to_owned())?;
                if n == 0 {
                    return Ok(true);
                }
                self.status.extend_from_slice(&self.buffer[..n]);
            }
        }
    }

    fn wait(&self, wire: &Wire, status: &File, timeout: Option<&Timespec>) -> Result<[PollFlags; 5], String> {
        let mut fds = vec![(0, PollFd::new(&wire.input, PollFlags::IN)), (1, PollFd::new(status, PollFlags::IN))];
        fds.extend(self.output.as_ref().map(|fd| (2, PollFd::new(fd, PollFlags::IN))));
        fds.extend(self.report.as_ref().map(|fd| (3, PollFd::new(fd, PollFlags::IN))));
        fds.extend(self.stdin.as_ref().map(|fd| (4, PollFd::new(fd, PollFlags::OUT))));
        let (places, mut polled): (Vec<usize>, Vec<PollFd<'_>>) = fds.into_iter().unzip();
        match poll(&mut polled, timeout) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok([PollFlags::empty(); 5]),
            Err(error) => return Err(format!("waiting for the job: {error}")),
        }
        let mut ready = [PollFlags::empty(); 5];
        for (place, fd) in places.into_iter().zip(polled) {
            ready[place] = fd.revents();
        }
        Ok(ready)
    }

    fn feed(&mut self) {
        let Some(pipe) = &mut self.stdin else { return };
        match pipe.write(&self.unsent[self.sent..]) {
            Ok(n) => self.sent += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // The job has closed its input: it does not want the rest.
            Err(_) => self.sent = self.unsent.len(),
        }
        if self.sent == self.unsent.len() {
            self.stdin = None;
            self.unsent = Vec::new();
            self.sent = 0;
        }
    }

    fn next(&mut self, which: impl Fn(&Self) -> Option<&OwnedFd>) -> Result<(Next, usize), String> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = which(self).map_or(Ok(0), |fd| rustix::io::read(fd.as_fd(), &mut buffer));
        self.buffer = buffer;
        match read {
            Ok(0) => Ok((Next::Closed, 0)),
            Ok(n) => Ok((Next::More, n)),
            Err(Errno::AGAIN | Errno::INTR) => Ok((Next::Empty, 0)),
            Err(error) => Err(format!("reading from the job: {error}")),
        }
    }

    fn read_output(&mut self) -> Result<Next, String> {
        let (next, n) = self.next(|flow| flow.output.as_ref())?;
        if matches!(next, Next::Closed) {
            self.output = None;
        }
        let chunk = &self.buffer[..n];
        self.total += n as u64;
        let (to_head, rest) = chunk.split_at(chunk.len().min(self.keep - self.head.len()));
        self.head.extend_from_slice(to_head);
        if rest.len() >= self.keep {
            self.tail.clear();
            self.tail.extend_from_slice(&rest[rest.len() - self.keep..]);
        } else {
            self.tail.extend_from_slice(rest);
            if self.tail.len() > self.keep.saturating_mul(4) {
                self.tail.drain(..self.tail.len() - self.keep);
            }
        }
        Ok(next)
    }

    fn read_report(&mut self, wire: &mut Wire) -> Result<Next, String> {
        let (next, n) = self.next(|flow| flow.report.as_ref())?;
        if matches!(next, Next::Closed) {
            self.report = None;
        }
        let keep = n.min(self.report_room);
        self.report_truncated |= keep < n;
        self.report_room -= keep;
        if keep > 0 {
            send(&mut wire.output, &Reply::Report, &[&self.buffer[..keep]])
                .doing(|| "passing the report".to_owned())?;
        }
        Ok(next)
    }

    /// Takes what is still in the pipes. All writers are dead, so this ends.
    fn drain(&mut self, wire: &mut Wire) -> Result<(), String> {
        while matches!(self.read_output()?, Next::More) {}
        while matches!(self.read_report(wire)?, Next::More) {}
        Ok(())
    }

    fn conclude(
        mut self,
        wire: &mut Wire,
        job: &RunJob,
        ended: WaitStatus,
        tally: &Tally,
        counted: Option<(&Counters, Before)>,
    ) -> Result<(), String> {
        let counted = counted.map(|(counters, before)| counters.end(before)).transpose();
        let (counted_peak, killed) = counted.doing(|| "reading the cgroup's counters".to_owned())?.unwrap_or_default();
        let said = match Said::read(&self.status) {
            Ok(said) => said,
            Err(why) => return fail(wire, why),
        };
        if let Some(errno) = said.not_started {
            let program = job.argv.first().map_or("", String::as_str);
            return fail(wire, format!("starting {program}: {}", io::Error::from_raw_os_error(errno)));
        }
        if let Some(why) = said.failed {
            return fail(wire, why);
        }
        let (end, end_at) = match end_of(&said, self.killed_at, ended.as_raw(), tally) {
            Ok(end) => end,
            Err(why) => return fail(wire, why),
        };
        for (path, content) in said.bytecode {
            send(&mut wire.output, &Reply::Bytecode { path }, &[content]).doing(|| "answering".to_owned())?;
        }
        let touched = match (said.touched, end) {
            (Some(touched), _) => touched,
            (None, End::TimedOut | End::OutOfMemory | End::Lost) => Vec::new(),
            (None, End::Code(_) | End::Signal(_)) => {
                return fail(wire, "the job ended and what it left was not looked at".to_owned());
            }
        };
        self.tail.drain(..self.tail.len().saturating_sub(self.keep));
        let done = Done {
            end,
            report_truncated: self.report_truncated,
            head_len: self.head.len() as u64,
            output_total: self.total,
            wall_us: end_at.saturating_sub(said.started.unwrap_or(end_at)) / 1000,
            peak_memory_bytes: counted_peak.or(said.peak),
            killed,
            touched,
        };
        send(&mut wire.output, &Reply::Done(done), &[&self.head, &self.tail]).doing(|| "answering".to_owned())
    }
}

/// How the job ended, and when. An end that may be the kernel's doing, and that nobody can tell from the job's own, is a
/// fault.
fn end_of(said: &Said<'_>, killed_at: Option<u64>, pid_1: i32, tally: &Tally) -> Result<(End, u64), String> {
    match (said.end, killed_at, said.started) {
        (Some((end, _)), ..) if !tally.can_explain(end) => Err("the job was killed, and it is unknown whether the \
             kernel did that for want of memory: the container shows no memory counters"
            .to_owned()),
        (Some((end, at)), ..) => Ok((end, at)),
        (None, Some(at), Some(_)) => Ok((End::TimedOut, at)),
        (None, None, Some(_)) => Ok((End::Lost, now())),
        (None, _, None) => {
            let how = if killed_at.is_some() { "the deadline passed" } else { "pid 1 died" };
            Err(format!("{how} before the job started (pid 1: status {pid_1})"))
        }
    }
}

fn fail(wire: &mut Wire, why: String) -> Result<(), String> {
    send(&mut wire.output, &Reply::Failed { why }, &[]).doing(|| "answering".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_that_nobody_can_explain_is_a_fault_and_not_the_jobs_own_end() {
        let end = |end, tally: &Tally| {
            let said = Said { started: Some(1), end: Some((end, 9)), ..Said::default() };
            end_of(&said, None, 0, tally)
        };
        let killed = End::Signal(libc::SIGKILL);
        let why = end(killed, &Tally::Nobody).unwrap_err();
        assert!(why.contains("is unknown") && why.contains("no memory counters"), "{why}");
        // The driver looks at its own counters afterwards.
        assert_eq!(end(killed, &Tally::Driver), Ok((killed, 9)));
        for other in [End::Code(0), End::Code(1), End::Signal(libc::SIGSEGV), End::OutOfMemory] {
            assert_eq!(end(other, &Tally::Nobody), Ok((other, 9)));
        }
        let said = Said { started: Some(1), ..Said::default() };
        assert_eq!(end_of(&said, Some(7), 9, &Tally::Nobody), Ok((End::TimedOut, 7)));
    }
}
