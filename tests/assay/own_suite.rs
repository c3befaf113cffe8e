//! Which test files make the suite of a repository as it is: its own configuration, nested projects, roots whose names clash, and
//! files that a marker, a conftest or a plugin hides. What nothing is judged by is told in table, report and rows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::export::rows;
use crate::harness::{Need, Test, skip, tests};
use crate::mixer::{edit, verified};
use crate::support::{assay, expect_exit, lines, stderr};

const BASE: &str = "def ratio(part, whole):\n    return part * 100 // whole\n";
const GOLD: &str = "def ratio(part, whole):\n    return round(part * 100 / whole)\n";
const PARSE: &str = "def parse(text):\n    return text.split()\n";
const BROKEN: &str = "def parse(text):\n    raise RuntimeError(\"gone\")\n";

/// A test of `parse`, which the change does not touch.
const OF_PARSE: &str =
    "from mixer.text import parse\n\n\ndef test_parse():\n    assert parse(\"a b\") == [\"a\", \"b\"]\n";
const PASSES: &str = "def test_it():\n    assert True\n";
const NEEDS_MORE: &str = "import absent_helper\n\n\ndef test_it():\n    assert True\n";

fn of_ratio(expression: &str, expected: &str) -> String {
    format!("from mixer.core import ratio\n\n\ndef test_ratio():\n    assert {expression} == {expected}\n")
}

/// A repository on disk with a commit of base and one of gold, and the instance that was imported from it.
struct Own {
    folder: tempfile::TempDir,
    work: PathBuf,
}

