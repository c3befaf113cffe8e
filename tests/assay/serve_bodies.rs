//! Bodies as clients send them: packed, marked, cut inside an emoji, with one bad question among good ones.

use crate::harness::{Test, tests};
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::serve_support::{Served, repair};
use crate::small_world::RIGHT;

fn schema(name: &str) -> Validator {
    jsonschema::validator_for(swe_assay::inside::schema::of(name).unwrap().as_value()).unwrap()
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// Status and body of what is answered to raw bytes.
async fn send(served: &Served, path: &str, encoding: Option<&str>, body: Vec<u8>) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(format!("{}{path}", served.url)).header("content-type", "application/json");
    if let Some(encoding) = encoding {
        request = request.header("content-encoding", encoding);
    }
    let response = request.body(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::main(flavor = "multi_thread")]
async fn a_bad_question_of_a_batch_is_answered_by_itself_and_the_others_are_judged() {
    let served = Served::start(&["--max-answer", "1"], None);
    served.ready().await;
    let right = repair(RIGHT);
    let with = |field: &str, value: Value| {
        let mut question = right.clone();
        question[field] = value;
        question
    };
    let bad = [
        (json!(7), None, "invalid_request"),
        (json!(null), None, "invalid_request"),
        (json!({"instance_id": "small__calc"}), Some("skill"), "invalid_request"),
        (with("skill", json!("repairs")), Some("skill"), "invalid_request"),
        (with("completion", json!(null)), Some("completion"), "invalid_request"),
        (with("completion", json!(["a"])), Some("completion"), "invalid_request"),
        (with("completion", json!("x".repeat((1 << 20) + 1))), Some("completion"), "too_large"),
        (with("timeout", json!(3)), Some("timeout"), "invalid_request"),
        (with("instance_id", json!("none")), None, "unknown_instance"),
    ];
    let mut items = vec![right.clone()];
    items.extend(bad.iter().map(|(bad, ..)| bad.clone()));
    items.push(right.clone());
    let (status, body) = send(&served, "/v1/verify/batch", None, json!({"items": items}).to_string().into()).await;
    assert_eq!(status, 200, "{body}");
    let errors: Vec<_> = schema("reward-batch").iter_errors(&body).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let answers = body["answers"].as_array().unwrap();
    assert_eq!(answers.len(), items.len());
    assert_eq!((&answers[0]["reward"], &answers[items.len() - 1]["reward"]), (&json!(1.0), &json!(1.0)));
    for (index, (question, field, code)) in (1..).zip(&bad) {
        let answer = &answers[index];
        assert_eq!((&answer["status"], &answer["index"]), (&json!("unanswered"), &json!(index)), "{question}");
        assert_eq!(answer["error"]["code"], *code, "{answer}");
        assert_eq!(answer["error"].get("field").and_then(Value::as_str), *field, "{answer}");
        assert_eq!(answer.get("reward"), None);
    }
}

#[tokio::main(flavor = "multi_thread")]
async fn half_a_surrogate_pair_gets_a_verdict_and_a_note_and_is_kept_as_it_was_read() {
    let served = Served::start(&[], None);
    served.ready().await;
    let cut = repair(RIGHT).to_string().replacen("\"completion\":\"", "\"completion\":\"cut \\ud83d\\n", 1);
    assert!(cut.contains("\\ud83d"));
    let (status, answer) = send(&served, "/v1/verify", None, cut.clone().into()).await;
    assert_eq!((status, &answer["reward"]), (200, &json!(1.0)), "{answer}");
    assert!(answer["notes"][0].as_str().unwrap().contains("U+FFFD"), "{answer}");
    assert!(schema("reward").is_valid(&answer), "{answer}");

    // Among others it is the only one with a note, and the one without half a pair is another question.
    let batch = format!("{{\"items\": [{}, {cut}]}}", repair(RIGHT));
    let (_, body) = send(&served, "/v1/verify/batch", None, batch.into()).await;
    assert_eq!((&body["answers"][0]["reward"], &body["answers"][1]["cached"]), (&json!(1.0), &json!(true)));
    assert_eq!(body["answers"][0].get("notes"), None);
    assert!(body["answers"][1].get("notes").is_some());
    let kept = std::fs::read_to_string(served.run.join("generations.jsonl")).unwrap();
    assert!(kept.lines().next().unwrap().contains("cut \u{fffd}"), "{kept}");
}

#[tokio::main(flavor = "multi_thread")]
async fn packed_and_marked_bodies_are_read_or_the_fault_is_named() {
    let served = Served::start(&["--max-body", "1"], None);
    served.ready().await;
    let question = repair(RIGHT).to_string().into_bytes();
    let marked = ["\u{feff}".as_bytes(), &question].concat();
    let wide: Vec<u8> = format!("\u{feff}{}", repair(RIGHT)).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bomb = zipped(&vec![b' '; 8 << 20]);
    assert!(bomb.len() < 1 << 20);
    let table = [
        (None, question.clone(), 200, ""),
        (Some("identity"), question.clone(), 200, ""),
        (Some("gzip"), zipped(&question), 200, ""),
        (Some("x-gzip"), zipped(&marked), 200, ""),
        (None, marked, 200, ""),
        (None, wide, 400, "UTF-16"),
        (Some("gzip"), bomb, 413, "--max-body"),
        (Some("gzip"), question.clone(), 400, "gzip"),
        (Some("gzip"), zipped(&question)[..40].to_vec(), 400, "gzip"),
        (Some("br"), question.clone(), 415, "br"),
        (Some("zstd"), question.clone(), 415, "zstd"),
        (Some("gzip, gzip"), question, 415, "gzip twice"),
    ];
    let errors = schema("reward-error");
    for (encoding, body, status, named) in table {
        let (found, answer) = send(&served, "/v1/verify", encoding, body).await;
        assert_eq!(found, status, "{encoding:?}: {answer}");
        match found {
            200 => assert_eq!(answer["reward"], 1.0),
            _ => {
                assert!(answer["error"]["message"].as_str().unwrap().contains(named), "{answer}");
                assert!(errors.is_valid(&answer), "{answer}");
            }
        }
    }
}

pub const TESTS: &[Test] = tests![
    a_bad_question_of_a_batch_is_answered_by_itself_and_the_others_are_judged,
    half_a_surrogate_pair_gets_a_verdict_and_a_note_and_is_kept_as_it_was_read,
    packed_and_marked_bodies_are_read_or_the_fault_is_named,
];
