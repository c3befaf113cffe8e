//! The sandbox agent: a process with one thread that opens a slot once and forks a fresh cell for every job. In: frames of
//! [`protocol`]. Out: frames.
//!
//! On the host the `assay` binary is its own agent. In Docker it is this crate's binary, linked statically, so that it needs
//! nothing of the image.

#![warn(missing_debug_implementations)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod agent;
pub mod bytecode;
mod changes;
mod container;
mod counters;
mod descriptors;
pub mod etc;
mod flow;
mod identity;
mod init;
mod layer;
mod mounts;
mod probe;
pub mod protocol;
mod root;
mod seal;
mod survey;
pub mod warden;
mod watch;
mod words;

/// Absolute path inside the sandbox where trusted files of ours are laid, read-only.
pub const SUPPORT_DIR: &str = "/opt/assay/support";
/// Descriptor on which the trusted reporter writes.
pub const REPORT_FD: i32 = 3;
