//! Suites that take long: what an admission takes is told, a suite that meets the time limit runs once, and
//! `--changed-tests` runs a part of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::export::rows;
use crate::harness::{Need, Test, skip, tests};
use crate::mixer::{self, Tree, edit, verified};
use crate::support::{assay, expect_exit, lines, stderr};

pub const TESTS: &[Test] = tests![
    only_the_test_files_of_what_changes_run_and_rows_say_so,
    what_an_admission_takes_is_told_after_golds_first_run,
    a_suite_that_meets_the_time_limit_runs_once_and_names_what_had_no_end,
    under_pytest_too_the_file_that_had_no_end_is_named,
    a_change_that_no_test_file_uses_is_refused,
    listed_tests_of_files_that_do_not_run_are_not_missed,
];

const BASE: &str = "def ratio(part, whole):\n    return part * 100 // whole\n";
const GOLD: &str = "def ratio(part, whole):\n    return round(part * 100 / whole)\n";
const TEXT: &str = "def parse(text):\n    return text.split()\n";
const BROKEN: &str = "def parse(text):\n    raise RuntimeError(\"gone\")\n    return text.split()\n";

fn test_file(imports: &str, body: &str) -> String {
    format!(
        "import time\nimport unittest\n\n{imports}\n\n\nclass Tests(unittest.TestCase):\n    def test_it(self):\n        {body}\n"
    )
}

/// A package whose `near` uses `core`, which gold changes, and whose `text` uses nothing; each has a test file, and one test
/// file uses nothing at all: it sleeps that long.
fn world(sleep: u32) -> [Tree; 2] {
    let mut base = Tree::from(
        [
            ("mixer/__init__.py", String::new()),
            ("mixer/core.py", BASE.to_owned()),
            ("mixer/near.py", "from mixer.core import ratio\n\n\ndef half():\n    return ratio(1, 2)\n".to_owned()),
            ("mixer/text.py", TEXT.to_owned()),
            ("tests/__init__.py", String::new()),
            ("tests/test_core.py", test_file("from mixer.core import ratio", "self.assertEqual(ratio(1, 2), 50)")),
            ("tests/test_near.py", test_file("from mixer import near", "self.assertEqual(near.half(), 50)")),
            (
                "tests/test_text.py",
                test_file("from mixer.text import parse", "self.assertEqual(parse(\"a b\"), [\"a\", \"b\"])"),
            ),
            ("tests/test_zzz.py", test_file("", &format!("time.sleep({sleep})"))),
        ]
        .map(|(path, text)| (path.to_owned(), text)),
    );
    let mut gold = base.clone();
    gold.insert("mixer/core.py".to_owned(), GOLD.to_owned());
    let changed = test_file("from mixer.core import ratio", "self.assertEqual(ratio(2, 3), 67)");
    gold.insert("tests/test_core.py".to_owned(), changed);
    for tree in [&mut base, &mut gold] {
        tree.insert("mixer/version.txt".to_owned(), "1\n".to_owned());
    }
    [base, gold]
}

fn answers() -> [String; 2] {
    let right = edit("mixer/core.py", BASE, GOLD);
    let broken = format!("{right}\n{}", edit("mixer/text.py", TEXT, BROKEN));
    [right, broken]
}

/// The plans of a run directory, in the order in which they ran.
fn plans(run: &Path) -> Vec<Value> {
    let mut journal: Vec<_> = fs::read_dir(run.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    journal.sort();
    let records = journal.iter().flat_map(|file| lines(file));
    records.filter(|record| record["record"] == "outcome").map(|outcome| outcome["trial"]["plan"].clone()).collect()
}

fn only_the_test_files_of_what_changes_run_and_rows_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let work = mixer::imported(folder.path(), "unittest", &world(0), &answers(), |_| {});
    let (run, whole, verdicts) = verified(folder.path(), &work, &[], 0);
    assert!(whole.get("part").is_none(), "{whole}");
    assert_eq!(plans(&run)[0]["files"].as_array().unwrap().len(), 4);
    let told = |verdicts: &[Value]| {
        verdicts
            .iter()
            .map(|v| [&v["status"], &v["evidence"]].map(|v| v.as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&verdicts)[1][0], "rejected", "the other test file sees it");
    assert_ne!(told(&verdicts)[0][1], "E1");

    let (run, part, verdicts) = verified(folder.path(), &work, &["--changed-tests"], 0);
    assert_ne!(part["key"], whole["key"]);
    assert_eq!(part["part"], json!({"ran": 2, "of": 4}));
    let seen: BTreeSet<_> = plans(&run)
        .iter()
        .flat_map(|plan| plan["files"].as_array().unwrap().clone())
        .map(|file| file.to_string())
        .collect();
    assert!(!seen.iter().any(|file| file.contains("text") || file.contains("zzz")), "{seen:?}");
    assert_eq!(plans(&run)[0]["files"], json!(["tests/test_core.py", "tests/test_near.py"]));
    // What the other files test may be broken, so nothing is worth more.
    let e1 = ["verified".to_owned(), "E1".to_owned()];
    assert_eq!(told(&verdicts), [e1.clone(), e1]);
    let detail = verdicts[0]["detail"].as_str().unwrap();
    assert!(detail.ends_with("; E1 at most, because only 2 of 4 test files run"), "{detail}");

    let table = expect_exit(assay().arg("validate").arg(&work).arg("--changed-tests").arg("--run").arg(&run), 0).stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("admitted, E1 at most, because 2 of 4 test files run"), "{table}");
    let report: Value = serde_json::from_slice(&fs::read(run.join("admission-report.json")).unwrap()).unwrap();
    assert_eq!(report["instances"][0]["part"], json!({"ran": 2, "of": 4}));

    let page = folder.path().join("report.html");
    expect_exit(assay().arg("report").arg(&run).arg("--out").arg(&page), 0);
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("E1 at most, because only 2 of 4 test files run"), "the note of the instance");

    let dataset = folder.path().join("dataset");
    expect_exit(assay().arg("export").arg(&run).arg("--out").arg(&dataset), 0);
    for config in ["sft-repair", "rl"] {
        let rows = rows(&dataset, config);
        assert!(!rows.is_empty());
        for row in rows {
            assert_eq!(row["test_files_run"], "2 of 4 test files run", "{config}");
        }
    }
    let card = fs::read_to_string(dataset.join("README.md")).unwrap();
    assert!(card.contains("judged by a part of their suite: 1."), "{card}");
}

