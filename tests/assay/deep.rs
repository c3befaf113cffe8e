//! Answers that nest as deep as an answer may be long, and answers that hold one thing many thousand times beside each other: every
//! command goes on, and says what it could not read.

use crate::harness::{Test, tests};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::serve_support::{Served, repair};
use crate::small_world::{BASE, RIGHT};
use crate::support::{assay, expect_exit, lines};

/// Room for the rest of an answer below its limit of a mebibyte.
const ROOM: usize = (1 << 20) - 16_384;

/// A construct of the grammar, nested: what opens a level, the innermost part, what closes a level.
const NESTED: [(&str, &str, &str); 27] = [
    ("(", "1", ")"),
    ("[", "1", "]"),
    ("{", "1", "}"),
    ("{1: ", "1", "}"),
    ("f(", "1", ")"),
    ("f(k=", "1", ")"),
    ("f(*", "a", ")"),
    ("not ", "a", ""),
    ("-", "1", ""),
    ("~", "1", ""),
    ("lambda: ", "1", ""),
    ("a if b else ", "c", ""),
    ("a + (", "b", ")"),
    ("a[", "0", "]"),
    ("a[b:", "c", "]"),
    ("[x for x in ", "a", "]"),
    ("(y := ", "1", ")"),
    ("a and (", "b", ")"),
    ("a < (", "b", ")"),
    ("a ** ", "b", ""),
    ("", "a", ".b"),
    ("", "a", "()"),
    ("", "a", "[0]"),
    ("", "1", " + 1"),
    ("", "a", " or a"),
    ("", "'a'", " 'a'"),
    ("f'{", "1", "}'"),
];

/// The one construct of the table whose tree is flat.
const FLAT: &str = "'a' 'a'";

/// What stands beside each other without any nesting: what comes first, and the part that is repeated. Each is a place where something
/// is asked of all that is around it.
const REPEATED: [(&str, &str); 5] = [
    ("import os\n", "os.write(x, 1)\n"),
    ("def it():\n", "    try:\n        assert False\n    except Exception:\n        pass\n"),
    ("", "print('Issue reproduced')\n"),
    ("import requests\n", "requests.get(x)\n"),
    ("", "open('a.py')\n"),
];

/// Room for these and for names that are as long: enough that work for each pair of parts would take minutes.
const FLAT_ROOM: usize = ROOM / 8;

fn is_flat(name: &str) -> bool {
    name == FLAT || name.starts_with("flat ")
}

/// Sources that nest a construct as deep as there is room for, each with a name.
fn sources() -> Vec<(String, String)> {
    let mut sources = Vec::new();
    for (open, inner, close) in NESTED {
        let levels = (ROOM - 32) / (open.len() + close.len());
        let source = format!("value = {}{inner}{}\n", open.repeat(levels), close.repeat(levels));
        sources.push((format!("{open}{inner}{close}"), source));
    }
    // The value that an equality returns, and the name that is called.
    let levels = ROOM / 2 - 64;
    let (open, close) = ("(".repeat(levels), ")".repeat(levels));
    sources.push((
        "__eq__".to_owned(),
        format!("class A:\n    def __eq__(self, other):\n        return {open}True{close}\n"),
    ));
    sources.push(("call".to_owned(), format!("def test_it():\n    assert a{}()\n", ".b".repeat(levels))));
    // Blocks: each level is one blank further in.
    for head in ["if a:", "for a in b:", "while a:", "with a:", "def f():", "class A:", "try:"] {
        let tail = |level: usize| match head {
            "try:" => format!("{}finally:\n{} pass\n", " ".repeat(level), " ".repeat(level)),
            _ => String::new(),
        };
        let levels = if head == "try:" { 650 } else { 1300 };
        let opened: String = (0..levels).map(|level| format!("{}{head}\n", " ".repeat(level))).collect();
        let closed: String = (0..levels).rev().map(tail).collect();
        sources.push((head.to_owned(), format!("{opened}{}pass\n{closed}", " ".repeat(levels))));
    }
    // A large text inside of many levels.
    let (open, close) = ("a.find(".repeat(450), ")".repeat(450));
    sources.push(("a.find([0, 0])".to_owned(), format!("value = {open}[{}]{close}\n", "0, ".repeat(FLAT_ROOM / 3))));
    for (head, part) in REPEATED {
        sources.push((format!("flat {part}"), format!("{head}{}", part.repeat(FLAT_ROOM / part.len()))));
    }
    let long = "a".repeat(FLAT_ROOM / 2);
    sources.push(("flat import".to_owned(), format!("import {long} as b\n{}", "b\n".repeat(FLAT_ROOM / 4))));
    sources.push(("flat CI".to_owned(), format!("x = [\n{}]\n", "'CI',\n".repeat(FLAT_ROOM / 6))));
    sources.push(("flat class".to_owned(), format!("class {long}:\n    x = [{}]\n", "0, ".repeat(FLAT_ROOM / 6))));
    sources
}

/// A diff that adds a file.
fn adds(path: &str, source: &str) -> String {
    let count = source.lines().count();
    let body: String = source.lines().map(|line| format!("+{line}\n")).collect();
    format!(
        "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{count} @@\n{body}"
    )
}

