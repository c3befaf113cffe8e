//! Go. Paths and a grammar: nothing reads what the sources say yet.

mod classes;

use super::{Language, Row};

/// The language.
#[derive(Clone, Copy, Debug)]
pub struct Go;

impl Language for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["go"]
    }

    fn runners(&self) -> &'static [&'static str] {
        &["go"]
    }

    fn rows(&self) -> &'static [Row] {
        classes::ROWS
    }

    fn grammar(&self, path: &str) -> Option<tree_sitter::Language> {
        let (_, ending) = path.rsplit_once('.')?;
        (ending == "go").then(|| tree_sitter_go::LANGUAGE.into())
    }
}
