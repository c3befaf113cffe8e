//! Which files of a tree use which others, by their import statements. In: the files of a tree and some that changed. Out:
//! those, and all that import them, directly or by way of others.
//!
//! - An import leads to the module that it names. `from PACKAGE import NAME` leads to the module of that name, or to where
//!   the package itself takes the name from. So a package that gathers the names of its modules does not make each test of
//!   the package use every module.
//! - That a package's own `__init__` runs at every import below it does not count, unless the package itself is imported.
//! - A test file uses the conftest files of its folder and of those above it, and these use the plugins that they name.
//! - A dotted name of a changed module in quotes counts as an import: tests replace such names, or run such modules.
//!
//! Imports that a program computes are not seen, nor what runs in a process of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::import_roots::dotted_name;
use super::imports::statements;
use super::paths::{folder, join};
use super::pytest_options::conftest_plugins;
use crate::language::files::Files;
use crate::model::candidate::PathClass;
use crate::model::layout::Layout;

/// Larger files are not read: nothing of that size was written by hand.
const MOST_BYTES: usize = 1 << 20;
/// How many packages a name is followed through.
const LONGEST_WAY: usize = 8;
const CONFTEST: &str = "conftest.py";
const PACKAGE: &str = "__init__.py";

/// The changed files of the tree, and those that use them.
///
/// # Errors
/// A fault of whoever keeps the files.
pub(crate) fn users(
    files: &dyn Files,
    layout: &Layout,
    changed: &BTreeSet<String>,
) -> anyhow::Result<BTreeSet<String>> {
    let mut modules = BTreeMap::new();
    for path in files.trusted()?.into_iter().filter(|path| path.ends_with(".py")) {
        let content = files.read(&path)?.unwrap_or_default();
        if content.len() <= MOST_BYTES {
            modules.insert(path, String::from_utf8_lossy(&content).into_owned());
        }
    }
    let tree = Tree { modules: &modules, roots: layout.roots.keys().map(String::as_str).collect() };
    let named: Vec<_> = changed.iter().filter_map(|path| Some((path, dotted_name(path)?))).collect();
    let mut users: BTreeMap<String, BTreeSet<&String>> = BTreeMap::new();
    for (path, text) in &modules {
        let mut used = tree.imported(path, text);
        if layout.class(path) == PathClass::Test || path.rsplit('/').next() == Some(CONFTEST) {
            used.extend(tree.conftests(path));
        }
        let quoted = |name: &str| text.contains(&format!("\"{name}")) || text.contains(&format!("'{name}"));
        used.extend(named.iter().filter(|(_, name)| quoted(name)).map(|(path, _)| (*path).clone()));
        for other in used {
            users.entry(other).or_default().insert(path);
        }
    }
    let mut found: BTreeSet<String> = changed.clone();
    let mut open: Vec<String> = changed.iter().cloned().collect();
    while let Some(path) = open.pop() {
        for user in users.get(&path).into_iter().flatten() {
            if found.insert((*user).clone()) {
                open.push((*user).clone());
            }
        }
    }
    Ok(found)
}

/// A name that a statement takes from a module.
struct Taken<'t> {
    name: &'t str,
    /// What it is called here.
    here: &'t str,
}

struct Tree<'a> {
    modules: &'a BTreeMap<String, String>,
    roots: BTreeSet<&'a str>,
}

