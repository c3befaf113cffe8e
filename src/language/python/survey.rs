//! Reads a layout off an instance's trees. In: base, gold and the test patch. Out: which files are tests, which folders
//! hold nothing but tests, and where modules are imported from.
//!
//! - A file is also a test if the test patch changes it, if it holds a listed test, if `python_files` or
//!   `--doctest-glob` of the repository's configuration names it, or if it holds test cases. It is source if gold
//!   changes it or if source imports it; tests inside such a file are not run. A candidate may edit a doctest of a
//!   module, so no doctest of a module is ever expected.
//! - A folder is a folder of tests if all of this holds: gold changes no module of it, no source elsewhere imports a
//!   module of it, no module has its own test beside it, helpers are not more than tests, and the project's code is
//!   elsewhere. Everything in it then belongs to the tests: helpers, data, `__init__`, and whatever is new. A module
//!   beside its tests stays source.
//! - Outside such folders a module is a test if only tests import it and if it asserts or imports a runner. Data beside
//!   tests is a fixture if tests name it and no other module does.
//! - A plugin of the tree that `-p` or `pytest_plugins` loads is runner configuration, and so is a file that `-c`
//!   names.
//! - Import roots are: the top, `src` and `lib` unless they are packages, folders that `pythonpath` names, folders from
//!   which the tree's own imports are answered, and what pytest puts on the path for a test file. A new module at an
//!   import root is start-up if it has the name of a runner, of the standard library, or of anything that is installed
//!   in the sealed image (the runs on gold report what is).
//!
//! Two guesses can be wrong, and both are safe for a verdict. If source is taken for tests, it is taken back, and a
//! repair that needs it is `depends_on_infra_edit`. If a test helper is taken for source, only the canaries guard it.

use std::collections::{BTreeMap, BTreeSet};

use super::discover;
use super::import_roots::top_module;
use super::imports::{Imports, is_test_support, looks_like_tests};
use super::paths::{folder, join, up};
use super::pytest_options::{RunnerOptions, plugin_files};
use super::wildcard::fits;
use crate::language::classes::{classify, is_code, matches};
use crate::language::files::{Files, Stated};
use crate::model::candidate::PathClass;
use crate::model::layout::Layout;

/// The layout of an instance.
///
/// # Errors
/// A fault of whoever keeps the files.
pub(crate) fn survey(tree: &dyn Files, framework: &str, stated: Stated<'_>) -> anyhow::Result<Layout> {
    let base_files = tree.base()?;
    let mut modules = BTreeMap::new();
    let mut options = RunnerOptions::default();
    let files = tree.trusted()?;
    for path in &files {
        let python = path.ends_with(".py");
        if !python && !RunnerOptions::reads(path) {
            continue;
        }
        let Some(text) = tree.text(path)? else { continue };
        if python {
            modules.insert(path.clone(), text);
        } else {
            options.take(path, &text);
        }
    }
    // Without a name of its own, a file of unittest is one that the project's own command finds.
    let discovered = if framework == "unittest" { discover::found(tree)? } else { BTreeSet::new() };
    let survey = Survey::new(framework, &base_files, &files, &modules, options, discovered, stated);
    Ok(survey.layout())
}

struct Survey<'a> {
    framework: &'a str,
    base: &'a [String],
    files: &'a [String],
    modules: &'a BTreeMap<String, String>,
    options: RunnerOptions,
    /// What a command of the project finds.
    discovered: BTreeSet<String>,
    stated: Stated<'a>,
    /// Folders that code is imported from.
    code_roots: BTreeSet<String>,
    /// Module stems (path without `.py` or `/__init__.py`) to the files that import them.
    importers: BTreeMap<String, BTreeSet<&'a str>>,
    /// Names that are imported from the top of some root.
    top_names: BTreeSet<String>,
}

impl<'a> Survey<'a> {
    fn new(
        framework: &'a str,
        base: &'a [String],
        files: &'a [String],
        modules: &'a BTreeMap<String, String>,
        options: RunnerOptions,
        discovered: BTreeSet<String>,
        stated: Stated<'a>,
    ) -> Self {
        let code_roots = code_roots(base);
        let mut importers: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        let mut top_names = BTreeSet::new();
        for (path, text) in modules {
            let Imports { absolute, relative } = Imports::of(path, text);
            for name in &absolute {
                top_names.insert(name.split('/').next().unwrap_or(name).to_owned());
                for root in code_roots.iter().map(String::as_str).chain([folder(path)]) {
                    importers.entry(join(root, name)).or_default().insert(path);
                }
            }
            for stem in relative {
                importers.entry(stem).or_default().insert(path);
            }
        }
        Self { framework, base, files, modules, options, discovered, stated, code_roots, importers, top_names }
    }

