//! Pid 1 of a trial: makes the job's view of the machine, seals it, starts the job, reaps, and reports its end.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus};
use rustix::time::Timespec;

use super::clock::now;
use super::descriptors::place;
use super::ends::Ends;
use super::fault::Doing;
use super::mounts::{self, NODEV, NOSUID, RDONLY};
use super::protocol::RunJob;
use super::root::{BASE, NEW_ROOT, SCRATCH};
use super::seal;
use super::slot::Slot;
use super::survey::Survey;
use super::words::said;
use super::{bytecode, changes, home, watch};
use crate::{REPORT_FD, SUPPORT_DIR};

/// Everything pid 1 does. Never returns to the agent's code.
pub fn run(job: &RunJob, blob: &[u8], slot: &Slot<'_>, ends: Ends) -> ! {
    let mut status = File::from(ends.status);
    let stdio = [ends.stdin, ends.output, ends.report];
    if let Err(why) = live(job, blob, slot, &stdio, &mut status) {
        say(&mut status, said::FAILED, why.as_bytes());
    }
    // SAFETY: ends this process without running what the agent registered. The kernel kills the rest.
    unsafe { libc::_exit(0) }
}

fn say(status: &mut File, tag: u8, payload: &[u8]) {
    let mut message = vec![tag];
    message.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    message.extend_from_slice(payload);
    // Nobody is left to hear of a failure here: the agent is gone and so are we in a moment.
    let _ = status.write_all(&message);
}

fn live(job: &RunJob, blob: &[u8], slot: &Slot<'_>, stdio: &[OwnedFd; 3], status: &mut File) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).doing(|| "binding to the agent".to_owned())?;
    // An agent that died before that sent no signal, but it was the only reader.
    let mut gone = [PollFd::new(status, PollFlags::empty())];
    poll(&mut gone, Some(&Timespec::default())).doing(|| "looking for the agent".to_owned())?;
    if gone[0].revents().contains(PollFlags::ERR) {
        return Err("the agent is gone".to_owned());
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));

    let workdir = slot.workdir;
    let laid = furnish(job, blob, slot)?;
    let written = &laid.upper;
    rustix::process::chdir(workdir).doing(|| format!("entering {workdir}"))?;
    seal::drop_capabilities()?;
    let home = job.env.get("HOME").map_or("/tmp", String::as_str);
    seal::confine_writes(&[workdir, "/tmp", home, "/dev", "/proc"])?;
    slot.filters.apply(job.watch_memory)?;

    // Before there is a job that could look at it, or write into it.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).doing(|| "hiding pid 1".to_owned())?;
    // SAFETY: this process has one thread, so the child may go on as usual.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(format!("starting the job's process: {}", std::io::Error::last_os_error()));
    }
    if child == 0 {
        start(job, stdio, status);
    }
    let child = Pid::from_raw(child).ok_or("the job's process has no id")?;
    let end = if job.watch_memory { watched(job, child, written, slot.layer.needs().0, status)? } else { wait(child)? };
    if let Some(end) = end {
        let mut payload = end.as_raw().to_le_bytes().to_vec();
        payload.extend_from_slice(&now().to_le_bytes());
        say(status, said::ENDED, &payload);
        end_the_rest()?;
        let touched = Survey::take(written).doing(|| "looking at what the job left".to_owned())?;
        say(status, said::TOUCHED, touched.since(&laid.survey, &laid.lower).join("\0").as_bytes());
        if job.harvest {
            bytecode::gather(written, &mut |path, content| {
                let mut payload = (path.len() as u32).to_le_bytes().to_vec();
                payload.extend_from_slice(path.as_bytes());
                payload.extend_from_slice(content);
                say(status, said::BYTECODE, &payload);
            })
            .doing(|| "gathering bytecode".to_owned())?;
        }
    }
    Ok(())
}

/// Whatever the job left running must not change a file that has been looked at.
fn end_the_rest() -> Result<(), String> {
    // SAFETY: signals every process of this namespace but the caller, which is its pid 1.
    let killed = unsafe { libc::kill(-1, libc::SIGKILL) };
    if killed != 0 && std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH) {
        return Err(format!("ending what the job left running: {}", std::io::Error::last_os_error()));
    }
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return Ok(()),
            Err(error) => return Err(format!("waiting for what the job left running: {error}")),
        }
    }
}

