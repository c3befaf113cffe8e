//! Edits that change what a Python test expects: constants in its assertions, or a failing statement at its end.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::canary::{below, called, children};
use super::syntax::constant_through;
use crate::model::digest::Digest;

/// Makes changed values: the same for the same source, and not one fixed value that code could look for.
#[derive(Clone, Debug)]
pub(crate) struct Salt {
    suffix: String,
    offset: i128,
}

impl Salt {
    pub fn of(digest: &Digest) -> Self {
        let tag = &digest.as_str()[..6];
        let number = i128::from_str_radix(tag, 16).unwrap_or(0);
        Self { suffix: format!("q{tag}"), offset: 100_003 + 2 * number }
    }
}

/// Edits of one test function: (start, end) of the replaced bytes -> text.
pub(crate) struct Edits<'s> {
    source: &'s str,
    salt: Salt,
    edits: BTreeMap<(usize, usize), String>,
    /// Names of exceptions and warnings that are expected no more.
    unexpected: BTreeSet<String>,
}

/// Equality, as far as what stands on one side is what is expected of the other.
pub(crate) const EQUALITIES: [&str; 12] = [
    "assertEqual",
    "assertEquals",
    "assertIs",
    "assertAlmostEqual",
    "assertListEqual",
    "assertTupleEqual",
    "assertDictEqual",
    "assertSetEqual",
    "assertSequenceEqual",
    "assertMultiLineEqual",
    "assertCountEqual",
    "assert_equal",
];
/// Second argument is a pattern.
const PATTERNS: [&str; 5] =
    ["assertRegex", "assertRegexpMatches", "assertRaisesRegex", "assertRaisesRegexp", "assertWarnsRegex"];
/// Arguments are what a mock was called with.
const CALLED_WITH: [&str; 3] = ["assert_called_with", "assert_called_once_with", "assert_any_call"];
/// Calls that give a value made of their first argument alone.
const TRANSPARENT: [&str; 6] = ["approx", "set", "frozenset", "list", "tuple", "dict"];
/// Expect an exception, a warning, by type.
const RAISES: [&str; 2] = ["raises", "assertRaises"];
const WARNS: [&str; 2] = ["warns", "assertWarns"];
/// These end a session if nothing catches them.
const ENDINGS: [&str; 3] = ["KeyboardInterrupt", "GeneratorExit", "Exit"];

impl<'s> Edits<'s> {
    pub fn new(source: &'s str, salt: Salt) -> Self {
        Self { source, salt, edits: BTreeMap::new(), unexpected: BTreeSet::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    pub fn into_inner(self) -> (BTreeMap<(usize, usize), String>, BTreeSet<String>) {
        (self.edits, self.unexpected)
    }

    /// Changes every expected constant of a test function that is plain to see.
    pub fn expectations(&mut self, function: Node) {
        let Some(body) = function.child_by_field_name("body") else { return };
        let mut named = Vec::new();
        for node in below(body) {
            match node.kind() {
                "assert_statement" => {
                    if let Some(condition) = children(node).first() {
                        self.condition(*condition, &mut named);
                    }
                }
                "call" => self.call(node, &mut named),
                _ => {}
            }
        }
        self.names(function, body, &named);
    }

    /// Appends a failing statement to a test function; false if it has no body.
    pub fn failing_end(&mut self, function: Node) -> bool {
        let statements = function.child_by_field_name("body").map(children).unwrap_or_default();
        let (Some(first), Some(last)) = (statements.first(), statements.last()) else { return false };
        let end = self.source[..last.end_byte()].trim_end().len();
        let statement = format!("raise AssertionError(\"{}\")", self.salt.suffix);
        let text = match self.indent(*first) {
            Some(indent) => format!("\n{indent}{statement}"),
            None => format!("; {statement}"),
        };
        self.edits.insert((end, end), text);
        true
    }

    fn text(&self, node: Node) -> &'s str {
        &self.source[node.byte_range()]
    }

    /// White space before a statement that stands first on its line; `None` for `def f(): pass`.
    fn indent(&self, statement: Node) -> Option<&'s str> {
        let before = &self.source[..statement.start_byte()];
        let line = &before[before.rfind(['\n', '\r']).map_or(0, |end| end + 1)..];
        line.chars().all(|c| c == ' ' || c == '\t').then_some(line)
    }