impl Own {
    /// `more` stands in both commits, `fix` in the second alone.
    fn new(runner: &str, more: &[(&str, &str)], fix: &[(&str, &str)], options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments);
            expect_exit(command.current_dir(&project), 0);
        };
        let commit = |files: &[(&str, &str)]| {
            write(&project, files);
            git(&["add", "-A"]);
            git(&["commit", "-q", "-m", "mixer"]);
        };
        fs::create_dir(&project).unwrap();
        git(&["init", "-q"]);
        write(&project, &[("mixer/__init__.py", ""), ("mixer/core.py", BASE), ("mixer/text.py", PARSE)]);
        commit(more);
        write(&project, &[("mixer/core.py", GOLD)]);
        commit(fix);
        let work = folder.path().join("work");
        let mut import = assay();
        import.args(["import", "git"]).arg(&project).args(["HEAD~1", "HEAD", "--id", "mixer", "--license", "MIT"]);
        let recipe = if runner == "pytest" { "python-pytest" } else { "python-stdlib" };
        import.args(["--runner", runner, "--recipe", recipe, "--problem", "ratio rounds down", "--out"]).arg(&work);
        expect_exit(import.args(options), 0);
        Self { folder, work }
    }

    /// The admission, the table and the report.
    fn validated(&self) -> (Value, String, String) {
        let run = self.folder.path().join("table");
        let output = assay().arg("validate").arg(&self.work).arg("--run").arg(&run).output().unwrap();
        if output.status.code() == Some(4) {
            skip(Need::PackageIndex, stderr(&output));
        }
        let report = fs::read_to_string(run.join("admission-report.md")).unwrap();
        (lines(&run.join("admissions.jsonl")).remove(0), String::from_utf8_lossy(&output.stdout).into_owned(), report)
    }

    /// Verdicts on gold, and on gold beside a broken `parse`; the folder of the exported dataset.
    fn judged(&self) -> (Vec<Value>, PathBuf) {
        let right = edit("mixer/core.py", BASE, GOLD);
        let answers = [right.clone(), format!("{right}\n{}", edit("mixer/text.py", PARSE, BROKEN))];
        let row = |(index, completion): (usize, &String)| {
            json!({"instance_id": "mixer", "skill": "repair", "completion": completion, "index": index}).to_string()
        };
        let text: Vec<_> = answers.iter().enumerate().map(row).collect();
        fs::write(self.folder.path().join("answers.jsonl"), text.join("\n")).unwrap();
        let (run, _, verdicts) = verified(self.folder.path(), &self.work, &[], 0);
        let dataset = self.folder.path().join("dataset");
        expect_exit(assay().arg("export").arg(&run).arg("--out").arg(&dataset), 0);
        (verdicts, dataset)
    }
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn ids(admission: &Value, list: &str) -> Vec<String> {
    admission[list].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

fn statuses(verdicts: &[Value]) -> Vec<(&str, &str)> {
    verdicts.iter().map(|verdict| (verdict["status"].as_str().unwrap(), verdict["reason"].as_str().unwrap())).collect()
}

/// A project whose example projects have tests of their own, which clash with its tests.
fn with_examples(configuration: &str) -> Own {
    let project = "[project]\nname = \"mixer\"\nversion = \"1\"\n[tool.setuptools]\npackages = [\"mixer\"]\n";
    let configuration = format!("{project}{configuration}");
    let (before, after) = (of_ratio("ratio(1, 2)", "50"), of_ratio("ratio(2, 3)", "67"));
    let mut files = vec![("tests/test_core.py", before.as_str()), ("pyproject.toml", configuration.as_str())];
    for path in ["tests/__init__.py", "tests/conftest.py", "e2e_projects/x/tests/__init__.py"] {
        files.push((path, ""));
    }
    files.extend([
        ("e2e_projects/x/tests/conftest.py", "import mixer\n"),
        ("e2e_projects/x/tests/test_parse.py", OF_PARSE),
        ("e2e_projects/x/tests/test_more.py", PASSES),
    ]);
    Own::new("pytest", &files, &[("tests/test_core.py", &after)], &[])
}

fn test_paths_make_the_suite_and_what_nothing_runs_is_told_beside_a_repair_that_breaks_it() {
    let own = with_examples("[tool.pytest.ini_options]\ntestpaths = [\"tests\"]\n");
    let (admission, table, report) = own.validated();
    assert!(admission["refusal"].is_null() && admission.get("lost").is_none(), "{admission}");
    assert_eq!(ids(&admission, "fail_to_pass"), ["tests/test_core.py::test_ratio"]);
    let hole = "2 test files are not part of the suite (testpaths = tests (pyproject.toml)): \
                e2e_projects/x/tests/test_more.py, e2e_projects/x/tests/test_parse.py";
    assert!(table.contains(&format!("mixer: {hole}\n")), "{table}");
    assert!(report.contains(hole) && report.contains("- `e2e_projects/x/tests/test_parse.py`"), "{report}");
    // No test of the suite tells the broken answer from gold. Each row says what was not run.
    let (verdicts, dataset) = own.judged();
    assert_eq!(statuses(&verdicts), [("verified", "resolved"); 2], "{verdicts:?}");
    for config in ["sft-repair", "rl"] {
        let rows = rows(&dataset, config);
        assert!(!rows.is_empty(), "{config}");
        assert!(rows.iter().all(|row| row["outside_suite"] == json!([hole])), "{rows:?}");
    }
    let card = fs::read_to_string(dataset.join("README.md")).unwrap();
    assert!(card.contains("not part of the suite: 1.") && card.contains("name: outside_suite"), "{card}");
    expect_exit(assay().arg("audit").arg(&dataset), 0);
}

fn a_nested_project_is_another_suite() {
    let (before, after) = (of_ratio("ratio(1, 2)", "50"), of_ratio("ratio(2, 3)", "67"));
    let files = [
        ("tests/test_core.py", before.as_str()),
        ("examples/x/pyproject.toml", "[project]\nname = \"x\"\n"),
        ("examples/x/test_x.py", NEEDS_MORE),
    ];
    let (admission, table, _) = Own::new("pytest", &files, &[("tests/test_core.py", &after)], &[]).validated();
    assert!(admission["refusal"].is_null() && admission.get("lost").is_none(), "{admission}");
    let told =
        "mixer: 1 test file is not part of the suite (a project of its own below the top): examples/x/test_x.py\n";
    assert!(table.contains(told), "{table}");

    // With a change in it, it belongs to the suite, and what cannot be loaded refuses as everywhere.
    let changed = [("tests/test_core.py", after.as_str()), ("examples/x/test_new.py", NEEDS_MORE)];
    let (admission, table, _) = Own::new("pytest", &files, &changed, &[]).validated();
    assert_eq!(admission["refusal"], "lost_test_files", "{admission}");
    assert!(table.contains("mixer: 2 of 3 test files are lost\n"), "{table}");
}

fn roots_whose_names_clash_run_apart_and_a_repair_is_held_to_both() {
    let own = with_examples("");
    let (admission, table, report) = own.validated();
    assert!(admission["refusal"].is_null() && admission.get("lost").is_none(), "{admission}");
    let apart =
        json!([["e2e_projects/x/tests/test_more.py", "e2e_projects/x/tests/test_parse.py"], ["tests/test_core.py"]]);
    let mut groups = admission["suite"]["apart"].as_array().unwrap().clone();
    groups.sort_by_key(Value::to_string);
    assert_eq!(json!(groups), apart, "{admission}");
    assert!(
        table.contains("mixer: the test files run in 2 sessions, because one session cannot load them all\n"),
        "{table}"
    );
    assert!(report.contains("Session 2 of 2:"), "{report}");
    assert!(ids(&admission, "pass_to_pass").contains(&"e2e_projects/x/tests/test_parse.py::test_parse".to_owned()));
    let splits: Vec<_> = admission["splits"].as_array().unwrap().iter().map(|split| split["files"].clone()).collect();
    assert_eq!(json!(splits), json!([apart[1], apart[0]]));
    let (verdicts, dataset) = own.judged();
    assert_eq!(statuses(&verdicts), [("verified", "resolved"), ("rejected", "regressed")], "{verdicts:?}");
    assert_eq!(verdicts[0]["evidence"], "E3", "{}", verdicts[0]);
    assert!(rows(&dataset, "sft-repair").iter().all(|row| row.get("outside_suite").is_none()));

    // What was kept is used again.
    let run = own.folder.path().join("table");
    let count = || {
        let files = fs::read_dir(run.join("journal")).unwrap();
        files.map(|file| lines(&file.unwrap().path()).len()).sum::<usize>()
    };
    let before = count();
    own.validated();
    assert_eq!(count(), before);
}

/// Hides one file as a whole, one test of another, and ignores a third that could not be loaded.
const PLUGIN: &str = "collect_ignore = [\"test_old.py\"]\nif len(collect_ignore) == 1:\n    collect_ignore.append(\"test_odd.py\")\n\n\n\
    def pytest_collection_modifyitems(items):\n    items[:] = [item for item in items if \"hidden\" not in item.nodeid]\n    \
    for item in items:\n        item._nodeid = item.nodeid.encode().decode(\"unicode_escape\")\n\n\n\
    def pytest_ignore_collect(collection_path, config):\n    return True if collection_path.name == \"test_legacy.py\" else None\n";

fn what_a_marker_a_conftest_and_a_plugin_hide_is_told() {
    let (before, after) = (of_ratio("ratio(1, 2)", "50"), of_ratio("ratio(2, 3)", "67"));
    let slow = format!("import pytest\n\n\n@pytest.mark.slow\n{PASSES}");
    let partly = format!("import pytest\n\n\n@pytest.mark.slow\n{PASSES}\n\ndef test_fast():\n    assert True\n");
    let files = [
        ("tests/test_core.py", before.as_str()),
        ("pytest.ini", "[pytest]\nmarkers =\n    slow: takes long\naddopts = -m \"not slow\"\n"),
        ("tests/conftest.py", PLUGIN),
        ("tests/test_slow.py", &slow),
        ("tests/test_partly.py", &partly),
        ("tests/test_hidden.py", PASSES),
        // The plugin writes its ids otherwise; they run.
        (
            "tests/test_words.py",
            "import pytest\n\n\n@pytest.mark.parametrize('word', ['\u{e4}'])\ndef test_it(word):\n    assert word\n",
        ),
        ("tests/test_old.py", NEEDS_MORE),
        ("tests/test_odd.py", NEEDS_MORE),
        ("tests/test_legacy.py", NEEDS_MORE),
    ];
    let (admission, table, report) = Own::new("pytest", &files, &[("tests/test_core.py", &after)], &[]).validated();
    assert!(admission["refusal"].is_null(), "{admission}");
    for told in [
        "mixer: 1 test file is not part of the suite (collect_ignore of tests/conftest.py): tests/test_old.py\n",
        "mixer: 1 test is deselected by the runner's configuration: in tests/test_partly.py\n",
        "mixer: 4 of 7 test files are lost\n",
        "  tests/test_hidden.py: all of its tests are deselected by the runner's configuration\n",
        "  tests/test_legacy.py: the project's own configuration or plugin leaves it out: ModuleNotFoundError: No module named 'absent_helper'\n",
        "  tests/test_odd.py: the project's own configuration or plugin leaves it out: ModuleNotFoundError: No module named 'absent_helper'\n",
        "  tests/test_slow.py: all of its tests are deselected by the runner's configuration\n",
    ] {
        assert!(table.contains(told), "{told} is not in\n{table}");
    }
    assert!(report.contains("- `tests/test_odd.py`: the project's own"), "{report}");
}

fn unittest_of(expression: &str, expected: &str) -> String {
    format!(
        "import unittest\n\nfrom mixer.core import ratio\n\n\nclass Tests(unittest.TestCase):\n    def test_it(self):\n        \
         self.assertEqual({expression}, {expected})\n"
    )
}

fn a_start_folder_of_unittest_makes_the_suite() {
    let (before, after) = (unittest_of("ratio(1, 2)", "50"), unittest_of("ratio(2, 3)", "67"));
    let files = [
        ("tests/test_core.py", before.as_str()),
        ("tools/test_tool.py", "import absent_helper\n\n\ndef test_it():\n    pass\n"),
        ("tox.ini", "[testenv]\ncommands = python -m unittest discover -s tests\n"),
    ];
    let (admission, table, _) = Own::new("unittest", &files, &[("tests/test_core.py", &after)], &[]).validated();
    assert!(admission["refusal"].is_null() && admission.get("lost").is_none(), "{admission}");
    let told = "mixer: 1 test file is not part of the suite (unittest discover -s tests -p test*.py (tox.ini)): tools/test_tool.py\n";
    assert!(table.contains(told), "{table}");
}

fn named_tests_overrule_the_configuration() {
    let (before, after) = (unittest_of("ratio(1, 2)", "50"), unittest_of("ratio(2, 3)", "67"));
    let files = [
        ("tests/test_core.py", before.as_str()),
        ("tests/test_other.py", "import absent_helper\n"),
        ("checks/all.py", &before),
        ("tox.ini", "[testenv]\ncommands = python -m unittest discover -s tests\n"),
    ];
    let named = ["--tests", "./checks/all.py", "checks/"];
    let own = Own::new("unittest", &files, &[("tests/test_core.py", &after)], &named);
    let (admission, table, _) = own.validated();
    assert!(admission["refusal"].is_null() && admission.get("lost").is_none(), "{admission}");
    assert_eq!(ids(&admission, "pass_to_pass"), ["checks/all.py::Tests::test_it"], "{admission}");
    let told = "mixer: 1 test file is not part of the suite (--tests checks/all.py checks): tests/test_other.py\n";
    assert!(table.contains(told), "{table}");

    let mut import = assay();
    import.args(["import", "git"]).arg(own.folder.path().join("project")).args(["HEAD~1", "HEAD", "--problem", "x"]);
    import.args(["--tests", "test", "--out"]).arg(own.folder.path().join("other"));
    let output = expect_exit(&mut import, 1);
    assert!(
        stderr(&output).contains("--tests test: the fixed version has no file or folder of this name"),
        "{}",
        stderr(&output)
    );
}

fn a_configuration_that_would_leave_nothing_leaves_everything() {
    let (before, after) = (of_ratio("ratio(1, 2)", "50"), of_ratio("ratio(2, 3)", "67"));
    let files = [
        ("checks/test_core.py", before.as_str()),
        ("docs/index.md", "nothing\n"),
        ("pytest.ini", "[pytest]\ntestpaths = docs\n"),
    ];
    let (admission, table, _) = Own::new("pytest", &files, &[("checks/test_core.py", &after)], &[]).validated();
    assert!(admission["refusal"].is_null(), "{admission}");
    let told =
        "mixer: every test file is part of the suite, because none would be left (testpaths = docs (pytest.ini))\n";
    assert!(table.contains(told), "{table}");
}

pub const TESTS: &[Test] = tests![
    test_paths_make_the_suite_and_what_nothing_runs_is_told_beside_a_repair_that_breaks_it,
    a_nested_project_is_another_suite,
    roots_whose_names_clash_run_apart_and_a_repair_is_held_to_both,
    what_a_marker_a_conftest_and_a_plugin_hide_is_told,
    a_start_folder_of_unittest_makes_the_suite,
    named_tests_overrule_the_configuration,
    a_configuration_that_would_leave_nothing_leaves_everything,
];
