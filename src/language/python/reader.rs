//! The reader of Python.

use std::collections::BTreeSet;

use super::{Python, canary, held_out, mutants, oracle, screen, source, statements};
use crate::language::reader::{Derived, Mutation, Project, Reader, Signs, Statements, Versions};
use crate::model::canary_form::Mutated;
use crate::model::candidate::Oracle;
use crate::model::screen::Token;
use crate::model::unread::Unread;

impl Reader for Python {
    fn canary_version(&self) -> u32 {
        canary::VERSION
    }

    fn held_out_version(&self) -> u32 {
        held_out::VERSION
    }

    fn text(&self, bytes: &[u8]) -> String {
        source::text(bytes)
    }

    fn unread(&self, path: &str, versions: Versions<'_>) -> Vec<Unread> {
        source::unread(path, versions)
    }

    fn signs(&self, source: &str, wanted: &dyn Fn(u32) -> bool) -> Signs {
        screen::tokens::signs(source, wanted)
    }

    fn tokens(&self, source: &str) -> BTreeSet<Token> {
        screen::tokens::tokens(source)
    }

    fn runs_as_main(&self, source: &str) -> bool {
        screen::posing::runs_as_main(source)
    }

    fn literals(&self, source: &str, wanted: &dyn Fn(u32) -> bool) -> BTreeSet<String> {
        screen::literals::literals(source, wanted)
    }

    fn oracle(&self, path: &str, source: &str, script: bool, project: &Project) -> Oracle {
        oracle::screen(path, source, script, project)
    }

    fn modules(&self, path: &str) -> Vec<String> {
        let parts = path.trim_end_matches(".py").split('/').filter(|part| *part != "src" && *part != "lib");
        parts.map(str::to_owned).collect()
    }

    fn added_module(&self, path: &str) -> Option<String> {
        path.trim_end_matches(".py").rsplit('/').next().map(str::to_owned)
    }

    fn mentioned(&self, source: &str) -> BTreeSet<String> {
        statements::mentioned(source)
    }

    fn defined(&self, source: &str) -> BTreeSet<String> {
        statements::defined(source)
    }

    fn expected(&self, source: &str) -> BTreeSet<String> {
        statements::expected(source)
    }

    fn executable(&self, source: &str, lines: &BTreeSet<u32>) -> Statements {
        statements::executable(source, lines)
    }

    fn mutants(&self, source: &str, lines: &BTreeSet<u32>, most: usize) -> Vec<Mutation> {
        mutants::mutants(source, lines, most)
    }

    fn canaries(&self, source: &str, ids: &[String], weak: &BTreeSet<String>) -> Mutated {
        canary::mutate(source, ids, weak)
    }

    fn held_out(&self, source: &str, path: &str, ids: &[String]) -> Option<Derived> {
        held_out::derive(source, path, ids)
    }

    fn held_out_path(&self, beside: &str, tag: &str) -> String {
        held_out::beside(beside, tag)
    }
}
