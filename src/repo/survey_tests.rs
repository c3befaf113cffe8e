//! Layouts of little trees with names that no convention knows.

use std::collections::BTreeSet;

use super::tests::{World, world};
use crate::language::Stated;
use crate::model::candidate::PathClass;
use crate::model::candidate::PathClass::*;
use crate::model::layout::Layout;

const CASE: &str =
    "import unittest\n\n\nclass A(unittest.TestCase):\n    def test_a(self):\n        self.assertTrue(1)\n";

fn layout(framework: &str, world: &World, files: &[(&str, &str)], stated: Stated<'_>) -> Layout {
    let tree = world.tree(files);
    super::layout(&world.repo, framework, &tree, &tree, stated).unwrap()
}

fn classes(layout: &Layout, table: &[(&str, PathClass)]) {
    for (path, class) in table {
        assert_eq!(layout.class(path), *class, "{path} in {layout:#?}");
    }
}

#[test]
fn a_folder_of_tests_is_one_whatever_it_is_called() {
    let files = [
        ("pkg/__init__.py", ""),
        ("pkg/core.py", "def f():\n    return 1\n"),
        ("checks/check_core.py", "from pkg.core import f\nimport shared\n\n\ndef test_f():\n    assert f() == 1\n"),
        ("checks/shared.py", "import json\n\n\ndef golden():\n    return json.load(open('golden.json'))\n"),
        ("checks/golden.json", "{}\n"),
        ("pytest.ini", "[pytest]\npython_files = check_*.py\n"),
    ];
    let world = world();
    let layout = layout("pytest", &world, &files, Stated::default());
    classes(
        &layout,
        &[
            ("pkg/core.py", Source),
            ("pkg/new.py", Source),
            ("checks/check_core.py", Test),
            ("checks/shared.py", Test),
            ("checks/new.py", Test),
            ("checks/__init__.py", Startup),
            ("checks/golden.json", Fixture),
            ("checks/json.py", Startup),
            ("pkg/json.py", Source),
        ],
    );
    assert!(layout.collects(&crate::runner::python::pytest::Pytest, "checks/check_core.py"));
    assert!(layout.collects(&crate::runner::python::pytest::Pytest, "checks/check_of_a_model.py"));
    assert!(!layout.collects(&crate::runner::python::pytest::Pytest, "checks/shared.py"));
}

#[test]
fn unittest_runs_what_the_command_of_the_project_finds() {
    let command = "[tool.hatch.envs.test.scripts]\ntest = 'python -m unittest discover -s shop -p \"*tests.py\"'\n";
    let files = [
        ("shop/__init__.py", ""),
        ("shop/tests/__init__.py", ""),
        ("shop/tests/cli_tests.py", CASE),
        ("shop/tests/base.py", CASE),
        ("shop/tests/no_tests.py", "X = 1\n"),
        ("pyproject.toml", command),
    ];
    let world = world();
    let collected = |framework: &str, runner: &dyn crate::runner::Runner| {
        let layout = layout(framework, &world, &files, Stated::default());
        files.iter().map(|(path, _)| *path).filter(|path| layout.collects(runner, path)).collect::<Vec<_>>()
    };
    assert_eq!(collected("unittest", &crate::runner::python::unittest::Unittest), ["shop/tests/cli_tests.py"]);
    assert_eq!(collected("pytest", &crate::runner::python::pytest::Pytest), Vec::<&str>::new());
}

#[test]
fn patterns_that_are_more_than_names_collect_what_holds_tests() {
    let case = "from pkg.core import f\n\n\ndef test_f():\n    assert f() == 1\n";
    for patterns in ["tests/*.py", "*.py", "[uv]nit.py", "un?t.py"] {
        let ini = format!("[pytest]\npython_files = {patterns}\n");
        let files = [
            ("pkg/__init__.py", ""),
            ("pkg/core.py", "def f():\n    return 1\n"),
            ("tests/unit.py", case),
            ("tests/data.py", "X = 1\n"),
            ("pytest.ini", &*ini),
        ];
        let world = world();
        let layout = layout("pytest", &world, &files, Stated::default());
        let collected: Vec<_> = ["pkg/core.py", "tests/unit.py", "tests/data.py"]
            .into_iter()
            .filter(|path| layout.collects(&crate::runner::python::pytest::Pytest, path))
            .collect();
        assert_eq!(collected, ["tests/unit.py"], "{patterns}");
    }
}

#[test]
fn modules_that_stand_beside_their_tests_stay_source() {
    let files = [
        ("pkg/__init__.py", ""),
        ("pkg/core.py", "def f():\n    return 1\n"),
        (
            "pkg/core_test.py",
            "from pkg.core import f\nfrom pkg import asserting\n\n\ndef test_f():\n    assert f() == 1\n",
        ),
        ("pkg/other.py", "def g():\n    return open('prices.csv')\n\n\nTABLES = 'tables'\n"),
        (
            "pkg/other_test.py",
            "from pkg.other import g\n\n\ndef test_g():\n    g()\n    open('wanted.csv')\n    open('pkg/golden/' + g())\n",
        ),
        ("pkg/golden/long.txt", "1\n"),
        ("pkg/tables/long.txt", "1\n"),
        ("pkg/asserting.py", "def assert_same(a, b):\n    assert a == b\n"),
        ("pkg/wanted.csv", "1\n"),
        ("pkg/prices.csv", "1\n"),
        ("elsewhere/tool.py", "import pkg\n"),
    ];
    let world = world();
    let layout = layout("pytest", &world, &files, Stated::default());
    assert_eq!(layout.test_dirs, BTreeSet::new());
    classes(
        &layout,
        &[
            ("pkg/core.py", Source),
            ("pkg/other.py", Source),
            ("pkg/new.py", Source),
            ("pkg/core_test.py", Test),
            // Used by tests only: a module that asserts, data that they name.
            ("pkg/asserting.py", Test),
            ("pkg/wanted.csv", Fixture),
            ("pkg/prices.csv", Source),
            // Tests name the folder, and source does not; the other way round.
            ("pkg/golden/long.txt", Fixture),
            ("pkg/tables/long.txt", Source),
        ],
    );
}

