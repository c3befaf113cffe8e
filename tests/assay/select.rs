//! `assay select`: one patch per instance, from files and from runs.

use crate::harness::{Test, tests};
use std::path::Path;

use serde_json::{Value, json};
use swe_assay::inside::journal::{RunDir, RunInfo};
use swe_assay::inside::model::format;
use swe_assay::inside::model::generation::Skill;
use swe_assay::inside::model::verdict::{Evidence, Reason};

use swe_assay::inside::intake::{Wanted, import_folders, write_import};
use swe_assay::inside::model::instance::Environment;

use crate::samples;
use crate::support::{assay, expect_exit, lines, stderr};

fn diff(added: &str) -> String {
    format!(
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n def f(x):\n-    return x\n+    {added}\n"
    )
}

fn predictions(path: &Path, rows: &[(&str, &str)]) {
    let line = |(id, patch): &(&str, &str)| json!({"instance_id": id, "model_name_or_path": "m", "model_patch": patch});
    let text: String = rows.iter().map(|row| format!("{}\n", line(row))).collect();
    std::fs::write(path, text).unwrap();
}

fn files_of_predictions_vote_and_what_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.jsonl"), folder.path().join("two.jsonl"));
    // The second file's first sample comes before the first file's second one.
    predictions(&one, &[("a", &diff("return x + 2")), ("a", &diff("return (x + 1)  # right")), ("b", "")]);
    predictions(&two, &[("a", &diff("return x + 1")), ("a", &diff("return x + 3")), ("b", "no diff at all")]);
    let broken = "{\"instance_id\": \"a\", \"skill\": \"repair\"}\n";
    std::fs::write(&two, std::fs::read_to_string(&two).unwrap() + broken).unwrap();
    let out = folder.path().join("out");
    let output = assay().arg("select").args([&one, &two]).arg("--out").arg(&out).arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["instances"], &summary["candidates"], &summary["empty"]), (&json!(2), &json!(6), &json!(1)));
    let chosen = lines(&out.join("predictions.jsonl"));
    assert_eq!(chosen[0]["model_patch"], json!(diff("return x + 1")));
    assert_eq!((&chosen[1]["model_patch"], &chosen[1]["model_name_or_path"]), (&json!(""), &json!("assay-enhanced")));
    let selection = lines(&out.join("selection.jsonl"));
    assert_eq!(
        (&selection[0]["chosen"], &selection[0]["votes"], &selection[0]["eligible"]),
        (&json!(1), &json!(2), &json!(4))
    );
    assert_eq!(selection[0]["used"], json!(["patches"]));
    assert!(selection[0]["why"].to_string().contains("no regression tests"), "{}", selection[0]["why"]);
    assert_eq!(lines(&out.join("quarantine.jsonl"))[0]["line"], 4);
    assert!(!out.join("scaling.json").exists());
}

fn the_oracle_and_an_empty_input_are_refused_with_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.jsonl");
    predictions(&file, &[("a", "")]);
    let out = folder.path().join("out");
    let output = assay().arg("select").arg(&file).args(["--method", "oracle", "--out"]).arg(&out).output().unwrap();
    assert!(output.status.code() == Some(1) && stderr(&output).contains("run directory"), "{}", stderr(&output));
    std::fs::write(&file, "").unwrap();
    expect_exit(assay().arg("select").arg(&file).arg("--out").arg(&out), 1);
    let output = assay().arg("select").arg(&file).output().unwrap();
    assert!(output.status.code() == Some(1) && stderr(&output).contains("--out"), "{}", stderr(&output));
}

/// What is chosen of such files for the only instance.
fn chosen(files: &[(&str, &[Value])], more: &[&str]) -> (Value, Value) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut select = assay();
    select.arg("select");
    for (name, rows) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
        select.arg(path);
    }
    let output =
        select.args(["--method", "self-consistency", "--json", "--out"]).arg(&out).args(more).output().unwrap();
    let summary = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    (summary, lines(&out.join("selection.jsonl")).remove(0))
}

fn prediction(patch: &str) -> Value {
    json!({"instance_id": "a", "model_name_or_path": "m", "model_patch": patch})
}

