//! `assay sample` against a local server that misbehaves on purpose.

use crate::harness::{Test, tests};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::model_server::{ModelServer, Say, completion};
use crate::support::{assay, expect_exit, json, lines, stderr};

const KEY: &str = "sk-never-to-be-written-0123456789";

pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A folder with a prompts file of `count` prompts.
    pub fn with_prompts(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let prompts: String = (0..count).map(|number| format!("{}\n", prompt(number))).collect();
        std::fs::write(folder.path().join("prompts.jsonl"), prompts).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn sample(&self, server: &ModelServer, more: &[&str]) -> Command {
        let mut command = self.bare(more);
        command.args(["--endpoint", &server.url(), "--model", "m"]);
        command
    }

    pub fn bare(&self, more: &[&str]) -> Command {
        let mut command = assay();
        command.arg("sample").arg(self.path("prompts.jsonl")).arg("--out").arg(self.path("samples.jsonl"));
        command.args(["--json", "--backoff", "0.01"]).args(more).env("OPENAI_API_KEY", KEY);
        command
    }

    pub fn samples(&self) -> Vec<Value> {
        lines(&self.path("samples.jsonl"))
    }
}

pub fn prompt(number: usize) -> Value {
    json!({
        "format": "prompt.v1", "prompt_id": format!("repair.v1@{number:016x}"), "instance_id": format!("one-{number}"),
        "skill": "repair", "messages": [{"role": "user", "content": format!("question {number}")}], "tokens": 10,
    })
}

