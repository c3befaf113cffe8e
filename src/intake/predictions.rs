//! Predictions: a patch for an instance, in the shapes of SWE-bench (`model_patch`), SWE-bench Pro (`patch`, `prefix`),
//! Multi-SWE-bench (`fix_patch`) and OpenHands (`test_result.git_patch` of `output.jsonl`).

use serde_json::{Map, Value};

use super::records::kind_of;

/// What a row predicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prediction {
    /// Empty if the model gave no answer, which counts as one.
    pub patch: String,
    pub model: Option<String>,
}

/// Fields of the rows of tasks. The patch beside them is the gold one.
const OF_TASKS: [&str; 6] =
    ["problem_statement", "base_commit", "test_patch", "resolved_issues", "FAIL_TO_PASS", "base"];

/// Multi-SWE-bench names an instance by its parts.
pub(super) fn name_instance(row: &mut Map<String, Value>) {
    if row.contains_key("instance_id") {
        return;
    }
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let number = row.get("number").and_then(Value::as_u64);
    if let (Some(org), Some(repo), Some(number)) = (text("org"), text("repo"), number) {
        let id = format!("{org}__{repo}-{number}");
        row.insert("instance_id".to_owned(), Value::String(id));
    }
}

/// The prediction of a row; none if the row has no field of one.
///
/// # Errors
/// The patch is no text, or that of a task; for people.
pub(super) fn read(row: &mut Map<String, Value>) -> Result<Option<Prediction>, String> {
    let places: [&[&str]; 5] =
        [&["model_patch"], &["test_result", "git_patch"], &["git_patch"], &["fix_patch"], &["patch"]];
    let Some(place) = places.into_iter().find(|place| at(row, place).is_some()) else {
        // A run of OpenHands that ended without a patch.
        let ended = row.get("test_result").is_some_and(Value::is_object) && row.contains_key("metadata");
        return Ok(ended.then(|| Prediction { patch: String::new(), model: model(row) }));
    };
    let name = place.join(".");
    if matches!(name.as_str(), "fix_patch" | "patch")
        && let Some(field) = OF_TASKS.into_iter().find(|field| row.contains_key(*field))
    {
        return Err(format!("a row of a task, for it holds {field}: its {name} is the gold one and no prediction"));
    }
    let patch = match at(row, place) {
        Some(Value::String(patch)) => patch.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => return Err(format!("{name} is {}, not text", kind_of(other))),
    };
    Ok(Some(Prediction { patch, model: model(row) }))
}

fn model(row: &Map<String, Value>) -> Option<String> {
    let places: [&[&str]; 4] = [&["model_name_or_path"], &["prefix"], &["metadata", "llm_config", "model"], &["model"]];
    places.into_iter().find_map(|place| at(row, place)?.as_str().map(str::to_owned))
}

fn at<'r>(row: &'r Map<String, Value>, place: &[&str]) -> Option<&'r Value> {
    let (first, rest) = place.split_first()?;
    rest.iter().try_fold(row.get(*first)?, |value, name| value.get(*name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(row: Value) -> Result<Option<Prediction>, String> {
        let Value::Object(mut row) = row else { panic!("a row is an object") };
        read(&mut row)
    }

    #[test]
    fn every_shape_gives_its_patch_and_its_model() {
        for (row, patch, model) in [
            (json!({"model_patch": "d", "model_name_or_path": "m"}), "d", Some("m")),
            (json!({"model_patch": null}), "", None),
            (json!({"patch": "d", "prefix": "pro"}), "d", Some("pro")),
            (json!({"org": "o", "repo": "r", "number": 1, "fix_patch": "d"}), "d", None),
            (
                json!({"test_result": {"git_patch": "d"}, "metadata": {"llm_config": {"model": "m"}}, "instance": {}}),
                "d",
                Some("m"),
            ),
            (json!({"test_result": {}, "metadata": {}, "history": []}), "", None),
            (json!({"git_patch": "d"}), "d", None),
        ] {
            let expected = Prediction { patch: patch.to_owned(), model: model.map(str::to_owned) };
            assert_eq!(of(row.clone()), Ok(Some(expected)), "{row}");
        }
        assert_eq!(of(json!({"found_files": []})), Ok(None));
        let mut row = json!({"org": "o", "repo": "r", "number": 12}).as_object().unwrap().clone();
        name_instance(&mut row);
        assert_eq!(row["instance_id"], "o__r-12");
    }

    #[test]
    fn gold_is_no_prediction_and_a_patch_is_text() {
        for row in [json!({"patch": "d", "base_commit": "c"}), json!({"fix_patch": "d", "resolved_issues": []})] {
            assert!(of(row.clone()).unwrap_err().contains("a row of a task"), "{row}");
        }
        assert_eq!(of(json!({"model_patch": ["d"]})), Err("model_patch is a list, not text".to_owned()));
    }
}