fn what_cannot_be_applied_or_changes_nothing_takes_no_part_and_is_counted_with_its_reason() {
    let right = diff("return x + 1");
    let header = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n";
    let stub = "diff --git a/a.png b/a.png\nindex 1..2 100644\nBinary files a/a.png and b/a.png differ\n";
    let wrong = [
        (right.replace("-1,2 +1,2", "-1,8 +1,8"), "cannot_apply"),
        (header.to_owned(), "cannot_apply"),
        (right[..right.len() - 20].to_owned(), "cannot_apply"),
        (stub.to_owned(), "cannot_apply"),
        (diff("return x"), "changes_nothing"),
        (diff("return x  # as before"), "changes_nothing"),
        (String::new(), "no_patch"),
    ];
    for (patch, why) in wrong {
        let rows = [prediction(&patch), prediction(&patch), prediction(&patch), prediction(&right), prediction(&right)];
        let (summary, selection) = chosen(&[("p.jsonl", &rows)], &[]);
        assert_eq!(
            (&selection["chosen"], &selection["votes"], &selection["eligible"]),
            (&json!(3), &json!(2), &json!(2)),
            "{patch}"
        );
        assert_eq!(summary["left_out"], json!({why: 3}), "{patch}");
        let ballot = &selection["candidates"][0];
        assert_eq!(
            (&ballot["left_out"]["why"], &ballot["key"], &ballot["votes"]),
            (&json!(why), &Value::Null, &json!(0))
        );
        assert!(!ballot["left_out"]["detail"].as_str().unwrap().is_empty());
    }
}

fn one_change_has_one_key_and_one_sample_one_vote() {
    let (wrong, right) = (diff("return x - 1"), diff("return x + 1"));
    let bare = right.replace(" a/", " ").replace(" b/", " ");
    let mnemonic = right.replace(" a/", " i/").replace(" b/", " w/");
    let rows = [&wrong, &wrong, &right, &bare, &mnemonic].map(|patch| prediction(patch));
    let (_, selection) = chosen(&[("p.jsonl", &rows)], &[]);
    assert_eq!((&selection["chosen"], &selection["votes"]), (&json!(2), &json!(3)), "{selection}");

    let sample = |patch: &str, index: u64| json!({"instance_id": 7, "skill": "repair", "completion": patch, "model": "m", "index": index});
    let rows = [sample(&wrong, 0), sample(&right, 1), sample(&right, 2), sample(&wrong, 0), sample(&wrong, 0)];
    let (summary, selection) = chosen(&[("s.jsonl", &rows)], &[]);
    assert_eq!((&selection["chosen"], &selection["votes"], &summary["repeated"]), (&json!(1), &json!(2), &json!(2)));
    let repeated: Vec<_> =
        selection["repeated"].as_array().unwrap().iter().map(|place| place["line"].clone()).collect();
    assert_eq!((repeated, &selection["num_samples"]), (vec![json!(4), json!(5)], &json!(3)));

    // The same predictions in two files, and another model's.
    let (one, other) = ([prediction(&wrong), prediction(&right)], [prediction(&right), prediction(&right)]);
    let (summary, selection) = chosen(&[("1.jsonl", &one), ("2.jsonl", &one), ("3.jsonl", &other)], &[]);
    assert_eq!((&summary["repeated"], &selection["votes"]), (&json!(2), &json!(3)), "{selection}");
}

fn predictions_of_other_harnesses_are_read_and_what_is_none_is_refused_by_name() {
    let right = diff("return x + 1");
    let rows = [
        json!({"instance_id": "o__r-1", "patch": right, "prefix": "pro"}),
        json!({"org": "o", "repo": "r", "number": 1, "fix_patch": right}),
        json!({"instance_id": "o__r-1", "test_result": {"git_patch": right}, "metadata": {"llm_config": {"model": "m"}}, "history": []}),
        json!({"instance_id": "o__r-1", "skill": "repair", "messages": [{"role": "assistant", "content": null, "tool_calls": []}]}),
        json!({"instance_id": "o__r-1", "skill": "repair", "messages": [{"role": "assistant", "content": [{"type": "text", "text": right}]}]}),
        json!({"instance_id": "o__r-1", "patch": right, "base_commit": "c"}),
        json!({"instance_id": "o__r-1", "skill": "repair", "messages": [{"role": "assistant", "content": 7}]}),
        json!([{"instance_id": "o__r-1"}]),
    ];
    let (summary, selection) = chosen(&[("p.jsonl", &rows)], &[]);
    assert_eq!((&selection["votes"], &selection["instance_id"]), (&json!(4), &json!("o__r-1")));
    assert_eq!((&summary["left_out"], &summary["quarantined"]), (&json!({"no_patch": 1}), &json!(3)));

    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("p.jsonl"), folder.path().join("out"));
    std::fs::write(&file, rows[5..].iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    let output = assay().arg("select").arg(&file).arg("--out").arg(&out).output().unwrap();
    let text = stderr(&output);
    assert!(
        output.status.code() == Some(1) && text.contains("a row of a task") && text.contains("quarantine.jsonl"),
        "{text}"
    );
    let why: Vec<_> = lines(&out.join("quarantine.jsonl")).into_iter().map(|row| row["why"].to_string()).collect();
    assert!(
        why[1].contains("messages[0].content: it is a number") && why[2].contains("name the file .json"),
        "{why:?}"
    );
}