#[test]
fn test_cases_inside_the_package_are_found_by_what_they_hold() {
    let files = [
        ("pkg/__init__.py", ""),
        ("pkg/core.py", "import pkg.checked\n"),
        ("pkg/checked.py", CASE),
        ("pkg/selftest/__init__.py", ""),
        ("pkg/selftest/first.py", CASE),
        ("pkg/selftest/second.py", CASE),
        ("pkg/selftest/data.py", "ROWS = []\n"),
    ];
    let world = world();
    let layout = layout("unittest", &world, &files, Stated::default());
    classes(
        &layout,
        &[
            ("pkg/selftest/first.py", Test),
            ("pkg/selftest/data.py", Test),
            ("pkg/selftest/__init__.py", Test),
            ("pkg/selftest/rows.csv", Fixture),
            ("pkg/core.py", Source),
            // The package needs it, so a repair may change it, and its tests are not run.
            ("pkg/checked.py", Source),
        ],
    );
    assert!(layout.collects(&crate::runner::python::unittest::Unittest, "pkg/selftest/second.py"));
    assert!(!layout.collects(&crate::runner::python::unittest::Unittest, "pkg/checked.py"));
    assert!(!layout.collects(&crate::runner::python::unittest::Unittest, "pkg/selftest/third.py"));
    assert!(layout.collects_new(&crate::runner::python::unittest::Unittest, "pkg/selftest/third.py"));
    assert!(!layout.collects_new(&crate::runner::python::unittest::Unittest, "pkg/third.py"));
}

#[test]
fn what_gold_repairs_is_source_and_what_the_test_patch_changes_is_not() {
    let files = [
        ("num/__init__.py", ""),
        ("num/core.py", ""),
        ("num/testing/__init__.py", ""),
        ("num/testing/compare.py", "def close(a, b):\n    return a == b\n"),
        ("num/verify.py", "def test_one():\n    pass\n"),
        ("data.yaml", ""),
        ("docs/usage.rst", ">>> 1\n1\n"),
    ];
    let listed = ["docs/usage.rst".to_owned()];
    let world = world();
    let gold = ["num/testing/compare.py".to_owned()];
    let tests = ["num/verify.py".to_owned(), "data.yaml".to_owned()];
    let layout = layout("pytest", &world, &files, Stated { gold: &gold, tests: &tests, listed: &listed });
    classes(
        &layout,
        &[
            ("num/testing/compare.py", Source),
            ("num/testing/other.py", Test),
            ("num/verify.py", Test),
            ("data.yaml", Fixture),
            ("docs/usage.rst", Test),
            ("docs/other.rst", Docs),
            ("num/core.py", Source),
        ],
    );
    assert!(layout.collects(&crate::runner::python::pytest::Pytest, "num/verify.py"));
}

#[test]
fn plugins_of_the_tree_configure_the_runner_unless_the_package_needs_them() {
    let files = [
        ("pkg/__init__.py", ""),
        ("pkg/core.py", "from pkg import needed\n"),
        ("pkg/needed.py", ""),
        ("pkg/plugin.py", ""),
        ("tools/more.py", ""),
        ("conftest.py", "pytest_plugins = ['tools.more', 'pkg.needed']\n"),
        ("setup.cfg", "[tool:pytest]\naddopts = -p pkg.plugin -c own.conf\n"),
        ("own.conf", ""),
    ];
    let world = world();
    let layout = layout("pytest", &world, &files, Stated::default());
    classes(
        &layout,
        &[
            ("pkg/plugin.py", RunnerConfig),
            ("tools/more.py", RunnerConfig),
            ("own.conf", RunnerConfig),
            ("pkg/needed.py", Source),
        ],
    );
}

#[test]
fn import_roots_are_read_off_base_and_namespace_packages_are_none() {
    let files = [
        ("python/pkg/__init__.py", "from pkg import a\n"),
        ("python/pkg/a.py", ""),
        ("acme/tool/__init__.py", "import acme.tool\n"),
        ("src/__init__.py", ""),
        ("yaml.py", "own = 1\n"),
    ];
    let world = world();
    let mut layout = layout("pytest", &world, &files, Stated::default());
    layout.installed = ["yaml", "numpy"].map(str::to_owned).into();
    classes(
        &layout,
        &[
            ("python/numpy/__init__.py", Startup),
            ("numpy.py", Startup),
            ("yaml.py", Source),
            ("python/yaml.py", Startup),
            ("acme/json.py", Source),
            ("acme/numpy/__init__.py", Source),
            // `src` is a package here.
            ("src/json.py", Source),
            ("lib/json.py", Startup),
            ("numpy/data.txt", Source),
        ],
    );
}
