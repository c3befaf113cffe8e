//! What a line of the journal holds.

use serde::{Deserialize, Serialize};

use crate::model::admission::Admission;
use crate::model::digest::Digest;
use crate::model::trial::Outcome;

/// One line of the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    Admission(Box<Admission>),
    Outcome(Box<Outcome>),
    Failure(Failure),
}

/// A trial that the sandbox could not run, after all retries. It says nothing about a candidate; the next run of the
/// command tries again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub trial_id: Digest,
    /// Each attempt's error, in order.
    pub attempts: Vec<String>,
}
