//! Literals of a Python file.

use std::collections::BTreeSet;

use super::syntax::{folded, nodes, text};
use crate::language::python::source::parse;

/// Shorter ones are shared by chance.
const SHORTEST: usize = 3;

/// Numbers and texts of a Python file on wanted lines, doc strings left out.
pub fn literals(source: &str, wanted: &dyn Fn(u32) -> bool) -> BTreeSet<String> {
    let Some(tree) = parse(source) else { return BTreeSet::new() };
    let known = Default::default();
    let literal = |node: &tree_sitter::Node| match node.kind() {
        "string" => folded(*node, source, &known),
        "integer" | "float" => Some(text(*node, source).replace('_', "")),
        _ => None,
    };
    let line = |node: &tree_sitter::Node| u32::try_from(node.start_position().row + 1).unwrap_or(u32::MAX);
    let found = nodes(tree.root_node()).into_iter().filter(|node| wanted(line(node))).filter_map(|node| literal(&node));
    found.filter(|literal| literal.chars().count() >= SHORTEST).collect()
}
