//! Admissions that one machine packs and another uses: a round trip, bundles that lie or are damaged, and a sample run again.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use swe_assay::inside::model::digest::{Digest, canonical_json};
use swe_assay::inside::model::trial::Trial;

use crate::export::rows;
use crate::harness::{Test, tests};
use crate::mixer;
use crate::small_world::copy;
use crate::support::{assay, expect_exit, lines, stderr};

pub const TESTS: &[Test] = tests![
    an_admission_serves_another_machine_without_a_run_and_its_rows_say_who_made_it,
    a_bundle_that_lies_or_is_damaged_is_named_and_a_sample_finds_what_only_running_shows,
];

const BASE: &str = "def ratio(part, whole):\n    return part * 100 // whole\n\n\ndef keep(x):\n    return x\n";
const GOLD: &str = "def ratio(part, whole):\n    return round(part * 100 / whole)\n\n\ndef keep(x):\n    return x\n";
const SUITE: &str = "import unittest

from mixer.core import keep, ratio


class Tests(unittest.TestCase):
    def test_two_thirds(self):
        self.assertEqual(ratio(2, 3), 67)

    def test_one_sixth(self):
        self.assertEqual(ratio(1, 6), 17)

    def test_seven_eighths(self):
        self.assertEqual(ratio(7, 8), 88)

    def test_keep(self):
        self.assertEqual(keep(1), 1)
";
const KEEP: &str = "tests/test_core.py::Tests::test_keep";
const THIRDS: &str = "tests/test_core.py::Tests::test_two_thirds";

/// The world at the maker's: instances with answers, admitted and packed.
fn packed(folder: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let answers = ["round(part * 100 / whole)", "int(part * 100 / whole + 0.5)", "part * 100 // whole + 2"]
        .map(|source| mixer::edit("mixer/core.py", BASE, &BASE.replace("part * 100 // whole", source)));
    let trees = [mixer::tree(BASE, SUITE), mixer::tree(GOLD, SUITE)];
    let work = mixer::imported(folder, "unittest", &trees, &answers, |_| {});
    let run = folder.join("theirs");
    expect_exit(&mut validate(&work, &run, &[]), 0);
    let bundle = folder.join("admissions.jsonl.zst");
    expect_exit(assay().arg("pack").arg(&run).args(["--by", "Team A", "--out"]).arg(&bundle), 0);
    (work, run, bundle)
}

fn validate(work: &Path, run: &Path, bundles: &[&Path]) -> Command {
    let mut command = assay();
    command.arg("validate").arg(work).arg("--run").arg(run);
    if !bundles.is_empty() {
        command.arg("--admissions").args(bundles);
    }
    command
}

/// Records of one kind in a run's journal.
fn journal(run: &Path, kind: &str) -> Vec<Value> {
    let files = fs::read_dir(run.join("journal")).unwrap();
    let records = files.flat_map(|file| lines(&file.unwrap().path()));
    records.filter(|record| record["record"] == kind).collect()
}

