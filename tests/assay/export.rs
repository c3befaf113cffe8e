//! Export: a dataset directory from a small synthetic run.

use crate::harness::{Test, tests};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context as _, Result};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use swe_assay::inside::dataset::evidence;
use swe_assay::inside::dataset::export::{ExportSummary, export};
use swe_assay::inside::dataset::files::parquet::each_row;
use swe_assay::inside::dataset::options::ExportOptions;
use swe_assay::inside::dataset::rows::Reasoning;
use swe_assay::inside::dataset::seal::checks::{CheckOptions, Licenses};
use swe_assay::inside::dataset::seal::manifest::Manifest;
use swe_assay::inside::dataset::seal::merkle;
use swe_assay::inside::dataset::seal::signature::{Envelope, PublicKey, SecretKey};
use swe_assay::inside::dataset::seal::statement::Statement;
use swe_assay::inside::dataset::source::Source;
use swe_assay::inside::dataset::views::View;
use swe_assay::inside::journal::Record;
use swe_assay::inside::model::admission::Admission;
use swe_assay::inside::model::candidate::Candidate;
use swe_assay::inside::model::contest::Contest;
use swe_assay::inside::model::digest::Digest;
use swe_assay::inside::model::generation::{Generation, Message, Skill};
use swe_assay::inside::model::instance::Instance;
use swe_assay::inside::model::receipt::Receipt;
use swe_assay::inside::model::trial::Outcome;
use swe_assay::inside::model::verdict::{Reason, Verdict, VerdictStatus};
use swe_assay::inside::prompt::render::{PromptContext, PromptFile, render};

use crate::samples;

/// A small run: two admitted instances, one refused; verified, rejected and inconclusive candidates of every skill.
pub struct World {
    pub instances: BTreeMap<String, Instance>,
    pub admissions: BTreeMap<String, Admission>,
    pub candidates: Vec<Candidate>,
    pub generations: BTreeMap<Digest, Generation>,
    pub verdicts: Vec<Verdict>,
    pub receipts: Vec<Receipt>,
    journal: Vec<Record>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    inputs: BTreeMap<String, Digest>,
}

/// Any licence goes: the small world has an instance without.
fn options() -> ExportOptions {
    let checks = CheckOptions { licenses: Licenses::Any, ..CheckOptions::default() };
    ExportOptions { checks, ..ExportOptions::default() }
}

impl World {
    fn empty() -> Self {
        Self {
            instances: BTreeMap::new(),
            admissions: BTreeMap::new(),
            candidates: Vec::new(),
            generations: BTreeMap::new(),
            verdicts: Vec::new(),
            receipts: Vec::new(),
            journal: Vec::new(),
            blobs: BTreeMap::new(),
            inputs: BTreeMap::from([("instances".to_owned(), Digest::of(b"instances"))]),
        }
    }

    pub fn small() -> Self {
        let mut world = Self::empty();
        for (id, license) in [("one", Some("MIT")), ("two", None), ("three", Some("MIT"))] {
            world.instances.insert(id.to_owned(), samples::instance(id, license));
            world.admissions.insert(id.to_owned(), samples::admission(id, id != "three"));
        }
        let table = [
            ("one", Skill::Localization, Reason::Locates),
            ("one", Skill::Localization, Reason::MissesFile),
            ("one", Skill::Test, Reason::Reproduces),
            ("one", Skill::Repair, Reason::Resolved),
            ("one", Skill::Repair, Reason::Resolved),
            ("one", Skill::Repair, Reason::StillFailing),
            ("one", Skill::Repair, Reason::SandboxFailed),
            ("two", Skill::Repair, Reason::Malformed),
            ("two", Skill::Test, Reason::NotRun),
            ("three", Skill::Repair, Reason::InstanceNotAdmitted),
        ];
        for (line, (id, skill, reason)) in (1..).zip(table) {
            world.add(id, skill, reason, line);
        }
        let first = world.verdicts[3].candidate_id.clone();
        world.verdicts[4].duplicate_of = Some(first);
        let report = serde_json::to_vec(&samples::report()).unwrap();
        let outcome = Outcome { report: Some(Digest::of(&report)), ..samples::outcome() };
        world.blobs.insert(Digest::of(&report), report);
        world.journal.push(Record::Outcome(Box::new(outcome)));
        world
    }

