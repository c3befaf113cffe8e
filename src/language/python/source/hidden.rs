//! Text that a reviewer does not see as it runs.

use tree_sitter::Tree;
use unicode_normalization::UnicodeNormalization as _;

use crate::model::unread::Why;

/// A line that shows something other than what runs.
pub(super) struct Hidden {
    pub why: Why,
    /// From 1.
    pub line: u32,
    /// The line, or the name.
    pub text: String,
}

/// Embeddings, overrides and isolates. Marks that reorder nothing by themselves are not among them.
const BIDIRECTIONAL: [char; 9] =
    ['\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}'];

/// Lines with characters that hide something.
pub(super) fn lines(text: &str) -> Vec<Hidden> {
    let mut hidden = Vec::new();
    for (line, text) in (1..).zip(text.split('\n')) {
        let shown = text.strip_suffix('\r').unwrap_or(text);
        let mut add = |why| hidden.push(Hidden { why, line, text: text.to_owned() });
        if shown.contains('\r') {
            add(Why::BareReturn);
        }
        if shown.contains('\0') {
            add(Why::Nul);
        }
        if shown.contains(BIDIRECTIONAL) {
            add(Why::BidirectionalControl);
        }
        if hides_indentation(shown) {
            add(Why::FormFeed);
        }
    }
    hidden
}

/// A form feed behind blanks, with code behind it: Python forgets the blanks. A form feed at the start of a line, or on a line
/// of its own, hides nothing.
fn hides_indentation(line: &str) -> bool {
    let code = line.trim_start_matches([' ', '\t', '\x0c']);
    let before = &line[..line.len() - code.len()];
    let blanks = before.rfind('\x0c').is_some_and(|at| before[..at].contains([' ', '\t']));
    blanks && !code.is_empty() && !code.starts_with('#')
}

/// Names whose normal form is ASCII although they are not.
pub(super) fn names(tree: &Tree, source: &str) -> Vec<Hidden> {
    let mut hidden = Vec::new();
    if source.is_ascii() {
        return hidden;
    }
    let mut open = vec![tree.root_node()];
    while let Some(node) = open.pop() {
        let mut cursor = node.walk();
        open.extend(node.named_children(&mut cursor));
        let text = source.get(node.byte_range()).filter(|_| node.kind() == "identifier").unwrap_or_default();
        if !text.is_ascii() && text.nfkc().all(|letter| letter.is_ascii()) {
            let line = u32::try_from(node.start_position().row).unwrap_or(u32::MAX - 1) + 1;
            hidden.push(Hidden { why: Why::OtherName, line, text: text.to_owned() });
        }
    }
    hidden.sort_by_key(|hidden| hidden.line);
    hidden
}
