//! A question: an instance and a model's answer to it, as a client sends them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Code, Unanswered};
use crate::model::format;
use crate::model::generation::{Generation, Message, Skill};

/// Body of `POST /v1/verify`. Exactly one of `completion`, `patch` and `messages`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub instance_id: String,
    pub skill: Skill,
    /// What the model wrote, verbatim, reasoning included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<String>,
    /// A bare unified diff (repair, test).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// The whole chat; its last assistant turn is the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Message>>,
    /// Reasoning that came apart from `completion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Kept with the generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Longest time to the answer, milliseconds; the service's own limit where it is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub deadline_ms: Option<u64>,
}

/// Body of `POST /v1/verify/batch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchQuestion {
    pub items: Vec<Question>,
}

impl Question {
    /// The generation that it asks about, and its deadline in milliseconds.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] if it gives no answer or two, or one that the skill cannot have.
    pub fn into_generation(self) -> Result<(Generation, Option<u64>), Unanswered> {
        let invalid = |field: &str, what: &str| Err(Unanswered::of_field(Code::InvalidRequest, field, what));
        match [self.completion.is_some(), self.patch.is_some(), self.messages.is_some()] {
            [true, false, false] | [false, true, false] | [false, false, true] => {}
            [false, false, false] => {
                return invalid("completion", "no answer; give one of completion, patch and messages");
            }
            [_, true, _] => {
                return invalid("patch", "a second answer; give only one of completion, patch and messages");
            }
            [_, _, _] => {
                return invalid("messages", "a second answer; give only one of completion, patch and messages");
            }
        }
        if self.messages.as_ref().is_some_and(|messages| !messages.iter().any(Message::is_answer)) {
            return invalid("messages", "no message is the model's (role assistant or model), so there is no answer");
        }
        if self.patch.is_some() && self.skill == Skill::Localization {
            return invalid("patch", "a localization is a list of files; give it as completion");
        }
        if self.reasoning_content.is_some() && self.completion.is_none() {
            return invalid("reasoning_content", "it goes with completion");
        }
        if self.deadline_ms == Some(0) {
            return invalid("deadline_ms", "must be at least 1");
        }
        let generation = Generation {
            format: format::GENERATION.to_owned(),
            instance_id: self.instance_id,
            skill: self.skill,
            completion: self.completion.or(self.patch),
            reasoning_content: self.reasoning_content,
            messages: self.messages,
            model: self.model,
            sampling: None,
            prompt_id: None,
            index: 0,
        };
        Ok((generation, self.deadline_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code(fields: serde_json::Value) -> Option<Code> {
        let question: Question = serde_json::from_value(fields).unwrap();
        question.into_generation().err().map(|unanswered| unanswered.code)
    }

    #[test]
    fn a_question_has_exactly_one_answer_that_its_skill_can_have() {
        let table = [
            (json!({"instance_id": "i", "skill": "repair", "completion": ""}), true),
            (json!({"instance_id": "i", "skill": "repair", "patch": "diff"}), true),
            (json!({"instance_id": "i", "skill": "test", "messages": [{"role": "assistant", "content": null}]}), true),
            (
                json!({"instance_id": "i", "skill": "test", "messages": [{"role": "model", "content": [{"text": "a"}]}]}),
                true,
            ),
            (json!({"instance_id": "i", "skill": "test", "messages": []}), false),
            (json!({"instance_id": "i", "skill": "test", "messages": [{"role": "user", "content": "a"}]}), false),
            (json!({"instance_id": "i", "skill": "repair"}), false),
            (json!({"instance_id": "i", "skill": "repair", "completion": "", "patch": ""}), false),
            (json!({"instance_id": "i", "skill": "localization", "patch": "diff"}), false),
            (json!({"instance_id": "i", "skill": "repair", "patch": "diff", "reasoning_content": "r"}), false),
            (json!({"instance_id": "i", "skill": "repair", "completion": "", "deadline_ms": 0}), false),
        ];
        for (fields, fine) in table {
            assert_eq!(code(fields.clone()), (!fine).then_some(Code::InvalidRequest), "{fields}");
        }
    }

    #[test]
    fn a_field_that_is_not_known_is_no_question() {
        let fields = json!({"instance_id": "i", "skill": "repair", "completion": "", "timeout": 3});
        assert!(serde_json::from_value::<Question>(fields).unwrap_err().to_string().contains("timeout"));
    }
}
