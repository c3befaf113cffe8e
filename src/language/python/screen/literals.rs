//! Literals: values that a repair shares with the tests it must pass, and with nothing that its author was shown.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::added_lines;
use super::syntax::{folded, nodes, text};
use crate::source::parse;

/// Shorter ones are shared by chance.
const SHORTEST: usize = 3;

/// Numbers and texts of a Python file, doc strings left out.
pub fn literals(source: &str) -> BTreeSet<String> {
    on_lines(source, |_| true)
}

/// Those on the lines that a candidate adds to a file.
pub fn added_literals(base: &str, candidate: &str) -> BTreeSet<String> {
    let added = added_lines(base, candidate);
    if added.is_empty() { BTreeSet::new() } else { on_lines(candidate, |line| added.contains(&line)) }
}

/// How many of the added literals stand in `tests`, and neither in `issue` nor in anything of `shown`, which is read as long as
/// some are left.
///
/// # Errors
/// Whatever reading `shown` fails with.
pub fn overlap<E>(
    added: impl IntoIterator<Item = String>,
    tests: &[Rc<BTreeSet<String>>],
    issue: &str,
    shown: impl IntoIterator<Item = Result<Rc<BTreeSet<String>>, E>>,
) -> Result<u32, E> {
    let of_tests = |literal: &String| tests.iter().any(|tests| tests.contains(literal));
    let mut shared: Vec<_> =
        added.into_iter().filter(|literal| of_tests(literal) && !issue.contains(literal.as_str())).collect();
    let mut shown = shown.into_iter();
    while !shared.is_empty()
        && let Some(shown) = shown.next()
    {
        let shown = shown?;
        shared.retain(|literal| !shown.contains(literal));
    }
    Ok(u32::try_from(shared.len()).unwrap_or(u32::MAX))
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
