//! Generations of ours, and of the foreign shapes that are read as they are.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};

use super::predictions;
use super::quarantine::Quarantined;
use super::records::{Record, each_answer, kind_of};
use crate::model::format;
use crate::model::generation::{Generation, GenerationRef, Message, Skill};
use crate::model::near_names::nearest;

/// What was read of one or more files, apart from the generations themselves.
#[derive(Clone, Debug, Default)]
pub struct GenerationIntake {
    pub quarantined: Vec<Quarantined>,
    /// Rows left out because an earlier one says exactly the same.
    pub duplicates: u64,
    /// Rows seen in all.
    pub rows: u64,
}

/// Unknown instances of a file for which the nearest known ones are looked up: there may be very many.
const OFFERED: usize = 20;

/// Reads generations of one file: `generation.v1`, predictions ([`super::predictions`], as repair) or Agentless
/// `loc_outputs` (`found_files`, as localization), as json, jsonl or parquet, plain or with `.gz` or `.zst`. Each goes to
/// `take` in the order of the input, with its place; of equal generations the first. What cannot be used - broken JSON, a
/// missing field, an unknown skill, an instance that is not among `known` - is quarantined and the rest go on.
///
/// # Errors
/// The file cannot be opened or read, or its name tells no format; or whatever `take` fails with, first.
pub fn read_generations(
    path: &Path,
    known: &BTreeSet<String>,
    take: &mut dyn FnMut(GenerationRef, Generation) -> Result<()>,
) -> Result<GenerationIntake> {
    let mut intake = GenerationIntake::default();
    let file = path.display().to_string();
    // Equal ones by the first half of their names, which is plenty: there may be very many.
    let mut seen: BTreeSet<u128> = BTreeSet::new();
    let (mut failed, mut offered) = (None, 0);
    each_answer(path, &mut |Record { line, row }| {
        if failed.is_some() {
            return;
        }
        intake.rows += 1;
        let id = row.as_ref().ok().and_then(|row| row.get("instance_id")).and_then(Value::as_str);
        let unknown = id.filter(|id| !id.is_empty() && !known.contains(*id)).map(str::to_owned);
        match row.and_then(|row| generation_of(row, Some(known))) {
            Ok(generation) => match u128::from_str_radix(&generation.id().as_str()[..32], 16) {
                Ok(name) if seen.insert(name) => {
                    let place = GenerationRef { file: file.clone(), line, index: generation.index };
                    failed = take(place, generation).err();
                }
                Ok(_) => intake.duplicates += 1,
                Err(error) => failed = Some(error.into()),
            },
            Err(why) => {
                let why = match unknown {
                    Some(id) if offered < OFFERED => {
                        offered += 1;
                        format!("{why}; of instances {}", nearest(&id, known.iter().map(String::as_str)))
                    }
                    Some(_) | None => why,
                };
                intake.quarantined.push(Quarantined::new(&*file, line, why));
            }
        }
    })?;
    failed.map_or(Ok(intake), Err)
}

/// Reads a row; of any instance if none are `known`.
pub(super) fn generation_of(
    mut row: Map<String, Value>,
    known: Option<&BTreeSet<String>>,
) -> Result<Generation, String> {
    let found = row.get("format").and_then(Value::as_str);
    format::check(found, format::GENERATION).map_err(|error| format!("the row {error}"))?;
    predictions::name_instance(&mut row);
    let id = match row.get("instance_id") {
        Some(Value::String(id)) if !id.is_empty() => id.clone(),
        Some(Value::Null) | None => return Err("missing field `instance_id`".to_owned()),
        Some(other) => return Err(format!("instance_id {other} is not text")),
    };
    if known.is_some_and(|known| !known.contains(&id)) {
        return Err(format!("unknown instance {id:?}; import it, or leave its generations out"));
    }
    let native = ["skill", "completion", "messages"].iter().any(|name| row.contains_key(*name));
    if !native && let Some(prediction) = predictions::read(&mut row)? {
        return Ok(foreign(id, Skill::Repair, prediction.patch, prediction.model));
    }
    if !native && row.contains_key("found_files") {
        return loc_output(&row, id);
    }
    ours(&mut row)
}

