//! `assay prompt`: what is shown under a budget, what is left out, and how the skills chain.

use crate::harness::{Test, tests};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};
use swe_assay::inside::intake::{Wanted, import_folders, write_import};
use swe_assay::inside::model::instance::Environment;

use crate::model_server::{ModelServer, Say};
use crate::support::{assay, expect_exit, json, lines, stderr};

struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// A repository of these files, whose gold change appends a line to `pkg/duration.py`.
    fn of(files: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (base, fix) = (folder.path().join("base"), folder.path().join("fix"));
        for (path, text) in files {
            for root in [&base, &fix] {
                let path = root.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                let text = if root == &fix && path.ends_with("pkg/duration.py") {
                    format!("{text}# mended\n")
                } else {
                    text.clone()
                };
                std::fs::write(path, text).unwrap();
            }
        }
        std::fs::create_dir_all(fix.join("tests")).unwrap();
        std::fs::write(fix.join("tests/test_duration.py"), "import unittest\n").unwrap();
        let wanted = Wanted {
            problem_statement: "`parse_duration('-1h')` loses the minus of the first unit.".to_owned(),
            instance_id: Some("pkg__one".to_owned()),
            repo: Some("pkg/pkg".to_owned()),
            license: Some("MIT".to_owned()),
            environment: Environment { framework: "unittest".to_owned(), ..Environment::default() },
            ..Wanted::default()
        };
        let work = folder.path().join("work");
        let instance = import_folders(&base, &fix, wanted, &work).unwrap();
        write_import(&work, &[instance], &[]).unwrap();
        Self { folder }
    }

    fn small() -> Self {
        Self::of(&small())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn prompt(&self, more: &[&str]) -> Command {
        let mut command = assay();
        command
            .arg("prompt")
            .arg(self.path("work"))
            .arg("--out")
            .arg(self.path("prompts.jsonl"))
            .arg("--json")
            .args(more);
        command
    }

    fn prompts(&self, more: &[&str]) -> Vec<Value> {
        expect_exit(&mut self.prompt(more), 0);
        lines(&self.path("prompts.jsonl"))
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }
}

fn small() -> Vec<(String, String)> {
    let filler = |word: &str, lines: usize| format!("{word} = '{word}'\n").repeat(lines);
    [
        ("README.md", "parse_duration minus\n".repeat(5)),
        ("pkg/__init__.py", String::new()),
        (
            "pkg/duration.py",
            "def parse_duration(text):\n    minus = text.startswith('-')\n    return minus\n".to_owned(),
        ),
        ("pkg/table.py", format!("from .duration import parse_duration\n{}", filler("table", 4))),
        ("pkg/huge.py", format!("minus_of_unit = parse_duration\n{}", filler("minus", 3000))),
        ("pkg/other.py", filler("other", 3)),
        ("tests/test_table.py", "import unittest\n".to_owned()),
    ]
    .map(|(path, text)| (path.to_owned(), text))
    .to_vec()
}

fn paths(prompt: &Value, field: &str) -> Vec<String> {
    let files = prompt[field].as_array().cloned().unwrap_or_default();
    files
        .iter()
        .map(|file| format!("{} {}", file["path"].as_str().unwrap(), file["origin"].as_str().unwrap()))
        .collect()
}

fn text(prompt: &Value) -> &str {
    prompt["messages"][0]["content"].as_str().unwrap()
}

fn files_are_found_by_the_words_of_the_issue_and_those_that_overflow_are_noted() {
    let world = World::small();
    let prompts = world.prompts(&["--budget", "3000"]);
    let skills: Vec<_> = prompts.iter().map(|prompt| prompt["skill"].as_str().unwrap()).collect();
    assert_eq!(skills, ["localization", "test", "repair"]);
    assert!(text(&prompts[0]).contains("    duration.py\n") && prompts[0]["tree"] == "all");
    for prompt in &prompts[1..] {
        let shown = paths(prompt, "files");
        assert!(shown.contains(&"pkg/duration.py retrieved".to_owned()), "{shown:?}");
        assert!(!shown.iter().any(|path| path.contains("README") || path.contains("tests/") || path.contains("other")));
        assert_eq!(paths(prompt, "left_out"), ["pkg/huge.py retrieved"]);
        assert_eq!(prompt["left_out"][0]["why"], "over_budget");
        assert!(text(prompt).contains("### pkg/duration.py\n```\ndef parse_duration"), "{}", text(prompt));
        assert!(!text(prompt).contains("mended"), "the fix is in no prompt");
    }
    for prompt in &prompts {
        assert!(prompt["tokens"].as_u64().unwrap() <= 3000);
        assert_eq!(prompt["counter"], "estimate.v1");
    }
    // The same input gives the same bytes.
    let before = std::fs::read(world.path("prompts.jsonl")).unwrap();
    world.prompts(&["--budget", "3000"]);
    assert_eq!(std::fs::read(world.path("prompts.jsonl")).unwrap(), before);
}

