//! Turns of a conversation as trainers read them, and where the reasoning of an answer goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::generation::{Generation, Message};

/// A chat message as trainers read it: role and content, nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChatMessage {
    pub role: String,
    pub content: String,
}

/// Where the reasoning of an answer goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Reasoning {
    /// Into the message, between think tags, as the model wrote it.
    #[default]
    Inline,
    /// Into the column `reasoning`.
    Apart,
}

/// The answer as a message, and its reasoning if that is to stand apart.
pub fn answer(generation: &Generation, placing: Reasoning) -> (ChatMessage, Option<String>) {
    let (content, apart) = generation.answer();
    let message = |content: &str| ChatMessage { role: "assistant".to_owned(), content: content.to_owned() };
    let inline = with_reasoning(content, apart);
    match placing {
        Reasoning::Inline => (message(&inline), None),
        Reasoning::Apart => {
            let (reasoning, answer) = split_reasoning(&inline);
            (message(answer), reasoning.map(str::to_owned))
        }
    }
}

/// Reasoning and answer of a completion; all of it is the answer if no answer follows the reasoning.
fn split_reasoning(completion: &str) -> (Option<&str>, &str) {
    match crate::prompt::split_reasoning(completion) {
        (Some(reasoning), Some(answer)) => (Some(reasoning), answer),
        _ => (None, completion),
    }
}

pub(super) fn chat(messages: &[Message]) -> Vec<ChatMessage> {
    messages
        .iter()
        .map(|message| ChatMessage {
            role: message.role.clone(),
            content: with_reasoning(&message.content, message.reasoning_content.as_deref()),
        })
        .collect()
}

/// Reasoning that came apart goes back where the model wrote it: before the answer, between think tags.
pub(super) fn with_reasoning(content: &str, reasoning: Option<&str>) -> String {
    match reasoning {
        Some(reasoning) if !reasoning.trim().is_empty() && crate::prompt::split_reasoning(content).0.is_none() => {
            format!("<think>\n{}\n</think>\n\n{}", reasoning.trim(), content.trim_start())
        }
        _ => content.to_owned(),
    }
}
