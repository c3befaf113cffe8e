//! What a Python module imports and whether it speaks to a test runner, read off its text. Pure, and no parser: lines.

use std::collections::BTreeSet;

use super::paths::{folder, join};

/// Modules that a text imports, with `/` for every dot.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    /// As written, from some import root.
    pub absolute: BTreeSet<String>,
    /// Repository paths without an ending.
    pub relative: BTreeSet<String>,
}

impl Imports {
    pub fn of(path: &str, text: &str) -> Self {
        let mut found = Self::default();
        for statement in statements(text) {
            if let Some(names) = statement.strip_prefix("import ") {
                for name in names.split(',').filter_map(first_word) {
                    found.add_absolute(name);
                }
            } else if let Some((module, names)) = statement.strip_prefix("from ").and_then(|s| s.split_once(" import "))
            {
                let module = module.trim();
                let names = names.trim_matches(|c| matches!(c, '(' | ')' | ' '));
                let names: Vec<&str> = names.split(',').filter_map(first_word).collect();
                let dots = module.len() - module.trim_start_matches('.').len();
                let rest = module.trim_start_matches('.').replace('.', "/");
                if dots == 0 {
                    found.add_absolute(module);
                    found.absolute.extend(names.iter().map(|name| format!("{rest}/{name}")));
                    continue;
                }
                let mut base = folder(path);
                for _ in 1..dots {
                    base = folder(base);
                }
                let module = if rest.is_empty() { base.to_owned() } else { join(base, &rest) };
                found.relative.extend(names.iter().map(|name| join(&module, name)));
                found.relative.insert(module);
            }
        }
        found
    }

    /// A dotted name, and the packages on the way to it.
    fn add_absolute(&mut self, dotted: &str) {
        let path = dotted.trim().replace('.', "/");
        let mut part = path.as_str();
        while !part.is_empty() {
            self.absolute.insert(part.to_owned());
            part = folder(part);
        }
    }
}

fn first_word(text: &str) -> Option<&str> {
    text.split_ascii_whitespace().next().filter(|word| *word != "*")
}

/// Import statements, each on one line however it was broken.
pub(super) fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("").trim();
        if let Some(mut whole) = open.take() {
            whole.push(' ');
            whole.push_str(line.trim_end_matches('\\'));
            let waits = (whole.contains('(') && !whole.contains(')')) || line.ends_with('\\');
            if waits { open = Some(whole) } else { found.push(whole) }
        } else if line.starts_with("import ") || (line.starts_with("from ") && line.contains(" import")) {
            let waits = (line.contains('(') && !line.contains(')')) || line.ends_with('\\');
            let whole = line.trim_end_matches('\\').replace(" import(", " import (");
            if waits { open = Some(whole) } else { found.push(whole) }
        }
    }
    found
}

/// Whether a module holds tests, whatever it is called: test cases of unittest, or test functions that assert.
pub(crate) fn looks_like_tests(text: &str) -> bool {
    let case = |line: &str| line.starts_with("class ") && line.contains("TestCase");
    let method = |line: &str| line.trim_start().starts_with("def test");
    let asserts = |line: &str| line.starts_with([' ', '\t']) && line.trim_start().starts_with("assert ");
    let function = |line: &str| line.starts_with("def test_") || line.starts_with("async def test_");
    (text.lines().any(case) && text.lines().any(method)) || (text.lines().any(function) && text.lines().any(asserts))
}

/// Whether a module that tests import is their helper: it imports a runner, or its purpose is to assert.
pub(crate) fn is_test_support(text: &str) -> bool {
    let asserts = |line: &str| line.trim_start().starts_with("def assert") || line.contains("raise AssertionError");
    let imports = Imports::of("", text).absolute;
    ["pytest", "unittest", "hypothesis", "nose"].iter().any(|runner| imports.contains(*runner))
        || text.lines().any(asserts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_however_they_are_written() {
        let text = "import os, pkg.a as b\nfrom pkg.sub import (c,\n    d as e,  # why\n)\nfrom . import near\n\
                    from ..up.more import x\n    from late import y\nfrom pkg import \\\n    z\n\"import no\"\n";
        let found = Imports::of("pkg/deep/m.py", text);
        for name in ["os", "pkg", "pkg/a", "pkg/sub", "pkg/sub/c", "pkg/sub/d", "late", "late/y", "pkg/z"] {
            assert!(found.absolute.contains(name), "{name}: {found:?}");
        }
        assert!(!found.absolute.contains("no"));
        for path in ["pkg/deep", "pkg/deep/near", "pkg/up/more", "pkg/up/more/x"] {
            assert!(found.relative.contains(path), "{path}: {found:?}");
        }
    }

    #[test]
    fn what_speaks_to_a_runner_is_told_from_code() {
        assert!(looks_like_tests("class A(unittest.TestCase):\n    def test_x(self):\n        pass\n"));
        assert!(looks_like_tests("def test_x():\n    assert f(1) == 2\n"));
        assert!(!looks_like_tests("def test_x():\n    pass\n"));
        assert!(!looks_like_tests("class A:\n    def test(self):\n        assert self\n"));
        assert!(is_test_support("import pytest\n"));
        assert!(is_test_support("def assert_same(a, b):\n    assert a == b\n"));
        assert!(!is_test_support("def add(a, b):\n    assert a\n    return a + b\n"));
    }
}
