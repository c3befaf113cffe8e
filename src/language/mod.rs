//! Languages: what a path is and what a source text says. In: paths and texts. Out: facts for the lab; no verdict.
//!
//! A language is one folder here and one line in [`BUILT_IN`]. Whatever needs to know a language asks [`Language`]. What
//! needs the syntax of a source asks its [`Reader`], if there is one. Without a reader there are no canaries, no
//! held-out tests and no mutants, and every answer is *not read*, so a row reaches E1 at most and says so.

pub mod c;
pub mod canonical;
pub mod class_table;
pub mod classes;
pub mod depth;
pub mod files;
pub mod go;
pub mod jvm;
pub mod layout;
pub mod needs;
pub mod node;
pub mod php;
pub mod python;
pub mod reader;
pub mod ruby;
pub mod rust;
pub mod screen;
pub mod suite;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use crate::model::layout::Layout;
use crate::runner::{self, Runner};

pub use canonical::Canonical;
pub use class_table::{Kind, Row};
pub use files::{Files, Stated};
pub use reader::Reader;
pub use suite::Question;

/// One language.
pub trait Language: Send + Sync {
    /// Its name, in small letters.
    fn name(&self) -> &'static str;

    /// Endings of files with source code, in small letters.
    fn endings(&self) -> &'static [&'static str];

    /// Names of its test runners, also of those that the tool does not know.
    fn runners(&self) -> &'static [&'static str];

    /// Its rows of the class table.
    fn rows(&self) -> &'static [Row];

    /// Whether a repair's change to a file of this path is code of the language.
    fn is_source(&self, path: &str) -> bool {
        path.rsplit_once('.').is_some_and(|(_, ending)| self.endings().contains(&ending))
    }

    /// Whether a new file of this path may hold tests if it stands beside tests of unconventional names.
    fn joins_tests(&self, path: &str) -> bool {
        self.is_source(path)
    }

    /// Which files of an instance are tests, beyond their names, and where modules are imported from.
    ///
    /// # Errors
    /// A fault of whoever keeps the files.
    fn survey(&self, files: &dyn Files, runner: &str, stated: Stated<'_>) -> anyhow::Result<Layout> {
        survey::stated_layout(files, runner, stated)
    }

    /// Which of an instance's test files the project's own configuration leaves out, rule by rule: file -> what leaves it out.
    ///
    /// # Errors
    /// A fault of whoever keeps the files.
    fn left_out(&self, _files: &dyn Files, _question: Question<'_>) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
        Ok(Vec::new())
    }

    /// Groups of test files, each of which one session can load. One group, or none: it can load them all.
    ///
    /// # Errors
    /// A fault of whoever keeps the files.
    fn sessions(&self, _files: &dyn Files, _runner: &str, _tests: &[String]) -> anyhow::Result<Vec<Vec<String>>> {
        Ok(Vec::new())
    }

    /// Of the trusted tree, the changed files and those that use them, directly or by way of others, as far as texts tell.
    /// If nothing reads that of the language, only the changed ones.
    ///
    /// # Errors
    /// A fault of whoever keeps the files.
    fn users(
        &self,
        _files: &dyn Files,
        _layout: &Layout,
        changed: &BTreeSet<String>,
    ) -> anyhow::Result<BTreeSet<String>> {
        Ok(changed.clone())
    }

    /// Whether a new file of this path would run in place of a module of the runner, the language or the environment.
    fn shadows(&self, _layout: &Layout, _path: &str) -> bool {
        false
    }

    /// What a file of configuration says of the build, if there is a build at all and the file says other things too. Two
    /// versions of it that differ elsewhere are built alike.
    fn build_sections(&self, _path: &str, _text: &str) -> Option<String> {
        None
    }

    /// Whether a file of this name, in small letters, has an effect only once something compiles it, and nothing does when tests
    /// run.
    fn is_compiled_source(&self, _name: &str) -> bool {
        false
    }

    /// The grammar of a file of this path, if it is one of the language's and there is a grammar.
    fn grammar(&self, _path: &str) -> Option<tree_sitter::Language> {
        None
    }

    /// A source in canonical form. `None` if the file is not one of the language's, or does not parse.
    fn canonical(&self, path: &str, source: &str, _functions: bool) -> Option<Canonical> {
        let text = canonical::rows(&self.grammar(path)?, source)?;
        Some(Canonical { text, functions: BTreeMap::new() })
    }

    /// The name by which sources import a file, if it tells more than the file's own name.
    fn import_name(&self, _path: &str) -> Option<String> {
        None
    }

    /// How reproduction scripts are written in it, if its answers may be scripts.
    fn script(&self) -> Option<Script> {
        None
    }

    /// Words of its syntax that say nothing about what a text is about.
    fn common_words(&self) -> &'static str {
        ""
    }

    /// What reads the syntax of its sources, if anything does.
    fn reader(&self) -> Option<&'static dyn Reader> {
        None
    }
}

