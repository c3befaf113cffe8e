//! Input that cannot be used: a clear message with its place and the next step, the documented exit code, and nothing
//! that was computed is lost.

use crate::harness::{Test, tests};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::{assay, expect_exit, lines, stderr};

const PATCH: &str = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-a\n+b\n";

fn instance(id: &str) -> serde_json::Value {
    json!({"instance_id": id, "repo": "a/a", "base_commit": "0".repeat(40), "problem_statement": "p", "patch": PATCH})
}

fn a_broken_line_in_the_middle_is_quarantined_with_its_place_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.jsonl");
    let missing = json!({"instance_id": "b", "repo": "b/b"});
    fs::write(&file, format!("{}\n{{broken\n{missing}\n{}\n", instance("a"), instance("c"))).unwrap();
    let out = folder.path().join("out");
    expect_exit(assay().arg("import").arg(&file).arg("--out").arg(&out), 2);
    assert_eq!(lines(&out.join("instances.jsonl")).len(), 2);
    let quarantined = lines(&out.join("quarantine.jsonl"));
    let places: Vec<_> = quarantined.iter().map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!(places, [2, 3]);
    assert!(quarantined[1]["why"].as_str().unwrap().contains("base_commit"), "{quarantined:?}");
}

fn an_unknown_instance_and_an_unknown_skill_are_quarantined_and_a_base_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let instances = folder.path().join("instances.jsonl");
    fs::write(&instances, format!("{}\n", instance("a"))).unwrap();
    let generations = folder.path().join("generations.jsonl");
    let rows = [
        json!({"instance_id": "nobody", "skill": "repair", "completion": "x"}),
        json!({"instance_id": "a", "skill": "juggling", "completion": "x"}),
        json!({"instance_id": "a", "skill": "repair", "completion": "x"}),
    ];
    fs::write(&generations, rows.map(|row| format!("{row}\n")).concat()).unwrap();
    let run = folder.path().join("run");
    let mut command = assay();
    command.arg("verify").arg(&instances).arg("--generations").arg(&generations).arg("--run").arg(&run);
    let output = expect_exit(&mut command, 2);
    assert!(stderr(&output).contains("base_not_found"), "{}", stderr(&output));
    let why: Vec<_> =
        lines(&run.join("quarantine.jsonl")).iter().map(|row| row["why"].as_str().unwrap().to_owned()).collect();
    assert!(why[0].contains("nobody") && why[1].contains("juggling"), "{why:?}");
    let verdicts = lines(&run.join("verdicts.jsonl"));
    assert_eq!(verdicts[0]["status"], "inconclusive");
    assert_eq!(verdicts[0]["reason"], "instance_not_admitted");
}

fn a_file_that_is_not_there_and_a_directory_that_is_no_run_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = expect_exit(assay().args(["import", "nowhere.jsonl", "--out"]).arg(folder.path().join("out")), 1);
    assert!(stderr(&output).contains("nowhere.jsonl"), "{}", stderr(&output));
    let output = expect_exit(assay().arg("judge").arg(folder.path()), 1);
    assert!(stderr(&output).contains("not a run directory"), "{}", stderr(&output));
}

fn a_run_directory_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("journal")).unwrap();
    fs::write(folder.path().join("run.json"), r#"{"format": "run.v7"}"#).unwrap();
    let output = expect_exit(assay().arg("judge").arg(folder.path()), 1);
    assert!(stderr(&output).contains("run.v7") && stderr(&output).contains("upgrade"), "{}", stderr(&output));
}

fn a_mistake_on_the_command_line_exits_with_one_and_help_with_zero() {
    expect_exit(assay().arg("--no-such-option"), 1);
    expect_exit(assay().arg("--help"), 0);
    expect_exit(assay().args(["verify", "--help"]), 0);
}

fn pip_that_reaches_nothing_is_said_with_the_package_and_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = assay();
    command
        .args(["import", "pypi", "jinja2", "3.1.5", "3.1.6", "--problem", "x", "--out"])
        .arg(folder.path().join("out"))
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        .env("PIP_NO_INDEX", "1")
        .env_remove("PIP_FIND_LINKS")
        .env("PIP_CONFIG_FILE", "/dev/null");
    let output = expect_exit(&mut command, 4);
    let said = stderr(&output);
    assert!(said.contains("jinja2") && said.contains("pip"), "{said}");
}

