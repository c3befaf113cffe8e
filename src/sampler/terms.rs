//! Fields that an endpoint will not take, and what is sent instead. Pure.
//!
//! A field that is refused is left out or renamed in a trial. The trial holds for the run once a request was answered
//! that way. A refused value is not a refused field. Each sample's `sampling` holds what was sent. If there is a cap on
//! tokens, a completion always keeps a limit.

use serde_json::{Map, Value};

/// A field of a request that endpoints are known to refuse. The first that was sent is given up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    MaxTokens,
    MaxCompletionTokens,
    TopP,
    Temperature,
    N,
}

impl Field {
    const ALL: [Self; 5] = [Self::MaxTokens, Self::MaxCompletionTokens, Self::TopP, Self::Temperature, Self::N];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::TopP => "top_p",
            Self::Temperature => "temperature",
            Self::N => "n",
        }
    }

    /// Whether a text in lower case speaks of this field.
    fn is_in(self, text: &str) -> bool {
        match self {
            Self::N => SEVERAL.iter().any(|words| text.contains(words)),
            other => words(text).any(|word| word == other.as_str()),
        }
    }
}

/// How endpoints say that they give one answer to a request, with or without the name of the field.
const SEVERAL: [&str; 13] = [
    "'n'",
    "\"n\"",
    "`n`",
    "n must be",
    "n > 1",
    "completion choice",
    "multiple choices",
    "multi-choice",
    "multiple completions",
    "multiple candidates",
    "one candidate",
    "one choice",
    "one completion",
];

/// Words about a value that is out of bounds, or about a prompt that is too long; the field itself is taken.
const BOUNDS: [&str; 16] = [
    "at least",
    "at most",
    "between",
    "context length",
    "context size",
    "context window",
    "exceed",
    "greater than",
    "less than",
    "maximum",
    "minimum",
    "range",
    "too high",
    "too large",
    "too long",
    "too many",
];

/// The fields that a refusal is about: the one that it names by itself, otherwise those that its text names. A refusal of
/// a value gives none, unless the error's type says `plain`ly that the field is not supported.
pub fn named(param: Option<&str>, text: &str, plain: bool) -> Vec<Field> {
    let text = text.to_lowercase();
    let bounds = !plain && BOUNDS.iter().any(|words| text.contains(words));
    let by_name =
        Field::ALL.into_iter().find(|field| param.is_some_and(|param| words(param).any(|word| word == field.as_str())));
    let fields = match by_name {
        Some(field) => vec![field],
        None => Field::ALL.into_iter().filter(|field| field.is_in(&text)).collect(),
    };
    fields.into_iter().filter(|field| *field == Field::N || !bounds).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// What was found out about an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// One answer in each request; `n` is not sent.
    pub one_by_one: bool,
    /// `max_completion_tokens` is sent instead of `max_tokens`.
    renamed: bool,
    left_out: Vec<Field>,
}

impl Terms {
    /// The fields as they are sent.
    pub fn applied(&self, parameters: &Map<String, Value>) -> Map<String, Value> {
        let mut parameters = parameters.clone();
        if self.renamed
            && let Some(most) = parameters.shift_remove(Field::MaxTokens.as_str())
        {
            parameters.insert(Field::MaxCompletionTokens.as_str().to_owned(), most);
        }
        for field in &self.left_out {
            parameters.shift_remove(field.as_str());
        }
        parameters
    }

    /// Gives up a field that was refused; says what is sent from now on. `None` if nothing is known to try. `bounded` says that
    /// completions must have a limit, because tokens have a cap.
    pub fn give_up(&mut self, refused: &[Field], sent: &Map<String, Value>, bounded: bool) -> Option<String> {
        let field =
            *refused.iter().filter(|field| **field != Field::N).find(|field| sent.contains_key(field.as_str()))?;
        let name = field.as_str();
        let other = Field::MaxCompletionTokens.as_str();
        match field {
            Field::MaxTokens if sent.contains_key(other) => {
                self.left_out.push(field);
                Some(format!("{name} is left out and {other} alone sent"))
            }
            Field::MaxTokens => {
                self.renamed = true;
                Some(format!("{other} is sent instead of {name}"))
            }
            Field::MaxCompletionTokens if self.renamed && !bounded => {
                self.left_out.push(field);
                Some(format!("neither max_tokens nor {name} is sent; the endpoint's own limit holds"))
            }
            Field::TopP | Field::Temperature => {
                self.left_out.push(field);
                Some(format!("{name} is left out; the endpoint's own value holds"))
            }
            Field::MaxCompletionTokens | Field::N => None,
        }
    }

