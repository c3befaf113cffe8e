//! PHP. Paths only: nothing reads the sources yet.

mod classes;

use super::{Language, Row};

/// The language.
#[derive(Clone, Copy, Debug)]
pub struct Php;

impl Language for Php {
    fn name(&self) -> &'static str {
        "php"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["php", "phpt"]
    }

    fn runners(&self) -> &'static [&'static str] {
        &["phpunit", "pest"]
    }

    fn rows(&self) -> &'static [Row] {
        classes::ROWS
    }
}
