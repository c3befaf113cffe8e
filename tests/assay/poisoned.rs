//! Ten lines of each kind of record, one of them poisoned: nine come out as without it, and the tenth is judged, quarantined
//! or left out by its file, its line and a reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use swe_assay::inside::sandbox::Engine;

use crate::answer_fuzz::{Numbers, Seen, Worlds, corpus, mutated};
use crate::harness::{Test, tests};
use crate::model_server::{ModelServer, Say, completion};
use crate::sample::{Place, prompt};
use crate::serve_support::{Served, repair, world};
use crate::small_world::{BASE, RIGHT, World, cell, repairs};
use crate::support::{assay, expect_exit, lines, stderr};

/// The line that is poisoned.
const POISONED: usize = 5;

const GOLD: &str = "diff --git a/calc.py b/calc.py\n--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def double(x):\n-    \
                    return x + x + 1\n+    return x + x\n";

/// What is no row whatever the row should be: a name, the bytes, what the reason says.
fn no_rows() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let deep = format!("{{\"instance_id\": \"p\", \"a\": {}1{}}}", "[".repeat(300), "]".repeat(300));
    vec![
        ("torn", b"{\"instance_id\": ".to_vec(), "broken JSON"),
        ("list", b"[1]".to_vec(), "a list where a row"),
        ("number", b"7".to_vec(), "a number where a row"),
        ("null", b"null".to_vec(), "null where a row"),
        ("not UTF-8", b"{\"instance_id\": \"p\", \"patch\": \"\xff\xfe\"}".to_vec(), "broken JSON"),
        ("lone surrogate", b"{\"instance_id\": \"p\", \"patch\": \"\\ud83d\"}".to_vec(), "broken JSON"),
        ("beyond a float", b"{\"instance_id\": \"p\", \"a\": 1e999}".to_vec(), "out of range"),
        ("deep", deep.into_bytes(), "recursion limit"),
    ]
}

/// A file of ten lines: nine rows and the poisoned one, or nine without it.
fn write(path: &Path, nine: &[Value], poison: Option<&[u8]>) {
    let mut lines: Vec<Vec<u8>> = nine.iter().map(|row| row.to_string().into_bytes()).collect();
    if let Some(poison) = poison {
        lines.insert(POISONED - 1, poison.to_vec());
    }
    fs::write(path, [lines.join(&b'\n'), b"\n".to_vec()].concat()).unwrap();
}

fn run(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = assay();
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    command.output().unwrap()
}

/// The one line of a quarantine.
fn assert_named(quarantine: &Path, file: &Path, why: &str) {
    let quarantined = lines(quarantine);
    let [one] = &quarantined[..] else { panic!("{quarantined:?}") };
    assert_eq!((one["file"].as_str(), one["line"].as_u64()), (file.to_str(), Some(POISONED as u64)), "{one}");
    assert!(one["why"].as_str().unwrap().contains(why), "{why}: {one}");
}

fn instance(id: &str) -> Value {
    json!({"instance_id": id, "repo": "small/calc", "base_commit": "0".repeat(40), "problem_statement": "p", "patch": GOLD,
        "test_patch": "", "FAIL_TO_PASS": [], "PASS_TO_PASS": []})
}

/// An instance row with a field of its own.
fn with(field: &str, value: Value) -> Vec<u8> {
    let mut row = instance("poisoned");
    row[field] = value;
    row.to_string().into_bytes()
}

fn ids(prefix: &str) -> Vec<String> {
    (0..9).map(|number| format!("{prefix}-{number}")).collect()
}

