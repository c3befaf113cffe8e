//! How the row of a log says that its rollout ended: which field decides, and what its value means. Pure.

use serde_json::{Map, Value};

use crate::curriculum::Outcome;
use crate::model::format;

/// Fields that say the outcome itself, the usual one first. They stand before any reward, which may be shaped: a bonus for
/// form, a penalty for length.
const OUTCOMES: [&str; 7] = ["acc", "resolved", "is_resolved", "is_correct", "correct", "solved", "accuracy"];
/// Objects of a row in which they may stand too.
const BESIDE: [&str; 4] = ["metrics", "reward_extra_info", "reward_extra_infos_dict", "report"];
/// Fields that may say the outcome, or only that something ran. They never decide; they may contradict.
const HINTS: [&str; 3] = ["success", "is_success", "passed"];
/// Fields of the reward.
const REWARDS: [&str; 3] = ["score", "reward", "rewards"];

/// How a reward is read.
#[derive(Clone, Debug, Default)]
pub struct Rewards {
    /// Field that says the outcome: of the row, of the object that a reward is, or a path with dots. None: the fields that
    /// are known.
    pub key: Option<String>,
    /// Least reward of a solved task; none: 1, and rewards that are neither 0, 1 nor -1 are shaped.
    pub solved_at: Option<f64>,
}

/// What a row says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub outcome: Outcome,
    /// The field that decided; none for what needs no field: verdicts and failures of the machine.
    pub by: Option<String>,
    /// Whether `by` is a field that says the outcome itself, known or named.
    pub plain: bool,
    /// The value, if it is a reward from which nobody can tell the outcome.
    pub shaped: Option<f64>,
}

impl Said {
    fn without_field(outcome: Outcome) -> Self {
        Self { outcome, by: None, plain: false, shaped: None }
    }
}

/// Why a row says nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Silent {
    /// The field that was named is not there.
    NoKey,
    /// Anything else, for people.
    Because(String),
}

impl From<String> for Silent {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}

/// How a row's rollout ended.
pub(super) fn said(row: &Map<String, Value>, rewards: &Rewards) -> Result<Said, Silent> {
    if let Some(found) = row.get("format").and_then(Value::as_str).filter(|found| found.starts_with("verdict.")) {
        return Ok(Said::without_field(verdict(row, found)?));
    }
    if broke(row) {
        return Ok(Said::without_field(Outcome::Infrastructure));
    }
    let least = rewards.solved_at.unwrap_or(1.0);
    let outcome = |value: Option<f64>| match value {
        Some(value) if value >= least => Outcome::Solved,
        Some(_) => Outcome::Failed,
        None => Outcome::Infrastructure,
    };
    if let Some(key) = &rewards.key {
        let value = at(row, key).ok_or(Silent::NoKey)?;
        return Ok(Said { outcome: outcome(number(key, &value)?), by: Some(key.clone()), plain: true, shaped: None });
    }
    if let Some((by, value)) = plain_outcome(row)? {
        return Ok(Said { outcome: outcome(Some(value)), by: Some(by), plain: true, shaped: None });
    }
    let (by, value) = reward(row)?;
    let clear = |value: f64| rewards.solved_at.is_some() || is_clear(value);
    if let Some(value) = value.filter(|value| clear(*value)) {
        contradicted(row, &by, value >= least)?;
    }
    Ok(Said { outcome: outcome(value), by: Some(by), plain: false, shaped: value.filter(|value| !clear(*value)) })
}

/// Rewards that can only mean one thing.
fn is_clear(value: f64) -> bool {
    [-1.0, 0.0, 1.0].contains(&value)
}

