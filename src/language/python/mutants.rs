//! Mutants: a Python source with one place changed so that it most likely behaves otherwise. Pure and always the same.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::canary::{children, parsed};
use super::syntax::{below, line};
use crate::language::reader::Mutation;

/// Kinds of changes, in the order in which they are taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Condition,
    Comparison,
    Returned,
    Arithmetic,
    Constant,
    Removed,
}

struct Edit {
    kind: Kind,
    line: u32,
    start: usize,
    end: usize,
    text: String,
}

/// At most `most` mutants whose changed place lies on one of the lines, of as many kinds and places as there are.
pub fn mutants(source: &str, lines: &BTreeSet<u32>, most: usize) -> Vec<Mutation> {
    let Some(tree) = parsed(source) else { return Vec::new() };
    let mut edits = Vec::new();
    for node in below(tree.root_node()) {
        let last = u32::try_from(node.end_position().row).unwrap_or(u32::MAX - 1) + 1;
        if (line(node)..=last).all(|line| lines.contains(&line)) && !in_signature(node) {
            edits.extend(edit(node, source));
        }
    }
    let mut chosen = Vec::new();
    let mut seen = BTreeSet::new();
    for edit in spread(edits) {
        if chosen.len() == most {
            break;
        }
        let changed = format!("{}{}{}", &source[..edit.start], edit.text, &source[edit.end..]);
        // A change that no longer parses says nothing about a test.
        if changed != source && parsed(&changed).is_some() && seen.insert(changed.clone()) {
            let what = format!("{} to {}", short(&source[edit.start..edit.end]), short(&edit.text));
            chosen.push(Mutation { line: edit.line, what, source: changed });
        }
    }
    chosen
}

/// One of each kind, then a second of each, and so on; within a kind in the order of the source.
fn spread(edits: Vec<Edit>) -> Vec<Edit> {
    let mut ranked: Vec<(usize, Edit)> = Vec::with_capacity(edits.len());
    let mut ranks = std::collections::BTreeMap::new();
    for edit in edits {
        let rank = ranks.entry(edit.kind).or_insert(0_usize);
        ranked.push((*rank, edit));
        *rank += 1;
    }
    ranked.sort_by_key(|(rank, edit)| (*rank, edit.kind, edit.start));
    ranked.into_iter().map(|(_, edit)| edit).collect()
}

fn edit(node: Node, source: &str) -> Vec<Edit> {
    let text = |node: Node| source[node.byte_range()].to_owned();
    let replace =
        |kind, at: Node, text: String| Edit { kind, line: line(at), start: at.start_byte(), end: at.end_byte(), text };
    match node.kind() {
        "comparison_operator" | "boolean_operator" | "binary_operator" => {
            let kind = if node.kind() == "binary_operator" { Kind::Arithmetic } else { Kind::Comparison };
            let mut cursor = node.walk();
            let operators = node.children(&mut cursor).filter(|child| !child.is_named());
            let mut swaps = operators.filter_map(|at| Some(replace(kind, at, swapped(at.kind())?.to_owned())));
            swaps.next().into_iter().collect()
        }
        "augmented_assignment" => {
            let swap = |operator: &str| match operator {
                "+=" => Some("-="),
                "-=" => Some("+="),
                "*=" => Some("+="),
                "/=" | "//=" => Some("*="),
                _ => None,
            };
            let found = node.child_by_field_name("operator").and_then(|at| Some((at, swap(at.kind())?)));
            found.map(|(at, swap)| replace(Kind::Arithmetic, at, swap.to_owned())).into_iter().collect()
        }
        "not_operator" => {
            let inner = node.child_by_field_name("argument");
            inner.map(|inner| replace(Kind::Condition, node, format!("({})", text(inner)))).into_iter().collect()
        }
        "if_statement" | "elif_clause" | "while_statement" => {
            let condition = node.child_by_field_name("condition");
            condition.map(|at| replace(Kind::Condition, at, format!("not ({})", text(at)))).into_iter().collect()
        }
        "true" => vec![replace(Kind::Constant, node, "False".to_owned())],
        "false" => vec![replace(Kind::Constant, node, "True".to_owned())],
        "integer" => match text(node).parse::<i128>() {
            Ok(number) => vec![replace(Kind::Constant, node, (number + 1).to_string())],
            Err(_) => Vec::new(),
        },
        "string_content" if !is_docstring(node) => {
            vec![replace(Kind::Constant, node, format!("{}~", text(node)))]
        }
        "return_statement" => match children(node)[..] {
            [value] if value.kind() == "none" => vec![replace(Kind::Returned, value, "0".to_owned())],
            [value] => vec![replace(Kind::Returned, value, "None".to_owned())],
            _ => Vec::new(),
        },
        "expression_statement" | "raise_statement" | "break_statement" | "continue_statement"
            if !is_docstring(node) && in_function(node) =>
        {
            vec![replace(Kind::Removed, node, "pass".to_owned())]
        }
        _ => Vec::new(),
    }
}

