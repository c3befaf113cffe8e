//! Python source in one canonical form: equal for sources that differ in whitespace, quotes, parentheses without
//! effect, trailing commas, comments and docstrings. People may read the form; it is never run.

use std::collections::BTreeMap;
use std::rc::Rc;

use tree_sitter::{Node, Tree};

use super::literal;
use crate::language::depth::depth_within;
use crate::model::digest::Digest;

/// Deepest nesting that is read; what lies deeper is left as it is. Chains of operators count one level each.
const DEEPEST: usize = 300;

/// Longest name with those around it that is written out; of a longer one the digest stands, because each function inside has it too.
const LONGEST_NAME: usize = 1000;

/// A source that parses.
pub(super) struct Parsed<'s> {
    source: &'s str,
    tree: Tree,
}

impl<'s> Parsed<'s> {
    /// `None` if the source does not parse or nests too deeply.
    pub fn parse(source: &'s str) -> Option<Self> {
        let tree = crate::language::canonical::parse(&tree_sitter_python::LANGUAGE.into(), source)?;
        let shallow = depth_within(tree.root_node(), DEEPEST);
        shallow.then_some(Self { source, tree })
    }

    /// The canonical form.
    pub fn text(&self) -> String {
        let mut writer = Writer { source: self.source, lines: String::new() };
        writer.body(self.tree.root_node(), 0);
        writer.lines
    }

    /// Canonical text of every function and method, by its name with the names around it. Of two with one name the last.
    pub fn functions(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut open: Vec<(_, Rc<str>)> = vec![(self.tree.root_node(), "".into())];
        while let Some((node, around)) = open.pop() {
            let mut inside = around.clone();
            if let ("function_definition" | "class_definition", Some(name)) =
                (node.kind(), node.child_by_field_name("name"))
            {
                let whole = format!("{around}.{}", &self.source[name.byte_range()]);
                inside = match whole.len() {
                    0..=LONGEST_NAME => whole.into(),
                    _ => Digest::of(whole.as_bytes()).as_str().into(),
                };
                if node.kind() == "function_definition" {
                    let mut writer = Writer { source: self.source, lines: String::new() };
                    writer.statement(node, 0);
                    found.insert(inside.to_string(), writer.lines);
                }
            }
            let mut cursor = node.walk();
            let children: Vec<_> = node.named_children(&mut cursor).collect();
            open.extend(children.into_iter().rev().map(|child| (child, inside.clone())));
        }
        found
    }
}

/// Writes statements line by line.
struct Writer<'s> {
    source: &'s str,
    lines: String,
}

