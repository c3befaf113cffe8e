//! Text of JSON whose strings hold half surrogate pairs, as a tokenizer leaves behind that cuts inside an emoji. Each half
//! becomes U+FFFD, as do bytes that are not UTF-8; everything else stays as it is.
//!
//! Some halves are no cut characters. Some programs read a byte that is not UTF-8 as one half (by the handler `surrogateescape`), and
//! so comes the diff of a Latin-1 source. [`with_escaped_bytes`] keeps those apart.

use std::borrow::Cow;

/// JSON text in which every half is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired<'a> {
    pub text: Cow<'a, str>,
    /// Where a replacement stands: byte offsets in `text`, ascending.
    pub replaced: Vec<usize>,
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
        return Repaired { text, replaced };
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
    Repaired { text: Cow::Owned(whole), replaced }
}

/// What a byte that is not UTF-8 is kept as: a private character of the last plane for each.
const ESCAPED_BYTE: u32 = 0x10_f700;

/// The byte that a character was kept for.
pub fn escaped_byte(c: char) -> Option<u8> {
    u32::from(c).checked_sub(ESCAPED_BYTE).and_then(|byte| u8::try_from(byte).ok()).filter(|byte| *byte >= 0x80)
}

/// JSON text with halves that all stand for bytes ([`escaped_byte`]); `None` if it has other halves or none, or if it holds one
/// of those characters itself.
pub fn with_escaped_bytes(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let halves = halves(text);
    let taken = text.chars().any(|c| escaped_byte(c).is_some()) || text.to_ascii_lowercase().contains("\\udbfd\\udf");
    if halves.is_empty() || taken {
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
