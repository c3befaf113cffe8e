//! Canary source of a Python test file: the same tests, ids included, with expectations that no correct program meets.
//!
//! - The constants that assertions expect are changed, by ranges of the syntax tree. They are never negated, because an
//!   object that equals everything survives negation. Numbers and strings change by an amount that follows from the
//!   file's digest.
//! - Values of parametrised tests and of loops are bound anew in the body, so that test ids stay.
//! - A test that expects an exception expects one of a fresh type instead.
//! - A test without such a constant ends in a failing statement instead; that form is *weak*, the others are *strong*.
//!
//! Gold runs with the changed files. A canary is proved if it fails there in its own body; a strong one must fail by an
//! assertion or by the exception that its test expected. A strong one that gold does not fail is tried in the weak
//! form. One that gold passes in the weak form too is not a canary. `assay validate` counts strong, weak and none.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::{Node, Tree};

use super::canary_edits::{Edits, Salt};
use super::syntax::applied;
use crate::model::admission::CanaryStrength;
use crate::model::canary_form::{Form, Mutated};
use crate::model::digest::Digest;

/// Raised whenever the mutation changes: old admissions then prove their canaries again.
pub const VERSION: u32 = 2;

/// Changes the expected constants inside the assertions of these tests. Tests in `weak` (and those without such a
/// constant) end in a failing statement instead. Tests that share a function, as parametrised ones do, share its form.
pub fn mutate(source: &str, ids: &[String], weak: &BTreeSet<String>) -> Mutated {
    let unchanged = || Mutated { source: source.to_owned(), tests: BTreeMap::new() };
    let Some(tree) = parsed(source) else { return unchanged() };
    let functions = functions(tree.root_node(), source, ids);
    for force_weak in [false, true] {
        let mut all = BTreeMap::new();
        let mut tests = BTreeMap::new();
        for (function, ids) in functions.values() {
            let salt = Salt::of(&Digest::of(format!("{}\n{source}", function.start_byte()).as_bytes()));
            let asked_weak = force_weak || ids.iter().any(|id| weak.contains(*id));
            let mut edits = Edits::new(source, salt);
            if !asked_weak {
                edits.expectations(*function);
            }
            let strength = if edits.is_empty() { CanaryStrength::Weak } else { CanaryStrength::Strong };
            if strength == CanaryStrength::Weak && !edits.failing_end(*function) {
                continue;
            }
            let (edits, unexpected) = edits.into_inner();
            all.extend(edits);
            let form = Form { strength, unexpected };
            tests.extend(ids.iter().map(|&id| (id.clone(), form.clone())));
        }
        let changed = applied(source, 0..source.len(), &all).filter(|changed| parsed(changed).is_some());
        if let Some(source) = changed {
            return Mutated { source, tests };
        }
    }
    unchanged()
}

/// The functions of tests, by where they stand, each with the ids that share it.
pub(crate) fn functions<'t, 'i>(
    root: Node<'t>,
    source: &str,
    ids: &'i [String],
) -> BTreeMap<usize, (Node<'t>, Vec<&'i String>)> {
    let mut functions: BTreeMap<usize, (Node, Vec<&String>)> = BTreeMap::new();
    for id in ids {
        if let Some(function) = find(root, &names(id), source, 0) {
            functions.entry(function.start_byte()).or_insert((function, Vec::new())).1.push(id);
        }
    }
    functions
}

/// Parses Python; `None` if any part of it is not understood, or if it nests too deeply.
pub(crate) fn parsed(source: &str) -> Option<Tree> {
    super::source::parse(source).filter(|tree| !tree.root_node().has_error())
}

/// Classes and function of a test id: `tests/test_a.py::Class::test_b[param]` gives `Class`, `test_b`.
pub(crate) fn names(id: &str) -> Vec<&str> {
    let Some((_, rest)) = id.split_once("::") else { return Vec::new() };
    rest.split('[').next().unwrap_or(rest).split("::").collect()
}

/// Classes that a lookup follows through their bases, at most.
const DEEPEST: usize = 8;

fn find<'t>(scope: Node<'t>, path: &[&str], source: &str, depth: usize) -> Option<Node<'t>> {
    let (name, rest) = path.split_first()?;
    let kind = if rest.is_empty() { "function_definition" } else { "class_definition" };
    if let Some(found) = definition(scope, kind, name, source) {
        return if rest.is_empty() {
            Some(found)
        } else {
            find(found.child_by_field_name("body")?, rest, source, depth)
        };
    }
    // An inherited method, if the base stands in the same file.
    let class = scope.parent().filter(|parent| parent.kind() == "class_definition" && rest.is_empty())?;
    if depth == DEEPEST {
        return None;
    }
    let root = std::iter::successors(Some(scope), |node| node.parent()).last()?;
    children(class.child_by_field_name("superclasses")?).into_iter().find_map(|base| {
        let base = definition(root, "class_definition", source.get(base.byte_range())?, source)?;
        find(base.child_by_field_name("body")?, path, source, depth + 1)
    })
}

/// The last definition of a name among the statements of a scope, conditional ones included: the last one counts.
fn definition<'t>(scope: Node<'t>, kind: &str, name: &str, source: &str) -> Option<Node<'t>> {
    let mut found = None;
    for child in children(scope) {
        let here = match child.kind() {
            "decorated_definition" => child.child_by_field_name("definition"),
            "if_statement" | "try_statement" | "with_statement" | "else_clause" | "elif_clause" | "except_clause"
            | "finally_clause" | "block" => definition(child, kind, name, source),
            _ => Some(child),
        };
        let named = |node: &Node| {
            node.kind() == kind
                && node.child_by_field_name("name").and_then(|n| source.get(n.byte_range())) == Some(name)
        };
        found = here.filter(named).or(found);
    }
    found
}

/// Named children without comments.
pub(crate) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|child| child.kind() != "comment").collect()
}

/// Every named node below this one, in the order of the source.
pub(crate) fn below(node: Node<'_>) -> Vec<Node<'_>> {
    let mut found = Vec::new();
    let mut open: Vec<_> = children(node).into_iter().rev().collect();
    while let Some(node) = open.pop() {
        found.push(node);
        open.extend(children(node).into_iter().rev());
    }
    found
}

/// Last part of what is called: `assertEqual` of `self.assertEqual(...)`.
pub(crate) fn called<'s>(call: Node, source: &'s str) -> &'s str {
    let function = call.child_by_field_name("function").map_or("", |function| &source[function.byte_range()]);
    function.rsplit('.').next().unwrap_or(function)
}

#[cfg(test)]
#[path = "canary_tests.rs"]
mod tests;