    /// Something that must hold.
    fn condition<'t>(&mut self, node: Node<'t>, named: &mut Vec<Node<'t>>) {
        match node.kind() {
            "parenthesized_expression" => {
                if let [inner] = children(node)[..] {
                    self.condition(inner, named);
                }
            }
            "boolean_operator" if node.child_by_field_name("operator").is_some_and(|o| o.kind() == "and") => {
                children(node).into_iter().for_each(|side| self.condition(side, named));
            }
            "comparison_operator" => {
                let mut cursor = node.walk();
                let operators: Vec<_> =
                    node.children_by_field_name("operators", &mut cursor).map(|operator| operator.kind()).collect();
                let sides = children(node);
                for (pair, operator) in sides.windows(2).zip(operators) {
                    match operator {
                        "==" | "is" => self.equal(pair[0], pair[1], named),
                        "in" => self.contains(pair[0], pair[1]),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn call<'t>(&mut self, call: Node<'t>, named: &mut Vec<Node<'t>>) {
        let name = called(call, self.source);
        let Some(arguments) = call.child_by_field_name("arguments") else { return };
        let (keywords, positional): (Vec<_>, Vec<_>) =
            children(arguments).into_iter().partition(|argument| argument.kind() == "keyword_argument");
        match positional[..] {
            [left, right, ..] if EQUALITIES.contains(&name) => self.equal(left, right, named),
            [member, container, ..] if name == "assertIn" => self.contains(member, container),
            [condition, ..] if name == "assertTrue" => self.condition(condition, named),
            [_, pattern, ..] if PATTERNS.contains(&name) && self.constant(pattern) => {
                self.change(pattern);
            }
            _ if CALLED_WITH.contains(&name) => {
                for argument in positional.into_iter().filter(|argument| self.constant(*argument)).collect::<Vec<_>>() {
                    self.change(argument);
                }
            }
            ref rest if RAISES.contains(&name) || WARNS.contains(&name) => {
                let is_match =
                    |keyword: &Node| keyword.child_by_field_name("name").is_some_and(|name| self.text(name) == "match");
                let pattern = keywords.into_iter().find(is_match).and_then(|k| k.child_by_field_name("value"));
                match (pattern.filter(|pattern| self.constant(*pattern)), rest) {
                    (Some(pattern), _) => {
                        self.change(pattern);
                    }
                    (None, [expected, ..]) => self.expect_another(*expected, WARNS.contains(&name)),
                    (None, []) => {}
                }
            }
            _ => {}
        }
    }

    /// Puts a type that nothing raises where an exception or a warning is expected.
    fn expect_another(&mut self, expected: Node, is_warning: bool) {
        let parts = if expected.kind() == "tuple" { children(expected) } else { vec![expected] };
        let last = |node: &Node| self.text(*node).rsplit('.').next().unwrap_or_default().trim().to_owned();
        let names: Vec<_> = parts.iter().map(last).collect();
        if names.iter().any(|name| ENDINGS.contains(&name.as_str())) {
            return;
        }
        self.unexpected.extend(names);
        if is_warning {
            // What pytest raises if no such warning came.
            self.unexpected.insert("Failed".to_owned());
        }
        let base = if is_warning { "Warning" } else { "Exception" };
        let fresh = format!("type(\"{}\", ({base},), {{}})", self.salt.suffix);
        self.replace(expected, fresh);
    }

    fn equal<'t>(&mut self, left: Node<'t>, right: Node<'t>, named: &mut Vec<Node<'t>>) {
        let whole = [right, left].into_iter().find(|side| self.constant(*side));
        if let Some(constant) = whole {
            self.change(constant);
            return;
        }
        // A display with constants among other things, otherwise names that may stand for constants.
        if [right, left].into_iter().any(|side| is_display(side) && (self.change(side) || self.lengthen(side))) {
            return;
        }
        named.extend([left, right].into_iter().filter(|side| side.kind() == "identifier"));
    }

    fn contains(&mut self, member: Node, container: Node) {
        // A longer plain string still contains what it contained: only displays are changed as containers.
        if self.constant(member) {
            self.change(member);
        } else if is_display(container) {
            self.change(container);
        }
    }

    /// Whether an expression is made of constants alone.
    fn constant(&self, node: Node) -> bool {
        constant_through(node, &|call| self.inner(call))
    }

    /// What a transparent call wraps.
    fn inner<'t>(&self, call: Node<'t>) -> Option<Node<'t>> {
        let arguments = children(call.child_by_field_name("arguments")?);
        arguments.first().copied().filter(|_| TRANSPARENT.contains(&called(call, self.source)))
    }

    /// Changes the constants of an expression; false if it has none.
    fn change(&mut self, node: Node) -> bool {
        match node.kind() {
            "string" => self.change_string(node),
            "integer" | "float" => {
                let text = self.text(node);
                let digits = text.replace('_', "");
                let decimal = digits.parse::<i128>().ok().filter(|_| node.kind() == "integer");
                let changed = match (decimal.and_then(|n| n.checked_add(self.salt.offset)), digits.parse::<f64>()) {
                    (Some(integer), _) => integer.to_string(),
                    (None, Ok(float)) if node.kind() == "float" && float.abs() < 1e12 => {
                        format!("{:?}", float + self.salt.offset as f64)
                    }
                    _ => format!("({text} + {})", self.salt.offset),
                };
                self.replace(node, changed)
            }
            // Comparing with `...` by `is` is the one literal comparison that Python does not warn about.
            "true" | "false" | "none" => self.replace(node, "...".to_owned()),
            "list" | "tuple" | "set" | "dictionary" => {
                let elements = children(node);
                if elements.is_empty() {
                    let odd = format!("\"{}\"", self.salt.suffix);
                    let filled = match node.kind() {
                        "list" => format!("[{odd}]"),
                        "tuple" => format!("({odd},)"),
                        _ => format!("{{{odd}: {odd}}}"),
                    };
                    return self.replace(node, filled);
                }
                let mut changed = false;
                for element in elements {
                    changed |= self.change(element);
                }
                changed
            }
            "pair" => {
                let [key, value] = ["key", "value"].map(|field| node.child_by_field_name(field));
                value.is_some_and(|value| self.change(value)) || key.is_some_and(|key| self.change(key))
            }
            "parenthesized_expression" | "unary_operator" => children(node).into_iter().any(|child| self.change(child)),
            "concatenated_string" => children(node).into_iter().rev().any(|part| self.change(part)),
            "binary_operator" if self.constant(node) => children(node).into_iter().any(|side| self.change(side)),
            "call" => self.inner(node).is_some_and(|inner| self.change(inner)),
            _ => false,
        }
    }