fn one_poisoned_row_is_quarantined_and_nine_are_imported() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let nine: Vec<_> = ids("good").iter().map(|id| instance(id)).collect();
    write(&at("nine.jsonl"), &nine, None);
    expect_exit(assay().arg("import").arg(at("nine.jsonl")).arg("--out").arg(at("nine")), 0);
    // Apart from where they stood.
    let imported = |folder: &str| {
        let mut rows = lines(&at(folder).join("instances.jsonl"));
        rows.iter_mut().for_each(|row| row["source"] = Value::Null);
        rows
    };
    let expected = imported("nine");
    let mut poisons = no_rows();
    let half_in_gold = with("patch", json!("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-HALF\n+x\n"));
    let half_in_gold = String::from_utf8(half_in_gold).unwrap().replace("HALF", "\\udcfc").into_bytes();
    poisons.extend([
        ("id of 301 bytes", with("instance_id", json!("x".repeat(301))), "longer than 300 bytes"),
        ("id with NUL", with("instance_id", json!("a\0b")), "control characters"),
        ("id without a letter", with("instance_id", json!("")), "instance_id"),
        ("repo that is a list", with("repo", json!(["a"])), "repo"),
        ("revision for a commit", with("base_commit", json!("HEAD~99999999999")), "base_commit"),
        ("option for a commit", with("base_commit", json!("--upload-pack=x")), "base_commit"),
        ("patch that is null", with("patch", Value::Null), "patch"),
        ("tests that are numbers", with("FAIL_TO_PASS", json!([1])), "test list"),
        ("tests that are an object", with("FAIL_TO_PASS", json!({"a": 1})), "test list"),
        // In an answer they would stand for a byte.
        ("half a pair in gold", half_in_gold, "the field \"patch\" holds \\udcfc in column "),
    ]);
    for (name, poison, why) in poisons {
        let (file, out) = (at("ten.jsonl"), at("ten"));
        write(&file, &nine, Some(&poison));
        let _ = fs::remove_dir_all(&out);
        let output = run(&[&"import", &file, &"--out", &out]);
        assert_eq!(output.status.code(), Some(2), "{name}: {}", stderr(&output));
        assert_eq!(imported("ten"), expected, "{name}");
        assert_named(&out.join("quarantine.jsonl"), &file, why);
    }
}

/// Rows that can be read and that no instance can be made of.
fn impossible(good: &Value) -> Vec<(&'static str, Value, &'static str)> {
    let changed = |id: &str, change: &dyn Fn(&mut Value)| {
        let mut row = good.clone();
        row["instance_id"] = json!(id);
        change(&mut row);
        row
    };
    let patch = |path: &str| format!("{GOLD}{}", added(path, "x = 1\n"));
    let deep = "d/".repeat(2000) + "x.py";
    let patched = |id: &str, path: &str| changed(id, &|row| row["patch"] = json!(patch(path)));
    vec![
        ("a/../../b", changed("a/../../b", &|row| row["repo"] = json!("../../x")), "base_not_found"),
        ("outside", patched("outside", "../x.py"), "patch_does_not_apply"),
        ("absolute", patched("absolute", "/x.py"), "patch_does_not_apply"),
        ("git", patched("git", ".git/x.py"), "patch_does_not_apply"),
        ("below", patched("below", "calc.py/x.py"), "patch_does_not_apply"),
        ("deep", patched("deep", &deep), "patch_does_not_apply"),
        ("garbage", changed("garbage", &|row| row["patch"] = json!("\0garbage")), "patch_does_not_apply"),
        (
            "deep-tests",
            changed("deep-tests", &|row| row["test_patch"] = json!(added(&format!("tests/{deep}"), "x = 1\n"))),
            "patch_does_not_apply",
        ),
        ("framework", changed("framework", &|row| row["environment"]["framework"] = json!("../x")), "no_environment"),
        ("recipe", changed("recipe", &|row| row["environment"]["recipe"] = json!("\0")), "no_environment"),
        ("python", changed("python", &|row| row["environment"]["python"] = json!("9.99")), "no_environment"),
        ("image", changed("image", &|row| row["environment"]["image"] = json!("UPPER/ .. ::")), "no_environment"),
    ]
}

/// A diff that adds a file.
fn added(path: &str, source: &str) -> String {
    let body: String = source.lines().map(|line| format!("+{line}\n")).collect();
    let count = source.lines().count();
    format!(
        "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{count} @@\n{body}"
    )
}