    fn add(&mut self, id: &str, skill: Skill, reason: Reason, line: u64) {
        let generation = samples::generation(id, skill, line);
        let candidate = samples::candidate(&generation, line, reason != Reason::Malformed);
        let receipt = samples::receipt(&self.instances[id], &self.admissions[id], &candidate, reason);
        self.verdicts.push(samples::verdict(&candidate, reason, &receipt));
        self.receipts.push(receipt);
        self.generations.insert(candidate.candidate_id.clone(), generation);
        self.candidates.push(candidate);
    }

    fn export(&self, out: &Path) -> Result<ExportSummary> {
        export(self, out, &options())
    }
}

impl Source for World {
    fn instances(&self) -> Vec<String> {
        self.instances.keys().cloned().collect()
    }

    fn instance(&self, id: &str) -> Result<Instance> {
        Ok(self.instances[id].clone())
    }

    fn admission(&self, id: &str) -> Result<Option<Admission>> {
        Ok(self.admissions.get(id).cloned())
    }

    fn contests(&self) -> &[Contest] {
        &[]
    }

    fn inputs(&self) -> &BTreeMap<String, Digest> {
        &self.inputs
    }

    fn verdicts(&self) -> usize {
        self.verdicts.len()
    }

    fn verdict(&self, position: usize) -> Result<Verdict> {
        Ok(self.verdicts[position].clone())
    }

    fn candidate(&self, id: &Digest) -> Result<Option<Candidate>> {
        Ok(self.candidates.iter().find(|candidate| candidate.candidate_id == *id).cloned())
    }

    fn receipt(&self, candidate: &Digest) -> Result<Option<Receipt>> {
        Ok(self.receipts.iter().find(|receipt| receipt.candidate_id == *candidate).cloned())
    }

    fn generation(&self, candidate: &Digest) -> Result<Generation> {
        Ok(self.generations[candidate].clone())
    }

    fn prompt(&self, instance: &Instance, skill: Skill) -> Result<Vec<Message>> {
        let file = PromptFile { path: "src/a.py".to_owned(), content: "x = 1\n".to_owned() };
        let context = PromptContext {
            problem_statement: instance.problem_statement.clone(),
            paths: vec![file.path.clone()],
            files: vec![file],
        };
        Ok(render(skill, &context)?)
    }

    fn journal(&self, each: &mut dyn FnMut(&Record) -> Result<()>) -> Result<()> {
        self.journal.iter().try_for_each(each)
    }

    fn blob(&self, id: &Digest) -> Result<Vec<u8>> {
        self.blobs.get(id).cloned().context("no such blob")
    }
}

fn a_run_becomes_verified_rows_and_everything_else_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("dataset");
    let summary = World::small().export(&out).unwrap();

    let rows = [("preference", 2), ("rl", 4), ("sft", 3), ("sft-localization", 1), ("sft-repair", 1), ("sft-test", 1)];
    assert_eq!(summary.rows, BTreeMap::from(rows.map(|(config, rows)| (config.to_owned(), rows))));
    let left_out = [
        ("duplicate", 1),
        ("inconclusive/instance_not_admitted", 1),
        ("inconclusive/not_run", 1),
        ("inconclusive/sandbox_failed", 1),
        ("rejected/malformed", 1),
        ("rejected/misses_file", 1),
        ("rejected/still_failing", 1),
    ];
    assert_eq!(summary.left_out, BTreeMap::from(left_out.map(|(why, count)| (why.to_owned(), count))));

    let repair = read(&out.join("sft-repair"));
    assert_eq!(texts(&repair, "instance_id"), ["one"]);
    assert_eq!(texts(&repair, "skill"), ["repair"]);
    assert!(texts(&repair, "patch")[0].starts_with("diff --git "));
    assert!(texts(&repair, "prompt_id")[0].starts_with("repair.v1@"));
    let messages = repair[0].column_by_name("messages").unwrap().as_list::<i32>().value(0);
    let messages = messages.as_struct();
    let roles = messages.column_by_name("role").unwrap().as_string::<i32>();
    assert_eq!(roles.iter().flatten().collect::<Vec<_>>(), ["user", "assistant"]);
    let contents = messages.column_by_name("content").unwrap().as_string::<i32>();
    assert!(contents.value(0).contains("the issue of one"));
    assert!(contents.value(1).starts_with("<think>\n"), "{}", contents.value(1));

    assert_eq!(texts(&read(&out.join("sft-localization")), "patch"), [""]);
    let rl = read(&out.join("rl"));
    assert_eq!(texts(&rl, "data_source"), ["assay/localization", "assay/test", "assay/repair", "assay/repair"]);
    let rates = rl[0].column_by_name("pass_rate").unwrap().as_primitive::<arrow_array::types::Float64Type>();
    assert_eq!(rates.values().as_ref(), [0.5, 1.0, 2.0 / 3.0, 0.0]);
}

