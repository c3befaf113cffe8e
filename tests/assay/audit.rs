//! Audit: whatever is changed in an export is found; other people's datasets, predictions and logs are read.

use crate::harness::{Test, tests};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use swe_assay::inside::audit::{Checks, Findings, Rule, check, check_files, open};
use swe_assay::inside::dataset::files::parquet::{Bounds, ParquetWriter};
use swe_assay::inside::dataset::files::shard::LineWriter as _;
use swe_assay::inside::dataset::rows::sft_columns;
use swe_assay::inside::dataset::seal::file_names::MANIFEST;
use swe_assay::inside::dataset::seal::file_names::STATEMENT;
use swe_assay::inside::dataset::seal::manifest::Manifest;
use swe_assay::inside::dataset::seal::signature::{ENVELOPE, SecretKey};
use swe_assay::inside::intake::each_record;
use swe_assay::inside::model::format;
use swe_assay::inside::model::receipt::Receipt;

use crate::support::{assay, expect_exit, json, stderr};

/// The offline demo, run once for all tests here; a later run of the tests finds most of it done.
fn demo() -> &'static Path {
    static DEMO: OnceLock<PathBuf> = OnceLock::new();
    DEMO.get_or_init(|| {
        let demo = Path::new(env!("CARGO_TARGET_TMPDIR")).join("audit-demo");
        expect_exit(assay().args(["demo", "--offline", "--out"]).arg(&demo), 0);
        demo
    })
}

/// A copy of the demo's dataset.
fn dataset() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (demo().join("dataset"), folder.path().join("dataset"));
    for entry in walkdir::WalkDir::new(&from).into_iter().map(Result::unwrap) {
        let path = to.join(entry.path().strip_prefix(&from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::copy(entry.path(), path).unwrap();
        }
    }
    (folder, to)
}

fn manifest(dataset: &Path) -> Manifest {
    serde_json::from_slice(&fs::read(dataset.join(MANIFEST)).unwrap()).unwrap()
}

/// Writes manifest and statement anew, as somebody would who edits a dataset and knows how it is made.
fn reseal(dataset: &Path, key: Option<&SecretKey>) {
    let old = manifest(dataset);
    let rows: BTreeMap<_, _> = old.files.iter().filter_map(|file| Some((file.path.clone(), file.rows?))).collect();
    Manifest::of_directory(dataset, old.contents, &rows).unwrap().write(dataset, key).unwrap();
}

fn findings(dataset: &Path) -> Findings {
    let source = open(dataset.to_str().unwrap()).unwrap();
    check(&source, &Checks::default(), &mut |_| {}, &mut |_, _, _, _| {}).unwrap().findings
}

/// Rules of level error that were found.
fn errors(dataset: &Path) -> Vec<Rule> {
    let found = findings(dataset);
    found.counts().keys().copied().filter(|rule| rule.level() == swe_assay::inside::audit::Level::Error).collect()
}

/// Changes the lines of a table of the evidence.
fn edit_evidence(dataset: &Path, table: &str, edit: &mut dyn FnMut(&mut Value)) {
    let path = dataset.join(&manifest(dataset).contents.evidence[table].data_files[0]);
    let text = String::from_utf8(zstd::decode_all(fs::File::open(&path).unwrap()).unwrap()).unwrap();
    let mut edited = String::new();
    for line in text.lines() {
        let mut value: Value = serde_json::from_str(line).unwrap();
        edit(&mut value);
        edited.push_str(&format!("{value}\n"));
    }
    fs::write(path, zstd::encode_all(edited.as_bytes(), 3).unwrap()).unwrap();
}

