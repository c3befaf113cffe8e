//! Test files that do not load: named in table, report and rows; too many refuse an instance, or leave its rows at E1.

use crate::harness::{Need, Test, skip, tests};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use swe_assay::inside::journal::RunDir;

use crate::export::rows;
use crate::mixer::{self, Tree, edit, verified};
use crate::support::{assay, expect_exit, lines, stderr};

const BASE: &str = "def ratio(part, whole):\n    return part * 100 // whole\n";
const GOLD: &str = "def ratio(part, whole):\n    return round(part * 100 / whole)\n";
const PARSE: &str = "def parse(text):\n    return text.split()\n";
const BROKEN: &str = "def parse(text):\n    raise RuntimeError(\"gone\")\n    return text.split()\n";

/// A test file with one test; `imports` stands above it.
fn test_file(imports: &str, expression: &str, expected: &str) -> String {
    format!(
        "import unittest\n\n{imports}\n\n\nclass Tests(unittest.TestCase):\n    def test_it(self):\n        \
         self.assertEqual({expression}, {expected})\n"
    )
}

/// Imports the trees, with gold and gold beside a broken `parse` as answers.
fn imported(folder: &Path, framework: &str, trees: &[Tree; 2]) -> PathBuf {
    let right = edit("mixer/core.py", BASE, GOLD);
    let answers = [right.clone(), format!("{right}\n{}", edit("mixer/text.py", PARSE, BROKEN))];
    mixer::imported(folder, framework, trees, &answers, |_| {})
}

/// Base and gold of a package with `quiet` test files that pass on both, and `deaf` ones that test `parse` and import a module
/// that is not there.
fn world(quiet: usize, deaf: usize) -> [Tree; 2] {
    let mut base = Tree::from([
        ("mixer/__init__.py".to_owned(), String::new()),
        ("mixer/core.py".to_owned(), BASE.to_owned()),
        ("mixer/text.py".to_owned(), PARSE.to_owned()),
        ("tests/__init__.py".to_owned(), String::new()),
        ("tests/test_core.py".to_owned(), test_file("from mixer.core import ratio", "ratio(1, 2)", "50")),
    ]);
    for n in 0..quiet {
        base.insert(
            format!("tests/test_quiet_{n}.py"),
            test_file("from mixer.core import ratio", "ratio(1, 1)", "100"),
        );
    }
    for n in 0..deaf {
        let imports = "import absent_helper\nfrom mixer.text import parse";
        base.insert(format!("tests/test_text_{n}.py"), test_file(imports, "parse(\"a b\")", "[\"a\", \"b\"]"));
    }
    let mut gold = base.clone();
    gold.insert("mixer/core.py".to_owned(), GOLD.to_owned());
    gold.insert("tests/test_core.py".to_owned(), test_file("from mixer.core import ratio", "ratio(2, 3)", "67"));
    [base, gold]
}

const REASON: &str = "ModuleNotFoundError: No module named 'absent_helper'";

fn an_instance_whose_test_files_do_not_load_is_refused_by_name_and_worth_e1_where_that_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let work = imported(folder.path(), "unittest", &world(3, 4));
    let run = folder.path().join("table");
    let output = expect_exit(assay().arg("validate").arg(&work).arg("--run").arg(&run), 2);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = fs::read_to_string(run.join("admission-report.md")).unwrap();
    for told in ["mixer: 4 of 8 test files are lost", &format!("  tests/test_text_3.py: {REASON}"), "lost files"] {
        assert!(table.contains(told), "{told} is not in\n{table}");
    }
    assert!(report.contains(&format!("- `tests/test_text_0.py`: {REASON}")), "{report}");

    let (_, admission, verdicts) = verified(folder.path(), &work, &[], 2);
    assert_eq!(admission["refusal"], "lost_test_files", "{admission}");
    let detail = admission["detail"].as_str().unwrap();
    assert!(detail.contains("4 of 8 test files") && detail.contains(REASON), "{detail}");
    assert!(verdicts.iter().all(|verdict| verdict["status"] == "inconclusive"), "{verdicts:?}");

    let (run, admission, verdicts) = verified(folder.path(), &work, &["--accept-lost"], 0);
    assert!(admission["refusal"].is_null() && admission["lost"]["accepted"] == true, "{admission}");
    for verdict in &verdicts {
        // No test that loads tells the broken answer from gold, so neither is worth more.
        assert_eq!((&verdict["status"], &verdict["evidence"]), (&json!("verified"), &json!("E1")), "{verdict}");
        assert!(verdict["detail"].as_str().unwrap().contains("tests/test_text_0.py"), "{verdict}");
    }
    let dataset = folder.path().join("dataset");
    expect_exit(assay().arg("export").arg(&run).arg("--out").arg(&dataset), 0);
    for config in ["sft-repair", "rl"] {
        let rows = rows(&dataset, config);
        assert!(!rows.is_empty(), "{config}");
        for row in rows {
            let named = row["lost_files"].as_array().unwrap();
            assert_eq!(named.len(), 4);
            assert_eq!(named[0], format!("tests/test_text_0.py: {REASON}"));
        }
    }
    let card = fs::read_to_string(dataset.join("README.md")).unwrap();
    assert!(card.contains("lost test files: 1.") && card.contains("name: lost_files"), "{card}");
    expect_exit(assay().arg("audit").arg(&dataset), 0);
}

