//! Exit codes: what a script may rely on.

use std::process::{ExitCode as Process, Termination};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done.
    Done = 0,
    /// The command line or an input file cannot be used.
    Usage = 1,
    /// Done, but something asked for was refused or found wrong: a refused instance, zero verified rows.
    Findings = 2,
    /// Interrupted; run the same command again to continue.
    Interrupted = 3,
    /// The environment lacks something: no sandbox, no image, no package index.
    Environment = 4,
    /// A bug of ours.
    Bug = 70,
}

impl Termination for ExitCode {
    fn report(self) -> Process {
        Process::from(self as u8)
    }
}

/// An error that knows its exit code; put into an `anyhow` chain as its root or context.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Environment(String),
    #[error("interrupted; what was done is kept, run the same command again to continue")]
    Interrupted,
}

impl Stop {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::Usage,
            Self::Environment(_) => ExitCode::Environment,
            Self::Interrupted => ExitCode::Interrupted,
        }
    }
}