fn an_admission_serves_another_machine_without_a_run_and_its_rows_say_who_made_it() {
    let folder = tempfile::tempdir().unwrap();
    let (work, theirs, bundle) = packed(folder.path());
    let again = folder.path().join("again.jsonl.zst");
    expect_exit(assay().arg("pack").arg(&theirs).args(["--by", "Team A", "--out"]).arg(&again), 0);
    assert_eq!(fs::read(&again).unwrap(), fs::read(&bundle).unwrap(), "equal admissions are equal bytes");

    // Another place, and a cache that has nothing.
    let there = tempfile::tempdir().unwrap();
    let (cache, ours) = (there.path().join("cache"), there.path().join("ours"));
    copy(&work, &there.path().join("work"));
    let output = expect_exit(validate(&there.path().join("work"), &ours, &[&bundle]).env("ASSAY_CACHE", &cache), 0);
    let sha256 = Digest::of(&fs::read(&bundle).unwrap());
    let told = format!("made by Team A with assay {}, bundle {sha256}", env!("CARGO_PKG_VERSION"));
    let table = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(table.contains(&format!("admitted; imported, {told}")), "{table}");
    assert!(stderr(&output).contains("1 admission(s), 1 of them of these instances"), "{}", stderr(&output));
    let report = fs::read_to_string(ours.join("admission-report.md")).unwrap();
    assert!(report.contains(&told), "{report}");

    // Nothing ran: to the millisecond the outcomes are theirs, and each says where it came from.
    let sorted = |run: &Path| {
        let mut outcomes = journal(run, "outcome");
        outcomes.sort_by_key(|outcome| outcome["trial_id"].to_string());
        outcomes
    };
    let mut brought = sorted(&ours);
    for outcome in &mut brought {
        let from = outcome.as_object_mut().unwrap().remove("imported").unwrap();
        assert_eq!((&from["by"], &from["bundle"]), (&json!("Team A"), &json!(sha256)));
    }
    assert!(brought.len() > 5);
    assert_eq!(brought, sorted(&theirs));

    // The same verdicts from the same admission.
    let verified = |work: &Path, run: &Path| {
        let mut verify = assay();
        verify
            .arg("verify")
            .arg(work)
            .arg("--run")
            .arg(run)
            .arg("--generations")
            .arg(folder.path().join("answers.jsonl"));
        expect_exit(
            verify.env("ASSAY_CACHE", if run == ours { cache.clone() } else { crate::support::shared_cache() }),
            0,
        );
        let mut verdicts = lines(&run.join("verdicts.jsonl"));
        // It digests times of the candidates' own trials.
        verdicts.iter_mut().for_each(|verdict| verdict["receipt"] = Value::Null);
        let receipts = lines(&run.join("receipts.jsonl"));
        (verdicts, receipts.into_iter().map(|receipt| receipt["admission"].clone()).collect::<Vec<_>>())
    };
    let found = verified(&there.path().join("work"), &ours);
    assert_eq!(found, verified(&work, &theirs));
    let statuses: Vec<_> = found.0.iter().map(|verdict| verdict["status"].clone()).collect();
    assert_eq!(statuses, ["verified", "verified", "rejected"], "{found:?}");

    let dataset = there.path().join("dataset");
    expect_exit(assay().arg("export").arg(&ours).arg("--out").arg(&dataset), 0);
    for config in ["sft-repair", "rl"] {
        let rows = rows(&dataset, config);
        assert!(!rows.is_empty() && rows.iter().all(|row| row["admission_imported"] == *told), "{config}: {rows:?}");
    }
    expect_exit(assay().arg("audit").arg(&dataset), 0);

    // Nobody passes the work of others off as their own.
    let output = expect_exit(assay().arg("pack").arg(&ours).arg("--out").arg(there.path().join("mine")), 1);
    assert!(stderr(&output).contains("0 ran nothing, 1 were imported, 0 lack outcomes"), "{}", stderr(&output));

    // An admission under other options rests on the same outcomes, and says so.
    let mut other = validate(&there.path().join("work"), &ours, &[]);
    let output = expect_exit(other.args(["--deadline-floor", "16"]).env("ASSAY_CACHE", &cache), 0);
    assert!(String::from_utf8(output.stdout).unwrap().contains(&told));
}