impl Writer<'_> {
    fn text(&self, node: Node) -> &str {
        &self.source[node.byte_range()]
    }

    fn line(&mut self, depth: usize, text: &str) {
        if !text.is_empty() {
            self.lines.push_str(&"    ".repeat(depth));
            self.lines.push_str(text);
            self.lines.push('\n');
        }
    }

    /// The statements of a module, class or function, without its docstring.
    fn body(&mut self, block: Node, depth: usize) {
        let statements = parts(block);
        let documented = block
            .parent()
            .is_none_or(|parent| matches!(parent.kind(), "module" | "class_definition" | "function_definition"));
        let skip = usize::from(documented && statements.first().is_some_and(|first| is_text(*first)));
        for statement in &statements[skip..] {
            if statement.kind() != ";" {
                self.statement(*statement, depth);
            }
        }
        if skip == statements.len() && block.parent().is_some() {
            self.line(depth, "pass");
        }
    }

    /// One statement: its head on a line, then its blocks and clauses.
    fn statement(&mut self, node: Node, depth: usize) {
        let mut head: Vec<String> = Vec::new();
        let children = parts(node);
        if !children.iter().any(|child| child.kind() == "block" || is_clause(child.kind())) {
            let text = self.inline(node, node);
            return self.line(depth, &text);
        }
        for child in children {
            match child.kind() {
                "block" => {
                    let text = join(&std::mem::take(&mut head));
                    self.line(depth, &text);
                    self.body(child, depth + 1);
                }
                kind if is_clause(kind) => {
                    let text = join(&std::mem::take(&mut head));
                    self.line(depth, &text);
                    self.statement(child, depth);
                }
                _ => head.push(self.inline(child, node)),
            }
        }
        let text = join(&head);
        self.line(depth, &text);
    }

    /// An expression, or any other part of a line. Parentheses stand where they have an effect and nowhere else.
    fn inline(&self, node: Node, parent: Node) -> String {
        if node.child_count() == 0 {
            return self.text(node).to_owned();
        }
        match node.kind() {
            "string" => literal::text(&self.pieces(node)),
            "concatenated_string" => literal::joined(parts(node).iter().map(|part| self.pieces(*part)).collect()),
            "parenthesized_expression" => match parts(node).get(1) {
                Some(inner) => self.inline(*inner, parent),
                None => self.text(node).to_owned(),
            },
            "tuple" | "expression_list" | "pattern_list" | "tuple_pattern" => {
                let items: Vec<_> = parts(node).into_iter().filter(Node::is_named).collect();
                let items: Vec<_> = items.into_iter().map(|item| self.inline(item, node)).collect();
                match items.as_slice() {
                    [only] => format!("({only},)"),
                    items => format!("({})", items.join(", ")),
                }
            }
            "with_clause" | "import_from_statement" => self.joined(node, |kind| matches!(kind, "(" | ")")),
            "argument_list" if parent.kind() == "class_definition" && parts(node).len() == 2 => String::new(),
            kind if COMPOUND.contains(&kind) => {
                let text = self.joined(node, |_| false);
                if OPERANDS.contains(&parent.kind()) { format!("({text})") } else { text }
            }
            _ => self.joined(node, |_| false),
        }
    }

    /// The parts of a node, without those that are left out and without a comma before a closing bracket.
    fn joined(&self, node: Node, left_out: impl Fn(&str) -> bool) -> String {
        let parts: Vec<_> = parts(node).into_iter().filter(|part| !left_out(part.kind())).collect();
        let mut texts = Vec::with_capacity(parts.len());
        for (place, part) in parts.iter().enumerate() {
            let next = parts.get(place + 1).map(Node::kind);
            let closing = match next {
                Some(kind) => matches!(kind, ")" | "]" | "}"),
                None => node.kind() == "import_from_statement",
            };
            // `x[a,]` is another thing than `x[a]`.
            if part.kind() == "," && closing && node.kind() != "subscript" {
                continue;
            }
            texts.push(self.inline(*part, node));
        }
        join(&texts)
    }

    /// A string as its prefix, its parts and whether a part is an expression.
    fn pieces(&self, node: Node) -> literal::Pieces {
        let mut pieces = literal::Pieces::default();
        for part in parts(node) {
            match part.kind() {
                "string_start" => pieces.prefix = self.text(part).trim_end_matches(['"', '\'']).to_lowercase(),
                "string_end" => {}
                "interpolation" => pieces.parts.push(literal::Piece::Expression(self.joined(part, |_| false))),
                _ => pieces.parts.push(literal::Piece::Text(self.text(part).to_owned())),
            }
        }
        pieces
    }
}

/// Expressions that need parentheses as an operand of another.
const COMPOUND: [&str; 9] = [
    "binary_operator",
    "boolean_operator",
    "comparison_operator",
    "conditional_expression",
    "lambda",
    "named_expression",
    "not_operator",
    "unary_operator",
    "yield",
];

/// What has operands.
const OPERANDS: [&str; 14] = [
    "attribute",
    "await",
    "binary_operator",
    "boolean_operator",
    "call",
    "comparison_operator",
    "conditional_expression",
    "dictionary_splat",
    "list_splat",
    "named_expression",
    "not_operator",
    "slice",
    "subscript",
    "unary_operator",
];

/// Parts of a statement that stand on lines of their own.
fn is_clause(kind: &str) -> bool {
    matches!(
        kind,
        "case_clause"
            | "class_definition"
            | "decorator"
            | "elif_clause"
            | "else_clause"
            | "except_clause"
            | "except_group_clause"
            | "finally_clause"
            | "function_definition"
    )
}

/// Children that say something: no comments, no line continuations.
fn parts(node: Node) -> Vec<Node> {
    let mut cursor = node.walk();
    node.children(&mut cursor).filter(|child| !matches!(child.kind(), "comment" | "line_continuation")).collect()
}

/// A statement that is nothing but a plain text: a docstring if it comes first.
fn is_text(statement: Node) -> bool {
    let inner = parts(statement);
    statement.kind() == "expression_statement"
        && matches!(inner.as_slice(), [only] if matches!(only.kind(), "string" | "concatenated_string"))
}