fn rows_that_no_instance_can_be_made_of_are_refused_by_name_and_the_others_are_admitted_and_prompted() {
    let world = World::imported(Engine::Cell(cell()));
    let import = world.import();
    let good = lines(&import.join("instances.jsonl")).remove(0);
    let poisons = impossible(&good);
    let mut rows: Vec<_> = poisons.iter().map(|(_, row, _)| row.clone()).collect();
    rows.insert(POISONED - 1, good.clone());
    write(&import.join("instances.jsonl"), &rows, None);
    let run = world.place("validated");
    expect_exit(assay().arg("validate").arg(&import).arg("--run").arg(&run), 2);
    let admissions = lines(&run.join("admissions.jsonl"));
    assert_eq!(admissions.len(), rows.len());
    for admission in &admissions {
        let refusal = poisons.iter().find(|(id, ..)| admission["instance_id"] == *id).map(|(_, _, refusal)| *refusal);
        assert_eq!(admission["refusal"].as_str(), refusal, "{admission}");
        assert!(refusal.is_none() || !admission["detail"].as_str().unwrap().is_empty(), "{admission}");
    }

    // A row whose repository is not there has no prompts, and the others have.
    let (one, all) = (world.place("one.jsonl"), world.place("all.jsonl"));
    fs::write(world.place("good.jsonl"), format!("{good}\n")).unwrap();
    let prompts = |from: &PathBuf, out: &PathBuf, code: i32| {
        let mut command = assay();
        command.arg("prompt").arg(from).args(["--skill", "localization", "--repos"]).arg(import.join("repos"));
        stderr(&expect_exit(command.arg("--out").arg(out), code))
    };
    prompts(&world.place("good.jsonl"), &one, 0);
    let said = prompts(&import.join("instances.jsonl"), &all, 2);
    assert!(said.contains("a/../../b: no localization prompt") && said.contains("--repos"), "{said}");
    let (expected, found) = (lines(&one).remove(0), lines(&all));
    assert!(found.contains(&expected), "{found:?}");
    assert_eq!(found.len(), rows.len() - 1);
}

/// A generation of the small world.
fn answer(skill: &str, text: &str) -> Value {
    json!({"instance_id": "small__calc", "skill": skill, "completion": text, "model": "a model"})
}

/// Nine answers, three of each skill.
fn nine_answers() -> Vec<Value> {
    let test = |name: &str, expected: i32| {
        format!(
            "```python\n### tests/test_{name}.py\nimport unittest\n\nfrom calc import double\n\n\nclass New(unittest.TestCase):\n    \
             def test_new(self):\n        self.assertEqual(double(5), {expected})\n```\n"
        )
    };
    let mut nine: Vec<_> = ["calc.py", "calc.py\ntests/test_calc.py", "tests/test_calc.py"]
        .iter()
        .map(|files| answer("localization", &format!("```\n{files}\n```\n")))
        .collect();
    let sources = [RIGHT, &RIGHT.replace("2 * x", "x * 3"), &BASE.replace("keep(x)", "keep(y)")];
    nine.extend(repairs(&sources).iter().map(|(skill, text)| answer(skill, text)));
    nine.extend([("ten", 10), ("eleven", 11), ("twelve", 12)].map(|(name, n)| answer("test", &test(name, n))));
    nine
}

