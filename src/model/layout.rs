//! A layout: what an instance's own trees say about which files are tests, beyond their names. Pure.
//!
//! Names alone miss the tests of a repository that calls them otherwise, so an instance has a layout beside the table
//! of names. The layout is kept with the trees of the admission. `survey` reads it off the trees and holds the rules.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::language::classes::{SHADOWED, classify, is_code, matches};
use crate::model::candidate::PathClass;
use crate::runner::Runner;

/// How a repository is laid out, read off base and the trusted tests ([`crate::language::python::survey`]). Without one, names alone decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Layout {
    /// The framework whose rows of the table hold.
    pub framework: String,
    /// Files whose part is another than their name says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, PathClass>,
    /// Folders that hold tests and what tests need, and nothing else.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub test_dirs: BTreeSet<String>,
    /// Test files that the runner's conventions do not name.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tests: BTreeSet<String>,
    /// File names that the runner's configuration collects, where that is not the convention.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub patterns: BTreeSet<String>,
    /// Folders that modules are imported from, empty for the top, each with the modules that base has there.
    pub roots: BTreeMap<String, BTreeSet<String>>,
    /// Top-level modules of the sealed environment, as the runs on gold saw them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub installed: BTreeSet<String>,
}

impl Layout {
    /// The layout of a tree that nothing is known about: the names, and the top, `src` and `lib` as import roots.
    pub fn by_name(framework: &str) -> Self {
        let roots = ["", "src", "lib"].map(|root| (root.to_owned(), BTreeSet::new()));
        Self { framework: framework.to_owned(), roots: roots.into(), ..Self::default() }
    }

    /// The part that a path plays.
    pub fn class(&self, path: &str) -> PathClass {
        let by_name = classify(path, &self.framework);
        // What runs on its own or instead of the source is that wherever it stands.
        if matches!(by_name, PathClass::Startup | PathClass::Bytecode | PathClass::Vcs) {
            return by_name;
        }
        // A file may also be replaced by a folder of its name.
        if let Some(class) = ancestors(path).find_map(|path| self.files.get(path)) {
            return *class;
        }
        if self.shadows(path) {
            return PathClass::Startup;
        }
        let in_test_dir = || ancestors(path).any(|dir| self.test_dirs.contains(dir));
        match by_name {
            PathClass::Source | PathClass::Docs | PathClass::Generated | PathClass::Binary if in_test_dir() => {
                if is_code(path) {
                    PathClass::Test
                } else {
                    PathClass::Fixture
                }
            }
            class => class,
        }
    }

    /// Whether the runner collects tests from this path, by convention or by the repository's own configuration.
    pub fn collects(&self, framework: &dyn Runner, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        framework.is_test_file(path)
            || self.tests.contains(path)
            || (self.patterns.iter().any(|pattern| matches(pattern, name)) && self.class(path) == PathClass::Test)
    }

    /// Whether the runner may be given a new file as tests: what it collects, and what joins tests of unconventional names.
    pub fn collects_new(&self, framework: &dyn Runner, path: &str) -> bool {
        let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
        let joins = || self.tests.iter().any(|test| folder(test) == folder(path));
        let module = path.ends_with(".py") && !path.ends_with("/__init__.py");
        self.collects(framework, path) || (module && self.class(path) == PathClass::Test && joins())
    }

    /// Whether a path is (part of) a new module that would be imported instead of the runner's, the standard library's or
    /// an installed one. A module of that name that base has itself is the repository's own.
    fn shadows(&self, path: &str) -> bool {
        // A folder of data alone takes nobody's place: a real module further down the path goes before it.
        let python = [".py", ".pyi", ".pyx"].iter().any(|suffix| path.ends_with(suffix));
        python
            && self.roots.iter().any(|(root, own)| {
                let inside = match root.as_str() {
                    "" => Some(path),
                    root => path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')),
                };
                inside.and_then(top_module).is_some_and(|module| {
                    let taken = SHADOWED.split_ascii_whitespace().any(|name| name == module)
                    || self.installed.contains(module)
                    // The file that would make a package of an import root.
                    || module == "__init__";
                    taken && !own.contains(module)
                })
            })
    }
}

/// The module that a path below an import root is part of, as it is imported; `None` if it is not a module.
pub(crate) fn top_module(inside: &str) -> Option<&str> {
    match inside.split_once('/') {
        Some((folder, _)) => Some(folder),
        None => inside.strip_suffix(".py").or_else(|| inside.strip_suffix(".pyi")),
    }
}

/// A path and every folder above it, itself first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(above, _)| above))
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathClass::*;

    fn layout() -> Layout {
        let mut layout = Layout::by_name("pytest");
        layout.files.insert("pkg/selftest.py".to_owned(), Test);
        layout.files.insert("numpy/testing/api.py".to_owned(), Source);
        layout.test_dirs.insert("checks".to_owned());
        layout.roots.insert("checks".to_owned(), BTreeSet::new());
        layout.roots.insert("python/lib".to_owned(), BTreeSet::from(["json".to_owned()]));
        layout.installed.extend(["attr".to_owned(), "docs".to_owned()]);
        layout
    }

    #[test]
    fn the_instance_decides_where_names_say_nothing() {
        for (path, class) in [
            ("pkg/selftest.py", Test),
            ("pkg/selftest.py/deep.py", Test),
            ("pkg/selftest_.py", Source),
            ("numpy/testing/api.py", Source),
            ("numpy/testing/other.py", Test),
            ("checks", Fixture),
            ("checks/new.py", Test),
            ("checks/deep/golden.json", Fixture),
            ("checks/README.md", Fixture),
            ("checks/conftest.py", RunnerConfig),
            ("checks/x.pyc", Bytecode),
            ("checks_more/a.py", Source),
        ] {
            assert_eq!(layout().class(path), class, "{path}");
        }
    }

    #[test]
    fn a_new_module_at_an_import_root_may_not_stand_in_for_one_of_the_environment() {
        for (path, class) in [
            ("pytest.py", Startup),
            ("src/_pytest/runner.py", Startup),
            ("lib/json.py", Startup),
            ("unittest/__init__.py", Startup),
            ("attr/__init__.py", Startup),
            ("python/lib/attr.py", Startup),
            ("checks/json.py", Startup),
            ("src/__init__.py", Startup),
            ("__init__.py", Startup),
            // The repository's own, and names that are free below a package.
            ("python/lib/json/decoder.py", Source),
            ("pkg/attr.py", Source),
            ("pkg/json/__init__.py", Source),
            ("lib/json.txt", Source),
            ("locale/de.po", Source),
        ] {
            assert_eq!(layout().class(path), class, "{path}");
        }
    }
}
