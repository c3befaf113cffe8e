//! A sample as it is kept. Pure. A choice without text, reasoning, refusal or tool call is a sample only if the
//! endpoint counted tokens for it or cut it.

use serde_json::{Map, Value, json};

use super::prompts::Entry;
use super::reply::{Choice, Reply};
use crate::model::format;
use crate::model::generation::Generation;
use crate::tokens::estimate;

/// Tokens of prompt and completion, as the endpoint counts them, otherwise estimated.
pub fn used(entry: &Entry, reply: &Reply) -> (u64, u64) {
    match reply.usage {
        Some(usage) => (usage.prompt, usage.completion),
        None => {
            let text = |choice: &Choice| {
                estimate(&choice.content) + choice.reasoning.as_ref().map_or(0, |(_, text)| estimate(text))
            };
            (entry.tokens, reply.choices.iter().map(text).sum())
        }
    }
}

/// A sample as it is kept. The completion is the answer's text, verbatim; reasoning from a field of its own stays in
/// `reasoning_content`, and `sampling.reasoning_field` says which field that was. Whoever joins the two puts the reasoning first.
/// Of a refusal the completion is its text; calls of tools stay in `sampling.tool_calls`.
pub fn generation_of(
    entry: &Entry,
    index: u64,
    model: Option<&str>,
    sampling: &Map<String, Value>,
    reply: &Reply,
    choice: &Choice,
) -> Generation {
    let mut sampling = sampling.clone();
    let mut note = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            sampling.insert(name.to_owned(), value);
        }
    };
    note("finish_reason", choice.finish_reason.as_ref().map(|reason| json!(reason)));
    note("reasoning_field", choice.reasoning.as_ref().map(|(field, _)| json!(field)));
    note("served_model", reply.model.as_ref().map(|model| json!(model)));
    // Of several answers only the sum is known.
    let usage = reply.usage.filter(|_| reply.choices.len() == 1 && reply.lost.is_empty());
    note("prompt_tokens", usage.map(|usage| json!(usage.prompt)));
    note("completion_tokens", usage.map(|usage| json!(usage.completion)));
    note("refusal", choice.refusal.then(|| json!(true)));
    note("tool_calls", choice.tool_calls.clone());
    let marked = [Some(&choice.content), choice.reasoning.as_ref().map(|(_, text)| text)];
    let replaced = reply.replaced > 0 && marked.into_iter().flatten().any(|text| text.contains('\u{fffd}'));
    note("replaced_surrogates", replaced.then(|| json!(reply.replaced)));
    Generation {
        format: format::GENERATION.to_owned(),
        instance_id: entry.instance_id.clone(),
        skill: entry.skill,
        completion: Some(choice.content.clone()),
        reasoning_content: choice.reasoning.as_ref().map(|(_, text)| text.clone()),
        messages: None,
        model: model.map(str::to_owned),
        sampling: Some(Value::Object(sampling)),
        prompt_id: Some(entry.prompt_id.clone()),
        index,
    }
}
