//! `assay sample` against endpoints whose errors come with status 200, whose answers are none, and that know fewer fields.

use crate::harness::{Test, tests};
use serde_json::{Value, json};

use crate::model_server::{Asked, ModelServer, Say, completion};
use crate::sample::{Place, assert_whole, prompt};
use crate::support::{expect_exit, json, stderr};

/// A body with one choice, changed.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = completion(&["half an ans"]);
    change(&mut body);
    body
}

fn refusal(message: &str, param: Value) -> String {
    json!({"error": {"message": message, "type": "invalid_request_error", "param": param}}).to_string()
}

fn an_error_in_the_body_that_no_repeat_can_mend_ends_everything_with_its_message() {
    for body in [
        json!({"error": {"code": 404, "message": "so it is"}}),
        json!({"error": {"code": "402", "message": "so it is"}}),
        json!({"error": {"message": "so it is", "type": "authentication_error"}}),
        json!({"error": {"message": "so it is", "type": "insufficient_quota", "code": null}}),
        json!({"object": "error", "code": 404, "message": "so it is"}),
        json!({"code": 403, "message": "so it is"}),
        json!({"detail": "so it is: not found"}),
        changed(|body| body["choices"][0]["error"] = json!({"code": 402, "message": "so it is"})),
    ] {
        let place = Place::with_prompts(3);
        let said = body.clone();
        let server = ModelServer::start(move |_| Say::Json(said.clone()));
        let output = expect_exit(&mut place.sample(&server, &["-n", "2", "--concurrency", "1"]), 4);
        assert!(stderr(&output).contains("so it is"), "{body}: {}", stderr(&output));
        assert_eq!((server.asked().len(), place.samples().len()), (1, 0), "{body}");
    }
}

fn an_error_in_the_body_or_in_a_choice_is_asked_again_and_never_kept() {
    let place = Place::with_prompts(9);
    let server = ModelServer::start(|asked| {
        let number: usize = asked.text().trim_start_matches("question ").parse().unwrap();
        let body = match number {
            _ if asked.nth > 0 => completion(&["whole"]),
            0 => json!({"error": {"code": 429, "message": "slow down"}}),
            1 => json!({"error": {"code": "503", "message": "loading"}}),
            2 => json!({"object": "error", "code": 500, "message": "boom", "choices": []}),
            3 => json!({"error": "something went wrong"}),
            4 => changed(|body| {
                body["choices"][0]["finish_reason"] = json!("error");
                body["choices"][0]["error"] = json!({"code": 502, "message": "the provider died"});
            }),
            5 => changed(|body| body["choices"][0]["error"] = json!({"message": "lost"})),
            6 => changed(|body| body["choices"][0]["finish_reason"] = json!("error")),
            7 => changed(|body| {
                body["choices"][0]["message"]["content"] = Value::Null;
                body["usage"] = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
            }),
            _ => changed(|body| {
                body["choices"][0] = json!({"message": {"content": null}, "finish_reason": "content_filter"});
            }),
        };
        Say::Json(body)
    });
    let summary = json(&expect_exit(&mut place.sample(&server, &[]), 0));
    assert_whole(&place.samples(), 9, 1);
    assert!(place.samples().iter().all(|sample| sample["completion"] == "whole"), "{:?}", place.samples());
    assert_eq!((&summary["requests"], &summary["retries"], &summary["failed"]), (&json!(18), &json!(9), &json!(0)));
}

fn retry_after_beside_an_error_in_the_body_is_kept_to() {
    let place = Place::with_prompts(1);
    let server = ModelServer::start(|asked| match asked.nth {
        0 => {
            let body = json!({"error": {"code": 429, "message": "slow down"}}).to_string();
            Say::Status(200, Some(("retry-after", "1".to_owned())), body)
        }
        _ => Say::Json(completion(&["x"])),
    });
    expect_exit(&mut place.sample(&server, &[]), 0);
    let asked = server.asked();
    assert!(asked[1].at.duration_since(asked[0].at).as_millis() >= 950);
}

