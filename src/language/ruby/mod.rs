//! Ruby. Paths only: nothing reads the sources yet.

mod classes;

use super::{Language, Row};

/// The language.
#[derive(Clone, Copy, Debug)]
pub struct Ruby;

impl Language for Ruby {
    fn name(&self) -> &'static str {
        "ruby"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["rb"]
    }

    fn runners(&self) -> &'static [&'static str] {
        &["rspec", "minitest"]
    }

    fn rows(&self) -> &'static [Row] {
        classes::ROWS
    }
}
