//! A fail-to-pass test that gold passes in the order of its file only: it stays, candidates are held to it, and report and rows
//! name it.

use crate::harness::{Test, tests};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::export::rows;
use crate::mixer::{self, edit, verified};
use crate::support::{assay, expect_exit, lines};

const BASE: &str = "SCALE = [100]\n\n\ndef ratio(part, whole):\n    return part * SCALE[0] // whole\n";
/// The second test leaves a scale behind that the first does not expect.
const SUITE: &str = "import unittest

from mixer.core import SCALE, ratio


class Tests(unittest.TestCase):
    def test_a_thirds(self):
        self.assertEqual(ratio(2, 3), 67)

    def test_b_scale(self):
        SCALE[0] = 1000
        self.assertEqual(ratio(1, 2), 500)
";
const ID: &str = "tests/test_core.py::Tests::test_a_thirds";

fn a_fail_to_pass_test_that_passes_in_one_order_only_stays_and_is_named_in_report_and_rows() {
    let folder = tempfile::tempdir().unwrap();
    let gold = BASE.replace("part * SCALE[0] // whole", "round(part * SCALE[0] / whole)");
    let answers = [
        gold.clone(),
        BASE.replace("part * SCALE[0] // whole", "int(part * SCALE[0] / whole + 0.5)"),
        BASE.replace("part * SCALE[0] // whole", "part * SCALE[0] // whole + 2"),
    ];
    let tree = |core: &str| mixer::tree(core, SUITE);
    let answers: Vec<_> = answers.iter().map(|source| edit("mixer/core.py", BASE, source)).collect();
    let work = mixer::imported(folder.path(), "unittest", &[tree(BASE), tree(&gold)], &answers, |instance| {
        instance.fail_to_pass = vec![ID.to_owned()];
        instance.pass_to_pass = vec!["tests/test_core.py::Tests::test_b_scale".to_owned()];
    });
    let (run, admission, verdicts) = verified(folder.path(), &work, &[], 0);
    assert!(admission["refusal"].is_null(), "{admission}");
    assert_eq!(admission["fail_to_pass"], json!([ID]));
    let record = &admission["tests"][ID];
    assert_eq!((&record["standing"], &record["gold"]["shuffled"]), (&json!("fail_to_pass"), &json!({"failed": 2})));
    assert!(admission.get("unstable").is_none() && admission.get("disagreements").is_none(), "{admission}");
    let statuses: Vec<_> = verdicts.iter().map(|verdict| verdict["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["verified", "verified", "rejected"], "{verdicts:?}");

    let report: Value = serde_json::from_str(&fs::read_to_string(run.join("admission-report.json")).unwrap()).unwrap();
    assert_eq!(report["instances"][0]["ordered"], json!([ID]));
    let text = fs::read_to_string(run.join("admission-report.md")).unwrap();
    assert!(
        text.contains(&format!("in the order of their files only; they stay, and no other order counts:\n\n- `{ID}`")),
        "{text}"
    );

    // An earlier version refused the instance. That is derived again, and nothing has to run for it.
    let outcomes = journal(&run, |record| record["record"] == "outcome", |_| {});
    let admissions = journal(
        &run,
        |record| record["record"] == "admission",
        |record| {
            record["tests"][ID]["standing"] = json!("order_dependent");
            (record["refusal"], record["fail_to_pass"]) = (json!("order_dependent"), json!([]));
        },
    );
    assert_eq!(admissions, 1);
    let (_, again, _) = verified(folder.path(), &work, &[], 0);
    assert_eq!(again, admission);
    assert_eq!(journal(&run, |record| record["record"] == "outcome", |_| {}), outcomes);

    let dataset = folder.path().join("dataset");
    expect_exit(assay().arg("export").arg(&run).arg("--out").arg(&dataset), 0);
    for config in ["sft-repair", "rl"] {
        let rows = rows(&dataset, config);
        assert!(!rows.is_empty(), "{config}");
        assert!(rows.iter().all(|row| row["ordered_tests"] == json!([ID])), "{config}: {rows:?}");
    }
    let card = fs::read_to_string(dataset.join("README.md")).unwrap();
    assert!(card.contains("passes in one order only: 1.") && card.contains("name: ordered_tests"), "{card}");
    expect_exit(assay().arg("audit").arg(&dataset), 0);
}

/// Counts records of a run's journal, and changes them.
fn journal(run: &Path, wanted: impl Fn(&Value) -> bool, change: impl Fn(&mut Value)) -> usize {
    let mut count = 0;
    for file in fs::read_dir(run.join("journal")).unwrap() {
        let path = file.unwrap().path();
        let mut records = lines(&path);
        for record in records.iter_mut().filter(|record| wanted(record)) {
            change(record);
            count += 1;
        }
        fs::write(path, records.iter().map(|record| format!("{record}\n")).collect::<String>()).unwrap();
    }
    count
}

pub const TESTS: &[Test] =
    tests![a_fail_to_pass_test_that_passes_in_one_order_only_stays_and_is_named_in_report_and_rows];
