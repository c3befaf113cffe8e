//! What the driver spends per candidate apart from running tests: `cargo bench --bench stages`.

use std::collections::BTreeMap;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use swe_assay::inside::model::generation::Skill;
use swe_assay::inside::prompt::extract::extract;
use swe_assay::inside::repo::{self, Repository, Sources, instance_trees};
use swe_assay::inside::runner;
use swe_assay::inside::sandbox::FileChange;

const NONCE: &str = "0123456789abcdef0123456789abcdef";

/// A completion as long as reasoning models write them: 30 KB of thought, then an edit.
fn completion() -> String {
    let thought = "The loop looks at every step of the table, so what is missing must be the steps. ".repeat(375);
    format!("<think>\n{thought}\n</think>\n\nHere it is.\n\n{}", edit(250))
}

fn edit(line: usize) -> String {
    format!(
        "```python\n### pkg/module_7.py\n<<<<<<< SEARCH\nvalue_{line} = {line}\n=======\nvalue_{line} = {line} + 1\n>>>>>>> \
         REPLACE\n```\n"
    )
}

/// A base tree of 200 modules with 500 lines each, and a gold change in one of them.
fn repository(folder: &std::path::Path) -> (Repository, String, String) {
    let repository = Repository::create_bare(folder).expect("a repository");
    let module =
        |gold: bool| (0..500).map(|n| format!("value_{n} = {}\n", n + usize::from(gold && n == 250))).collect();
    let write =
        |path: String, text: String| FileChange::Write { path, content: text.into_bytes().into(), executable: false };
    let files: Vec<_> = (0..200).map(|n| write(format!("pkg/module_{n}.py"), module(false))).collect();
    let source = tempfile::tempdir().expect("a folder");
    for file in &files {
        let FileChange::Write { path, content, .. } = file else { continue };
        let path = source.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }
    let commit = repository.import_directory(source.path(), "base").expect("a commit");
    let base = repository.tree_of(&commit).expect("a tree");
    let gold = repository.with(&base, &[write("pkg/module_7.py".to_owned(), module(true))]).expect("a tree");
    let patch = repository.diff(&base, &gold).expect("a diff");
    (repository, commit, patch)
}

/// What the reporter writes for a suite of a thousand passing tests.
fn channel() -> Vec<u8> {
    let ids: Vec<_> = (0..1000).map(|n| format!("tests/test_module_{}.py::TestCase::test_{n}", n % 20)).collect();
    let mut records = vec![json!({"kind": "start"})];
    records.extend(ids.chunks(500).map(|ids| json!({"kind": "collected", "ids": ids})));
    for id in &ids {
        records.extend(["setup", "call", "teardown"].map(
            |when| json!({"kind": "phase", "id": id, "when": when, "status": "passed", "error": null, "frames": []}),
        ));
    }
    records.push(json!({"kind": "end", "exit_status": 0}));
    let lines = records.into_iter().enumerate().map(|(seq, mut record)| {
        record["nonce"] = json!(NONCE);
        record["seq"] = json!(seq);
        format!("{record}\n")
    });
    lines.collect::<String>().into_bytes()
}

fn stages(c: &mut Criterion) {
    let text = completion();
    let mut group = c.benchmark_group("stages");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("extract a repair", |b| b.iter(|| extract(Skill::Repair, &text, None)));

    let folder = tempfile::tempdir().expect("a folder");
    let (repository, commit, patch) = repository(folder.path());
    let sources = Sources { base_commit: &commit, patch: &patch, framework: "pytest", ..Sources::default() };
    let trees = instance_trees(&repository, sources).expect("a repository").expect("patches that apply");
    let payload = extract(Skill::Repair, &text, None).payload.expect("an answer");
    group.bench_function("put a repair on its base tree", |b| {
        b.iter(|| repo::prepare(&repository, &trees, Skill::Repair, &payload).expect("a repository").expect("an edit"))
    });
    let prepared = repo::prepare(&repository, &trees, Skill::Repair, &payload).expect("a repository").expect("an edit");
    group.bench_function("files of a trial", |b| {
        b.iter(|| repository.changes(&trees.tested_base, &prepared.tree).expect("changes"))
    });

    let bytes = channel();
    let pytest = runner::by_name("pytest").expect("an adapter");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("parse a report of 1000 tests", |b| b.iter(|| pytest.parse(&bytes, false, NONCE)));
    let report = pytest.parse(&bytes, false, NONCE);
    group.bench_function("write and name that report", |b| {
        b.iter_batched(
            BTreeMap::<u8, u8>::new,
            |_| swe_assay::inside::model::digest::Digest::of_json(&report),
            BatchSize::SmallInput,
        )
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