fn verdict(row: &Map<String, Value>, found: &str) -> Result<Outcome, String> {
    format::check(Some(found), format::VERDICT).map_err(|error| format!("the row {error}"))?;
    // Nothing rests on what was verified at E0: it is not known.
    let at_e0 = row.get("evidence").and_then(Value::as_str) == Some("E0");
    match row.get("status").and_then(Value::as_str) {
        Some("verified") if at_e0 => Ok(Outcome::Infrastructure),
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
    // A rollout of verifiers, or of rLLM, that ended with an error has no reward of its own. In other logs a field `error` is
    // what the tests said of the answer.
    let error = row.contains_key("example_id")
        && row.get("error").is_some_and(|error| !error.is_null() && error.as_str() != Some(""))
        || row.contains_key("trajectories") && row.get("termination_reason").and_then(Value::as_str) == Some("error");
    // A cut answer is the policy's own; an aborted one is not. `mask_sample` is how a NeMo environment says the same.
    error
        || matches!(status, Some("inconclusive" | "aborted" | "infrastructure_error"))
        || ["inconclusive", "infrastructure_failure", "mask_sample"].into_iter().any(flag)
}

/// The field that says the outcome itself, and its value; none if no such field says anything.
fn plain_outcome(row: &Map<String, Value>) -> Result<Option<(String, f64)>, String> {
    let mut found: Option<(String, f64)> = None;
    let mut take = |name: String, value: &Value| -> Result<(), String> {
        // `correct` may as well be the right answer's text, and `accuracy` a percentage.
        let Ok(Some(value)) = number(&name, value).map(|value| value.filter(|value| (0.0..=1.0).contains(value)))
        else {
            return Ok(());
        };
        match &found {
            None => found = Some((name, value)),
            Some((first, earlier)) if (*earlier >= 1.0) != (value >= 1.0) => {
                return Err(format!(
                    "{first} is {earlier} and {name} is {value}; name the one that decides with --reward-key"
                ));
            }
            Some(_) => {}
        }
        Ok(())
    };
    for name in OUTCOMES {
        if let Some(value) = row.get(name) {
            take(name.to_owned(), value)?;
        }
        for place in BESIDE {
            if let Some(value) = row.get(place).and_then(Value::as_object).and_then(|inner| inner.get(name)) {
                take(format!("{place}.{name}"), value)?;
            }
        }
        // Beside a score in the object that a reward is; without a score nobody said what the object means.
        for place in REWARDS {
            let Some(inner) = row.get(place).and_then(Value::as_object) else { continue };
            if let Some(value) = inner.get(name).filter(|_| REWARDS.iter().any(|reward| inner.contains_key(*reward))) {
                take(format!("{place}.{name}"), value)?;
            }
        }
    }
    Ok(found)
}

/// The reward and its field; no value if it is there and nobody knows it.
fn reward(row: &Map<String, Value>) -> Result<(String, Option<f64>), String> {
    let mut found: Option<(String, Option<f64>)> = None;
    for name in REWARDS {
        let Some(value) = row.get(name) else { continue };
        let (name, value) = match reward_in(row, name, value) {
            Ok(read) => read,
            Err(why) if found.is_none() => return Err(why),
            // Beside a reward that can be read, say the parts that it is the sum of.
            Err(_) => continue,
        };
        match &found {
            None | Some((_, None)) => found = Some((name, value)),
            // If one of two rewards is shaped, the other is no proof of what it means.
            Some((first, Some(earlier))) => {
                if let Some(value) = value.filter(|value| value != earlier) {
                    return Err(format!(
                        "{first} is {earlier} and {name} is {value}; name the one that decides with --reward-key"
                    ));
                }
            }
        }
    }
    found.ok_or_else(|| {
        format!("no reward: none of the fields {} is there; name it with --reward-key", REWARDS.join(", "))
    })
}

/// The reward that a field holds, or the object in it.
fn reward_in(row: &Map<String, Value>, name: &str, value: &Value) -> Result<(String, Option<f64>), String> {
    let (name, value) = match value {
        Value::Object(parts) => {
            let inner = REWARDS.into_iter().find_map(|inner| Some((inner, parts.get(inner)?)));
            let (inner, value) = inner.ok_or_else(|| of_an_object(name, parts))?;
            (format!("{name}.{inner}"), value)
        }
        plain => (name.to_owned(), plain),
    };
    let value = match value {
        Value::Array(values) => token_rewards(row, values).ok_or_else(|| of_a_list(&name, values.len()))?,
        plain => number(&name, plain)?,
    };
    Ok((name, value))
}

/// SkyRL's rewards per token: the whole reward at the last one. None for any other list.
fn token_rewards(row: &Map<String, Value>, values: &[Value]) -> Option<Option<f64>> {
    let (last, before) = values.split_last()?;
    let tokens = row.contains_key("env_extras") && before.iter().all(|value| value.as_f64() == Some(0.0));
    (tokens || before.is_empty()).then(|| last.as_f64().filter(|value| value.is_finite()))
}

fn of_a_list(name: &str, length: usize) -> String {
    format!("{name} is a list of {length}; name the value that decides with --reward-key, as in --reward-key {name}.0")
}

fn of_an_object(name: &str, parts: &Map<String, Value>) -> String {
    let parts: Vec<_> = parts.keys().map(String::as_str).collect();
    format!("{name} is an object of {}; name one with --reward-key {name}.NAME", parts.join(", "))
}

fn contradicted(row: &Map<String, Value>, by: &str, solved: bool) -> Result<(), String> {
    for hint in HINTS {
        if let Some(said) = row.get(hint).and_then(Value::as_bool).filter(|said| *said != solved) {
            let reward = if solved { "solved" } else { "failed" };
            return Err(format!(
                "{by} says {reward} and {hint} is {said}; name the one that decides with --reward-key"
            ));
        }
    }
    Ok(())
}

/// A value as a number; none where it is there and nobody knows it.
fn number(name: &str, value: &Value) -> Result<Option<f64>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(solved) => Ok(Some(f64::from(u8::from(*solved)))),
        Value::Number(number) => Ok(number.as_f64().filter(|number| number.is_finite())),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Ok(Some(1.0)),
            "false" => Ok(Some(0.0)),
            "none" | "null" => Ok(None),
            // Not a number is what Parquet tables and some writers have as text; Rust reads it as one.
            plain => match plain.parse::<f64>() {
                Ok(number) => Ok(Some(number).filter(|number| number.is_finite())),
                Err(_) => Err(format!("the reward {name} is {value}, which is not a number")),
            },
        },
        Value::Array(values) => match values.as_slice() {
            [only] if !only.is_array() => number(name, only),
            _ => Err(of_a_list(name, values.len())),
        },
        Value::Object(parts) => Err(of_an_object(name, parts)),
    }
}