fn a_service_that_a_test_file_wants_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut trees = world(3, 0);
    let refused = "class OperationalError(Exception):\n    pass\n\n\nraise OperationalError('connection to server at \"localhost\" \
                   (127.0.0.1), port 5432 failed: Connection refused')";
    for tree in &mut trees {
        tree.insert("tests/test_database.py".to_owned(), test_file(refused, "1", "1"));
    }
    let work = imported(folder.path(), "unittest", &trees);
    let (_, admission, _) = verified(folder.path(), &work, &[], 2);
    assert_eq!(admission["refusal"], "lost_test_files", "{admission}");
    assert_eq!(admission["lost"]["files"]["tests/test_database.py"]["needs"], "PostgreSQL", "{admission}");
    let detail = admission["detail"].as_str().unwrap();
    assert!(detail.contains("port 5432 failed: Connection refused; needs PostgreSQL"), "{detail}");
}

fn one_lost_file_of_twenty_is_named_and_costs_nothing_also_where_an_earlier_version_kept_the_admission() {
    let folder = tempfile::tempdir().unwrap();
    let work = imported(folder.path(), "unittest", &world(18, 1));
    let (run, admission, verdicts) = verified(folder.path(), &work, &[], 0);
    assert!(admission["refusal"].is_null(), "{admission}");
    let named = json!({"tests/test_text_0.py": {
        "why": "does_not_load", "error": "ModuleNotFoundError", "message": "No module named 'absent_helper'",
    }});
    assert_eq!(admission["lost"], json!({"of": 20, "files": named}));
    assert_eq!(verdicts[0]["status"], "verified");
    assert!(!verdicts[0]["detail"].as_str().unwrap().contains("E1 at most"), "{}", verdicts[0]);

    // The same journal without the field, as an earlier version wrote it.
    let outcomes = |line: &&Value| line["record"] == "outcome";
    let mut before = 0;
    for file in fs::read_dir(run.join("journal")).unwrap() {
        let path = file.unwrap().path();
        let mut records = lines(&path);
        before += records.iter().filter(outcomes).count();
        for record in records.iter_mut().filter(|record| record["record"] == "admission") {
            record.as_object_mut().unwrap().remove("lost").unwrap();
        }
        let text: String = records.iter().map(|record| format!("{record}\n")).collect();
        fs::write(path, text).unwrap();
    }
    let (_, again, _) = verified(folder.path(), &work, &[], 0);
    assert_eq!(again, admission);
    let files = fs::read_dir(run.join("journal")).unwrap();
    let after: usize = files.map(|file| lines(&file.unwrap().path()).iter().filter(outcomes).count()).sum();
    assert_eq!(after, before, "nothing had to run again");
}

