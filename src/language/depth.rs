//! How deep a syntax tree nests. Everything that walks one may recurse no deeper than was asked here.

use tree_sitter::Node;

/// Whether a tree nests at most this deep. Asks no stack.
pub fn depth_within(root: Node, deepest: usize) -> bool {
    let mut cursor = root.walk();
    let mut depth = 0;
    loop {
        if cursor.goto_first_child() {
            depth += 1;
            if depth > deepest {
                return false;
            }
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return true;
            }
            depth -= 1;
        }
    }
}