/// Changes the rows of the repairs' config.
fn edit_rows(dataset: &Path, edit: &mut dyn FnMut(&mut Vec<Value>)) {
    let directory = dataset.join("sft-repair");
    let shard = directory.join("train-00000-of-00001.parquet");
    let mut rows = Vec::new();
    each_record(&shard, &mut |record| rows.push(Value::Object(record.row.unwrap()))).unwrap();
    edit(&mut rows);
    let mut writer = ParquetWriter::create(&directory, &sft_columns(), format::SFT_ROW, Bounds::default()).unwrap();
    for row in rows {
        writer.push_line(format!("{row}\n").as_bytes()).unwrap();
    }
    Box::new(writer).finish().unwrap();
}

fn an_export_passes_its_audit_and_a_flipped_bit_anywhere_is_found() {
    let (_folder, dataset) = dataset();
    assert_eq!(errors(&dataset), [], "{:?}", findings(&dataset).kept());
    let key = SecretKey::generate().unwrap();
    let public = key.write(&dataset.with_file_name("key")).unwrap();
    reseal(&dataset, Some(&key));
    let found = |dataset: &Path| {
        let mut findings = Findings::default();
        let _unreadable = check_files(dataset, Some(&public), &mut findings).unwrap();
        findings.counts().values().sum::<u64>()
    };
    assert_eq!(found(&dataset), 0);
    let mut files: Vec<_> = manifest(&dataset).files.into_iter().map(|file| file.path).collect();
    files.extend([MANIFEST, STATEMENT, ENVELOPE].map(str::to_owned));
    let mut flips = 0;
    for file in files {
        let path = dataset.join(&file);
        let whole = fs::read(&path).unwrap();
        let step = (whole.len() / 12).max(1);
        for at in (0..whole.len()).step_by(step).chain(whole.len().checked_sub(1)) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            assert!(found(&dataset) > 0, "byte {at} of {file} was changed, and nothing was found");
            flips += 1;
        }
        fs::write(&path, &whole).unwrap();
        fs::remove_file(&path).unwrap();
        if file != MANIFEST {
            assert!(found(&dataset) > 0, "{file} was removed, and nothing was found");
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(flips > 100, "{flips}");
    fs::write(dataset.join("extra.bin"), "x").unwrap();
    assert!(found(&dataset) > 0);
}

fn a_hand_edited_verdict_is_found_even_where_manifest_and_receipt_were_made_to_fit() {
    // The verdict alone.
    let (_folder, dataset) = dataset();
    edit_evidence(&dataset, "verdicts", &mut |verdict| {
        if verdict["reason"] == "still_failing" {
            (verdict["status"], verdict["reason"]) = (json!("verified"), json!("resolved"));
        }
    });
    reseal(&dataset, None);
    let found = errors(&dataset);
    assert!(
        found.contains(&Rule::VerdictContradictsReceipt) && found.contains(&Rule::VerdictNotReproduced),
        "{found:?}"
    );

    // The receipt with it.
    let mut digests = BTreeMap::new();
    edit_evidence(&dataset, "receipts", &mut |value| {
        let mut receipt: Receipt = serde_json::from_value(value.clone()).unwrap();
        let old = receipt.digest();
        if value["reason"] == "still_failing" {
            receipt.status = swe_assay::inside::model::verdict::VerdictStatus::Verified;
            receipt.reason = swe_assay::inside::model::verdict::Reason::Resolved;
            digests.insert(old.to_string(), receipt.digest().to_string());
        }
        *value = serde_json::to_value(receipt).unwrap();
    });
    edit_evidence(&dataset, "verdicts", &mut |verdict| {
        if let Some(new) = digests.get(verdict["receipt"].as_str().unwrap()) {
            verdict["receipt"] = json!(new);
        }
    });
    reseal(&dataset, None);
    assert_eq!(errors(&dataset), [Rule::VerdictNotReproduced], "only the evidence tells");

    // A dataset of another version is not accused of more than can be known.
    let told = |dataset: &Path| {
        let found = findings(dataset);
        found.kept().iter().find(|one| one.rule == Rule::VerdictNotReproduced).unwrap().message.clone()
    };
    assert!(!told(&dataset).contains("version"), "{}", told(&dataset));
    let mut contents = manifest(&dataset).contents;
    contents.tool.version = "0.0.1".to_owned();
    Manifest::of_directory(&dataset, contents, &BTreeMap::new()).unwrap().write(&dataset, None).unwrap();
    assert!(told(&dataset).contains("swe-assay 0.0.1"), "{}", told(&dataset));
}

fn what_does_not_pass_its_audit_is_not_published() {
    let (folder, dataset) = dataset();
    let publish = |arguments: &[&str], code| {
        let mut command = assay();
        command.arg("publish").arg(&dataset).arg("me/rows").args(arguments);
        command.env_remove("HF_TOKEN").env_remove("HF_TOKEN_PATH").env("HF_HOME", folder.path());
        stderr(&expect_exit(&mut command, code))
    };
    let said = publish(&[], 4);
    assert!(said.contains("token") && !said.contains("is not published"), "as it was exported it may go: {said}");

    edit_evidence(&dataset, "verdicts", &mut |verdict| {
        if verdict["reason"] == "still_failing" {
            (verdict["status"], verdict["reason"]) = (json!("verified"), json!("resolved"));
        }
    });
    reseal(&dataset, None);
    let said = publish(&[], 2);
    assert!(said.contains("is not published") && said.contains("from the evidence"), "{said}");
    assert!(publish(&["--force"], 4).contains("token"));
}

fn edited_and_swapped_rows_are_found_even_where_the_manifest_was_made_to_fit() {
    let swap = |name: &'static str| {
        move |rows: &mut Vec<Value>| {
            let other = rows.iter().position(|row| row[name] != rows[0][name]).expect("two different rows");
            let value = rows[0][name].take();
            rows[0][name] = rows[other][name].take();
            rows[other][name] = value;
        }
    };
    type Edit = Box<dyn FnMut(&mut Vec<Value>)>;
    let edits: [(Edit, Rule); 5] = [
        (Box::new(swap("patch")), Rule::RowContradictsReceipt),
        (Box::new(swap("messages")), Rule::AnswerDiffers),
        (Box::new(swap("candidate_id")), Rule::RowContradictsReceipt),
        (Box::new(|rows| rows[0]["receipt"] = json!("0".repeat(64))), Rule::RowWithoutReceipt),
        (Box::new(|rows| rows[0]["evidence"] = json!("E4")), Rule::RowContradictsVerdict),
    ];
    for (mut edit, rule) in edits {
        let (_folder, dataset) = dataset();
        edit_rows(&dataset, &mut edit);
        reseal(&dataset, None);
        let found = errors(&dataset);
        assert!(found.contains(&rule), "{rule}: {found:?}");
    }
}