/// The work directory as the job finds it.
struct Laid {
    /// Collects what is written to the work directory.
    upper: OwnedFd,
    survey: Survey,
    lower: OwnedFd,
}

/// Mounts what only this job sees and enters it.
fn furnish(job: &RunJob, blob: &[u8], slot: &Slot<'_>) -> Result<Laid, String> {
    let Slot { workdir, layer, .. } = *slot;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let (bytes, inodes) = layer.needs();
    let bytes = job.limits.disk_bytes.max(1 << 16).saturating_add(bytes);
    let inodes = job.limits.inodes.saturating_add(inodes).saturating_add(16);
    let options = format!("mode=755,size={bytes},nr_inodes={inodes}");
    mounts::fresh("tmpfs", SCRATCH, flags, &options).doing(|| "mounting the scratch space".to_owned())?;
    for (name, mode) in [("upper", 0o755), ("work", 0o755), ("tmp", 0o1777), ("shm", 0o1777), ("home", 0o755)] {
        let path = format!("{SCRATCH}/{name}");
        fs::create_dir(&path).doing(|| format!("making {path}"))?;
        rustix::fs::chmod(&path, Mode::from_raw_mode(mode)).doing(|| format!("making {path}"))?;
    }
    let inside = |path: &str| format!("{NEW_ROOT}{path}");

    mounts::fresh("proc", &inside("/proc"), flags | MountFlags::NOEXEC, "").doing(|| "mounting /proc".to_owned())?;
    mask_proc(&inside("/proc"), &inside("/dev/null"))?;
    // A kernel without private terminals has none to offer.
    let _ = mounts::fresh(
        "devpts",
        &inside("/dev/pts"),
        MountFlags::NOSUID | MountFlags::NOEXEC,
        "newinstance,ptmxmode=0666,mode=620",
    );
    for (name, path) in [("tmp", "/tmp"), ("shm", "/dev/shm")] {
        mounts::bind(&format!("{SCRATCH}/{name}"), &inside(path)).doing(|| format!("mounting {path}"))?;
    }
    if slot.own_var_tmp {
        mounts::bind(&format!("{SCRATCH}/tmp"), &inside("/var/tmp")).doing(|| "mounting /var/tmp".to_owned())?;
    }
    match job.env.get("HOME") {
        Some(home) if home.starts_with("/tmp/") => {
            fs::create_dir_all(inside(home)).doing(|| format!("making the home {home}"))?;
        }
        Some(home) if home::needs_mount(home, workdir) => {
            mounts::bind(&format!("{SCRATCH}/home"), &inside(home)).doing(|| format!("mounting the home {home}"))?;
        }
        _ => {}
    }

    let at = inside(workdir);
    layer.mount(&at)?;
    let used = changes::apply(&at, &job.changes, blob)?;

    let at = inside(SUPPORT_DIR);
    mounts::fresh("tmpfs", &at, flags, "mode=755").doing(|| "mounting the support files".to_owned())?;
    changes::write_support(&at, &job.support, blob.get(used..).unwrap_or_default())?;
    mounts::restrict_at(&at, RDONLY | NOSUID | NODEV).doing(|| "sealing the support files".to_owned())?;

    mounts::restrict_at(NEW_ROOT, RDONLY | NOSUID | NODEV).doing(|| "sealing the root".to_owned())?;
    let open = |path: &str| File::open(path).map(OwnedFd::from).doing(|| format!("opening {path}"));
    let (upper, lower) = (open(&format!("{SCRATCH}/upper"))?, open(BASE)?);
    let survey = Survey::take(&upper).doing(|| "looking at the upper layer".to_owned())?;
    mounts::pivot(NEW_ROOT).doing(|| "entering the root".to_owned())?;
    Ok(Laid { upper, survey, lower })
}

/// Hides or write-protects what `/proc` says about the machine. The job's id could not write there anyway.
fn mask_proc(proc: &str, null: &str) -> Result<(), String> {
    const HIDDEN: &[&str] = &[
        "kcore",
        "keys",
        "key-users",
        "kmsg",
        "kallsyms",
        "latency_stats",
        "sched_debug",
        "sysrq-trigger",
        "timer_list",
        "timer_stats",
    ];
    const EMPTY: &[&str] = &["acpi", "scsi"];
    const READ_ONLY: &[&str] = &["bus", "fs", "irq", "sys"];
    let tolerate = |result: rustix::io::Result<()>, path: &str| match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(format!("masking {path}: {error}")),
    };
    for name in HIDDEN {
        let path = format!("{proc}/{name}");
        tolerate(mounts::bind(null, &path), &path)?;
    }
    for name in EMPTY {
        let path = format!("{proc}/{name}");
        tolerate(mounts::fresh("tmpfs", &path, MountFlags::RDONLY | MountFlags::NOEXEC, "size=4k"), &path)?;
    }
    for name in READ_ONLY {
        let path = format!("{proc}/{name}");
        match mounts::bind(&path, &path) {
            Ok(()) => mounts::restrict_at(&path, RDONLY).doing(|| format!("masking {path}"))?,
            other => tolerate(other, &path)?,
        }
    }
    Ok(())
}