/// A reproduction script: one file that prints what it found.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Where it is put in the tree.
    pub path: &'static str,
    /// What a fence may say before one.
    pub fences: &'static [&'static str],
}

/// The languages that come with the tool. Their order decides which row holds for a runner that is not known.
const BUILT_IN: [&dyn Language; 8] =
    [&python::Python, &rust::Rust, &go::Go, &jvm::Jvm, &node::Node, &ruby::Ruby, &php::Php, &c::C];

static REGISTERED: RwLock<Vec<&'static dyn Language>> = RwLock::new(Vec::new());

/// Makes a language of the caller's own known to this process. A name that is taken stays with the language that has it.
pub fn register(language: &'static dyn Language) {
    if by_name(language.name()).is_none() {
        REGISTERED.write().unwrap_or_else(PoisonError::into_inner).push(language);
    }
}

/// Every language.
pub fn all() -> impl Iterator<Item = &'static dyn Language> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner).clone();
    BUILT_IN.into_iter().chain(registered)
}

/// The language of a name, or `None` if there is none.
pub fn by_name(name: &str) -> Option<&'static dyn Language> {
    all().find(|language| language.name() == name)
}

/// The language whose tests a runner runs. One that nobody made known has the general rules alone, and no reader.
pub fn of(runner: &dyn Runner) -> &'static dyn Language {
    by_name(runner.language()).unwrap_or(&Unknown)
}

/// The language of a runner's name. `None` if no runner and no language has heard of it.
pub fn of_runner(name: &str) -> Option<&'static dyn Language> {
    match runner::by_name(name) {
        Some(runner) => Some(of(runner)),
        None => all().find(|language| language.runners().contains(&name)),
    }
}

/// The language of a runner's name; the general rules if no runner and no language has heard of it.
pub fn of_framework(name: &str) -> &'static dyn Language {
    of_runner(name).unwrap_or(&Unknown)
}

/// A source in the canonical form of whichever language its path belongs to.
pub fn canonical(path: &str, source: &str, functions: bool) -> Option<Canonical> {
    all().find_map(|language| language.canonical(path, source, functions))
}

/// A language of which nothing is known but that its files end like code.
struct Unknown;

impl Language for Unknown {
    fn name(&self) -> &'static str {
        "unknown"
    }

    fn endings(&self) -> &'static [&'static str] {
        &[]
    }

    fn runners(&self) -> &'static [&'static str] {
        &[]
    }

    fn rows(&self) -> &'static [Row] {
        &[]
    }

    fn is_source(&self, path: &str) -> bool {
        classes::is_code(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runner_has_a_language_that_is_known() {
        for name in runner::names() {
            let runner = runner::by_name(name).unwrap();
            assert_eq!(of(runner).name(), runner.language(), "{name}");
            assert!(of(runner).runners().contains(&name), "{name}");
        }
        assert_eq!(of_runner("mocha").map(Language::name), Some("node"));
        assert!(of_runner("a runner of tomorrow").is_none());
    }

    #[test]
    fn a_language_knows_its_own_files_and_an_unknown_one_all_code() {
        for (runner, path, own) in [
            ("pytest", "a.py", true),
            ("pytest", "a.pyi", false),
            ("pytest", "a.go", false),
            ("go", "a.go", true),
            ("go", "go", false),
            ("a runner of tomorrow", "a.rb", true),
            ("a runner of tomorrow", "a.txt", false),
        ] {
            assert_eq!(of_framework(runner).is_source(path), own, "{runner}: {path}");
        }
    }
}