/// The value that a key names: a field, a path with dots through objects, lists and JSON text, or a field of the object that
/// a reward is.
fn at(row: &Map<String, Value>, key: &str) -> Option<Value> {
    follow(key, &|name| row.get(name))
        .or_else(|| REWARDS.iter().chain(&BESIDE).find_map(|place| path(row.get(*place)?, key)))
}

fn path(value: &Value, key: &str) -> Option<Value> {
    match value {
        Value::Object(object) => follow(key, &|name| object.get(name)),
        Value::Array(values) => follow(key, &|name| values.get(name.parse::<usize>().ok()?)),
        Value::String(text) if text.trim_start().starts_with('{') => path(&serde_json::from_str(text).ok()?, key),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A field's own name may hold a dot, so every dot may be one of the name.
fn follow<'v>(key: &str, step: &dyn Fn(&str) -> Option<&'v Value>) -> Option<Value> {
    step(key).cloned().or_else(|| key.match_indices('.').find_map(|(dot, _)| path(step(&key[..dot])?, &key[dot + 1..])))
}

/// Fields of a row that `--reward-key` could name: numbers, truth values and lists of them, down to three levels.
pub(super) fn nameable(row: &Map<String, Value>) -> Vec<String> {
    let mut names = Vec::new();
    collect(row, "", 3, &mut names);
    names
}

fn collect(object: &Map<String, Value>, before: &str, levels: u8, names: &mut Vec<String>) {
    for (name, value) in object {
        let name = format!("{before}{name}");
        match value {
            Value::Object(inner) if levels > 1 => collect(inner, &format!("{name}."), levels - 1, names),
            Value::Bool(_) | Value::Number(_) => names.push(name),
            Value::String(text)
                if !text.trim().is_empty() && number(&name, value).is_ok_and(|value| value.is_some()) =>
            {
                names.push(name);
            }
            Value::Array(values) if values.len() <= 8 && values.iter().any(Value::is_number) => names.push(name),
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
