//! The matrix of an instance: every repair under every generated test, made for selection. It holds tree names only, like
//! a contest; the outcomes are in the journal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::contest::Joined;

/// One line of `matrix.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Matrix {
    pub format: String,
    pub instance_id: String,
    /// Every repair's tree with the files of every test that fails on base laid over it.
    pub joined: Vec<Joined>,
}
