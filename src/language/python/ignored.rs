//! What conftest files tell pytest not to collect: `collect_ignore` and `collect_ignore_glob`, as far as they are written down as
//! literals at the top of the file. A list that the file makes smaller elsewhere ignores nothing here. Pure.

use std::collections::BTreeMap;

use tree_sitter::Node;

use super::canary::{children, parsed};
use super::paths::{above, folder, join};
use super::syntax::below;
use super::wildcard::fnmatch;
use crate::language::files::Files;

const PATHS: &str = "collect_ignore";
const PATTERNS: &str = "collect_ignore_glob";

/// Folder of a conftest -> name -> values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ignored(BTreeMap<String, BTreeMap<&'static str, Vec<String>>>);

impl Ignored {
    /// # Errors
    /// A fault of whoever keeps the files.
    pub fn of(files: &dyn Files, paths: &[String]) -> anyhow::Result<Self> {
        let mut found = Self::default();
        for path in paths.iter().filter(|path| path.rsplit('/').next() == Some("conftest.py")) {
            let Some(text) = files.text(path)? else { continue };
            if text.contains(PATHS) {
                found.0.insert(folder(path).to_owned(), values(&text));
            }
        }
        Ok(found)
    }

    /// What ignores a file or folder, in words. As in pytest, the nearest conftest that has a name decides by it.
    pub fn why(&self, path: &str) -> Option<String> {
        let nearest = |name| above(path).find_map(|dir| Some((dir, self.0.get(dir)?.get(name)?)));
        let told = |dir: &str, name: &str| format!("{name} of {}", join(dir, "conftest.py"));
        let named = nearest(PATHS).filter(|(dir, values)| values.iter().any(|value| inside(dir, value) == path));
        let fits = |dir: &str, value: &String| fnmatch(&format!("/{}", inside(dir, value)), &format!("/{path}"));
        let fitting = nearest(PATTERNS).filter(|(dir, values)| values.iter().any(|value| fits(dir, value)));
        named.map(|(dir, _)| told(dir, PATHS)).or_else(|| fitting.map(|(dir, _)| told(dir, PATTERNS)))
    }
}

/// A path that is written relative to a folder.
fn inside(dir: &str, value: &str) -> String {
    let mut parts: Vec<_> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in value.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Literals that statements at the top of a source put into the two lists.
fn values(source: &str) -> BTreeMap<&'static str, Vec<String>> {
    let mut found: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let Some(tree) = parsed(source) else { return found };
    let text = |node: Node| source.get(node.byte_range()).unwrap_or_default();
    let known = |name: &str| [PATHS, PATTERNS].into_iter().find(|known| *known == name);
    for statement in children(tree.root_node()) {
        let Some(inner) = children(statement).first().copied().filter(|_| statement.kind() == "expression_statement")
        else {
            continue;
        };
        let field = |name| inner.child_by_field_name(name);
        let (name, value, fresh) = match inner.kind() {
            "assignment" => (field("left").map(text), field("right"), true),
            "augmented_assignment" => (field("left").map(text), field("right"), false),
            "call" => {
                let called = field("function").map(text).and_then(|call| call.split_once('.'));
                let adds = called.filter(|(_, method)| matches!(*method, "append" | "extend"));
                (adds.map(|(name, _)| name), field("arguments"), false)
            }
            _ => (None, None, false),
        };
        let (Some(name), Some(value)) = (name.and_then(known), value) else { continue };
        let list = found.entry(name).or_default();
        if fresh {
            list.clear();
        }
        list.extend(literals(value).into_iter().map(|node| content(node, source)));
    }
    found.retain(|name, _| !shrinks(tree.root_node(), name, source));
    found
}

