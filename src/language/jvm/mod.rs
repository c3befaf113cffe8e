//! Languages of the JVM: Maven, Gradle and sbt. Paths only: nothing reads the sources yet.

mod classes;

use super::{Language, Row};

/// The language.
#[derive(Clone, Copy, Debug)]
pub struct Jvm;

impl Language for Jvm {
    fn name(&self) -> &'static str {
        "jvm"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["java", "kt", "kts", "groovy", "scala"]
    }

    fn runners(&self) -> &'static [&'static str] {
        &["maven", "gradle", "sbt"]
    }

    fn rows(&self) -> &'static [Row] {
        classes::ROWS
    }
}
