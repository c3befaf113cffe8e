//! Why an environment could not be made.

use std::io;
use std::path::Path;

use thiserror::Error;

use super::cache::CacheError;

/// Why an environment could not be made. None of it is about a candidate.
#[derive(Debug, Error)]
pub enum EnvironmentError {
    /// The host lacks something that can be installed.
    #[error("{0}")]
    Missing(String),
    /// The index that a package tool asks did not answer.
    #[error(
        "cannot reach the package index while {doing}: check the network and {tool}'s settings, then run again\n{why}"
    )]
    Unreachable { tool: &'static str, doing: String, why: String },
    /// A package tool answered no: no such version, a conflict, a build that fails.
    #[error("{tool} failed while {doing}; change the requirements of the instance or recipe\n{why}")]
    Refused { tool: &'static str, doing: String, why: String },
    /// The project itself cannot be built here.
    #[error("the project cannot be built here: {why}")]
    NotBuilt { why: String },
    /// Another release of the project would be in the environment, and answers can be read off it.
    #[error("{path} would be in the environment beside the project's own code; leave it out of the requirements")]
    AnswerInImage { path: String },
    /// A version of the runner would be installed whose reports nobody could trust.
    #[error(
        "{runner} {version} would be installed, because the project or the instance asks for it, and the reporter knows {first} to \
         {last}; require one of these, for example with --with {runner}=={last}.*"
    )]
    UnknownRunner { runner: &'static str, version: String, first: u64, last: u64 },
    /// The project cannot be run this way.
    #[error("{0}")]
    Unsupported(String),
    #[error("{doing} failed: {why}")]
    Failed { doing: String, why: String },
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl EnvironmentError {
    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::Failed { doing: format!("{doing} {}", path.display()), why: error.to_string() }
    }
}