fn localized_files_come_first_whoever_named_them() {
    let world = World::small();
    let repair = |more: &[&str]| {
        let all = [&["--skill", "repair", "--retrieve", "1"], more].concat();
        world.prompts(&all)
    };
    let gold = repair(&["--localization", "gold"]);
    assert_eq!(paths(&gold[0], "files")[0], "pkg/duration.py localized");
    assert_eq!(gold[0]["localization"], "gold");

    let answer = |files: &str, index: u64| {
        let completion = format!("<think>hm</think>```\n{files}\n```");
        json!({"instance_id": "pkg__one", "skill": "localization", "completion": completion, "index": index})
    };
    let rows = [
        answer("pkg/other.py\npkg/gone.py", 0),
        answer("pkg/table.py\npkg/duration.py", 1),
        answer("pkg/duration.py\npkg/table.py", 2),
        json!({"instance_id": "pkg__one", "skill": "localization", "completion": "no idea", "index": 3}),
    ];
    let file = world.write("locs.jsonl", &rows.map(|row| format!("{row}\n")).concat());
    let output = expect_exit(
        &mut world.prompt(&[
            "--skill",
            "repair",
            "--retrieve",
            "1",
            "--localization",
            "generations",
            "--from",
            &file,
            "--sets",
            "2",
        ]),
        0,
    );
    let summary = json(&output);
    assert_eq!((&summary["prompts"], &summary["unusable_localizations"]), (&json!(2), &json!(1)));
    let prompts = lines(&world.path("prompts.jsonl"));
    assert_eq!(paths(&prompts[0], "files")[..2], ["pkg/table.py localized", "pkg/duration.py localized"]);
    assert_eq!(paths(&prompts[1], "files")[0], "pkg/other.py localized");
    assert_eq!(prompts[1]["left_out"][0], json!({"path": "pkg/gone.py", "origin": "localized", "why": "not_at_base"}));
    assert_ne!(prompts[0]["prompt_id"], prompts[1]["prompt_id"]);
}

