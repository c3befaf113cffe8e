//! Rust: Cargo and nextest. Paths only: nothing reads the sources yet.

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
}
