//! Path classes: which part a path plays in a repository, and which parts a candidate may not decide. Pure.
//!
//! One table, for Python. It leans towards protecting: a source directory that is called `testing` counts as tests.

use crate::candidate::PathClass;

/// Directories whose Python files are tests and whose other files are fixtures.
const TEST_DIRS: &[&str] = &[
    "test",
    "tests",
    "testing",
    "unittests",
    "unit_tests",
    "unit-tests",
    "functional_tests",
    "functional-tests",
    "integration_tests",
    "integration-tests",
    "regression_tests",
    "e2e_tests",
    "test_suite",
    "testsuite",
];

/// Directories that hold data of tests.
const FIXTURE_DIRS: &[&str] = &["testdata", "test_data", "test-data", "__snapshots__"];

/// Files that configure pytest, unittest runners or coverage, wherever they stand.
const RUNNER_FILES: &[&str] = &[
    "conftest.py",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "tox.ini",
    "setup.cfg",
    "pyproject.toml",
    "noxfile.py",
    ".coveragerc",
    "coverage.toml",
    "unittest.cfg",
    "nose2.cfg",
    ".noserc",
    "nose.cfg",
];

const BUILD_FILES: &[&str] =
    &["setup.py", "MANIFEST.in", "Makefile", "Pipfile", "environment.yml", "meson.build", "CMakeLists.txt", "tox.toml"];

/// Modules that the interpreter runs on its own, wherever they stand, as a file or as a package.
const STARTUP_MODULES: &[&str] = &["sitecustomize", "usercustomize"];

const CI_FILES: &[&str] = &[
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".appveyor.yml",
    "azure-pipelines.yml",
    ".pre-commit-config.yaml",
    ".readthedocs.yml",
    ".readthedocs.yaml",
    "codecov.yml",
    ".codecov.yml",
    "Jenkinsfile",
];
const CI_DIRS: &[&str] = &[".github", ".circleci", ".gitlab", ".azure-pipelines", ".buildkite"];

const DOC_DIRS: &[&str] = &["docs", "doc"];
const DOC_SUFFIXES: &[&str] = &["rst", "md", "adoc"];

const BYTECODE_SUFFIXES: &[&str] = &["pyc", "pyo", "so", "pyd", "dll", "dylib"];

/// Directories that Python commonly imports from, beside the root.
const IMPORT_ROOTS: &[&str] = &["src/", "lib/"];

/// Modules that a test run imports before the repository's own: the runner, its dependencies and the standard library.
/// A new one of these names at an import root would run in their place.
const SHADOWED: &str = "\
    pytest _pytest pluggy py iniconfig packaging exceptiongroup tomli pygments colorama xdist pytest_cov \
    pytest_timeout pytest_xdist coverage nose nose2 hypothesis assay_reporter pip setuptools pkg_resources \
    _distutils_hack wheel virtualenv __future__ _pydecimal _pyio _weakrefset _collections_abc _sitebuiltins abc \
    argparse array ast asyncio atexit base64 bdb binascii bisect builtins bz2 calendar cmd code codecs codeop \
    collections colorsys compileall concurrent configparser contextlib contextvars copy copyreg csv ctypes \
    curses dataclasses datetime decimal difflib dis distutils doctest email encodings enum errno faulthandler \
    fcntl filecmp fnmatch fractions functools gc genericpath getopt getpass gettext glob graphlib grp gzip \
    hashlib heapq hmac html http imp importlib inspect io ipaddress itertools json keyword linecache locale \
    logging lzma marshal math mimetypes mmap multiprocessing numbers opcode operator os pathlib pdb pickle \
    pkgutil platform posix posixpath pprint profile pwd pydoc queue quopri random re readline reprlib resource \
    runpy secrets select selectors shelve shlex shutil signal site socket socketserver sqlite3 sre_compile \
    sre_constants sre_parse ssl stat statistics string stringprep struct subprocess symtable sys sysconfig \
    syslog tarfile tempfile termios textwrap threading time timeit token tokenize tomllib trace traceback \
    tracemalloc types typing unicodedata unittest urllib uuid warnings weakref xml zipfile zipimport zlib \
    zoneinfo";

