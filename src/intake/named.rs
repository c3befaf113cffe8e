//! Which task a row is about: where the rows and logs of trainers keep the instance.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::model::generation::Skill;

/// Places of a row that may name the instance, most telling first. Any of them may be an object or its JSON text.
const PLACES: [&[&str]; 22] = [
    &[],
    &["extra_info"],
    &["extra_info", "instance"],
    &["info"],
    &["metadata"],
    &["verifier_metadata"],
    &["responses_create_params", "metadata"],
    &["extra_env_info"],
    &["env_extras"],
    &["env_extras", "extra_info"],
    &["env_extras", "instance"],
    &["instance"],
    &["task"],
    &["task", "extra_info"],
    &["task", "metadata"],
    &["reward_model"],
    &["reward_model", "ground_truth"],
    &["ground_truth"],
    &["gts"],
    &["label"],
    &["answer"],
    &["expected_answer"],
];

/// The instance that a row is about, and the skill if it says so.
///
/// # Errors
/// No place names an instance; for people.
pub(super) fn named(row: &Map<String, Value>) -> Result<(String, Option<Skill>), String> {
    let (mut instance, mut skill) = (None, None);
    for place in PLACES {
        let Some(object) = inside(row, place) else { continue };
        if instance.is_none() {
            instance = object.get("instance_id").and_then(id);
        }
        if skill.is_none() {
            let said = object.get("skill").and_then(Value::as_str);
            skill = Skill::ALL.into_iter().find(|skill| Some(skill.as_str()) == said);
        }
    }
    let id = instance.ok_or(
        "no instance_id in the row, its info, extra_info, metadata, verifier_metadata, env_extras, task or ground truth; \
         have the log keep it",
    )?;
    Ok((id, skill))
}

/// An id as text: some datasets count their instances.
pub(super) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::String(_) | Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An object further inside; each step may be JSON text.
fn inside<'r>(row: &'r Map<String, Value>, place: &[&str]) -> Option<Cow<'r, Map<String, Value>>> {
    let Some((name, rest)) = place.split_first() else { return Some(Cow::Borrowed(row)) };
    match row.get(*name)? {
        Value::Object(object) => inside(object, rest),
        Value::String(text) if text.trim_start().starts_with('{') => {
            let object: Map<String, Value> = serde_json::from_str(text).ok()?;
            inside(&object, rest).map(|found| Cow::Owned(found.into_owned()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_instance_is_found_wherever_trainers_keep_it() {
        let at = |row: Value| named(row.as_object().unwrap());
        let truth = json!({"instance_id": "a", "skill": "test"});
        for row in [
            json!({"info": truth}),
            json!({"info": truth.to_string()}),
            json!({"task": {"instance_id": "a"}, "extra_info": {"skill": "test"}}),
            json!({"env_extras": {"extra_info": truth}}),
            json!({"reward_model": {"style": "rule", "ground_truth": truth.to_string()}}),
            json!({"reward_model": json!({"ground_truth": truth}).to_string()}),
            json!({"answer": truth.to_string()}),
        ] {
            assert_eq!(at(row.clone()), Ok(("a".to_owned(), Some(Skill::Test))), "{row}");
        }
        assert_eq!(at(json!({"instance_id": 7})), Ok(("7".to_owned(), None)));
        for row in [json!({"instance_id": ""}), json!({"instance_id": 0.5}), json!({"info": "{broken"}), json!({})] {
            assert!(at(row.clone()).unwrap_err().contains("no instance_id"), "{row}");
        }
    }
}
