//! The ends of pipes that a job is started with.

use std::os::fd::OwnedFd;

/// The ends of the pipes that belong to the trial.
#[derive(Debug)]
pub struct Ends {
    pub stdin: OwnedFd,
    pub output: OwnedFd,
    pub report: OwnedFd,
    pub status: OwnedFd,
}
