//! A contest: what the generated tests of an instance are run against beside base and gold. It holds tree names only, so
//! that verdicts can be computed again without the repository.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line of `contests.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contest {
    pub format: String,
    pub instance_id: String,
    /// Executable lines that gold adds, by path, as gold counts them.
    pub added: BTreeMap<String, Vec<u32>>,
    /// Executable lines that gold takes out, as base counts them; empty where gold adds any.
    pub removed: BTreeMap<String, Vec<u32>>,
    pub mutants: Vec<Mutant>,
    /// Trees with the files of a test laid over them.
    pub joined: Vec<Joined>,
}

/// Gold with one changed place among the lines that gold changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mutant {
    pub path: String,
    pub line: u32,
    /// What was changed, for people: `< to <=`.
    pub what: String,
    /// Gold with the change.
    pub tree: String,
    /// Gold with the trusted tests and the change: shows whether the instance's own tests find it wrong.
    pub tested: String,
}

/// A test on a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Joined {
    /// Base with the test.
    pub test: String,
    /// The tree it was laid over.
    pub over: String,
    pub tree: String,
}

impl Contest {
    /// The tree of a test over another tree; `None` if it was never made.
    pub fn tree(&self, test: &str, over: &str) -> Option<&str> {
        let found = self.joined.iter().find(|joined| joined.test == test && joined.over == over);
        found.map(|joined| joined.tree.as_str())
    }
}
