//! A reader: what the lab asks of the syntax of one language. Pure, and the same answers for the same texts.
//!
//! In: texts of base, gold and answers. An answer is hostile, so a reader reads in bounds and never fails; what it does
//! not understand it says as [`Unread`]. Out: tokens and literals of repairs, faults and doubts of tests, statements,
//! mutants, canaries and held-out tests.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::canary_form::Mutated;
use crate::model::candidate::Oracle;
use crate::model::screen::Token;
use crate::model::unread::Unread;

/// The reader of one language.
pub trait Reader: Send + Sync {
    /// Raised whenever canaries change: old admissions then prove their canaries again.
    fn canary_version(&self) -> u32;

    /// Raised whenever what is derived changes: old admissions then derive it again.
    fn held_out_version(&self) -> u32;

    /// The text of a file as the language reads it; what cannot be decoded becomes U+FFFD.
    fn text(&self, bytes: &[u8]) -> String;

    /// What is not read in a candidate's version of a file. What base has is its own affair.
    fn unread(&self, path: &str, versions: Versions<'_>) -> Vec<Unread>;

    /// What the screen reads of a changed source, with tokens on wanted lines.
    fn signs(&self, source: &str, wanted: &dyn Fn(u32) -> bool) -> Signs;

    /// Every token of a source.
    fn tokens(&self, source: &str) -> BTreeSet<Token>;

    /// Whether a source that the answer does not change runs other files as the main program in its own process.
    fn runs_as_main(&self, _source: &str) -> bool {
        true
    }

    /// Numbers and texts on wanted lines.
    fn literals(&self, source: &str, wanted: &dyn Fn(u32) -> bool) -> BTreeSet<String>;

    /// How a test of an answer decides. A script is expected to print its verdict.
    fn oracle(&self, path: &str, source: &str, script: bool, project: &Project) -> Oracle;

    /// Names that the path of a source file gives to modules and packages.
    fn modules(&self, path: &str) -> Vec<String>;

    /// The name that a new source file of this path adds for others to import.
    fn added_module(&self, path: &str) -> Option<String>;

    /// Every identifier of a source.
    fn mentioned(&self, source: &str) -> BTreeSet<String>;

    /// Names that a source defines.
    fn defined(&self, source: &str) -> BTreeSet<String>;

    /// Names that a source expects others to define.
    fn expected(&self, source: &str) -> BTreeSet<String>;

    /// The statements that these lines belong to.
    fn executable(&self, source: &str, lines: &BTreeSet<u32>) -> Statements;

    /// At most `most` mutants whose changed place lies on one of the lines.
    fn mutants(&self, source: &str, lines: &BTreeSet<u32>, most: usize) -> Vec<Mutation>;

    /// The same tests with expectations that no correct program meets. Tests in `weak` get the weak form.
    fn canaries(&self, source: &str, ids: &[String], weak: &BTreeSet<String>) -> Mutated;

    /// Variants of these tests for a new file at `path`; `None` if no test has an input to change.
    fn held_out(&self, source: &str, path: &str, ids: &[String]) -> Option<Derived>;

    /// A place beside a test file at which a file of ours may stand. `tag` makes it free.
    fn held_out_path(&self, beside: &str, tag: &str) -> String;
}

/// One version of a file; empty if the tree lacks it.
#[derive(Clone, Copy, Debug)]
pub struct Versions<'a> {
    pub base: &'a [u8],
    pub candidate: &'a [u8],
    pub gold: &'a [u8],
}

/// What the screen reads of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// With the first line that each place of them has.
    pub tokens: BTreeSet<(Token, u32)>,
    /// Those of the tokens that only a program's own process comes to, where the file is the main program.
    pub of_main_program: BTreeSet<(Token, u32)>,
    /// Whether the source may make a file the main program that is not.
    pub poses: bool,
}

/// Statements by their first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statements {
    /// Run when a function is called.
    pub called: BTreeSet<u32>,
    /// Run when the module is imported.
    pub imported: BTreeSet<u32>,
}

/// A source with one changed place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    pub line: u32,
    /// What was changed, for people.
    pub what: String,
    pub source: String,
}

/// A test file with variants in the place of its tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    pub source: String,
    /// Ids of variants, without parameters, and the case that each is near to: a test function and the place of the
    /// parameters that it keeps.
    pub tests: BTreeMap<String, String>,
}

/// What the repository holds, as far as the screen needs it.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// Names that a module or package of the repository has.
    pub modules: BTreeSet<String>,
    /// Paths of its source files.
    pub files: BTreeSet<String>,
}