fn a_row_is_traced_to_its_trials_and_a_sample_is_run_again() {
    let dataset = demo().join("dataset");
    let output = expect_exit(
        assay().args(["audit", "show", "--json"]).arg(&dataset).arg("sft-repair/train-00000-of-00001.parquet:1"),
        0,
    );
    let trace = json(&output);
    assert_eq!(trace["verdict"]["status"], "verified");
    assert_eq!(trace["receipt"]["candidate_id"], trace["values"]["candidate_id"]);
    let trials = trace["trials"].as_array().unwrap();
    assert!(!trials.is_empty() && trials.iter().all(|trial| trial["in_receipt"] == true), "{trials:?}");
    let receipt = trace["values"]["receipt"].as_str().unwrap();
    let output = expect_exit(assay().args(["audit", "show"]).arg(&dataset).arg(&receipt[..12]), 0);
    assert!(String::from_utf8_lossy(&output.stdout).contains("verified/resolved"));
    let output = expect_exit(assay().args(["audit", "show"]).arg(&dataset).arg("ffffffffff"), 1);
    assert!(stderr(&output).contains("no row is"), "{}", stderr(&output));

    let report = |seed: &str| {
        let repos = demo().join("repos");
        let output = assay()
            .args(["audit", "--json", "--rerun", "2", "--seed", seed, "--repos"])
            .arg(repos)
            .arg(&dataset)
            .output()
            .unwrap();
        json(&output)
    };
    let report = report("7");
    assert_eq!((&report["rerun"]["agreed"], &report["rerun"]["of"]), (&json!(2), &json!(2)), "{report}");
    assert!(report["rerun"]["interval"][0].as_f64().unwrap() > 0.1);
    let output = expect_exit(assay().args(["audit", "--rerun", "1"]).arg(&dataset), 1);
    assert!(stderr(&output).contains("--repos DIR"), "{}", stderr(&output));
}

