//! Descriptors that must have, or must not have, a certain number.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::pipe::{PipeFlags, pipe_with};

/// Lowest number for descriptors of ours: below it are the ones that jobs get.
const OURS: RawFd = 10;

/// A copy out of the way of the numbers that jobs get, closed on exec.
pub fn aside(fd: impl AsFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, OURS)?)
}

/// Reading and writing end of a pipe, both out of the way.
pub fn pipe_aside() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((aside(read)?, aside(write)?))
}

/// Makes `number`, one of those that jobs get, a copy of `fd` that stays open on exec.
pub fn place(fd: impl AsFd, number: RawFd) -> io::Result<()> {
    debug_assert!(number < OURS);
    // SAFETY: numbers below OURS are owned by nothing in an agent's process but the standard streams, which hold no
    // buffered bytes there.
    if unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