fn decoded(bundle: &Path) -> Vec<Value> {
    let text = zstd::decode_all(fs::File::open(bundle).unwrap()).unwrap();
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn encoded(path: &Path, records: &[Value]) {
    let mut file = zstd::Encoder::new(fs::File::create(path).unwrap(), 3).unwrap();
    records.iter().for_each(|record| writeln!(file, "{record}").unwrap());
    file.finish().unwrap();
}

/// A report in which a test failed that passed.
fn failing(report: &[u8], id: &str) -> Vec<u8> {
    let mut report: Value = serde_json::from_slice(report).unwrap();
    if let Some(test) = report["tests"].get_mut(id)
        && test["phases"] == json!([["setup", "passed"], ["call", "passed"], ["teardown", "passed"]])
    {
        test["phases"][1][1] = json!("failed");
        test["error"] = json!("AssertionError");
    }
    canonical_json(&report)
}

/// A bundle in which a test fails wherever it passed; every digest fits.
fn with_failing(records: &[Value], id: &str) -> Vec<Value> {
    let mut records = records.to_vec();
    let mut names = std::collections::BTreeMap::new();
    for record in records.iter_mut().filter(|record| record["record"] == "blob") {
        let forged = failing(record["text"].as_str().unwrap().as_bytes(), id);
        let name = json!(Digest::of(&forged));
        names.insert(record["sha256"].to_string(), name.clone());
        (record["text"], record["sha256"]) = (json!(String::from_utf8(forged).unwrap()), name);
    }
    for record in records.iter_mut().filter(|record| record["record"] == "outcome") {
        record["report"] = names[&record["report"].to_string()].clone();
    }
    records
}

fn a_bundle_that_lies_or_is_damaged_is_named_and_a_sample_finds_what_only_running_shows() {
    let folder = tempfile::tempdir().unwrap();
    let (work, theirs, bundle) = packed(folder.path());
    let at = |name: &str| folder.path().join(name);
    let honest = decoded(&bundle);
    assert_eq!((&honest[0]["format"], &honest[1]["record"]), (&json!("admission-bundle.v1"), &json!("admission")));
    let first = |kind: &str| honest.iter().position(|record| record["record"] == kind).unwrap();
    let changed = |place: usize, change: &dyn Fn(&mut Value)| {
        let mut records = honest.clone();
        change(&mut records[place]);
        records
    };
    let cases = [
        ("fail-to-pass.zst", with_failing(&honest, THIRDS), "mixer: it cannot be computed again: no outcome of trial"),
        (
            "pass-to-pass.zst",
            with_failing(&honest, KEEP),
            "mixer: pass_to_pass: tests/test_core.py::Tests::test_keep only in the bundle",
        ),
        (
            "stated.zst",
            changed(1, &|record| record["fail_to_pass"] = json!([THIRDS])),
            "mixer: fail_to_pass: tests/test_core.py::Tests::test_one_sixth, tests/test_core.py::Tests::test_seven_eighths only here",
        ),
        (
            "instance.zst",
            changed(0, &|record| record["instances"]["mixer"]["instance"] = json!(Digest::of(b"x"))),
            "mixer: instance: ",
        ),
        (
            "image.zst",
            changed(0, &|record| record["instances"]["mixer"]["image"] = json!(Digest::of(b"x"))),
            "mixer: image: ",
        ),
        (
            "path.zst",
            changed(first("outcome"), &|record| record["report"] = json!("../../../../planted")),
            "is not a sha256",
        ),
        (
            "blob.zst",
            changed(first("blob"), &|record| record["text"] = json!("{}")),
            "does not hold what its digest names",
        ),
        ("part.zst", honest[..honest.len() / 2].to_vec(), "mixer: it cannot be computed again: no outcome of trial"),
        ("empty.zst", honest[..1].to_vec(), "mixer: its record is missing or damaged"),
    ];
    let mut bundles = Vec::new();
    for (name, records, _) in &cases {
        encoded(&at(name), records);
        bundles.push(at(name));
    }
    let whole = fs::read(&bundle).unwrap();
    fs::write(at("cut.zst"), &whole[..whole.len() * 2 / 3]).unwrap();
    // The last is honest, but for an outcome that would spare a candidate its own run.
    let mut smuggled = honest[first("outcome")].clone();
    smuggled["trial"]["tree"] = json!("a".repeat(40));
    smuggled["trial_id"] = json!(serde_json::from_value::<Trial>(smuggled["trial"].clone()).unwrap().id());
    let mut records = honest.clone();
    records.insert(2, smuggled.clone());
    encoded(&at("smuggled.zst"), &records);
    bundles.extend([at("cut.zst"), at("smuggled.zst")]);

    let run = at("ours");
    let bundles: Vec<_> = bundles.iter().map(PathBuf::as_path).collect();
    let output = expect_exit(&mut validate(&work, &run, &bundles), 0);
    let said = stderr(&output);
    for (name, _, why) in &cases {
        assert!(said.contains(why), "{name}: {why} is not in\n{said}");
    }
    assert!(said.contains("cut off"), "{said}");
    let quarantine = fs::read_to_string(run.join("quarantine.jsonl")).unwrap();
    for (name, why) in [
        ("path.zst", "is not a sha256 in lower-case hex"),
        ("cut.zst", "nothing from here on is used"),
        ("smuggled.zst", "on which the admission does not rest"),
    ] {
        let named = |line: &str| line.contains(name) && line.contains(why);
        assert!(quarantine.lines().any(named), "{name}: {why} is not in\n{quarantine}");
    }
    assert!(String::from_utf8(output.stdout).unwrap().contains("admitted; imported, made by Team A"));
    assert_eq!(journal(&run, "outcome").len(), journal(&theirs, "outcome").len());
    assert!(journal(&run, "outcome").iter().all(|outcome| outcome["trial_id"] != smuggled["trial_id"]));
    assert_eq!(
        walkdir::WalkDir::new(folder.path())
            .into_iter()
            .filter(|entry| entry.as_ref().unwrap().file_name() == "planted")
            .count(),
        0
    );

    let output = expect_exit(validate(&work, &run, &[]).args(["--sample", "3"]), 0);
    assert!(stderr(&output).contains("sample: 1 of 1 imported admission(s) agree"), "{}", stderr(&output));

    // What no computing finds: a maker who spoils outcomes and admits by them.
    let liar = at("liar");
    copy(&theirs, &liar);
    for file in fs::read_dir(liar.join("journal")).unwrap() {
        let path = file.unwrap().path();
        let mut records = lines(&path);
        records.retain(|record| record["record"] == "outcome");
        for record in &mut records {
            let place = |name: &str| liar.join("blobs").join(&name[..2]).join(format!("{name}.zst"));
            let report = zstd::decode_all(fs::File::open(place(record["report"].as_str().unwrap())).unwrap()).unwrap();
            let forged = failing(&report, KEEP);
            let name = Digest::of(&forged);
            fs::create_dir_all(place(name.as_str()).parent().unwrap()).unwrap();
            fs::write(place(name.as_str()), zstd::encode_all(&forged[..], 3).unwrap()).unwrap();
            record["report"] = json!(name);
        }
        fs::write(path, records.iter().map(|record| format!("{record}\n")).collect::<String>()).unwrap();
    }
    expect_exit(&mut validate(&work, &liar, &[]), 0);
    expect_exit(assay().arg("pack").arg(&liar).arg("--out").arg(at("lie.zst")), 0);
    let fooled = at("fooled");
    let output = expect_exit(&mut validate(&work, &fooled, &[&at("lie.zst")]), 0);
    assert!(String::from_utf8(output.stdout).unwrap().contains("imported, made by somebody who gave no name"));
    let mut sample = validate(&work, &fooled, &[]);
    let said = stderr(&expect_exit(sample.args(["--sample", "1", "--seed", "7"]), 2));
    assert!(said.contains("sample: 0 of 1 imported admission(s) agree"), "{said}");
    assert!(said.contains(&format!("mixer: pass_to_pass: {KEEP} only here")), "{said}");

    // What ran here counts more than the word of others, also for an admission under other options.
    let floor = ["--deadline-floor", "16"];
    expect_exit(validate(&work, &liar, &[]).args(floor), 0);
    expect_exit(assay().arg("pack").arg(&liar).arg("--out").arg(at("other-lie.zst")), 0);
    let native = at("native");
    expect_exit(&mut validate(&work, &native, &[]), 0);
    let output = expect_exit(validate(&work, &native, &[&at("other-lie.zst")]).args(floor), 0);
    assert!(!String::from_utf8(output.stdout.clone()).unwrap().contains("imported"), "{output:?}");
    assert!(stderr(&output).contains("ran here, or its outcome came from elsewhere"), "{}", stderr(&output));
    assert_eq!(lines(&native.join("admissions.jsonl"))[0]["pass_to_pass"], json!([KEEP]));

    // A sample runs each admission as it was made.
    let (full, taken) = (at("full"), at("taken"));
    expect_exit(validate(&work, &full, &[]).arg("--full"), 0);
    expect_exit(assay().arg("pack").arg(&full).arg("--out").arg(at("full.zst")), 0);
    expect_exit(validate(&work, &taken, &[&at("full.zst")]).arg("--full"), 0);
    let output = expect_exit(validate(&work, &taken, &[]).args(["--sample", "1"]), 0);
    assert!(stderr(&output).contains("sample: 1 of 1 imported admission(s) agree"), "{}", stderr(&output));
}