    fn layout(&self) -> Layout {
        let mut layout = Layout { framework: self.framework.to_owned(), ..Layout::default() };
        layout.patterns = self.options.patterns.clone();
        for path in self.files {
            if let Some(class) = self.stated_class(path) {
                layout.files.insert(path.clone(), class);
                if class == PathClass::Test && self.is_collected(path) {
                    layout.tests.insert(path.clone());
                }
            } else if classify(path, self.framework) == PathClass::Test && self.found_with_tests(path) {
                layout.tests.insert(path.clone());
            }
        }
        let tests: BTreeSet<&str> = self
            .files
            .iter()
            .filter(|path| match layout.files.get(*path) {
                Some(class) => *class == PathClass::Test,
                None => self.conventional(path),
            })
            .map(String::as_str)
            // A page of doctests says nothing about the pages beside it.
            .filter(|path| is_code(path))
            .collect();
        layout.test_dirs = self.test_dirs(&tests);
        for (path, class) in self.support(&tests) {
            layout.files.entry(path).or_insert(class);
        }
        let named = self.modules.iter().filter(|(path, _)| path.ends_with("conftest.py"));
        let named = named.flat_map(|(_, text)| super::pytest_options::conftest_plugins(text));
        for plugin in self.options.plugins.iter().cloned().chain(named) {
            for path in plugin_files(&plugin, &self.code_roots, self.files) {
                if self.is_free(&path) {
                    layout.files.entry(path).or_insert(PathClass::RunnerConfig);
                }
            }
        }
        for path in &self.options.files {
            layout.files.entry(path.clone()).or_insert(PathClass::RunnerConfig);
        }
        layout.roots = self.roots(&tests);
        layout
    }

    /// The part of a file that is another than its name says, by what the instance says of it and by what it holds.
    fn stated_class(&self, path: &String) -> Option<PathClass> {
        let by_name = classify(path, self.framework);
        let in_gold = self.stated.gold.contains(path);
        let in_tests = self.stated.tests.contains(path);
        match by_name {
            // Called a test for its folder alone (`numpy/testing`), and the instance says that it is what gold repairs.
            PathClass::Test | PathClass::Fixture if in_gold && !in_tests && !self.conventional(path) => {
                let alone = path.rsplit('/').next().unwrap_or(path);
                Some(classify(alone, self.framework)).filter(|class| *class == PathClass::Source)
            }
            PathClass::Source | PathClass::Docs | PathClass::Generated | PathClass::Binary if !in_gold => {
                let python = path.ends_with(".py");
                let named = in_tests
                    || self.stated.listed.contains(path)
                    || self.collected_by_options(path)
                    || self.modules.get(path).is_some_and(|text| looks_like_tests(text));
                match (named, python) {
                    (false, _) => None,
                    // A page of doctests is a test.
                    (true, false) if self.collected_by_options(path) || self.stated.listed.contains(path) => {
                        Some(PathClass::Test)
                    }
                    (true, false) => Some(PathClass::Fixture),
                    // What other code needs is source, whatever tests it holds too.
                    (true, true) => (in_tests || self.is_free(path)).then_some(PathClass::Test),
                }
            }
            _ => None,
        }
    }

    /// A test by its own name.
    fn conventional(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        classify(name, self.framework) == PathClass::Test
    }

    fn collected_by_options(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.options.patterns.iter().any(|pattern| matches(pattern, name)) || self.found_with_tests(path)
    }

    /// A pattern such as `*.py`, or of a command, says nothing of a file by itself; what the file holds does.
    fn found_with_tests(&self, path: &str) -> bool {
        let fits = self.options.others.iter().any(|pattern| fits(pattern, path)) || self.discovered.contains(path);
        fits && self.holds_tests(path)
    }

    fn holds_tests(&self, path: &str) -> bool {
        self.modules.get(path).is_some_and(|text| text.contains("def test") || looks_like_tests(text))
    }

    /// Whether the runner is to be given an unconventional test file. Plain unittest takes its pattern from the command
    /// line, which is seldom written down, so there what a file holds decides.
    fn is_collected(&self, path: &String) -> bool {
        self.collected_by_options(path)
            || self.stated.listed.contains(path)
            || (self.holds_tests(path) && (self.framework != "pytest" || self.stated.tests.contains(path)))
    }