fn tasks_alone_are_those_of_the_whole_dataset_without_its_other_rows() {
    let directory = tempfile::tempdir().unwrap();
    let [whole, tasks] = ["whole", "tasks"].map(|name| directory.path().join(name));
    let world = World::small();
    world.export(&whole).unwrap();
    let summary = export(&world, &tasks, &ExportOptions { only_tasks: true, ..options() }).unwrap();
    let rows_of = [("rl", 4), ("sft", 0), ("sft-localization", 0), ("sft-repair", 0), ("sft-test", 0)];
    assert_eq!(summary.rows, BTreeMap::from(rows_of.map(|(config, rows)| (config.to_owned(), rows))));
    assert_eq!(summary.left_out["only_tasks"], 3);
    assert_eq!(rows(&tasks, "rl"), rows(&whole, "rl"));
    for file in fs::read_dir(whole.join("evidence")).unwrap() {
        let name = file.unwrap().file_name();
        assert_eq!(
            fs::read(tasks.join("evidence").join(&name)).unwrap(),
            fs::read(whole.join("evidence").join(&name)).unwrap()
        );
    }
    assert!(tasks.join("reward/assay_reward.py").exists());
}

fn rows_of_an_issue_that_gives_the_answer_away_are_marked_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("dataset");
    let mut world = World::small();
    let instance = world.instances.get_mut("one").unwrap();
    instance.patch =
        "--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-total = count(items)\n+total = sum(items, start=0)\n".to_owned();
    instance.problem_statement = "In src/a.py it must be `total = sum(items, start=0)`".to_owned();
    world.export(&out).unwrap();
    let marks = |config: &str, column: &str| {
        let rows = read(&out.join(config));
        let column = rows[0].column_by_name(column).unwrap().as_boolean().clone();
        column.iter().map(Option::unwrap).collect::<Vec<_>>()
    };
    for column in ["solution_in_issue", "path_named_in_issue"] {
        for skill in ["localization", "repair", "test"] {
            assert_eq!(marks(&format!("sft-{skill}"), column), [true]);
        }
        assert_eq!(marks("rl", column), [true, true, true, false]);
    }
    let card = fs::read_to_string(out.join("README.md")).unwrap();
    assert!(card.contains("| `solution_in_issue` | 3 |") && card.contains("| `path_named_in_issue` | 3 |"), "{card}");
    assert!(card.contains("dtype: bool"), "{card}");
}

fn the_same_input_in_any_order_gives_the_same_bytes_and_a_true_manifest() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    let mut world = World::small();
    world.export(&one).unwrap();
    world.candidates.reverse();
    world.verdicts.reverse();
    world.receipts.reverse();
    world.export(&two).unwrap();
    let files = contents(&one);
    assert!(files == contents(&two), "the two exports differ");

    let manifest: Manifest = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let listed: Vec<_> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    let unlisted = ["manifest.json", "statement.json"];
    let there: Vec<_> = files.keys().map(String::as_str).filter(|path| !unlisted.contains(path)).collect();
    assert_eq!(listed, there);
    for file in &manifest.files {
        assert_eq!(file.sha256, Digest::of(&files[&file.path]), "{}", file.path);
        assert_eq!(file.bytes, files[&file.path].len() as u64);
        let table = ![".json", ".md", ".py", ".svg"].iter().any(|end| file.path.ends_with(end));
        assert_eq!(file.rows.is_some(), table, "{}", file.path);
    }
    assert_eq!(manifest.merkle_root, merkle::root(&manifest.files));
    let statement = Statement::of(&manifest, &files["manifest.json"]).to_bytes().unwrap();
    assert!(statement == files["statement.json"], "the statement is not that of the manifest");

    let contents = &manifest.contents;
    assert_eq!(contents.configs["sft-test"].data_files, ["sft-test/train-00000-of-00001.parquet"]);
    assert_eq!(contents.configs["sft"].data_files.len(), 3);
    assert_eq!(contents.configs["sft"].rows, 3);
    let verdicts = zstd::decode_all(files["evidence/verdicts-00000-of-00001.jsonl.zst"].as_slice()).unwrap();
    assert_eq!(String::from_utf8(verdicts).unwrap().lines().count(), 10);
    let leftovers: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(leftovers.len(), 2, "{leftovers:?}");
}