impl Tree<'_> {
    /// The files that a module imports.
    fn imported(&self, path: &str, text: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for statement in statements(text) {
            if let Some(names) = statement.strip_prefix("import ") {
                for name in names.split(',').filter_map(|name| name.split_whitespace().next()) {
                    found.extend(self.files(path, name));
                }
            } else if let Some((module, names)) = taken(&statement) {
                for Taken { name, .. } in names {
                    found.extend(self.origin(path, module, name));
                }
            }
        }
        if path.rsplit('/').next() == Some(CONFTEST) {
            found.extend(conftest_plugins(text).iter().flat_map(|plugin| self.files(path, plugin)));
        }
        found
    }

    /// Where a name of a module comes from: a module of that name below it, what the package takes it from, or the module.
    /// Each package is asked for a name once, however many ways lead there.
    fn origin(&self, from: &str, module: &str, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
        // The shortest way comes first, so no name is given up that a shorter way leads to.
        let mut open = VecDeque::from([(from.to_owned(), module.to_owned(), name.to_owned(), 0)]);
        while let Some((from, module, name, steps)) = open.pop_front() {
            let below = self.below(&from, &module, &name);
            if !below.is_empty() {
                found.extend(below);
                continue;
            }
            for file in self.files(&from, &module) {
                if !seen.insert((file.clone(), name.clone())) {
                    continue;
                }
                let package = file.rsplit('/').next() == Some(PACKAGE);
                let passed_on = match self.modules.get(&file) {
                    Some(text) if package && name != "*" && steps < LONGEST_WAY => self.passed_on(&file, text, &name),
                    _ => BTreeSet::new(),
                };
                if passed_on.is_empty() {
                    found.insert(file);
                } else {
                    let next = |(module, name)| (file.clone(), module, name, steps + 1);
                    open.extend(passed_on.into_iter().map(next));
                }
            }
        }
        // Packages that take the name from each other: any of them may have it.
        if found.is_empty() { seen.into_iter().map(|(file, _)| file).collect() } else { found }
    }

    /// The module of a name below another module.
    fn below(&self, from: &str, module: &str, name: &str) -> BTreeSet<String> {
        if name == "*" {
            return BTreeSet::new();
        }
        let dot = if module.ends_with('.') { "" } else { "." };
        self.files(from, &format!("{module}{dot}{name}"))
    }

    /// The modules that a package takes a name from, each with the name there.
    fn passed_on(&self, package: &str, text: &str, name: &str) -> BTreeSet<(String, String)> {
        let statements = statements(text);
        let names = statements.iter().filter_map(|statement| taken(statement));
        let found = names.flat_map(|(module, names)| names.into_iter().map(move |taken| (module, taken)));
        let found = found.filter(|(_, taken)| taken.here == name);
        let is_here = |(module, taken): &(&str, Taken<'_>)| {
            !self.below(package, module, taken.name).is_empty() || !self.files(package, module).is_empty()
        };
        found.filter(is_here).map(|(module, taken)| (module.to_owned(), taken.name.to_owned())).collect()
    }

    /// The files of a dotted name, as a module at `from` writes it.
    fn files(&self, from: &str, dotted: &str) -> BTreeSet<String> {
        let name = dotted.trim_start_matches('.');
        let dots = dotted.len() - name.len();
        let name = name.replace('.', "/");
        let bases: Vec<&str> = match dots {
            0 => self.roots.iter().copied().chain([folder(from)]).collect(),
            dots => {
                let up = std::iter::successors(Some(folder(from)), |dir| (!dir.is_empty()).then(|| folder(dir)));
                up.skip(dots - 1).take(1).collect()
            }
        };
        let stems = bases.into_iter().map(|base| if name.is_empty() { base.to_owned() } else { join(base, &name) });
        let paths = stems.flat_map(|stem| [format!("{stem}.py"), join(&stem, PACKAGE)]);
        paths.filter(|path| path != from && self.modules.contains_key(path)).collect()
    }

    /// The conftest files that hold for a file.
    fn conftests(&self, path: &str) -> BTreeSet<String> {
        let folders = std::iter::successors(Some(folder(path)), |dir| (!dir.is_empty()).then(|| folder(dir)));
        let files = folders.map(|dir| join(dir, CONFTEST));
        files.filter(|file| file != path && self.modules.contains_key(file)).collect()
    }
}

