//! Why publishing or downloading ended, sorted by what the user does next.

use thiserror::Error;

use super::fault::Fault;
use crate::exit_code::ExitCode;

/// What ended it. Every message says the next step; none holds the token.
#[derive(Debug, Error)]
pub enum HubError {
    /// The arguments or the directory cannot be used.
    #[error("{0}")]
    Usage(String),
    /// No token, no network, a server that cannot do what is needed.
    #[error("{0}")]
    Environment(String),
    /// It could be done, but not without being told so.
    #[error("{0}")]
    Refused(String),
    #[error("interrupted; what was committed stays, run the same command again to continue")]
    Interrupted,
}

impl HubError {
    /// How the command ends.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::Usage,
            Self::Environment(_) => ExitCode::Environment,
            Self::Refused(_) => ExitCode::Findings,
            Self::Interrupted => ExitCode::Interrupted,
        }
    }

    /// A fault of the server in the middle of `doing`, e.g. "read the repository owner/name".
    pub(super) fn of(fault: Fault, doing: &str) -> Self {
        match fault {
            Fault::Passing { what, network: true, .. } => Self::Environment(format!(
                "cannot {doing}: {what}; check the network and HF_ENDPOINT, then run the same command again to continue"
            )),
            Fault::Passing { what, network: false, .. } => Self::Environment(format!(
                "cannot {doing}: {what}; the Hub is busy or broken, run the same command again later to continue"
            )),
            Fault::Moved { what } => Self::Environment(format!(
                "cannot {doing}: {what}; somebody else keeps changing it, run the same command again when they are done"
            )),
            Fault::Absent { what } => Self::Environment(format!("cannot {doing}: it is not there ({what})")),
            Fault::Unknown { what } => Self::Environment(format!(
                "cannot {doing}: the Hub wants a token that it accepts ({what}); log in again with `hf auth login`, or set HF_TOKEN"
            )),
            Fault::Forbidden { what } => Self::Environment(format!(
                "cannot {doing}: the token may not do that ({what}); use a token with write access to the owner, or an owner \
that is yours"
            )),
            Fault::Foreign { what } => Self::Environment(format!(
                "cannot {doing}: {what}. Something between here and the Hub answers in its place, such as the log-in page of a \
proxy; log in there, or check HF_ENDPOINT, HTTP_PROXY and HTTPS_PROXY, then run the same command again to continue"
            )),
            Fault::Rejected { what } => Self::Environment(format!("cannot {doing}: {what}")),
        }
    }
}
