//! Who a job is: one id, 1000 inside, and outside an id that owns nothing on the host (root) or the caller's own.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::mounts::last_errno;

/// User and group of every job, as it sees itself.
pub const INSIDE: u32 = 1000;
/// The host's id for it if the driver is root: outside every range that distributions hand out.
const FOREIGN: u32 = 1_879_048_192 + 1000;

/// The id on the host that jobs of a root driver get. `None` if root has no second id to give (a container with a
/// single mapped id): jobs then run with the caller's own.
pub fn foreign() -> Option<u32> {
    pick(&fs::read_to_string("/proc/self/uid_map").ok()?)
}

/// Whether an id is one that this process knows, and so may give to a job.
pub fn may_give(id: u32) -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| holds(&ranges(&map), id))
}

/// First id and length of each range of a map, as seen inside.
fn ranges(uid_map: &str) -> Vec<(u64, u64)> {
    let range = |line: &str| {
        let mut fields = line.split_whitespace().map(str::parse::<u64>);
        Some((fields.next()?.ok()?, fields.nth(1)?.ok()?))
    };
    uid_map.lines().filter_map(range).collect()
}

fn holds(ranges: &[(u64, u64)], id: u32) -> bool {
    ranges.iter().any(|(start, len)| (*start..start.saturating_add(*len)).contains(&id.into()))
}

fn pick(uid_map: &str) -> Option<u32> {
    let ranges = ranges(uid_map);
    if holds(&ranges, FOREIGN) {
        return Some(FOREIGN);
    }
    // Near the end of what a container was given: 65534 is nobody's, so stay below it.
    let (start, len) = ranges.iter().max_by_key(|(_, len)| *len)?;
    (*len > 60_000).then(|| u32::try_from(start + len - 1000).ok()).flatten()
}

/// The effective user and group of a process, as the host counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub user: u32,
    pub group: u32,
}

impl Owner {
    /// The caller. Ask before a user namespace is entered: inside, every id that is not mapped yet reads 65534.
    pub fn caller() -> Self {
        Self { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() }
    }
}

/// Writes the maps of a process in a new user namespace, as its parent with the right to do so: `inside` there is `outside`
/// here, as user and as group.
pub fn write_maps(process: &str, inside: u32, outside: u32) -> io::Result<()> {
    write_map_files(process, inside, Owner { user: outside, group: outside })
}

/// Writes this process's own maps after it entered a user namespace: `inside` is the `caller` that it was. An ordinary user
/// may map only these two ids, and the group only once `setgroups` is denied.
pub fn write_own_maps(inside: u32, caller: Owner) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    write_map_files("self", inside, caller)
}

fn write_map_files(process: &str, inside: u32, outside: Owner) -> io::Result<()> {
    fs::write(format!("/proc/{process}/uid_map"), format!("{inside} {} 1", outside.user))?;
    fs::write(format!("/proc/{process}/gid_map"), format!("{inside} {} 1", outside.group))
}

/// A user namespace that maps `on_disk` to `shown`, for an id-mapped mount.
pub fn mapping(on_disk: u32, shown: u32) -> io::Result<OwnedFd> {
    let (ready_r, ready_w) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (hold_r, hold_w) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: the agent has one thread, so the child may go on as usual.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(io::Error::last_os_error());
    }
    if child == 0 {
        drop((ready_r, hold_w));
        // SAFETY: only the user namespace of this child changes.
        let code = match unsafe { unshare_unsafe(UnshareFlags::NEWUSER) } {
            Ok(()) => {
                let told = File::from(ready_w).write_all(b"1");
                let _ = File::from(hold_r).read(&mut [0]);
                i32::from(told.is_err())
            }
            Err(_) => 1,
        };
        // SAFETY: ends the child without running what the parent registered.
        unsafe { libc::_exit(code) }
    }
    drop((ready_w, hold_r));
    let made = (|| {
        File::from(ready_r).read_exact(&mut [0])?;
        write_maps(&child.to_string(), on_disk, shown)?;
        Ok(OwnedFd::from(File::open(format!("/proc/{child}/ns/user"))?))
    })();
    drop(hold_w);
    if let Some(pid) = Pid::from_raw(child) {
        waitpid(Some(pid), WaitOptions::empty())?;
    }
    made
}

/// Names the host in this process's uts namespace.
pub fn name_host(name: &str) -> rustix::io::Result<()> {
    // SAFETY: the name is valid for the length that is given.
    if unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) } == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Raises the loopback interface of this process's network namespace.
pub fn raise_loopback() -> rustix::io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: an all-zero ifreq is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo\0") {
        *to = (*from).cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: the request is a valid ifreq that names the interface.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_jobs_is_one_that_the_caller_may_give_away() {
        assert_eq!(pick("         0          0 4294967295\n"), Some(FOREIGN));
        assert_eq!(pick("0 100000 65536\n"), Some(64_536));
        assert_eq!(pick("0 1000 1\n"), None);
        assert_eq!(pick(""), None);
    }
}
