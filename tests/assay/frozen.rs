//! A run directory that an earlier version wrote, judged and exported again. It holds one instance of the offline demo with a
//! localization, a test and two repairs.
//!
//! - Verdicts must be the same in every field. The receipt's digest holds the tool's version; it may move with the version alone.
//! - Rows and evidence must be the same bytes. The card and what else explains the dataset are prose and may change.
//!
//! If a change of the bytes is meant, `ASSAY_UPDATE=1` writes the digests, the receipts and the names of receipts anew. It never
//! changes another field of a verdict.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use swe_assay::inside::model::digest::Digest;

use crate::harness::{Test, tests};
use crate::small_world::copy;
use crate::support::{assay, expect_exit, lines};

pub const TESTS: &[Test] = tests![a_run_of_an_earlier_version_is_judged_and_exported_to_the_same_bytes];

const ANEW: &str = "if that is meant, run this test with ASSAY_UPDATE=1 and look at the difference";

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata").join(name)
}

fn without_receipts(verdicts: &Path) -> Vec<Value> {
    let mut verdicts = lines(verdicts);
    verdicts.iter_mut().for_each(|verdict| drop(verdict.as_object_mut().unwrap().remove("receipt").unwrap()));
    verdicts
}

/// Digests of the rows and the evidence of a dataset, by path.
fn digests(dataset: &Path) -> BTreeMap<String, String> {
    let mut digests = BTreeMap::new();
    for entry in walkdir::WalkDir::new(dataset) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(dataset).unwrap().to_str().unwrap().to_owned();
        if path.ends_with(".parquet") || path.starts_with("evidence/") {
            digests.insert(path, Digest::of(&fs::read(entry.path()).unwrap()).to_string());
        }
    }
    digests
}

fn a_run_of_an_earlier_version_is_judged_and_exported_to_the_same_bytes() {
    let (folder, frozen, listed) =
        (tempfile::tempdir().unwrap(), testdata("frozen-run"), testdata("frozen-run.sha256"));
    let run = folder.path().join("run");
    copy(&frozen, &run);
    for name in ["verdicts.jsonl", "receipts.jsonl"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    expect_exit(assay().arg("judge").arg(&run), 0);
    assert_eq!(without_receipts(&run.join("verdicts.jsonl")), without_receipts(&frozen.join("verdicts.jsonl")));

    let export = |name: &str| {
        let out = folder.path().join(name);
        expect_exit(assay().arg("export").arg(&run).args(["--license", "any", "--out"]).arg(&out), 0);
        out
    };
    let (first, second) = (export("first"), export("second"));
    assert_eq!(fs::read(first.join("manifest.json")).unwrap(), fs::read(second.join("manifest.json")).unwrap());
    let found = digests(&first);
    if std::env::var_os("ASSAY_UPDATE").is_some() {
        for name in ["verdicts.jsonl", "receipts.jsonl"] {
            fs::copy(run.join(name), frozen.join(name)).unwrap();
        }
        let text: String = found.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect();
        fs::write(&listed, text).unwrap();
    }
    for name in ["verdicts.jsonl", "receipts.jsonl"] {
        assert!(
            fs::read(run.join(name)).unwrap() == fs::read(frozen.join(name)).unwrap(),
            "{name} has other bytes; {ANEW}"
        );
    }
    let text = fs::read_to_string(&listed).unwrap();
    let expected: BTreeMap<String, String> = text
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(digest, path)| (path.to_owned(), digest.to_owned()))
        .collect();
    assert_eq!(found, expected, "the exported files have other bytes; {ANEW}");
}
