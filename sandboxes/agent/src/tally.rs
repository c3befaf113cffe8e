//! Who can tell whether the kernel ended a process of a job for want of memory.

use std::io;

use super::counters::{Before, Counters};
use super::protocol::End;

/// Who counts the processes that the kernel ends.
#[derive(Debug)]
pub enum Tally {
    /// The driver counts them from outside.
    Driver,
    /// The agent counts them in the cgroup of its container.
    Agent(Counters),
    /// Nobody can count them: the container shows no memory counters.
    Nobody,
}

impl Tally {
    /// The agent counts if it can read its container's counters.
    pub fn in_container() -> Self {
        Counters::open().map_or(Self::Nobody, Self::Agent)
    }

    /// Starts the count of a job, if the agent counts.
    pub fn begin(&self) -> io::Result<Option<(&Counters, Before)>> {
        match self {
            Self::Agent(counters) => Ok(Some((counters, counters.begin()?))),
            Self::Driver | Self::Nobody => Ok(None),
        }
    }

    /// Whether somebody can tell this end from one that the kernel made for want of memory, which it does by SIGKILL.
    pub fn can_explain(&self, end: End) -> bool {
        !matches!((self, end), (Self::Nobody, End::Signal(libc::SIGKILL)))
    }
}
