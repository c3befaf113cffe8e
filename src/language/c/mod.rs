//! C and C++ with CMake. Paths only: nothing reads the sources yet.

mod classes;

use super::{Language, Row};

/// The language.
#[derive(Clone, Copy, Debug)]
pub struct C;

impl Language for C {
    fn name(&self) -> &'static str {
        "c"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["c", "cc", "cpp", "cxx", "h", "hh", "hpp", "hxx"]
    }

    fn runners(&self) -> &'static [&'static str] {
        &["ctest"]
    }

    fn rows(&self) -> &'static [Row] {
        classes::ROWS
    }
}
