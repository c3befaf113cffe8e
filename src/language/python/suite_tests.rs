use std::collections::BTreeSet;

use super::super::paper::Paper;
use super::*;

/// What is left of the tree's test files, and why the others are not: reason -> files.
fn suite(files: &[(&str, &str)], runner: &str, changed: &[&str]) -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    let tests = files.iter().map(|(path, _)| *path).filter(|path| {
        let name = path.rsplit('/').next().unwrap();
        name.starts_with("test_") || name.ends_with("_test.py") || name.starts_with("check_")
    });
    let collected: Vec<_> = tests.map(str::to_owned).collect();
    let changed: BTreeSet<_> = changed.iter().map(|path| (*path).to_owned()).collect();
    let question = Question { runner, collected: &collected, changed: &changed };
    let rules = left_out(&Paper::of(files), question).unwrap();
    let (left, suite) = crate::language::suite::settled(question, rules);
    let outside = suite.outside.into_iter().map(|(why, files)| (why, files.into_iter().collect()));
    (left, outside.collect())
}

fn reasons(files: &[(&str, &str)]) -> Vec<String> {
    suite(files, "pytest", &[]).1.into_keys().collect()
}

/// Empty files of these paths, and files with texts.
fn tree<'t>(paths: &[&'t str], more: &[(&'t str, &'t str)]) -> Vec<(&'t str, &'t str)> {
    paths.iter().map(|path| (*path, "")).chain(more.iter().copied()).collect()
}

const TESTS: [&str; 4] = ["e2e/x/tests/test_x.py", "pkg/tests/test_p.py", "tests/test_a.py", "tests/unit/test_b.py"];

#[test]
fn a_start_above_nested_projects_takes_them_in() {
    let files = tree(
        &["packages/core/tests/test_a.py", "packages/app/tests/test_b.py"],
        &[("packages/core/pyproject.toml", "[project]\n"), ("packages/app/pyproject.toml", "[project]\n")],
    );
    assert!(suite(&files, "pytest", &[]).0.len() == 2, "a rule that leaves nothing does not count");
    let top = ("tests/test_top.py", "");
    let alone: Vec<_> = files.iter().copied().chain([top]).collect();
    assert_eq!(suite(&alone, "pytest", &[]).0, ["tests/test_top.py"]);
    let ini = ("pytest.ini", "[pytest]\ntestpaths = packages tests\n");
    let named: Vec<_> = alone.into_iter().chain([ini]).collect();
    assert_eq!(suite(&named, "pytest", &[]).0.len(), 3);
}

#[test]
fn test_paths_are_the_suite_with_patterns_too() {
    let ini = |paths: &str| format!("[pytest]\ntestpaths = {paths}\n");
    for (paths, left) in [
        ("tests", &TESTS[2..]),
        ("./tests/ nowhere", &TESTS[2..]),
        ("tests/unit", &TESTS[3..]),
        ("tests/unit/test_b.py", &TESTS[3..]),
        ("*/tests", &TESTS[1..2]),
        ("**/tests", &TESTS[..]),
        // pytest looks everywhere then.
        ("nowhere", &TESTS[..]),
        (".", &TESTS[..]),
        ("tests $HOME", &TESTS[..]),
    ] {
        let text = ini(paths);
        let (found, outside) = suite(&tree(&TESTS, &[("tox.ini", &text)]), "pytest", &[]);
        assert_eq!(found, left, "{paths}");
        let why = format!("testpaths = {paths} (tox.ini)");
        assert_eq!(outside.get(&why).map_or(0, Vec::len), TESTS.len() - left.len(), "{outside:?}");
    }
    let pyargs = "[pytest]\ntestpaths = pkg.tests\naddopts = --pyargs\n";
    assert_eq!(suite(&tree(&TESTS, &[("pytest.ini", pyargs)]), "pytest", &[]).0, [TESTS[1]]);
    // What the change touches always belongs, and another runner reads another configuration.
    let files = tree(&TESTS, &[("pytest.ini", "[pytest]\ntestpaths = tests\n")]);
    assert_eq!(suite(&files, "pytest", &[TESTS[0]]).0, [TESTS[0], TESTS[2], TESTS[3]]);
    assert_eq!(suite(&files, "unittest", &[]).0, TESTS);
}

