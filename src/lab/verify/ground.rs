//! The ground that a sample is read on: the trees of its instance, and what is known of them.

use super::read_cache::ReadCache;
use crate::model::admission::{Admission, Trees};
use crate::repo::Repository;
use crate::runner::Runner;

/// What a sample is held against.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    pub repository: &'a Repository,
    pub trees: &'a Trees,
    pub admission: &'a Admission,
    pub framework: Option<&'static dyn Runner>,
    /// Files of the fail-to-pass tests.
    pub tests: &'a [String],
    pub issue: &'a str,
    /// What reading other samples showed.
    pub memory: &'a ReadCache,
}

impl std::fmt::Debug for Ground<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("trees", self.trees).finish_non_exhaustive()
    }
}
