//! Equalities that hold whatever they are asked.

use tree_sitter::Node;

use super::names::Names;
use super::syntax::{named, nodes, text};

/// What an always-equal object answers to this method.
fn answer(method: &str) -> Option<bool> {
    match method {
        "__eq__" => Some(true),
        "__ne__" => Some(false),
        _ => None,
    }
}

/// A method definition all of whose returns say "equal".
pub(crate) fn defines_always_equal(function: Node, source: &str) -> bool {
    let field = |name| function.child_by_field_name(name);
    let (Some(name), Some(body)) = (field("name"), field("body")) else { return false };
    let Some(equal) = answer(text(name, source)) else { return false };
    let returns: Vec<_> = nodes(body).into_iter().filter(|node| node.kind() == "return_statement").collect();
    let constant = |node: &Node| named(*node).first().and_then(|value| truth(*value, source)) == Some(equal);
    !returns.is_empty() && returns.iter().all(constant)
}

/// A lambda that says "equal", bound to the method: by assignment, in a dictionary, as an argument.
pub(crate) fn binds_always_equal(node: Node, source: &str, names: &Names) -> bool {
    let parts = match node.kind() {
        "call" => node.child_by_field_name("arguments").map(named).unwrap_or_default(),
        _ => named(node),
    };
    let method = |part: &Node| match names.text_of(*part) {
        Some(text) => answer(&text),
        None => answer(text(*part, source).rsplit('.').next().unwrap_or_default()),
    };
    let Some(equal) = parts.iter().find_map(method) else { return false };
    let lambda = parts.iter().find(|part| part.kind() == "lambda").and_then(|part| part.child_by_field_name("body"));
    lambda.and_then(|body| truth(body, source)) == Some(equal)
}

/// Whether an expression is true or false whatever happens.
fn truth(node: Node, source: &str) -> Option<bool> {
    match node.kind() {
        "true" => Some(true),
        "false" | "none" => Some(false),
        "integer" => Some(text(node, source).bytes().any(|digit| (b'1'..=b'9').contains(&digit))),
        "parenthesized_expression" => truth(*named(node).first()?, source),
        "not_operator" => truth(node.child_by_field_name("argument")?, source).map(|value| !value),
        _ => None,
    }
}
