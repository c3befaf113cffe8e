use super::*;
use crate::curriculum::Outcome;
use serde_json::json;

fn row_of(row: Value, rewards: &Rewards) -> Result<(String, Option<Skill>, Outcome), String> {
    let Value::Object(row) = row else { panic!("a row is an object") };
    let (id, skill) = named(&row)?;
    match said(&row, rewards) {
        Ok(said) => Ok((id, skill, said.outcome)),
        Err(Silent::Because(why)) => Err(why),
        Err(Silent::NoKey) => Err("no key".to_owned()),
    }
}

fn read(row: Value) -> Result<(String, Option<Skill>, Outcome), String> {
    row_of(row, &Rewards::default())
}

#[test]
fn every_log_is_read_where_it_names_the_instance() {
    let truth = json!({"instance_id": "a", "skill": "repair"}).to_string();
    let (solved, failed) = (Outcome::Solved, Outcome::Failed);
    let repair = Some(Skill::Repair);
    let table = [
        (json!({"input": "", "output": "", "gts": truth, "score": 1.0, "step": 3}), repair, solved),
        (json!({"input": "", "output": "", "gts": null, "score": -1.0, "instance_id": "a"}), None, failed),
        (json!({"prompt": "", "response": "", "label": truth, "reward": 0, "status": "truncated"}), repair, failed),
        (json!({"metadata": {"instance_id": "a"}, "reward": {"score": 1}, "status": "completed"}), None, solved),
        (
            json!({"responses_create_params": {"metadata": {"instance_id": "a"}}, "response": {}, "reward": 1.0}),
            None,
            solved,
        ),
        (json!({"verifier_metadata": {"instance_id": "a", "skill": "test"}, "reward": 0.5}), Some(Skill::Test), failed),
        (json!({"extra_info": {"instance_id": "a", "skill": "repair"}, "rewards": true}), repair, solved),
        (json!({"format": "verdict.v1", "instance_id": "a", "skill": "repair", "status": "rejected"}), repair, failed),
    ];
    for (row, skill, outcome) in table {
        assert_eq!(read(row.clone()), Ok(("a".to_owned(), skill, outcome)), "{row}");
    }
}

#[test]
fn failures_of_the_machine_are_no_failures_of_the_policy() {
    let table = [
        json!({"instance_id": "a", "score": null}),
        json!({"instance_id": "a", "score": "nan"}),
        json!({"instance_id": "a", "score": 0.0, "inconclusive": true}),
        json!({"instance_id": "a", "score": 0.0, "inconclusive": 1.0}),
        json!({"instance_id": "a", "reward": 0.0, "status": "aborted"}),
        json!({"instance_id": "a", "reward": 0.0, "mask_sample": true}),
        json!({"instance_id": "a", "reward": 0.0, "metadata": {"infrastructure_failure": true}}),
        json!({"instance_id": "a", "score": 0.0, "verdict": "inconclusive"}),
        json!({"format": "verdict.v1", "instance_id": "a", "skill": "repair", "status": "inconclusive"}),
    ];
    for row in table {
        assert_eq!(read(row.clone()).map(|read| read.2), Ok(Outcome::Infrastructure), "{row}");
    }
}

#[test]
fn rows_that_cannot_be_used_say_why() {
    let table = [
        (json!({"score": 1.0}), "no instance_id"),
        (json!({"content": [], "rewards": 1.0}), "no instance_id"),
        (json!({"instance_id": "a"}), "--reward-key"),
        (json!({"instance_id": "a", "reward": {"acc": 1}}), "--reward-key"),
        (json!({"instance_id": "a", "reward": "good"}), "not a number"),
        (json!({"format": "verdict.v9", "instance_id": "a", "status": "verified"}), "upgrade assay"),
        (json!({"format": "verdict.v1", "instance_id": "a", "status": "great"}), "unknown status"),
    ];
    for (row, why) in table {
        let error = read(row.clone()).unwrap_err();
        assert!(error.contains(why), "{row}: {error}");
    }
    let rewards = Rewards { key: Some("acc".to_owned()), solved_at: Some(0.5) };
    let row = json!({"instance_id": "a", "reward": {"acc": 0.5}});
    assert_eq!(row_of(row, &rewards).unwrap().2, Outcome::Solved);
}

