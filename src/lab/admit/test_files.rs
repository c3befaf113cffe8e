//! The test files of an instance: those that its runner collects, and those of them that make its suite.

use std::collections::BTreeSet;

use crate::language::{self, Question, suite};
use crate::model::admission::Trees;
use crate::model::candidate::PathClass;
use crate::model::instance::Instance;
use crate::model::suite::Suite;
use crate::repo::{self, Repository};
use crate::runner::Runner;

/// By repository path.
pub(super) struct TestFiles {
    /// What the runner collects if it is named.
    pub collected: Vec<String>,
    /// Those of them that make the suite.
    pub suite: Vec<String>,
    /// Every path that gold and its tests change.
    pub changed: BTreeSet<String>,
    /// The suite in groups that one session can load.
    pub groups: Vec<Vec<String>>,
    /// What is to be told of the others.
    pub told: Suite,
}

impl TestFiles {
    /// If tests are listed, the lists say what runs; then every file that is collected stands for the suite.
    ///
    /// # Errors
    /// A fault of the repository.
    pub fn of(
        instance: &Instance,
        repository: &Repository,
        trees: &Trees,
        framework: &dyn Runner,
    ) -> anyhow::Result<Self> {
        let paths = repository.paths(&trees.tested_gold)?;
        let named =
            |path: &String| instance.environment.tests.contains(path) && trees.layout.class(path) == PathClass::Test;
        let collects = |path: &String| trees.layout.collects(framework, path) || named(path);
        let collected: Vec<_> = paths.into_iter().filter(collects).collect();
        let changed: BTreeSet<_> = repository.changed_paths(&trees.base, &trees.tested_gold)?.into_iter().collect();
        let (language, files) = (language::of(framework), repo::files(repository, trees));
        let question = Question { runner: framework.name(), collected: &collected, changed: &changed };
        let listed = !instance.fail_to_pass.is_empty() || !instance.pass_to_pass.is_empty();
        let rules = match instance.environment.tests.as_slice() {
            _ if listed => Vec::new(),
            [] => language.left_out(&files, question)?,
            named => vec![suite::named(question, named)],
        };
        let (suite, told) = suite::settled(question, rules);
        let groups = language.sessions(&files, framework.name(), &suite)?;
        Ok(Self { suite, changed, groups, told, collected })
    }
}
