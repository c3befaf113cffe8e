//! How deep a syntax tree nests. Everything that walks one may recurse no deeper than was asked here, and may look at all that is
//! below each of its nodes.

use tree_sitter::Node;

/// A large tree nests no deeper than this on average: source that people write comes to half of it. Otherwise a mebibyte inside
/// hundreds of levels would be looked at once for each level.
const DEEPEST_ON_AVERAGE: usize = 32;

/// A tree whose levels come to no more than this in all may nest as it likes.
const FEW_LEVELS: usize = 16 << 20;

/// Whether a tree nests at most this deep, and on average not so deep that looking below each node is dear. Asks no stack.
pub fn depth_within(root: Node, deepest: usize) -> bool {
    let mut cursor = root.walk();
    let (mut depth, mut nodes, mut levels) = (0, 1, 0);
    loop {
        if cursor.goto_first_child() {
            depth += 1;
            if depth > deepest {
                return false;
            }
        } else {
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return levels <= FEW_LEVELS + DEEPEST_ON_AVERAGE * nodes;
                }
                depth -= 1;
            }
        }
        nodes += 1;
        levels += depth;
    }
}
