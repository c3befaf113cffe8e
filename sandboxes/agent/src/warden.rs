//! A root agent's helper that keeps root: writes the agent's id maps, and removes its cgroups when the agent is gone,
//! however it went.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, waitpid};

use super::descriptors::{close_others, place};
use super::identity;

/// The agent's end. The warden ends when this is dropped or the agent dies.
#[derive(Debug)]
pub struct Warden(UnixStream, Option<Pid>);

impl Warden {
    /// Forks the warden. Call before the agent enters its cgroups or a namespace.
    pub fn fork(cgroups: &[PathBuf]) -> std::io::Result<Self> {
        let (agent_end, warden_end) = UnixStream::pair()?;
        let agent = rustix::process::getpid();
        // SAFETY: the agent has one thread, so the child may go on as usual.
        match unsafe { libc::fork() } {
            -1 => Err(std::io::Error::last_os_error()),
            0 => {
                drop(agent_end);
                let code = i32::from(watch(warden_end, agent.as_raw_nonzero().get(), cgroups).is_err());
                // SAFETY: ends the child without running what the parent registered.
                unsafe { libc::_exit(code) }
            }
            pid => Ok(Self(agent_end, Pid::from_raw(pid))),
        }
    }

    /// Ends the warden and waits for it, if there is nothing to remove after the agent.
    pub fn dismiss(self) -> std::io::Result<()> {
        drop(self.0);
        waitpid(self.1, WaitOptions::empty())?;
        Ok(())
    }

    /// Has the agent's id maps written. The agent is in its new user namespace already.
    pub fn write_maps(&mut self, outside: u32) -> Result<(), String> {
        self.0.write_all(&outside.to_le_bytes()).map_err(|e| format!("asking for id maps: {e}"))?;
        let mut answer = [0; 256];
        let n = self.0.read(&mut answer).map_err(|e| format!("waiting for id maps: {e}"))?;
        match &answer[..n] {
            b"ok" => Ok(()),
            b"" => Err("the warden died".to_owned()),
            why => Err(format!("writing id maps: {}", String::from_utf8_lossy(why))),
        }
    }
}

fn watch(mut agent_end: UnixStream, agent: i32, cgroups: &[PathBuf]) -> std::io::Result<()> {
    rustix::process::setsid()?;
    let null = OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?);
    for number in 0..=2 {
        place(&null, number)?;
    }
    drop(null);
    // The agent's connection above all: while a copy of it is open, the driver cannot see the agent's end.
    close_others(&agent_end)?;
    let mut outside = [0; 4];
    while agent_end.read_exact(&mut outside).is_ok() {
        let answer = match identity::write_maps(&agent.to_string(), identity::INSIDE, u32::from_le_bytes(outside)) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        agent_end.write_all(answer.as_bytes())?;
    }
    remove_cgroups(cgroups);
    Ok(())
}

/// Removes empty cgroups, waiting a little for processes that are still on their way out. One that is gone is fine.
pub fn remove_cgroups(cgroups: &[PathBuf]) -> Vec<PathBuf> {
    let mut left: Vec<&Path> = cgroups.iter().map(PathBuf::as_path).collect();
    for attempt in 0..200 {
        left.retain(|cgroup| !matches!(fs::remove_dir(cgroup), Ok(()) | Err(_) if !cgroup.exists()));
        if left.is_empty() {
            break;
        }
        sleep(Duration::from_millis(if attempt < 20 { 1 } else { 20 }));
    }
    for parent in cgroups.iter().filter_map(|cgroup| cgroup.parent()) {
        // Another slot's cgroup may be in it; whoever is last removes it.
        let _ = fs::remove_dir(parent);
    }
    left.into_iter().map(Path::to_path_buf).collect()
}
