//! The block that runs only if its file is the main program: `if __name__ == "__main__":` at the top level of a module.

use tree_sitter::Node;

use super::syntax::{LONGEST, named, text};
use crate::language::python::syntax::Parents;

pub(super) const NAME: &str = "__name__";
pub(super) const MAIN: &str = "__main__";

/// Whether a node stands in such a block.
pub(crate) fn holds(node: Node, parents: &Parents, source: &str) -> bool {
    let mut inside = node;
    for around in parents.above(node) {
        let block = around.kind() == "if_statement"
            && around.child_by_field_name("consequence") == Some(inside)
            && parents.parent(around).is_some_and(|above| above.kind() == "module")
            && around.child_by_field_name("condition").is_some_and(|condition| asks(condition, source));
        if block {
            return true;
        }
        inside = around;
    }
    false
}

/// Exactly `__name__ == "__main__"`, in either order.
pub(super) fn asks(condition: Node, source: &str) -> bool {
    // It is asked for everything in its block, so that a long condition would be dear.
    if condition.byte_range().len() > LONGEST {
        return false;
    }
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
