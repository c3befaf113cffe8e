//! What a Python script says of itself without being run: literals, names that stand for them, and calls.

use std::cell::Cell;
use std::collections::BTreeMap;

use tree_sitter::{Node, Tree};

use super::super::canary::{children, parsed};
use super::super::syntax::{Source, below};

/// A value that is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    Text(String),
    List(Vec<Literal>),
    Table(Vec<(String, Literal)>),
}

impl Literal {
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(_) | Self::Table(_) => None,
        }
    }

    /// Parts and bytes.
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => 1 + text.len(),
            Self::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Self::Table(items) => 1 + items.iter().map(|(key, value)| key.len() + value.size()).sum::<usize>(),
        }
    }

    /// The texts of a list, or the lines of one text.
    pub fn lines(&self) -> Option<Vec<String>> {
        match self {
            Self::Text(text) => {
                Some(text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
            }
            Self::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
            Self::Table(_) => None,
        }
    }
}

/// A script.
pub(crate) struct Script {
    text: String,
    tree: Tree,
}

/// Parts of values and bytes of texts that are read or copied in one script; beyond them nothing is known. A few lines of sums could
/// stand for more than fits into memory.
const MOST_PARTS: usize = 4 << 20;

/// Names at the top of a script with what they stand for, as far as it is written down.
pub(crate) struct Names {
    known: BTreeMap<String, Literal>,
    /// Of [`MOST_PARTS`].
    left: Cell<usize>,
}

impl Default for Names {
    fn default() -> Self {
        Self { known: BTreeMap::new(), left: Cell::new(MOST_PARTS) }
    }
}

impl Script {
    /// None if it cannot be parsed.
    pub fn parse(text: String) -> Option<Self> {
        let tree = parsed(&text)?;
        (!tree.root_node().has_error()).then_some(Self { text, tree })
    }

    pub fn root(&self) -> Node<'_> {
        self.tree.root_node()
    }

    pub fn source(&self) -> Source<'_> {
        Source::new(&self.text, self.root())
    }

    /// Assignments at the top, in their order: `A = [...]`, `A["b"] = [...]`.
    pub fn names(&self) -> Names {
        let (source, mut names) = (self.source(), Names::default());
        let statements = children(self.root()).into_iter().filter(|node| node.kind() == "expression_statement");
        for assignment in statements.flat_map(children).filter(|node| node.kind() == "assignment") {
            let part = |field| assignment.child_by_field_name(field);
            let (Some(left), Some(right)) = (part("left"), part("right")) else { continue };
            let value = names.value(&source, right);
            match left.kind() {
                "identifier" => names.set(source.of(left), value),
                "subscript" => names.set_item(&source, left, value),
                _ => {}
            }
        }
        names
    }

    /// Every call, in the order of the source.
    pub fn calls(&self) -> Vec<Node<'_>> {
        below(self.root()).into_iter().filter(|node| node.kind() == "call").collect()
    }
}

impl Names {
    fn set(&mut self, name: &str, value: Option<Literal>) {
        match value {
            Some(value) => drop(self.known.insert(name.to_owned(), value)),
            // What it stands for now is not written down.
            None => drop(self.known.remove(name)),
        }
    }

    fn set_item(&mut self, source: &Source, subscript: Node, value: Option<Literal>) {
        let Some((name, key)) = self.item(source, subscript) else { return };
        let others =
            self.known.get(name).map_or(0, |known| if let Literal::Table(items) = known { items.len() } else { 0 });
        let value = self.spend(others).and(value);
        match (value, self.known.get_mut(name)) {
            (Some(value), Some(Literal::Table(items))) => {
                items.retain(|(known, _)| *known != key);
                items.push((key, value));
            }
            _ => drop(self.known.remove(name)),
        }
    }

