//! `--full`: every expected test is run and counted, and the verdicts are those of a run that stops early.

use crate::harness::{Test, tests};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use swe_assay::inside::intake::{Wanted, import_folders, write_import};
use swe_assay::inside::model::instance::Environment;

use crate::support::{assay, expect_exit, lines};

const BASE: &str = "def double(x):\n    return x + x + 1\n\n\ndef keep(x):\n    return x\n";
const FIXED: &str = "def double(x):\n    return x + x\n\n\ndef keep(x):\n    return x\n";
const DOUBLE: &str = "import unittest\n\nfrom calc import double\n\n\nclass Doubling(unittest.TestCase):\n    def \
test_even(self):\n        self.assertEqual(double(2), 4)\n\n    def test_odd(self):\n        self.assertEqual(double(3), \
6)\n";
const KEEP: &str = "import unittest\n\nfrom calc import keep\n\n\nclass Keeping(unittest.TestCase):\n    def \
test_keep(self):\n        self.assertEqual(keep(1), 1)\n";

/// Right; half of the way and the rest untouched; right and breaking what worked; no Python.
const SOURCES: [&str; 4] = [
    "def double(x):\n    return 2 * x\n\n\ndef keep(x):\n    return x\n",
    "def double(x):\n    return x + x + x % 2\n\n\ndef keep(x):\n    return x\n",
    "def double(x):\n    return x + x\n\n\ndef keep(x):\n    return x + 1\n",
    "def double(x:\n",
];

fn import(folder: &Path) {
    let (base, fix) = (folder.join("base"), folder.join("fix"));
    for (tree, source) in [(&base, BASE), (&fix, FIXED)] {
        fs::create_dir_all(tree.join("tests")).unwrap();
        fs::write(tree.join("calc.py"), source).unwrap();
        fs::write(tree.join("tests/__init__.py"), "").unwrap();
        fs::write(tree.join("tests/test_keep.py"), KEEP).unwrap();
        fs::write(tree.join("tests/test_double.py"), DOUBLE).unwrap();
    }
    let wanted = Wanted {
        problem_statement: "double(2) is 5".to_owned(),
        instance_id: Some("full__calc".to_owned()),
        repo: Some("full/calc".to_owned()),
        license: Some("Apache-2.0".to_owned()),
        environment: Environment {
            recipe: Some("python-stdlib".to_owned()),
            framework: "unittest".to_owned(),
            ..Environment::default()
        },
        ..Wanted::default()
    };
    let import = folder.join("import");
    let instance = import_folders(&base, &fix, wanted, &import).unwrap();
    write_import(&import, &[instance], &[]).unwrap();
    let row = |(index, source): (usize, &&str)| {
        let completion =
            format!("```python\n### calc.py\n<<<<<<< SEARCH\n{BASE}=======\n{source}>>>>>>> REPLACE\n```\n");
        json!({"instance_id": "full__calc", "skill": "repair", "completion": completion, "index": index}).to_string()
    };
    let rows: Vec<_> = SOURCES.iter().enumerate().map(row).collect();
    fs::write(folder.join("generations.jsonl"), rows.join("\n") + "\n").unwrap();
}

/// Verdicts without what differs from run to run, and what was counted.
fn verify(folder: &Path, name: &str, more: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let run = folder.join(name);
    let mut command = assay();
    command.arg("verify").arg(folder.join("import")).arg("--generations").arg(folder.join("generations.jsonl"));
    expect_exit(command.arg("--run").arg(&run).args(more), 0);
    let verdicts = fs::read(run.join("verdicts.jsonl")).unwrap();
    expect_exit(assay().arg("judge").arg(&run), 0);
    assert!(fs::read(run.join("verdicts.jsonl")).unwrap() == verdicts, "judge says the same, byte for byte");
    let mut verdicts = lines(&run.join("verdicts.jsonl"));
    let mut passed = Vec::new();
    for verdict in &mut verdicts {
        let verdict = verdict.as_object_mut().unwrap();
        // It holds how long each run took.
        verdict.remove("receipt");
        passed.push(verdict.remove("passed").unwrap_or_default());
    }
    (verdicts, passed)
}

fn running_everything_counts_every_test_and_changes_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path());
    let (early, counted_early) = verify(folder.path(), "early", &[]);
    let (full, counted) = verify(folder.path(), "full", &["--full"]);
    assert_eq!(full, early, "the same reasons, resting on the same trials");
    let reasons: Vec<_> = full.iter().map(|verdict| verdict["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["resolved", "still_failing", "regressed", "still_failing"]);
    let counts = |fail_to_pass, pass_to_pass| json!({"fail_to_pass": fail_to_pass, "of_fail_to_pass": 2, "pass_to_pass": pass_to_pass, "of_pass_to_pass": 1});
    assert_eq!(counted, [counts(2, 1), counts(1, 1), counts(2, 0), counts(0, 0)]);
    assert_eq!((&counted_early[0], &counted_early[1]), (&counts(2, 1), &Value::Null), "stopped at the first rejection");
}

pub const TESTS: &[Test] = tests![running_everything_counts_every_test_and_changes_no_verdict,];