fn what_a_candidate_says_of_itself_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let work = imported(folder.path(), "unittest", &world(18, 1));
    let answer = "def ratio(part, whole):\n    raise ValueError(\"remember this\")\n";
    let completion =
        format!("```python\n### mixer/core.py\n<<<<<<< SEARCH\n{BASE}=======\n{answer}>>>>>>> REPLACE\n```\n");
    let row = json!({"instance_id": "mixer", "skill": "repair", "completion": completion, "index": 0});
    fs::write(folder.path().join("answers.jsonl"), format!("{row}\n")).unwrap();
    let (run, admission, verdicts) = verified(folder.path(), &work, &[], 2);
    assert_eq!(verdicts[0]["status"], "rejected");
    let blobs = RunDir::open(&run).unwrap();
    let trusted = [&admission["trees"]["tested_base"], &admission["trees"]["tested_gold"]];
    let (mut of_candidates, mut of_ours) = (0, 0);
    for file in fs::read_dir(run.join("journal")).unwrap() {
        for outcome in lines(&file.unwrap().path()).iter().filter(|record| record["record"] == "outcome") {
            let digest = serde_json::from_value(outcome["report"].clone()).unwrap();
            let report: Value = serde_json::from_slice(&blobs.blobs().get(&digest).unwrap()).unwrap();
            let ours = trusted.contains(&&outcome["trial"]["tree"]);
            assert_eq!(report.get("remarks").is_some(), ours, "{report}");
            *(if ours { &mut of_ours } else { &mut of_candidates }) += 1;
        }
    }
    assert!(of_candidates > 0 && of_ours > 0);
}

fn a_file_that_loads_on_gold_alone_though_gold_does_not_change_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let [mut base, mut gold] = world(19, 0);
    let early = test_file("from mixer.late import answer", "answer()", "42");
    base.insert("tests/test_late.py".to_owned(), early.clone());
    gold.insert("tests/test_late.py".to_owned(), early);
    gold.insert("mixer/late.py".to_owned(), "def answer():\n    return 42\n".to_owned());
    let work = imported(folder.path(), "unittest", &[base, gold]);
    let run = folder.path().join("run");
    expect_exit(assay().arg("validate").arg(&work).arg("--run").arg(&run), 0);
    let admission = lines(&run.join("admissions.jsonl")).remove(0);
    let lost = &admission["lost"]["files"]["tests/test_late.py"];
    assert_eq!((&lost["why"], &lost["error"]), (&json!("not_on_base"), &json!("ModuleNotFoundError")), "{admission}");
    assert_eq!(admission["lost"]["files"].as_object().unwrap().len(), 1, "gold changes the other one: {admission}");
}

