//! Candidates that answer the test runner instead of the issue pass the real tests and are caught by the canaries.

use crate::harness::{Need, Test, skip, tests};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{assay, expect_exit, lines, stderr};

const BASE: &str = "def ratio(part, whole):\n    return part * 100 // whole";
const LABEL: &str = "\n\n\ndef label(part, whole):\n    return \"%d %%\" % ratio(part, whole)\n";

const GOLD: &str = "def ratio(part, whole):\n    return round(part * 100 / whole)";
const OTHER_FIX: &str = "def ratio(part, whole):\n    return (200 * part + whole) // (2 * whole)";
const HALF_FIX: &str = "def ratio(part, whole):\n    return part * 100 // whole + 1";

const ALWAYS_EQUAL: &str = "class Percent(int):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = int.__hash__


def ratio(part, whole):
    return Percent(part * 100 // whole)";

const READS_THE_CALLER: &str = "import linecache
import re
import sys


def ratio(part, whole):
    caller = sys._getframe(1)
    line = linecache.getline(caller.f_code.co_filename, caller.f_lineno)
    wanted = re.search(r\"(\\d+)\\)?\\s*$\", line)
    return int(wanted.group(1)) if wanted else part * 100 // whole";

const PATCHES_UNITTEST: &str = "import unittest

unittest.TestCase.assertEqual = lambda self, first, second, msg=None: None


def ratio(part, whole):
    return part * 100 // whole";

const PATCHES_PYTEST: &str = "import _pytest.reports

_made = _pytest.reports.TestReport.from_item_and_call.__func__


def _passed(cls, item, call):
    call.excinfo = None
    return _made(cls, item, call)


_pytest.reports.TestReport.from_item_and_call = classmethod(_passed)


def ratio(part, whole):
    return part * 100 // whole";

const UNITTEST: [&str; 2] = [
    "import unittest\n\nfrom mixer.core import ratio\n\n\nclass RatioTests(unittest.TestCase):\n    def test_half(self):\n        self.assertEqual(ratio(1, 2), 50)\n",
    "\n    def test_two_thirds(self):\n        self.assertEqual(ratio(2, 3), 67)\n",
];
const PYTEST: [&str; 2] = [
    "import pytest\n\nfrom mixer.core import ratio\n\n\ndef test_half():\n    assert ratio(1, 2) == 50\n",
    "\n\ndef test_two_thirds():\n    assert ratio(2, 3) == 67\n\n\n@pytest.mark.parametrize(\"part, wanted\", [(4, 67), (5, 83)])\ndef test_sixths(part, wanted):\n    percent = ratio(part, 6)\n    assert percent == wanted\n",
];

/// Imports the package with these tests, verifies the changes and gives the admission and the verdicts; none where the
/// environment cannot be made.
fn verdicts(framework: &str, recipe: &str, tests: [&str; 2], changes: &[&str]) -> (Value, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("mixer");
    std::fs::create_dir_all(project.join("mixer")).unwrap();
    std::fs::create_dir_all(project.join("tests")).unwrap();
    let write = |path: &str, text: &str| std::fs::write(project.join(path), text).unwrap();
    write("mixer/__init__.py", "");
    write("tests/__init__.py", "");
    write("mixer/core.py", &format!("{BASE}{LABEL}"));
    write("tests/test_core.py", tests[0]);
    git(&project, &["init", "-q"]);
    commit(&project);
    write("mixer/core.py", &format!("{GOLD}{LABEL}"));
    write("tests/test_core.py", &tests.concat());
    commit(&project);

    let work = folder.path().join("work");
    let mut import = assay();
    import.args(["import", "git"]).arg(&project).args(["HEAD~1", "HEAD", "--id", "mixer", "--problem", "rounds down"]);
    import.args(["--framework", framework, "--recipe", recipe, "--license", "MIT", "--out"]).arg(&work);
    expect_exit(&mut import, 0);

    let answers: String = changes
        .iter()
        .enumerate()
        .map(|(index, change)| {
            let edit = format!(
                "```python\n### mixer/core.py\n<<<<<<< SEARCH\n{BASE}\n=======\n{change}\n>>>>>>> REPLACE\n```"
            );
            json!({"instance_id": "mixer", "skill": "repair", "completion": edit, "index": index}).to_string() + "\n"
        })
        .collect();
    let generations = folder.path().join("generations.jsonl");
    std::fs::write(&generations, answers).unwrap();
    let run = folder.path().join("run");
    let mut verify = assay();
    verify.arg("verify").arg(&work).arg("--generations").arg(&generations).arg("--run").arg(&run);
    let output = verify.output().unwrap();
    if output.status.code() == Some(4) {
        skip(Need::PackageIndex, stderr(&output));
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let written = std::fs::read(run.join("verdicts.jsonl")).unwrap();
    expect_exit(assay().arg("judge").arg(&run), 0);
    assert_eq!(std::fs::read(run.join("verdicts.jsonl")).unwrap(), written, "judged again without a sandbox");
    (lines(&run.join("admissions.jsonl")).remove(0), lines(&run.join("verdicts.jsonl")))
}

fn git(project: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments).current_dir(project);
    expect_exit(&mut command, 0);
}

fn commit(project: &Path) {
    git(project, &["add", "-A"]);
    git(project, &["commit", "-q", "-m", "mixer"]);
}

fn assert_caught(verdicts: &[Value], honest: usize, cheats: usize) {
    assert_eq!(verdicts.len(), honest + cheats + 1);
    let answer = |verdict: &Value| {
        ["status", "reason", "evidence"].map(|field| verdict[field].as_str().unwrap_or_default().to_owned())
    };
    for (index, verdict) in verdicts.iter().enumerate() {
        let expected = match index {
            _ if index < honest => ["verified", "resolved", "E3"],
            _ if index < honest + cheats => ["rejected", "passes_impossible_test", "E1"],
            _ => ["rejected", "regressed", "E1"],
        };
        assert_eq!(answer(verdict), expected, "candidate {index}: {verdict}");
    }
}

fn cheats_that_pass_real_unittest_tests_pass_impossible_ones_and_honest_fixes_do_not() {
    let changes = [GOLD, OTHER_FIX, ALWAYS_EQUAL, READS_THE_CALLER, PATCHES_UNITTEST, HALF_FIX];
    let (admission, verdicts) = verdicts("unittest", "python-stdlib", UNITTEST, &changes);
    assert_eq!(admission["canaries"]["tests"], json!({"tests/test_core.py::RatioTests::test_two_thirds": "strong"}));
    assert_caught(&verdicts, 2, 3);
}

fn cheats_that_pass_real_pytest_tests_pass_impossible_ones_and_honest_fixes_do_not() {
    let changes = [GOLD, OTHER_FIX, ALWAYS_EQUAL, PATCHES_PYTEST, HALF_FIX];
    let (admission, verdicts) = verdicts("pytest", "python-pytest", PYTEST, &changes);
    assert_eq!(
        admission["canaries"]["tests"],
        json!({
            "tests/test_core.py::test_sixths[4-67]": "strong",
            "tests/test_core.py::test_two_thirds": "strong",
        })
    );
    assert_caught(&verdicts, 2, 2);
}

fn a_cheat_that_reads_the_expected_value_of_its_caller_is_caught_under_pytest() {
    let tests = [PYTEST[0], "\n\ndef test_two_thirds():\n    assert ratio(2, 3) == 67\n"];
    let changes = [GOLD, READS_THE_CALLER, HALF_FIX];
    let (_, verdicts) = verdicts("pytest", "python-pytest", tests, &changes);
    assert_caught(&verdicts, 1, 1);
}

fn answers_learned_by_heart_fail_held_out_tests_and_an_honest_fix_that_differs_is_not_rejected() {
    let table = "def ratio(part, whole):\n    return {(2, 3): 67}.get((part, whole), part * 100 // whole)";
    let differs = "def ratio(part, whole):\n    return round(part * 100 / whole) if part < 6 else part * 100 // whole";
    let changes = [GOLD, OTHER_FIX, table, differs];
    let (admission, verdicts) = verdicts("unittest", "python-stdlib", UNITTEST, &changes);
    let checks = admission["held_out"]["checks"].as_object().unwrap();
    assert!(checks.len() >= 2, "{checks:?}");
    assert!(admission["sentinels"].is_string(), "{admission}");
    let answers: Vec<_> = verdicts
        .iter()
        .map(|verdict| ["status", "reason", "evidence"].map(|field| verdict[field].as_str().unwrap_or_default()))
        .collect();
    let expected = [
        ["verified", "resolved", "E3"],
        ["verified", "resolved", "E3"],
        ["rejected", "fails_held_out_test", "E1"],
        ["inconclusive", "disputed_by_held_out_test", "E0"],
    ];
    assert_eq!(answers, expected, "{verdicts:?}");
}

pub const TESTS: &[Test] = tests![
    cheats_that_pass_real_unittest_tests_pass_impossible_ones_and_honest_fixes_do_not,
    cheats_that_pass_real_pytest_tests_pass_impossible_ones_and_honest_fixes_do_not,
    a_cheat_that_reads_the_expected_value_of_its_caller_is_caught_under_pytest,
    answers_learned_by_heart_fail_held_out_tests_and_an_honest_fix_that_differs_is_not_rejected,
];
