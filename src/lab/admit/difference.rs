//! What two admissions of one instance say differently, by field. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::console::plain;
use crate::model::admission::Admission;

/// Names that a line shows.
const MOST_NAMES: usize = 3;
/// Characters of a value that a line shows.
const MOST_TEXT: usize = 120;

/// What the judge says of the same outcomes, field by field. Who made it is no part of that.
pub fn differences(theirs: &Admission, ours: &Admission) -> anyhow::Result<Vec<String>> {
    lines(fields(theirs)?, fields(ours)?)
}

/// What running anew shows otherwise. Left out is what differs from run to run: times, counts, texts about them, and the
/// further trials that a wobble asks for.
pub fn differences_of_runs(theirs: &Admission, ours: &Admission) -> anyhow::Result<Vec<String>> {
    let steady = |admission| -> anyhow::Result<Map<String, Value>> {
        let mut fields = fields(admission)?;
        for measured in ["limits", "trials", "detail", "unstable", "joint", "one_session"] {
            fields.remove(measured);
        }
        if let Some(Value::Object(tests)) = fields.get_mut("tests") {
            tests.values_mut().for_each(|record| *record = record["standing"].take());
        }
        if let Some(Value::Object(listed)) = fields.get_mut("disagreements") {
            listed.values_mut().for_each(|seen| *seen = Value::Null);
        }
        // What was raised may hold an address.
        for name in ["fail_to_pass", "pass_to_pass"] {
            if let Some(Value::Object(lost)) = fields.get_mut("lost_tests").and_then(|lost| lost.get_mut(name)) {
                lost.values_mut().for_each(|why| *why = Value::Null);
            }
        }
        if let Some(Value::Object(files)) = fields.get_mut("lost").and_then(|lost| lost.get_mut("files")) {
            files.values_mut().filter_map(Value::as_object_mut).for_each(|file| drop(file.remove("message")));
        }
        Ok(fields)
    };
    lines(steady(theirs)?, steady(ours)?)
}

fn fields(admission: &Admission) -> anyhow::Result<Map<String, Value>> {
    match serde_json::to_value(Admission { imported: None, ..admission.clone() })? {
        Value::Object(fields) => Ok(fields),
        other => anyhow::bail!("an admission is an object, not {other}"),
    }
}

fn lines(theirs: Map<String, Value>, ours: Map<String, Value>) -> anyhow::Result<Vec<String>> {
    let names: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    let value = |of: &Map<String, Value>, name: &str| of.get(name).cloned().unwrap_or(Value::Null);
    let pairs = names.into_iter().map(|name| (name, value(&theirs, name), value(&ours, name)));
    Ok(pairs.filter(|(_, a, b)| a != b).map(|(name, a, b)| format!("{name}: {}", told(&a, &b))).collect())
}

/// Items of lists and keys of objects that only one side has, or that differ; other values themselves.
fn told(theirs: &Value, ours: &Value) -> String {
    let (Some(a), Some(b)) = (items(theirs), items(ours)) else {
        return format!("{} in the bundle, {} here", cut(theirs), cut(ours));
    };
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>, side: &str| {
        let names: Vec<_> = one.difference(other).map(cut).collect();
        let more = names.len().saturating_sub(MOST_NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shown = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
        (!names.is_empty()).then(|| format!("{shown}{more} only {side}"))
    };
    let parts: Vec<_> = [only(&a, &b, "in the bundle"), only(&b, &a, "here")].into_iter().flatten().collect();
    if parts.is_empty() { "in another order, or more than once".to_owned() } else { parts.join("; ") }
}

/// None: neither a list nor an object.
fn items(value: &Value) -> Option<BTreeSet<String>> {
    let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
    match value {
        Value::Array(list) => Some(list.iter().map(text).collect()),
        Value::Object(fields) => Some(fields.iter().map(|(key, value)| format!("{key}: {value}")).collect()),
        // A field that is left out if it holds nothing.
        Value::Null => Some(BTreeSet::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn cut(value: impl ToString) -> String {
    plain(&value.to_string().chars().take(MOST_TEXT).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn admission(more: Value) -> Admission {
        let mut record = json!({
            "format": crate::model::format::ADMISSION, "instance_id": "one", "key": crate::model::digest::Digest::of(b"key"),
            "fail_to_pass": ["t::a"], "pass_to_pass": ["t::b", "t::c"], "gold_files": [], "framework": "x/1", "repeats": 3,
            "limits": crate::model::trial::Limits::default(), "trials": [], "image": null,
        });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn every_field_that_differs_is_named_and_nothing_in_it_controls_a_terminal() {
        let theirs =
            admission(json!({"fail_to_pass": ["t::a", "t::\u{1b}[2Jz"], "repeats": 4, "refusal": "base_passes"}));
        let ours =
            admission(json!({"imported": {"bundle": crate::model::digest::Digest::of(b"b"), "tool_version": "1"}}));
        let lines = differences(&theirs, &ours).unwrap();
        assert_eq!(
            lines,
            [
                "fail_to_pass: t:: [2Jz only in the bundle",
                "refusal: \"base_passes\" in the bundle, null here",
                "repeats: 4 in the bundle, 3 here"
            ]
        );
    }

    #[test]
    fn what_a_run_measures_is_no_difference_between_runs_and_everything_else_is() {
        let seen = |passed: u32, standing: &str| {
            json!({"detail": "x", "joint": passed > 2, "tests": {"t::a": {"standing": standing, "gold": {"whole": {"passed": passed}}}},
                "disagreements": {"t::z": format!("passed {passed} of 4")},
                "lost_tests": {"of_fail_to_pass": 1, "of_pass_to_pass": 0, "fail_to_pass": {"t::n": format!("no route (0x{passed})")}},
                "lost": {"of": 2, "files": {"t.py": {"why": "does_not_load", "error": "OSError", "message": format!("0x{passed}")}}}})
        };
        let (one, two) = (admission(seen(1, "fail_to_pass")), admission(seen(3, "fail_to_pass")));
        assert_eq!(differences_of_runs(&one, &two).unwrap(), Vec::<String>::new());
        let lines = differences_of_runs(&one, &admission(seen(1, "flaky"))).unwrap();
        assert_eq!(lines, ["tests: t::a: \"fail_to_pass\" only in the bundle; t::a: \"flaky\" only here"]);
    }
}
