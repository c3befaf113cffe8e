//! A row of a dataset, understood: ours, tasks of the SWE-bench family, predictions, chats. Pure.

use serde_json::{Map, Value};

use crate::intake::settled;
use crate::model::test_list::test_list;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// `sft-row.v1`.
    Sft,
    /// `rl-row.v1`, or another row in verl's layout with an instance.
    Rl,
    /// An instance with its accepted change.
    Task,
    /// `model_patch` for an instance.
    Prediction,
    /// A chat for training, without anything that it could be checked against.
    Chat,
    Unknown,
}

impl Shape {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sft => "sft",
            Self::Rl => "rl",
            Self::Task => "task",
            Self::Prediction => "prediction",
            Self::Chat => "chat",
            Self::Unknown => "unknown",
        }
    }
}

/// What is looked at in a row. None: the row has no such column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub shape: Shape,
    pub instance_id: Option<String>,
    pub repo: Option<String>,
    pub base_commit: Option<String>,
    /// Problem statement and hints.
    pub problem: Option<String>,
    /// The accepted change of a task, the candidate's of anything else.
    pub patch: Option<String>,
    /// `patch` brings the bug in (SWE-smith).
    pub inverted: bool,
    pub test_patch: Option<String>,
    pub fail_to_pass: Option<Vec<String>>,
    pub pass_to_pass: Option<Vec<String>>,
    pub license: Option<String>,
    /// There is a column for it.
    pub has_license: bool,
    pub skill: Option<String>,
    /// The last turn of the assistant, and everything before it.
    pub answer: Option<String>,
    pub prompt: Option<String>,
    /// Whether somebody's grader called the row right.
    pub label: Option<bool>,
    pub evidence: Option<String>,
    pub receipt: Option<String>,
    pub candidate_id: Option<String>,
    pub files: Vec<String>,
}

/// Columns in which datasets keep whether a patch was right.
const LABELS: [&str; 7] = ["resolved", "is_resolved", "success", "passed", "score", "reward", "target"];

/// Reads a row. Never fails: a row without any known column is [`Shape::Unknown`].
pub fn facts(row: Map<String, Value>) -> Facts {
    let shape = shape_of(&row);
    let row = match (shape, row.get("instance")) {
        (Shape::Rl, Some(Value::Object(instance))) => {
            let mut inner = instance.clone();
            for (name, value) in row.iter().filter(|(name, _)| *name != "instance") {
                inner.entry(name.clone()).or_insert_with(|| value.clone());
            }
            inner
        }
        _ => row,
    };
    let row = settled(row);
    let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    let list = |name: &str| row.get(name).and_then(texts);
    let (prompt, answer) = chat(&row);
    let license = text("license").filter(|license| known_license(license));
    let problem = text("problem_statement").map(|problem| match text("hints_text") {
        Some(hints) if !hints.trim().is_empty() => format!("{problem}\n{hints}"),
        _ => problem,
    });
    Facts {
        shape,
        instance_id: text("instance_id").or_else(|| nested(&row, "extra_info", "instance_id")),
        repo: text("repo"),
        base_commit: text("base_commit"),
        problem,
        patch: match shape {
            Shape::Prediction => Some(text("model_patch").unwrap_or_default()),
            _ => text("patch").or_else(|| row.get("patch").filter(|patch| patch.is_null()).map(|_| String::new())),
        },
        inverted: shape == Shape::Task
            && !row.contains_key("base_commit")
            && !row.contains_key("test_patch")
            && row.contains_key("image_name"),
        test_patch: text("test_patch"),
        fail_to_pass: list("FAIL_TO_PASS"),
        pass_to_pass: list("PASS_TO_PASS"),
        has_license: row.contains_key("license"),
        license,
        skill: text("skill").or_else(|| nested(&row, "extra_info", "skill")),
        answer,
        prompt,
        label: LABELS.iter().find_map(|name| row.get(*name).and_then(label)),
        evidence: text("evidence"),
        receipt: text("receipt"),
        candidate_id: text("candidate_id"),
        files: list("files").unwrap_or_default(),
    }
}

fn shape_of(row: &Map<String, Value>) -> Shape {
    let has = |name: &str| row.contains_key(name);
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    if has("receipt") && has("candidate_id") && has("messages") {
        return Shape::Sft;
    }
    if has("reward_model") && has("instance") {
        return Shape::Rl;
    }
    if has("model_patch") {
        return Shape::Prediction;
    }
    let change = any(&["patch", "fix_patch", "gold_patch"]);
    if change && any(&["instance_id", "problem_statement", "base_commit", "org", "FAIL_TO_PASS"]) {
        return Shape::Task;
    }
    if any(&["messages", "conversations"]) || (has("prompt") && any(&["completion", "response", "chosen"])) {
        return Shape::Chat;
    }
    Shape::Unknown
}

