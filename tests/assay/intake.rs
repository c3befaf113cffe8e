//! Reading rows and generations of files.

use crate::harness::{Need, Test, skip, tests};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::array::{ArrayRef, Int64Array, ListArray, StringArray, StructArray, TimestampNanosecondArray};
use arrow_array::types::Int32Type;
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use swe_assay::inside::intake::{
    Quarantined, Wanted, fetch_pair, import_pair, import_range, read_generations, read_instances, repository_path,
    write_import, write_quarantine,
};
use swe_assay::inside::model::generation::{Generation, GenerationRef, Skill};
use swe_assay::inside::model::instance::Source;
use swe_assay::inside::repo::{Repository, Sources, instance_trees};

fn row(id: &str) -> Value {
    json!({
        "instance_id": id, "repo": "a/a", "base_commit": "0".repeat(40), "problem_statement": "It breaks.",
        "patch": "diff", "test_patch": "diff", "FAIL_TO_PASS": ["t::a"], "PASS_TO_PASS": "[\"t::b\"]"
    })
}

fn write(directory: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn reasons(quarantined: &[Quarantined]) -> Vec<(u64, &str)> {
    quarantined.iter().map(|entry| (entry.line, entry.why.as_str())).collect()
}

/// Two rows, the second with nulls, with lists, a structure and a moment.
fn table() -> Vec<u8> {
    let text =
        |first: &str, second: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![Some(first), second])) };
    let commit = "0".repeat(40);
    let names = arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
    let mut tests = names;
    tests.values().append_value("t::a");
    tests.values().append_value("t::b");
    tests.append(true);
    tests.append(true);
    let tests: ArrayRef = Arc::new(tests.finish());
    let numbers: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]));
    let meta = StructArray::from(vec![(
        Arc::new(Field::new("files", DataType::Int64, true)),
        Arc::new(Int64Array::from(vec![Some(2), None])) as ArrayRef,
    )]);
    let created: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![Some(1_700_000_000_000_000_000), None]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("instance_id", text("a__a-1", Some("a__a-2"))),
        ("repo", text("a/a", Some("a/a"))),
        ("base_commit", text(&commit, Some(&commit))),
        ("problem_statement", text("It breaks.", None)),
        ("patch", text("diff", Some("diff"))),
        ("docker_image", text("a/b:1", None)),
        ("license_name", text("MIT", None)),
        ("FAIL_TO_PASS", tests),
        ("numbers", numbers),
        ("meta", Arc::new(meta)),
        ("created_at", created),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn every_layout_and_packing_gives_the_same_instances() {
    let directory = tempfile::tempdir().unwrap();
    let lines = format!("{}\n\n{}", row("a"), row("b"));
    let array = json!([row("a"), row("b")]).to_string();
    let files = [
        ("rows.jsonl", lines.clone().into_bytes()),
        ("rows.jsonl.gz", gzip(lines.as_bytes())),
        ("rows.jsonl.zst", zstd::encode_all(lines.as_bytes(), 1).unwrap()),
        ("rows.json", array.clone().into_bytes()),
        ("rows.json.gz", gzip(array.as_bytes())),
        ("rows.json.zst", zstd::encode_all(array.as_bytes(), 1).unwrap()),
    ];
    for (name, content) in files {
        let path = write(directory.path(), name, &content);
        let intake = read_instances(&path).unwrap();
        assert_eq!(reasons(&intake.quarantined), [], "{name}");
        let ids: Vec<_> = intake.instances.iter().map(|instance| instance.instance_id.as_str()).collect();
        assert_eq!(ids, ["a", "b"], "{name}");
        assert_eq!(intake.instances[0].fail_to_pass, ["t::a"]);
        assert_eq!(intake.instances[0].pass_to_pass, ["t::b"]);
        let line = if name.contains("jsonl") { 3 } else { 2 };
        assert_eq!(intake.instances[1].source, Some(Source::Row { file: path.display().to_string(), line }), "{name}");
    }
}

