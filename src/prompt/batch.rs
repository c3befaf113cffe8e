//! Request files of OpenAI-style batch endpoints, and the names that lead back from their results. Pure.

use serde_json::{Map, Value, json};

use super::record::Prompt;
use crate::model::generation::Message;

/// Most requests and bytes that one file may hold; what hosted batch endpoints take is 50,000 and 200 MB.
pub const MOST_REQUESTS: usize = 50_000;
pub const MOST_BYTES: usize = 190_000_000;

/// The body of a chat request.
pub fn body(parameters: &Map<String, Value>, messages: &[Message]) -> Map<String, Value> {
    let messages: Vec<_> =
        messages.iter().map(|message| json!({"role": message.role, "content": message.content})).collect();
    let mut body = parameters.clone();
    body.insert("messages".to_owned(), Value::Array(messages));
    body
}

/// One line of a request file: all samples of a prompt in one request, from index `first` on.
pub fn request(prompt: &Prompt, first: u64, parameters: &Map<String, Value>) -> Value {
    json!({
        "custom_id": custom_id(&prompt.prompt_id, first),
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body(parameters, &prompt.messages),
    })
}

/// Names a request: `PROMPT_ID#FIRST`.
pub fn custom_id(prompt_id: &str, first: u64) -> String {
    format!("{prompt_id}#{first}")
}

/// The prompt and the first index that a name leads back to.
pub fn parse_custom_id(custom_id: &str) -> Option<(&str, u64)> {
    let (prompt_id, first) = custom_id.rsplit_once('#')?;
    Some((prompt_id, first.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_id_leads_back_and_others_do_not() {
        assert_eq!(parse_custom_id(&custom_id("repair.v1@00ff", 12)), Some(("repair.v1@00ff", 12)));
        assert_eq!(parse_custom_id("request-1"), None);
        assert_eq!(parse_custom_id("a#b"), None);
    }
}