/// A list of texts, or text of one.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::String(text) => test_list(text).ok(),
        _ => None,
    }
}

fn nested(row: &Map<String, Value>, object: &str, name: &str) -> Option<String> {
    row.get(object)?.get(name)?.as_str().map(str::to_owned)
}

/// Prompt and answer of a row's chat, in whichever layout and encoding (SWE-Swiss keeps messages as JSON text).
fn chat(row: &Map<String, Value>) -> (Option<String>, Option<String>) {
    let decoded = ["messages", "conversations", "chosen", "prompt"].iter().find_map(|name| {
        let value = row.get(*name)?;
        match value {
            Value::Array(_) => Some(value.clone()),
            Value::String(text) => serde_json::from_str::<Value>(text).ok().filter(Value::is_array),
            _ => None,
        }
    });
    let Some(Value::Array(turns)) = decoded else {
        let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        return (text("prompt"), text("completion").or_else(|| text("response")));
    };
    let field = |turn: &Value, names: [&str; 2]| {
        names.iter().find_map(|name| turn.get(*name).and_then(Value::as_str)).unwrap_or_default().to_owned()
    };
    let role = |turn: &Value| field(turn, ["role", "from"]);
    let last = turns.iter().rposition(|turn| ["assistant", "gpt"].contains(&&*role(turn)));
    let content = |turn: &Value| field(turn, ["content", "value"]);
    let before = &turns[..last.unwrap_or(turns.len())];
    (Some(before.iter().map(content).collect::<Vec<_>>().join("\n")), last.map(|last| content(&turns[last])))
}

fn label(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(label) => Some(*label),
        Value::Number(number) => match number.as_f64()? {
            score if score >= 1.0 => Some(true),
            score if score <= 0.0 => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a licence column says anything.
fn known_license(license: &str) -> bool {
    let nothing = ["", "unknown", "none", "null", "other", "noassertion", "n/a"];
    !nothing.contains(&license.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(row: Value) -> Facts {
        let Value::Object(row) = row else { panic!("a row is an object") };
        facts(row)
    }

    #[test]
    fn rows_of_many_datasets_are_understood() {
        let task = json!({"instance_id": "a__a-1", "repo": "a/a", "base_commit": "0", "patch": "d", "test_patch": "t",
            "problem_statement": "p", "FAIL_TO_PASS": "[\"t::a\"]", "PASS_TO_PASS": [], "license_name": "MIT"});
        let facts = read(task);
        assert_eq!(
            (facts.shape, facts.fail_to_pass, facts.license.as_deref()),
            (Shape::Task, Some(vec!["t::a".to_owned()]), Some("MIT"))
        );
        let smith =
            read(json!({"instance_id": "a", "repo": "a/a", "patch": "d", "image_name": "i", "FAIL_TO_PASS": ["t"]}));
        assert!(smith.inverted);
        let multi = read(
            json!({"org": "cli", "repo": "cli", "number": 3, "base": {"sha": "a"}, "fix_patch": "d", "f2p_tests": {"T": {}}}),
        );
        assert_eq!((multi.instance_id.as_deref(), multi.repo.as_deref()), (Some("cli__cli-3"), Some("cli/cli")));
        let pro = read(json!({"instance_id": "a", "patch": "d", "fail_to_pass": "['t.py | it\\'s', \"b\"]"}));
        assert_eq!(pro.fail_to_pass, Some(vec!["t.py | it's".to_owned(), "b".to_owned()]));
        let prediction = read(json!({"instance_id": "a", "model_patch": null, "resolved": false}));
        assert_eq!((prediction.patch.as_deref(), prediction.label), (Some(""), Some(false)));
        let swiss = read(
            json!({"messages": "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"}]", "__index_level_0__": 3}),
        );
        assert_eq!(
            (swiss.shape, swiss.prompt.as_deref(), swiss.answer.as_deref()),
            (Shape::Chat, Some("q"), Some("a"))
        );
        let sharegpt = read(json!({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}));
        assert_eq!(sharegpt.answer.as_deref(), Some("a"));
        let rl = read(
            json!({"reward_model": {"style": "rule"}, "instance": {"instance_id": "a", "patch": "d", "license": ""}, "extra_info": {"skill": "repair"}, "prompt": []}),
        );
        assert_eq!((rl.shape, rl.instance_id.as_deref(), rl.skill.as_deref()), (Shape::Rl, Some("a"), Some("repair")));
        assert!(rl.has_license && rl.license.is_none());
        assert_eq!(read(json!({"text": "x"})).shape, Shape::Unknown);
    }
}