    /// Whether nothing but tests imports a file, and gold leaves it alone.
    fn is_free(&self, path: &str) -> bool {
        !self.stated.gold.iter().any(|changed| changed == path)
            && self.imported_by(path).all(|importer| classify(importer, self.framework) != PathClass::Source)
    }

    fn imported_by(&self, path: &str) -> impl Iterator<Item = &'a str> {
        let importers = self.importers.get(stem(path)).into_iter().flatten().copied();
        let own = path.to_owned();
        importers.filter(move |importer| *importer != own)
    }

    /// Folders with nothing but tests and what they need: no file that gold changes, that source elsewhere imports or that
    /// has a test of its own beside it, not more helpers than tests; and the project's code is elsewhere.
    fn test_dirs(&self, tests: &BTreeSet<&str>) -> BTreeSet<String> {
        let mut dirs: BTreeSet<&str> = tests.iter().map(|path| folder(path)).collect();
        // A folder above folders of tests, as long as it is one itself.
        let above: Vec<&str> = dirs.iter().flat_map(|dir| std::iter::successors(Some(*dir), |dir| up(dir))).collect();
        dirs.extend(above);
        let holds_tests_only = |dir: &&str| {
            let below = |path: &str| path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
            let source =
                |path: &&String| classify(path, self.framework) == PathClass::Source && !tests.contains(path.as_str());
            let modules = || self.modules.keys().filter(source);
            let helpers: Vec<_> = modules().filter(|path| below(path) && !path.ends_with("/__init__.py")).collect();
            let inside = tests.iter().filter(|path| below(path)).count();
            !self.stated.gold.iter().any(|path| below(path) && classify(path, self.framework) == PathClass::Source)
                && helpers.len() <= inside
                && modules().any(|path| !below(path) && !BUILD_SCRIPTS.contains(&path.as_str()))
                && !helpers.iter().any(|path| has_namesake(path, tests) || path.ends_with("/__main__.py"))
                && modules().filter(|path| below(path)).all(|path| {
                    let outside =
                        |importer: &str| !below(importer) && classify(importer, self.framework) == PathClass::Source;
                    !self.imported_by(path).any(|importer| outside(importer) && !tests.contains(importer))
                })
        };
        dirs.into_iter().filter(|dir| !dir.is_empty()).filter(holds_tests_only).map(str::to_owned).collect()
    }

    /// Beside the tests, outside of their folders: modules that speak to the runner and data that only tests name.
    fn support(&self, tests: &BTreeSet<&str>) -> Vec<(String, PathClass)> {
        let mut found = Vec::new();
        for (path, text) in self.modules {
            let used =
                self.imported_by(path).any(|importer| tests.contains(importer) || importer.ends_with("conftest.py"));
            let source = classify(path, self.framework) == PathClass::Source && !path.ends_with("__init__.py");
            if source && used && self.is_free(path) && is_test_support(text) {
                found.push((path.clone(), PathClass::Test));
            }
        }
        let data: Vec<_> = self.files.iter().filter(|path| self.is_data_beside(path, tests)).collect();
        if !data.is_empty() {
            let words = |of_tests: bool| -> BTreeSet<&str> {
                let texts = self.modules.iter().filter(|(path, _)| tests.contains(path.as_str()) == of_tests);
                let part = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
                texts.flat_map(|(_, text)| text.split(part)).filter(|word| word.contains('.')).collect()
            };
            let (named_by_tests, named_by_others) = (words(true), words(false));
            let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
            // A folder of such files may be all that is named: `join(HERE, "golden", case + ".txt")`.
            let quotes = |of_tests: bool, folder: &str| {
                let forms = [format!("\"{folder}\""), format!("'{folder}'"), format!("{folder}/")];
                let mut texts = self.modules.iter().filter(|(path, _)| tests.contains(path.as_str()) == of_tests);
                texts.any(|(_, text)| forms.iter().any(|form| text.contains(form)))
            };
            let folder_of_tests = |path: &str| {
                let (whole, own) = (folder(path), name(folder(path)));
                !tests.iter().any(|test| folder(test) == whole) && quotes(true, &own) && !quotes(false, &own)
            };
            let theirs = data.into_iter().filter(|path| {
                let name = name(path);
                let named = named_by_tests.contains(name.as_str()) && !named_by_others.contains(name.as_str());
                named || (!named_by_others.contains(name.as_str()) && folder_of_tests(path))
            });
            found.extend(theirs.map(|path| (path.clone(), PathClass::Fixture)));
        }
        found
    }

    /// Whether a file of no code stands in or below the folder of a test, and gold leaves it alone.
    fn is_data_beside(&self, path: &String, tests: &BTreeSet<&str>) -> bool {
        let data =
            matches!(classify(path, self.framework), PathClass::Source | PathClass::Generated | PathClass::Binary);
        let beside = |test: &&str| {
            !folder(test).is_empty() && path.strip_prefix(folder(test)).is_some_and(|rest| rest.starts_with('/'))
        };
        !is_code(path) && data && !self.stated.gold.contains(path) && tests.iter().any(beside)
    }

    /// Import roots with base's modules: the top, `src` and `lib` unless they are packages, folders that hold what is
    /// imported from a top, folders that the configuration puts on the path, and the folders that pytest puts there for
    /// test files.
    fn roots(&self, tests: &BTreeSet<&str>) -> BTreeMap<String, BTreeSet<String>> {
        let package = |dir: &str| self.has_base(&join(dir, "__init__.py"));
        let mut roots: BTreeSet<String> = BTreeSet::from([String::new()]);
        roots.extend(["src", "lib"].iter().filter(|dir| !package(dir)).map(|dir| (*dir).to_owned()));
        roots.extend(self.options.python_path.iter().cloned());
        roots.extend(
            self.code_roots
                .iter()
                .filter(|root| {
                    let holds_a_top = |name: &String| self.holds_module(root, name) && !self.holds_module("", name);
                    self.top_names.iter().any(holds_a_top)
                })
                .cloned(),
        );
        for test in tests {
            let first =
                std::iter::successors(Some(folder(test)), |dir| up(dir)).find(|dir| dir.is_empty() || !package(dir));
            roots.extend(first.map(str::to_owned));
        }
        let modules_of = |root: &str| {
            let inside = self.base.iter().filter(|path| path.ends_with(".py")).filter_map(|path| match root {
                "" => Some(path.as_str()),
                root => path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')),
            });
            inside.filter_map(top_module).map(str::to_owned).collect()
        };
        let everything_is_protected =
            |root: &String| !root.is_empty() && classify(&join(root, "a.py"), self.framework) == PathClass::Test;
        roots
            .into_iter()
            .filter(|root| !everything_is_protected(root))
            .map(|root| (root.clone(), modules_of(&root)))
            .collect()
    }

    fn has_base(&self, path: &str) -> bool {
        self.base.binary_search_by(|known| known.as_str().cmp(path)).is_ok()
    }

    fn holds_module(&self, root: &str, name: &str) -> bool {
        self.has_base(&join(root, &format!("{name}.py"))) || self.has_base(&join(root, &format!("{name}/__init__.py")))
    }
}