fn evidence_unpacks_to_a_run_directory_and_a_changed_blob_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("dataset");
    let world = World::small();
    world.export(&out).unwrap();
    let run = evidence::unpack(&out, &directory.path().join("run")).unwrap();
    let verdicts: Vec<Verdict> = run.read_lines("verdicts.jsonl").unwrap();
    let receipts: Vec<Receipt> = run.read_lines("receipts.jsonl").unwrap();
    assert_eq!(verdicts.len(), world.verdicts.len());
    assert!(verdicts.iter().zip(&receipts).all(|(verdict, receipt)| verdict.receipt == receipt.digest()));
    assert_eq!(run.index().unwrap().outcomes(), 1);
    for (id, bytes) in &world.blobs {
        assert_eq!(&run.blobs().get(id).unwrap(), bytes);
    }

    let path = out.join("evidence/blobs-00000-of-00001.jsonl.zst");
    let lines = String::from_utf8(zstd::decode_all(fs::read(&path).unwrap().as_slice()).unwrap()).unwrap();
    fs::write(&path, zstd::encode_all(lines.replace("AssertionError", "ValueError").as_bytes(), 3).unwrap()).unwrap();
    let error = format!("{:#}", evidence::unpack(&out, &directory.path().join("other")).unwrap_err());
    assert!(error.contains("blobs-00000-of-00001.jsonl.zst:1") && error.contains("was changed"), "{error}");
}

fn a_signed_dataset_carries_its_statement_in_an_envelope_that_the_public_key_opens() {
    let directory = tempfile::tempdir().unwrap();
    let public = SecretKey::generate().unwrap().write(&directory.path().join("key")).unwrap();
    let mut written = Vec::new();
    for name in ["one", "two"] {
        let key = SecretKey::read(&directory.path().join("key")).unwrap();
        let out = directory.path().join(name);
        export(&World::small(), &out, &ExportOptions { key: Some(key), ..options() }).unwrap();
        written.push(contents(&out));
    }
    assert!(written[0] == written[1], "signing made the exports differ");
    let envelope: Envelope = serde_json::from_slice(&written[0]["statement.dsse.json"]).unwrap();
    let statement = envelope.verify(&PublicKey::read(&public).unwrap()).unwrap();
    assert_eq!(statement, written[0]["statement.json"]);
}

fn a_pair_sets_a_verified_answer_against_a_rejected_one_to_the_same_prompt_and_never_an_inconclusive_one() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("dataset");
    let mut world = World::small();
    // Wrong too, and asked otherwise: no pair.
    world.add("one", Skill::Repair, Reason::Regressed, 20);
    let other = world.candidates.last().unwrap().candidate_id.clone();
    let asked = Message { role: "user".to_owned(), content: "asked otherwise".to_owned(), reasoning_content: None };
    world.generations.get_mut(&other).unwrap().messages = Some(vec![asked]);
    world.export(&out).unwrap();
    let pairs = rows(&out, "preference");
    let skills: Vec<_> = pairs.iter().map(|pair| pair["skill"].as_str().unwrap()).collect();
    assert_eq!(skills, ["localization", "repair"]);
    for pair in &pairs {
        assert_eq!(pair["prompt"][0]["role"], "user");
        assert_eq!(pair["chosen"][0]["role"], "assistant");
        let status = |candidate: &str| {
            let id = pair[candidate].as_str().unwrap();
            world.verdicts.iter().find(|verdict| verdict.candidate_id.as_str() == id).unwrap().status
        };
        assert_eq!(status("chosen_candidate"), VerdictStatus::Verified);
        assert_eq!(status("rejected_candidate"), VerdictStatus::Rejected);
    }
    assert_eq!(pairs[1]["rejected_reason"], "still_failing");

    export(&world, &out, &ExportOptions { pairs: 0, reasoning: Reasoning::Apart, ..options() }).unwrap();
    assert!(!out.join("preference").exists());
    let row = &rows(&out, "sft-repair")[0];
    assert_eq!(row["reasoning"], "first this, then that");
    assert_eq!(row["messages"][1]["content"], "answer 4");
    let metadata: Value = serde_json::from_str(row["metadata"].as_str().unwrap()).unwrap();
    assert_eq!(metadata["sampling"]["temperature"], 0.6);
}