fn parquet_rows_keep_lists_structures_and_moments() {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in [("rows.parquet", table()), ("rows.parquet.zst", zstd::encode_all(&table()[..], 1).unwrap())]
    {
        let intake = read_instances(&write(directory.path(), name, &content)).unwrap();
        assert_eq!(reasons(&intake.quarantined), [(2, "missing field `problem_statement`")], "{name}");
        let [instance] = &intake.instances[..] else { panic!("one row of two can be used") };
        assert_eq!(instance.fail_to_pass, ["t::a", "t::b"]);
        assert_eq!(instance.environment.image.as_deref(), Some("a/b:1"));
        assert_eq!(instance.license.as_deref(), Some("MIT"));
        assert_eq!(instance.created_at.as_deref(), Some("2023-11-14T22:13:20"));
        assert_eq!(instance.extra["numbers"], json!([1, null]));
        assert_eq!(instance.extra["meta"], json!({"files": 2}));
    }
}

fn a_parquet_file_longer_than_one_batch_keeps_its_row_numbers() {
    let rows = 1_300;
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((1..=rows).map(|number| format!("id-{number}"))));
    let batch = RecordBatch::try_from_iter([("instance_id", ids)]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.parquet");
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let intake = read_instances(&path).unwrap();
    let lines: Vec<_> = intake.quarantined.iter().map(|entry| entry.line).collect();
    assert_eq!(lines, (1..=rows).collect::<Vec<u64>>());
}

fn bad_rows_are_quarantined_with_line_and_reason_and_the_rest_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut bad = row("c");
    bad["patch"] = Value::Null;
    let torn = &row("z").to_string()[..40];
    let text = format!("{}\n{{\"broken\n{}\n7\n{}\n{}\n{torn}", row("a"), bad, row("b"), row("a"));
    let intake = read_instances(&write(directory.path(), "rows.jsonl", text.as_bytes())).unwrap();
    let found = reasons(&intake.quarantined);
    assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 7]);
    for ((_, why), expected) in found.iter().zip(["broken JSON", "missing field `patch`", "a number", "torn last line"])
    {
        assert!(why.contains(expected), "{why}");
    }
    assert_eq!(intake.instances.len(), 2);
    assert_eq!((intake.duplicates, intake.rows), (1, 7));

    assert!(write_quarantine(directory.path(), &intake.quarantined).unwrap());
    let written = fs::read_to_string(directory.path().join("quarantine.jsonl")).unwrap();
    let back: Vec<Quarantined> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(back, intake.quarantined);
    assert!(!write_quarantine(directory.path(), &[]).unwrap());
    assert!(!directory.path().join("quarantine.jsonl").exists());
}

fn a_damaged_compressed_file_keeps_the_rows_before_the_damage() {
    let directory = tempfile::tempdir().unwrap();
    let lines: String = (0..20_000).map(|number| format!("{}\n", row(&format!("id-{number}")))).collect();
    let packed = gzip(lines.as_bytes());
    let path = write(directory.path(), "rows.jsonl.gz", &packed[..packed.len() / 2]);
    let intake = read_instances(&path).unwrap();
    assert!(intake.instances.len() > 1_000);
    assert_eq!(intake.quarantined.len(), 1);
    assert!(intake.quarantined[0].why.contains("damaged"), "{:?}", intake.quarantined);
}

fn a_file_that_cannot_be_read_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let table: [(&str, &[u8]); 2] = [("rows.parquet", b"not parquet"), ("rows.csv", b"a,b")];
    for (name, content) in table {
        let error = format!("{:#}", read_instances(&write(directory.path(), name, content)).unwrap_err());
        assert!(error.contains(name), "{error}");
    }
    let error = format!("{:#}", read_instances(&directory.path().join("none.jsonl")).unwrap_err());
    assert!(error.contains("none.jsonl"), "{error}");
}

