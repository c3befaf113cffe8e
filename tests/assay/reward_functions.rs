//! The reward functions that ship with a dataset, as verl and TRL call them.

use crate::harness::{Test, tests};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::serve::suspicious;
use crate::serve_support::{Served, repair};
use crate::small_world::{BASE, RIGHT};
use crate::support::{expect_exit, stderr};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consumers").join(name)
}

#[tokio::main(flavor = "multi_thread")]
async fn the_reward_functions_give_numbers_for_verdicts_and_nothing_for_the_rest() {
    let served = Served::start(&[], Some(" secret\n"));
    let folder = tempfile::tempdir().unwrap();
    swe_assay::inside::dataset::reward::write(folder.path()).unwrap();
    let completion = |source: &str| repair(source)["completion"].clone();
    let truth = json!({"instance_id": "small__calc", "skill": "repair"});
    let given = json!({
        "ground_truth": truth.to_string(),
        "extra_info": {"split": "train", "index": 0, "instance_id": "small__calc", "skill": "repair"},
        "right": completion(RIGHT), "wrong": completion(BASE), "unclear": completion(&suspicious()),
    });
    let mut python = Command::new("python3");
    python
        .arg(script("reward_functions.py"))
        .arg(folder.path().join("reward"))
        .arg(given.to_string())
        .env("ASSAY_URL", &served.url)
        .env("ASSAY_TOKEN", "secret\r\n");
    // The first questions come while instances are still being admitted: then asking again is the function's part.
    let output = tokio::task::spawn_blocking(move || expect_exit(&mut python, 0)).await.unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["trl"], json!([1.0, 0.0, null]));
    assert_eq!(found["trl_chat"], json!([1.0, 0.0, null]));
    assert_eq!(found["verl"], json!([1.0, 0.0, "Unanswered"]));
    assert_eq!(found["verl_async"], json!([1.0, 0.0, "Unanswered"]));
    assert_eq!(found["verl_batch"], json!([1.0, 0.0]));
    assert_eq!(found["wrong_token"], "Misused");
    assert_eq!(found["unknown_instance"], "Misused");
    assert_eq!(found["nobody_there"], "Unanswered");
}

/// Runs the cases of a class of `reward_cases.py`.
fn cases(class: &str) {
    let folder = tempfile::tempdir().unwrap();
    swe_assay::inside::dataset::reward::write(folder.path()).unwrap();
    let mut python = Command::new("python3");
    python.arg(script("reward_cases.py")).arg(folder.path().join("reward")).arg(class);
    let said = stderr(&expect_exit(&mut python, 0));
    assert!(said.contains("Ran ") && !said.contains("Ran 0 tests"), "{said}");
}

fn a_completion_of_any_usual_shape_is_read_and_any_other_is_the_callers_mistake() {
    cases("Completions");
}

fn responses_are_asked_for_again_or_told_at_once_and_are_never_worth_0_by_mistake() {
    cases("Responses");
}

fn addresses_and_tokens_that_cannot_work_are_told_at_once_and_no_token_is_printed() {
    cases("Settings");
}

fn an_interrupt_or_the_end_of_the_program_is_not_held_up_and_a_forked_child_asks() {
    cases("Ends");
}

pub const TESTS: &[Test] = tests![
    the_reward_functions_give_numbers_for_verdicts_and_nothing_for_the_rest,
    a_completion_of_any_usual_shape_is_read_and_any_other_is_the_callers_mistake,
    responses_are_asked_for_again_or_told_at_once_and_are_never_worth_0_by_mistake,
    addresses_and_tokens_that_cannot_work_are_told_at_once_and_no_token_is_printed,
    an_interrupt_or_the_end_of_the_program_is_not_held_up_and_a_forked_child_asks,
];
