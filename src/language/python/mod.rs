//! Python: everything that knows its syntax. In: source texts and paths. Out: layouts, statements, mutants, canaries,
//! held-out tests, and what the static screen and the oracle read.

mod build_settings;
pub mod canary;
pub mod canary_edits;
mod canonical;
mod classes;
mod discover;
pub mod held_out;
mod ignored;
pub mod import_roots;
mod importers;
pub mod imports;
pub mod inputs;
mod literal;
mod module_names;
pub mod mutants;
pub mod needs;
mod nested;
pub mod oracle;
#[cfg(test)]
mod paper;
mod paths;
mod pytest_config;
pub mod pytest_options;
mod reader;
pub mod recording;
pub mod screen;
pub mod source;
pub mod statements;
pub mod suite;
pub mod survey;
pub mod syntax;
mod wildcard;

use std::collections::BTreeMap;

use std::collections::BTreeSet;

use super::files::{Files, Stated};
use super::reader::Reader;
use super::suite::Question;
use super::{Canonical, Language, Row, Script};
use crate::model::layout::Layout;

/// The language.
#[derive(Clone, Copy, Debug)]
pub struct Python;

impl Language for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["py", "pyi", "pyx", "pxd"]
    }

    fn runners(&self) -> &'static [&'static str] {
        &["pytest", "unittest", "plain", "doctest", "django", "sympy", "nose", "nose2", "tox"]
    }

    fn rows(&self) -> &'static [Row] {
        classes::ROWS
    }

    fn is_source(&self, path: &str) -> bool {
        path.ends_with(".py")
    }

    fn joins_tests(&self, path: &str) -> bool {
        path.ends_with(".py") && !path.ends_with("/__init__.py")
    }

    fn survey(&self, files: &dyn Files, runner: &str, stated: Stated<'_>) -> anyhow::Result<Layout> {
        survey::survey(files, runner, stated)
    }

    fn left_out(&self, files: &dyn Files, question: Question<'_>) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
        suite::left_out(files, question)
    }

    fn sessions(&self, files: &dyn Files, runner: &str, tests: &[String]) -> anyhow::Result<Vec<Vec<String>>> {
        module_names::sessions(files, runner, tests)
    }

    fn users(
        &self,
        files: &dyn Files,
        layout: &Layout,
        changed: &BTreeSet<String>,
    ) -> anyhow::Result<BTreeSet<String>> {
        importers::users(files, layout, changed)
    }

    fn shadows(&self, layout: &Layout, path: &str) -> bool {
        import_roots::shadows(layout, path)
    }

    fn build_sections(&self, path: &str, text: &str) -> Option<String> {
        build_settings::build_sections(path, text)
    }

    fn is_compiled_source(&self, name: &str) -> bool {
        build_settings::is_compiled_source(name)
    }

    fn canonical(&self, path: &str, source: &str, functions: bool) -> Option<Canonical> {
        if !path.ends_with(".py") && !path.ends_with(".pyi") {
            return None;
        }
        let parsed = canonical::Parsed::parse(source)?;
        let functions = if functions { parsed.functions() } else { Default::default() };
        Some(Canonical { text: parsed.text(), functions })
    }

    fn import_name(&self, path: &str) -> Option<String> {
        import_roots::dotted_name(path)
    }

    fn script(&self) -> Option<Script> {
        Some(Script { path: "reproduce_bug.py", fences: &["python", "python3", "py"] })
    }

    fn common_words(&self) -> &'static str {
        "def none py python self"
    }

    fn reader(&self) -> Option<&'static dyn Reader> {
        Some(&Python)
    }
}