#[test]
fn a_dump_of_samples_is_read_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.json");
    let sample = |reward: f64| json!({"metadata": {"instance_id": "a"}, "reward": reward, "status": "completed"});
    std::fs::write(&path, json!({"rollout_id": 1, "samples": [sample(1.0), sample(0.0), 7]}).to_string()).unwrap();
    let mut seen = Vec::new();
    let mut rollouts = Rollouts::new(Rewards::default());
    rollouts.read(&path, &mut |rollout| seen.push(rollout.outcome)).unwrap();
    assert_eq!(seen, [Outcome::Solved, Outcome::Failed]);
    assert_eq!(rollouts.finish().unwrap().quarantined.len(), 1);
}

/// Reads rows as a log.
fn log(rows: &[Value], rewards: Rewards) -> (Vec<Outcome>, Result<ReadRollouts, Unclear>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.jsonl");
    std::fs::write(&path, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    let (mut rollouts, mut seen) = (Rollouts::new(rewards), Vec::new());
    rollouts.read(&path, &mut |rollout| seen.push(rollout.outcome)).unwrap();
    (seen, rollouts.finish())
}

fn keyed(key: &str) -> Rewards {
    Rewards { key: Some(key.to_owned()), solved_at: None }
}

#[test]
fn a_shaped_reward_alone_refuses_the_logs_and_names_the_fields_that_are_there() {
    let row =
        |score: f64| json!({"instance_id": "a", "input": "p", "score": score, "step": 1, "extra": {"format": 0.05}});
    let (_, read) = log(&[row(1.0), row(0.95), row(0.0)], Rewards::default());
    let error = read.unwrap_err();
    assert!(matches!(&error, Unclear::Shaped { line: 2, .. }), "{error:?}");
    let error = error.to_string();
    for part in ["score is 0.95", "--reward-key", "--solved-at", "extra.format, score, step"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    // Who says how to read the score is believed.
    let at = Rewards { key: None, solved_at: Some(0.9) };
    assert_eq!(log(&[row(0.95), row(0.5)], at).0, [Outcome::Solved, Outcome::Failed]);
    assert_eq!(log(&[row(0.95), row(1.0)], keyed("score")).0, [Outcome::Failed, Outcome::Solved]);
    // Where other rows say the outcome, these are set aside one by one.
    let (seen, read) = log(&[json!({"instance_id": "a", "score": 0.95, "acc": 1.0}), row(0.95)], Rewards::default());
    let read = read.unwrap();
    assert_eq!((seen, read.fields), (vec![Outcome::Solved], BTreeMap::from([("acc".to_owned(), 1)])));
    assert_eq!(read.quarantined.iter().map(|row| row.line).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_named_field_that_is_nowhere_refuses_the_logs_and_one_that_some_rows_lack_sets_those_aside() {
    let row = |more: Value| {
        let mut row = json!({"instance_id": "a", "score": 1.0, "step": 4});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let (_, read) = log(&[row(json!({"acc": 1})), row(json!({"acc": 0}))], keyed("accuracy"));
    let error = read.unwrap_err().to_string();
    assert!(error.contains("\"accuracy\"") && error.contains("did you mean acc?"), "{error}");
    assert!(error.contains("acc, score, step"), "{error}");
    let verdict = json!({"format": "verdict.v1", "instance_id": "a", "skill": "repair", "status": "verified"});
    assert!(matches!(log(&[verdict], keyed("acc")).1, Err(Unclear::NoSuchKey { .. })), "verdicts have no such field");
    let (seen, read) = log(&[row(json!({"acc": 1})), row(json!({}))], keyed("acc"));
    let read = read.unwrap();
    assert_eq!((seen, read.quarantined.len(), read.quarantined[0].line), (vec![Outcome::Solved], 1, 2));
    assert!(read.quarantined[0].why.contains("--reward-key"), "{:?}", read.quarantined);
    // There, and of no use: the rows say so, not the logs as a whole.
    let (_, read) = log(&[row(json!({"acc": "good"}))], keyed("acc"));
    assert!(read.unwrap().quarantined[0].why.contains("not a number"));
    assert!(log(&[], keyed("acc")).1.is_ok());
}
