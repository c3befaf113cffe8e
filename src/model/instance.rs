//! An instance: an issue in a repository, with its gold patch, its tests and the environment they run in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::model::declared::Declared;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::test_list::test_list;

/// One task. On disk the field names are those of SWE-bench, so rows of that family read as they are; fields that
/// are unknown here survive a round trip in `extra`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// Always `instance.v1` when written by this tool.
    #[serde(default = "instance_format")]
    pub format: String,
    pub instance_id: String,
    /// `owner/name`, or the package name of a release pair.
    pub repo: String,
    /// Commit (40 hex digits) of the tree that candidates start from.
    pub base_commit: String,
    pub problem_statement: String,
    #[serde(default, deserialize_with = "text_or_null")]
    pub hints_text: String,
    /// Gold patch: the accepted change outside tests, as a unified diff against base.
    pub patch: String,
    /// The change inside tests, as a unified diff against base.
    #[serde(default, deserialize_with = "text_or_null")]
    pub test_patch: String,
    /// Tests that fail on base and pass on gold. Re-derived by `assay validate`, never inherited.
    #[serde(rename = "FAIL_TO_PASS", default, deserialize_with = "list_or_json_text")]
    pub fail_to_pass: Vec<String>,
    /// Tests that pass on both.
    #[serde(rename = "PASS_TO_PASS", default, deserialize_with = "list_or_json_text")]
    pub pass_to_pass: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// SPDX expression of the repository at base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Where the instance came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    #[serde(default)]
    pub environment: Environment,
    /// Fields of foreign rows that this tool does not interpret.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Where an instance came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// Two source releases of a package in the Python package index.
    Pypi { name: String, old: String, new: String },
    /// A commit range of a local git repository.
    Git { path: String, base: String, fix: String },
    /// Two folders, before and after.
    Folders { base: String, fix: String },
    /// A row of somebody's dataset: file and line (or row), counted from 1.
    Row { file: String, line: u64 },
}

/// What the tests run in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Environment {
    /// Docker reference of a ready image that holds the repository in `workdir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Name of a folder in `sandboxes/`: how to make the environment when there is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// Absolute path of the repository inside the sandbox.
    pub workdir: String,
    /// Test runner: `pytest` or `unittest`.
    pub framework: String,
    /// A test command of the instance's own. No runner takes one yet: an instance that has it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_command: Option<Vec<String>>,
    /// Extra environment variables for the tests.
    pub env: BTreeMap<String, String>,
    /// Upper bound for one trial in seconds. The deadline follows from gold's runs and is never longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
    /// Interpreter inside the sandbox (image instances), or the wanted host interpreter (recipes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// pip requirement lines installed beside the recipe's own, e.g. `markupsafe==3.0.2`.
    pub requirements: Vec<String>,
    /// Test files and folders that make the suite, in place of what the runner's own configuration says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// What the project itself declares for its tests, by where it stands. What cannot be installed together with the rest
    /// gives way, and the admission says so; `requirements` never give way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub declared: Vec<Declared>,
    /// Extras of the project that its tests need and that only its built metadata tells. They give way as `declared` does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<String>,
    /// Lock and constraint files of the base tree. Their versions are taken if everything can be installed in them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            image: None,
            recipe: None,
            workdir: "/testbed".to_owned(),
            framework: "pytest".to_owned(),
            test_command: None,
            env: BTreeMap::new(),
            timeout_s: None,
            python: None,
            requirements: Vec::new(),
            tests: Vec::new(),
            declared: Vec::new(),
            extras: Vec::new(),
            locks: Vec::new(),
        }
    }
}

impl Environment {
    /// Names the program that the tests are run with.
    pub fn set_tool(&mut self, tool: Option<String>) {
        self.python = tool;
    }

    /// The program that the tests are run with, if the instance names one.
    pub fn tool(&self) -> Option<&str> {
        self.python.as_deref()
    }
}

impl Instance {
    /// Names everything that a verdict about this instance depends on: base, patches and environment. The expected
    /// tests are left out, because they are derived by running, and so are texts that only prompts use.
    pub fn digest(&self) -> Digest {
        Digest::of_json(&(
            &self.instance_id,
            &self.base_commit,
            &self.patch,
            &self.test_patch,
            &self.fail_to_pass,
            &self.pass_to_pass,
            &self.environment,
        ))
    }
}

fn instance_format() -> String {
    format::INSTANCE.to_owned()
}

fn text_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

/// SWE-bench stores test lists either as lists or as JSON text of a list, SWE-bench Pro as the text of a printed list.
fn list_or_json_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => test_list(&text).map_err(D::Error::custom),
        list @ Value::Array(_) => serde_json::from_value(list)
            .map_err(|error| D::Error::custom(format!("test list holds something other than text: {error}"))),
        other => Err(D::Error::custom(format!("test list is neither a list nor JSON text: {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row() -> Value {
        json!({
            "instance_id": "a__a-1", "repo": "a/a", "base_commit": "0".repeat(40), "problem_statement": "p",
            "patch": "", "hints_text": null, "FAIL_TO_PASS": "[\"t::a\"]", "PASS_TO_PASS": ["t::b"], "difficulty": "15 min"
        })
    }

    #[test]
    fn a_swe_bench_row_reads_as_it_is_and_keeps_unknown_fields() {
        let instance: Instance = serde_json::from_value(row()).unwrap();
        assert_eq!(instance.fail_to_pass, ["t::a"]);
        assert_eq!(instance.pass_to_pass, ["t::b"]);
        assert_eq!(instance.hints_text, "");
        let back = serde_json::to_value(&instance).unwrap();
        assert_eq!(back["difficulty"], "15 min");
        assert_eq!(back["format"], "instance.v1");
    }

    #[test]
    fn a_test_list_that_is_no_list_is_refused_with_a_reason() {
        let mut bad = row();
        bad["FAIL_TO_PASS"] = json!("not json");
        let error = serde_json::from_value::<Instance>(bad).unwrap_err().to_string();
        assert!(error.contains("not a JSON list"), "{error}");
    }
}
