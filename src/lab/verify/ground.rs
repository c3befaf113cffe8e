//! The ground that a sample is read on: the trees of its instance, and what is known of them.

use super::read_cache::ReadCache;
use crate::language::{self, Language};
use crate::model::admission::{Admission, Trees};
use crate::model::candidate::Prepared;
use crate::model::instance::Instance;
use crate::model::unread::{Unread, Why};
use crate::repo::Repository;
use crate::runner::{self, Runner};

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

impl<'a> Ground<'a> {
    /// The ground of an instance that was admitted.
    pub fn of(
        instance: &'a Instance,
        admission: &'a Admission,
        trees: &'a Trees,
        repository: &'a Repository,
        memory: &'a ReadCache,
    ) -> Self {
        Self {
            repository,
            trees,
            admission,
            framework: runner::by_name(&instance.environment.framework),
            tests: admission.splits.first().map(|split| split.files.as_slice()).unwrap_or_default(),
            issue: &instance.problem_statement,
            memory,
        }
    }

    /// The language of the instance.
    pub fn language(&self) -> &'static dyn Language {
        self.framework.map_or_else(|| language::of_framework(&self.trees.layout.framework), language::of)
    }

    /// What is not read of an answer if nothing reads its language: every file. It speaks against no candidate.
    pub(super) fn unread(prepared: &Prepared) -> Vec<Unread> {
        let files = prepared.files.iter();
        files.map(|path| Unread { path: path.clone(), line: 1, why: Why::NoReader, in_gold: true }).collect()
    }
}

impl std::fmt::Debug for Ground<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("trees", self.trees).finish_non_exhaustive()
    }
}