fn diff(path: &str, line: &str) -> String {
    format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-x = 1\n+{line}\n")
}

fn predictions_are_graded_by_their_logs_and_disagreements_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut instances = String::new();
    let mut predictions = String::new();
    let pass = "PASSED t.py::fixed\nPASSED t.py::kept\n";
    let table = [
        ("a__a-1", pass, "2 passed", true),
        ("a__a-2", "FAILED t.py::fixed - x\nPASSED t.py::kept\n", "1 failed, 1 passed", true),
        ("a__a-3", "PASSED t.py::fixed\nSKIPPED [1] t.py:3: no\n", "1 passed, 1 skipped", true),
        ("a__a-4", "PASSED t.py::fixed\nPASSED t.py::kept\nPASSED t.py::more\n", "2 passed", true),
        ("a__a-5", pass, "2 passed", false),
        ("a__a-6", "FAILED t.py::fixed - x\nPASSED t.py::kept\n", "1 failed, 1 passed", false),
    ];
    for (id, results, footer, resolved) in table {
        let instance = json!({"instance_id": id, "repo": "a/a", "base_commit": "0", "patch": diff("a.py", id), "license": "MIT",
            "problem_statement": "p", "FAIL_TO_PASS": ["t.py::fixed"], "PASS_TO_PASS": ["t.py::kept"]});
        instances.push_str(&format!("{instance}\n"));
        let patch = diff(if id == "a__a-1" { "tests/test_a.py" } else { "a.py" }, "x = 2");
        predictions
            .push_str(&format!("{}\n", json!({"instance_id": id, "model_name_or_path": "m", "model_patch": patch})));
        let place = at("logs").join("m").join(id);
        fs::create_dir_all(&place).unwrap();
        let log = format!(
            "+ git diff\n+ : '>>>>> Start Test Output'\n==== test session starts ====\ncollected 2 items\n\nt.py ..\n==== short test \
             summary info ====\n{results}==== {footer} in 0.01s ====\n+ : '>>>>> End Test Output'\n"
        );
        fs::write(place.join("test_output.txt"), log).unwrap();
        let status = json!({"FAIL_TO_PASS": {"success": ["t.py::fixed"]}, "PASS_TO_PASS": {"success": ["t.py::kept"]}});
        fs::write(place.join("report.json"), json!({id: {"resolved": resolved, "tests_status": status}}).to_string())
            .unwrap();
    }
    // Logs of one folder, without reports: one whose last line has no room for its rule, and one that names no passes.
    for (id, results, footer) in
        [("b__b-1", pass, "= 2 passed in 9.01s ="), ("b__b-2", "", "==== 2 passed in 0.01s ====")]
    {
        let instance = json!({"instance_id": id, "repo": "a/a", "FAIL_TO_PASS": "['t.py::fixed']", "PASS_TO_PASS": ["t.py::kept "]});
        instances.push_str(&format!("{instance}\n"));
        let log = format!(
            "==== test session starts ====\ncollected 3 items\n\nt.py ..F\n==== short test summary info ====\n{results}XFAIL \
             t.py::later\n{footer}\n"
        );
        fs::write(at("logs").join(format!("{id}_test_output.txt")), log).unwrap();
    }
    fs::write(at("instances.jsonl"), instances).unwrap();
    fs::write(at("predictions.jsonl"), predictions).unwrap();

    let output = expect_exit(
        assay().args(["judge", "--json", "--logs"]).arg(at("logs")).arg("--instances").arg(at("instances.jsonl")),
        2,
    );
    let summary = json(&output);
    assert_eq!(
        summary["grades"],
        json!({"passes": 3, "regressed": 1, "still_failing": 2, "suspicious": 1, "unnamed": 1})
    );
    let differ = summary["disagreements"].as_array().unwrap();
    let ids: Vec<_> = differ.iter().map(|log| log["instance_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a__a-2", "a__a-3", "a__a-4", "a__a-5"]);
    assert_eq!(differ[1]["tests_that_differ"], json!(["t.py::kept: missing"]));

    let output = expect_exit(
        assay()
            .args(["audit", "--json", "--sarif"])
            .arg(at("audit.sarif"))
            .arg("--logs")
            .arg(at("logs"))
            .arg("--instances")
            .arg(at("instances.jsonl"))
            .arg(at("predictions.jsonl")),
        2,
    );
    let counts = &json(&output)["counts"];
    assert_eq!(
        (&counts["log-disagrees"], &counts["log-suspicious"], &counts["only-tests"]),
        (&json!(3), &json!(1), &json!(1))
    );
    let sarif: Value = serde_json::from_slice(&fs::read(at("audit.sarif")).unwrap()).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(sarif["runs"][0]["results"].as_array().unwrap().len() >= 5);
}

