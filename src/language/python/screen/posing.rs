//! Whether source makes a module the main program that is not: by what it sets, by what it runs, or by how it loads modules.
//!
//! What is not plain counts: a name that is not known may be `__name__`.

use tree_sitter::Node;

use super::main_block::{MAIN, NAME, asks};
use super::names::Names;
use super::syntax::{named, nodes, text};
use crate::language::python::source::parse;
use crate::language::python::syntax::Parents;

/// Modules that run files as the main program, or give modules any name.
const MODULES: [&str; 15] = [
    "runpy",
    "imp",
    "_imp",
    "zipimport",
    "importlib.machinery",
    "importlib._bootstrap",
    "importlib._bootstrap_external",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "cProfile",
    "profile",
    "pdb",
    "bdb",
    "trace",
    "code",
];

/// Names of what makes, loads or runs modules, and of what holds their variables.
const WORDS: [&str; 26] = [
    "runpy",
    "run_module",
    "run_path",
    "_run_code",
    "_run_module_code",
    "_run_module_as_main",
    "ModuleSpec",
    "ModuleType",
    "spec_from_loader",
    "spec_from_file_location",
    "module_from_spec",
    "SourceFileLoader",
    "SourcelessFileLoader",
    "ExtensionFileLoader",
    "exec_module",
    "load_module",
    "load_source",
    "load_compiled",
    "load_package",
    "machinery",
    "_bootstrap_external",
    "__spec__",
    "__loader__",
    "__globals__",
    "f_globals",
    "f_locals",
];

/// Functions that set attributes, or give the variables of a module or an object.
const OPENERS: [&str; 5] = ["setattr", "__setattr__", "globals", "locals", "vars"];

/// Functions that run text.
const RUNS_TEXT: [&str; 4] = ["exec", "eval", "builtins.exec", "builtins.eval"];

/// Whether a changed file may make a module the main program that is not: it speaks of `__main__` otherwise than in the question of
/// [`asks`], may set a `__name__`, runs text, or loads modules under names that it chooses.
pub(super) fn poses(nodes: &[Node], parents: &Parents, names: &Names, source: &str) -> bool {
    nodes.iter().any(|node| Posing { node: *node, parents, names, source }.counts())
}

/// Whether a file that nobody changed runs others as the main program in its own process. A process of its own, such as one with
/// `-m`, ends alone, so it does not count.
pub(crate) fn runs_as_main(source: &str) -> bool {
    let Some(tree) = parse(source) else { return true };
    let nodes = nodes(tree.root_node());
    let names = Names::of(&nodes, source);
    nodes.iter().any(|node| match node.kind() {
        "identifier" => text(*node, source) == "runpy",
        "string" | "concatenated_string" | "binary_operator" => {
            names.text_of(*node).is_some_and(|text| text == MAIN) && !is_compared(*node)
        }
        _ => false,
    })
}

/// Whether a text is only compared, or names an entry of a table.
fn is_compared(node: Node) -> bool {
    let mut around = node.parent();
    while let Some(list) = around.filter(|around| matches!(around.kind(), "tuple" | "list" | "set")) {
        around = list.parent();
    }
    around.is_some_and(|around| matches!(around.kind(), "comparison_operator" | "subscript"))
}

/// One node of a changed file.
struct Posing<'a, 's> {
    node: Node<'a>,
    parents: &'a Parents<'a>,
    names: &'a Names<'s>,
    source: &'s str,
}

impl Posing<'_, '_> {
    fn counts(&self) -> bool {
        match self.node.kind() {
            // A part of a text that is put together at run time.
            "string_content" => names_one(text(self.node, self.source)) && !self.asked_around(),
            "string" | "concatenated_string" | "binary_operator" => self.speaks(),
            "call" | "subscript" => self.speaks() || self.reaches() || self.is_open(),
            "attribute" => {
                self.field("attribute") == NAME && is_target(self.node, self.parents)
                    || self.reaches()
                    || self.is_open()
            }
            "identifier" => self.identifier(),
            "import_statement" | "import_from_statement" => self.imports(),
            _ => false,
        }
    }

    fn field(&self, name: &str) -> &str {
        self.node.child_by_field_name(name).map_or("", |node| text(node, self.source))
    }

    /// Whether it is one side of the question that everybody asks.
    fn asked(&self) -> bool {
        self.parents.parent(self.node).is_some_and(|around| asks(around, self.source))
    }

    /// The same of a part of a string.
    fn asked_around(&self) -> bool {
        self.parents.parent(self.node).is_some_and(|string| Posing { node: string, ..*self }.asked())
    }

    /// A text that names what is looked for.
    fn speaks(&self) -> bool {
        let spoken = |text: String| names_one(&text) || WORDS.contains(&&*text) || SETTERS.contains(&&*text);
        self.names.text_of(self.node).is_some_and(spoken) && !self.asked()
    }

    /// A module or a function, however it is reached.
    fn reaches(&self) -> bool {
        let dotted = self.names.dotted(self.node).unwrap_or_default();
        RUNS_TEXT.contains(&&*dotted) || is_module(&dotted)
    }

