//! Listed tests that need the network: they refuse an instance, or leave its rows at E1 with a look at how they fail.

use crate::harness::{Test, tests};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::export::rows;
use crate::mixer::{self, edit, verified};
use crate::support::{assay, expect_exit, lines};

const BASE: &str = "import socket


def ratio(part, whole):
    return part * 100 // whole


def send(host, part, whole):
    text = str(ratio(part, whole))
    with socket.create_connection((host, 80), timeout=5) as connection:
        connection.sendall(text.encode())
";
const SUITE: &str = "import unittest

from mixer.core import ratio, send


class Tests(unittest.TestCase):
    def test_half(self):
        self.assertEqual(ratio(1, 2), 50)

    def test_thirds(self):
        self.assertEqual(ratio(2, 3), 67)

    def test_send(self):
        send(\"192.0.2.1\", 2, 3)

    def test_send_by_name(self):
        send(\"mixer.invalid\", 2, 3)
";
const FILE: &str = "tests/test_core.py";

fn gold() -> String {
    BASE.replace("part * 100 // whole", "round(part * 100 / whole)")
}

fn id(name: &str) -> String {
    format!("{FILE}::Tests::{name}")
}

/// Imports the package as an instance that lists these tests, with these sources of `mixer/core.py` as answers.
fn imported(folder: &Path, fail_to_pass: &[&str], sources: &[String]) -> PathBuf {
    let tree = |core: &str| mixer::tree(core, SUITE);
    let answers: Vec<_> = sources.iter().map(|source| edit("mixer/core.py", BASE, source)).collect();
    mixer::imported(folder, "unittest", &[tree(BASE), tree(&gold())], &answers, |instance| {
        instance.fail_to_pass = fail_to_pass.iter().map(|name| id(name)).collect();
        instance.pass_to_pass = vec![id("test_half")];
    })
}

fn an_instance_two_of_whose_three_tests_need_the_network_verifies_no_repair_that_breaks_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let answers = [
        gold(),
        // Right in other words.
        BASE.replace("part * 100 // whole", "int(part * 100 / whole + 0.5)"),
        // Every message fails, with a network and without.
        gold().replace("text = str(ratio(part, whole))", "text = ratio(part, whole).text"),
        // Nothing is sent, so the tests that need the network pass.
        gold().replace("    text = str", "    return\n    text = str"),
    ];
    let work = imported(folder.path(), &["test_thirds", "test_send", "test_send_by_name"], &answers);
    let run = folder.path().join("table");
    let output = expect_exit(assay().arg("validate").arg(&work).arg("--run").arg(&run), 2);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = fs::read_to_string(run.join("admission-report.md")).unwrap();
    let why = format!("{}: needs the network (gaierror", id("test_send_by_name"));
    for told in ["lost_listed_tests", "mixer: 2 of 3 fail-to-pass tests are lost", &why, "NetworkUnreachable"] {
        assert!(table.contains(told), "{told} is not in\n{table}");
    }
    assert!(report.contains("Lost, 2 of 3 fail-to-pass tests"), "{report}");

    let (_, admission, verdicts) = verified(folder.path(), &work, &[], 2);
    assert_eq!(admission["refusal"], "lost_listed_tests", "{admission}");
    assert!(admission["detail"].as_str().unwrap().contains("--accept-lost"), "{admission}");
    assert!(verdicts.iter().all(|verdict| verdict["reason"] == "instance_not_admitted"), "{verdicts:?}");

    let (run, admission, verdicts) = verified(folder.path(), &work, &["--accept-lost"], 0);
    assert!(admission["refusal"].is_null() && admission["lost_tests"]["accepted"] == true, "{admission}");
    let told: Value = serde_json::from_str(&fs::read_to_string(run.join("admission-report.json")).unwrap()).unwrap();
    assert_eq!(told["instances"][0]["witnesses"], json!([id("test_send"), id("test_send_by_name")]), "{told}");
    let found: Vec<_> = verdicts.iter().map(|one| [&one["status"], &one["reason"], &one["evidence"]]).collect();
    assert_eq!(found[0], ["verified", "resolved", "E1"], "{}", verdicts[0]);
    assert_eq!(found[1], ["verified", "resolved", "E1"], "{}", verdicts[1]);
    assert_eq!(found[2], ["rejected", "breaks_network_test", "E1"], "{}", verdicts[2]);
    assert_eq!(found[3], ["inconclusive", "disputed_by_network_test", "E0"], "{}", verdicts[3]);
    let detail = verdicts[1]["detail"].as_str().unwrap();
    assert!(detail.contains("2 tests that need the network fail as on gold"), "{detail}");
    assert!(detail.contains(&format!("2 of 3 fail-to-pass tests are lost: {}", id("test_send"))), "{detail}");
    assert!(verdicts[2]["detail"].as_str().unwrap().contains("AttributeError"), "{}", verdicts[2]);

    let dataset = folder.path().join("dataset");
    expect_exit(assay().arg("export").arg(&run).arg("--out").arg(&dataset), 0);
    for config in ["sft-repair", "rl"] {
        let rows = rows(&dataset, config);
        assert!(!rows.is_empty(), "{config}");
        for row in rows {
            let named = row["lost_tests"].as_array().unwrap();
            assert_eq!(named.len(), 2);
            assert!(named[1].as_str().unwrap().starts_with(&why), "{named:?}");
            assert!(row.get("lost_files").is_none(), "no file is lost");
        }
    }
    let card = fs::read_to_string(dataset.join("README.md")).unwrap();
    assert!(card.contains("lost listed tests: 1.") && card.contains("name: lost_tests"), "{card}");
    expect_exit(assay().arg("audit").arg(&dataset), 0);
}

fn an_admission_of_an_earlier_version_is_looked_at_again_without_a_run() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing is lost that is listed, and the other two are witnesses all the same.
    let work = imported(folder.path(), &["test_thirds"], &[gold()]);
    let (_, admission, verdicts) = verified(folder.path(), &work, &[], 0);
    assert!(admission["refusal"].is_null() && admission.get("lost_tests").is_none(), "{admission}");
    let detail = verdicts[0]["detail"].as_str().unwrap();
    assert!(!detail.contains("E1 at most") && detail.contains("2 tests that need the network"), "{detail}");

    let folder = tempfile::tempdir().unwrap();
    let work = imported(folder.path(), &["test_thirds", "test_send"], &[gold()]);
    let (run, admission, _) = verified(folder.path(), &work, &["--accept-lost"], 0);
    assert_eq!(admission["lost_tests"]["accepted"], true, "{admission}");

    let outcomes = |line: &&Value| line["record"] == "outcome";
    let count = || -> usize {
        let files = fs::read_dir(run.join("journal")).unwrap();
        files.map(|file| lines(&file.unwrap().path()).iter().filter(outcomes).count()).sum()
    };
    let before = count();
    for file in fs::read_dir(run.join("journal")).unwrap() {
        let path = file.unwrap().path();
        let mut records = lines(&path);
        for record in records.iter_mut().filter(|record| record["record"] == "admission") {
            record.as_object_mut().unwrap().remove("lost_tests").unwrap();
        }
        fs::write(path, records.iter().map(|record| format!("{record}\n")).collect::<String>()).unwrap();
    }
    let (_, again, _) = verified(folder.path(), &work, &["--accept-lost"], 0);
    assert_eq!(again, admission);
    assert_eq!(count(), before, "nothing had to run again");
}

pub const TESTS: &[Test] = tests![
    an_instance_two_of_whose_three_tests_need_the_network_verifies_no_repair_that_breaks_before_it,
    an_admission_of_an_earlier_version_is_looked_at_again_without_a_run,
];