fn swapped(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "==" => "!=",
        "!=" => "==",
        "<" => "<=",
        "<=" => "<",
        ">" => ">=",
        ">=" => ">",
        "is" => "is not",
        "is not" => "is",
        "in" => "not in",
        "not in" => "in",
        "and" => "or",
        "or" => "and",
        "+" => "-",
        "-" => "+",
        "*" => "+",
        "/" | "//" => "*",
        "%" => "*",
        "**" => "*",
        "&" => "|",
        "|" => "&",
        "<<" => ">>",
        ">>" => "<<",
        _ => return None,
    })
}

/// Defaults and annotations: changing them seldom changes what the changed lines do.
fn in_signature(node: Node) -> bool {
    let mut at = Some(node);
    while let Some(node) = at {
        if ["type", "decorator"].contains(&node.kind()) {
            return true;
        }
        at = node.parent();
    }
    false
}

fn in_function(node: Node) -> bool {
    std::iter::successors(node.parent(), |node| node.parent()).any(|node| node.kind() == "function_definition")
}

/// A statement that is a string alone, or the text of such a string.
fn is_docstring(node: Node) -> bool {
    let statement = match node.kind() {
        "string_content" => node.parent().and_then(|string| string.parent()),
        _ => Some(node),
    };
    statement.is_some_and(|statement| {
        statement.kind() == "expression_statement" && children(statement).iter().all(|child| child.kind() == "string")
    })
}

fn short(text: &str) -> String {
    let one_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match one_line.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &one_line[..end]),
        None => one_line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
def ratio(part, whole):
    \"\"\"Per cent.\"\"\"
    if whole <= 0 and not part:
        raise ValueError('empty')
    total = part * 100 + 1
    total += 2
    log(total)
    return total // whole


def other(x):
    return x + 1
";

    fn made(lines: &[u32], most: usize) -> Vec<Mutation> {
        mutants(SOURCE, &lines.iter().copied().collect(), most)
    }

    #[test]
    fn every_kind_of_place_on_the_lines_is_changed_and_nothing_else() {
        let all = made(&[3, 4, 5, 6, 7, 8], 100);
        let whats: BTreeSet<_> = all.iter().map(|mutant| mutant.what.as_str()).collect();
        for what in [
            "and to or",
            "<= to <",
            "0 to 1",
            "not part to (part)",
            "raise ValueError('empty') to pass",
            "empty to empty~",
            "* to +",
            "+ to -",
            "100 to 101",
            "+= to -=",
            "log(total) to pass",
            "total // whole to None",
            "// to *",
        ] {
            assert!(whats.contains(what), "{what}: {whats:?}");
        }
        assert!(all.iter().all(|mutant| mutant.source.contains("\"\"\"Per cent.\"\"\"\n")));
        assert!(all.iter().all(|mutant| mutant.source.contains("    return x + 1\n")), "lines that were not given");
        let sources: BTreeSet<_> = all.iter().map(|mutant| &mutant.source).collect();
        assert_eq!(sources.len(), all.len(), "each differs");
    }

    #[test]
    fn few_mutants_are_of_many_kinds_and_always_the_same() {
        let few = made(&[3, 4, 5, 6, 7, 8], 6);
        assert_eq!(few, made(&[3, 4, 5, 6, 7, 8], 6));
        let lines: BTreeSet<_> = few.iter().map(|mutant| mutant.line).collect();
        assert!(few.len() == 6 && lines.len() >= 3, "{few:?}");
    }

    #[test]
    fn a_source_that_does_not_parse_and_lines_without_code_have_none() {
        assert_eq!(mutants("def f(:\n    return 1\n", &[2].into(), 8), []);
        assert_eq!(made(&[9, 10], 8), []);
    }
}