    fn imports(&self) -> bool {
        let module = self.node.child_by_field_name("module_name");
        let of = module.map(|module| text(module, self.source));
        let items = named(self.node).into_iter().filter(|item| Some(*item) != module);
        let name = |item: Node| text(item.child_by_field_name("name").unwrap_or(item), self.source).to_owned();
        let full = |item: Node| of.map_or_else(|| name(item), |of| format!("{of}.{}", name(item)));
        of.is_some_and(is_module) || items.map(full).any(|full| is_module(&full))
    }

    fn identifier(&self) -> bool {
        let name = text(self.node, self.source);
        let runs_text = || self.names.dotted(self.node).is_some_and(|dotted| RUNS_TEXT.contains(&&*dotted));
        if name != NAME && !WORDS.contains(&name) && !OPENERS.contains(&name) && !runs_text() {
            return false;
        }
        let Some(around) = self.parents.parent(self.node) else { return false };
        let part = |field| around.child_by_field_name(field) == Some(self.node);
        let of_object = around.kind() == "attribute" && part("attribute");
        let defined = around.kind() == "function_definition" && part("name");
        match name {
            NAME => !reads(around, self.node),
            _ if WORDS.contains(&name) => true,
            "setattr" | "__setattr__" => !(defined || self.sets_another()),
            _ if of_object || around.kind() == "keyword_argument" && part("name") => false,
            // Called, it is looked at as a call.
            "globals" | "locals" | "vars" => !(around.kind() == "call" && part("function")),
            _ => runs_text(),
        }
    }

    /// Whether a call of `setattr` plainly sets another attribute.
    fn sets_another(&self) -> bool {
        let Some(around) = self.parents.parent(self.node) else { return false };
        let function = if around.kind() == "attribute" { around } else { self.node };
        let call = self.parents.parent(function).filter(|call| call.child_by_field_name("function") == Some(function));
        let Some(arguments) = call.and_then(|call| call.child_by_field_name("arguments")) else { return false };
        let arguments = named(arguments);
        if arguments.iter().any(|argument| matches!(argument.kind(), "list_splat" | "dictionary_splat")) {
            return false;
        }
        let plain: Vec<_> = arguments.into_iter().filter(|argument| argument.kind() != "keyword_argument").collect();
        match plain.as_slice() {
            // `object.__setattr__(it, name, value)`, or bound: `(name, value)`.
            [_, name, _] | [name, _] => self.is_another(*name),
            _ => false,
        }
    }

    /// Whether an expression is plainly another name than `__name__`. A backslash may hide a letter.
    fn is_another(&self, name: Node) -> bool {
        self.names.text_of(name).is_some_and(|name| !name.contains('\\') && !names_one(&name))
    }

    /// Whether the variables of a module or an object are open to being set: any use of the table but looking into it, and setting what
    /// is plainly something else.
    fn is_open(&self) -> bool {
        let table = match self.node.kind() {
            "call" => matches!(self.field("function"), "globals" | "locals" | "vars"),
            "attribute" => self.field("attribute") == "__dict__",
            _ => false,
        };
        let Some(around) = table.then(|| self.parents.parent(self.node)).flatten() else { return false };
        let looks = match around.kind() {
            "subscript" if around.child_by_field_name("value") == Some(self.node) => {
                let key = around.child_by_field_name("subscript");
                !is_target(around, self.parents) || key.is_some_and(|key| self.is_another(key))
            }
            "attribute" => {
                let method = around.child_by_field_name("attribute").map_or("", |method| text(method, self.source));
                matches!(method, "get" | "keys" | "values" | "items" | "copy")
            }
            "comparison_operator" | "dictionary_splat" => true,
            "argument_list" => self
                .parents
                .parent(around)
                .and_then(|call| call.child_by_field_name("function"))
                .is_some_and(|function| {
                    matches!(text(function, self.source), "len" | "sorted" | "list" | "dict" | "print" | "repr" | "str")
                }),
            _ => false,
        };
        !looks
    }
}

/// Names by which attributes are set, as texts.
const SETTERS: [&str; 2] = ["__setattr__", "__dict__"];

fn names_one(text: &str) -> bool {
    text.contains(NAME) || text.contains(MAIN)
}

fn is_module(dotted: &str) -> bool {
    MODULES
        .iter()
        .any(|module| dotted.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Whether `__name__` is only read there.
fn reads(around: Node, node: Node) -> bool {
    let part = |field| around.child_by_field_name(field) == Some(node);
    match around.kind() {
        "comparison_operator" | "argument_list" | "interpolation" | "binary_operator" => true,
        // Set as an attribute, it is looked at as one.
        "attribute" => part("attribute") || part("object"),
        "keyword_argument" => part("value"),
        "subscript" => part("subscript"),
        _ => false,
    }
}

/// Whether an expression is given a value: by an assignment, a loop, a `with`, or as a part of a pattern of one.
fn is_target(node: Node, parents: &Parents) -> bool {
    let mut part = node;
    for around in parents.above(node) {
        match around.kind() {
            "assignment" | "augmented_assignment" | "for_statement" | "for_in_clause" => {
                return around.child_by_field_name("left") == Some(part);
            }
            "as_pattern_target" | "delete_statement" => return true,
            "pattern_list"
            | "tuple_pattern"
            | "list_pattern"
            | "list_splat_pattern"
            | "tuple"
            | "list"
            | "expression_list"
            | "parenthesized_expression"
            | "list_splat" => part = around,
            _ => return false,
        }
    }
    false
}