fn a_prompt_that_the_body_refuses_is_given_up_and_the_others_go_on() {
    let place = Place::with_prompts(4);
    let server = ModelServer::start(|asked| match asked.text() {
        "question 1" => Say::Json(json!({"error": {"code": 400, "message": "the prompt is too long"}})),
        "question 2" => Say::Json(json!({"error": {"code": "context_length_exceeded", "message": "no room"}})),
        _ => Say::Json(completion(&["x"])),
    });
    let output = expect_exit(&mut place.sample(&server, &[]), 2);
    let said = stderr(&output);
    assert!(said.contains("the prompt is too long") && said.contains("no room"), "{said}");
    assert_eq!((place.samples().len(), server.asked().len()), (2, 4));
}

fn an_answer_that_is_empty_every_time_is_counted_as_failed() {
    let place = Place::with_prompts(2);
    let server = ModelServer::start(|asked| match asked.text() {
        "question 0" => Say::Json(json!({
            "choices": [{"message": {"role": "assistant", "content": null}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        })),
        _ => Say::Json(completion(&["x"])),
    });
    let output = expect_exit(&mut place.sample(&server, &["--attempts", "3"]), 2);
    let summary = json(&output);
    assert_eq!((&summary["failed"], &summary["missing"], &summary["requests"]), (&json!(1), &json!(1), &json!(4)));
    assert!(stderr(&output).contains("the answer is empty"), "{}", stderr(&output));
    assert_eq!(place.samples().len(), 1);
}

fn what_the_model_said_in_another_way_is_a_sample_and_says_so() {
    let place = Place::with_prompts(4);
    let server = ModelServer::start(|asked| {
        Say::Json(changed(|body| {
            body["choices"][0] = match asked.text() {
                "question 0" => json!({"message": {"content": null, "refusal": "I will not"}, "finish_reason": "stop"}),
                "question 1" => json!({
                    "message": {"content": null, "tool_calls": [{"function": {"name": "ls", "arguments": "{}"}}]},
                    "finish_reason": "tool_calls"}),
                "question 2" => json!({"message": {"content": "cut"}, "finish_reason": "length"}),
                _ => json!({"message": {"content": null, "reasoning": "hm"}, "finish_reason": "length"}),
            };
        }))
    });
    expect_exit(&mut place.sample(&server, &["--concurrency", "1"]), 0);
    let samples = place.samples();
    assert_eq!((&samples[0]["completion"], &samples[0]["sampling"]["refusal"]), (&json!("I will not"), &json!(true)));
    assert_eq!(samples[1]["sampling"]["tool_calls"][0]["function"]["name"], "ls");
    assert_eq!(
        (&samples[2]["completion"], &samples[2]["sampling"]["finish_reason"]),
        (&json!("cut"), &json!("length"))
    );
    assert_eq!(samples[3]["reasoning_content"], "hm");
    assert_eq!(samples[2]["sampling"]["refusal"], Value::Null);
}

fn an_ordinary_sample_holds_what_it_always_held() {
    let place = Place::with_prompts(1);
    let server = ModelServer::start(|_| Say::Json(completion(&["x"])));
    expect_exit(&mut place.sample(&server, &["--seed", "4", "--body", "{\"top_k\": 2}"]), 0);
    let line = std::fs::read_to_string(place.path("samples.jsonl")).unwrap();
    let expected = r#"{"format":"generation.v1","instance_id":"one-0","skill":"repair","completion":"x","model":"m","#
        .to_owned()
        + r#""sampling":{"model":"m","temperature":0.6,"top_p":0.95,"max_tokens":32768,"top_k":2,"seed":4,"endpoint":"URL","#
        + r#""finish_reason":"stop","served_model":"played-1","prompt_tokens":10,"completion_tokens":3},"#
        + r#""prompt_id":"repair.v1@0000000000000000","index":0}"#;
    assert_eq!(line.trim_end(), expected.replace("URL", &server.url()));
}

fn a_page_ends_everything_and_shows_what_it_is() {
    let place = Place::with_prompts(3);
    let server =
        ModelServer::start(|_| Say::Typed("text/html; charset=utf-8", "<html>Please log in</html>".to_owned()));
    let output = expect_exit(&mut place.sample(&server, &["-n", "2", "--concurrency", "1"]), 4);
    let said = stderr(&output);
    assert!(said.contains("text/html; charset=utf-8") && said.contains("Please log in"), "{said}");
    assert_eq!(server.asked().len(), 1);

    // Text that nobody can place is asked again, and ends everything if nothing else ever comes.
    let server = ModelServer::start(|_| Say::Typed("text/plain", "it works!".to_owned()));
    let output = expect_exit(&mut place.sample(&server, &["--attempts", "2", "--concurrency", "1"]), 4);
    assert!(stderr(&output).contains("it works!"), "{}", stderr(&output));
    assert_eq!(server.asked().len(), 2);

    // JSON is JSON whatever it is called, and an empty body may be filled the next time.
    let server = ModelServer::start(|asked| match asked.nth {
        0 => Say::Text(String::new()),
        _ => Say::Typed("text/html", format!("\u{feff}\n{}", completion(&["x"]))),
    });
    expect_exit(&mut place.sample(&server, &[]), 0);
    assert_whole(&place.samples(), 3, 1);
}

fn half_a_surrogate_pair_is_replaced_and_noted() {
    let place = Place::with_prompts(2);
    let server = ModelServer::start(|asked| match asked.text() {
        "question 0" => Say::Text(completion(&["cut HALF"]).to_string().replace("HALF", "\\ud83d")),
        _ => Say::Text(completion(&["whole PAIR"]).to_string().replace("PAIR", "\\ud83d\\ude00")),
    });
    expect_exit(&mut place.sample(&server, &["--concurrency", "1"]), 0);
    let samples = place.samples();
    assert_eq!(samples[0]["completion"], "cut \u{fffd}");
    assert_eq!(samples[0]["sampling"]["replaced_surrogates"], 1);
    assert_eq!(samples[1]["completion"], "whole \u{1f600}");
    assert_eq!(samples[1]["sampling"]["replaced_surrogates"], Value::Null);
    assert_eq!(server.asked().len(), 2);
}

fn an_endpoint_that_ignores_n_still_gives_every_sample() {
    let place = Place::with_prompts(2);
    let server = ModelServer::start(|_| Say::Json(completion(&["x"])));
    let more = ["-n", "12", "--per-request", "12", "--seed", "5", "--attempts", "1", "--concurrency", "1"];
    let output = expect_exit(&mut place.sample(&server, &more), 0);
    assert_whole(&place.samples(), 2, 12);
    let summary = json(&output);
    assert_eq!((&summary["requests"], &summary["retries"], &summary["failed"]), (&json!(24), &json!(0), &json!(0)));
    assert_eq!(stderr(&output).matches("one by one").count(), 1, "{}", stderr(&output));
    let asked = server.asked();
    assert_eq!(asked.iter().filter(|asked| asked.body.get("n").is_some()).count(), 1, "n is not sent again");
    let seeds: Vec<_> = asked[..12].iter().map(|asked| asked.body["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, (5..17).collect::<Vec<_>>());
}

fn an_endpoint_that_refuses_n_is_asked_one_by_one() {
    let refusals: [fn() -> Say; 4] = [
        || Say::Status(400, None, refusal("n must be 1", json!("n"))),
        || Say::Status(422, None, json!({"detail": "no"}).to_string()),
        || Say::Json(json!({"error": {"code": 400, "message": "unsupported"}})),
        || Say::Status(500, None, "Only one completion choice is allowed".to_owned()),
    ];
    for refuse in refusals {
        let place = Place::with_prompts(3);
        let server = ModelServer::start(move |asked| match asked.body.get("n") {
            Some(_) => refuse(),
            None => Say::Json(completion(&["x"])),
        });
        let output =
            expect_exit(&mut place.sample(&server, &["-n", "4", "--per-request", "4", "--concurrency", "2"]), 0);
        assert_whole(&place.samples(), 3, 4);
        assert_eq!(stderr(&output).matches("one by one").count(), 1, "{}", stderr(&output));
        assert!(server.asked().len() <= 14, "only the first ones are refused: {}", server.asked().len());
        assert!(place.samples().iter().all(|sample| sample["sampling"].get("n").is_none()));
    }
}

fn a_prompt_that_is_refused_either_way_changes_nothing_for_the_others() {
    let place = Place::with_prompts(3);
    let server = ModelServer::start(|asked| match asked.text() {
        "question 0" => Say::Status(400, None, refusal("no luck with temperature = 0.6", Value::Null)),
        _ => Say::Json(completion(&vec!["x"; asked.body["n"].as_u64().unwrap_or(1) as usize])),
    });
    let output = expect_exit(&mut place.sample(&server, &["-n", "3", "--per-request", "3", "--concurrency", "1"]), 2);
    let summary = json(&output);
    assert_eq!((&summary["failed"], &summary["sampled"]), (&json!(3), &json!(6)));
    let said = stderr(&output);
    assert!(said.contains("no luck") && !said.contains("from here on"), "{said}");
    for asked in server.asked().iter().filter(|asked| asked.text() != "question 0") {
        assert_eq!((&asked.body["n"], &asked.body["temperature"]), (&json!(3), &json!(0.6)));
    }
}

/// An endpoint that refuses these fields, one at a time.
fn without(fields: &'static [&'static str], message: &'static str) -> impl Fn(&Asked) -> Say {
    move |asked| match fields.iter().find(|field| asked.body.get(**field).is_some()) {
        Some(field) => Say::Status(400, None, refusal(&message.replace("FIELD", field), json!(field))),
        None => Say::Json(completion(&["x"])),
    }
}

fn an_endpoint_that_refuses_fields_gets_others_and_the_samples_tell_what_was_sent() {
    let only_one = "FIELD does not support 0.6 with this model, only the default";
    let place = Place::with_prompts(5);
    let server = ModelServer::start(without(&["max_tokens", "temperature", "top_p"], only_one));
    let output = expect_exit(&mut place.sample(&server, &["--concurrency", "1", "--max-tokens", "77"]), 0);
    assert_whole(&place.samples(), 5, 1);
    let said = stderr(&output);
    assert_eq!(said.matches("from here on").count(), 3, "{said}");
    assert_eq!(server.asked().len(), 3 + 5, "each field is refused once");
    for sample in place.samples() {
        let sent = &sample["sampling"];
        assert_eq!(sent["max_completion_tokens"], 77);
        assert!(["max_tokens", "temperature", "top_p"].iter().all(|field| sent.get(*field).is_none()), "{sent}");
    }
    let last = server.asked().pop().unwrap().body;
    assert_eq!(last["max_completion_tokens"], 77);

    // An endpoint that takes no limit at all gets none, unless a cap on tokens needs one.
    let place = Place::with_prompts(2);
    let server = ModelServer::start(without(&["max_tokens", "max_completion_tokens"], "unknown FIELD"));
    let output = expect_exit(&mut place.sample(&server, &["--max-total-tokens", "100000"]), 2);
    assert!(stderr(&output).contains(r#"'{"max_tokens": null}'"#), "{}", stderr(&output));
    expect_exit(&mut place.sample(&server, &[]), 0);
    assert_whole(&place.samples(), 2, 1);
}

fn a_refused_value_is_not_taken_for_a_refused_field_and_the_way_around_is_named() {
    let place = Place::with_prompts(2);
    let server = ModelServer::start(without(&["temperature"], "FIELD must be between 0 and 0.5"));
    let output = expect_exit(&mut place.sample(&server, &[]), 2);
    let said = stderr(&output);
    assert!(said.contains(r#"--body '{"temperature": null}'"#) && said.contains("--temperature"), "{said}");
    assert_eq!((server.asked().len(), place.samples().len()), (2, 0));

    expect_exit(&mut place.sample(&server, &["--body", r#"{"temperature": null, "top_k": 3}"#]), 0);
    let sample = &place.samples()[0]["sampling"];
    assert!(sample.get("temperature").is_none() && sample["top_k"] == 3, "{sample}");
    assert!(server.asked()[2..].iter().all(|asked| asked.body.get("temperature").is_none()));

    let body = ["--body", r#"{"max_tokens": null}"#, "--max-total-tokens", "1000"];
    let output = expect_exit(&mut place.sample(&server, &body), 1);
    assert!(stderr(&output).contains("--max-total-tokens cannot hold"), "{}", stderr(&output));
}

fn errors_in_batch_results_are_told_and_no_samples() {
    let place = Place::with_prompts(4);
    let row = |number: usize, body: Value| {
        let id = prompt(number)["prompt_id"].as_str().unwrap().to_owned();
        json!({"custom_id": format!("{id}#0"), "response": {"status_code": 200, "body": body}}).to_string()
    };
    let mut mixed = completion(&["whole", "half"]);
    mixed["choices"][1]["finish_reason"] = json!("error");
    let empty = json!({"choices": [{"message": {"content": null}, "finish_reason": "stop"}]});
    let rows = [
        row(0, json!({"object": "error", "code": 404, "message": "so it is"})),
        row(1, mixed),
        row(2, empty),
        row(3, completion(&["cut HALF"])).replace("HALF", "\\udc00"),
    ];
    let results = place.path("results.jsonl");
    std::fs::write(&results, rows.join("\n")).unwrap();
    let results = results.display().to_string();
    let output = expect_exit(&mut place.bare(&["--results", &results]), 2);
    let summary = json(&output);
    assert_eq!((&summary["sampled"], &summary["unusable"], &summary["missing"]), (&json!(2), &json!(3), &json!(2)));
    let said = stderr(&output);
    for (line, why) in [(1, "so it is"), (2, "broke off"), (3, "the answer is empty")] {
        assert!(said.contains(&format!("results.jsonl:{line}: ")) && said.contains(why), "{said}");
    }
    let texts: Vec<_> = place.samples().iter().map(|sample| sample["completion"].clone()).collect();
    assert_eq!(texts, [json!("whole"), json!("cut \u{fffd}")]);
}

pub const TESTS: &[Test] = tests![
    an_error_in_the_body_that_no_repeat_can_mend_ends_everything_with_its_message,
    an_error_in_the_body_or_in_a_choice_is_asked_again_and_never_kept,
    retry_after_beside_an_error_in_the_body_is_kept_to,
    a_prompt_that_the_body_refuses_is_given_up_and_the_others_go_on,
    an_answer_that_is_empty_every_time_is_counted_as_failed,
    what_the_model_said_in_another_way_is_a_sample_and_says_so,
    an_ordinary_sample_holds_what_it_always_held,
    a_page_ends_everything_and_shows_what_it_is,
    half_a_surrogate_pair_is_replaced_and_noted,
    an_endpoint_that_ignores_n_still_gives_every_sample,
    an_endpoint_that_refuses_n_is_asked_one_by_one,
    a_prompt_that_is_refused_either_way_changes_nothing_for_the_others,
    an_endpoint_that_refuses_fields_gets_others_and_the_samples_tell_what_was_sent,
    a_refused_value_is_not_taken_for_a_refused_field_and_the_way_around_is_named,
    errors_in_batch_results_are_told_and_no_samples,
];