fn what_may_not_go_out_stays_in_and_is_counted_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("dataset");
    let mut world = World::small();
    let leaky = world.verdicts[2].candidate_id.clone();
    world.generations.get_mut(&leaky).unwrap().completion = Some("ask jane@university.edu".to_owned());
    // Rejected, and its diff would be in the evidence.
    let rejected = &mut world.candidates[5];
    let diff = &mut rejected.prepared.as_mut().unwrap().diff;
    *diff = diff.replace("x = 6", "x = 'joe.bloggs@university.edu'");
    let rejected = rejected.candidate_id.clone();
    let summary = export(&world, &out, &ExportOptions::default()).unwrap();
    // "two" has no licence that is known: its two judged skills are no tasks.
    assert_eq!(summary.left_out_tasks, BTreeMap::from([("license/unknown".to_owned(), 1)]));
    assert_eq!(summary.left_out["personal_data"], 1);
    assert_eq!(summary.rows["sft-test"], 0);
    let held = fs::read_to_string(summary.quarantine.unwrap()).unwrap();
    assert!(held.contains(leaky.as_str()) && held.contains(rejected.as_str()), "{held}");
    assert!(held.contains("e-mail address") && !held.contains("university"), "{held}");
    for path in contents(&out).keys().filter(|path| path.ends_with(".zst")) {
        let text = zstd::decode_all(fs::read(out.join(path)).unwrap().as_slice()).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains(leaky.as_str()) && !text.contains(rejected.as_str()), "{path} holds a quarantined one");
        assert!(!text.contains("\"two\""), "{path} holds what has no licence");
    }

    world.instances.get_mut("one").unwrap().repo = "somebody/django".to_owned();
    let summary = export(&world, &out, &options()).unwrap();
    assert_eq!(summary.left_out["contaminated/fork"], 3, "{:?}", summary.left_out);
    assert_eq!(summary.rows["sft"], 0);
    assert!(summary.quarantine.is_none() && !directory.path().join("dataset.quarantine.jsonl").exists());
}

fn views_hold_the_same_rows_in_the_layout_of_each_trainer() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("dataset");
    let mut world = World::small();
    world.instances.get_mut("one").unwrap().environment.image = Some("example/one:1".to_owned());
    let views = [
        View::Harbor,
        View::LlamaFactory,
        View::MsSwift,
        View::NemoGym,
        View::Openrlhf,
        View::Skyrl,
        View::Slime,
        View::Trl,
        View::Xtuner,
    ];
    export(&world, &out, &ExportOptions { views: views.into(), ..options() }).unwrap();
    let lines = |view: &str, name: &str| -> Vec<Value> {
        let path = out.join(format!("views/{view}/{name}-00000-of-00001.jsonl"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for (view, name, count) in [
        ("llama-factory", "sft-repair/sft-repair", 1),
        ("llama-factory", "preference/preference", 2),
        ("ms-swift", "sft", 3),
        ("ms-swift", "rl", 4),
        ("ms-swift", "preference", 2),
        ("nemo-gym", "rl", 4),
        ("openrlhf", "rl", 4),
        ("skyrl", "rl", 4),
        ("slime", "rl", 4),
        ("trl", "sft", 3),
        ("xtuner", "sft", 3),
        ("xtuner", "rl", 4),
    ] {
        assert_eq!(lines(view, name).len(), count, "{view} {name}");
    }
    assert_eq!(lines("trl", "sft")[0]["completion"][0]["role"], "assistant");
    assert_eq!(lines("nemo-gym", "rl")[0]["responses_create_params"]["input"][0]["role"], "user");
    let truth = lines("skyrl", "rl")[0]["reward_spec"]["ground_truth"].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&truth).unwrap()["instance_id"], "one");
    let info: Value = serde_json::from_slice(&fs::read(out.join("dataset_info.json")).unwrap()).unwrap();
    for (name, entry) in info.as_object().unwrap() {
        let folder = out.join(entry["file_name"].as_str().unwrap());
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "{name} is all that its folder holds");
    }

    let tasks = zstd::decode_all(fs::read(out.join("views/harbor/tasks-00000-of-00001.tar.zst")).unwrap().as_slice());
    let mut archive = tar::Archive::new(std::io::Cursor::new(tasks.unwrap()));
    let names: Vec<_> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert!(names.contains(&"one/task.toml".to_owned()) && names.contains(&"one/tests/test.sh".to_owned()));
    assert_eq!(names.iter().filter(|name| name.ends_with("task.toml")).count(), 1, "only one has an image");
}