/// Modules at the top that build the project and do not belong to it.
const BUILD_SCRIPTS: [&str; 4] = ["setup.py", "noxfile.py", "tasks.py", "fabfile.py"];

/// Whether a module has a test of its own in the same folder.
fn has_namesake(path: &str, tests: &BTreeSet<&str>) -> bool {
    let own = stem(path).rsplit('/').next().unwrap_or(path);
    tests.iter().filter(|test| folder(test) == folder(path)).any(|test| {
        let name = stem(test).rsplit('/').next().unwrap_or(test);
        let bare = |text: &str| text.split('_').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let (name, own) = (bare(name), bare(own));
        name.len() == own.len() + 1 && (name[1..] == own[..] || name[..own.len()] == own[..])
    })
}

/// Folders that hold packages or modules and are not packages: the top, and folders at most two below it.
fn code_roots(base: &[String]) -> BTreeSet<String> {
    let files: BTreeSet<&str> = base.iter().map(String::as_str).collect();
    let package = |dir: &str| files.contains(join(dir, "__init__.py").as_str());
    let mut roots = BTreeSet::from([String::new()]);
    for path in base.iter().filter(|path| path.ends_with(".py")) {
        let dir = folder(path);
        // Of a package, the folder that holds the outermost one.
        let holder = std::iter::successors(Some(dir), |dir| up(dir)).find(|dir| dir.is_empty() || !package(dir));
        let Some(holder) = holder else { continue };
        let deep = holder.split('/').count() > 2;
        let inside_package =
            std::iter::successors(up(holder), |dir| up(dir)).any(|dir| !dir.is_empty() && package(dir));
        if !deep && !inside_package {
            roots.insert(holder.to_owned());
        }
    }
    roots
}

/// What a module is imported as: its path without the ending, a package's without its `__init__`.
pub(crate) fn stem(path: &str) -> &str {
    let path = path.strip_suffix(".py").unwrap_or(path);
    path.strip_suffix("/__init__").unwrap_or(path)
}