fn an_image_that_is_not_there_refuses_the_instance_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    expect_exit(assay().args(["demo", "--offline", "--out"]).arg(folder.path().join("demo")), 0);
    let good = folder.path().join("demo/instances.jsonl");
    let mut rows = lines(&good);
    let mut imageless = rows[0].clone();
    imageless["instance_id"] = json!("wants-an-image");
    imageless["environment"]["image"] = json!("nowhere/such-image:none");
    rows.push(imageless);
    fs::write(&good, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    let run = folder.path().join("run");
    let output = expect_exit(assay().arg("validate").arg(&good).arg("--run").arg(&run), 2);
    assert!(stderr(&output).contains("nowhere/such-image:none"), "{}", stderr(&output));
    let admitted = lines(&run.join("admissions.jsonl")).iter().filter(|row| row.get("refusal").is_none()).count();
    assert_eq!(admitted, rows.len() - 1);
}

/// A registry that says of every image that it has none, or says nothing and hangs up. Gives its address and the paths that were
/// asked for, until the test ends.
fn registry(answers: bool) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
            noted.lock().unwrap().push(first.split(' ').nth(1).unwrap_or_default().to_owned());
            if answers {
                let mut line = String::from("more");
                while !line.trim().is_empty() {
                    line.clear();
                    reader.read_line(&mut line).unwrap();
                }
                let none = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                reader.get_mut().write_all(none).unwrap();
            }
        }
    });
    (address, asked)
}

fn an_absent_image_and_a_silent_registry_are_asked_for_one_instance_only_and_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let ((silent, of_silent), (empty, of_empty)) = (registry(false), registry(true));
    let rows = [
        ("a", format!("{silent}/team/one:1")),
        ("b", format!("{silent}/team/two:1")),
        ("c", format!("{silent}/team/one:1")),
        ("d", format!("{empty}/team/one:1")),
        ("e", format!("{empty}/team/one:1")),
        ("f", format!("{empty}/team/two:1")),
    ];
    let rows = rows.map(|(id, image)| {
        let mut row = instance(id);
        row["environment"] = json!({"image": image});
        format!("{row}\n")
    });
    let instances = folder.path().join("instances.jsonl");
    fs::write(&instances, rows.concat()).unwrap();
    let run = folder.path().join("run");
    let mut command = assay();
    command.arg("validate").arg(&instances).arg("--run").arg(&run).args(["--workers", "2"]);
    command.env("DOCKER_HOST", "unix:///nonexistent").env("DOCKER_CONFIG", folder.path());
    // All for want of an image.
    let said = stderr(&expect_exit(&mut command, 4));

    let manifests = |asked: &Mutex<Vec<String>>, image: &str| {
        let asked = asked.lock().unwrap();
        asked
            .iter()
            .filter(|path| path.starts_with(&format!("/v2/team/{image}")) && path.contains("/manifests/"))
            .count()
    };
    // One image has its attempts, and the other is not asked for any more.
    let (one, two) = (manifests(&of_silent, "one"), manifests(&of_silent, "two"));
    assert_eq!((one.max(two), one.min(two)), (3, 0), "{of_silent:?}");
    assert_eq!((manifests(&of_empty, "one"), manifests(&of_empty, "two")), (1, 1), "{of_empty:?}");
    assert_eq!(said.matches("does not answer").count(), 1, "{said}");
    assert_eq!(said.matches("assay image pull --from").count(), 3, "{said}");
    assert_eq!(said.matches(" refused: no_environment, as ").count(), 3, "{said}");
    // What is kept says of each what to do next.
    for row in lines(&run.join("admissions.jsonl")) {
        let detail = row["detail"].as_str().unwrap();
        assert!(detail.contains("assay image pull --from FILE 127.0.0.1:"), "{row}");
    }
}

