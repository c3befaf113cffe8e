//! Text of JSON whose strings hold half surrogate pairs, as a tokenizer leaves behind that cuts inside an emoji. Each half
//! becomes U+FFFD, as do bytes that are not UTF-8; everything else stays as it is.
//!
//! Some halves are no cut characters. Some programs read a byte that is not UTF-8 as one half (by the handler `surrogateescape`), and
//! so comes the diff of a Latin-1 source. Where answers are read, [`with_bytes_of_diffs`] keeps those apart: as private characters
//! that no answer may hold otherwise. [`written`] makes halves of them again.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

/// JSON text in which every half is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired<'a> {
    pub text: Cow<'a, str>,
    /// Where a replacement stands: byte offsets in `text`, ascending.
    pub replaced: Vec<usize>,
    /// The text before its halves were replaced; as long as `text`.
    before: Option<Cow<'a, str>>,
}

impl Repaired<'_> {
    /// A part of the text as it was before its halves were replaced.
    pub fn before(&self, part: Range<usize>) -> &str {
        self.before.as_ref().unwrap_or(&self.text).get(part).unwrap_or_default()
    }

    /// How many replacements stand in a part of the text.
    pub fn replaced_in(&self, part: Range<usize>) -> usize {
        let before = |place: usize| self.replaced.partition_point(|at| *at < place);
        before(part.end) - before(part.start)
    }
}

const REPLACEMENT: &str = "\u{fffd}";
/// The replacement as an escape: as long as the escape that it replaces.
const ESCAPED: &str = "\\ufffd";

/// Reads bytes as JSON text. It says nothing about whether the text is JSON.
pub fn repaired(bytes: &[u8]) -> Repaired<'_> {
    let mut replaced = Vec::new();
    let text = decoded(bytes, &mut replaced);
    let halves = halves(&text);
    if halves.is_empty() {
        return Repaired { text, replaced, before: None };
    }
    let (mut whole, mut from) = (String::with_capacity(text.len()), 0);
    for at in &halves {
        whole.push_str(&text[from..*at]);
        whole.push_str(ESCAPED);
        from = at + ESCAPED.len();
    }
    whole.push_str(&text[from..]);
    replaced.extend(halves);
    replaced.sort_unstable();
    Repaired { text: Cow::Owned(whole), replaced, before: Some(text) }
}

/// Half a pair in a JSON text: where it stands, and its escape.
pub fn first_half(json: &str) -> Option<(usize, &str)> {
    let at = *halves(json).first()?;
    Some((at, json.get(at..at + ESCAPED.len())?))
}

/// What a byte that is not UTF-8 is kept as: a private character of the last plane for each.
const ESCAPED_BYTE: u32 = 0x10_f700;

/// The byte that a character was kept for.
pub fn escaped_byte(c: char) -> Option<u8> {
    u32::from(c).checked_sub(ESCAPED_BYTE).and_then(|byte| u8::try_from(byte).ok()).filter(|byte| *byte >= 0x80)
}

/// Whether a text holds a character that a byte was kept as.
pub fn holds_bytes(text: &str) -> bool {
    // Most texts have no character of so high a plane.
    text.as_bytes().contains(&0xf4) && text.chars().any(|c| escaped_byte(c).is_some())
}

/// Every text of a value, names of fields among them.
fn texts(value: &Value) -> Vec<&str> {
    let (mut left, mut texts) = (vec![value], Vec::new());
    while let Some(value) = left.pop() {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => texts.push(text.as_str()),
            Value::Array(values) => left.extend(values),
            Value::Object(fields) => {
                texts.extend(fields.keys().map(String::as_str));
                left.extend(fields.values());
            }
        }
    }
    texts
}

/// A character in a value that a byte could be kept as.
pub fn any_reserved(value: &Value) -> Option<char> {
    let held = texts(value).into_iter().filter(|text| holds_bytes(text));
    held.flat_map(str::chars).find(|letter| escaped_byte(*letter).is_some())
}

/// JSON text in which each byte that was kept is half a pair again.
pub fn written(json: &str) -> Cow<'_, str> {
    if !holds_bytes(json) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + ESCAPED.len());
    for c in json.chars() {
        match escaped_byte(c) {
            Some(byte) => text.push_str(&format!("\\udc{byte:02x}")),
            None => text.push(c),
        }
    }
    Cow::Owned(text)
}

