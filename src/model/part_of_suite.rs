//! The part of a suite that an instance is judged by, if not all of its test files run (`--changed-tests`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many of the test files run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartOfSuite {
    pub ran: u64,
    pub of: u64,
}

impl PartOfSuite {
    /// How many of how many, in words.
    pub fn told(self) -> String {
        format!("{} of {} test files run", self.ran, self.of)
    }
}
