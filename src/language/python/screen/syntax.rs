//! Python syntax as far as the screen needs it: the tree, and the texts that literals come to.

use std::collections::BTreeMap;

use tree_sitter::Node;

/// Every named node, parents first, in the order of the text. Comments and strings that are statements (doc strings)
/// are left out.
pub(crate) fn nodes(root: Node<'_>) -> Vec<Node<'_>> {
    let mut nodes = Vec::new();
    let mut left = vec![root];
    while let Some(node) = left.pop() {
        let only_text = node.kind() == "expression_statement"
            && named(node).iter().all(|child| matches!(child.kind(), "string" | "concatenated_string"));
        if only_text || node.kind() == "comment" {
            continue;
        }
        nodes.push(node);
        let mut below = named(node);
        below.reverse();
        left.extend(below);
    }
    nodes
}

pub(crate) fn named(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|child| child.kind() != "comment").collect()
}

pub(crate) fn text<'s>(node: Node, source: &'s str) -> &'s str {
    source.get(node.byte_range()).unwrap_or_default()
}

/// Expressions nest this deep in what is read, and texts and names are this long: hostile source cannot exhaust us.
pub(crate) const DEEPEST: usize = 64;
pub(crate) const LONGEST: usize = 256;

/// The text that an expression comes to, if that is plain to see: literals, their sums, joins and reversals, and
/// names of such texts.
pub(crate) fn folded(node: Node, source: &str, known: &BTreeMap<String, String>) -> Option<String> {
    fold(node, source, known, 0).filter(|text| text.len() <= LONGEST)
}

fn fold(node: Node, source: &str, known: &BTreeMap<String, String>, depth: usize) -> Option<String> {
    if depth > DEEPEST {
        return None;
    }
    let fold = |node| fold(node, source, known, depth + 1);
    match node.kind() {
        "string" => literal(node, source),
        "concatenated_string" => named(node).into_iter().map(fold).collect(),
        "parenthesized_expression" => fold(*named(node).first()?),
        "identifier" => known.get(text(node, source)).cloned(),
        "binary_operator" => {
            let operator = node.child_by_field_name("operator")?;
            if text(operator, source) != "+" {
                return None;
            }
            Some(fold(node.child_by_field_name("left")?)? + &fold(node.child_by_field_name("right")?)?)
        }
        "subscript" => {
            let backwards = text(node.child_by_field_name("subscript")?, source).replace(' ', "") == "::-1";
            backwards.then(|| fold(node.child_by_field_name("value")?)).flatten().map(|t| t.chars().rev().collect())
        }
        "call" => {
            let function = node.child_by_field_name("function")?;
            let parts = *named(node.child_by_field_name("arguments")?).first()?;
            if function.kind() != "attribute" || text(function.child_by_field_name("attribute")?, source) != "join" {
                return None;
            }
            let separator = fold(function.child_by_field_name("object")?)?;
            if !matches!(parts.kind(), "list" | "tuple") {
                return None;
            }
            Some(named(parts).into_iter().map(fold).collect::<Option<Vec<_>>>()?.join(&separator))
        }
        _ => None,
    }
}

/// A string literal without interpolation.
fn literal(node: Node, source: &str) -> Option<String> {
    let prefix = text(node.child(0)?, source).to_ascii_lowercase();
    let mut content = String::new();
    for part in named(node) {
        match part.kind() {
            "interpolation" => return None,
            "string_content" => content.push_str(text(part, source)),
            _ => {}
        }
    }
    Some(if prefix.contains('r') { content } else { unescaped(&content) })
}

/// Escapes that can hide a letter; the others stay as they are.
fn unescaped(content: &str) -> String {
    let mut plain = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let length = match rest.chars().next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        let hidden = rest.get(1..=length).filter(|_| length > 0);
        match hidden.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32) {
            Some(letter) => {
                plain.push(letter);
                rest = &rest[length + 1..];
            }
            None => plain.push('\\'),
        }
    }
    plain + rest
}