/// Answers, and what their verdict says of them; quarantined where there is none.
fn poisoned_answers() -> Vec<(&'static str, Vec<u8>, Result<&'static str, &'static str>)> {
    let row = |skill: &str, text: &str| answer(skill, text).to_string().into_bytes();
    let diff = |text: String| format!("```diff\n{text}```\n");
    let adds = |path: &str| row("repair", &diff(added(path, "x = 1\n")));
    let fixes = |path: &str| row("repair", &diff(format!("{GOLD}{}", added(path, "x = 1\n"))));
    let list = |path: &str| row("localization", &format!("```\n{path}\n```\n"));
    let test =
        "import unittest\n\n\nclass New(unittest.TestCase):\n    def test_new(self):\n        self.assertEqual(1, 2)\n";
    let tests = |path: &str| row("test", &format!("```python\n### {path}\n{test}```\n"));
    let field = |name: &str, value: &str| {
        let whole = answer("repair", "x").to_string();
        format!("{}, {name:?}: {value}}}", whole.trim_end_matches('}')).into_bytes()
    };
    let deep = "d/".repeat(2000);
    let mut poisons: Vec<_> = no_rows().into_iter().map(|(name, bytes, why)| (name, bytes, Err(why))).collect();
    poisons.extend([
        ("path outside", list("../x.py"), Ok("unknown_file")),
        ("absolute path", list("/testbed/calc.py"), Ok("unknown_file")),
        ("path with a NUL", list("calc\0.py"), Ok("malformed")),
        ("path below a file", list("calc.py/x.py"), Ok("unknown_file")),
        ("path of 4 KiB", list(&format!("{deep}x.py")), Ok("unknown_file")),
        ("file below a file", adds("calc.py/x.py"), Ok("does_not_apply")),
        ("file over a folder", adds("tests"), Ok("does_not_apply")),
        ("file in .git", adds("x/.GIT/config"), Ok("unsafe")),
        ("thousands of folders", fixes(&format!("{deep}x.py")), Ok("unsafe")),
        ("name of 256 bytes", fixes(&"n".repeat(256)), Ok("unsafe")),
        ("path as long as may be", fixes(&format!("{}/x.py", vec!["n".repeat(252); 16].join("/"))), Ok("resolved")),
        ("whiteout of an overlay", fixes(".wh.calc.py"), Ok("resolved")),
        ("tests in thousands of folders", tests(&format!("{deep}test_x.py")), Ok("unsafe")),
        ("test below a file", tests("tests/test_calc.py/test_x.py"), Ok("does_not_apply")),
        ("test named like an option", tests("-test_x.py"), Ok("touches_non_tests")),
        ("test named like an id", tests("tests/test_x::y[1].py"), Ok("fails_on_gold")),
        ("no answer at all", row("repair", ""), Ok("malformed")),
        ("three megabytes", row("repair", &"x".repeat(3 << 20)), Ok("malformed")),
        ("key twice", field("completion", "\"y\""), Ok("malformed")),
        ("largest index", field("index", "18446744073709551615"), Ok("malformed")),
        ("sampling with NaN", field("sampling", "{\"logprobs\": [NaN, -Infinity, -1.5e308]}"), Ok("malformed")),
        ("index beyond u64", field("index", "18446744073709551616"), Err("index")),
        ("negative index", field("index", "-1"), Err("index")),
        ("half an index", field("index", "1.5"), Err("index")),
        ("index of text", field("index", "\"1\""), Err("index")),
        (
            "unknown instance",
            json!({"instance_id": "../../x", "skill": "test", "completion": ""}).to_string().into_bytes(),
            Err("unknown instance"),
        ),
        (
            "chat with no answer",
            json!({"instance_id": "small__calc", "skill": "test", "messages": []}).to_string().into_bytes(),
            Err("no answer"),
        ),
    ]);
    poisons
}

/// A verdict without what names its place and its runs' times.
fn verdict(row: &Value) -> Value {
    let mut row = row.clone();
    row["receipt"] = Value::Null;
    row["generation"]["line"] = Value::Null;
    row
}

