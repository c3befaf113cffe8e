//! What names in a file stand for, as far as imports and plain assignments say.

use std::collections::BTreeMap;

use tree_sitter::Node;

use super::syntax::{DEEPEST, LONGEST, folded, named, text};

/// Names of a file: what they were imported as, and texts that they hold.
#[derive(Debug, Default)]
pub(crate) struct Names<'s> {
    source: &'s str,
    /// Local name to dotted name.
    dotted: BTreeMap<String, String>,
    texts: BTreeMap<String, String>,
}

impl<'s> Names<'s> {
    /// Scopes are not told apart: a name that stands for something anywhere in the file stands for it everywhere.
    pub fn of(nodes: &[Node], source: &'s str) -> Self {
        let mut names = Self { source, ..Self::default() };
        for node in nodes {
            match node.kind() {
                "import_statement" => names.import(*node, None),
                "import_from_statement" => {
                    if let Some(module) = node.child_by_field_name("module_name") {
                        names.import(*node, Some(module));
                    }
                }
                "assignment" | "named_expression" => {
                    names.assign(node.child_by_field_name("left").or_else(|| node.child_by_field_name("name")), *node);
                }
                _ => {}
            }
        }
        names
    }

    fn import(&mut self, statement: Node, module: Option<Node>) {
        let prefix = module.map(|module| format!("{}.", text(module, self.source))).unwrap_or_default();
        for item in named(statement).into_iter().filter(|item| Some(*item) != module) {
            let (name, local) = match (item.child_by_field_name("name"), item.child_by_field_name("alias")) {
                (Some(name), Some(alias)) => (text(name, self.source), text(alias, self.source)),
                _ if item.kind() == "dotted_name" => {
                    let name = text(item, self.source);
                    // `import a.b` binds `a`.
                    let first = name.split('.').next().unwrap_or(name);
                    (if module.is_some() { name } else { first }, first)
                }
                _ => continue,
            };
            // It is copied for each use. One that is too long stays so.
            let dotted = format!("{prefix}{name}").chars().take(LONGEST + 1).collect();
            self.dotted.insert(local.to_owned(), dotted);
        }
    }

    fn assign(&mut self, left: Option<Node>, node: Node) {
        let (Some(left), Some(value)) = (left.filter(|left| left.kind() == "identifier"), value_of(node)) else {
            return;
        };
        let name = text(left, self.source).to_owned();
        if let Some(text) = self.text_of(value) {
            self.texts.insert(name, text);
        } else if let Some(dotted) = self.dotted(value).filter(|_| self.is_imported(value)) {
            self.dotted.insert(name, dotted);
        }
    }

    /// The text that an expression comes to.
    pub fn text_of(&self, node: Node) -> Option<String> {
        folded(node, self.source, &self.texts)
    }

    /// The dotted name of an expression, seen through imports, aliases, `getattr`, `__import__`, `__dict__` and the
    /// table of modules. An unknown name stands for itself.
    pub fn dotted(&self, node: Node) -> Option<String> {
        self.at_depth(node, 0).filter(|dotted| dotted.len() <= LONGEST)
    }

    fn at_depth(&self, node: Node, depth: usize) -> Option<String> {
        if depth > DEEPEST {
            return None;
        }
        let dotted = |node| self.at_depth(node, depth + 1);
        let field = |name| node.child_by_field_name(name);
        match node.kind() {
            "identifier" => {
                let name = text(node, self.source);
                Some(self.dotted.get(name).cloned().unwrap_or_else(|| name.to_owned()))
            }
            "attribute" => Some(format!("{}.{}", dotted(field("object")?)?, text(field("attribute")?, self.source))),
            "parenthesized_expression" => dotted(*named(node).first()?),
            "named_expression" => dotted(field("value")?),
            "subscript" => {
                let (of, key) = (dotted(field("value")?)?, self.text_of(field("subscript")?)?);
                match of.as_str() {
                    "sys.modules" | "globals()" => Some(key),
                    _ => of.strip_suffix(".__dict__").map(|of| format!("{of}.{key}")),
                }
            }
            "call" => {
                let arguments = named(field("arguments")?);
                let function = dotted(field("function")?)?;
                match (function.as_str(), arguments.as_slice()) {
                    ("getattr" | "object.__getattribute__" | "type.__getattribute__", [of, name, ..]) => {
                        Some(format!("{}.{}", dotted(*of)?, self.text_of(*name)?))
                    }
                    ("__import__" | "importlib.import_module" | "builtins.__import__", [name, ..]) => {
                        self.text_of(*name)
                    }
                    ("sys.modules.get" | "sys.modules.__getitem__", [name, ..]) => self.text_of(*name),
                    ("vars", [of]) => Some(format!("{}.__dict__", dotted(*of)?)),
                    ("globals", []) => Some("globals()".to_owned()),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The dotted name of an expression that stands for something other than itself.
    pub fn resolved(&self, node: Node) -> Option<String> {
        self.dotted(node).filter(|dotted| node.kind() != "identifier" || *dotted != text(node, self.source))
    }

    /// Whether an expression starts at something that was imported or looked up by name.
    pub fn is_imported(&self, node: Node) -> bool {
        let mut start = node;
        while let Some(object) = start.child_by_field_name("object") {
            start = object;
        }
        match start.kind() {
            "identifier" => self.dotted.contains_key(text(start, self.source)),
            _ => self.dotted(start).is_some(),
        }
    }
}

fn value_of(node: Node<'_>) -> Option<Node<'_>> {
    node.child_by_field_name("right").or_else(|| node.child_by_field_name("value"))
}