/// A run of one instance: eight repairs, of which so many are verified, one malformed and one inconclusive.
fn run(folder: &Path) {
    let run = RunDir::open(folder).unwrap();
    let (instance, admission) = (samples::instance("one", None), samples::admission("one", true));
    let (mut candidates, mut verdicts) = (Vec::new(), Vec::new());
    for line in 1..=8 {
        let generation = samples::generation("one", Skill::Repair, line);
        let mut candidate = samples::candidate(&generation, line, line != 5);
        let reason = match line {
            1..=3 => Reason::Resolved,
            4 => Reason::NotRun,
            5 => Reason::Malformed,
            _ => Reason::StillFailing,
        };
        if let (6.., Some(prepared)) = (line, &mut candidate.prepared) {
            prepared.diff = diff(if line == 6 { "return 'x'" } else { "return \"x\"" });
        }
        let receipt = samples::receipt(&instance, &admission, &candidate, reason);
        verdicts.push(samples::verdict(&candidate, reason, &receipt));
        candidates.push(candidate);
    }
    let info = RunInfo {
        format: format::RUN.to_owned(),
        tool_version: "0.1.0".to_owned(),
        sandbox: "cell".to_owned(),
        repeats: 3,
        evidence: Evidence::E2,
        inputs: Default::default(),
    };
    run.write_derived("run.json", &serde_json::to_vec(&info).unwrap()).unwrap();
    run.write_lines("instances.jsonl", [instance]).unwrap();
    run.write_lines("admissions.jsonl", [admission]).unwrap();
    run.write_lines("candidates.jsonl", candidates).unwrap();
    run.write_lines("verdicts.jsonl", verdicts).unwrap();
}