/// The module and the names of a `from` statement.
fn taken(statement: &str) -> Option<(&str, Vec<Taken<'_>>)> {
    let (module, names) = statement.strip_prefix("from ")?.split_once(" import ")?;
    let names = names.trim_matches(|c| matches!(c, '(' | ')' | ' '));
    let names = names.split(',').filter_map(|name| {
        let mut words = name.split_whitespace();
        let name = words.next()?;
        let here = words.nth(1).unwrap_or(name);
        Some(Taken { name, here })
    });
    Some((module.trim(), names.collect()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::paper::Paper;
    use super::*;

    /// The test files that use one file of a tree.
    fn tests_of(changed: &str, files: &[(&str, &str)]) -> Vec<String> {
        let layout = Layout {
            roots: [(String::new(), BTreeSet::new()), ("src".to_owned(), BTreeSet::new())].into(),
            ..Layout::by_name("pytest")
        };
        let found = users(&Paper::of(files), &layout, &[changed.to_owned()].into()).unwrap();
        found.into_iter().filter(|path| path.contains("test_")).collect()
    }

    #[test]
    fn tests_that_import_a_module_directly_or_by_way_of_others_use_it() {
        let files = [
            ("src/p/__init__.py", ""),
            ("src/p/core.py", "X = 1\n"),
            ("src/p/near.py", "from . import core\n"),
            ("src/p/far.py", "import p.near as n\n"),
            ("src/p/alone.py", "import os\n"),
            ("tests/test_core.py", "from p.core import (\n    X,\n)\n"),
            ("tests/test_near.py", "import p.near\n"),
            ("tests/test_far.py", "def test_a():\n    from p import far\n"),
            ("tests/test_alone.py", "from p import alone\n"),
            ("tests/test_text.py", "def test_a(monkeypatch):\n    monkeypatch.setattr(\"p.core.X\", 2)\n"),
        ];
        let [core, near, far, text] = ["core", "near", "far", "text"].map(|name| format!("tests/test_{name}.py"));
        assert_eq!(tests_of("src/p/core.py", &files), [core, far.clone(), near.clone(), text]);
        assert_eq!(tests_of("src/p/near.py", &files), [far, near]);
        assert_eq!(tests_of("src/p/alone.py", &files), ["tests/test_alone.py"]);
        assert!(tests_of("src/p/gone.py", &files).is_empty());
    }

    #[test]
    fn a_package_that_gathers_names_passes_on_the_one_that_is_asked_for() {
        let files = [
            ("p/__init__.py", "from .a import one\nfrom p.b import two as zwei\nfrom .c import *\n"),
            ("p/a.py", ""),
            ("p/b.py", ""),
            ("p/c.py", ""),
            ("tests/test_one.py", "from p import one\n"),
            ("tests/test_two.py", "from p import zwei\n"),
            ("tests/test_all.py", "import p\n"),
            ("tests/test_star.py", "from p import three\n"),
        ];
        let of = |path: &str| tests_of(path, &files);
        assert_eq!(of("p/a.py"), ["tests/test_all.py", "tests/test_one.py", "tests/test_star.py"]);
        assert_eq!(of("p/b.py"), ["tests/test_all.py", "tests/test_star.py", "tests/test_two.py"]);
        assert_eq!(of("p/c.py"), ["tests/test_all.py", "tests/test_star.py"]);
    }

    #[test]
    fn fixtures_and_helpers_of_tests_lead_to_their_tests() {
        let files = [
            ("p/core.py", ""),
            ("p/db.py", ""),
            ("conftest.py", "pytest_plugins = [\"tests.plugin\"]\n"),
            ("tests/plugin.py", "import p.core\n"),
            ("tests/unit/conftest.py", "import p.db\n"),
            ("tests/unit/test_a.py", ""),
            ("tests/test_b.py", ""),
            ("tests/help.py", "from p.db import x\n"),
            ("tests/test_c.py", "from help import x\n"),
        ];
        assert_eq!(tests_of("p/core.py", &files), ["tests/test_b.py", "tests/test_c.py", "tests/unit/test_a.py"]);
        assert_eq!(tests_of("p/db.py", &files), ["tests/test_c.py", "tests/unit/test_a.py"]);
    }

    #[test]
    fn packages_that_take_a_name_in_many_ways_and_from_each_other_come_to_an_end() {
        // Each of six packages takes the name from each of the next six, and so on: six to the power of seven ways.
        let started = Instant::now();
        let mut files = vec![("p8/core.py".to_owned(), "x = 1\n".to_owned())];
        for level in 1..8 {
            let next = |number| format!("from p{}_{number} import x\n", level + 1);
            let text: String =
                if level < 7 { (0..6).map(next).collect() } else { "from p8.core import x\n".to_owned() };
            files.extend((0..6).map(|number| (format!("p{level}_{number}/__init__.py"), text.clone())));
        }
        for (one, other) in [("a", "b"), ("b", "a")] {
            files.push((format!("{one}/__init__.py"), format!("from {other} import y\n")));
        }
        for (name, text) in
            [("far", "from p1_0 import x\n"), ("near", "from p7_5 import x\n"), ("ring", "from a import y\n")]
        {
            files.push((format!("tests/test_{name}.py"), text.to_owned()));
        }
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let [far, near, ring] = ["far", "near", "ring"].map(|name| format!("tests/test_{name}.py"));
        assert_eq!(tests_of("p8/core.py", &files), [far, near]);
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
        for package in ["a/__init__.py", "b/__init__.py"] {
            assert_eq!(tests_of(package, &files), std::slice::from_ref(&ring), "{package}");
        }
    }
}