fn what_an_admission_takes_is_told_after_golds_first_run() {
    let folder = tempfile::tempdir().unwrap();
    let work = mixer::imported(folder.path(), "unittest", &world(2), &[], |_| {});
    let run = folder.path().join("run");
    let said = stderr(&expect_exit(assay().arg("validate").arg(&work).arg("--run").arg(&run), 0));
    let told: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("mixer: gold ran in ")).collect();
    let [told] = told[..] else { panic!("once in {said}") };
    for part in [
        "; the rest of the admission takes about ",
        ": base once, ",
        "; 6 runs of base and gold over the changed test files (1 of 4 tests), ",
        " each; up to 5 runs of controls, ",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let seconds: f64 = told.split(" s;").next().unwrap().parse().unwrap();
    assert!((2.0..30.0).contains(&seconds), "{told}");
    let ran = plans(&run).len();
    assert!((1 + 1 + 6..=1 + 1 + 6 + 5).contains(&ran), "{ran} runs");

    // What is known is not paid again, and nothing is told.
    let said = stderr(&expect_exit(assay().arg("validate").arg(&work).arg("--run").arg(&run), 0));
    assert!(!said.contains("gold ran in"), "{said}");
}

/// What becomes of a suite of which one file takes longer than it may.
fn meets_the_limit(framework: &str) {
    let folder = tempfile::tempdir().unwrap();
    let work = mixer::imported(folder.path(), framework, &world(600), &[], |_| {});
    let run = folder.path().join("run");
    let validate = |more: &[&str], code| {
        let mut command = assay();
        command.arg("validate").arg(&work).args(["--json", "--timeout", "6", "--run"]).arg(&run).args(more);
        let output = command.output().unwrap();
        if output.status.code() == Some(4) && framework == "pytest" {
            skip(Need::PackageIndex, stderr(&output));
        }
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let refused = validate(&[], 2);
    assert_eq!(refused["refusal"], "gold_fails");
    assert_eq!(
        refused["detail"],
        "the run on gold was still running after 6 s, which is the time limit: 3 of 4 tests had ended, and these files had not: \
         tests/test_zzz.py; use a longer --timeout with another --run, or --changed-tests, which runs only the test files of \
         what changed"
    );
    assert_eq!(plans(&run).len(), 1, "nothing is repeated to the limit");
    assert_eq!(validate(&[], 2), refused);
    assert_eq!(plans(&run).len(), 1, "not in a second command either");
    let admitted = validate(&["--changed-tests"], 0);
    assert_eq!(admitted["part"], json!({"ran": 2, "of": 4}));
}

fn a_suite_that_meets_the_time_limit_runs_once_and_names_what_had_no_end() {
    meets_the_limit("unittest");
}

fn under_pytest_too_the_file_that_had_no_end_is_named() {
    meets_the_limit("pytest");
}

fn a_change_that_no_test_file_uses_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [base, mut gold] = world(0);
    gold.insert("mixer/core.py".to_owned(), BASE.to_owned());
    gold.insert("tests/test_core.py".to_owned(), base["tests/test_core.py"].clone());
    gold.insert("mixer/version.txt".to_owned(), "2\n".to_owned());
    let work = mixer::imported(folder.path(), "unittest", &[base, gold], &[], |_| {});
    let run = folder.path().join("run");
    let mut command = assay();
    command.arg("validate").arg(&work).args(["--json", "--changed-tests", "--run"]).arg(&run);
    let refused: Value = serde_json::from_slice(&expect_exit(&mut command, 2).stdout).unwrap();
    assert_eq!(refused["refusal"], "no_test_files");
    assert_eq!(
        refused["detail"],
        "gold and the test patch change no test file, and none uses what they change; run without --changed-tests"
    );
}

fn listed_tests_of_files_that_do_not_run_are_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let id = |file: &str| format!("tests/test_{file}.py::Tests::test_it");
    let work = mixer::imported(folder.path(), "unittest", &world(0), &answers(), |instance| {
        instance.fail_to_pass = vec![id("core")];
        instance.pass_to_pass = ["near", "text", "zzz"].map(id).to_vec();
    });
    let (_, admission, _) = verified(folder.path(), &work, &["--changed-tests"], 0);
    assert_eq!(admission["part"], json!({"ran": 2, "of": 4}));
    assert_eq!((&admission["fail_to_pass"], &admission["pass_to_pass"]), (&json!([id("core")]), &json!([id("near")])));
    assert_eq!((admission.get("disagreements"), admission.get("lost_tests")), (None, None));
}