fn ours(row: &mut Map<String, Value>) -> Result<Generation, String> {
    let skills = Skill::ALL.map(Skill::as_str).join(", ");
    match row.get("skill") {
        None | Some(Value::Null) => return Err(format!("missing field `skill`; one of {skills}")),
        Some(Value::String(skill)) if Skill::ALL.iter().any(|known| known.as_str() == skill) => {}
        Some(other) => return Err(format!("unknown skill {other}; one of {skills}")),
    }
    if row.get("index").is_some_and(Value::is_null) {
        row.remove("index");
    }
    for name in ["completion", "reasoning_content", "model", "prompt_id"] {
        match row.get(name) {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(other) => return Err(format!("{name} is {}, not text", kind_of(other))),
        }
    }
    match row.get("messages") {
        None | Some(Value::Null | Value::Array(_)) => {}
        Some(other) => return Err(format!("messages is {}, not a list of messages", kind_of(other))),
    }
    let generation: Generation = serde_path_to_error::deserialize(Value::Object(std::mem::take(row)))
        .map_err(|error| format!("{}: {}", error.path(), error.inner()))?;
    if generation.completion.is_none() && generation.messages.is_none() {
        return Err("missing field `completion`, and there are no `messages` either".to_owned());
    }
    if generation.completion.is_none() && !generation.messages.iter().flatten().any(Message::is_answer) {
        return Err("messages hold no answer: no message has the role assistant or model".to_owned());
    }
    Ok(generation)
}

/// A line of Agentless `loc_outputs.jsonl`. The completion is rebuilt as the list in the answer format of the skill.
fn loc_output(row: &Map<String, Value>, id: String) -> Result<Generation, String> {
    let wrong = || "found_files is not a list of paths".to_owned();
    let listed = match row.get("found_files") {
        Some(Value::Array(files)) => files,
        Some(Value::Null) | None => &Vec::new(),
        Some(_) => return Err(wrong()),
    };
    let files = listed.iter().map(|file| file.as_str().ok_or_else(wrong)).collect::<Result<Vec<_>, _>>()?;
    let completion = if files.is_empty() { String::new() } else { format!("```\n{}\n```\n", files.join("\n")) };
    let model = row.get("model_name_or_path").and_then(Value::as_str).map(str::to_owned);
    Ok(foreign(id, Skill::Localization, completion, model))
}

fn foreign(instance_id: String, skill: Skill, completion: String, model: Option<String>) -> Generation {
    Generation {
        format: format::GENERATION.to_owned(),
        instance_id,
        skill,
        completion: Some(completion),
        reasoning_content: None,
        messages: None,
        model,
        sampling: None,
        prompt_id: None,
        index: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(row: Value) -> Result<Generation, String> {
        let Value::Object(row) = row else { panic!("a row is an object") };
        generation_of(row, Some(&["a".to_owned()].into()))
    }

    #[test]
    fn three_shapes_are_read() {
        let ours = read(json!({"instance_id": "a", "skill": "test", "completion": "x", "index": 2})).unwrap();
        assert_eq!((ours.skill, ours.answer().0, ours.index), (Skill::Test, "x", 2));
        let prediction = read(json!({"instance_id": "a", "model_name_or_path": "m", "model_patch": "diff\n"})).unwrap();
        assert_eq!((prediction.skill, prediction.answer().0), (Skill::Repair, "diff\n"));
        assert_eq!(prediction.model.as_deref(), Some("m"));
        let loc = read(json!({"instance_id": "a", "found_files": ["x.py", "y.py"], "file_traj": {}})).unwrap();
        assert_eq!((loc.skill, loc.answer().0), (Skill::Localization, "```\nx.py\ny.py\n```\n"));
        assert_eq!(read(json!({"instance_id": "a", "model_patch": null})).unwrap().answer().0, "");
    }

    #[test]
    fn rows_that_cannot_be_used_say_why() {
        let table = [
            (json!({"skill": "test", "completion": "x"}), "missing field `instance_id`"),
            (json!({"instance_id": 7, "skill": "test", "completion": "x"}), "not text"),
            (json!({"instance_id": "b", "skill": "test", "completion": "x"}), "unknown instance \"b\""),
            (json!({"instance_id": "a", "completion": "x"}), "missing field `skill`"),
            (json!({"instance_id": "a", "skill": "poetry", "completion": "x"}), "unknown skill \"poetry\""),
            (json!({"instance_id": "a", "skill": "test"}), "missing field `completion`"),
            (json!({"instance_id": "a"}), "missing field `skill`"),
            (json!({"instance_id": "a", "model_patch": 3}), "model_patch"),
            (json!({"instance_id": "a", "found_files": [["x"]]}), "found_files"),
            (json!({"instance_id": "a", "format": "generation.v2", "skill": "test"}), "upgrade assay"),
        ];
        for (row, why) in table {
            let error = read(row.clone()).unwrap_err();
            assert!(error.contains(why), "{row}: {error}");
        }
    }
}
