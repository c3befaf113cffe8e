//! JavaScript and TypeScript. Paths and a grammar: nothing reads what the sources say yet.

mod classes;

use super::{Language, Row};

/// The language.
#[derive(Clone, Copy, Debug)]
pub struct Node;

impl Language for Node {
    fn name(&self) -> &'static str {
        "node"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "vue"]
    }

    fn runners(&self) -> &'static [&'static str] {
        &["jest", "vitest", "mocha", "ava", "tap", "npm", "node"]
    }

    fn rows(&self) -> &'static [Row] {
        classes::ROWS
    }

    fn grammar(&self, path: &str) -> Option<tree_sitter::Language> {
        let (_, ending) = path.rsplit_once('.')?;
        Some(match ending {
            "cjs" | "js" | "jsx" | "mjs" => tree_sitter_javascript::LANGUAGE.into(),
            "cts" | "mts" | "ts" => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
            "tsx" => tree_sitter_typescript::LANGUAGE_TSX.into(),
            _ => return None,
        })
    }
}