/// Every (prompt, index) is there once.
pub fn assert_whole(samples: &[Value], prompts: usize, n: u64) {
    let mut counts: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for sample in samples {
        let key = (sample["prompt_id"].as_str().unwrap().to_owned(), sample["index"].as_u64().unwrap());
        *counts.entry(key).or_default() += 1;
    }
    assert_eq!(counts.len() as u64, prompts as u64 * n, "{counts:?}");
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

fn a_server_that_misbehaves_in_every_way_still_gives_every_sample_once() {
    let place = Place::with_prompts(9);
    let server = ModelServer::start(|asked| {
        let number: usize = asked.text().trim_start_matches("question ").parse().unwrap();
        let ill = match number {
            _ if asked.nth > 1 => None,
            0 => Some(Say::Status(429, Some(("retry-after", "1".to_owned())), "slow down".to_owned())),
            1 => Some(Say::Status(500, None, "boom".to_owned())),
            2 => Some(Say::Cut),
            3 => Some(Say::Text("{\"choices\": [".to_owned())),
            4 => Some(Say::Json(json!({"choices": []}))),
            5 => Some(Say::Status(503, Some(("retry-after-ms", "20".to_owned())), String::new())),
            6 => Some(Say::Json(json!({"error": {"message": "overloaded"}}))),
            7 => Some(Say::Later(Duration::from_millis(2_500), Box::new(Say::Json(completion(&["late"]))))),
            _ => None,
        };
        ill.unwrap_or_else(|| Say::Json(completion(&[&format!("answer {number}")])))
    });
    let output = expect_exit(&mut place.sample(&server, &["-n", "2", "--timeout", "1", "--concurrency", "4"]), 0);
    let summary = json(&output);
    assert_whole(&place.samples(), 9, 2);
    assert_eq!((&summary["sampled"], &summary["missing"], &summary["failed"]), (&json!(18), &json!(0), &json!(0)));
    assert_eq!(summary["requests"], json!(server.asked().len()));
    assert!(summary["retries"].as_u64().unwrap() >= 14, "{summary}");
    for sample in place.samples() {
        let number = sample["instance_id"].as_str().unwrap().trim_start_matches("one-");
        assert_eq!(sample["completion"], format!("answer {number}"));
        assert_eq!(sample["model"], "m");
        assert_eq!(sample["sampling"]["served_model"], "played-1");
        assert_eq!(sample["sampling"]["temperature"], 0.6);
    }
    // After the answer that asked to wait a second, nothing came for that long.
    let asked = server.asked();
    let of_first: Vec<_> = asked.iter().filter(|asked| asked.text() == "question 0").map(|asked| asked.at).collect();
    assert!(of_first[2].duration_since(of_first[0]) >= Duration::from_millis(950), "{of_first:?}");
}

fn what_is_there_is_not_asked_again_and_a_torn_line_is() {
    let place = Place::with_prompts(3);
    let server = ModelServer::start(|_| Say::Json(completion(&["x"])));
    expect_exit(&mut place.sample(&server, &["-n", "2", "--seed", "40"]), 0);
    assert_eq!(server.asked().len(), 6);
    expect_exit(&mut place.sample(&server, &["-n", "2", "--seed", "40"]), 0);
    assert_eq!(server.asked().len(), 6, "nothing is asked twice");
    expect_exit(&mut place.sample(&server, &["-n", "3", "--seed", "40"]), 0);
    assert_eq!(server.asked().len(), 9);
    let mut seeds: Vec<_> = server.asked()[6..].iter().map(|asked| asked.body["seed"].as_u64()).collect();
    seeds.sort();
    assert_eq!(seeds, [Some(42); 3]);
    assert_whole(&place.samples(), 3, 3);

    let whole = std::fs::read(place.path("samples.jsonl")).unwrap();
    std::fs::write(place.path("samples.jsonl"), &whole[..whole.len() - 9]).unwrap();
    let output = expect_exit(&mut place.sample(&server, &["-n", "3", "--seed", "40"]), 0);
    assert!(stderr(&output).contains("cut off"), "{}", stderr(&output));
    assert_eq!(server.asked().len(), 10);
    assert_whole(&place.samples(), 3, 3);

    // Samples of one model are not mixed with those of another.
    let output = expect_exit(place.bare(&[]).args(["--endpoint", &server.url(), "--model", "other"]), 1);
    assert!(stderr(&output).contains("samples of m"), "{}", stderr(&output));
}

fn the_key_is_sent_and_never_written() {
    let place = Place::with_prompts(4);
    let server = ModelServer::start(|asked| match (asked.text(), asked.nth) {
        ("question 0", 0) => Say::Status(500, None, format!("I know {KEY}")),
        ("question 1", _) => Say::Status(400, None, format!("your key {KEY} is no good here")),
        ("question 3", _) => {
            Say::Later(Duration::from_millis(700), Box::new(Say::Json(completion(&[&format!("take {KEY}")]))))
        }
        _ => Say::Json(completion(&["x"])),
    });
    let output = expect_exit(&mut place.sample(&server, &["--attempts", "3"]), 4);
    assert!(server.asked().iter().all(|asked| asked.authorization.as_deref() == Some(&format!("Bearer {KEY}"))));
    let said = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("[key]") && said.contains("sends the API key back"), "{said}");
    assert!(!said.contains(KEY), "{said}");
    let mut files = 0;
    for entry in walkdir::WalkDir::new(place.folder.path()).into_iter().map(Result::unwrap) {
        if entry.file_type().is_file() {
            files += 1;
            let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
            assert!(!text.contains(KEY), "{}", entry.path().display());
        }
    }
    assert_eq!(files, 2);
    assert_eq!(place.samples().len(), 2, "what came before is kept");
}

fn a_wrong_key_stops_at_once_and_a_refused_prompt_does_not() {
    let place = Place::with_prompts(40);
    let server = ModelServer::start(|_| Say::Status(401, None, "no".to_owned()));
    let output = expect_exit(&mut place.sample(&server, &["--concurrency", "2"]), 4);
    assert!(stderr(&output).contains("check the API key"), "{}", stderr(&output));
    assert!(server.asked().len() <= 2);

    let server = ModelServer::start(|asked| match asked.text() {
        "question 7" => Say::Status(400, None, "context length exceeded".to_owned()),
        _ => Say::Json(completion(&["x"])),
    });
    let output = expect_exit(&mut place.sample(&server, &[]), 2);
    let said = stderr(&output);
    assert!(said.contains("one-7") && said.contains("context length exceeded"), "{said}");
    assert_eq!((place.samples().len(), server.asked().len()), (39, 40));

    let nobody = Place::with_prompts(30);
    let mut command = nobody.bare(&["--attempts", "2", "--concurrency", "2"]);
    let output = expect_exit(command.args(["--endpoint", "http://127.0.0.1:9/v1", "--model", "m"]), 4);
    assert!(stderr(&output).contains("does not answer"), "{}", stderr(&output));
}