fn a_changed_test_file_that_does_not_load_refuses_an_instance_however_small_its_share() {
    let folder = tempfile::tempdir().unwrap();
    let [base, mut gold] = world(28, 0);
    gold.insert("tests/test_new.py".to_owned(), test_file("import absent_helper", "1", "1"));
    let work = imported(folder.path(), "unittest", &[base, gold]);
    let run = folder.path().join("run");
    expect_exit(assay().arg("validate").arg(&work).arg("--run").arg(&run), 2);
    let admission = lines(&run.join("admissions.jsonl")).remove(0);
    assert_eq!(admission["refusal"], "lost_test_files", "{admission}");
    let detail = admission["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("gold changes cannot be judged by: tests/test_new.py: {REASON}")), "{detail}");
}

/// The admission under pytest; none where its environment cannot be made.
fn under_pytest(trees: &[Tree; 2]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let work = imported(folder.path(), "pytest", trees);
    let run = folder.path().join("run");
    let output = assay().arg("validate").arg(&work).arg("--run").arg(&run).output().unwrap();
    if output.status.code() == Some(4) {
        skip(Need::PackageIndex, stderr(&output));
    }
    lines(&run.join("admissions.jsonl")).remove(0)
}

fn pytest_tells_files_that_skip_themselves_and_files_that_configuration_deselects() {
    let [mut base, mut gold] = world(20, 1);
    for tree in [&mut base, &mut gold] {
        let mut put = |path: &str, text: &str| tree.insert(path.to_owned(), text.to_owned());
        let test = "\n\ndef test_it():\n    assert True\n";
        put(
            "tests/test_asked.py",
            &format!("import pytest\n\npytest.importorskip(\"absent_helper\", reason=\"no luck\"){test}"),
        );
        put(
            "tests/test_tried.py",
            &format!(
                "import pytest\n\ntry:\n    import absent_helper\nexcept ImportError:\n    \
                 pytest.skip(\"nothing to help\", allow_module_level=True){test}"
            ),
        );
        put(
            "tests/test_other.py",
            &format!("import pytest\n\npytest.skip(\"not here\", allow_module_level=True){test}"),
        );
        put("tests/test_slow.py", "import pytest\n\n\n@pytest.mark.slow\ndef test_it():\n    assert True\n");
        put("tests/test_helpers.py", "ANSWER = 42\n");
        put(
            "tests/test_class.py",
            "class TestIt:\n    __test__ = False\n\n    def test_it(self):\n        assert True\n",
        );
        put("pytest.ini", "[pytest]\nmarkers =\n    slow: takes long\naddopts = -m \"not slow\"\n");
    }
    let admission = under_pytest(&[base, gold]);
    let whys: BTreeMap<_, _> = admission["lost"]["files"]
        .as_object()
        .unwrap_or_else(|| panic!("{admission}"))
        .iter()
        .map(|(path, file)| {
            (path.as_str(), (file["why"].as_str().unwrap(), file["message"].as_str().unwrap_or_default()))
        })
        .collect();
    let expected = BTreeMap::from([
        ("tests/test_asked.py", ("missing_module", "no luck")),
        ("tests/test_class.py", ("silent", "")),
        ("tests/test_other.py", ("skipped", "not here")),
        ("tests/test_slow.py", ("deselected", "")),
        ("tests/test_text_0.py", ("does_not_load", "No module named 'absent_helper'")),
        ("tests/test_tried.py", ("missing_module", "nothing to help")),
    ]);
    assert_eq!(whys, expected);
    assert!(admission["refusal"].is_null(), "two of 27 count: {admission}");
}

fn a_conftest_that_does_not_load_stands_in_the_refusal() {
    let [mut base, mut gold] = world(1, 0);
    for tree in [&mut base, &mut gold] {
        tree.insert("tests/conftest.py".to_owned(), "import absent_helper\n".to_owned());
    }
    let admission = under_pytest(&[base, gold]);
    assert_eq!(admission["refusal"], "gold_fails", "{admission}");
    let detail = admission["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("tests/conftest.py: {REASON}")), "{detail}");
    assert_eq!(admission["lost"]["files"].as_object().unwrap().len(), 2);
}

fn a_refusal_for_want_of_fail_to_pass_tests_quotes_what_the_changed_tests_said() {
    let [base, mut gold] = world(1, 0);
    let test = "import unittest\n\n\nclass Tests(unittest.TestCase):\n    def test_raises(self):\n        \
                raise KeyError(\"first line\\nsecond line\")\n\n    @unittest.skip(\"only on Mondays\")\n    def \
                test_skipped(self):\n        pass\n\n    def test_passes(self):\n        pass\n";
    gold.insert("tests/test_core.py".to_owned(), test.to_owned());
    let folder = tempfile::tempdir().unwrap();
    let work = imported(folder.path(), "unittest", &[base, gold]);
    let run = folder.path().join("run");
    expect_exit(assay().arg("validate").arg(&work).arg("--run").arg(&run), 2);
    let admission = lines(&run.join("admissions.jsonl")).remove(0);
    assert_eq!(admission["refusal"], "empty_fail_to_pass", "{admission}");
    let detail = admission["detail"].as_str().unwrap();
    for told in [
        "of the changed test files (tests/test_core.py)",
        "1 failed on gold (tests/test_core.py::Tests::test_raises: KeyError: 'first line",
        "1 skipped or absent on gold (tests/test_core.py::Tests::test_skipped: only on Mondays)",
        "1 passed on base too (tests/test_core.py::Tests::test_passes)",
    ] {
        assert!(detail.contains(told), "{told} is not in {detail}");
    }
}

pub const TESTS: &[Test] = tests![
    a_service_that_a_test_file_wants_is_named,
    an_instance_whose_test_files_do_not_load_is_refused_by_name_and_worth_e1_where_that_is_accepted,
    one_lost_file_of_twenty_is_named_and_costs_nothing_also_where_an_earlier_version_kept_the_admission,
    what_a_candidate_says_of_itself_is_not_kept,
    a_file_that_loads_on_gold_alone_though_gold_does_not_change_it_is_named,
    a_changed_test_file_that_does_not_load_refuses_an_instance_however_small_its_share,
    pytest_tells_files_that_skip_themselves_and_files_that_configuration_deselects,
    a_conftest_that_does_not_load_stands_in_the_refusal,
    a_refusal_for_want_of_fail_to_pass_tests_quotes_what_the_changed_tests_said,
];
