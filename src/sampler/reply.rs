//! What a chat endpoint answered, taken apart. Pure.

use serde_json::Value;

/// A body that holds answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The model as the endpoint names it.
    pub model: Option<String>,
    pub choices: Vec<Choice>,
    pub usage: Option<Usage>,
}

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    pub content: String,
    /// Reasoning in a field of its own, and that field's name.
    pub reasoning: Option<(&'static str, String)>,
    /// `stop`, `length`, ... as the endpoint says it.
    pub finish_reason: Option<String>,
}

/// Tokens as the endpoint counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub prompt: u64,
    pub completion: u64,
}

/// Fields in which endpoints hand over reasoning: vLLM, SGLang and DeepSeek; OpenRouter and newer vLLM.
const REASONING: [&str; 2] = ["reasoning_content", "reasoning"];

impl Reply {
    /// Reads the body of a chat completion.
    ///
    /// # Errors
    /// Why it holds no answer.
    pub fn of(body: &Value) -> Result<Self, String> {
        if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
            return Err(format!("the body is an error: {}", short(&error.to_string())));
        }
        let choices = body.get("choices").and_then(Value::as_array).ok_or("the body has no `choices`")?;
        if choices.is_empty() {
            return Err("`choices` is empty".to_owned());
        }
        let choices = choices.iter().map(choice).collect::<Result<_, _>>()?;
        let count = |name: &str| body.get("usage")?.get(name)?.as_u64();
        let usage = count("prompt_tokens").zip(count("completion_tokens"));
        Ok(Self {
            model: body.get("model").and_then(Value::as_str).map(str::to_owned),
            choices,
            usage: usage.map(|(prompt, completion)| Usage { prompt, completion }),
        })
    }
}

fn choice(choice: &Value) -> Result<Choice, String> {
    let message = choice.get("message").filter(|message| message.is_object()).ok_or("a choice has no `message`")?;
    let content = match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        // The whole answer was reasoning, or the model declined.
        None | Some(Value::Null) => message.get("refusal").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        Some(other) => return Err(format!("`content` is neither text nor parts: {}", short(&other.to_string()))),
    };
    let reasoning = REASONING.into_iter().find_map(|field| {
        let text = message.get(field)?.as_str().filter(|text| !text.is_empty())?;
        Some((field, text.to_owned()))
    });
    let finish_reason = choice.get("finish_reason").and_then(Value::as_str).map(str::to_owned);
    Ok(Choice { content, reasoning, finish_reason })
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

    #[test]
    fn answers_are_read_with_their_reasoning_whatever_its_field_is_called() {
        let body = json!({"model": "m-1", "usage": {"prompt_tokens": 5, "completion_tokens": 7}, "choices": [
            {"message": {"content": "a", "reasoning_content": "r"}, "finish_reason": "stop"},
            {"message": {"content": null, "reasoning": "s"}, "finish_reason": "length"},
            {"message": {"content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}], "reasoning": ""}},
            {"message": {"content": null, "refusal": "no"}},
        ]});
        let reply = Reply::of(&body).unwrap();
        assert_eq!(reply.usage, Some(Usage { prompt: 5, completion: 7 }));
        let seen: Vec<_> =
            reply.choices.iter().map(|c| (&*c.content, c.reasoning.as_ref().map(|r| (r.0, &*r.1)))).collect();
        let expected =
            [("a", Some(("reasoning_content", "r"))), ("", Some(("reasoning", "s"))), ("bc", None), ("no", None)];
        assert_eq!(seen, expected);
        assert_eq!(reply.choices[1].finish_reason.as_deref(), Some("length"));
    }

    #[test]
    fn bodies_without_answers_say_why() {
        for (body, why) in [
            (json!({"choices": []}), "empty"),
            (json!({"error": {"message": "boom"}}), "boom"),
            (json!([1]), "no `choices`"),
            (json!({"choices": [{}]}), "no `message`"),
            (json!({"choices": [{"message": {"content": 7}}]}), "neither text"),
        ] {
            let error = Reply::of(&body).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
