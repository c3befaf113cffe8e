//! Languages of the JVM: Maven, Gradle and sbt. Paths and a grammar: nothing reads what the sources say yet.

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

    fn grammar(&self, path: &str) -> Option<tree_sitter::Language> {
        let (_, ending) = path.rsplit_once('.')?;
        (ending == "java").then(|| tree_sitter_java::LANGUAGE.into())
    }
}
