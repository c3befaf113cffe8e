//! Other people's rollouts, and the tasks that rows are about.
//!
//! Read are: what verl writes to `trainer.rollout_data_dir` (`input`, `output`, `gts`, `score`, `step`, and whatever the reward
//! function added), slime's samples (`prompt`, `response`, `label`, `reward`, `status`, `metadata`; one a line, or a dump with
//! `samples`), NeMo Gym's rollouts (`responses_create_params`, `response`, `reward`), and our own verdicts. They differ in
//! where the instance is named and in what a failure of the machine looks like, so both are looked for in every place.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};

use super::quarantine::Quarantined;
use super::records::{Record, each_record};
use crate::curriculum::report::Task;
use crate::curriculum::{Outcome, Rollout};
use crate::format;
use crate::generation::Skill;

/// How a reward is read.
#[derive(Clone, Debug)]
pub struct Rewards {
    /// Field of the reward, or of the object that a reward is; none: `score`, `reward` or `rewards`.
    pub key: Option<String>,
    /// Least reward of a solved task.
    pub solved_at: f64,
}

impl Default for Rewards {
    fn default() -> Self {
        Self { key: None, solved_at: 1.0 }
    }
}

/// Reads the rollouts of a file and hands them to `take`. Rows that name no instance or no result are quarantined.
///
/// # Errors
/// The file cannot be opened or read, or its name tells no format.
pub fn read_rollouts(path: &Path, rewards: &Rewards, take: &mut dyn FnMut(Rollout)) -> Result<Vec<Quarantined>> {
    let file = path.display().to_string();
    let mut quarantined = Vec::new();
    each_record(path, &mut |Record { line, row }| {
        let mut read = |row: Map<String, Value>| match rollout(&row, rewards) {
            Ok(rollout) => take(rollout),
            Err(why) => quarantined.push(Quarantined::new(&*file, line, why)),
        };
        match row {
            Ok(mut row) => match row.remove("samples") {
                Some(Value::Array(samples)) => samples.into_iter().for_each(|sample| match sample {
                    Value::Object(sample) => read(sample),
                    _ => read(Map::new()),
                }),
                Some(other) => {
                    row.insert("samples".to_owned(), other);
                    read(row);
                }
                None => read(row),
            },
            Err(why) => quarantined.push(Quarantined::new(&*file, line, why)),
        }
    })?;
    Ok(quarantined)
}

/// The tasks of a file's rows.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    /// By line.
    pub tasks: Vec<(u64, Task)>,
    pub quarantined: Vec<Quarantined>,
}

/// The task of every row of a file, with its line; rows that name none are quarantined. A row that names no skill is of the
/// skill that is given.
///
/// # Errors
/// As [`read_rollouts`].
pub fn read_tasks(path: &Path, skill: Skill) -> Result<Tasks> {
    let file = path.display().to_string();
    let mut found = Tasks::default();
    each_record(path, &mut |Record { line, row }| {
        let task = row.and_then(|row| {
            let (instance_id, said) = named(&row)?;
            Ok(Task { instance_id, skill: said.unwrap_or(skill) })
        });
        match task {
            Ok(task) => found.tasks.push((line, task)),
            Err(why) => found.quarantined.push(Quarantined::new(&*file, line, why)),
        }
    })?;
    Ok(found)
}

fn rollout(row: &Map<String, Value>, rewards: &Rewards) -> Result<Rollout, String> {
    let (instance_id, skill) = named(row)?;
    let outcome = match row.get("format").and_then(Value::as_str) {
        Some(found) if found.starts_with("verdict.") => verdict(row, found)?,
        _ if broke(row) => Outcome::Infrastructure,
        _ => match reward(row, rewards)? {
            Some(reward) if reward >= rewards.solved_at => Outcome::Solved,
            Some(_) => Outcome::Failed,
            None => Outcome::Infrastructure,
        },
    };
    Ok(Rollout { instance_id, skill, outcome })
}

fn verdict(row: &Map<String, Value>, found: &str) -> Result<Outcome, String> {
    format::check(Some(found), format::VERDICT).map_err(|error| format!("the row {error}"))?;
    match row.get("status").and_then(Value::as_str) {
        Some("verified") => Ok(Outcome::Solved),
        Some("rejected") => Ok(Outcome::Failed),
        Some("inconclusive") => Ok(Outcome::Infrastructure),
        other => Err(format!("a verdict of the unknown status {other:?}")),
    }
}

/// Signs that the machine failed, whatever reward stands beside them.
fn broke(row: &Map<String, Value>) -> bool {
    let extra = row.get("metadata").and_then(Value::as_object);
    let flag = |name: &str| {
        [Some(row), extra].into_iter().flatten().any(|place| match place.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::Number(number)) => number.as_f64().is_some_and(|number| number != 0.0),
            _ => false,
        })
    };
    let status = row.get("status").or_else(|| row.get("verdict")).and_then(Value::as_str);
    // A cut answer is the policy's own; an aborted one is not. `mask_sample` is how a NeMo environment says the same.
    matches!(status, Some("inconclusive" | "aborted" | "infrastructure_error"))
        || ["inconclusive", "infrastructure_failure", "mask_sample"].into_iter().any(flag)
}

