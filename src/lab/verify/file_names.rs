//! Files of a run directory that the verification writes.

/// What generated tests were run against, one line per instance that has any.
pub(crate) const CONTESTS: &str = "contests.jsonl";
/// What was understood of every sample.
pub(crate) const CANDIDATES: &str = "candidates.jsonl";

/// What selection may use, one line per instance with repairs.
pub const MATRIX: &str = "matrix.jsonl";