fn generations_of_three_shapes_are_read_and_bad_ones_quarantined() {
    let directory = tempfile::tempdir().unwrap();
    let lines = [
        json!({"instance_id": "a", "skill": "repair", "completion": "x"}).to_string(),
        json!({"skill": "repair", "instance_id": "a", "completion": "x"}).to_string(),
        json!({"instance_id": "a", "skill": "repair", "completion": "x", "index": 1}).to_string(),
        json!({"instance_id": "b", "skill": "repair", "completion": "x"}).to_string(),
        json!({"instance_id": "a", "skill": "cooking", "completion": "x"}).to_string(),
        "{]".to_owned(),
        json!({"instance_id": "a", "model_name_or_path": "m", "model_patch": "diff"}).to_string(),
        json!({"instance_id": "a", "found_files": ["x.py"]}).to_string(),
    ];
    let path = write(directory.path(), "generations.jsonl", (lines.join("\n") + "\n").as_bytes());
    let known: BTreeSet<_> = ["a".to_owned()].into();
    let mut found = Vec::new();
    let mut take = |place: GenerationRef, generation: Generation| {
        found.push((place.line, place.index, generation.skill));
        Ok(())
    };
    let intake = read_generations(&path, &known, &mut take).unwrap();
    assert_eq!(
        found,
        [(1, 0, Skill::Repair), (3, 1, Skill::Repair), (7, 0, Skill::Repair), (8, 0, Skill::Localization)]
    );
    assert_eq!(intake.duplicates, 1);
    let lines: Vec<_> = intake.quarantined.iter().map(|entry| entry.line).collect();
    assert_eq!(lines, [4, 5, 6]);
}

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

const BEFORE: [(&str, &str); 4] = [
    ("src/shop.py", "PRICE = 3\n"),
    ("tests/test_shop.py", "def test_old(): pass\n"),
    ("conftest.py", ""),
    ("LICENSE", include_str!("../../src/intake/licenses/MIT.txt")),
];
const AFTER: [(&str, &str); 5] = [
    ("src/shop.py", "PRICE = 4\n"),
    ("tests/test_shop.py", "def test_old(): pass\ndef test_new(): pass\n"),
    ("tests/data/prices.json", "{}\n"),
    ("conftest.py", "import os\n"),
    BEFORE[3],
];

fn wanted() -> Wanted {
    Wanted { problem_statement: "The price is wrong.".to_owned(), ..Wanted::default() }
}

fn a_commit_range_becomes_an_instance_whose_patches_lead_from_base_to_fix() {
    let home = tempfile::tempdir().unwrap();
    let project = home.path().join("shop.git");
    let repo = Repository::create_bare(&project).unwrap();
    let base = repo.import_directory(tree(&BEFORE).path(), "before\n").unwrap();
    let fix = repo.import_directory(tree(&AFTER).path(), "after\n").unwrap();

    let out = home.path().join("out");
    let instance = import_range(&project, &base[..9], &fix, wanted(), &out).unwrap().instance;
    assert_eq!(instance.repo, "shop");
    assert_eq!(instance.license.as_deref(), Some("MIT"));
    assert!(instance.patch.contains("src/shop.py") && !instance.patch.contains("tests/"), "{}", instance.patch);
    for path in ["tests/test_shop.py", "tests/data/prices.json", "conftest.py"] {
        assert!(instance.test_patch.contains(path), "{path}");
    }
    assert!(!instance.test_patch.contains("src/"));

    let kept = Repository::open(&repository_path(&out, &instance.repo)).unwrap();
    let sources = Sources {
        base_commit: &instance.base_commit,
        patch: &instance.patch,
        test_patch: &instance.test_patch,
        framework: "pytest",
        listed: &[],
        named: &[],
    };
    let trees = instance_trees(&kept, sources).unwrap().unwrap();
    assert_eq!(trees.base, repo.tree_of(&base).unwrap());
    assert_eq!(trees.tested_gold, repo.tree_of(&fix).unwrap());

    assert_eq!(import_range(&project, &base, &fix, wanted(), &out).unwrap().instance, instance, "the same again");
    let error = format!("{:#}", import_range(&project, "nowhere", &fix, wanted(), &out).unwrap_err());
    assert!(error.contains("nowhere") && error.contains("shop.git"), "{error}");
    let error = format!("{:#}", import_range(&project, &fix, &fix, wanted(), &out).unwrap_err());
    assert!(error.contains("nothing differs"), "{error}");
}