fn what_cannot_be_read_is_said_with_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let audit = |name: &str, code: i32| {
        let output = expect_exit(assay().arg("audit").arg(at(name)), code);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output))
    };
    fs::write(at("other.jsonl"), "{\"text\": \"x\", \"diff\": \"y\"}\n").unwrap();
    let text = audit("other.jsonl", 2);
    assert!(text.contains("the columns are text, diff") && text.contains("--column OURS=THEIRS"), "{text}");
    let output = expect_exit(
        assay().args(["audit", "--json"]).arg(at("other.jsonl")).args([
            "--column",
            "patch=diff",
            "problem_statement=text",
        ]),
        2,
    );
    assert_eq!(json(&output)["measures"]["shapes"]["task"], 1);

    fs::write(at("empty.jsonl"), "").unwrap();
    assert!(audit("empty.jsonl", 2).contains("empty-dataset"));
    let shard = fs::read(demo().join("dataset/sft-repair/train-00000-of-00001.parquet")).unwrap();
    fs::write(at("cut.parquet"), &shard[..shard.len() / 2]).unwrap();
    let text = audit("cut.parquet", 2);
    assert!(text.contains("table-unreadable") && text.contains("Get the file again"), "{text}");
    fs::write(at("torn.jsonl"), "{\"instance_id\": \"a\", \"model_patch\": \"\"}\n{\"instance_id\":").unwrap();
    let text = audit("torn.jsonl", 2);
    assert!(text.contains("bad-row") && text.contains("torn.jsonl:2"), "{text}");
    assert!(audit("nothing.parquet", 1).contains("neither a directory nor a file"));
    fs::create_dir(at("folder")).unwrap();
    assert!(audit("folder", 1).contains("holds no .parquet"));
}

pub const TESTS: &[Test] = tests![
    an_export_passes_its_audit_and_a_flipped_bit_anywhere_is_found,
    a_hand_edited_verdict_is_found_even_where_manifest_and_receipt_were_made_to_fit,
    what_does_not_pass_its_audit_is_not_published,
    edited_and_swapped_rows_are_found_even_where_the_manifest_was_made_to_fit,
    a_row_is_traced_to_its_trials_and_a_sample_is_run_again,
    predictions_are_graded_by_their_logs_and_disagreements_are_listed,
    what_cannot_be_read_is_said_with_the_next_step,
];
