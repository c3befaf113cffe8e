//! The clock that the agent and pid 1 of every job share.

use rustix::time::{ClockId, clock_gettime};

/// Monotonic time in nanoseconds, comparable between the processes of one machine.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}
