//! Literals: values that a repair shares with the tests it must pass, and with nothing that its author was shown.

use std::collections::BTreeSet;

use super::added_lines;
use super::syntax::{folded, nodes, parse, text};

/// Shorter ones are shared by chance.
const SHORTEST: usize = 3;

/// Numbers and texts of a Python file, doc strings left out.
pub fn literals(source: &str) -> BTreeSet<String> {
    on_lines(source, |_| true)
}

/// How many literals the added lines of a candidate's file share with `tests` that are not `shown`: neither a literal
/// of `shown` nor a part of `issue`.
pub fn overlap(base: &str, candidate: &str, tests: &BTreeSet<String>, shown: &BTreeSet<String>, issue: &str) -> u32 {
    let added = added_lines(base, candidate);
    let of_candidate = on_lines(candidate, |line| added.contains(&line));
    let shared = of_candidate.iter().filter(|literal| tests.contains(*literal) && !shown.contains(*literal));
    u32::try_from(shared.filter(|literal| !issue.contains(literal.as_str())).count()).unwrap_or(u32::MAX)
}

fn on_lines(source: &str, wanted: impl Fn(u32) -> bool) -> BTreeSet<String> {
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