#[test]
fn folders_that_pytest_does_not_look_into_are_left_out() {
    let tests =
        [".hidden/test_h.py", "build/test_w.py", "tests/build/deep/test_d.py", "tests/test_a.py", "x.egg/test_e.py"];
    assert_eq!(
        reasons(&tree(&tests, &[])),
        [
            "norecursedirs = *.egg (pytest's own)",
            "norecursedirs = .* (pytest's own)",
            "norecursedirs = build (pytest's own)"
        ]
    );
    let own = ("setup.cfg", "[tool:pytest]\nnorecursedirs = deep tests/none\n");
    assert_eq!(reasons(&tree(&tests, &[own])), ["norecursedirs = deep (setup.cfg)"]);
    // What `testpaths` names is looked into.
    let named = ("setup.cfg", "[tool:pytest]\ntestpaths = build tests/build\n");
    assert_eq!(suite(&tree(&tests, &[named]), "pytest", &[]).0, [tests[1], tests[2]]);
}

#[test]
fn options_and_conftest_files_leave_files_out() {
    let tests =
        ["tests/old/test_o.py", "tests/slow/test_s.py", "tests/test_a.py", "tests/test_b.py", "tests/test_c.py"];
    let ini = "[pytest]\naddopts = --ignore=tests/old --ignore-glob='tests/*_b.py' --deselect tests/slow/ --deselect tests/test_c.py::test_x\n";
    assert_eq!(
        reasons(&tree(&tests, &[("pytest.ini", ini)])),
        [
            "--deselect=tests/slow/ (pytest.ini)",
            "--ignore-glob=tests/*_b.py (pytest.ini)",
            "--ignore=tests/old (pytest.ini)"
        ]
    );
    let conftest =
        ("tests/conftest.py", "collect_ignore = ['old', 'test_a.py']\ncollect_ignore_glob = ['*/test_s*']\n");
    let (left, outside) = suite(&tree(&tests, &[conftest]), "pytest", &[]);
    assert_eq!(left, tests[3..]);
    let ignored = &outside["collect_ignore of tests/conftest.py"];
    assert_eq!(ignored, &[tests[0], tests[2]]);
    assert_eq!(outside["collect_ignore_glob of tests/conftest.py"], [tests[1]]);
}

#[test]
fn names_that_the_configuration_does_not_collect_are_left_out() {
    let tests = ["tests/check_a.py", "tests/test_b.py", "tests/unit_test.py"];
    let ini = ("pytest.ini", "[pytest]\npython_files = check_*.py tests/test_*.py\n");
    assert_eq!(suite(&tree(&tests, &[ini]), "pytest", &[]).0, tests[..2]);
    assert_eq!(reasons(&tree(&tests, &[ini])), ["python_files = check_*.py tests/test_*.py (pytest.ini)"]);
}

#[test]
fn a_nested_project_is_left_out_unless_the_change_is_in_it() {
    let project = ("e2e/x/pyproject.toml", "[project]\nname = 'x'\n");
    for marker in [
        project,
        ("e2e/x/setup.py", "from setuptools import setup\nsetup(name='x')\n"),
        ("e2e/x/setup.cfg", "[metadata]\nname = x\n"),
        ("e2e/x/pytest.ini", ""),
        ("e2e/x/tox.ini", "[pytest]\n"),
    ] {
        for runner in ["pytest", "unittest"] {
            let (left, outside) = suite(&tree(&TESTS, &[marker]), runner, &["pkg/core.py"]);
            assert_eq!(left, TESTS[1..], "{marker:?}");
            assert_eq!(outside[nested::WHY], [TESTS[0]]);
            assert_eq!(suite(&tree(&TESTS, &[marker]), runner, &["e2e/x/src/x.py"]).0, TESTS);
        }
    }
    for marker in [
        ("e2e/x/pyproject.toml", "[tool.ruff]\nline-length = 100\n"),
        ("e2e/x/tox.ini", "[tox]\n"),
        ("pyproject.toml", "[project]\nname = 'top'\n"),
        ("e2e/x/tests/conftest.py", ""),
    ] {
        assert_eq!(suite(&tree(&TESTS, &[marker]), "pytest", &[]).0, TESTS, "{marker:?}");
    }
    let named = ("pytest.ini", "[pytest]\ntestpaths = tests e2e/x/tests\n");
    assert_eq!(suite(&tree(&TESTS, &[project, named]), "pytest", &[]).0, [TESTS[0], TESTS[2], TESTS[3]]);
}

#[test]
fn a_start_folder_of_unittest_is_the_suite() {
    let files =
        tree(&TESTS, &[("tests/unit/__init__.py", ""), ("Makefile", "test:\n\tpython -m unittest discover tests\n")]);
    let (left, outside) = suite(&files, "unittest", &[]);
    assert_eq!(left, TESTS[2..]);
    assert_eq!(outside["unittest discover -s tests -p test*.py (Makefile)"], TESTS[..2]);
}