/// JSON text without characters that a byte could be kept as, and how many were replaced.
pub fn without_reserved(json: &str) -> (Cow<'_, str>, usize) {
    let (mut text, mut count, mut rest) = (String::new(), 0, json);
    while let Some((at, length)) = reserved(rest) {
        text.push_str(&rest[..at]);
        text.push_str(ESCAPED);
        rest = &rest[at + length..];
        count += 1;
    }
    if count == 0 {
        return (Cow::Borrowed(json), 0);
    }
    (Cow::Owned(text + rest), count)
}

/// Where such a character or its escape stands first in a JSON text, and how long it is.
fn reserved(json: &str) -> Option<(usize, usize)> {
    let bytes = json.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        at += match bytes[at] {
            b'\\' => match (unit(&bytes[at..]), bytes.get(at + ESCAPED.len()..).and_then(unit)) {
                (Some(0xdbfd), Some(0xdf80..=0xdfff)) => return Some((at, 2 * ESCAPED.len())),
                (Some(_), _) => ESCAPED.len(),
                (None, _) => 2,
            },
            0xf4 => match json[at..].chars().next() {
                Some(c) if escaped_byte(c).is_some() => return Some((at, c.len_utf8())),
                Some(c) => c.len_utf8(),
                None => 1,
            },
            _ => 1,
        };
    }
    None
}

/// JSON text whose halves all stand for bytes ([`escaped_byte`]), and its value. `None` if one stands in another text than a diff,
/// because only the file that is changed tells what such bytes are.
pub fn with_bytes_of_diffs(bytes: &[u8]) -> Option<(String, Value)> {
    let text = with_escaped_bytes(bytes)?;
    let value: Value = serde_json::from_str(&text).ok()?;
    let fit = texts(&value).into_iter().all(|text| !holds_bytes(text) || text.contains("\n@@ -"));
    fit.then_some((text, value))
}

/// JSON text with halves that all stand for bytes; `None` if it has other halves or none, or if it holds one of the characters
/// that they are kept as.
fn with_escaped_bytes(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let halves = halves(text);
    if halves.is_empty() || reserved(text).is_some() {
        return None;
    }
    let (mut whole, mut from) = (String::with_capacity(text.len()), 0);
    for at in halves {
        let byte = unit(&bytes[at..])?.checked_sub(0xdc00).and_then(|byte| u8::try_from(byte).ok())?;
        whole.push_str(&text[from..at]);
        whole.push(char::from_u32(ESCAPED_BYTE + u32::from(byte)).filter(|c| escaped_byte(*c).is_some())?);
        from = at + ESCAPED.len();
    }
    whole.push_str(&text[from..]);
    Some(whole)
}

/// The bytes as text. A surrogate that was encoded as if it were a character is one replacement, not three.
fn decoded<'a>(bytes: &'a [u8], replaced: &mut Vec<usize>) -> Cow<'a, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + REPLACEMENT.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(chunk) = rest.utf8_chunks().next() else { break };
        text.push_str(chunk.valid());
        rest = &rest[chunk.valid().len()..];
        if chunk.invalid().is_empty() {
            continue;
        }
        replaced.push(text.len());
        text.push_str(REPLACEMENT);
        let surrogate = matches!(rest, [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..]);
        rest = &rest[if surrogate { 3 } else { chunk.invalid().len() }..];
    }
    Cow::Owned(text)
}

/// Where escapes of half a pair stand inside the strings of a JSON text.
fn halves(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut inside) = (0, false);
    while let Some(byte) = bytes.get(at) {
        at += match (inside, byte) {
            (_, b'"') => {
                inside = !inside;
                1
            }
            (true, b'\\') => match unit(&bytes[at..]) {
                Some(0xd800..=0xdbff) if matches!(unit(&bytes[at + ESCAPED.len()..]), Some(0xdc00..=0xdfff)) => {
                    2 * ESCAPED.len()
                }
                Some(0xd800..=0xdfff) => {
                    found.push(at);
                    ESCAPED.len()
                }
                Some(_) => ESCAPED.len(),
                // Another escape, a quoted backslash or quote among them.
                None => 2,
            },
            _ => 1,
        };
    }
    found
}

