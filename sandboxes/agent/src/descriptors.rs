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

/// Closes every descriptor above the standard streams except one.
pub fn close_others(keep: impl AsFd) -> io::Result<()> {
    let keep = keep.as_fd().as_raw_fd().cast_unsigned();
    for (first, last) in [(3, keep.saturating_sub(1)), (keep.max(2) + 1, u32::MAX)] {
        // SAFETY: called where nothing that owns a descriptor in these ranges is used again.
        if first <= last && unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
