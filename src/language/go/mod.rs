//! Go. Paths only: nothing reads the sources yet.

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
}
