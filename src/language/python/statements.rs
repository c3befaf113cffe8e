//! Which lines of a Python source do something when they run, and which names it defines and uses.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::canary::{children, parsed};
use super::syntax::{Source, below, line};
use crate::language::reader::Statements;

/// The statements that these lines belong to. Definitions, imports, comments and docstrings do nothing that a test could
/// reach. `None` if the source does not parse.
pub fn executable(source: &str, lines: &BTreeSet<u32>) -> Statements {
    let Some(tree) = parsed(source) else { return Statements::default() };
    let mut found = Statements::default();
    for node in below(tree.root_node()) {
        let Some((first, last)) = span(node) else { continue };
        if lines.range(first..=last).next().is_none() {
            continue;
        }
        let in_function =
            std::iter::successors(node.parent(), |node| node.parent()).any(|node| node.kind() == "function_definition");
        let side = if in_function { &mut found.called } else { &mut found.imported };
        side.insert(first);
    }
    found
}

/// First and last line of a statement; of a compound one, of its head alone.
fn span(node: Node) -> Option<(u32, u32)> {
    let last = |node: Node| u32::try_from(node.end_position().row).map_or(u32::MAX, |row| row + 1);
    match node.kind() {
        "if_statement" | "elif_clause" | "while_statement" | "for_statement" | "with_statement" => {
            let body = ["consequence", "body"].iter().find_map(|field| node.child_by_field_name(field));
            let end = body.map_or(line(node), |body| line(body).saturating_sub(1));
            Some((line(node), end.max(line(node))))
        }
        "expression_statement" if children(node).iter().all(|child| child.kind() == "string") => None,
        "expression_statement"
        | "return_statement"
        | "raise_statement"
        | "assert_statement"
        | "delete_statement"
        | "break_statement"
        | "continue_statement" => Some((line(node), last(node))),
        _ => None,
    }
}

/// Names that a source defines: functions, classes, parameters, assigned names and attributes.
pub fn defined(source: &str) -> BTreeSet<String> {
    names(source, |source, node, found| match node.kind() {
        "function_definition" | "class_definition" => {
            found.extend(node.child_by_field_name("name").map(|name| source.of(name).to_owned()));
        }
        "assignment" => {
            let targets = node.child_by_field_name("left").map(below).unwrap_or_default();
            for target in targets {
                match target.kind() {
                    "identifier" => found.insert(source.of(target).to_owned()),
                    _ => false,
                };
            }
        }
        "parameters" => {
            for parameter in below(node).into_iter().filter(|node| node.kind() == "identifier") {
                found.insert(source.of(parameter).to_owned());
            }
        }
        _ => {}
    })
}

/// Every identifier of a source.
pub fn mentioned(source: &str) -> BTreeSet<String> {
    names(source, |source, node, found| {
        if node.kind() == "identifier" {
            found.insert(source.of(node).to_owned());
        }
    })
}

/// Names that a source expects others to define: what it imports, attributes, and keywords of calls.
pub fn expected(source: &str) -> BTreeSet<String> {
    names(source, |source, node, found| match node.kind() {
        "import_from_statement" | "import_statement" => {
            let mut cursor = node.walk();
            for name in node.children_by_field_name("name", &mut cursor) {
                let name = name.child_by_field_name("name").unwrap_or(name);
                found.extend(source.of(name).split('.').map(str::to_owned));
            }
            let module = node.child_by_field_name("module_name").map_or("", |module| source.of(module));
            found.extend(module.split('.').filter(|part| !part.is_empty()).map(str::to_owned));
        }
        "attribute" => found.extend(node.child_by_field_name("attribute").map(|name| source.of(name).to_owned())),
        "keyword_argument" => found.extend(node.child_by_field_name("name").map(|name| source.of(name).to_owned())),
        _ => {}
    })
}

fn names(source: &str, take: impl Fn(&Source, Node, &mut BTreeSet<String>)) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Some(tree) = parsed(source) {
        let source = Source::new(source, tree.root_node());
        for node in below(tree.root_node()) {
            take(&source, node, &mut found);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
import os

LIMIT = 3


class Box:
    size = 1

    def fits(self, other, deep=False):
        \"\"\"Whether it fits.\"\"\"
        # A comment.
        if (other.size
                > self.size):
            return False
        total = sum(
            [1,
             2])
        return total
";

    #[test]
    fn statements_count_by_their_first_line_and_by_when_they_run() {
        let all: Vec<u32> = (1..=18).collect();
        let table: [(&[u32], &[u32], &[u32]); 5] = [
            (&all, &[12, 14, 15, 18], &[3, 7]),
            (&[13], &[12], &[]),
            (&[17], &[15], &[]),
            (&[10, 11], &[], &[]),
            (&[1, 9], &[], &[]),
        ];
        for (lines, called, imported) in table {
            let [lines, called, imported] = [lines, called, imported].map(|lines| lines.iter().copied().collect());
            assert_eq!(executable(SOURCE, &lines), Statements { called, imported }, "{lines:?}");
        }
        assert_eq!(executable("def f(:\n    return 1\n", &[2].into()), Statements::default());
    }

    #[test]
    fn names_are_told_apart_by_who_defines_them() {
        let found = defined(SOURCE);
        for name in ["LIMIT", "Box", "size", "fits", "deep", "total"] {
            assert!(found.contains(name), "{name}: {found:?}");
        }
        assert!(!found.contains("sum"));
        let test =
            "from pkg.core import _new, old as o\ndef test_a():\n    x = o(1, key=2)\n    assert x.value == _new\n";
        let found = expected(test);
        assert_eq!(found, ["pkg", "core", "_new", "old", "key", "value"].map(str::to_owned).into());
        assert!(mentioned(test).contains("x"));
    }
}
