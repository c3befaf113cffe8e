//! Admission: planted tests that wobble, need the network or kill base leave with their reason, and the report names them.

use crate::harness::{Need, Test, skip, tests};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{assay, expect_exit, lines, stderr};

const BASE: &str =
    "import os\n\n\ndef ratio(part, whole):\n    if whole == 7:\n        os._exit(3)\n    return part * 100 // whole\n";
const GOLD: &str = "def ratio(part, whole):\n    return round(part * 100 / whole)\n";

const UNITTEST: &str = "import os
import time
import unittest
import urllib.request

from mixer.core import ratio

FILLED = []


class RatioTests(unittest.TestCase):
    def test_half(self):
        self.assertEqual(ratio(1, 2), 50)

    def test_two_thirds(self):
        self.assertEqual(ratio(2, 3), 67)

    def test_no_history(self):
        found = [folder for folder, folders, files in os.walk(os.getcwd()) if \".git\" in folders + files]
        self.assertEqual(found, [])


class WobblingTests(unittest.TestCase):
    def test_first_fills(self):
        FILLED.append(1)

    def test_second_reads(self):
        self.assertTrue(FILLED)

    def test_network(self):
        urllib.request.urlopen(\"http://example.org/\", timeout=5)

    def test_zone(self):
        self.assertEqual(time.tzname[0], \"UTC\")


def _coin(self):
    self.assertGreater(os.urandom(1)[0], 63)


for _number in range(6):
    setattr(WobblingTests, \"test_coin_%d\" % _number, _coin)
";

const PYTEST: &str = "import os
import socket
import time
import unittest
import urllib.request

import pytest

from mixer.core import ratio

FILLED = []


def test_half():
    assert ratio(1, 2) == 50


def test_two_thirds():
    assert ratio(2, 3) == 67


def test_first_fills():
    FILLED.append(1)


def test_second_reads():
    assert FILLED


class NetworkTests(unittest.TestCase):
    def test_network(self):
        urllib.request.urlopen(\"http://example.org/\", timeout=5)


def test_unreachable():
    socket.create_connection((\"192.0.2.1\", 80), timeout=5)


def test_zone():
    assert time.tzname[0] == \"UTC\"


@pytest.mark.parametrize(\"number\", range(6))
def test_coin(number):
    assert os.urandom(1)[0] > 63
";

fn a_part_of_gold_that_no_test_needs_is_said_and_its_file_need_not_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let tests = "import unittest\n\nfrom mixer.core import ratio\n\n\nclass RatioTests(unittest.TestCase):
    def test_thirds(self):\n        self.assertEqual(ratio(2, 3), 67)\n";
    let before =
        [("mixer/core.py", "def ratio(part, whole):\n    return part * 100 // whole\n"), ("mixer/words.py", "A = 1\n")];
    let after = [("mixer/core.py", GOLD), ("mixer/words.py", "A = 2\n"), ("tests/test_core.py", tests)];
    let work = imported(folder.path(), "unittest", "python-stdlib", &before, &after);
    let answers = ["mixer/core.py", "mixer/words.py"].map(|file| {
        json!({"instance_id": "mixer", "skill": "localization", "completion": format!("```\n{file}\n```")}).to_string()
    });
    let generations = folder.path().join("generations.jsonl");
    std::fs::write(&generations, answers.join("\n")).unwrap();
    let verified = |run: &str, flags: &[&str], code: i32| {
        let run = folder.path().join(run);
        let mut verify = assay();
        verify.arg("verify").arg(&work).arg("--generations").arg(&generations).arg("--run").arg(&run).args(flags);
        expect_exit(&mut verify, code);
        let statuses: Vec<_> = lines(&run.join("verdicts.jsonl"))
            .iter()
            .map(|verdict| verdict["status"].as_str().unwrap().to_owned())
            .collect();
        (lines(&run.join("admissions.jsonl")).remove(0), statuses)
    };
    let (admission, statuses) = verified("plain", &[], 2);
    assert_eq!(
        (&admission["unneeded"], &admission["gold_files"]),
        (&Value::Null, &json!(["mixer/core.py", "mixer/words.py"]))
    );
    assert_eq!(statuses, ["rejected", "rejected"]);
    let (admission, statuses) = verified("minimal", &["--minimal-gold"], 0);
    assert_eq!(admission["unneeded"], json!([{"path": "mixer/words.py", "start": 1, "lines": 1}]));
    assert_eq!(admission["gold_files"], json!(["mixer/core.py"]));
    assert_eq!(statuses, ["verified", "rejected"]);
}

fn an_environment_that_brings_the_projects_own_module_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tests = "from iniconfig import ratio\n\n\ndef test_thirds():\n    assert ratio(2, 3) == 67\n";
    // pytest brings a module of this name; there is no packaging metadata that would say whose it is.
    let before = [("iniconfig.py", "def ratio(part, whole):\n    return part * 100 // whole\n")];
    let work = imported(
        folder.path(),
        "pytest",
        "python-pytest",
        &before,
        &[("iniconfig.py", GOLD), ("tests/test_core.py", tests)],
    );
    let run = folder.path().join("run");
    expect_refused(assay().arg("validate").arg(&work).arg("--run").arg(&run));
    let admission = lines(&run.join("admissions.jsonl")).remove(0);
    if admission["refusal"] == "no_environment" {
        skip(Need::PackageIndex, admission["detail"].to_string());
    }
    assert_eq!(admission["refusal"], "answer_in_image", "{admission}");
    assert!(admission["detail"].as_str().unwrap().contains("iniconfig of iniconfig-"), "{admission}");
}

/// Runs a command that ends with findings, or for want of an environment.
fn expect_refused(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(matches!(output.status.code(), Some(2 | 4)), "{}", stderr(&output));
}

/// Validates the package with these tests, of which some that gold brings need the network; the admission, the report and its Markdown. None where the environment cannot be
/// made.
fn validated(framework: &str, recipe: &str, base: &str, tests: &str, flags: &[&str]) -> (Value, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let work = imported(
        folder.path(),
        framework,
        recipe,
        &[("mixer/core.py", base)],
        &[("mixer/core.py", GOLD), ("tests/test_core.py", tests)],
    );
    let run = folder.path().join("run");
    let output = assay().arg("validate").arg(&work).args(flags).arg("--run").arg(&run).output().unwrap();
    if output.status.code() == Some(4) {
        skip(Need::PackageIndex, stderr(&output));
    }
    let admission = lines(&run.join("admissions.jsonl")).remove(0);
    let code = if admission["refusal"].is_null() { 0 } else { 2 };
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    let report = serde_json::from_slice(&std::fs::read(run.join("admission-report.json")).unwrap()).unwrap();
    (admission, report, std::fs::read_to_string(run.join("admission-report.md")).unwrap())
}

/// Imports two commits of a package as the instance `mixer`.
fn imported(folder: &Path, framework: &str, recipe: &str, before: &[(&str, &str)], after: &[(&str, &str)]) -> PathBuf {
    let project = folder.join("mixer");
    std::fs::create_dir_all(project.join("mixer")).unwrap();
    std::fs::create_dir_all(project.join("tests")).unwrap();
    let write = |files: &[(&str, &str)]| {
        files.iter().for_each(|(path, text)| std::fs::write(project.join(path), text).unwrap());
    };
    write(&[("mixer/__init__.py", ""), ("tests/__init__.py", "")]);
    write(before);
    git(&project, &["init", "-q"]);
    commit(&project);
    write(after);
    commit(&project);
    let work = folder.join("work");
    let mut import = assay();
    import.args(["import", "git"]).arg(&project).args(["HEAD~1", "HEAD", "--id", "mixer", "--problem"]);
    import
        .args(["ratio in mixer/core.py rounds down", "--framework", framework, "--recipe", recipe, "--out"])
        .arg(&work);
    expect_exit(&mut import, 0);
    work
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

/// What became of each planted test, by the end of its id.
fn assert_planted(admission: &Value, report: &Value, markdown: &str, networked: &[&str]) {
    assert!(admission["refusal"].is_null(), "{admission}");
    let named = |list: &Value, name: &str| {
        list.as_array().unwrap().iter().any(|id| id.as_str().unwrap().ends_with(&format!("::{name}")))
    };
    let record = |name: &str| {
        let tests = admission["tests"].as_object().unwrap();
        let found = tests.iter().find(|(id, _)| id.ends_with(&format!("::{name}")));
        found.unwrap_or_else(|| panic!("no record of {name} in {tests:?}")).1.clone()
    };
    assert!(named(&admission["fail_to_pass"], "test_two_thirds"), "{admission}");
    assert_eq!(admission["fail_to_pass"].as_array().unwrap().len(), 1);
    assert!(named(&admission["pass_to_pass"], "test_half") && named(&admission["pass_to_pass"], "test_first_fills"));
    assert_eq!(record("test_two_thirds")["base_failure"], json!({"kind": "assertion"}));
    assert_eq!(record("test_second_reads")["standing"], "order_dependent", "{}", record("test_second_reads"));
    assert_eq!(record("test_zone")["standing"], "seed_or_zone_dependent", "{}", record("test_zone"));
    assert_eq!(admission["lost_tests"]["accepted"], true, "{admission}");
    assert_eq!(report["instances"][0]["witnesses"].as_array().unwrap().len(), networked.len(), "{report}");
    for name in networked {
        assert!(named(
            &json!(admission["lost_tests"]["fail_to_pass"].as_object().unwrap().keys().collect::<Vec<_>>()),
            name
        ));
        assert_eq!(record(name)["standing"], "network_dependent", "{}", record(name));
    }
    // Six coins, at least eight throws each: that five always fall the same way does not happen.
    let tests = admission["tests"].as_object().unwrap();
    let coins: Vec<_> = tests.iter().filter(|(id, _)| id.contains("test_coin")).collect();
    assert!(coins.len() >= 2, "{coins:?}");
    assert!(coins.iter().filter(|(_, record)| record["standing"] == "flaky").count() >= 1, "{coins:?}");
    for (id, record) in &coins {
        assert!(admission["unstable"].get(id.as_str()).is_some(), "{record}");
        assert!(!admission["pass_to_pass"].as_array().unwrap().contains(&json!(id)), "{id}");
        assert!(markdown.contains(&format!("`{id}`: ")), "{id} is not in\n{markdown}");
    }
    let one = &report["instances"][0];
    assert_eq!((&report["admitted"], &one["fail_to_pass"]), (&json!(1), &json!(1)));
    assert!(one["left"]["order_dependent"].as_object().unwrap().keys().any(|id| id.ends_with("test_second_reads")));
    assert_eq!(one["leaks"], json!({"solution_in_issue": false, "path_named_in_issue": true}));
}

fn planted_unittest_tests_that_wobble_or_need_the_network_leave_with_their_reason() {
    let (admission, report, text) = validated("unittest", "python-stdlib", BASE, UNITTEST, &["--accept-lost"]);
    assert_planted(&admission, &report, &text, &["test_network"]);
    let passing = admission["pass_to_pass"].as_array().unwrap();
    assert!(passing.contains(&json!("tests/test_core.py::RatioTests::test_no_history")), "{admission}");
}

fn planted_pytest_tests_that_wobble_or_need_the_network_leave_with_their_reason() {
    let (admission, report, text) = validated("pytest", "python-pytest", BASE, PYTEST, &["--accept-lost"]);
    assert_planted(&admission, &report, &text, &["test_network", "test_unreachable"]);
}

fn a_base_that_dies_in_one_test_does_not_make_the_tests_after_it_fail_to_pass() {
    let tests = "import unittest\n\nfrom mixer.core import ratio\n\n\nclass RatioTests(unittest.TestCase):
    def test_a(self):\n        self.assertEqual(ratio(1, 2), 50)\n
    def test_b(self):\n        self.assertEqual(ratio(7, 7), 100)\n
    def test_c(self):\n        self.assertEqual(ratio(1, 4), 25)\n
    def test_d(self):\n        self.assertEqual(ratio(2, 3), 67)\n";
    let (admission, ..) = validated("unittest", "python-stdlib", BASE, tests, &[]);
    let ids = |names: &[&str]| {
        json!(names.iter().map(|n| format!("tests/test_core.py::RatioTests::{n}")).collect::<Vec<_>>())
    };
    assert_eq!(admission["fail_to_pass"], ids(&["test_b", "test_d"]), "{admission}");
    assert_eq!(admission["pass_to_pass"], ids(&["test_a", "test_c"]));
    assert_eq!(admission["tests"]["tests/test_core.py::RatioTests::test_b"]["base_failure"]["kind"], "did_not_end");
}

fn a_refused_instance_says_why_in_table_and_report() {
    let tests = "import unittest\nimport urllib.request\n\n\nclass RatioTests(unittest.TestCase):
    def test_network(self):\n        urllib.request.urlopen(\"http://example.org/\", timeout=5)\n";
    let (admission, report, text) = validated("unittest", "python-stdlib", BASE, tests, &[]);
    assert_eq!(admission["refusal"], "network_dependent", "{admission}");
    assert_eq!(report["refusals"], json!({"network_dependent": 1}));
    assert!(text.contains("refused: network_dependent"), "{text}");
    let calm = "import unittest\n\n\nclass RatioTests(unittest.TestCase):\n    def test_nothing(self):\n        pass\n";
    let (admission, ..) = validated("unittest", "python-stdlib", BASE, calm, &[]);
    assert_eq!(admission["refusal"], "empty_fail_to_pass", "{admission}");
}

pub const TESTS: &[Test] = tests![
    a_part_of_gold_that_no_test_needs_is_said_and_its_file_need_not_be_named,
    an_environment_that_brings_the_projects_own_module_is_refused,
    planted_unittest_tests_that_wobble_or_need_the_network_leave_with_their_reason,
    planted_pytest_tests_that_wobble_or_need_the_network_leave_with_their_reason,
    a_base_that_dies_in_one_test_does_not_make_the_tests_after_it_fail_to_pass,
    a_refused_instance_says_why_in_table_and_report,
];
