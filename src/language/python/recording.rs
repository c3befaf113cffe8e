//! Edits that make a Python test note what it compares instead of asserting it.

use tree_sitter::Node;

use super::canary::{below, called, children};
use super::canary_edits::EQUALITIES;
use super::held_out::Edits;
use super::syntax::constant;

/// Edits of one test function. `noted(place, value, ...)` is what our reporters give to tests; it is true.
pub(crate) struct Notes<'s> {
    source: &'s str,
    edits: Edits,
    places: u32,
}

impl<'s> Notes<'s> {
    pub fn new(source: &'s str) -> Self {
        Self { source, edits: Edits::new(), places: 0 }
    }

    pub fn into_edits(self) -> Edits {
        self.edits
    }

    /// Takes every assertion below a node that says what it compares. Others stay as they are.
    pub fn take(&mut self, body: Node) {
        for node in below(body) {
            match node.kind() {
                "assert_statement" => {
                    if let Some(condition) = children(node).first() {
                        self.condition(*condition);
                    }
                }
                "call" if node.parent().is_some_and(|parent| parent.kind() == "expression_statement") => {
                    self.call(node);
                }
                _ => {}
            }
        }
    }

    fn condition(&mut self, node: Node) {
        match node.kind() {
            "parenthesized_expression" if children(node).len() == 1 => self.condition(children(node)[0]),
            "boolean_operator" if node.child_by_field_name("operator").is_some_and(|o| o.kind() == "and") => {
                children(node).into_iter().for_each(|side| self.condition(side));
            }
            "comparison_operator" => {
                let mut cursor = node.walk();
                let operators: Vec<_> =
                    node.children_by_field_name("operators", &mut cursor).map(|operator| operator.kind()).collect();
                match (children(node)[..].as_ref(), operators[..].as_ref()) {
                    ([left, right], ["==" | "is"]) => self.both(node, *left, *right),
                    _ => self.truth(node),
                }
            }
            _ => self.truth(node),
        }
    }

    fn call(&mut self, call: Node) {
        let name = called(call, self.source);
        let Some(arguments) = call.child_by_field_name("arguments") else { return };
        let positional: Vec<_> =
            children(arguments).into_iter().filter(|argument| argument.kind() != "keyword_argument").collect();
        if positional.iter().any(|argument| argument.kind() == "list_splat") {
            return;
        }
        match positional[..] {
            [left, right, ..] if name == "assertCountEqual" => {
                self.between(call, left, right, ["sorted((", "), key=repr), sorted((", "), key=repr)"]);
            }
            [left, right, ..] if EQUALITIES.contains(&name) => self.both(call, left, right),
            [left, right, ..] if name == "assertIn" => self.between(call, left, right, ["(", ") in (", ")"]),
            [left, right, ..] if name == "assertNotIn" => self.between(call, left, right, ["(", ") not in (", ")"]),
            [value, ..] if name == "assertTrue" => {
                self.edits.insert((call.start_byte(), value.start_byte()), "(".to_owned());
                self.edits.insert((value.end_byte(), call.end_byte()), ")".to_owned());
                self.condition(value);
            }
            [value, ..] if name == "assertFalse" => self.around(call, value, "bool(", ")"),
            [value, ..] if name == "assertIsNone" => self.around(call, value, "(", ")"),
            _ => {}
        }
    }

    /// Both sides of an equality that are not constants.
    fn both(&mut self, whole: Node, left: Node, right: Node) {
        match (constant(left), constant(right)) {
            (_, true) => self.around(whole, left, "(", ")"),
            (true, false) => self.around(whole, right, "(", ")"),
            (false, false) => self.between(whole, left, right, ["(", "), (", ")"]),
        }
    }

    fn between(&mut self, whole: Node, left: Node, right: Node, [open, middle, close]: [&str; 3]) {
        let start = self.start(open);
        self.put(whole.start_byte(), left.start_byte(), &start);
        self.put(left.end_byte(), right.start_byte(), middle);
        self.put(right.end_byte(), whole.end_byte(), &format!("{close})"));
    }

    fn around(&mut self, whole: Node, value: Node, open: &str, close: &str) {
        let start = self.start(open);
        self.put(whole.start_byte(), value.start_byte(), &start);
        self.put(value.end_byte(), whole.end_byte(), &format!("{close})"));
    }

    fn truth(&mut self, node: Node) {
        let start = self.start("bool(");
        self.put(node.start_byte(), node.start_byte(), &start);
        self.put(node.end_byte(), node.end_byte(), "))");
    }

    fn start(&mut self, open: &str) -> String {
        self.places += 1;
        format!("noted({}, {open}", self.places)
    }

    fn put(&mut self, start: usize, end: usize, text: &str) {
        self.edits.entry((start, end)).or_default().push_str(text);
    }
}