    /// Gives a display of other things than constants one element more.
    fn lengthen(&mut self, display: Node) -> bool {
        let odd = format!("\"{}\"", self.salt.suffix);
        let element = if display.kind() == "dictionary" { format!("{odd}: {odd}, ") } else { format!("{odd}, ") };
        let at = display.start_byte() + 1;
        self.edits.insert((at, at), element);
        true
    }

    fn change_string(&mut self, node: Node) -> bool {
        if !self.constant(node) {
            return false;
        }
        let mut cursor = node.walk();
        let Some(end) = node.children(&mut cursor).find(|part| part.kind() == "string_end") else { return false };
        self.edits.insert((end.start_byte(), end.start_byte()), self.salt.suffix.clone());
        true
    }

    fn replace(&mut self, node: Node, text: String) -> bool {
        self.edits.insert((node.start_byte(), node.end_byte()), text);
        true
    }

    /// Names on a side of an equality that stand for expected values and are used for nothing else: parameters of a
    /// parametrised test and loop variables are bound anew, assigned constants are changed.
    fn names(&mut self, function: Node, body: Node, operands: &[Node]) {
        let mut names: Vec<_> = operands.iter().map(|node| self.text(*node)).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let compared: Vec<_> = operands.iter().filter(|node| self.text(**node) == name).map(Node::id).collect();
            let mut bindings = Vec::new();
            let mut other_use = false;
            for node in below(body).into_iter().filter(|n| n.kind() == "identifier" && self.text(*n) == name) {
                match binding(node) {
                    _ if compared.contains(&node.id()) => {}
                    Some(binding) => bindings.push(binding),
                    None => other_use = true,
                }
            }
            if other_use {
                continue;
            }
            match bindings[..] {
                [] if self.parametrised(function, name) => self.rebind(body, name),
                [statement] if statement.kind() == "for_statement" => {
                    if let Some(inner) = statement.child_by_field_name("body") {
                        self.rebind(inner, name);
                    }
                }
                [statement] => {
                    if let Some(value) = statement.child_by_field_name("right").filter(|v| self.constant(*v)) {
                        self.change(value);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether a name is a parameter that a `parametrize` decorator gives values to.
    fn parametrised(&self, function: Node, name: &str) -> bool {
        let is_parameter = function.child_by_field_name("parameters").is_some_and(|parameters| {
            below(parameters).iter().any(|node| node.kind() == "identifier" && self.text(*node) == name)
        });
        is_parameter
            && std::iter::successors(Some(function), |node| node.parent())
                .filter(|node| node.kind() == "decorated_definition")
                .flat_map(children)
                .filter(|child| child.kind() == "decorator")
                .map(|decorator| self.text(decorator))
                .any(|text| text.contains("parametrize") && text.contains(name))
    }

    /// Binds a name to a changed value at the start of a block. Values in a decorator stay, because test ids are made of them.
    fn rebind(&mut self, block: Node, name: &str) {
        let Some(first) = children(block).first().copied() else { return };
        let statement = format!("{name} = ({name}, \"{}{name}\")", self.salt.suffix);
        let end = match self.indent(first) {
            Some(indent) => format!("\n{indent}"),
            None => "; ".to_owned(),
        };
        let at = (first.start_byte(), first.start_byte());
        self.edits.entry(at).or_default().push_str(&(statement + &end));
    }
}

fn is_display(node: Node) -> bool {
    matches!(node.kind(), "list" | "tuple" | "set" | "dictionary")
}

/// The `for` statement or assignment that binds this identifier.
pub(crate) fn binding(identifier: Node) -> Option<Node> {
    let mut node = identifier;
    while let Some(parent) = node.parent() {
        let is_target = parent.child_by_field_name("left") == Some(node);
        match parent.kind() {
            "for_statement" if is_target => return Some(parent),
            "assignment" if is_target && node == identifier => return Some(parent),
            "pattern_list" | "tuple_pattern" => node = parent,
            _ => return None,
        }
    }
    None
}
