//! What a project itself says that its tests need.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A list of requirements that a project declares for its tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Declared {
    /// Where it stands, e.g. `group test`, and in which file.
    pub source: String,
    /// Its requirement lines.
    pub requirements: Vec<String>,
}
