//! How a canary was made from a test.

use std::collections::{BTreeMap, BTreeSet};

use super::admission::CanaryStrength;

/// How a test was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    pub strength: CanaryStrength,
    /// Names of errors and warnings that the test expects no more, so that one of them may be what it fails by.
    pub unexpected: BTreeSet<String>,
}

/// A test file with changed expectations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutated {
    /// Equal to the original if no test has a canary.
    pub source: String,
    /// How each test was changed, by id. A test that is not here has no canary: its function was not found.
    pub tests: BTreeMap<String, Form>,
}