fn the_kept_repository_does_not_hold_the_fix() {
    let home = tempfile::tempdir().unwrap();
    let project = home.path().join("shop");
    let repo = Repository::create_bare(&project).unwrap();
    let base = repo.import_directory(tree(&BEFORE).path(), "before\n").unwrap();
    let fix = repo.import_directory(tree(&AFTER).path(), "after\n").unwrap();
    let instance = import_range(&project, &base, &fix, wanted(), home.path()).unwrap().instance;
    let kept = Repository::open(&repository_path(home.path(), &instance.repo)).unwrap();
    assert!(kept.paths(&repo.tree_of(&base).unwrap()).is_ok());
    assert!(kept.paths(&repo.tree_of(&fix).unwrap()).is_err());
}

fn an_import_directory_gathers_instances_and_replaces_those_of_the_same_id() {
    let out = tempfile::tempdir().unwrap();
    let read = |ids: &[&str]| -> Vec<_> {
        let rows: Vec<_> = ids.iter().map(|id| row(id)).collect();
        read_instances(&write(out.path(), "in.json", Value::from(rows).to_string().as_bytes())).unwrap().instances
    };
    write_import(out.path(), &read(&["a", "b"]), &[]).unwrap();
    let mut again = read(&["b", "c"]);
    again[0].problem_statement = "Otherwise.".to_owned();
    write_import(out.path(), &again, &[Quarantined::new("x", 1, "no")]).unwrap();
    let all = read_instances(&out.path().join("instances.jsonl")).unwrap().instances;
    let found: Vec<_> = all.iter().map(|instance| (&*instance.instance_id, &*instance.problem_statement)).collect();
    assert_eq!(found, [("a", "It breaks."), ("b", "Otherwise."), ("c", "It breaks.")]);
    assert!(out.path().join("quarantine.jsonl").exists());

    fs::write(out.path().join("instances.jsonl"), "broken\n").unwrap();
    let error = format!("{:#}", write_import(out.path(), &all, &[]).unwrap_err());
    assert!(error.contains("instances.jsonl:1"), "{error}");
}

fn a_release_pair_of_the_package_index_becomes_an_instance() {
    let pair = match fetch_pair("tomlkit", "0.13.2", "0.13.3") {
        Ok(pair) => pair,
        Err(error) => skip(Need::PackageIndex, error.to_string()),
    };
    assert_eq!(pair.notes, Vec::<String>::new());
    let out = tempfile::tempdir().unwrap();
    let instance = import_pair(&pair, wanted(), out.path()).unwrap();
    assert_eq!(instance.instance_id, "tomlkit__0.13.2__0.13.3");
    assert_eq!(instance.license.as_deref(), Some("MIT"));
    assert!(instance.patch.contains("tomlkit/") && !instance.patch.contains("PKG-INFO"));
    assert!(instance.test_patch.contains("tests/test_"));
    let again = fetch_pair("tomlkit", "0.13.2", "0.13.3").unwrap();
    assert_eq!(import_pair(&again, wanted(), tempfile::tempdir().unwrap().path()).unwrap(), instance);

    let error = fetch_pair("tomlkit", "0.13.2", "99.1").unwrap_err().to_string();
    assert!(error.contains("tomlkit 99.1") && error.contains("check name and version"), "{error}");
}

pub const TESTS: &[Test] = tests![
    every_layout_and_packing_gives_the_same_instances,
    parquet_rows_keep_lists_structures_and_moments,
    a_parquet_file_longer_than_one_batch_keeps_its_row_numbers,
    bad_rows_are_quarantined_with_line_and_reason_and_the_rest_go_on,
    a_damaged_compressed_file_keeps_the_rows_before_the_damage,
    a_file_that_cannot_be_read_is_an_error_that_names_it,
    generations_of_three_shapes_are_read_and_bad_ones_quarantined,
    a_commit_range_becomes_an_instance_whose_patches_lead_from_base_to_fix,
    the_kept_repository_does_not_hold_the_fix,
    an_import_directory_gathers_instances_and_replaces_those_of_the_same_id,
    a_release_pair_of_the_package_index_becomes_an_instance,
];