fn an_export_replaces_an_older_dataset_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("dataset");
    let mut other = World::small();
    other.verdicts.truncate(3);
    other.export(&out).unwrap();
    fs::create_dir(directory.path().join(".dataset.partial")).unwrap();
    World::small().export(&out).unwrap();
    assert_eq!(texts(&read(&out.join("sft-repair")), "instance_id"), ["one"]);
    assert!(!directory.path().join(".dataset.partial").exists());

    let precious = directory.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("thesis.tex"), "work").unwrap();
    let error = format!("{:#}", World::small().export(&precious).unwrap_err());
    assert!(error.contains("precious") && error.contains("not a dataset"), "{error}");
    assert!(precious.join("thesis.tex").exists());
    // A manifest of something else proves nothing.
    for text in [r#"{"name": "an app", "icons": []}"#, r#"{"format": "manifest.v1"}"#, "not JSON"] {
        fs::write(precious.join("manifest.json"), text).unwrap();
        let error = format!("{:#}", World::small().export(&precious).unwrap_err());
        assert!(error.contains("precious") && error.contains("left alone"), "{error}");
        assert!(precious.join("thesis.tex").exists());
    }
    let mut names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["dataset", "precious"]);
}

fn a_dataset_with_anything_else_in_it_is_left_alone_and_it_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("dataset");
    World::small().export(&out).unwrap();
    let refused = |place: &str, text: &str| {
        let path = out.join(place);
        let former = fs::read(&path).ok();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let error = format!("{:#}", World::small().export(&out).unwrap_err());
        let named = place.split('/').next().unwrap();
        assert!(error.contains(named) && error.contains("left alone"), "{place}: {error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        match former {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None if place.contains('/') => fs::remove_dir_all(out.join(named)).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    };
    // Of a clone, of a download, of people.
    for place in [".git/config", ".gitattributes", ".cache/huggingface/download/x.lock", "notes.md", "README.md"] {
        refused(place, "mine");
    }
    fs::create_dir(out.join("mine")).unwrap();
    assert!(World::small().export(&out).is_err(), "an empty folder is not ours either");
    fs::remove_dir(out.join("mine")).unwrap();
    let card = fs::read(out.join("README.md")).unwrap();
    fs::remove_file(out.join("README.md")).unwrap();
    assert!(format!("{:#}", World::small().export(&out).unwrap_err()).contains("lacks README.md"));
    fs::write(out.join("README.md"), card).unwrap();
    World::small().export(&out).unwrap();
}

fn a_run_without_rows_makes_no_dataset_and_leaves_an_earlier_one_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("dataset");
    let summary = World::empty().export(&out).unwrap();
    assert!(summary.rows.values().all(|rows| *rows == 0), "{:?}", summary.rows);
    assert!(summary.path.is_none() && fs::read_dir(directory.path()).unwrap().count() == 0);

    World::small().export(&out).unwrap();
    let before = contents(&out);
    assert!(World::empty().export(&out).unwrap().path.is_none());
    assert!(before == contents(&out), "the earlier dataset was changed");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

fn a_directory_that_cannot_be_written_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let error = format!("{:#}", World::small().export(&file.join("dataset")).unwrap_err());
    assert!(error.contains("file/.dataset.partial") && error.contains("choose a directory"), "{error}");
}