fn what_cannot_be_made_is_told_and_the_rest_is_written() {
    let world = World::small();
    // Too small for the listing of a localization, and for any file.
    let output = expect_exit(&mut world.prompt(&["--budget", "100"]), 2);
    let summary = json(&output);
    assert_eq!((summary["prompts"].as_u64(), summary["missing"].as_array().map(Vec::len)), (Some(0), Some(3)));
    assert!(stderr(&output).contains("raise --budget"), "{}", stderr(&output));
    let output = expect_exit(&mut world.prompt(&["--retrieve", "0", "--skill", "repair,localization"]), 2);
    assert_eq!(json(&output)["prompts"], 1);
    assert!(stderr(&output).contains("--localization or --retrieve"), "{}", stderr(&output));
    for (more, why) in [
        (&["--localization", "verdicts"][..], "needs --from"),
        (&["--from", "x.jsonl"], "takes no --from"),
        (&["--batch", "b"], "--model"),
        (&["--tokenizer", "/no/such/tokenizer.json"], "tokenizer.json"),
        (&["--templates", "/no/such/folder"], "/no/such/folder"),
    ] {
        let output = expect_exit(&mut world.prompt(more), 1);
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
}

fn localizations_and_prompts_of_other_instances_are_refused_with_the_nearest_instance() {
    let world = World::small();
    let place = json!({"instance_id": "pkg__two", "skill": "localization", "completion": "```\npkg/duration.py\n```"});
    let file = world.write("other.jsonl", &format!("{place}\n"));
    let output =
        expect_exit(&mut world.prompt(&["--skill", "repair", "--localization", "generations", "--from", &file]), 1);
    let said = stderr(&output);
    assert!(said.contains("\"pkg__two\"") && said.contains("of instances there is pkg__one"), "{said}");
    assert!(said.contains("has none for these instances") && !world.path("prompts.jsonl").exists(), "{said}");

    // Letters' case of a skill does not matter.
    let prompts = world.prompts(&["--skill", "Localization"]);
    let answer = json!({"instance_id": "pkg__one", "skill": "localization", "completion": "```\npkg/duration.py\n```"});
    let answers = world.write("answers.jsonl", &format!("{answer}\n"));
    let mut verify = assay();
    verify.arg("verify").arg(world.path("work")).args(["--generations", &answers]).arg("--prompts");
    verify.arg(world.path("prompts.jsonl")).arg("--run").arg(world.path("run"));
    let said = stderr(&expect_exit(&mut verify, 1));
    assert_eq!(prompts.len(), 1);
    assert!(said.contains("--prompts: no generation names a prompt of these files"), "{said}");
}

fn templates_of_ones_own_take_the_place_of_ours() {
    let world = World::small();
    let folder = world.path("templates");
    expect_exit(assay().args(["prompt", "--write-templates"]).arg(&folder), 0);
    let path = folder.join("repair.v1.jinja");
    let changed = std::fs::read_to_string(&path).unwrap().replace("You are given", "Here is");
    std::fs::write(&path, changed).unwrap();
    std::fs::write(folder.join("system.jinja"), "Be brief.").unwrap();
    let prompts = world.prompts(&["--templates", &folder.display().to_string(), "--skill", "repair"]);
    assert_eq!(prompts[0]["messages"][0], json!({"role": "system", "content": "Be brief."}));
    assert!(prompts[0]["messages"][1]["content"].as_str().unwrap().starts_with("Here is"), "{prompts:?}");
}

fn request_files_hold_every_prompt_once() {
    let world = World::small();
    let batch = world.path("batch").display().to_string();
    let more = ["--batch", &batch, "--model", "m", "-n", "4", "--seed", "5", "--body", "{\"top_k\": 20}"];
    let prompts = world.prompts(&more);
    let requests = lines(&Path::new(&batch).join("requests-0001.jsonl"));
    assert_eq!(requests.len(), prompts.len());
    for (request, prompt) in requests.iter().zip(&prompts) {
        assert_eq!(request["custom_id"], format!("{}#0", prompt["prompt_id"].as_str().unwrap()));
        assert_eq!((&request["method"], &request["url"]), (&json!("POST"), &json!("/v1/chat/completions")));
        let body = &request["body"];
        assert_eq!(
            (&body["model"], &body["n"], &body["seed"], &body["top_k"]),
            (&json!("m"), &json!(4), &json!(5), &json!(20))
        );
        assert_eq!(body["messages"], prompt["messages"]);
    }
}

fn embeddings_put_retrieved_files_in_another_order() {
    let world = World::small();
    // Whatever speaks of a table is near, the rest is far.
    let server = ModelServer::start(|asked| match asked.nth {
        0 => Say::Status(503, None, "warming up".to_owned()),
        _ => {
            let input = asked.body["input"].as_array().unwrap();
            let near =
                |text: &Value| text.as_str().unwrap().contains("table") || text.as_str().unwrap().contains("loses");
            let data: Vec<_> = input
                .iter()
                .enumerate()
                .map(|(index, text)| json!({"index": index, "embedding": if near(text) { [1, 0] } else { [0, 1] }}))
                .collect();
            Say::Json(json!({"data": data}))
        }
    });
    let url = server.url();
    let more = ["--skill", "repair", "--retrieve", "1", "--embed-endpoint", &url, "--embed-model", "e"];
    let prompts = world.prompts(&more);
    assert_eq!(paths(&prompts[0], "files"), ["pkg/table.py retrieved"]);
    assert!(server.asked().iter().all(|asked| asked.path == "/v1/embeddings" && asked.body["model"] == "e"));
    let without = world.prompts(&more[..4]);
    assert_eq!(paths(&without[0], "files"), ["pkg/duration.py retrieved"]);
}

/// The full size, 5,000 files of 8 KB, is in `benches/prompt.rs`; here a fifth of it, unoptimised and beside other tests.
fn a_large_tree_is_listed_within_its_share_and_searched_in_a_moment() {
    let mut files = small();
    for number in 0..1_000 {
        let text = format!("def part_{number}(value):\n    return value + {number}\n\n\n").repeat(20);
        files.push((format!("pkg/area{}/section{}/module_{number}.py", number % 20, number % 7), text));
    }
    let world = World::of(&files);
    let started = Instant::now();
    let prompts = world.prompts(&["--budget", "12000"]);
    let seconds = started.elapsed().as_secs_f64();
    assert!(prompts[0]["tree"] == "all" || prompts[0]["tree"] == "source", "{}", prompts[0]["tree"]);
    let levels = prompts[2]["tree"]["folded"]["levels"].as_u64().unwrap();
    assert!(levels >= 1 && text(&prompts[2]).contains(" files)\n"), "{}", prompts[2]["tree"]);
    assert_eq!(paths(&prompts[2], "files")[0], "pkg/duration.py retrieved");
    assert!(prompts.iter().all(|prompt| prompt["tokens"].as_u64().unwrap() <= 12_000));
    assert!(seconds < 20.0, "{seconds} s");
}

pub const TESTS: &[Test] = tests![
    files_are_found_by_the_words_of_the_issue_and_those_that_overflow_are_noted,
    localized_files_come_first_whoever_named_them,
    what_cannot_be_made_is_told_and_the_rest_is_written,
    localizations_and_prompts_of_other_instances_are_refused_with_the_nearest_instance,
    templates_of_ones_own_take_the_place_of_ours,
    request_files_hold_every_prompt_once,
    embeddings_put_retrieved_files_in_another_order,
    a_large_tree_is_listed_within_its_share_and_searched_in_a_moment,
];