/// The reward; `None` if it is there and empty or not a number.
fn reward(row: &Map<String, Value>, rewards: &Rewards) -> Result<Option<f64>, String> {
    const KNOWN: [&str; 3] = ["score", "reward", "rewards"];
    let asked = rewards.key.as_deref();
    let names = || asked.into_iter().chain(KNOWN);
    let Some((name, value)) = names().find_map(|name| Some((name, row.get(name)?))) else {
        return Err(format!("no reward: none of the fields {} is there; name it with --reward-key", KNOWN.join(", ")));
    };
    let inner = match value {
        Value::Object(parts) => names().find_map(|name| parts.get(name)).ok_or_else(|| {
            format!("the reward {name} is an object without {}; name its field with --reward-key", KNOWN.join(", "))
        })?,
        plain => plain,
    };
    match inner {
        Value::Null => Ok(None),
        Value::Bool(solved) => Ok(Some(f64::from(u8::from(*solved)))),
        Value::Number(number) => Ok(number.as_f64().filter(|number| number.is_finite())),
        // Not a number is what Parquet tables and some writers have as text.
        Value::String(text) if text.eq_ignore_ascii_case("nan") => Ok(None),
        other => Err(format!("the reward {name} is {other}, which is no number")),
    }
}

/// Places of a row that may name the instance, most telling first. The last ones hold JSON text in our own RL rows.
const PLACES: [&[&str]; 12] = [
    &[],
    &["extra_info"],
    &["metadata"],
    &["verifier_metadata"],
    &["responses_create_params", "metadata"],
    &["extra_env_info"],
    &["instance"],
    &["reward_model", "ground_truth"],
    &["ground_truth"],
    &["gts"],
    &["label"],
    &["expected_answer"],
];

/// The instance that a row is about, and the skill if the row names it.
fn named(row: &Map<String, Value>) -> Result<(String, Option<Skill>), String> {
    let (mut instance, mut skill) = (None, None);
    for place in PLACES {
        let Some(object) = inside(row, place) else { continue };
        if instance.is_none() {
            instance = object.get("instance_id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
        }
        if skill.is_none() {
            let said = object.get("skill").and_then(Value::as_str);
            skill = Skill::ALL.into_iter().find(|skill| Some(skill.as_str()) == said);
        }
    }
    let id = instance.ok_or(
        "no instance_id in the row, its extra_info, metadata, verifier_metadata or ground truth; have the log keep it",
    )?;
    Ok((id, skill))
}

/// An object further inside, be it as JSON text.
fn inside<'r>(row: &'r Map<String, Value>, place: &[&str]) -> Option<Cow<'r, Map<String, Value>>> {
    let Some((last, before)) = place.split_last() else { return Some(Cow::Borrowed(row)) };
    let mut object = row;
    for name in before {
        object = object.get(*name)?.as_object()?;
    }
    match object.get(*last)? {
        Value::Object(object) => Some(Cow::Borrowed(object)),
        Value::String(text) if text.trim_start().starts_with('{') => serde_json::from_str(text).ok().map(Cow::Owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(row: Value) -> Result<(String, Option<Skill>, Outcome), String> {
        let Value::Object(row) = row else { panic!("a row is an object") };
        rollout(&row, &Rewards::default()).map(|rollout| (rollout.instance_id, rollout.skill, rollout.outcome))
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
            (
                json!({"verifier_metadata": {"instance_id": "a", "skill": "test"}, "reward": 0.5}),
                Some(Skill::Test),
                failed,
            ),
            (json!({"extra_info": {"instance_id": "a", "skill": "repair"}, "rewards": true}), repair, solved),
            (
                json!({"format": "verdict.v1", "instance_id": "a", "skill": "repair", "status": "rejected"}),
                repair,
                failed,
            ),
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
            (json!({"instance_id": "a", "reward": "good"}), "no number"),
            (json!({"format": "verdict.v9", "instance_id": "a", "status": "verified"}), "upgrade assay"),
            (json!({"format": "verdict.v1", "instance_id": "a", "status": "great"}), "unknown status"),
        ];
        for (row, why) in table {
            let error = read(row.clone()).unwrap_err();
            assert!(error.contains(why), "{row}: {error}");
        }
        let Value::Object(row) = json!({"instance_id": "a", "reward": {"acc": 0.5}}) else { unreachable!() };
        let rewards = Rewards { key: Some("acc".to_owned()), solved_at: 0.5 };
        assert_eq!(rollout(&row, &rewards).unwrap().outcome, Outcome::Solved);
    }

    #[test]
    fn a_dump_of_samples_is_read_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump.json");
        let sample = |reward: f64| json!({"metadata": {"instance_id": "a"}, "reward": reward, "status": "completed"});
        std::fs::write(&path, json!({"rollout_id": 1, "samples": [sample(1.0), sample(0.0), 7]}).to_string()).unwrap();
        let mut seen = Vec::new();
        let quarantined = read_rollouts(&path, &Rewards::default(), &mut |rollout| seen.push(rollout.outcome)).unwrap();
        assert_eq!(seen, [Outcome::Solved, Outcome::Failed]);
        assert_eq!(quarantined.len(), 1);
    }
}
