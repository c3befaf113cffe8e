//! What follows from a layout and the language: the part that a path plays, and which files a runner collects. Pure.

use std::collections::BTreeSet;

use super::Language;
use super::classes::{classify, is_code, matches};
use crate::model::admission::Admission;
use crate::model::built_part::{BuiltPart, ancestors, covers};
use crate::model::candidate::{Candidate, PathClass};
use crate::model::layout::Layout;
use crate::runner::Runner;

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
        let shadows = |language: &dyn Language| language.shadows(self, path);
        if super::of_runner(&self.framework).map_or_else(|| super::all().any(shadows), shadows) {
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

    /// Whether a change of this path may change what the build makes. Whatever is not known to be copied or never read may.
    /// Where nothing is built, and wherever the build leaves it out, so may a source that runs only once it is compiled.
    /// Configuration of the runner often lies in one file with that of the build; [`Language::build_sections`] tells them apart.
    pub fn is_built_from(&self, path: &str) -> bool {
        let lower = path.to_ascii_lowercase();
        let name = lower.rsplit('/').next().unwrap_or_default();
        let compiled = || super::of_framework(&self.framework).is_compiled_source(name);
        if self.built.as_ref().is_some_and(|built| covers(&built.files, path)) {
            return false;
        }
        let fits = |pattern: &String| matches(pattern, if pattern.contains('/') { &lower } else { name });
        let by_name = |built: &BuiltPart| built.patterns.iter().any(fits);
        match self.class(path) {
            // Packaging that no build reads, such as lists of requirements, has no name of a source.
            PathClass::BuildConfig => self.built.as_ref().is_some_and(by_name),
            PathClass::Test
            | PathClass::Fixture
            | PathClass::RunnerConfig
            | PathClass::Startup
            | PathClass::Bytecode
            | PathClass::Vcs
            | PathClass::Ci
            | PathClass::Docs => false,
            PathClass::Source | PathClass::Generated | PathClass::Binary => {
                let of_part =
                    |built: &BuiltPart| by_name(built) || covers(&built.inputs, path) || !covers(&built.copied, path);
                compiled() || self.built.as_ref().is_some_and(of_part)
            }
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
        let joins = || super::of(framework).joins_tests(path) && joins();
        self.collects(framework, path) || (self.class(path) == PathClass::Test && joins())
    }
}

impl Candidate {
    /// Whether its change reaches what the project is built from, so that its own tree lacks what a build of it makes. Where
    /// nothing is built, no tree has such a part.
    pub fn is_built_anew(&self, layout: &Layout) -> bool {
        layout.built.is_some()
            && self.prepared.iter().flat_map(|prepared| &prepared.files).any(|path| layout.is_built_from(path))
    }
}

impl Admission {
    /// The part that a path plays in this instance.
    pub fn class_of(&self, path: &str) -> PathClass {
        match &self.trees {
            Some(trees) => trees.layout.class(path),
            None => Layout::by_name(self.framework.split('/').next().unwrap_or_default()).class(path),
        }
    }
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
    fn whatever_the_build_may_read_is_an_input_and_what_it_makes_is_not() {
        let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let mut layout = Layout::by_name("pytest");
        for (path, input) in [
            ("pkg/core.py", false),
            ("setup.py", false),
            ("tools/gen.txt", false),
            ("pkg/fast.c", true),
            ("pkg/_fast.PYX", true),
            ("pkg/_fast.pyx.in", true),
            ("rust/src/lib.rs", true),
            ("tests/helper.c", false),
            ("pkg/tests/data/a.c", false),
            ("docs/example.c", false),
        ] {
            assert_eq!(layout.is_built_from(path), input, "where nothing is built: {path}");
        }
        assert!(!Layout::by_name("go").is_built_from("pkg/fast.c"), "Go compiles it in every run");
        layout.built = Some(BuiltPart {
            files: set(&["pkg/fast.so", "pkg/table.py"]),
            copied: set(&["pkg", "examples"]),
            inputs: set(&["pkg/gen.py", "pkg/table"]),
            patterns: set(&["*.cmake", "setup.py", "pkg/*.peg"]),
        });
        for (path, input) in [
            ("pkg/core.py", false),
            ("pkg/new.py", false),
            ("pkg/gen.py", true),
            ("pkg/table/__init__.py", true),
            ("pkg/table.py", false),
            ("pkg/fast.c", true),
            ("examples/demo.py", false),
            ("examples/demo.c", true),
            ("tools/gen.py", true),
            ("examples/demo.cmake", true),
            ("pkg/deep/New.peg", true),
            ("examples/new.peg", false),
            ("setup.py", true),
            ("requirements/dev.txt", false),
            ("pyproject.toml", false),
            ("tests/helper.c", false),
            ("docs/conf.py", false),
            ("CHANGES.rst", false),
        ] {
            assert_eq!(layout.is_built_from(path), input, "{path}");
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