/// All poisons stand among the nine in one file: what one of them breaks shows in what comes after it.
fn poisoned_answers_are_judged_or_quarantined_by_name_and_nine_come_out_as_without_them() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let (nine, poisons) = (nine_answers(), poisoned_answers());
    let verified = |name: &str, lines_of: &[Vec<u8>]| {
        let (file, run) = (folder.path().join(name).join("g.jsonl"), folder.path().join(name).join("run"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, [lines_of.join(&b'\n'), b"\n".to_vec()].concat()).unwrap();
        world.copy_run(&run);
        let mut command = assay();
        command.arg("verify").arg(world.import()).arg("--generations").arg(&file).arg("--run").arg(&run);
        let output = command.output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 2)), "{}", stderr(&output));
        run
    };
    let alone: Vec<_> = nine.iter().map(|row| row.to_string().into_bytes()).collect();
    let mut among = alone.clone();
    let at = 3;
    among.splice(at..at, poisons.iter().map(|(_, bytes, _)| bytes.clone()));
    let (alone, among) = (verified("alone", &alone), verified("among", &among));
    let (expected, found) = (lines(&alone.join("verdicts.jsonl")), lines(&among.join("verdicts.jsonl")));
    assert_eq!(expected.len(), 9);
    for expected in &expected {
        let same = found.iter().find(|row| row["candidate_id"] == expected["candidate_id"]).unwrap();
        let (mut expected, mut same) = (verdict(expected), verdict(same));
        if expected["skill"] == "test" {
            // Repairs beside a test count for its strength.
            for row in [&mut expected, &mut same] {
                row["strength"] = Value::Null;
                row["trials"] = Value::Null;
                row["detail"] = Value::Null;
            }
        }
        assert_eq!(same, expected);
    }
    let quarantined = lines(&among.join("quarantine.jsonl"));
    let mut wrong = Vec::new();
    for (place, (name, _, right)) in poisons.iter().enumerate() {
        let line = (at + place + 1) as u64;
        let judged = found.iter().find(|row| row["generation"]["line"] == line).map(|row| row["reason"].clone());
        let refused = quarantined.iter().find(|row| row["line"] == line);
        let named = refused.filter(|row| row["file"].as_str().is_some_and(|file| file.ends_with("g.jsonl")));
        let holds = match right {
            Ok(reason) => judged == Some(json!(reason)),
            Err(why) => named.is_some_and(|row| row["why"].as_str().is_some_and(|said| said.contains(why))),
        };
        if !holds {
            wrong.push(format!("{name}: {right:?}, not {judged:?} or {refused:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What was verified beside them goes on: judged again, exported, shown and chosen from.
    let (dataset, page, chosen) =
        (folder.path().join("dataset"), folder.path().join("page.html"), folder.path().join("chosen"));
    let before = fs::read(among.join("verdicts.jsonl")).unwrap();
    expect_exit(assay().arg("judge").arg(&among), 0);
    assert_eq!(fs::read(among.join("verdicts.jsonl")).unwrap(), before);
    expect_exit(assay().arg("export").arg(&among).arg("--out").arg(&dataset), 0);
    expect_exit(assay().arg("report").arg(&among).arg("--out").arg(&page), 0);
    let selected = run(&[&"select", &among, &"--out", &chosen]);
    assert_eq!(selected.status.code(), Some(2), "{}", stderr(&selected));
    assert_eq!(lines(&chosen.join("predictions.jsonl")).len(), 1);
    let audited = run(&[&"audit", &dataset]);
    assert_eq!(audited.status.code(), Some(0), "{}", stderr(&audited));
}

#[tokio::main(flavor = "multi_thread")]
async fn the_service_judges_a_poisoned_answer_and_answers_the_next_one() {
    let served = Served::start(&[], None);
    served.ready().await;
    let mut wrong = Vec::new();
    for (name, bytes, right) in poisoned_answers() {
        let (Ok(question), Ok(reason)) = (serde_json::from_slice::<Value>(&bytes), right) else { continue };
        // The body of a question has limits of its own, and no `sampling`.
        if question.get("sampling").is_some() || question.get("index").is_some() || bytes.len() > 1 << 20 {
            continue;
        }
        let said = served.ask(&question).await;
        wrong.extend((said["reason"] != reason).then(|| format!("{name}: {said}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let said = served.ask(&repair(RIGHT)).await;
    assert_eq!(said["status"], "verified", "{said}");
}

fn one_poisoned_prediction_changes_no_other_choice() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let prediction =
        |id: &str, patch: &str| json!({"instance_id": id, "model_name_or_path": "m", "model_patch": patch});
    let nine: Vec<_> = ids("i").iter().map(|id| prediction(id, GOLD)).collect();
    let chosen = |poison: Option<&[u8]>| {
        write(&at("p.jsonl"), &nine, poison);
        let _ = fs::remove_dir_all(at("out"));
        let output = run(&[&"select", &at("p.jsonl"), &"--method", &"self-consistency", &"--out", &at("out")]);
        assert!(matches!(output.status.code(), Some(0 | 2)), "{}", stderr(&output));
        (output.status.code(), stderr(&output), fs::read_to_string(at("out/predictions.jsonl")).unwrap())
    };
    let (_, _, expected) = chosen(None);
    let huge = "--- a/a\n+++ b/a\n@@ -18446744073709551615,1 +18446744073709551616,1 @@\n-a\n+b\n";
    let odd =
        [huge, "\0", "--- a/../../x\n+++ b/../../x\n@@ -1 +1 @@\n-a\n+b\n", "--- \"a/\\777\n+++ \"b/\\\n@@ -1 +1 @@\n"];
    let mut poisons: Vec<_> = odd.map(|patch| prediction("p", patch).to_string().into_bytes()).into();
    poisons.push(prediction(&"x".repeat(70_000), GOLD).to_string().into_bytes());
    poisons.push(
        prediction("../../p", &format!("{GOLD}{}", added(&("d/".repeat(30_000) + "x"), "x\n")))
            .to_string()
            .into_bytes(),
    );
    for poison in &poisons {
        let (_, said, found) = chosen(Some(poison));
        assert!(expected.lines().all(|line| found.lines().any(|other| other == line)), "{said}: {found}");
        assert_eq!(found.lines().count(), 10, "{said}");
    }
    for (name, poison, why) in no_rows() {
        let (code, said, found) = chosen(Some(&poison));
        assert_eq!((code, &found), (Some(2), &expected), "{name}: {said}");
        let place = format!("p.jsonl:{POISONED}: ");
        let quarantine = at("out/quarantine.jsonl");
        if quarantine.exists() {
            assert_named(&quarantine, &at("p.jsonl"), why);
        } else {
            assert!(said.contains(&place) && said.contains(why), "{name}: {said}");
        }
    }
}

fn one_poisoned_rollout_or_row_changes_no_other_task() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let rollout = |id: &str| json!({"input": "", "output": "", "gts": json!({"instance_id": id}).to_string(), "acc": true, "step": 1});
    let rollouts: Vec<_> = ids("i").iter().map(|id| rollout(id)).collect();
    let rows: Vec<_> = ids("i").iter().map(|id| json!({"instance_id": id, "repo": "a/b"})).collect();
    let staged = |rollout: Option<&[u8]>, row: Option<&[u8]>| {
        write(&at("rollouts.jsonl"), &rollouts, rollout);
        write(&at("rows.jsonl"), &rows, row);
        let arguments: [&dyn AsRef<std::ffi::OsStr>; 6] =
            [&"--drop", &"below", &"--out", &at("out.jsonl"), &"--rows", &at("rows.jsonl")];
        let output =
            run(&[&[&"curriculum" as &dyn AsRef<std::ffi::OsStr>, &at("rollouts.jsonl")][..], &arguments].concat());
        (output.status.code(), stderr(&output), fs::read(at("out.jsonl")).unwrap())
    };
    let (code, said, expected) = staged(None, None);
    assert_eq!(code, Some(0), "{said}");
    let mut poisons = no_rows();
    poisons.retain(|(name, ..)| *name != "null");
    poisons.push(("no instance", b"{\"acc\": true}".to_vec(), "no instance_id"));
    poisons.push(("samples of nothing", b"{\"samples\": [null], \"acc\": true}".to_vec(), "no instance_id"));
    for (name, poison, why) in poisons {
        let (code, said, found) = staged(Some(&poison), None);
        assert_eq!((code, &found), (Some(2), &expected), "{name}: {said}");
        assert_named(&at("quarantine.jsonl"), &at("rollouts.jsonl"), why);
    }
    for (name, poison, why) in no_rows() {
        let (code, said, found) = staged(None, Some(&poison));
        assert_eq!((code, &found), (Some(2), &expected), "{name}: {said}");
        assert_named(&at("quarantine.jsonl"), &at("rows.jsonl"), why);
    }
}

/// What pytest prints of one test.
fn log_of(passed: bool) -> String {
    let (word, count) = if passed { ("PASSED", "1 passed") } else { ("FAILED", "1 failed") };
    let bar = "=".repeat(20);
    format!(
        "{bar} test session starts {bar}\ncollected 1 item\n\n{bar} short test summary info {bar}\n{word} t.py::test_a\n{bar} {count} in 0.01s {bar}\n"
    )
}

fn one_poisoned_log_report_or_instance_leaves_nine_grades_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let wanted =
        |id: &str| json!({"instance_id": id, "repo": "a/b", "FAIL_TO_PASS": ["t.py::test_a"], "PASS_TO_PASS": []});
    let ids = ids("i");
    let mut rows: Vec<_> = ids.iter().map(|id| wanted(id)).collect();
    rows.push(wanted("poisoned"));
    let place = |id: &str| {
        let place = at("logs").join("m").join(id);
        fs::create_dir_all(&place).unwrap();
        place
    };
    for (number, id) in ids.iter().enumerate() {
        fs::write(place(id).join("test_output.txt"), log_of(number % 2 == 0)).unwrap();
        let report = json!({id: {"resolved": number % 2 == 0}});
        fs::write(place(id).join("report.json"), report.to_string()).unwrap();
    }
    let graded = |instances: &[u8]| {
        fs::write(at("instances.jsonl"), instances).unwrap();
        let arguments: [&dyn AsRef<std::ffi::OsStr>; 7] =
            [&"judge", &"--logs", &at("logs"), &"--instances", &at("instances.jsonl"), &"--out", &at("grades.jsonl")];
        let output = run(&arguments);
        (output.status.code(), stderr(&output), fs::read_to_string(at("grades.jsonl")).unwrap_or_default())
    };
    let instances: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let (code, said, expected) = graded(instances.as_bytes());
    assert_eq!((code, expected.lines().count()), (Some(0), 9), "{said}");

    let poisoned = place("poisoned");
    let logs: [&[u8]; 6] = [
        b"",
        b"\xff\xfe\0\x1b[",
        &b"\r".repeat(100_000),
        &b"[".repeat(1 << 20),
        b"PASSED t.py::test_a[",
        b">>>>> Start Test Output",
    ];
    for log in logs {
        fs::write(poisoned.join("test_output.txt"), log).unwrap();
        let (code, said, found) = graded(instances.as_bytes());
        assert_eq!((code, found.lines().count()), (Some(0), 10), "{said}");
        assert!(expected.lines().all(|line| found.contains(line)), "{found}");
        let own = found.lines().find(|line| line.contains("poisoned")).unwrap();
        assert!(!own.contains("\"passes\""), "{own}");
    }
    for report in ["", "{", "[", "\u{0}", "{\"poisoned\": "] {
        fs::write(poisoned.join("report.json"), report).unwrap();
        let (_, said, found) = graded(instances.as_bytes());
        assert!(expected.lines().all(|line| found.contains(line)), "{found}");
        assert!(said.contains("m/poisoned/test_output.txt: report.json is not JSON"), "{said}");
        let audited =
            run(&[&"audit", &at("instances.jsonl"), &"--logs", &at("logs"), &"--instances", &at("instances.jsonl")]);
        assert_eq!(audited.status.code(), Some(2), "{}", stderr(&audited));
        assert!(String::from_utf8_lossy(&audited.stdout).contains("report.json is not JSON"), "{audited:?}");
    }
    fs::remove_file(poisoned.join("report.json")).unwrap();

    // A link to itself is no file; a folder in the place of a report is not read.
    fs::remove_file(poisoned.join("test_output.txt")).unwrap();
    std::os::unix::fs::symlink("test_output.txt", poisoned.join("test_output.txt")).unwrap();
    let (_, _, found) = graded(instances.as_bytes());
    assert_eq!(found, expected);
    fs::remove_file(poisoned.join("test_output.txt")).unwrap();
    fs::write(poisoned.join("test_output.txt"), log_of(true)).unwrap();
    fs::create_dir(poisoned.join("report.json")).unwrap();
    let (_, said, found) = graded(instances.as_bytes());
    assert!(found.lines().count() == 10 && said.contains("report.json cannot be read"), "{said}");

    // A poisoned row of instances is named, and only its own log is not graded.
    for (name, poison, why) in no_rows() {
        let nine: String = rows[..9].iter().map(|row| format!("{row}\n")).collect();
        let (code, said, found) = graded(&[&poison[..], b"\n", nine.as_bytes()].concat());
        assert_eq!((code, &found), (Some(2), &expected), "{name}: {said}");
        assert!(said.contains("instances.jsonl:1: ") && said.contains(why), "{name}: {said}");
    }
}

fn one_poisoned_prompt_is_named_and_nine_are_answered() {
    for (name, poison, _) in no_rows() {
        let place = Place::with_prompts(0);
        let nine: Vec<_> = (0..9).map(prompt).collect();
        write(&place.path("prompts.jsonl"), &nine, Some(&poison));
        let server = ModelServer::start(|_| Say::Json(completion(&["an answer"])));
        let output = place.sample(&server, &["-n", "1"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {}", stderr(&output));
        assert_eq!(place.samples().len(), 9, "{name}");
        assert!(stderr(&output).contains(&format!(":{POISONED}: ")), "{name}: {}", stderr(&output));
    }
}

fn mutated_answers_of_all_skills_are_placed_screened_and_judged_without_a_fault() {
    let (worlds, corpus) = (Worlds::new(), corpus());
    let (mut known, mut seen) = (Seen::default(), Seen::default());
    for tried in &corpus {
        known.add(worlds.check(tried).unwrap_or_else(|why| panic!("{why}, on {tried:?}")));
    }
    for seed in 1..=300 {
        let tried = mutated(&corpus, &mut Numbers(seed * 0x9e37_79b9));
        seen.add(worlds.check(&tried).unwrap_or_else(|why| panic!("seed {seed}: {why}, on {tried:?}")));
    }
    // Laws about trees say nothing of answers that come to none.
    assert!(known.reaches(&Seen { prepared: 120, changing: 80, linking: 3, taken_back: 15 }), "the corpus: {known:?}");
    assert!(seen.reaches(&Seen { prepared: 150, changing: 80, linking: 2, taken_back: 15 }), "mutated: {seen:?}");
}

pub const TESTS: &[Test] = tests![
    one_poisoned_row_is_quarantined_and_nine_are_imported,
    rows_that_no_instance_can_be_made_of_are_refused_by_name_and_the_others_are_admitted_and_prompted,
    poisoned_answers_are_judged_or_quarantined_by_name_and_nine_come_out_as_without_them,
    the_service_judges_a_poisoned_answer_and_answers_the_next_one,
    one_poisoned_prediction_changes_no_other_choice,
    one_poisoned_rollout_or_row_changes_no_other_task,
    one_poisoned_log_report_or_instance_leaves_nine_grades_as_they_are,
    one_poisoned_prompt_is_named_and_nine_are_answered,
    mutated_answers_of_all_skills_are_placed_screened_and_judged_without_a_fault,
];
