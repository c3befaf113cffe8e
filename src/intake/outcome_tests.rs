use super::*;
use serde_json::json;

fn read(row: Value, key: Option<&str>) -> Result<Said, Silent> {
    let Value::Object(row) = row else { panic!("a row is an object") };
    said(&row, &Rewards { key: key.map(str::to_owned), solved_at: None })
}

fn outcome(row: Value, key: Option<&str>) -> Outcome {
    read(row.clone(), key).unwrap_or_else(|why| panic!("{row}: {why:?}")).outcome
}

fn because(row: Value) -> String {
    match read(row.clone(), None) {
        Err(Silent::Because(why)) => why,
        other => panic!("{row}: {other:?}"),
    }
}

#[test]
fn the_outcome_decides_before_a_reward_that_may_be_shaped() {
    let (solved, failed) = (Outcome::Solved, Outcome::Failed);
    for (row, expected, by) in [
        (json!({"score": 0.95, "acc": 1.0}), solved, "acc"),
        (json!({"score": 1.05, "acc": 0.0}), failed, "acc"),
        (json!({"score": 1.0, "acc": false}), failed, "acc"),
        (json!({"reward": 0.2, "resolved": true}), solved, "resolved"),
        (json!({"score": -0.5, "acc": "True"}), solved, "acc"),
        (json!({"reward": 0.3, "metrics": {"solved": 1.0}}), solved, "metrics.solved"),
        (json!({"is_correct": true, "trajectories": [{"reward": 0.1}]}), solved, "is_correct"),
        (json!({"score": {"score": 0.9, "acc": 1}}), solved, "score.acc"),
        // The right answer's text is no outcome, and an empty field says nothing.
        (json!({"correct": "42", "score": 1}), solved, "score"),
        (json!({"accuracy": 85.0, "score": 0}), failed, "score"),
        (json!({"acc": null, "score": 0}), failed, "score"),
        (json!({"acc": 1.0, "correct": true, "score": 0.5}), solved, "acc"),
    ] {
        let said = read(row.clone(), None).unwrap();
        assert_eq!((said.outcome, said.by.as_deref(), said.shaped), (expected, Some(by), None), "{row}");
    }
}

#[test]
fn rewards_are_clear_or_shaped() {
    for (row, expected) in [
        (json!({"score": 1.0}), None),
        (json!({"score": -1}), None),
        (json!({"score": "0.0"}), None),
        (json!({"reward": true}), None),
        (json!({"score": 0.95}), Some(0.95)),
        (json!({"score": "1.1"}), Some(1.1)),
        (json!({"reward": {"score": 5}}), Some(5.0)),
    ] {
        assert_eq!(read(row.clone(), None).unwrap().shaped, expected, "{row}");
    }
}

#[test]
fn fields_that_contradict_each_other_are_told() {
    for (row, parts) in [
        (json!({"acc": 1, "resolved": false, "score": 0.4}), ["acc is 1", "resolved is 0"]),
        (json!({"score": 0.95, "reward": 1.0}), ["score is 0.95", "reward is 1"]),
        (json!({"score": 1.0, "success": false}), ["score says solved", "success is false"]),
        (json!({"reward": 0, "passed": true}), ["reward says failed", "passed is true"]),
    ] {
        let why = because(row);
        assert!(parts.iter().all(|part| why.contains(part)) && why.contains("--reward-key"), "{why}");
    }
    // That a request went well is no outcome.
    assert_eq!(read(json!({"score": 0.5, "success": true}), None).unwrap().shaped, Some(0.5));
}

#[test]
fn texts_lists_and_named_rewards_are_read_or_refused_with_the_way_to_name_them() {
    let (solved, failed) = (Outcome::Solved, Outcome::Failed);
    assert_eq!(outcome(json!({"score": " 1.0 "}), None), solved);
    assert_eq!(outcome(json!({"reward": [1.0]}), None), solved);
    // Rewards per token, as SkyRL dumps them.
    let tokens = |rewards: Value| json!({"score": rewards, "env_extras": {}, "output_response": "x"});
    assert_eq!(outcome(tokens(json!([0.0, 0.0, 1.0])), None), solved);
    assert_eq!(outcome(tokens(json!([0.0, 0.0, 0.0])), None), failed);
    for row in [tokens(json!([0.5, 0.0, 0.5])), json!({"rewards": [0, 0, 1]}), json!({"score": []})] {
        let why = because(row);
        assert!(why.contains("is a list of") && why.contains("--reward-key"), "{why}");
    }
    let named = json!({"reward": {"format": 0.1, "tests": 1.0}});
    assert!(because(named.clone()).contains("--reward-key reward.NAME"), "{}", because(named.clone()));
    // The sum can be read; its parts are no second reward.
    assert_eq!(outcome(json!({"reward": 1.0, "rewards": {"format": 0.1, "tests": 0.9}}), None), solved);
    let nested = json!({
        "reward": {"format": 0.1, "tests": 1.0}, "rewards": [0.2, 0], "a.b": 1, "info": "{\"grade\": {\"ok\": \"1\"}}",
    });
    for (key, expected) in [
        ("reward.tests", solved),
        ("tests", solved),
        ("format", failed),
        ("rewards.1", failed),
        ("a.b", solved),
        ("info.grade.ok", solved),
    ] {
        assert_eq!(outcome(nested.clone(), Some(key)), expected, "{key}");
    }
    for key in ["nowhere", "reward.nowhere", "rewards.7", "a.c", "info.grade.ok.x"] {
        assert_eq!(read(nested.clone(), Some(key)), Err(Silent::NoKey), "{key}");
    }
    assert!(matches!(read(nested.clone(), Some("reward")), Err(Silent::Because(_))), "an object is no number");
}

#[test]
fn an_error_is_the_machines_in_the_logs_that_say_so_and_the_tests_in_others() {
    assert_eq!(
        outcome(json!({"example_id": 0, "reward": 0.0, "error": "SandboxError"}), None),
        Outcome::Infrastructure
    );
    assert_eq!(outcome(json!({"example_id": 0, "reward": 0.0, "error": null}), None), Outcome::Failed);
    assert_eq!(outcome(json!({"score": 0.0, "error": "AssertionError"}), None), Outcome::Failed);
    let episode = |reason: &str| json!({"is_correct": false, "trajectories": [], "termination_reason": reason});
    assert_eq!(outcome(episode("error"), None), Outcome::Infrastructure);
    assert_eq!(outcome(episode("env_done"), None), Outcome::Failed);
}