    fn item<'s>(&self, source: &Source<'s>, subscript: Node) -> Option<(&'s str, String)> {
        let name = subscript.child_by_field_name("value").filter(|node| node.kind() == "identifier")?;
        let key = self.value(source, subscript.child_by_field_name("subscript")?)?;
        Some((source.of(name), key.text()?.to_owned()))
    }

    fn spend(&self, parts: usize) -> Option<()> {
        let left = self.left.get().checked_sub(parts);
        self.left.set(left.unwrap_or_default());
        left.map(drop)
    }

    fn copied(&self, value: &Literal) -> Option<Literal> {
        self.spend(value.size()).map(|()| value.clone())
    }

    /// What an expression stands for; None if that is not written down.
    pub fn value(&self, source: &Source, node: Node) -> Option<Literal> {
        self.spend(1)?;
        match node.kind() {
            "string" => text(source, node).map(Literal::Text),
            "concatenated_string" => {
                children(node).into_iter().map(|part| text(source, part)).collect::<Option<String>>().map(Literal::Text)
            }
            "parenthesized_expression" => self.value(source, *children(node).first()?),
            "list" | "tuple" | "set" => {
                let mut items = Vec::new();
                for child in children(node) {
                    match child.kind() {
                        "list_splat" => match self.value(source, *children(child).first()?)? {
                            Literal::List(more) => items.extend(more),
                            Literal::Text(_) | Literal::Table(_) => return None,
                        },
                        _ => items.push(self.value(source, child)?),
                    }
                }
                Some(Literal::List(items))
            }
            "dictionary" => {
                let pair = |node: Node| {
                    let (key, value) = (node.child_by_field_name("key")?, node.child_by_field_name("value")?);
                    Some((self.value(source, key)?.text()?.to_owned(), self.value(source, value)?))
                };
                children(node).into_iter().map(pair).collect::<Option<Vec<_>>>().map(Literal::Table)
            }
            "identifier" => self.copied(self.known.get(source.of(node))?),
            "subscript" => {
                let (name, key) = self.item(source, node)?;
                match self.known.get(name)? {
                    Literal::Table(items) => {
                        self.spend(items.len())?;
                        items.iter().find(|(known, _)| *known == key).and_then(|(_, value)| self.copied(value))
                    }
                    Literal::Text(_) | Literal::List(_) => None,
                }
            }
            "binary_operator" if node.child_by_field_name("operator").is_some_and(|sign| source.of(sign) == "+") => {
                let side = |field| self.value(source, node.child_by_field_name(field)?);
                match (side("left")?, side("right")?) {
                    (Literal::List(mut left), Literal::List(right)) => {
                        left.extend(right);
                        Some(Literal::List(left))
                    }
                    (Literal::Text(left), Literal::Text(right)) => Some(Literal::Text(left + &right)),
                    _ => None,
                }
            }
            // `dict(a=[...])`.
            "call" if source.called(node) == "dict" => {
                let items = keywords(source, node);
                let plain = items.len() == arguments(node).len();
                let items = items.into_iter().map(|(name, value)| Some((name.to_owned(), self.value(source, value)?)));
                items.collect::<Option<Vec<_>>>().filter(|_| plain).map(Literal::Table)
            }
            _ => None,
        }
    }
}

/// The arguments of a call.
pub(crate) fn arguments(call: Node<'_>) -> Vec<Node<'_>> {
    call.child_by_field_name("arguments").map(children).unwrap_or_default()
}

/// Those that are given by name.
pub(crate) fn keywords<'s, 't>(source: &Source<'s>, call: Node<'t>) -> Vec<(&'s str, Node<'t>)> {
    let named = arguments(call).into_iter().filter(|node| node.kind() == "keyword_argument");
    named
        .filter_map(|node| Some((source.of(node.child_by_field_name("name")?), node.child_by_field_name("value")?)))
        .collect()
}

/// The text of a plain string; None if something is put into it, or if it holds an escape, which no requirement does.
fn text(source: &Source, node: Node) -> Option<String> {
    let parts = children(node);
    if node.kind() != "string" || parts.iter().any(|part| part.kind() == "interpolation") {
        return None;
    }
    let content =
        parts.iter().filter(|part| part.kind() == "string_content").map(|part| source.of(*part)).collect::<String>();
    (!content.contains('\\')).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_written_down_are_found_through_names_and_sums() {
        let script = "A = ['a', \"b\"]\nE = {'docs': ['sphinx'], 'x': ['x1' 'y']}\nE['tests'] = A + ['c']\nE['dev'] = E['tests'] + E['docs']\n\
                      F = dict(t=(*A, 'd'))\nB = open('x').read()\nG = {'t': B}\nH = f'{A}'\n";
        let script = Script::parse(script.to_owned()).unwrap();
        let names = script.names();
        let lines = |name: &str, key: &str| match names.known.get(name) {
            Some(Literal::Table(items)) => {
                items.iter().find(|(known, _)| known == key).and_then(|(_, value)| value.lines())
            }
            _ => None,
        };
        assert_eq!(lines("E", "tests").unwrap(), ["a", "b", "c"]);
        assert_eq!(lines("E", "dev").unwrap(), ["a", "b", "c", "sphinx"]);
        assert_eq!(lines("E", "x").unwrap(), ["x1y"]);
        assert_eq!(lines("F", "t").unwrap(), ["a", "b", "d"]);
        for unknown in ["B", "G", "H"] {
            assert!(!names.known.contains_key(unknown), "{unknown}");
        }
        assert!(Script::parse("def (".to_owned()).is_none());
    }

    #[test]
    fn sums_that_grow_beyond_all_bounds_are_not_known_and_cost_no_time() {
        let doubled = format!("A = ['a', 'b']\n{}B = ['c']\n", "A = A + A\n".repeat(60));
        let script = Script::parse(doubled).unwrap();
        let names = script.names();
        assert!(!names.known.contains_key("A"));
        let tables = format!("T = {{'a': {:?}}}\n{}", "x".repeat(50_000), "T['b'] = T\nU = T\n".repeat(2000));
        assert!(Script::parse(tables).unwrap().names().left.get() < MOST_PARTS);
    }
}
