//! Reading Python source: nodes below a node, what names stand for, what is called.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use tree_sitter::Node;

use super::canary::children;

/// Every node below and the node itself, in the order of the source.
pub(crate) fn below(node: Node<'_>) -> Vec<Node<'_>> {
    let mut found = Vec::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        found.push(node);
        let mut cursor = node.walk();
        let inner: Vec<_> = node.children(&mut cursor).collect();
        open.extend(inner.into_iter().rev());
    }
    found
}

/// What every named node of a tree stands in. The tree itself answers that by a walk from the root, which costs as much as the levels, and
/// as the children beside each, on the way.
pub(crate) struct Parents<'t>(HashMap<usize, Node<'t>>);

impl<'t> Parents<'t> {
    pub fn of(root: Node<'t>) -> Self {
        let mut parents = HashMap::new();
        let mut open = vec![root];
        while let Some(node) = open.pop() {
            let mut cursor = node.walk();
            for child in node.named_children(&mut cursor) {
                parents.insert(child.id(), node);
                open.push(child);
            }
        }
        Self(parents)
    }

    pub fn parent(&self, node: Node) -> Option<Node<'t>> {
        self.0.get(&node.id()).copied()
    }

    /// Everything that a node stands in, the nearest first.
    pub fn above(&self, node: Node) -> impl Iterator<Item = Node<'t>> {
        std::iter::successors(self.parent(node), move |node| self.parent(*node))
    }
}

/// Whether an expression is made of constants alone.
pub(crate) fn constant(node: Node) -> bool {
    constant_through(node, &|_| None)
}

/// Like it, but some calls count as what they wrap.
pub(crate) fn constant_through<'t>(node: Node<'t>, wrapped: &dyn Fn(Node<'t>) -> Option<Node<'t>>) -> bool {
    match node.kind() {
        "integer" | "float" | "true" | "false" | "none" => true,
        "string" => children(node).iter().all(|part| part.kind() != "interpolation"),
        "list"
        | "tuple"
        | "set"
        | "dictionary"
        | "pair"
        | "parenthesized_expression"
        | "unary_operator"
        | "binary_operator"
        | "concatenated_string" => children(node).iter().all(|child| constant_through(*child, wrapped)),
        "call" => wrapped(node).is_some_and(|inner| constant_through(inner, wrapped)),
        _ => false,
    }
}

/// A part of a source with edits made; `None` if edits overlap or reach out of it.
pub(crate) fn applied(source: &str, part: Range<usize>, edits: &BTreeMap<(usize, usize), String>) -> Option<String> {
    let mut changed = String::new();
    let mut at = part.start;
    for ((start, end), text) in edits {
        changed.push_str(source.get(at..*start)?);
        changed.push_str(text);
        at = *end;
    }
    changed.push_str(source.get(at..part.end)?);
    Some(changed)
}

/// Line of a node, counted from 1.
pub(crate) fn line(node: Node) -> u32 {
    u32::try_from(node.start_position().row).unwrap_or(u32::MAX - 1) + 1
}

/// Longest dotted name that is kept of an import, in characters.
const LONGEST_NAME: usize = 1000;

/// A source with what its imports bind.
pub(crate) struct Source<'s> {
    pub text: &'s str,
    /// Bound name -> dotted name of what it stands for.
    pub imports: BTreeMap<String, String>,
}

impl<'s> Source<'s> {
    pub fn new(text: &'s str, root: Node) -> Self {
        let mut source = Self { text, imports: BTreeMap::new() };
        for node in below(root) {
            match node.kind() {
                "import_statement" => source.import(node, None),
                "import_from_statement" => {
                    let module = node.child_by_field_name("module_name").map_or("", |name| source.of(name));
                    source.import(node, Some(module));
                }
                _ => {}
            }
        }
        source
    }

    pub fn of(&self, node: Node) -> &'s str {
        self.text.get(node.byte_range()).unwrap_or("")
    }

    fn import(&mut self, statement: Node, module: Option<&str>) {
        let mut cursor = statement.walk();
        let names: Vec<_> = statement.children_by_field_name("name", &mut cursor).collect();
        for name in names {
            let (path, alias) = match name.kind() {
                "aliased_import" => (
                    name.child_by_field_name("name").map_or("", |path| self.of(path)),
                    name.child_by_field_name("alias").map(|alias| self.of(alias)),
                ),
                _ => (self.of(name), None),
            };
            let (bound, stands_for) = match (module, alias) {
                (Some(module), alias) => (alias.unwrap_or(path), format!("{module}.{path}")),
                (None, Some(alias)) => (alias, path.to_owned()),
                // `import a.b` binds `a`.
                (None, None) => {
                    let first = path.split('.').next().unwrap_or(path);
                    (first, first.to_owned())
                }
            };
            // It is copied for each use, and no name that is looked for is as long.
            self.imports.insert(bound.to_owned(), stands_for.chars().take(LONGEST_NAME).collect());
        }
    }

    /// A dotted expression with its first part as its import has it: `sp.run` gives `subprocess.run`. Empty for anything
    /// that is not dotted names alone.
    pub fn dotted(&self, node: Node) -> String {
        match node.kind() {
            "identifier" => {
                let name = self.of(node);
                self.imports.get(name).cloned().unwrap_or_else(|| name.to_owned())
            }
            "attribute" => {
                let part = |field| node.child_by_field_name(field);
                let (Some(object), Some(name)) = (part("object"), part("attribute")) else { return String::new() };
                match self.dotted(object) {
                    before if before.is_empty() => String::new(),
                    before => format!("{before}.{}", self.of(name)),
                }
            }
            _ => String::new(),
        }
    }

    /// What a call calls, as [`Self::dotted`]; empty for other nodes.
    pub fn called(&self, call: Node) -> String {
        let function = call.child_by_field_name("function").filter(|_| call.kind() == "call");
        function.map_or_else(String::new, |function| self.dotted(function))
    }

    /// Last part of what is called, whatever it is called on.
    pub fn method(&self, call: Node) -> &'s str {
        let Some(function) = call.child_by_field_name("function").filter(|_| call.kind() == "call") else { return "" };
        match function.kind() {
            "attribute" => function.child_by_field_name("attribute").map_or("", |name| self.of(name)),
            _ => self.of(function),
        }
    }

    /// Positional arguments and keyword arguments by name.
    pub fn arguments<'t>(&self, call: Node<'t>) -> (Vec<Node<'t>>, BTreeMap<&'s str, Node<'t>>) {
        let Some(list) = call.child_by_field_name("arguments") else { return Default::default() };
        let mut positional = Vec::new();
        let mut keywords = BTreeMap::new();
        for argument in children(list) {
            match (argument.kind(), argument.child_by_field_name("name"), argument.child_by_field_name("value")) {
                ("keyword_argument", Some(name), Some(value)) => {
                    keywords.insert(self.of(name), value);
                }
                _ => positional.push(argument),
            }
        }
        (positional, keywords)
    }

    /// The text of a string without interpolation.
    pub fn literal(&self, node: Node) -> Option<&'s str> {
        if node.kind() != "string" || children(node).iter().any(|part| part.kind() == "interpolation") {
            return None;
        }
        let start = node.child(0).filter(|part| part.kind() == "string_start")?.end_byte();
        let last = node.child_count().checked_sub(1)?;
        let end = node.child(last).filter(|part| part.kind() == "string_end")?.start_byte();
        self.text.get(start..end)
    }

    /// Every plain string below a node.
    pub fn literals(&self, node: Node) -> Vec<&'s str> {
        below(node).into_iter().filter_map(|inner| self.literal(inner)).collect()
    }
}
