//! The name of an enum's value: one word, the same in files, in messages and on the console.

use serde::Serialize;

/// The name of a unit variant as it stands in our files.
pub fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        other => unreachable!("unit variants are written as text, not {other:?}"),
    }
}