fn a_run_gives_the_choice_and_the_curve_and_only_the_oracle_sees_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path());
    let select = |method: &str| {
        let output = assay().arg("select").arg(folder.path()).args(["--method", method, "--json"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let selection = lines(&folder.path().join("selection/selection.jsonl")).remove(0);
        (serde_json::from_slice::<Value>(&output.stdout).unwrap(), selection)
    };
    let (summary, selection) = select("enhanced");
    // Three wrong patches are equal but for their quotes; the right ones all differ.
    assert_eq!((&selection["chosen"], &selection["votes"]), (&json!(5), &json!(3)));
    assert_eq!(selection["candidates"][4]["key"], Value::Null, "a malformed answer is a candidate without a patch");
    assert_eq!(summary["chosen"], json!({"rejected": 1}));
    let curve = &summary["scaling"];
    assert_eq!(
        curve["selected"].as_array().unwrap().iter().map(|p| p["patches"].as_u64().unwrap()).collect::<Vec<_>>(),
        [1, 2, 4, 8]
    );
    assert_eq!(curve["selected"][3]["rate"], 0.0);
    assert_eq!(curve["oracle"][3]["rate"], 1.0);
    // Three of the seven that were judged.
    assert!((curve["pass_at"][0]["rate"].as_f64().unwrap() - 3.0 / 7.0).abs() < 1e-12, "{curve}");
    let place = folder.path().join("selection");
    let (json, svg) =
        (std::fs::read(place.join("scaling.json")).unwrap(), std::fs::read(place.join("scaling.svg")).unwrap());
    assert!(String::from_utf8_lossy(&svg).starts_with("<svg"));
    select("enhanced");
    assert_eq!(std::fs::read(place.join("scaling.json")).unwrap(), json, "seeded");
    assert_eq!(std::fs::read(place.join("scaling.svg")).unwrap(), svg);

    let (summary, selection) = select("oracle");
    // The first one changes nothing.
    assert_eq!((&selection["chosen"], &selection["used"]), (&json!(1), &json!(["verdicts"])));
    assert_eq!(summary["chosen"], json!({"verified": 1}));
    let (_, selection) = select("first");
    assert_eq!(selection["chosen"], 1);
    for method in ["self-consistency", "density", "self-play", "test-agreement"] {
        let (_, selection) = select(method);
        assert_eq!(selection["used"], json!(["patches"]), "{method}");
    }
}

fn with_the_matrix_regression_and_generated_tests_run_for_every_repair_and_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/worlds/gauge");
    let (import, run) = (folder.path().join("import"), folder.path().join("run"));
    let wanted = Wanted {
        problem_statement: std::fs::read_to_string(world.join("problem.md")).unwrap(),
        instance_id: Some("worlds__gauge".to_owned()),
        repo: Some("worlds/gauge".to_owned()),
        environment: Environment {
            recipe: Some("python-stdlib".to_owned()),
            framework: "unittest".to_owned(),
            ..Environment::default()
        },
        ..Wanted::default()
    };
    write_import(&import, &[import_folders(&world.join("base"), &world.join("fix"), wanted, &import).unwrap()], &[])
        .unwrap();
    // Repairs of the world, and of its tests one that holds.
    let answers = lines(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/generated_tests/gauge.jsonl"));
    let wanted =
        |answer: &&Value| answer["skill"] == "repair" || answer["name"] == "exact" || answer["name"] == "script";
    let text: String = answers.iter().filter(wanted).map(|answer| format!("{answer}\n")).collect();
    let generations = folder.path().join("g.jsonl");
    std::fs::write(&generations, text).unwrap();
    let verify = |more: &[&str]| {
        let mut verify = assay();
        verify
            .arg("verify")
            .arg(&import)
            .args(["--sandbox", "cell", "--run"])
            .arg(&run)
            .arg("--generations")
            .arg(&generations);
        expect_exit(verify.args(more), 0);
    };
    let select = |method: &str| {
        let mut select = assay();
        select.arg("select").arg(&run).args(["--method", method]).arg("--repos").arg(import.join("repos"));
        expect_exit(&mut select, 0);
        lines(&run.join("selection/selection.jsonl")).remove(0)
    };
    verify(&[]);
    let before = select("enhanced");
    assert!(!before["used"].to_string().contains("regression"), "some repairs were never tried: {before}");
    verify(&["--matrix"]);
    let verdicts = lines(&run.join("verdicts.jsonl"));
    let status = |selection: &Value| {
        let chosen = &selection["candidates"][selection["chosen"].as_u64().unwrap() as usize]["candidate_id"];
        verdicts.iter().find(|verdict| verdict["candidate_id"] == *chosen).unwrap()["status"].clone()
    };
    for (method, used) in [
        ("enhanced", json!(["patches", "regression_tests", "generated_tests"])),
        ("self-play", json!(["patches", "generated_tests"])),
        ("test-agreement", json!(["patches", "regression_tests", "generated_tests"])),
    ] {
        let selection = select(method);
        assert_eq!(selection["used"], used, "{method}: {selection}");
        assert_eq!(status(&selection), "verified", "{method}: {selection}");
    }
    let journal = |run: &Path| {
        std::fs::read_dir(run.join("journal")).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum::<u64>()
    };
    let size = journal(&run);
    verify(&["--matrix"]);
    assert_eq!(journal(&run), size, "nothing runs twice");
}

pub const TESTS: &[Test] = tests![
    files_of_predictions_vote_and_what_cannot_be_used_is_named,
    the_oracle_and_an_empty_input_are_refused_with_the_next_step,
    what_cannot_be_applied_or_changes_nothing_takes_no_part_and_is_counted_with_its_reason,
    one_change_has_one_key_and_one_sample_one_vote,
    predictions_of_other_harnesses_are_read_and_what_is_none_is_refused_by_name,
    a_run_gives_the_choice_and_the_curve_and_only_the_oracle_sees_verdicts,
    with_the_matrix_regression_and_generated_tests_run_for_every_repair_and_are_used,
];