/// Joins words with a space where two of them would run together, and none beside brackets, dots and commas.
fn join(words: &[String]) -> String {
    let mut line = String::new();
    for word in words.iter().filter(|word| !word.is_empty()) {
        let open = line.is_empty() || line.ends_with(['(', '[', '{', '.', '@']);
        let close = word.starts_with([')', ']', '}', ',', ':', '.', ';']);
        // A call and an index follow what they are of; after an operator or a keyword a space changes nothing.
        let applied =
            word.starts_with(['(', '[']) && line.ends_with(|c: char| c.is_alphanumeric() || "_)]\"'".contains(c));
        if !(open || close || applied) {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(source: &str) -> String {
        Parsed::parse(source).unwrap_or_else(|| panic!("does not parse: {source}")).text()
    }

    #[test]
    fn what_has_no_effect_vanishes() {
        let table = [
            ("x=1", "x  =  (1)  # why"),
            ("f(a,b)", "f(\n    a,\n    b,\n)"),
            ("s = 'it'", "s = \"it\""),
            ("s = 'a\\tb'", "s = \"\"\"a\tb\"\"\""),
            ("s = 'ab'", "s = ('a'\n     \"b\")"),
            ("s = u'a'", "s = 'a'"),
            ("s = r'\\d'", "s = '\\\\d'"),
            ("s = f'{x}y'", "s = f\"{ x }y\""),
            ("return_ = a*b+c", "return_ = ((a * b) + c)"),
            ("if a and b:\n  pass", "if (a and\n    b):\n        pass"),
            ("x = a, b", "x = (a, b)"),
            ("for a, b in c: pass", "for (a, b) in c:\n    pass\n"),
            ("def f(a,):\n  'doc'\n  return a", "def f(a):\n    return (a)"),
            ("class A():\n  'doc'", "class A:\n    pass"),
            ("from a import (b, c,)", "from a import b, c"),
            ("a = 1; b = 2", "a = 1\nb = 2"),
            ("if a: b()\nelse: c()", "if a:\n    b()\nelse:\n    c()\n"),
            ("x = a \\\n  + b", "x = a + b"),
            ("with open(a) as f, open(b) as g: pass", "with (open(a) as f, open(b) as g):\n    pass"),
            ("@d\nasync def f(): pass", "@d\nasync  def  f ( ) :\n  pass"),
            ("assert a, 'b'", "assert a, \"b\""),
            ("'doc'\nx = 1", "x = 1"),
            ("print(a [0])", "print( a[0] )"),
        ];
        for (one, other) in table {
            assert_eq!(canonical(one), canonical(other), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn what_has_an_effect_stays() {
        let table = [
            ("x = (a + b) * c", "x = a + b * c"),
            ("x = a - (b - c)", "x = a - b - c"),
            ("x = not (a and b)", "x = not a and b"),
            ("x = (a, b)", "x = [a, b]"),
            ("x = (a,)", "x = (a)"),
            ("x = a[b,]", "x = a[b]"),
            ("x = (lambda: a)()", "x = lambda: a()"),
            ("x = (a if b else c).d", "x = a if b else c.d"),
            ("x = 'a'", "x = b'a'"),
            ("x = 'a b'", "x = 'ab'"),
            ("x = '\\\\n'", "x = '\\n'"),
            ("x = f'{a}'", "x = '{a}'"),
            ("x = f'{a!r}'", "x = f'{a}'"),
            ("x = f'{a:>3}'", "x = f'{a}'"),
            ("assert (a, b)", "assert a, b"),
            ("if a:\n  b()\nc()", "if a:\n  b()\n  c()"),
            ("def f():\n  x = 'doc'", "def f():\n  'doc'"),
            ("x = -a ** b", "x = (-a) ** b"),
            ("def f(a, *, b): pass", "def f(a, b): pass"),
            ("x: int = 1", "x = 1"),
            ("f(*a)", "f(**a)"),
            ("is_ = a is not b", "is_ = a is (not b)"),
        ];
        for (one, other) in table {
            assert_ne!(canonical(one), canonical(other), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn the_form_reads_like_python() {
        let source = "import os\nclass A(B):\n  '''doc'''\n  x = {'a': 1,}\n  def f(self, *a, b=2):\n    for i in range(3):\n\
                      \x20     if i > 1: return self.x[i:2]\n    else:\n      raise E('no') from None\n";
        let expected = "import os\nclass A(B):\n    x = {\"a\": 1}\n    def f(self, * a, b = 2):\n        for i in range(3):\n\
                        \x20           if i > 1:\n                return self.x[i: 2]\n        else:\n            raise E(\"no\") from None\n";
        assert_eq!(canonical(source), expected);
    }

    #[test]
    fn broken_and_very_deep_sources_are_not_read() {
        assert!(Parsed::parse("def f(:").is_none());
        assert!(Parsed::parse(&format!("x = {}1{}", "(".repeat(5000), ")".repeat(5000))).is_none());
        assert!(Parsed::parse(&format!("x = 1{}", " + 1".repeat(5000))).is_none());
        assert!(Parsed::parse(&format!("x = {}1{}", "(".repeat(100), ")".repeat(100))).is_some());
    }

    #[test]
    fn functions_are_known_by_the_names_around_them() {
        let functions =
            Parsed::parse("def a():\n  def b(): pass\nclass C:\n  def a(self): pass\n").unwrap().functions();
        assert_eq!(functions.keys().map(String::as_str).collect::<Vec<_>>(), [".C.a", ".a", ".a.b"]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_fail(text in "[a-z(),:'\"\\\\ \n\t=+#f{}\u{e9}]{0,120}") {
            if let Some(python) = Parsed::parse(&text) {
                let _functions = python.functions();
                proptest::prop_assert_eq!(python.text(), python.text());
            }
        }
    }
}
