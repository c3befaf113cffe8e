//! What a chat endpoint answered, taken apart. Pure.

use std::time::Duration;

use serde_json::Value;

use super::endpoint::Answer;
use super::failure::{Failure, of_fault};
use super::fault::Fault;

/// A body that holds answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The model as the endpoint names it.
    pub model: Option<String>,
    pub choices: Vec<Choice>,
    /// Choices that are not answers, and what that means.
    pub lost: Vec<Failure>,
    pub usage: Option<Usage>,
    /// Half surrogate pairs that were replaced in the body.
    pub replaced: usize,
}

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    pub content: String,
    /// Reasoning in a field of its own, and that field's name.
    pub reasoning: Option<(&'static str, String)>,
    /// `stop`, `length`, ... as the endpoint says it.
    pub finish_reason: Option<String>,
    /// The model declined, and `content` says how.
    pub refusal: bool,
    /// Calls of tools, which nobody offered.
    pub tool_calls: Option<Value>,
}

/// Tokens as the endpoint counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub prompt: u64,
    pub completion: u64,
}

/// Fields in which endpoints hand over reasoning: vLLM, SGLang and DeepSeek; OpenRouter and newer vLLM.
const REASONING: [&str; 2] = ["reasoning_content", "reasoning"];

/// Ends that say that the endpoint failed half-way: of gateways, z.AI, DeepSeek and SGLang.
const FAILED: [&str; 8] =
    ["error", "network_error", "insufficient_system_resource", "abort", "aborted", "cancelled", "canceled", "failed"];

/// Words in ends that say that a filter took the text.
const FILTERED: [&str; 5] = ["filter", "safety", "sensitive", "prohibited", "blocklist"];

impl Reply {
    /// Reads the body of a chat completion.
    ///
    /// # Errors
    /// It has no list of answers.
    pub fn of(answer: &Answer) -> Result<Self, Failure> {
        let body = &answer.body;
        let choices = body
            .get("choices")
            .and_then(Value::as_array)
            .ok_or_else(|| Failure::again(format!("the body has no `choices`: {}", short(&body.to_string()))))?;
        if choices.is_empty() {
            return Err(Failure::again("`choices` is empty"));
        }
        let count = |name: &str| body.get("usage")?.get(name)?.as_u64();
        let usage = count("prompt_tokens").zip(count("completion_tokens"));
        let usage = usage.map(|(prompt, completion)| Usage { prompt, completion });
        let mut reply = Self {
            model: body.get("model").and_then(Value::as_str).map(str::to_owned),
            usage,
            replaced: answer.replaced,
            ..Self::default()
        };
        for one in choices {
            match choice(one, answer.after).and_then(|read| read.spoken(usage, choices.len() == 1)) {
                Ok(choice) => reply.choices.push(choice),
                Err(failure) => reply.lost.push(failure),
            }
        }
        Ok(reply)
    }
}

impl Choice {
    /// The choice, if the model said anything. An empty one is an answer if the endpoint counts tokens for it, or says that it was
    /// cut: then it keeps the reasoning to itself. Of several choices only the sum of tokens is known.
    fn spoken(self, usage: Option<Usage>, single: bool) -> Result<Self, Failure> {
        if !self.content.is_empty() || self.reasoning.is_some() || self.tool_calls.is_some() {
            return Ok(self);
        }
        let end = self.finish_reason.as_deref().unwrap_or_default().to_ascii_lowercase();
        // What is drawn next may pass.
        if FILTERED.iter().any(|word| end.contains(word)) {
            return Err(Failure::again(format!("a filter of the endpoint took the answer ({end})")));
        }
        let tokens = usage.map(|usage| usage.completion);
        let counted = single && tokens.is_some_and(|tokens| tokens > 0);
        let cut = end == "length" && tokens != Some(0);
        if counted || cut {
            Ok(self)
        } else {
            Err(Failure::again("the answer is empty, and no token of it was counted"))
        }
    }
}

fn choice(choice: &Value, after: Option<Duration>) -> Result<Choice, Failure> {
    let message = choice.get("message").filter(|message| message.is_object());
    if let Some(fault) = Fault::beside(choice).or_else(|| Fault::beside(message?)) {
        return Err(of_fault(&fault, "a choice", after));
    }
    let finish_reason = choice.get("finish_reason").and_then(Value::as_str).map(str::to_owned);
    if let Some(end) = finish_reason.as_deref().filter(|end| FAILED.contains(&end.to_ascii_lowercase().as_str())) {
        return Err(Failure::again(format!("the answer broke off ({end})")));
    }
    let message = message.ok_or_else(|| Failure::again("a choice has no `message`"))?;
    let (mut content, parts) = match message.get("content") {
        Some(Value::String(text)) => (text.clone(), &[][..]),
        None | Some(Value::Null) => (String::new(), &[][..]),
        Some(Value::Array(parts)) => {
            (parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(), parts.as_slice())
        }
        Some(other) => {
            let shown = short(&other.to_string());
            return Err(Failure::again(format!("`content` is neither text nor parts: {shown}")));
        }
    };
    let declined: String =
        std::iter::once(message).chain(parts).filter_map(|part| part.get("refusal")?.as_str()).collect();
    let refusal = content.is_empty() && !declined.is_empty();
    if refusal {
        content = declined;
    }
    let reasoning = REASONING.into_iter().find_map(|field| {
        let text = message.get(field)?.as_str().filter(|text| !text.is_empty())?;
        Some((field, text.to_owned()))
    });
    let called = |name: &str| {
        message.get(name).filter(|calls| match calls {
            Value::Array(calls) => !calls.is_empty(),
            calls => calls.is_object(),
        })
    };
    let tool_calls = called("tool_calls").or_else(|| called("function_call")).cloned();
    Ok(Choice { content, reasoning, finish_reason, refusal, tool_calls })
}

