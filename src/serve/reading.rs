//! From the bytes of a body to questions. A body is split into raw items first, and each item is read alone, so what is
//! wrong with one item of a batch concerns that item. Only what leaves no items to tell apart is wrong with the whole.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Code, Question, Unanswered};
use crate::model::generation::{Generation, Message, Skill};
use crate::surrogates::{self, Repaired};

/// Most items of a batch.
const MOST_ITEMS: usize = 1 << 16;

/// A question that can be asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub generation: Generation,
    pub deadline_ms: Option<u64>,
    /// What was read otherwise than it was written.
    pub notes: Vec<String>,
}

/// A question that cannot be asked.
#[derive(Debug)]
pub(super) struct NotAsked {
    pub instance_id: Option<String>,
    pub error: Unanswered,
}

/// A body that is one question, whose answer may have `most` bytes.
///
/// # Errors
/// It is no JSON, or not a question.
pub(super) fn one(body: &[u8], most: usize) -> Result<Asked, Unanswered> {
    let text = text(body)?;
    let whole: &RawValue = serde_json::from_str(&text.text).map_err(|error| not_json("the body", &error))?;
    asked(whole, &text, most).map_err(|not| not.error)
}

/// A body that is a batch. Questions that cannot be asked stay in their places.
///
/// # Errors
/// It is no JSON, has no list of items, or has too many.
pub(super) fn many(body: &[u8], most: usize) -> Result<Vec<Result<Asked, NotAsked>>, Unanswered> {
    let text = text(body)?;
    let at = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(&text.text);
    let items = Batch { at: &at }.deserialize(&mut reader).and_then(|items| reader.end().map(|()| items));
    let items = items.map_err(|error| match at.get() {
        Some(index) if !error.is_data() => not_json(&format!("items[{index}]"), &error),
        _ => not_json("the body", &error),
    })?;
    if items.len() > MOST_ITEMS {
        let message = format!("{} items, where {MOST_ITEMS} are the most; send them in parts", items.len());
        return Err(Unanswered::new(Code::TooLarge, message));
    }
    let place = |index: usize, not: NotAsked| NotAsked {
        error: Unanswered { message: format!("items[{index}]: {}", not.error.message), ..not.error },
        ..not
    };
    let items = items.into_iter().enumerate();
    Ok(items.map(|(index, item)| asked(item, &text, most).map_err(|not| place(index, not))).collect())
}

/// The body as text: a mark at its beginning is dropped, halves of surrogate pairs are replaced for now ([`settled`]).
fn text(body: &[u8]) -> Result<Repaired<'_>, Unanswered> {
    let wide = match body {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ => None,
    };
    if let Some(wide) = wide {
        return Err(Unanswered::new(Code::MalformedRequest, format!("the body is {wide}; send it as UTF-8")));
    }
    Ok(surrogates::repaired(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)))
}

fn not_json(what: &str, error: &serde_json::Error) -> Unanswered {
    if error.is_data() {
        return Unanswered::new(Code::InvalidRequest, format!("{what} is not what is asked for here: {error}"));
    }
    Unanswered::new(Code::MalformedRequest, format!("{what} is not JSON: {error}"))
}

/// Reads `items` and knows which it is at.
struct Batch<'c> {
    at: &'c Cell<Option<usize>>,
}

impl<'de> DeserializeSeed<'de> for Batch<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Batch<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of questions, {\"items\": [...]}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut items = None;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name != "items" {
                return Err(A::Error::unknown_field(&name, &["items"]));
            }
            if items.replace(map.next_value_seed(Items(self.at))?).is_some() {
                return Err(A::Error::duplicate_field("items"));
            }
        }
        items.ok_or_else(|| A::Error::missing_field("items"))
    }
}

struct Items<'c>(&'c Cell<Option<usize>>);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of questions as `items`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        self.0.set(Some(0));
        while let Some(item) = list.next_element()? {
            items.push(item);
            self.0.set(Some(items.len()));
        }
        self.0.set(None);
        Ok(items)
    }
}

/// An object's fields as they stand there.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with instance_id, skill and an answer")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while fields.len() < MOST_FIELDS
                    && let Some(field) = map.next_entry()?
                {
                    fields.push(field);
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Fields(fields))
            }
        }
        reader.deserialize_map(Object)
    }
}

/// More than a question has; the first that is too many is refused by name.
const MOST_FIELDS: usize = 16;

fn asked(item: &RawValue, text: &Repaired<'_>, most: usize) -> Result<Asked, NotAsked> {
    let (item, notes) = settled(item, text);
    let fields = serde_json::from_str::<Fields<'_>>(&item).map_err(|error| NotAsked {
        instance_id: None,
        error: Unanswered::new(Code::InvalidRequest, format!("not a question: {}", without_place(&error))),
    })?;
    let instance_id = fields.0.iter().find(|(name, _)| name == "instance_id");
    let instance_id = instance_id.and_then(|(_, value)| serde_json::from_str::<String>(value.get()).ok());
    let (generation, deadline_ms) = question(&fields)
        .and_then(|question| fitting(question, most))
        .and_then(Question::into_generation)
        .map_err(|error| NotAsked { instance_id, error })?;
    Ok(Asked { generation, deadline_ms, notes })
}

