//! A prompt, with how it came about: one line of a prompts file. Its name is the digest of instance and messages, so
//! the same prompt is never sampled twice, and a changed template makes another prompt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::listing::Shown;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::generation::{Message, Skill};

/// What a model is asked, and what was shown and left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Prompt {
    #[serde(default = "prompt_format")]
    pub format: String,
    /// Names the prompt by template, instance and text: `repair.v1@` and 16 hex digits. Generations carry it.
    pub prompt_id: String,
    pub instance_id: String,
    pub skill: Skill,
    pub messages: Vec<Message>,
    /// Template by name and digest of its text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub template: String,
    /// Tokens of the messages' texts, as `counter` counts them.
    #[serde(default)]
    pub tokens: u64,
    /// `estimate.v1`, or the tokenizer file's digest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub counter: String,
    /// How much of the repository the listing shows.
    #[serde(default)]
    pub tree: Shown,
    /// Files shown whole, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ShownFile>,
    /// Files that were meant to be shown and are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Where the localized files come from: `none`, `gold`, `generations` or `verdicts`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub localization: String,
}

/// Why a file is in a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Somebody named it: gold, or a localization.
    Localized,
    /// It was found by the words of the issue.
    Retrieved,
}

/// A file in a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownFile {
    pub path: String,
    pub origin: Origin,
    pub tokens: u64,
}

/// Why a file is not in a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// It would have overflowed the budget.
    OverBudget,
    /// Base has no such file.
    NotAtBase,
    /// It is not UTF-8 text.
    NotText,
}

/// A file that a prompt does without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    pub path: String,
    pub origin: Origin,
    pub why: Absent,
    /// What it would have added, if that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// The name of a prompt by what it says.
pub fn prompt_id(template_name: &str, instance_id: &str, messages: &[Message]) -> String {
    let digest = Digest::of_json(&(instance_id, messages));
    format!("{template_name}@{}", &digest.as_str()[..16])
}

fn prompt_format() -> String {
    format::PROMPT.to_owned()
}