fn a_wrong_number_of_answers_is_made_good() {
    let place = Place::with_prompts(2);
    let server = ModelServer::start(|asked| {
        let wanted = asked.body["n"].as_u64().unwrap_or(1);
        let given = match (asked.text(), asked.nth) {
            ("question 0", 0) => wanted - 1,
            ("question 1", 0) => wanted + 2,
            _ => wanted,
        };
        Say::Json(completion(&vec!["x"; given as usize]))
    });
    let summary = json(&expect_exit(&mut place.sample(&server, &["-n", "4", "--per-request", "4"]), 0));
    assert_whole(&place.samples(), 2, 4);
    assert_eq!((&summary["extra"], &summary["requests"]), (&json!(2), &json!(3)));
    let asked = server.asked();
    let last = asked.iter().find(|asked| asked.nth == 1).unwrap();
    assert_eq!((last.text(), &last.body["n"]), ("question 0", &Value::Null), "only the missing one is asked for");
}

fn caps_hold_and_the_next_run_goes_on() {
    let place = Place::with_prompts(10);
    let server = ModelServer::start(|_| Say::Json(completion(&["x"])));
    let output = expect_exit(&mut place.sample(&server, &["--max-requests", "4"]), 2);
    assert!(stderr(&output).contains("a cap was reached"), "{}", stderr(&output));
    assert_eq!((server.asked().len(), place.samples().len()), (4, 4));
    // 13 tokens each by the server's count; 10 + 20 are set aside for a request.
    let caps = ["--max-total-tokens", "45", "--max-tokens", "20"];
    let summary = json(&expect_exit(&mut place.sample(&server, &caps), 2));
    assert_eq!((&summary["sampled"], &summary["prompt_tokens"]), (&json!(2), &json!(20)), "{summary}");
    expect_exit(&mut place.sample(&server, &[]), 0);
    assert_whole(&place.samples(), 10, 1);
    assert_eq!(server.asked().len(), 10);
}

fn reasoning_stays_beside_the_answer_and_says_where_it_came_from() {
    let place = Place::with_prompts(2);
    let server = ModelServer::start(|asked| {
        let field = if asked.text() == "question 0" { "reasoning_content" } else { "reasoning" };
        let mut body = completion(&["the answer"]);
        body["choices"][0]["message"][field] = json!("because");
        Say::Json(body)
    });
    expect_exit(&mut place.sample(&server, &[]), 0);
    let samples = place.samples();
    let fields: std::collections::BTreeSet<_> =
        samples.iter().map(|sample| sample["sampling"]["reasoning_field"].as_str().unwrap()).collect();
    assert_eq!(fields.into_iter().collect::<Vec<_>>(), ["reasoning", "reasoning_content"]);
    assert!(samples.iter().all(|one| one["reasoning_content"] == "because" && one["completion"] == "the answer"));
}

fn batch_results_become_the_same_samples_and_bad_lines_are_told() {
    let place = Place::with_prompts(3);
    let id = |number: usize| prompt(number)["prompt_id"].as_str().unwrap().to_owned();
    let good = |number: usize| {
        json!({"custom_id": format!("{}#0", id(number)), "error": null,
            "response": {"status_code": 200, "body": completion(&["x", "y"])}})
    };
    let rows = [
        good(0).to_string(),
        "{\"custom_id\": ".to_owned(),
        json!({"custom_id": "request-1", "response": {}}).to_string(),
        json!({"custom_id": format!("{}#0", id(1)), "response": {"status_code": 500, "body": {"error": "boom"}}})
            .to_string(),
        json!({"custom_id": format!("{}#0", "repair.v1@ffff"), "response": {}}).to_string(),
        good(2).to_string(),
        good(2).to_string(),
    ];
    let results = place.path("results.jsonl");
    std::fs::write(&results, rows.join("\n")).unwrap();
    let results = results.display().to_string();
    let output = expect_exit(&mut place.bare(&["-n", "2", "--results", &results]), 2);
    let summary = json(&output);
    assert_eq!((&summary["sampled"], &summary["unusable"], &summary["missing"]), (&json!(4), &json!(4), &json!(2)));
    for (line, why) in [(2, "no JSON"), (3, "PROMPT_ID#INDEX"), (4, "boom"), (5, "not in the prompts file")] {
        let said = stderr(&output);
        assert!(said.contains(&format!("results.jsonl:{line}: ")) && said.contains(why), "{said}");
    }
    assert_whole(&place.samples(), 2, 2);
    assert_eq!(place.samples()[1]["completion"], "y");
    // The rest may come from an endpoint.
    let server = ModelServer::start(|_| Say::Json(completion(&["z"])));
    let mut command = place.bare(&["-n", "2"]);
    expect_exit(command.args(["--endpoint", &server.url(), "--model", "played-1"]), 0);
    assert_eq!(server.asked().len(), 2);
    assert_whole(&place.samples(), 3, 2);
}

