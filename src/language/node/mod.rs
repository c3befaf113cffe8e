//! JavaScript and TypeScript. Paths only: nothing reads the sources yet.

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
}