fn what_an_instance_asks_of_its_runs_is_honoured_or_refused_and_never_ignored() {
    let folder = tempfile::tempdir().unwrap();
    expect_exit(assay().args(["demo", "--offline", "--out"]).arg(folder.path().join("demo")), 0);
    let good = folder.path().join("demo/instances.jsonl");
    let first = lines(&good)[0].clone();
    let asking = |id: &str, what: &str, value: serde_json::Value| {
        let mut row = first.clone();
        row["instance_id"] = json!(id);
        row["environment"][what] = value;
        row
    };
    let rows = [
        asking("bounded", "timeout_s", json!(7)),
        asking("own-command", "test_command", json!(["make", "check"])),
        asking("own-runner", "framework", json!("nose")),
    ];
    fs::write(&good, rows.map(|row| format!("{row}\n")).concat()).unwrap();
    let run = folder.path().join("run");
    let said = stderr(&expect_exit(assay().arg("validate").arg(&good).arg("--run").arg(&run), 2));
    assert!(said.contains("environment.test_command") && said.contains("\"nose\""), "{said}");
    assert!(said.contains("own-runner refused: no_environment: ") && !said.contains("NoEnvironment"), "{said}");
    let admissions = lines(&run.join("admissions.jsonl"));
    let of = |id: &str| admissions.iter().find(|row| row["instance_id"] == id).unwrap();
    assert_eq!(of("bounded")["limits"]["deadline_ms"], 7000);
    assert!(of("bounded").get("refusal").is_none(), "{}", of("bounded"));
    for id in ["own-command", "own-runner"] {
        assert_eq!(of(id)["refusal"], "no_environment", "{}", of(id));
    }
}

/// Answers that name what no tree can hold, one kind each, beside answers that are right.
fn one_answer_that_names_an_impossible_path_ends_no_run() {
    let folder = tempfile::tempdir().unwrap();
    expect_exit(assay().args(["demo", "--offline", "--out"]).arg(folder.path().join("demo")), 0);
    let instances = folder.path().join("demo/instances.jsonl");
    let instance = &lines(&instances)[0]["instance_id"];
    let right = "```\nspans/duration.py\n```";
    let poisoned = ["../x.py", "/testbed/spans/duration.py", "spans/../spans/duration.py", "a//b.py"];
    let answers = [right; 9].into_iter().map(str::to_owned);
    let answers = answers.chain(poisoned.map(|path| format!("```\n{path}\n```")));
    let rows = answers.enumerate().map(|(index, completion)| {
        let row = json!({"instance_id": instance, "skill": "localization", "completion": completion, "index": index});
        format!("{row}\n")
    });
    let generations = folder.path().join("generations.jsonl");
    fs::write(&generations, rows.collect::<String>()).unwrap();
    let run = folder.path().join("run");
    let mut command = assay();
    command.arg("verify").arg(&instances).arg("--generations").arg(&generations).arg("--run").arg(&run);
    expect_exit(&mut command, 0);
    let verdicts = lines(&run.join("verdicts.jsonl"));
    assert_eq!(verdicts.len(), 9 + poisoned.len());
    for verdict in &verdicts {
        let right = verdict["generation"]["index"].as_u64().unwrap() < 9;
        let expected = if right { ("verified", "locates") } else { ("rejected", "unknown_file") };
        assert_eq!((verdict["status"].as_str().unwrap(), verdict["reason"].as_str().unwrap()), expected, "{verdict}");
    }
}

pub const TESTS: &[Test] = tests![
    one_answer_that_names_an_impossible_path_ends_no_run,
    a_broken_line_in_the_middle_is_quarantined_with_its_place_and_the_rest_goes_on,
    an_unknown_instance_and_an_unknown_skill_are_quarantined_and_a_base_that_is_not_there_is_refused,
    a_file_that_is_not_there_and_a_directory_that_is_no_run_are_named,
    a_run_directory_of_a_newer_version_is_refused,
    a_mistake_on_the_command_line_exits_with_one_and_help_with_zero,
    pip_that_reaches_nothing_is_said_with_the_package_and_the_next_step,
    an_image_that_is_not_there_refuses_the_instance_and_the_rest_goes_on,
    an_absent_image_and_a_silent_registry_are_asked_for_one_instance_only_and_said_once,
    what_an_instance_asks_of_its_runs_is_honoured_or_refused_and_never_ignored,
];
