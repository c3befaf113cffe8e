//! `assay curriculum`: rows that stay, from other people's rollouts and from our own verdicts.

use crate::harness::{Test, tests};
use std::path::Path;

use serde_json::{Value, json};
use swe_assay::inside::dataset::files::parquet::{Bounds, ParquetWriter};
use swe_assay::inside::dataset::files::shard::LineWriter as _;
use swe_assay::inside::dataset::rows::{Attempts, rl_columns, rl_row};
use swe_assay::inside::model::format;
use swe_assay::inside::model::generation::Skill;

use crate::samples;
use crate::support::{assay, lines, stderr};

fn write(path: &Path, rows: &[Value]) {
    std::fs::write(path, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
}

fn report(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn instances_leave_by_accuracy_and_keep_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (rollouts, rows, out) = (
        folder.path().join("1.jsonl"),
        folder.path().join("instances.jsonl"),
        folder.path().join("stage2/instances.jsonl"),
    );
    let truth = |id: &str| json!({"instance_id": id, "skill": "repair"}).to_string();
    let verl = |id: &str, score: f64| {
        json!({"input": "", "output": "", "gts": truth(id), "score": score, "step": 1}).to_string()
    };
    let mut log: Vec<String> = (0..10).map(|_| verl("mastered", 1.0)).collect();
    log.extend((0..10).map(|n| verl("nine-of-ten", f64::from(u8::from(n > 0)))));
    log.extend((0..4).map(|_| verl("never", 0.0)));
    // What Python writes for a reward that nobody knows.
    log.push(verl("broken", 0.5).replace("0.5", "NaN"));
    log.push(verl("elsewhere", 1.0));
    log.push("{\"score\": 1.0}".to_owned());
    std::fs::write(&rollouts, log.join("\n") + "\n").unwrap();
    let text = ["mastered", "nine-of-ten", "never", "broken", "unvisited"]
        .map(|id| format!("{{\"instance_id\":\"{id}\",  \"repo\": \"a/b\"}}\n"));
    std::fs::write(&rows, text.concat()).unwrap();
    let command = |more: &[&str]| {
        let mut command = assay();
        command.arg("curriculum").arg(&rollouts).arg("--rows").arg(&rows).arg("--out").arg(&out).args(more);
        command.output().unwrap()
    };
    let output = command(&[]);
    assert_eq!(output.status.code(), Some(2), "a row of the log names no instance: {}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), text[1..].concat());
    let written = report(&out.with_file_name("curriculum.json"));
    assert_eq!(written["reasons"], json!({"unvisited": 2, "within_threshold": 2, "mastered": 1}));
    assert_eq!((&written["without_row"], &written["rollouts"]["infrastructure"]), (&json!(["elsewhere"]), &json!(1)));
    assert_eq!(lines(&out.with_file_name("quarantine.jsonl"))[0]["line"], 27);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("4 of 5 rows stay") && shown.contains("mastered  repair"), "{shown}");

    command(&["--drop-unsolved", "--threshold", "0.89"]);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), text[3..].concat());
    command(&["--drop", "below", "--threshold", "0.5"]);
    assert_eq!(report(&out.with_file_name("curriculum.json"))["reasons"]["too_hard"], 1);
    command(&["--min-visits", "11"]);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), text.concat());
    command(&["--stage", "1"]);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), text.concat());
}