/// Whether a list is set anew, or made smaller, elsewhere than by assignments at the top of the file.
fn shrinks(root: Node, name: &str, source: &str) -> bool {
    let text = |node: Node| source.get(node.byte_range()).unwrap_or_default();
    let names = |node: Node| {
        std::iter::once(node).chain(below(node)).any(|part| part.kind() == "identifier" && text(part) == name)
    };
    let at_top = |node: Node| {
        let statement = node.parent().filter(|parent| parent.kind() == "expression_statement");
        statement.and_then(|statement| statement.parent()).is_some_and(|parent| parent.kind() == "module")
    };
    let field = |node: Node<'_>, of: &str| node.child_by_field_name(of).map(text).unwrap_or_default().to_owned();
    below(root).into_iter().any(|node| match node.kind() {
        "assignment" => {
            let left = node.child_by_field_name("left");
            left.is_some_and(names) && !(at_top(node) && field(node, "left") == name)
        }
        "delete_statement" => names(node),
        "call" => ["remove", "clear", "pop"].iter().any(|method| field(node, "function") == format!("{name}.{method}")),
        _ => false,
    })
}

/// Plain texts that are a value, or parts of a list or tuple.
fn literals(value: Node<'_>) -> Vec<Node<'_>> {
    let plain =
        |node: &Node| node.kind() == "string" && !below(*node).iter().any(|part| part.kind() == "interpolation");
    match value.kind() {
        "string" => Some(value).filter(plain).into_iter().collect(),
        "list" | "tuple" | "argument_list" | "parenthesized_expression" => {
            children(value).into_iter().flat_map(literals).collect()
        }
        _ => Vec::new(),
    }
}

fn content(node: Node, source: &str) -> String {
    let parts = children(node).into_iter().filter(|part| part.kind() == "string_content");
    parts.map(|part| source.get(part.byte_range()).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::paper::Paper;
    use super::*;

    #[test]
    fn literal_lists_of_the_nearest_conftest_ignore_files_and_folders() {
        let files = [
            (
                "conftest.py",
                "import sys\ncollect_ignore = [\"setup.py\", 'tests/old', f\"{sys}.py\"]\n\
                 if sys.version_info < (3, 5):\n    collect_ignore.append('tests/new.py')\n\
                 collect_ignore += ['tests/gone.py']\ncollect_ignore_glob = ('*_slow.py',)\n",
            ),
            (
                "tests/unit/conftest.py",
                "collect_ignore: list = []\ncollect_ignore.extend([\"./test_a.py\", \"../other\"])\n",
            ),
        ];
        let paths: Vec<_> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        let ignored = Ignored::of(&Paper::of(&files), &paths).unwrap();
        let top = Some("collect_ignore of conftest.py".to_owned());
        let deep = Some("collect_ignore of tests/unit/conftest.py".to_owned());
        let pattern = Some("collect_ignore_glob of conftest.py".to_owned());
        for (path, why) in [
            ("setup.py", top.clone()),
            ("tests/old", top.clone()),
            ("tests/gone.py", top),
            ("tests/new.py", None),
            ("tests/unit/test_a.py", deep),
            // The nearest conftest with the name decides, and `../other` is not below it.
            ("tests/other", None),
            ("tests/unit/test_b.py", None),
            ("tests/unit/deep/test_slow.py", pattern),
        ] {
            assert_eq!(ignored.why(path), why, "{path}");
        }
    }

    #[test]
    fn a_list_that_is_made_smaller_elsewhere_ignores_nothing() {
        for rest in [
            "if sys.version_info >= (3, 8):\n    collect_ignore.remove('test_new.py')\n",
            "if sys.version_info >= (3, 8):\n    collect_ignore = []\n",
            "collect_ignore.clear()\n",
            "collect_ignore[:] = []\n",
            "del collect_ignore[0]\n",
            "collect_ignore, other = [], 1\n",
        ] {
            let text = format!("import sys\ncollect_ignore = ['test_new.py']\n{rest}");
            let ignored = Ignored::of(&Paper::of(&[("conftest.py", &text)]), &["conftest.py".to_owned()]).unwrap();
            assert_eq!(ignored.why("test_new.py"), None, "{rest}");
        }
        let grown = "collect_ignore = ['test_new.py']\ndef more():\n    collect_ignore.append('test_b.py')\n";
        let ignored = Ignored::of(&Paper::of(&[("conftest.py", grown)]), &["conftest.py".to_owned()]).unwrap();
        assert!(ignored.why("test_new.py").is_some());
    }
}