fn a_kill_loses_no_sample_and_an_interrupt_waits_for_what_is_paid() {
    let place = Place::with_prompts(30);
    let slow = |_: &crate::model_server::Asked| {
        Say::Later(Duration::from_millis(150), Box::new(Say::Json(completion(&["x"]))))
    };
    let server = ModelServer::start(slow);
    let until = |count: usize| {
        let path = place.path("samples.jsonl");
        let lines = |path: &Path| std::fs::read(path).map_or(0, |text| text.iter().filter(|b| **b == b'\n').count());
        for _ in 0..400 {
            if lines(&path) >= count {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{count} samples did not come");
    };
    let mut child =
        place.sample(&server, &["--concurrency", "2"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(4);
    child.kill().unwrap();
    child.wait().unwrap();
    let (kept, asked) = (place.samples().len(), server.asked().len());
    assert!(asked - kept <= 2, "only what was under way is lost: {kept} of {asked}");

    let child =
        place.sample(&server, &["--concurrency", "2"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until(kept + 4);
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let summary = json(&output);
    assert_eq!(summary["sampled"], summary["requests"], "every request that was sent is kept: {summary}");
    assert!(place.samples().len() < 30);

    expect_exit(&mut place.sample(&server, &[]), 0);
    assert_whole(&place.samples(), 30, 1);
    assert!(server.asked().len() <= 32);
}

fn mistakes_are_told_before_anything_is_asked() {
    let place = Place::with_prompts(1);
    for (more, why) in [
        (&["--endpoint", "http://me:secret99@localhost/v1", "--model", "m"][..], "environment"),
        (&["--endpoint", "localhost:8000", "--model", "m"], "not the address"),
        (&["--endpoint", "http://localhost/v1"], "--model"),
        (&["--model", "m"], "--endpoint"),
        (&["--endpoint", "http://localhost/v1", "--model", "m", "--body", "[1]"], "no JSON object"),
    ] {
        let output = expect_exit(&mut place.bare(more), 1);
        let said = stderr(&output);
        assert!(said.contains(why) && !said.contains("secret99"), "{said}");
    }
    std::fs::write(place.path("prompts.jsonl"), "{\"format\": \"prompt.v9\"}\nno\n").unwrap();
    let output = expect_exit(&mut place.bare(&["--endpoint", "http://localhost/v1", "--model", "m"]), 1);
    let said = stderr(&output);
    assert!(said.contains("prompts.jsonl:2: ") && said.contains("holds no prompt"), "{said}");
}

pub const TESTS: &[Test] = tests![
    a_server_that_misbehaves_in_every_way_still_gives_every_sample_once,
    what_is_there_is_not_asked_again_and_a_torn_line_is,
    the_key_is_sent_and_never_written,
    a_wrong_key_stops_at_once_and_a_refused_prompt_does_not,
    a_wrong_number_of_answers_is_made_good,
    caps_hold_and_the_next_run_goes_on,
    reasoning_stays_beside_the_answer_and_says_where_it_came_from,
    batch_results_become_the_same_samples_and_bad_lines_are_told,
    a_kill_loses_no_sample_and_an_interrupt_waits_for_what_is_paid,
    mistakes_are_told_before_anything_is_asked,
];