/// The beginning of what a server said, on one line.
pub fn short(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reply(body: Value) -> Result<Reply, Failure> {
        Reply::of(&Answer { body, replaced: 0, after: None })
    }

    #[test]
    fn answers_are_read_with_their_reasoning_whatever_its_field_is_called() {
        let reply = reply(json!({"model": "m-1", "usage": {"prompt_tokens": 5, "completion_tokens": 7}, "choices": [
            {"message": {"content": "a", "reasoning_content": "r"}, "finish_reason": "stop"},
            {"message": {"content": null, "reasoning": "s"}, "finish_reason": "length"},
            {"message": {"content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}], "reasoning": ""}},
            {"message": {"content": null, "refusal": "no"}},
            {"message": {"content": [{"type": "refusal", "refusal": "never"}]}},
            {"message": {"content": "partly", "refusal": "no"}, "finish_reason": "content_filter"},
        ]}))
        .unwrap();
        assert_eq!(reply.usage, Some(Usage { prompt: 5, completion: 7 }));
        let seen: Vec<_> = reply
            .choices
            .iter()
            .map(|c| (&*c.content, c.reasoning.as_ref().map(|r| (r.0, &*r.1)), c.refusal))
            .collect();
        let expected = [
            ("a", Some(("reasoning_content", "r")), false),
            ("", Some(("reasoning", "s")), false),
            ("bc", None, false),
            ("no", None, true),
            ("never", None, true),
            ("partly", None, false),
        ];
        assert_eq!(seen, expected);
        assert_eq!(reply.choices[1].finish_reason.as_deref(), Some("length"));
        assert_eq!(reply.lost, []);
    }

    #[test]
    fn what_is_no_answer_is_lost_and_the_others_are_kept() {
        let lost = |choice: Value, usage: Value| {
            let reply = reply(json!({"choices": [choice], "usage": usage})).unwrap();
            assert_eq!(reply.choices.len() + reply.lost.len(), 1);
            reply.lost.first().map(|failure| failure.why().to_owned())
        };
        let none = json!({"prompt_tokens": 0, "completion_tokens": 0});
        let some = json!({"prompt_tokens": 3, "completion_tokens": 4});
        let empty = json!({"message": {"content": null}, "finish_reason": "stop"});
        let blank = json!({"message": {"content": ""}, "finish_reason": "stop"});
        let cut = json!({"message": {"content": null}, "finish_reason": "length"});
        let filtered = json!({"message": {"content": null}, "finish_reason": "content_filter"});
        let called = json!({"message": {"content": null, "tool_calls": [{"id": "1"}]}, "finish_reason": "tool_calls"});
        let half =
            json!({"message": {"content": "ha"}, "finish_reason": "error", "error": {"code": 502, "message": "died"}});
        let beside = json!({"message": {"content": "ha"}, "finish_reason": null, "error": {"message": "died"}});
        let aborted = json!({"message": {"content": "ha"}, "finish_reason": "abort"});
        for (choice, usage, why) in [
            (&empty, &none, Some("empty")),
            (&empty, &json!(null), Some("empty")),
            (&blank, &none, Some("empty")),
            (&empty, &some, None),
            (&cut, &none, Some("empty")),
            (&cut, &json!(null), None),
            (&filtered, &some, Some("filter")),
            (&called, &none, None),
            (&half, &some, Some("died")),
            (&beside, &some, Some("died")),
            (&aborted, &some, Some("broke off")),
            (&json!({}), &some, Some("no `message`")),
            (&json!({"message": {"content": 7}}), &some, Some("neither text")),
        ] {
            let said = lost(choice.clone(), usage.clone());
            assert_eq!(said.is_some(), why.is_some(), "{choice} {usage}: {said:?}");
            assert!(said.unwrap_or_default().contains(why.unwrap_or_default()), "{choice}");
        }
        let reply = reply(json!({"choices": [half, {"message": {"content": "whole"}}, empty], "usage": some})).unwrap();
        assert_eq!((reply.choices.len(), reply.lost.len()), (1, 2));
        assert_eq!(reply.choices[0].content, "whole");
    }

    #[test]
    fn bodies_without_answers_say_why() {
        for (body, why) in [(json!({"choices": []}), "empty"), (json!([1]), "no `choices`: [1]")] {
            let failure = reply(body).unwrap_err();
            assert!(failure.why().contains(why), "{failure:?}");
        }
    }
}