fn write_lines(path: &Path, rows: &[Value]) {
    fs::write(path, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
}

/// The imported offline demo, and its first instance.
fn demo(folder: &Path) -> Value {
    let out = folder.join("demo");
    expect_exit(assay().args(["demo", "--offline", "--out"]).arg(&out), 0);
    lines(&out.join("instances.jsonl"))[0].clone()
}

fn an_answer_that_nests_as_deep_as_it_may_be_long_is_judged_and_never_verified_unread() {
    let folder = tempfile::tempdir().unwrap();
    let instance = demo(folder.path());
    let gold = instance["patch"].as_str().unwrap();
    let mut generations = Vec::new();
    for (index, (_, source)) in sources().iter().enumerate() {
        let answer = |diff: String| format!("```diff\n{diff}```\n");
        let row = |skill: &str, completion: String| json!({"instance_id": instance["instance_id"], "skill": skill, "completion": completion, "model": "deep", "index": index});
        generations.push(row("repair", answer(format!("{gold}{}", adds("spans/deep.py", source)))));
        generations.push(row("test", answer(adds("tests/test_deep.py", source))));
    }
    let file = folder.path().join("generations.jsonl");
    write_lines(&file, &generations);
    let run = folder.path().join("run");
    let mut command = assay();
    command.arg("verify").arg(folder.path().join("demo/instances.jsonl")).arg("--generations").arg(&file);
    expect_exit(command.arg("--run").arg(&run), 0);
    let verdicts = lines(&run.join("verdicts.jsonl"));
    assert_eq!(verdicts.len(), generations.len());
    for verdict in &verdicts {
        let index = usize::try_from(verdict["generation"]["index"].as_u64().unwrap()).unwrap();
        let name = &sources()[index].0;
        // Python never loads the new file, so the repair is right but for what could not be read. What stands beside each other
        // is one level.
        let expected = match (verdict["skill"].as_str(), is_flat(name)) {
            (Some("repair"), true) => "resolved",
            (Some("repair"), false) => "source_not_read",
            _ => verdict["reason"].as_str().unwrap(),
        };
        assert_eq!(verdict["reason"], expected, "{name}: {verdict}");
        assert!(verdict["status"] != "verified" || is_flat(name), "{name}: {verdict}");
    }
}

fn rows_and_predictions_that_nest_deeply_are_read_by_import_audit_select_and_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let instance = demo(folder.path());
    let (mut rows, mut predictions) = (Vec::new(), Vec::new());
    for (index, (_, source)) in sources().iter().enumerate() {
        let mut row = instance.clone();
        row["instance_id"] = json!(format!("deep-{index}"));
        row["patch"] = json!(adds("spans/deep.py", source));
        rows.push(row);
        predictions.push(json!({"instance_id": instance["instance_id"], "model_patch": adds("spans/deep.py", source),
            "model_name_or_path": format!("deep-{index}")}));
    }
    let at = |name: &str| folder.path().join(name);
    write_lines(&at("rows.jsonl"), &rows);
    write_lines(&at("predictions.jsonl"), &predictions);
    let (imported, prompts) = (at("imported"), at("prompts.jsonl"));
    expect_exit(assay().arg("import").arg(at("rows.jsonl")).arg("--out").arg(&imported), 0);
    assert_eq!(lines(&imported.join("instances.jsonl")).len(), rows.len());
    let repos = at("demo/repos");
    let mut prompt = assay();
    prompt.arg("prompt").arg(imported.join("instances.jsonl")).args(["--skill", "repair", "--repos"]).arg(&repos);
    expect_exit(prompt.arg("--out").arg(&prompts), 0);
    for file in ["rows.jsonl", "predictions.jsonl"] {
        let output = assay().arg("audit").arg(at(file)).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 2)), "{file}: {output:?}");
    }
    let mut select = assay();
    select.arg("select").arg(at("predictions.jsonl")).args(["--method", "self-consistency", "--out"]).arg(at("chosen"));
    let output = select.output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 2)), "{output:?}");

    // JSON that nests: refused by its line, and the rest is read.
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    fs::write(at("nested.jsonl"), format!("{}\n{{\"instance_id\": {deep}}}\n{}\n", rows[0], rows[1])).unwrap();
    expect_exit(assay().arg("import").arg(at("nested.jsonl")).arg("--out").arg(at("nested")), 2);
    assert_eq!(lines(&at("nested/instances.jsonl")).len(), 2);
    assert_eq!(lines(&at("nested/quarantine.jsonl"))[0]["line"], 2);
}

#[tokio::main(flavor = "multi_thread")]
async fn the_service_answers_what_nests_deeply_and_goes_on() {
    let served = Served::start(&[], None);
    served.ready().await;
    for (name, source) in sources().iter().step_by(6) {
        let said = served.ask(&repair(&format!("{BASE}{source}"))).await;
        assert_ne!(said["status"], "verified", "{name}: {said}");
    }
    let said = served.ask(&repair(RIGHT)).await;
    assert_eq!(said["status"], "verified", "{said}");
}

pub const TESTS: &[Test] = tests![
    the_service_answers_what_nests_deeply_and_goes_on,
    an_answer_that_nests_as_deep_as_it_may_be_long_is_judged_and_never_verified_unread,
    rows_and_predictions_that_nest_deeply_are_read_by_import_audit_select_and_prompt,
];