fn question(fields: &Fields<'_>) -> Result<Question, Unanswered> {
    let (mut instance_id, mut skill) = (None, None);
    let (mut completion, mut patch, mut messages) = (None, None, None);
    let (mut reasoning_content, mut model, mut deadline_ms) = (None, None, None);
    let mut seen = BTreeSet::new();
    for (name, value) in &fields.0 {
        if !seen.insert(name) {
            return Err(Unanswered::of_field(Code::InvalidRequest, name, "the field stands there twice; give it once"));
        }
        match &**name {
            "instance_id" => instance_id = Some(typed::<String>(name, value)?),
            "skill" => skill = Some(typed::<Skill>(name, value)?),
            "completion" => completion = typed(name, value)?,
            "patch" => patch = typed(name, value)?,
            "messages" => messages = typed::<Option<Vec<Message>>>(name, value)?,
            "reasoning_content" => reasoning_content = typed(name, value)?,
            "model" => model = typed(name, value)?,
            "deadline_ms" => deadline_ms = typed(name, value)?,
            unknown => {
                let known = "instance_id, skill, completion, patch, messages, reasoning_content, model, deadline_ms";
                let what = format!("no such field; there are {known}");
                return Err(Unanswered::of_field(Code::InvalidRequest, unknown, what));
            }
        }
    }
    let missing = |name: &str| Unanswered::of_field(Code::InvalidRequest, name, "the field is missing");
    Ok(Question {
        instance_id: instance_id.ok_or_else(|| missing("instance_id"))?,
        skill: skill.ok_or_else(|| missing("skill"))?,
        completion,
        patch,
        messages,
        reasoning_content,
        model,
        deadline_ms,
    })
}

/// A field's value. What is wrong is named with its way inside, e.g. `messages[2].content`.
fn typed<T: DeserializeOwned>(name: &str, value: &RawValue) -> Result<T, Unanswered> {
    let mut reader = serde_json::Deserializer::from_str(value.get());
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inside = error.path().to_string();
        let field = match inside.as_str() {
            "." => name.to_owned(),
            list if list.starts_with('[') => format!("{name}{list}"),
            inside => format!("{name}.{inside}"),
        };
        Unanswered::of_field(Code::InvalidRequest, &field, without_place(error.inner()))
    })
}

/// A message without line and column, which count inside of a field.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

/// The question, unless its answer is too large.
fn fitting(question: Question, most: usize) -> Result<Question, Unanswered> {
    let messages = question.messages.iter().flatten();
    let chat: usize =
        messages.map(|message| message.content.len() + message.reasoning_content.as_ref().map_or(0, String::len)).sum();
    let size = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let sizes = [
        ("completion", size(&question.completion)),
        ("patch", size(&question.patch)),
        ("messages", chat),
        ("reasoning_content", size(&question.reasoning_content)),
    ];
    match sizes.into_iter().find(|(_, size)| *size > most) {
        Some((field, size)) => {
            let what = format!("{size} bytes, where {most} are the most; see --max-answer");
            Err(Unanswered::of_field(Code::TooLarge, field, what))
        }
        None => Ok(question),
    }
}

/// An item as it is read, and what of it was read otherwise than it was written. Half surrogate pairs that stand in diffs alone and
/// all stand for bytes are these bytes, as where files of answers are read; other halves are U+FFFD.
fn settled<'a>(item: &'a RawValue, text: &Repaired<'_>) -> (Cow<'a, str>, Vec<String>) {
    let begin = (item.get().as_ptr() as usize).saturating_sub(text.text.as_ptr() as usize);
    let part = begin..begin + item.get().len();
    let replaced = text.replaced_in(part.clone());
    if replaced > 0
        && let Some((kept, _)) = surrogates::with_bytes_of_diffs(text.before(part).as_bytes())
    {
        let count = kept.chars().filter(|c| surrogates::escaped_byte(*c).is_some()).count();
        // Else something that was not UTF-8 was replaced too.
        if count == replaced {
            let note = format!("half surrogate pairs of a diff were read as the bytes that they stand for: {count}");
            return (Cow::Owned(kept), vec![note]);
        }
    }
    let (item, reserved) = surrogates::without_reserved(item.get());
    let note = |what: &str, count: usize| (count > 0).then(|| format!("{what} were read as U+FFFD: {count}"));
    let notes = [
        note("half surrogate pairs, or bytes that are not UTF-8,", replaced),
        note("characters of U+10F780 to U+10F7FF, by which such bytes are kept,", reserved),
    ];
    (item, notes.into_iter().flatten().collect())
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
