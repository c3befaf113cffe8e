//! `assay serve`: rewards are what verdicts say, whatever happens to the service or its clients.

use crate::harness::{Test, tests};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::serve_support::{Served, below, repair, world};
use crate::small_world::{BASE, RIGHT};
use crate::support::{assay, expect_exit, lines};

/// Right, and it asks after a test runner: kept for review.
pub fn suspicious() -> String {
    format!("import sys\n\n\n{RIGHT}\n\nif \"pytest\" in sys.modules:\n    keep = keep\n")
}

/// Does not come to an end.
pub const ENDLESS: &str = "import time\n\ntime.sleep(3000)\n";

fn numbered(source: &str, number: usize) -> String {
    format!("{source}\n\n# {number}\n")
}

fn brief(answer: &Value) -> (Option<f64>, String, String) {
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (answer["reward"].as_f64(), text("status"), text("reason"))
}

#[tokio::main(flavor = "multi_thread")]
async fn a_reward_is_what_the_verdict_says_and_inconclusive_is_no_reward() {
    let mut served = Served::start(&[], None);
    served.ready().await;
    let diff =
        "--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def double(x):\n-    return x + x + 1\n+    return x + x\n";
    let asked =
        |skill: &str, completion: &str| json!({"instance_id": "small__calc", "skill": skill, "completion": completion});
    let test = "```python\n### tests/test_more.py\nimport unittest\n\nfrom calc import double\n\n\nclass More(unittest.TestCase):\n    \
def test_four(self):\n        self.assertEqual(double(4), 8)\n```\n";
    let chat = |answer: &Value| {
        json!({"instance_id": "small__calc", "skill": "repair", "messages": [
            {"role": "user", "content": "mend it"}, {"role": "assistant", "content": answer["completion"]}]})
    };
    let questions = [
        repair(RIGHT),
        repair(&RIGHT.replace("2 * x", "3 * x")),
        repair(&suspicious()),
        asked("repair", "I do not know."),
        json!({"instance_id": "small__calc", "skill": "repair", "patch": diff}),
        chat(&repair(RIGHT)),
        asked("localization", "```\ncalc.py\n```"),
        asked("localization", "```\nother.py\n```"),
        asked("test", test),
        asked("test", &test.replace("double(4), 8", "double(4), 9")),
    ];
    let expected = [
        (Some(1.0), "verified", "resolved"),
        (Some(0.0), "rejected", "still_failing"),
        (None, "inconclusive", "suspicious_source"),
        (Some(0.0), "rejected", "malformed"),
        (Some(1.0), "verified", "resolved"),
        (Some(1.0), "verified", "resolved"),
        (Some(1.0), "verified", "locates"),
        (Some(0.0), "rejected", "unknown_file"),
        (Some(1.0), "verified", "reproduces"),
        (Some(0.0), "rejected", "does_not_reproduce"),
    ];
    let response = served.post("/v1/verify/batch", &json!({"items": questions})).await;
    let batch: Value = response.json().await.unwrap();
    let schema = swe_assay::inside::schema::of("reward.v1").unwrap();
    let schema = jsonschema::validator_for(schema.as_value()).unwrap();
    for ((answer, expected), question) in batch["answers"].as_array().unwrap().iter().zip(expected).zip(&questions) {
        let expected = (expected.0, expected.1.to_owned(), expected.2.to_owned());
        assert_eq!(brief(answer), expected, "{question}: {answer}");
        assert!(schema.is_valid(answer), "{answer}");
        // Asked alone and again it is the same, from memory.
        let alone = served.ask(question).await;
        assert_eq!(alone["cached"], true);
        for field in ["reward", "status", "reason", "evidence", "receipt", "candidate_id", "trials"] {
            assert_eq!(alone[field], answer[field], "{field}");
        }
    }
    assert_eq!(batch["answers"].as_array().unwrap().len(), questions.len());
    assert!(served.terminate().success());

    // The answers are data: everything that the repairs need is in the journal.
    let records = || -> usize {
        let journals = walkdir::WalkDir::new(served.run.join("journal")).into_iter().flatten();
        let journals = journals.filter(|entry| entry.file_type().is_file());
        journals.map(|journal| std::fs::read_to_string(journal.path()).unwrap().lines().count()).sum()
    };
    let before = records();
    let kept = lines(&served.run.join("generations.jsonl"));
    assert_eq!(kept.len(), questions.len());
    let repairs = served.run.with_extension("repairs.jsonl");
    let text = kept.iter().filter(|kept| kept["skill"] == "repair").map(|kept| format!("{kept}\n")).collect::<String>();
    std::fs::write(&repairs, text).unwrap();
    let mut verify = assay();
    verify.arg("verify").arg(world().import()).arg("--generations").arg(&repairs).arg("--run").arg(&served.run);
    expect_exit(&mut verify, 0);
    assert_eq!(records(), before, "nothing had to be run");
    let receipts: BTreeSet<_> = lines(&served.run.join("verdicts.jsonl"))
        .into_iter()
        .filter(|verdict| verdict["skill"] == "repair")
        .map(|verdict| verdict["receipt"].clone().to_string())
        .collect();
    let answered: BTreeSet<_> = batch["answers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|answer| answer["skill"] == "repair")
        .map(|answer| answer["receipt"].to_string())
        .collect();
    assert_eq!(receipts, answered);
}

#[tokio::main(flavor = "multi_thread")]
async fn two_hundred_at_once_lose_none_and_a_killed_service_still_knows_them() {
    let folder = tempfile::tempdir().unwrap();
    let (world, run) = (world(), folder.path().join("run"));
    world.copy_run(&run);
    let start = || Served::over(world.clone(), &world.import(), &run, &["--workers", "2"], None);
    let mut served = start();
    served.ready().await;
    let question = |number: usize| match number % 2 {
        0 => repair(&numbered(RIGHT, number % 25)),
        _ => repair(&numbered(BASE, number % 25)),
    };
    let all = |served: &Served| {
        let (client, url) =
            (reqwest::Client::builder().no_proxy().build().unwrap(), format!("{}/v1/verify", served.url));
        join_all((0..200).map(move |number| {
            let request = client.post(&url).json(&question(number)).send();
            async move {
                let response = request.await.unwrap();
                assert_eq!(response.status(), 200);
                response.json::<Value>().await.unwrap()
            }
        }))
    };
    let first = all(&served).await;
    for (number, answer) in first.iter().enumerate() {
        assert_eq!(answer["reward"].as_f64(), Some(if number % 2 == 0 { 1.0 } else { 0.0 }), "{answer}");
    }
    let ran = served.metric("assay_trials_total").await;
    assert!(ran > 0.0);
    served.kill();

    let served = start();
    served.ready().await;
    let second = all(&served).await;
    for (before, after) in first.iter().zip(&second) {
        assert_eq!((&after["receipt"], &after["cached"]), (&before["receipt"], &json!(true)));
    }
    assert_eq!(served.metric("assay_trials_total").await, 0.0);
}

#[tokio::main(flavor = "multi_thread")]
async fn a_client_that_vanishes_takes_its_work_along_and_frees_the_worker() {
    let mut served = Served::start(&["--workers", "1"], None);
    served.ready().await;
    let runs = |pid| below(pid).iter().filter(|line| line.contains("python")).count();
    let endless = repair(ENDLESS);
    tokio::select! {
        _ = served.post("/v1/verify", &endless) => panic!("it came to an end"),
        () = async {
            let until = Instant::now() + Duration::from_secs(60);
            while runs(served.pid()) == 0 {
                assert!(Instant::now() < until, "it never ran: {:?}", below(served.pid()));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        } => {}
    }
    let gone = Instant::now();
    while runs(served.pid()) > 0 || served.metric("assay_cancelled_total").await == 0.0 {
        assert!(gone.elapsed() < Duration::from_secs(20), "still there: {:?}", below(served.pid()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // A deadline does the same, and the client is told.
    let mut hurried = endless;
    hurried["deadline_ms"] = json!(300);
    let response = served.post("/v1/verify", &hurried).await;
    assert_eq!(response.status(), 504);
    let error: Value = response.json().await.unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["retryable"]), (&json!("deadline_exceeded"), &json!(true)));

    // The one worker is free.
    assert_eq!(served.ask(&repair(RIGHT)).await["reward"], 1.0);
    assert_eq!(lines(&served.run.join("generations.jsonl")).len(), 1, "what was given up is no rollout");
    assert!(served.terminate().success());
}

#[tokio::main(flavor = "multi_thread")]
async fn a_signal_lets_what_was_taken_finish_or_tells_it_to_come_back() {
    let mut served = Served::start(&["--workers", "1"], None);
    served.ready().await;
    let right = repair(RIGHT);
    let (answer, ()) = tokio::join!(served.ask(&right), async {
        served.busy().await;
        served.signal();
    });
    assert_eq!(answer["reward"], 1.0);
    assert_eq!(served.ended().code(), Some(0));

    let mut served = Served::start(&["--workers", "1", "--grace", "0"], None);
    served.ready().await;
    let endless = repair(ENDLESS);
    let (response, ()) = tokio::join!(served.post("/v1/verify", &endless), async {
        served.busy().await;
        served.signal();
    });
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(served.ended().code(), Some(3));
}

pub const TESTS: &[Test] = tests![
    a_reward_is_what_the_verdict_says_and_inconclusive_is_no_reward,
    two_hundred_at_once_lose_none_and_a_killed_service_still_knows_them,
    a_client_that_vanishes_takes_its_work_along_and_frees_the_worker,
    a_signal_lets_what_was_taken_finish_or_tells_it_to_come_back,
];