fn a_verdict_without_its_receipt_candidate_or_instance_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("dataset");
    let mut world = World::small();
    let id = world.verdicts[0].candidate_id.clone();
    assert_eq!(world.verdicts[0].status, VerdictStatus::Verified);
    world.receipts.clear();
    let error = format!("{:#}", world.export(&out).unwrap_err());
    assert!(error.contains(id.as_str()) && error.contains("assay judge"), "{error}");

    let mut world = World::small();
    world.candidates.clear();
    let error = format!("{:#}", world.export(&out).unwrap_err());
    assert!(error.contains(id.as_str()), "{error}");

    let mut world = World::small();
    world.instances.clear();
    let error = format!("{:#}", world.export(&out).unwrap_err());
    assert!(error.contains("instance one"), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Writes the small dataset for other consumers: `tests/consumers/load_with_datasets.py` reads it.
fn the_small_dataset_can_be_kept_for_other_consumers() {
    let Some(out) = std::env::var_os("ASSAY_KEEP_DATASET") else { return };
    let views = [View::LlamaFactory, View::MsSwift, View::Openrlhf, View::Skyrl, View::Slime, View::Trl, View::Xtuner];
    let all = ExportOptions { views: views.into(), ..options() };
    let summary = export(&World::small(), Path::new(&out), &all).unwrap();
    assert!(summary.path.unwrap().join("manifest.json").is_file());
}

fn read(config: &Path) -> Vec<RecordBatch> {
    let file = File::open(config.join("train-00000-of-00001.parquet")).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let footer = builder.metadata().file_metadata().key_value_metadata().unwrap();
    assert!(footer.iter().any(|entry| entry.key == "assay.format"));
    builder.build().unwrap().map(Result::unwrap).collect()
}

pub(crate) fn rows(dataset: &Path, config: &str) -> Vec<serde_json::Map<String, Value>> {
    let mut rows = Vec::new();
    let path = dataset.join(config).join("train-00000-of-00001.parquet");
    each_row(&path, &mut |row| {
        rows.push(row);
        Ok(())
    })
    .unwrap();
    rows
}

fn texts(batches: &[RecordBatch], column: &str) -> Vec<String> {
    let columns = batches.iter().map(|batch| batch.column_by_name(column).unwrap());
    columns
        .flat_map(|column| column.as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Path -> bytes of every file.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = walkdir::WalkDir::new(directory).into_iter().map(Result::unwrap);
    files
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
            (path, fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn ground_truth_is_text_that_parses_to_the_derived_tests() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("dataset");
    World::small().export(&out).unwrap();
    let rl = read(&out.join("rl"));
    let reward = rl[0].column_by_name("reward_model").unwrap().as_struct();
    let truth = reward.column_by_name("ground_truth").unwrap().as_string::<i32>();
    let truth: Value = serde_json::from_str(truth.value(2)).unwrap();
    assert_eq!(truth["instance_id"], "one");
    assert_eq!(truth["FAIL_TO_PASS"], serde_json::json!(["tests/test_a.py::test_issue"]));
    assert_eq!(truth["environment"]["framework"], "pytest");
}

pub const TESTS: &[Test] = tests![
    a_run_becomes_verified_rows_and_everything_else_is_counted,
    tasks_alone_are_those_of_the_whole_dataset_without_its_other_rows,
    rows_of_an_issue_that_gives_the_answer_away_are_marked_and_counted,
    the_same_input_in_any_order_gives_the_same_bytes_and_a_true_manifest,
    evidence_unpacks_to_a_run_directory_and_a_changed_blob_is_refused,
    a_signed_dataset_carries_its_statement_in_an_envelope_that_the_public_key_opens,
    a_pair_sets_a_verified_answer_against_a_rejected_one_to_the_same_prompt_and_never_an_inconclusive_one,
    what_may_not_go_out_stays_in_and_is_counted_with_its_reason,
    views_hold_the_same_rows_in_the_layout_of_each_trainer,
    an_export_replaces_an_older_dataset_and_nothing_else,
    a_dataset_with_anything_else_in_it_is_left_alone_and_it_is_named,
    a_run_without_rows_makes_no_dataset_and_leaves_an_earlier_one_as_it_was,
    a_directory_that_cannot_be_written_is_an_error_that_names_it,
    a_verdict_without_its_receipt_candidate_or_instance_is_an_error_that_names_it,
    the_small_dataset_can_be_kept_for_other_consumers,
    ground_truth_is_text_that_parses_to_the_derived_tests,
];