/// The UTF-16 unit that an escape at the beginning stands for.
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn half_a_pair_is_replaced_and_nothing_else_is() {
        let table: [(&[u8], &str, usize); 16] = [
            (br#""\ud83d""#, "\u{fffd}", 1),
            (br#""\uD83D end""#, "\u{fffd} end", 1),
            (br#""\ude00""#, "\u{fffd}", 1),
            (br#""\ud83d\ude00""#, "\u{1f600}", 0),
            (br#""\uD83D\uDE00""#, "\u{1f600}", 0),
            (br#""\ud83d\ud83d\ude00\ude00""#, "\u{fffd}\u{1f600}\u{fffd}", 2),
            (br#""\ude00\ud83d""#, "\u{fffd}\u{fffd}", 2),
            (br#""\ud83d\n\ude00""#, "\u{fffd}\n\u{fffd}", 2),
            (br#""\\ud83d""#, "\\ud83d", 0),
            (br#""\\\ud83d""#, "\\\u{fffd}", 1),
            (br#""\"\ud83d""#, "\"\u{fffd}", 1),
            (br#""\ud83d\\ude00""#, "\u{fffd}\\ude00", 1),
            (br#""\u00e9\ufffd""#, "\u{e9}\u{fffd}", 0),
            (b"\"a\xffb\"", "a\u{fffd}b", 1),
            // As Python's `surrogatepass` writes it.
            (b"\"a\xed\xa0\xbdb\"", "a\u{fffd}b", 1),
            ("\"\u{1f600}\u{e9}\"".as_bytes(), "\u{1f600}\u{e9}", 0),
        ];
        for (json, expected, count) in table {
            let shown = String::from_utf8_lossy(json);
            let repaired = repaired(json);
            let read: String = serde_json::from_str(&repaired.text).unwrap_or_else(|error| panic!("{shown}: {error}"));
            assert_eq!((read.as_str(), repaired.replaced.len()), (expected, count), "{shown}");
        }
    }

    #[test]
    fn keys_and_nested_strings_are_strings_and_every_replacement_has_its_place() {
        let json = br#"{"a\ud800": ["x", {"b": "\udfff"}], "c": "\ud83d\ude00"}"#;
        let repaired = repaired(json);
        let read: Value = serde_json::from_str(&repaired.text).unwrap();
        assert_eq!(read, serde_json::json!({"a\u{fffd}": ["x", {"b": "\u{fffd}"}], "c": "\u{1f600}"}));
        assert!(repaired.replaced.iter().all(|at| repaired.text[*at..].starts_with(ESCAPED)));
        assert_eq!(repaired.replaced.len(), 2);
    }

    #[test]
    fn halves_that_all_stand_for_bytes_are_kept_as_such() {
        let kept = with_escaped_bytes(br#"{"a": "Stra\udcdfe \udcFF", "b": "\\udcdf \ud83d\ude00"}"#).unwrap();
        let read: Value = serde_json::from_str(&kept).unwrap();
        let bytes: Vec<_> = read["a"].as_str().unwrap().chars().filter_map(escaped_byte).collect();
        assert_eq!(bytes, [0xdf, 0xff]);
        assert_eq!(read["b"], "\\udcdf \u{1f600}");
        for other in [
            &br#""whole""#[..],
            br#""\ud83d \udcdf""#,
            br#""\udc41""#,
            br#""\ude00""#,
            b"\"\xff \\udcdf\"",
            br#""\udbfd\udfdf \udcdf""#,
            "\"\u{10f7df} \\udcdf\"".as_bytes(),
        ] {
            assert_eq!(with_escaped_bytes(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn what_is_no_json_is_left_to_its_reader() {
        for text in [r"\ud83d", r#""\ud8"#, r#""\ud8zz""#, r#""\"#, r#""\u"#, "", "\"", "{"] {
            let repaired = repaired(text.as_bytes());
            assert_eq!((&*repaired.text, repaired.replaced.len()), (text, 0));
        }
    }
}