fn an_rl_dataset_is_pruned_by_the_verdicts_of_a_run_and_stays_readable() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out, run) = (folder.path().join("rl"), folder.path().join("stage2"), folder.path().join("run"));
    std::fs::create_dir_all(&data).unwrap();
    std::fs::create_dir_all(&run).unwrap();
    let row = |(number, (id, skill)): (usize, (&str, Skill))| {
        let (instance, admission) = (samples::instance(id, Some("MIT")), samples::admission(id, true));
        json!(rl_row(&instance, &admission, skill, Attempts::default(), &[], number as u64))
    };
    let tasks = [("one", Skill::Repair), ("one", Skill::Test), ("two", Skill::Repair)];
    let rows: Vec<Value> = tasks.into_iter().enumerate().map(row).collect();
    let mut writer = ParquetWriter::create(&data, &rl_columns(), format::RL_ROW, Bounds::default()).unwrap();
    rows.iter().for_each(|row| writer.push_line(row.to_string().as_bytes()).unwrap());
    let shard = Box::new(writer).finish().unwrap().remove(0).path;
    write(&data.join("rl.jsonl"), &rows);
    let verdict = |id: &str, skill: &str, status: &str| json!({"format": "verdict.v1", "instance_id": id, "skill": skill, "status": status});
    let verdicts = [
        verdict("one", "repair", "verified"),
        verdict("one", "test", "rejected"),
        verdict("two", "repair", "inconclusive"),
    ];
    write(&run.join("verdicts.jsonl"), &verdicts);

    let mut command = assay();
    command.arg("curriculum").arg(&run).arg("--rows").arg(&data).arg("--out").arg(&out).arg("--json");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&printed["kept"], &printed["dropped"]), (&json!(4), &json!(2)));
    let kept = lines(&out.join("rl.jsonl"));
    assert_eq!(kept, rows[1..]);
    // The table that is left, pruned again with nothing to drop, says the same.
    let table = out.join(shard.file_name().unwrap());
    let again = folder.path().join("again.parquet");
    let mut command = assay();
    command.arg("curriculum").arg(&run).args(["--stage", "1", "--json", "--rows"]).arg(&table).arg("--out").arg(&again);
    let printed: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let tasks: Vec<_> =
        printed["tasks"].as_array().unwrap().iter().map(|t| (t["instance_id"].clone(), t["skill"].clone())).collect();
    assert_eq!(tasks, [(json!("one"), json!("test")), (json!("two"), json!("repair"))]);
    assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&table).unwrap());
}

fn logs_without_any_rollout_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (log, rows) = (folder.path().join("log.jsonl"), folder.path().join("rows.jsonl"));
    write(&log, &[json!({"content": "x", "rewards": 1.0})]);
    write(&rows, &[json!({"instance_id": "a"})]);
    let mut command = assay();
    command.arg("curriculum").arg(&log).arg("--rows").arg(&rows).arg("--out").arg(folder.path().join("out.jsonl"));
    let output = command.output().unwrap();
    assert!(output.status.code() == Some(1) && stderr(&output).contains("--stage 1"), "{}", stderr(&output));
    assert!(!folder.path().join("out.jsonl").exists());
}

/// What the command does with such logs and rows of the instances a, b and c.
struct Pruned {
    code: Option<i32>,
    text: String,
    kept: Option<String>,
    folder: tempfile::TempDir,
}

fn prune(logs: impl FnOnce(&Path), more: &[&str]) -> Pruned {
    let folder = tempfile::tempdir().unwrap();
    let (log, rows, out) =
        (folder.path().join("log"), folder.path().join("rows.jsonl"), folder.path().join("out.jsonl"));
    std::fs::create_dir(&log).unwrap();
    logs(&log);
    write(&rows, &["a", "b", "c"].map(|id| json!({"instance_id": id})));
    let mut command = assay();
    command.arg("curriculum").arg(&log).arg("--rows").arg(&rows).arg("--out").arg(&out).args(more);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
    Pruned { code: output.status.code(), text, kept: std::fs::read_to_string(&out).ok(), folder }
}

fn the_outcome_decides_and_not_a_shaped_score_beside_it() {
    let logs = |log: &Path| {
        let row = |id: &str, acc: f64, score: f64| json!({"gts": json!({"instance_id": id}).to_string(), "score": score, "acc": acc, "step": 1});
        // Steps of verl's folder; a is solved with a penalty, b fails with a bonus.
        write(&log.join("1.jsonl"), &[row("a", 1.0, 0.9), row("b", 0.0, 1.0)]);
        write(&log.join("2.jsonl"), &[row("a", 1.0, 0.8), row("b", 0.0, 1.1)]);
        std::fs::write(log.join("notes.txt"), "not a log").unwrap();
    };
    let pruned = prune(logs, &[]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.text);
    let kept = pruned.kept.unwrap();
    assert!(!kept.contains("\"a\"") && kept.contains("\"b\"") && kept.contains("\"c\""), "{kept}");
    assert!(pruned.text.contains("outcomes are those of the field acc (4)"), "{}", pruned.text);
    let written = report(&pruned.folder.path().join("curriculum.json"));
    assert_eq!(written["outcome_fields"], json!({"acc": 4}));
    let unsolved = prune(logs, &["--drop-unsolved"]).kept.unwrap();
    assert!(unsolved.contains("\"c\"") && unsolved.lines().count() == 1, "{unsolved}");
    // Who names the score gets the score.
    let named = prune(logs, &["--reward-key", "score"]).kept.unwrap();
    assert!(named.contains("\"a\"") && !named.contains("\"b\""), "{named}");
}

