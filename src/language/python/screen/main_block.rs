//! The block that runs only if its file is the main program: `if __name__ == "__main__":` at the top level of a module.

use tree_sitter::Node;

use super::names::Names;
use super::syntax::{named, nodes, text};
use crate::language::python::source::parse;

const NAME: &str = "__name__";
const MAIN: &str = "__main__";

/// Whether a node stands in such a block.
pub(crate) fn holds(node: Node, source: &str) -> bool {
    let mut inside = node;
    while let Some(around) = inside.parent() {
        let block = around.kind() == "if_statement"
            && around.child_by_field_name("consequence") == Some(inside)
            && around.parent().is_some_and(|above| above.kind() == "module")
            && around.child_by_field_name("condition").is_some_and(|condition| asks(condition, source));
        if block {
            return true;
        }
        inside = around;
    }
    false
}

/// Exactly `__name__ == "__main__"`, in either order.
fn asks(condition: Node, source: &str) -> bool {
    let sides = named(condition);
    let operators = condition.child_by_field_name("operators").map_or("", |operator| text(operator, source));
    let is_name = |node: &Node| node.kind() == "identifier" && text(*node, source) == NAME;
    let is_main = |node: &Node| node.kind() == "string" && matches!(text(*node, source), "\"__main__\"" | "'__main__'");
    condition.kind() == "comparison_operator"
        && operators == "=="
        && match sides.as_slice() {
            [left, right] => is_name(left) && is_main(right) || is_main(left) && is_name(right),
            _ => false,
        }
}

/// Whether a file may make a module the main program that is not: it speaks of `__main__` otherwise than in the question above,
/// sets `__name__` or names it as a text, or brings the library that runs modules.
pub(crate) fn poses(source: &str) -> bool {
    let Some(tree) = parse(source) else { return true };
    let nodes = nodes(tree.root_node());
    let names = Names::of(&nodes, source);
    nodes.iter().any(|node| {
        let asked = || node.parent().is_some_and(|around| asks(around, source));
        match node.kind() {
            "string" | "concatenated_string" | "binary_operator" | "call" | "subscript" => {
                names.text_of(*node).is_some_and(|text| text == NAME || text == MAIN && !asked())
            }
            "identifier" if text(*node, source) == NAME => node.parent().is_none_or(|around| !reads(around, *node)),
            "identifier" | "dotted_name" => {
                matches!(text(*node, source), "runpy" | "SourceFileLoader" | "spec_from_file_location")
            }
            "attribute" => {
                let set = |around: Node| {
                    let target = around.child_by_field_name("left") == Some(*node);
                    target && matches!(around.kind(), "assignment" | "augmented_assignment")
                };
                let attribute = node.child_by_field_name("attribute").map_or("", |name| text(name, source));
                attribute == NAME && node.parent().is_some_and(set)
            }
            _ => false,
        }
    })
}

/// Whether `__name__` is only read there.
fn reads(around: Node, node: Node) -> bool {
    match around.kind() {
        "comparison_operator" | "argument_list" | "interpolation" | "binary_operator" => true,
        "attribute" => {
            around.child_by_field_name("attribute") == Some(node) || around.child_by_field_name("object") == Some(node)
        }
        "keyword_argument" => around.child_by_field_name("value") == Some(node),
        _ => false,
    }
}