/// The job's process, up to its program. Never returns.
fn start(job: &RunJob, stdio: &[OwnedFd; 3], status: &mut File) -> ! {
    let why = match prepare(job, stdio) {
        Err(why) => (said::FAILED, why.into_bytes()),
        Ok(mut command) => {
            say(status, said::STARTED, &now().to_le_bytes());
            let error = command.exec();
            (said::NOT_STARTED, error.raw_os_error().unwrap_or(libc::EIO).to_le_bytes().to_vec())
        }
    };
    say(status, why.0, &why.1);
    // SAFETY: ends this process without running what the agent registered.
    unsafe { libc::_exit(127) }
}

fn prepare(job: &RunJob, [stdin, output, report]: &[OwnedFd; 3]) -> Result<Command, String> {
    rustix::process::setsid().doing(|| "starting a session".to_owned())?;
    // Pid 1 is hidden and this process is not. Otherwise its own files in /proc would be closed to it.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).doing(|| "staying visible".to_owned())?;
    // If memory runs out, the job goes before the agent.
    fs::write("/proc/self/oom_score_adj", "500").doing(|| "marking the job for the kernel".to_owned())?;
    for (fd, number) in [(stdin, 0), (output, 1), (output, 2), (report, REPORT_FD)] {
        place(fd, number).doing(|| format!("placing descriptor {number}"))?;
    }
    // SAFETY: only marks descriptors for closing on exec.
    let closed =
        unsafe { libc::syscall(libc::SYS_close_range, REPORT_FD + 1, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if closed != 0 {
        return Err(format!("closing descriptors: {}", std::io::Error::last_os_error()));
    }
    seal::limit_process(&job.limits, job.watch_memory)?;
    let (program, arguments) = job.argv.split_first().ok_or("the job has no program")?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&job.env);
    Ok(command)
}

/// Reaps until the job ends.
fn wait(child: Pid) -> Result<Option<WaitStatus>, String> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, end))) if pid == child => return Ok(Some(end)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(format!("waiting for the job: {error}")),
        }
    }
}

/// Reaps and measures until the job ends (its status) or is above its memory (`None`).
fn watched(
    job: &RunJob,
    child: Pid,
    written: &OwnedFd,
    copied: u64,
    status: &mut File,
) -> Result<Option<WaitStatus>, String> {
    let limit = job.limits.memory_bytes;
    let handle = rustix::process::pidfd_open(child, rustix::process::PidfdFlags::empty())
        .doing(|| "watching the job".to_owned())?;
    let mut peak = 0;
    let mut end = None;
    let mut tick_ms = 5;
    while end.is_none() {
        let tick = Timespec { tv_sec: 0, tv_nsec: tick_ms * 1_000_000 };
        match poll(&mut [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)], Some(&tick)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(format!("watching the job: {error}")),
        }
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, ended))) if pid == child => end = Some(ended),
                Ok(Some(_)) => {}
                Ok(None) | Err(Errno::CHILD) => break,
                Err(error) => return Err(format!("waiting for the job: {error}")),
            }
        }
        let files = rustix::fs::fstatvfs(written).map_or(0, |fs| (fs.f_blocks - fs.f_bfree) * fs.f_frsize);
        let used = watch::measure(limit, files.saturating_sub(copied));
        peak = peak.max(used);
        if used > limit {
            break;
        }
        // The nearer the limit, the closer the look.
        tick_ms = if used > limit / 4 { 5 } else { 50 };
    }
    let exceeded = end.is_none();
    let mut payload = peak.to_le_bytes().to_vec();
    payload.push(u8::from(exceeded));
    payload.extend_from_slice(&now().to_le_bytes());
    say(status, said::MEMORY, &payload);
    Ok(if exceeded { None } else { end })
}
