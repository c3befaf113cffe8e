//! The sandbox agent: a process with one thread that opens a slot once and forks a fresh cell for every job. In: frames
//! of [`protocol`]. Out: frames.
//!
//! On the host the `assay` binary is its own agent. In Docker it is this crate's binary, linked statically, so that it
//! needs nothing of the image.
//!
//! The agent opens what it needs, then enters its own user, mount, network, UTS and IPC namespaces with exactly one
//! mapped id: an unused host id if root started it, the caller's own id otherwise. It raises `lo` and builds a template
//! of allow-listed read-only mounts. For each job it forks into fresh mount, PID and IPC namespaces: an overlay whose
//! upper layer is a tmpfs with a cap on its size, a fresh `/proc` with masks, no capabilities, `no_new_privs`, seccomp
//! and Landlock. Killing the first process of the namespaces ends everything in them, and the agent ends when the
//! driver's pipe closes. A fork from a process with one thread costs no exec and needs no care about what may be called
//! between fork and exec.

#![warn(missing_debug_implementations)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod agent;
pub mod bytecode;
mod changes;
mod clock;
mod container;
mod counters;
mod descriptors;
mod ends;
pub mod etc;
mod fault;
mod files;
mod flow;
mod home;
mod identity;
mod init;
mod layer;
mod mounts;
mod probe;
pub mod protocol;
mod root;
mod seal;
mod slot;
mod survey;
mod tally;
pub mod warden;
mod watch;
mod wire;
mod words;

/// Absolute path inside the sandbox where trusted files of ours are laid, read-only.
pub const SUPPORT_DIR: &str = "/opt/assay/support";
/// Descriptor on which the trusted reporter writes.
pub const REPORT_FD: i32 = 3;