    /// Takes over what another found out; true if that was new.
    pub fn adopt(&mut self, other: &Self) -> bool {
        let before = self.clone();
        self.one_by_one |= other.one_by_one;
        self.renamed |= other.renamed;
        self.left_out.extend(&other.left_out);
        self.left_out.sort();
        self.left_out.dedup();
        *self != before
    }
}

/// How the user gets around a refusal that names fields which were sent.
pub fn advice(text: &str, sent: &Map<String, Value>) -> Option<String> {
    let text = text.to_lowercase();
    let field = Field::ALL.into_iter().find(|field| sent.contains_key(field.as_str()) && field.is_in(&text))?;
    Some(match field {
        Field::N => "--per-request 1 asks one by one".to_owned(),
        Field::MaxTokens | Field::MaxCompletionTokens => {
            "--max-tokens N asks for less, --body '{\"max_tokens\": null}' leaves the field out".to_owned()
        }
        Field::TopP | Field::Temperature => {
            let name = field.as_str();
            format!(
                "--{} gives another value, --body '{{\"{name}\": null}}' leaves the field out",
                name.replace('_', "-")
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_refused_field_is_told_from_a_refused_value() {
        let use_other = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        for (param, text, plain, expected) in [
            (Some("max_tokens"), use_other, true, vec![Field::MaxTokens]),
            (None, use_other, false, vec![Field::MaxTokens, Field::MaxCompletionTokens]),
            (None, "temperature=0.6 is not taken, only temperature=1", false, vec![Field::Temperature]),
            (None, "Temperature and top_p cannot both be given", false, vec![Field::TopP, Field::Temperature]),
            (Some("body.n"), "wrong", false, vec![Field::N]),
            (None, "Only one completion choice is allowed", false, vec![Field::N]),
            (None, "n must be at most 1", false, vec![Field::N]),
            (Some("max_tokens"), "max_tokens is too large", false, vec![]),
            (None, "temperature must be between 0 and 1", false, vec![]),
            (None, "the prompt exceeds the context window, lower max_tokens", false, vec![]),
            (None, "a line\\n and max_tokens_total", false, vec![]),
        ] {
            assert_eq!(named(param, text, plain), expected, "{text}");
        }
    }

    #[test]
    fn fields_are_given_up_one_after_another_until_nothing_is_known() {
        let wanted = fields(json!({"model": "m", "temperature": 0.6, "top_p": 0.9, "max_tokens": 7, "top_k": 2}));
        let every = [Field::MaxTokens, Field::MaxCompletionTokens, Field::TopP, Field::Temperature, Field::N];
        let mut terms = Terms::default();
        let mut seen = Vec::new();
        while terms.give_up(&every, &terms.applied(&wanted), false).is_some() {
            seen.push(Value::Object(terms.applied(&wanted)).to_string());
        }
        let expected = [
            r#"{"model":"m","temperature":0.6,"top_p":0.9,"top_k":2,"max_completion_tokens":7}"#,
            r#"{"model":"m","temperature":0.6,"top_p":0.9,"top_k":2}"#,
            r#"{"model":"m","temperature":0.6,"top_k":2}"#,
            r#"{"model":"m","top_k":2}"#,
        ];
        assert_eq!(seen, expected);
        // With a cap on all tokens a completion keeps its limit.
        let mut bounded = Terms::default();
        assert!(bounded.give_up(&every, &wanted, true).is_some());
        assert_eq!(bounded.give_up(&[Field::MaxCompletionTokens], &bounded.applied(&wanted), true), None);
        // A limit of the user's own is not touched.
        let both = fields(json!({"max_tokens": 7, "max_completion_tokens": 9}));
        let mut terms = Terms::default();
        assert!(terms.give_up(&every, &both, false).is_some());
        assert_eq!(Value::Object(terms.applied(&both)), json!({"max_completion_tokens": 9}));
        assert_eq!(terms.give_up(&every, &terms.applied(&both), false), None);
    }

    #[test]
    fn what_one_found_out_is_new_once() {
        let mut shared = Terms::default();
        let mut found = Terms { one_by_one: true, ..Terms::default() };
        assert!(shared.adopt(&found));
        assert!(!shared.adopt(&found));
        found.give_up(&[Field::TopP], &fields(json!({"top_p": 1})), false).unwrap();
        assert!(shared.adopt(&found) && !shared.adopt(&found));
        assert!(shared.one_by_one);
    }

    #[test]
    fn advice_names_the_option_of_what_was_sent() {
        let sent = fields(json!({"max_completion_tokens": 7, "top_p": 1}));
        let said = advice("Top_P must be less than 1", &sent).unwrap();
        assert!(said.contains("--top-p") && said.contains(r#"'{"top_p": null}'"#), "{said}");
        assert!(advice("max_completion_tokens is too large", &sent).unwrap().contains("--max-tokens"));
        assert_eq!(advice("temperature is wrong", &sent), None);
    }
}
