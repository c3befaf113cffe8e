//! Rust: Cargo and nextest. Paths and a grammar: nothing reads what the sources say yet.

mod classes;

use super::{Language, Row};

/// The language.
#[derive(Clone, Copy, Debug)]
pub struct Rust;

impl Language for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["rs"]
    }

    fn runners(&self) -> &'static [&'static str] {
        &["cargo", "nextest"]
    }

    fn rows(&self) -> &'static [Row] {
        classes::ROWS
    }

    fn grammar(&self, path: &str) -> Option<tree_sitter::Language> {
        let (_, ending) = path.rsplit_once('.')?;
        (ending == "rs").then(|| tree_sitter_rust::LANGUAGE.into())
    }
}
