//! A generation: one model completion, verbatim and immutable.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::model::digest::Digest;
use crate::model::format;
use crate::model::near_names::nearest;

/// What the model was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Skill {
    /// Which files must change.
    Localization,
    /// A test that reproduces the issue.
    Test,
    /// A patch that resolves the issue.
    Repair,
}

impl Skill {
    pub const ALL: [Self; 3] = [Self::Localization, Self::Test, Self::Repair];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Localization => "localization",
            Self::Test => "test",
            Self::Repair => "repair",
        }
    }
}

impl FromStr for Skill {
    type Err = String;

    /// Reads a name in letters of any case.
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|skill| skill.as_str().eq_ignore_ascii_case(text.trim()));
        known.ok_or_else(|| format!("no skill is called {text:?}; {}", nearest(text, Self::ALL.map(Self::as_str))))
    }
}

impl fmt::Display for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One chat message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    pub role: String,
    /// Text. Null, as it stands beside tool calls, is read as empty; parts of text are read joined.
    #[serde(default, deserialize_with = "text_of")]
    pub content: String,
    /// The model's reasoning where the endpoint hands it over in a field of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
}

/// One completion. `completion` is verbatim, reasoning included; or `messages` holds the whole chat, whose last
/// message is the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generation {
    #[serde(default = "generation_format")]
    pub format: String,
    pub instance_id: String,
    pub skill: Skill,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<String>,
    /// Reasoning that came apart from the completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Message>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_id: Option<String>,
    /// Which of the n samples of this prompt it is, from 0.
    #[serde(default)]
    pub index: u64,
}

/// Where a generation stands in the input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct GenerationRef {
    /// Name of the input file; its path as given on the command line where two inputs have one name.
    pub file: String,
    /// Line, counted from 1.
    pub line: u64,
    pub index: u64,
}

impl Generation {
    /// The answer's text and the reasoning that came apart from it.
    pub fn answer(&self) -> (&str, Option<&str>) {
        if let Some(completion) = &self.completion {
            return (completion, self.reasoning_content.as_deref());
        }
        let last = self.messages.iter().flatten().rev().find(|message| message.is_answer());
        last.map_or(("", None), |message| (&message.content, message.reasoning_content.as_deref()))
    }

    /// Names the generation by everything it says. Two lines with one id are one generation written twice.
    pub fn id(&self) -> Digest {
        Digest::of_json(self)
    }
}

impl Message {
    /// Whether the model wrote it. Some families call their model `model`.
    pub fn is_answer(&self) -> bool {
        matches!(self.role.as_str(), "assistant" | "model")
    }
}

/// Content of a message as chat APIs write it: text, null, or a list of texts and of parts with a `text`.
fn text_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let part = |(number, part): (usize, &Value)| {
        let text = part.as_str().or_else(|| part.get("text").and_then(Value::as_str));
        let why = || D::Error::custom(format!("part {number} of the content has no text; only text can be read"));
        text.map(str::to_owned).ok_or_else(why)
    };
    let neither = |what: &str| D::Error::custom(format!("it is {what}, neither text nor a list of parts"));
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Array(parts) => parts.iter().enumerate().map(part).collect(),
        Value::Bool(_) => Err(neither("true or false")),
        Value::Number(_) => Err(neither("a number")),
        Value::Object(_) => Err(neither("an object")),
    }
}

fn generation_format() -> String {
    format::GENERATION.to_owned()
}