fn a_shaped_score_alone_and_a_field_that_is_nowhere_refuse_with_the_fields_that_are_there() {
    let logs = |log: &Path| {
        write(&log.join("1.jsonl"), &[json!({"instance_id": "a", "score": 0.95, "step": 3, "parts": {"tests": 1}})])
    };
    let pruned = prune(logs, &[]);
    assert_eq!((pruned.code, &pruned.kept), (Some(1), &None), "{}", pruned.text);
    assert!(
        pruned.text.contains("--reward-key") && pruned.text.contains("parts.tests, score, step"),
        "{}",
        pruned.text
    );
    let pruned = prune(logs, &["--reward-key", "test"]);
    assert_eq!((pruned.code, &pruned.kept), (Some(1), &None), "{}", pruned.text);
    assert!(pruned.text.contains("\"test\"") && pruned.text.contains("did you mean parts.tests?"), "{}", pruned.text);
    for more in [["--reward-key", "parts.tests"], ["--solved-at", "0.9"]] {
        let pruned = prune(logs, &more);
        assert!(pruned.code == Some(0) && !pruned.kept.unwrap().contains("\"a\""), "{}", pruned.text);
    }
}

fn rows_without_a_result_are_told_with_their_place_and_logs_without_any_leave_their_reasons() {
    let logs = |log: &Path| {
        let rows = [
            json!({"example_id": 0, "reward": 1.0, "info": {"instance_id": "a"}, "metrics": {"tests": 1.0}}),
            json!({"example_id": 1, "reward": "good", "info": {"instance_id": "b"}}),
            json!({"example_id": 2, "reward": 1.0}),
        ];
        write(&log.join("results.jsonl"), &rows);
    };
    let pruned = prune(logs, &[]);
    assert_eq!(pruned.code, Some(2), "{}", pruned.text);
    let refused = lines(&pruned.folder.path().join("quarantine.jsonl"));
    assert_eq!(refused.iter().map(|row| row["line"].clone()).collect::<Vec<_>>(), [json!(2), json!(3)]);
    let pruned = prune(|log| write(&log.join("1.jsonl"), &[json!({"reward": 1.0}), json!([1])]), &[]);
    assert_eq!((pruned.code, &pruned.kept), (Some(1), &None));
    assert!(
        pruned.text.contains("1.jsonl:1: no instance_id") && pruned.text.contains("quarantine.jsonl"),
        "{}",
        pruned.text
    );
    assert_eq!(lines(&pruned.folder.path().join("quarantine.jsonl")).len(), 2);
    let twice = |log: &Path| {
        write(&log.join("1.jsonl"), &[json!({"instance_id": "a", "score": 1})]);
        std::fs::hard_link(log.join("1.jsonl"), log.join("2.jsonl")).unwrap();
    };
    let pruned = prune(twice, &[]);
    assert!(pruned.code == Some(1) && pruned.text.contains("2.jsonl is named twice"), "{}", pruned.text);
    let served = |log: &Path| {
        std::fs::create_dir(log.join("journal")).unwrap();
        std::fs::write(log.join("generations.jsonl"), "").unwrap();
    };
    let pruned = prune(served, &[]);
    assert!(pruned.code == Some(1) && pruned.text.contains("assay verify"), "{}", pruned.text);
}

fn exactly_nine_of_ten_stays_however_many_there_are() {
    let logs = |log: &Path| {
        let mut rows = Vec::new();
        for (id, of, failed) in [("a", 90, 9), ("b", 90, 8), ("c", 70, 7)] {
            rows.extend((0..of).map(|n| json!({"instance_id": id, "score": f64::from(u8::from(n >= failed))})));
        }
        write(&log.join("1.jsonl"), &rows);
    };
    let kept = prune(logs, &[]).kept.unwrap();
    assert!(kept.contains("\"a\"") && !kept.contains("\"b\"") && kept.contains("\"c\""), "{kept}");
}

pub const TESTS: &[Test] = tests![
    instances_leave_by_accuracy_and_keep_their_bytes,
    an_rl_dataset_is_pruned_by_the_verdicts_of_a_run_and_stays_readable,
    logs_without_any_rollout_are_refused,
    the_outcome_decides_and_not_a_shaped_score_beside_it,
    a_shaped_score_alone_and_a_field_that_is_nowhere_refuse_with_the_fields_that_are_there,
    rows_without_a_result_are_told_with_their_place_and_logs_without_any_leave_their_reasons,
    exactly_nine_of_ten_stays_however_many_there_are,
];