/// The class of a path, by the table alone. See [`classify_in`] for a path of a known repository.
pub fn classify(path: &str) -> PathClass {
    let (dirs, name) = path.rsplit_once('/').map_or(("", path), |(dirs, name)| (dirs, name));
    let in_dir = |names: &[&str]| dirs.split('/').any(|dir| names.contains(&dir));
    let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    let python = matches!(suffix, "py" | "pyi" | "pyx");

    if in_dir(&["__pycache__"]) || name == "__pycache__" || BYTECODE_SUFFIXES.contains(&suffix) {
        PathClass::Bytecode
    } else if in_dir(CI_DIRS) || CI_FILES.contains(&name) {
        PathClass::Ci
    } else if path.split('/').any(|part| part.starts_with(".git")) {
        PathClass::Vcs
    } else if is_startup_name(path) || shadow(path).is_some() {
        PathClass::Startup
    } else if RUNNER_FILES.contains(&name) {
        PathClass::RunnerConfig
    } else if is_test_module(name) || (python && in_dir(TEST_DIRS)) {
        PathClass::Test
    } else if in_dir(TEST_DIRS) || in_dir(FIXTURE_DIRS) {
        PathClass::Fixture
    } else if BUILD_FILES.contains(&name) || suffix == "lock" || is_requirements(dirs, name) || is_metadata(dirs, name)
    {
        PathClass::BuildConfig
    } else if in_dir(DOC_DIRS) || DOC_SUFFIXES.contains(&suffix) {
        PathClass::Docs
    } else {
        PathClass::Source
    }
}

/// The class of a path in a repository. A module that shares a shadowing name but is the repository's own at base
/// (pytest's own `src/_pytest`, say) is classed without that rule. `base_has` answers whether base has a file or
/// directory at a path.
pub fn classify_in(path: &str, base_has: impl FnOnce(&str) -> bool) -> PathClass {
    match (classify(path), shadow(path)) {
        (PathClass::Startup, Some((top, rest))) if base_has(top) && !is_startup_name(path) => {
            if rest.is_empty() {
                PathClass::Source
            } else {
                classify(&format!("own/{rest}"))
            }
        }
        (class, _) => class,
    }
}

/// Whether a repair candidate's changes to this class are taken back.
pub fn protected(class: PathClass) -> bool {
    match class {
        PathClass::Test
        | PathClass::Fixture
        | PathClass::RunnerConfig
        | PathClass::Startup
        | PathClass::Bytecode
        | PathClass::Vcs => true,
        PathClass::Source | PathClass::BuildConfig | PathClass::Ci | PathClass::Docs => false,
    }
}

/// If a path is (part of) a module with a shadowing name at an import root: that module's path, and the rest below it.
fn shadow(path: &str) -> Option<(&str, &str)> {
    let root = IMPORT_ROOTS.iter().find(|root| path.starts_with(**root)).map_or(0, |root| root.len());
    let (first, rest) = path[root..].split_once('/').unwrap_or((&path[root..], ""));
    let module = if rest.is_empty() { first.strip_suffix(".py")? } else { first };
    SHADOWED.split(' ').any(|name| name == module).then(|| (&path[..root + first.len()], rest))
}

fn is_startup_name(path: &str) -> bool {
    let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
    let module = |part: &str| STARTUP_MODULES.contains(&part.strip_suffix(".py").unwrap_or(part));
    name == "pyvenv.cfg" || path.split('/').any(module) || name.ends_with(".pth") || is_entry_points(dirs, name)
}

/// Installed-package metadata beside the code: the runner loads plugins that it names.
fn is_entry_points(dirs: &str, name: &str) -> bool {
    name == "entry_points.txt" && is_metadata(dirs, name)
}

fn is_metadata(dirs: &str, name: &str) -> bool {
    // Python finds these folders in any mixture of capitals.
    let dirs = dirs.to_ascii_lowercase();
    name == "PKG-INFO" || dirs.ends_with(".egg-info") || dirs.ends_with(".dist-info")
}

