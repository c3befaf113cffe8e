//! The demo without network: a small package of our own, its verdicts held against the committed table.

use crate::harness::{Test, tests};
use std::path::{Path, PathBuf};

use swe_assay::inside::dataset::evidence;
use swe_assay::inside::dataset::files::parquet;
use swe_assay::inside::dataset::seal::manifest::Manifest;
use swe_assay::inside::lab::recompute;
use swe_assay::inside::model::receipt::Receipt;
use swe_assay::inside::model::verdict::Verdict;

use crate::support::{answers, assay, assert_answers, expect_exit, expected, json, lines};

fn table() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sandboxes/offline-demo/expected.jsonl")
}

fn the_offline_demo_gives_the_expected_verdicts_and_a_second_run_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let run = || {
        let output = expect_exit(assay().args(["demo", "--offline", "--json", "--out"]).arg(&out), 0);
        json(&output)
    };
    let first = run();
    assert_answers(&answers(&out.join("run")), &expected(&table()));
    for key in
        ["instances", "candidates", "verified", "rejected", "inconclusive", "duplicates", "skills", "rows", "seconds"]
    {
        assert!(first.get(key).is_some(), "{key} is missing in {first}");
    }
    let dataset = PathBuf::from(first["dataset"].as_str().unwrap());
    let manifest = std::fs::read(dataset.join("manifest.json")).unwrap();
    let verdicts = std::fs::read(out.join("run/verdicts.jsonl")).unwrap();

    let second = run();
    assert_eq!(std::fs::read(dataset.join("manifest.json")).unwrap(), manifest);
    assert_eq!(std::fs::read(out.join("run/verdicts.jsonl")).unwrap(), verdicts);
    assert_eq!(first["verified"], second["verified"]);

    // Told to people, the dataset as well as the run.
    expect_exit(assay().args(["report", "."]).current_dir(&dataset), 0);
    let html = std::fs::read_to_string(out.join("dataset.report.html")).unwrap();
    let verified = first["verified"].as_u64().unwrap();
    assert!(html.contains(&format!("<strong>{verified}</strong> of <strong>")) && html.contains(">sft-repair</th>"));
    let of_run = std::fs::read_to_string(out.join("report.html")).unwrap();
    for unknown in ["<dt>Sandbox</dt>", ">Models</h3>"] {
        assert!(of_run.contains(unknown) && !html.contains(unknown), "the evidence does not say: {unknown}");
    }

    // Recomputed without a sandbox, byte for byte.
    expect_exit(assay().arg("judge").arg(out.join("run")), 0);
    assert_eq!(std::fs::read(out.join("run/verdicts.jsonl")).unwrap(), verdicts);
}

fn the_manifest_lists_every_file_with_its_size_and_digest() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    expect_exit(assay().args(["demo", "--offline", "--out"]).arg(&out), 0);
    let dataset = out.join("dataset");
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dataset.join("manifest.json")).unwrap()).unwrap();
    let listed = manifest["files"].as_array().unwrap();
    let mut paths: Vec<_> = listed.iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
    for file in listed {
        let bytes = std::fs::read(dataset.join(file["path"].as_str().unwrap())).unwrap();
        assert_eq!(file["bytes"].as_u64(), Some(bytes.len() as u64));
        assert_eq!(file["sha256"].as_str().unwrap(), swe_assay::inside::model::digest::Digest::of(&bytes).as_str());
    }
    paths.extend(["manifest.json", "statement.json"].map(str::to_owned));
    paths.sort();
    let mut present: Vec<_> = walkdir::WalkDir::new(&dataset)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().strip_prefix(&dataset).unwrap().display().to_string())
        .collect();
    present.sort();
    assert_eq!(paths, present);
}

fn only_verified_candidates_are_exported_and_each_row_names_its_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    expect_exit(assay().args(["demo", "--offline", "--out"]).arg(&out), 0);
    let verdicts = lines(&out.join("run/verdicts.jsonl"));
    let dataset = out.join("dataset");
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(dataset.join("manifest.json")).unwrap()).unwrap();
    let mut rows = Vec::new();
    for file in &manifest.contents.configs["sft"].data_files {
        parquet::each_row(&dataset.join(file), &mut |row| {
            rows.push(serde_json::Value::Object(row));
            Ok(())
        })
        .unwrap();
    }
    assert!(!rows.is_empty());
    for row in rows {
        let verdict = verdicts.iter().find(|verdict| verdict["candidate_id"] == row["candidate_id"]).unwrap();
        assert_eq!(verdict["status"], "verified");
        assert_eq!(verdict["receipt"], row["receipt"]);
    }

    // The dataset's own evidence is enough to judge again: same verdicts, same receipts.
    let unpacked = evidence::unpack(&dataset, &folder.path().join("unpacked")).unwrap();
    assert_eq!(recompute(&unpacked).unwrap().total.candidates, verdicts.len() as u64);
    let judged: Vec<Verdict> = unpacked.read_lines("verdicts.jsonl").unwrap();
    let receipts: Vec<Receipt> = unpacked.read_lines("receipts.jsonl").unwrap();
    assert_eq!((judged.len(), receipts.len()), (verdicts.len(), verdicts.len()));
    for (verdict, receipt) in judged.into_iter().zip(receipts) {
        let stored = verdicts.iter().find(|stored| stored["candidate_id"] == verdict.candidate_id.as_str()).unwrap();
        assert_eq!(&serde_json::json!(verdict), stored);
        assert_eq!(receipt.digest(), verdict.receipt);
    }
}

pub const TESTS: &[Test] = tests![
    the_offline_demo_gives_the_expected_verdicts_and_a_second_run_the_same_bytes,
    the_manifest_lists_every_file_with_its_size_and_digest,
    only_verified_candidates_are_exported_and_each_row_names_its_receipt,
];
