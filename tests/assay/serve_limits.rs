//! What `assay serve` refuses: malformed and oversized bodies, strangers, more than it can hold, instances it cannot judge.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::serve::ENDLESS;
use crate::serve_support::{Served, repair, world};
use crate::small_world::RIGHT;
use crate::support::{assay, expect_exit, lines, stderr};

/// The same sequence in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// A body that is no question, one way or another.
fn malformed(dice: &mut Dice) -> Vec<u8> {
    let whole = repair(RIGHT).to_string();
    let other = [json!(null), json!(3), json!([]), json!({}), json!({"a": [1]}), json!("\u{0}")];
    match dice.below(6) {
        // Cut.
        0 => whole.as_bytes()[..dice.below(whole.len())].to_vec(),
        // Bytes of any kind, and never an opening brace: no JSON object.
        1 => (0..dice.below(200)).map(|_| u8::try_from(dice.below(256)).unwrap()).map(|b| b & !(b'{' & 2)).collect(),
        // A field of another kind, none, or one too many.
        2 => {
            let mut question = repair(RIGHT);
            let field = ["instance_id", "skill", "completion", "deadline_ms", "messages", "surprise"][dice.below(6)];
            question[field] = match field {
                "deadline_ms" => [json!(0), json!(-1), json!(1.5), json!("soon"), json!({})][dice.below(5)].clone(),
                _ => other[1 + dice.below(4)].clone(),
            };
            question.to_string().into_bytes()
        }
        3 => {
            let mut question = repair(RIGHT);
            question.as_object_mut().unwrap().remove(["instance_id", "skill", "completion"][dice.below(3)]);
            question.to_string().into_bytes()
        }
        // An instance that there is none of.
        4 => {
            let mut question = repair(RIGHT);
            question["instance_id"] = json!(format!("none-{}", dice.below(1000)));
            question.to_string().into_bytes()
        }
        // Deeper than anything should be.
        _ => {
            let depth = 1 + dice.below(5000);
            ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_malformed_bodies_get_4xx_and_nothing_else() {
    let served = Served::start(&[], None);
    served.ready().await;
    let mut dice = Dice(7);
    let bodies: Vec<_> = (0..10_000).map(|_| malformed(&mut dice)).collect();
    let client = Client::builder().no_proxy().build().unwrap();
    let asked = stream::iter(bodies).map(|body| {
        let request = client.post(format!("{}/v1/verify", served.url)).header("content-type", "application/json");
        let request = request.body(body.clone()).send();
        async move {
            let response = request.await.unwrap();
            let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
            (status, text, body)
        }
    });
    let mut asked = asked.buffer_unordered(32);
    let mut answered = 0;
    while let Some((status, text, body)) = asked.next().await {
        let body = String::from_utf8_lossy(&body);
        assert!((400..500).contains(&status), "{status} {text} for {body}");
        let error: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text:?} for {body}"));
        assert!(error["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
        answered += 1;
    }
    assert_eq!(answered, 10_000);
    assert_eq!(served.ask(&repair(RIGHT)).await["reward"], 1.0);
    assert_eq!(lines(&served.run.join("generations.jsonl")).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_wrong_requests_are_told_what_is_wrong() {
    let served = Served::start(&["--max-body", "1"], Some("secret"));
    let client = Client::builder().no_proxy().build().unwrap();
    let send = async |method: Method, path: &str, token: Option<&str>, kind: &str, body: Vec<u8>| {
        let mut request =
            client.request(method, format!("{}{path}", served.url)).header("content-type", kind).body(body);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
        (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    // Health is for everybody, and readiness comes by itself.
    assert_eq!(send(Method::GET, "/healthz", None, "", vec![]).await.0, 200);
    served.ready().await;

    const JSON: &str = "application/json";
    let question = repair(RIGHT).to_string().into_bytes();
    let mut unknown = repair(RIGHT);
    unknown["instance_id"] = json!("elsewhere");
    let large = json!({"instance_id": "small__calc", "skill": "repair", "completion": "x".repeat(2 << 20)});
    let right = Some("secret");
    let table = [
        (Method::POST, "/v1/verify", None, JSON, question.clone(), 401, "unauthorized"),
        (Method::POST, "/v1/verify", Some("Secret"), JSON, question.clone(), 401, "unauthorized"),
        (Method::GET, "/metrics", None, JSON, vec![], 401, "unauthorized"),
        (Method::GET, "/v1/verify", right, JSON, vec![], 405, "method_not_allowed"),
        (Method::GET, "/v2", right, JSON, vec![], 404, "not_found"),
        (Method::POST, "/v1/verify", right, "text/plain", question.clone(), 415, "unsupported_media_type"),
        (Method::POST, "/v1/verify", right, JSON, b"{".to_vec(), 400, "malformed_request"),
        (Method::POST, "/v1/verify", right, JSON, b"{}".to_vec(), 422, "invalid_request"),
        (Method::POST, "/v1/verify", right, JSON, unknown.to_string().into_bytes(), 404, "unknown_instance"),
        (Method::POST, "/v1/verify", right, JSON, large.to_string().into_bytes(), 413, "too_large"),
        (Method::POST, "/v1/verify/batch", right, JSON, br#"{"items": {}}"#.to_vec(), 422, "invalid_request"),
        (Method::POST, "/v1/verify/batch", right, JSON, br#"{"items": [{}]}"#.to_vec(), 200, ""),
        (Method::POST, "/v1/verify", right, JSON, question, 200, ""),
    ];
    for (method, path, token, kind, body, status, code) in table {
        let what = format!("{method} {path} {token:?} {kind}");
        assert_eq!(send(method, path, token, kind, body).await, (status, code.to_owned()), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_when_to_come_back_and_known_answers_still_come() {
    let served = Served::start(&["--workers", "1", "--queue", "1"], None);
    served.ready().await;
    assert_eq!(served.ask(&repair(RIGHT)).await["reward"], 1.0);

    let endless = |number: usize| repair(&format!("{ENDLESS}# {number}\n"));
    let (first, second) = (endless(1), endless(2));
    let running = async {
        let until = Instant::now() + Duration::from_secs(60);
        while served.metric("assay_questions_running").await + served.metric("assay_questions_waiting").await < 2.0 {
            assert!(Instant::now() < until);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let full = served.post("/v1/verify", &endless(3)).await;
        assert_eq!(full.status(), 429);
        let after: u64 = full.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&after), "{after}");
        let too_many = served.post("/v1/verify/batch", &json!({"items": [endless(3), endless(4)]})).await;
        assert_eq!(too_many.status(), 413);
        // What is known needs no place.
        assert_eq!(served.ask(&repair(RIGHT)).await["cached"], true);
    };
    tokio::select! {
        () = running => {}
        _ = served.post("/v1/verify", &first) => panic!("the first came to an end"),
        _ = async { tokio::time::sleep(Duration::from_millis(100)).await; served.post("/v1/verify", &second).await } => panic!(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_instance_answers_with_its_refusal_and_does_not_hold_up_a_batch() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let mut instances = lines(&world.import().join("instances.jsonl"));
    let mut refused = instances[0].clone();
    refused["instance_id"] = json!("small__refused");
    refused["base_commit"] = json!("0".repeat(40));
    instances.push(refused);
    let text: String = instances.iter().map(|instance| format!("{instance}\n")).collect();
    std::fs::write(folder.path().join("instances.jsonl"), text).unwrap();
    let run = folder.path().join("run");
    world.copy_run(&run);
    let repos = world.import().join("repos");
    let served = Served::over(
        world.clone(),
        &folder.path().join("instances.jsonl"),
        &run,
        &["--repos", repos.to_str().unwrap()],
        None,
    );
    served.ready().await;

    let mut about = repair(RIGHT);
    about["instance_id"] = json!("small__refused");
    let response = served.post("/v1/verify", &about).await;
    assert_eq!(response.status(), 409);
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["error"]["refusal"], "base_not_found");
    assert_eq!(error["error"]["retryable"], false);

    let batch: Value =
        served.post("/v1/verify/batch", &json!({"items": [about, repair(RIGHT)]})).await.json().await.unwrap();
    assert_eq!(batch["answers"][0]["status"], "unanswered");
    assert_eq!(batch["answers"][0]["error"]["code"], "instance_refused");
    assert_eq!(batch["answers"][0].get("reward"), None);
    assert_eq!(batch["answers"][1]["reward"], 1.0);
    let known: Value = served.get("/v1/instances").await.json().await.unwrap();
    assert_eq!(known["instances"]["small__calc"]["admitted"], true);
    assert_eq!(known["instances"]["small__refused"]["refusal"], "base_not_found");
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let mut command = assay();
    command.arg("serve").arg(world.import()).args(["--listen", "0.0.0.0:0", "--run"]).arg(folder.path().join("run"));
    let output = expect_exit(command.env_remove("ASSAY_TOKEN"), 1);
    assert!(stderr(&output).contains("ASSAY_TOKEN"), "{}", stderr(&output));
    for (token, said) in [("", "empty"), (" \n", "blank"), ("sec\nret", "character 4")] {
        let output = expect_exit(command.env("ASSAY_TOKEN", token), 1);
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}