fn is_test_module(name: &str) -> bool {
    name.strip_suffix(".py").is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
}

fn is_requirements(dirs: &str, name: &str) -> bool {
    let listed = name.starts_with("requirements") || dirs.rsplit('/').next() == Some("requirements");
    listed && (name.ends_with(".txt") || name.ends_with(".in"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_the_class_the_table_says() {
        use PathClass::*;
        for (path, class) in [
            ("src/jinja2/sandbox.py", Source),
            ("src/jinja2/tests.py", Source),
            ("flask/testing.py", Source),
            ("latest/attest.py", Source),
            ("pkg/pytest.py", Source),
            ("unittest.txt", Source),
            ("tests/test_a.py", Test),
            ("pkg/tests/helpers.py", Test),
            ("pkg/test_a.py", Test),
            ("pkg/a_test.py", Test),
            ("testing/code/x.py", Test),
            ("tests/data/a.json", Fixture),
            ("pkg/testdata/a.json", Fixture),
            ("tests/README.md", Fixture),
            ("conftest.py", RunnerConfig),
            ("tests/deep/conftest.py", RunnerConfig),
            ("pytest.ini", RunnerConfig),
            ("tox.ini", RunnerConfig),
            ("setup.cfg", RunnerConfig),
            ("pyproject.toml", RunnerConfig),
            ("noxfile.py", RunnerConfig),
            (".coveragerc", RunnerConfig),
            ("setup.py", BuildConfig),
            ("MANIFEST.in", BuildConfig),
            ("requirements-dev.txt", BuildConfig),
            ("poetry.lock", BuildConfig),
            ("sitecustomize.py", Startup),
            ("a/usercustomize.py", Startup),
            ("a/b/evil.pth", Startup),
            ("x.egg-info/entry_points.txt", Startup),
            ("src/x.Dist-INFO/entry_points.txt", Startup),
            ("src/sitecustomize/__init__.py", Startup),
            ("usercustomize/deep/a.json", Startup),
            ("pkg/sitecustomizer.py", Source),
            ("src/x.egg-info/SOURCES.txt", BuildConfig),
            ("PKG-INFO", BuildConfig),
            ("requirements/tests.txt", BuildConfig),
            ("pytest.py", Startup),
            ("src/_pytest/runner.py", Startup),
            ("unittest/__init__.py", Startup),
            ("src/json.py", Startup),
            ("pkg/a.pyc", Bytecode),
            ("tests/__pycache__/x", Bytecode),
            ("pkg/_speedups.so", Bytecode),
            (".gitattributes", Vcs),
            ("a/.gitignore", Vcs),
            (".github/workflows/x.yml", Ci),
            (".gitlab-ci.yml", Ci),
            ("docs/conf.py", Docs),
            ("CHANGES.rst", Docs),
            ("README.md", Docs),
        ] {
            assert_eq!(classify(path), class, "{path}");
        }
    }

    #[test]
    fn a_module_of_the_repository_itself_is_source_even_if_the_runner_has_its_name() {
        let base_has = |path: &str| path == "src/_pytest" || path == "py.py";
        assert_eq!(classify_in("src/_pytest/runner.py", base_has), PathClass::Source);
        assert_eq!(classify_in("py.py", base_has), PathClass::Source);
        assert_eq!(classify_in("src/pluggy/__init__.py", base_has), PathClass::Startup);
        assert_eq!(classify_in("src/_pytest/conftest.py", base_has), PathClass::RunnerConfig);
        assert_eq!(classify_in("src/_pytest/sitecustomize.py", base_has), PathClass::Startup);
    }

    #[test]
    fn a_repair_may_decide_source_build_ci_and_docs_only() {
        for class in [PathClass::Source, PathClass::BuildConfig, PathClass::Ci, PathClass::Docs] {
            assert!(!protected(class), "{class:?}");
        }
        for class in
            [PathClass::Test, PathClass::Fixture, PathClass::RunnerConfig, PathClass::Startup, PathClass::Bytecode]
        {
            assert!(protected(class), "{class:?}");
        }
        assert!(protected(PathClass::Vcs));
    }
}
