//! Records of any file that people keep rows in: json, jsonl and parquet, plain or compressed with gzip or zstd.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::parquet;
use crate::surrogates::{any_reserved, first_half, with_bytes_of_diffs};

/// One record: a row, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Line, or row of a table or an array, counted from 1.
    pub line: u64,
    pub row: Result<Map<String, Value>, String>,
}

const NAME_IT_JSON: &str = "if it is meant as a list of rows, name the file .json";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Json,
    Lines,
    Parquet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Hands every record of a file to `take`, in order and one at a time.
///
/// # Errors
/// The file cannot be opened or read, or its name tells no format. A record that cannot be used is not an error.
pub fn each_record(path: &Path, take: &mut dyn FnMut(Record)) -> Result<()> {
    each(path, Rows::Any, take)
}

/// The same of a file of answers. In its lines, and in the rows of its lists, half surrogate pairs in diffs stand for bytes that are not UTF-8
/// ([`crate::surrogates`]). A record that holds a character by which such a byte is kept cannot be used.
pub(super) fn each_answer(path: &Path, take: &mut dyn FnMut(Record)) -> Result<()> {
    each(path, Rows::Answers, take)
}

/// What the rows of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    Any,
    Answers,
}

impl Rows {
    /// A row as it was read without any byte being kept.
    fn plain(self, row: Map<String, Value>) -> Result<Map<String, Value>, String> {
        if self == Self::Any {
            return Ok(row);
        }
        let row = Value::Object(row);
        match (any_reserved(&row), row) {
            (Some(c), _) => Err(format!(
                "the row holds the private character U+{:X}; U+10F780 to U+10F7FF cannot be read in an answer, because bytes that \
                 are not UTF-8 are kept as them",
                u32::from(c)
            )),
            (None, Value::Object(row)) => Ok(row),
            (None, other) => Err(not_a_row(&other)),
        }
    }
}

fn each(path: &Path, rows: Rows, take: &mut dyn FnMut(Record)) -> Result<()> {
    let take_plain = &mut |Record { line, row }: Record| {
        take(Record { line, row: row.and_then(|row| rows.plain(row)) });
    };
    let (layout, packing) = layout_of(path)?;
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    if layout == Layout::Parquet && packing == Packing::Plain {
        return parquet::each_row(file, take_plain).with_context(|| format!("reading {} as parquet", path.display()));
    }
    let reader: Box<dyn Read> = match packing {
        Packing::Plain => Box::new(file),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
        Packing::Zstd => {
            Box::new(zstd::Decoder::new(file).with_context(|| format!("reading {} as zstd", path.display()))?)
        }
    };
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    match layout {
        Layout::Lines => {
            each_line(&mut reader, packing, rows, take).with_context(|| format!("reading {}", path.display()))
        }
        Layout::Json => {
            each_json(reader, rows, take);
            Ok(())
        }
        Layout::Parquet => {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).with_context(|| format!("unpacking {}", path.display()))?;
            parquet::each_row(Bytes::from(bytes), take_plain)
                .with_context(|| format!("reading {} as parquet", path.display()))
        }
    }
}

/// Whether a file's name tells a format of records.
pub(super) fn is_named_as_records(path: &Path) -> bool {
    layout_of(path).is_ok()
}

fn layout_of(path: &Path) -> Result<(Layout, Packing)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let (stem, packing) = match name.rsplit_once('.') {
        Some((stem, "gz")) => (stem, Packing::Gzip),
        Some((stem, "zst")) => (stem, Packing::Zstd),
        _ => (name.as_str(), Packing::Plain),
    };
    let layout = match stem.rsplit_once('.').map(|(_, suffix)| suffix) {
        Some("json") => Layout::Json,
        Some("jsonl" | "ndjson") => Layout::Lines,
        Some("parquet") => Layout::Parquet,
        _ => bail!(
            "{}: the name tells no format; use .json, .jsonl or .parquet, each with .gz or .zst if it is compressed",
            path.display()
        ),
    };
    Ok((layout, packing))
}

fn each_line(reader: &mut dyn BufRead, packing: Packing, rows: Rows, take: &mut dyn FnMut(Record)) -> Result<()> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        match reader.read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if packing == Packing::Plain => return Err(error.into()),
            Err(error) => {
                let row = Err(format!("the compressed file is damaged from here on: {error}"));
                take(Record { line, row });
                break;
            }
        }
        let text = if line == 1 { bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes) } else { &bytes };
        if text.trim_ascii().is_empty() {
            continue;
        }
        // One list over many lines: no line of it is a row.
        if line == 1 && text.trim_ascii() == b"[" {
            let why = format!("the file is one JSON list, and none of its rows could be read; {NAME_IT_JSON}");
            take(Record { line, row: Err(why) });
            break;
        }
        let row = match row_of(text, rows, "column") {
            Ok(Err(why)) if text.trim_ascii_start().starts_with(b"[") => Err(format!("{why}; {NAME_IT_JSON}")),
            Ok(row) => row,
            Err(_) if !text.ends_with(b"\n") => Err("torn last line: the file ends inside a record".to_owned()),
            Err(error) => Err(format!("broken JSON: {error}")),
        };
        take(Record { line, row });
    }
    Ok(())
}

/// The row of a JSON text, or why it is none; an error if the text is no JSON, even without what Python and tokenizers leave behind.
/// `places` says in what a place is counted.
fn row_of(text: &[u8], rows: Rows, places: &str) -> serde_json::Result<Result<Map<String, Value>, String>> {
    let error = match serde_json::from_slice(text) {
        Ok(Value::Object(row)) => return Ok(rows.plain(row)),
        Ok(other) => return Ok(Err(not_a_row(&other))),
        Err(error) => error,
    };
    let mended = without_nan(text);
    let mended = mended.as_deref().unwrap_or(text);
    if let Ok(Value::Object(row)) = serde_json::from_slice(mended) {
        return Ok(rows.plain(row));
    }
    if rows == Rows::Answers
        && let Some((_, Value::Object(row))) = with_bytes_of_diffs(mended)
    {
        return Ok(Ok(row));
    }
    half(text, mended, places).map_or(Err(error), |why| Ok(Err(why)))
}

/// Where a row that is JSON but for half surrogate pairs, once it is mended, holds the first of them; `None` if it holds none.
fn half(row: &[u8], mended: &[u8], places: &str) -> Option<String> {
    let (shown, _) = first_half(std::str::from_utf8(row).ok()?)?;
    let text = std::str::from_utf8(mended).ok()?;
    let (at, half) = first_half(text)?;
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let holds = |value: &RawValue| {
        let begin = (value.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize);
        begin.is_some_and(|begin| (begin..begin + value.get().len()).contains(&at))
    };
    let field = fields.iter().find(|(_, value)| holds(value)).map(|(name, _)| format!("the field {name:?} holds "));
    Some(format!(
        "broken JSON: {}{half} in {places} {}, which is half a surrogate pair and no character",
        field.unwrap_or_default(),
        shown + 1
    ))
}

/// A row with `null` for what Python writes for numbers that JSON does not have; `None` if it has none of them.
fn without_nan(text: &[u8]) -> Option<Vec<u8>> {
    let (mut mended, mut quoted, mut at) = (Vec::with_capacity(text.len()), false, 0);
    while at < text.len() {
        let word = [&b"NaN"[..], b"-Infinity", b"Infinity"].into_iter().find(|word| text[at..].starts_with(word));
        match (quoted, text[at], word) {
            (false, _, Some(word)) => {
                mended.extend(b"null");
                at += word.len();
                continue;
            }
            (true, b'\\', _) => mended.extend(text.get(at..at + 2)?),
            (_, byte, _) => {
                quoted ^= byte == b'"';
                mended.push(byte);
            }
        }
        at += if quoted && text[at] == b'\\' { 2 } else { 1 };
    }
    (mended != text).then_some(mended)
}

/// An array of rows, one row, an object of rows by instance id, or rows one after the other.
fn each_json(mut reader: impl BufRead, rows: Rows, take: &mut dyn FnMut(Record)) {
    let mut next = 1;
    // Some editors write a byte order mark. A read error here comes again, and is told, when the values are read.
    if reader.fill_buf().is_ok_and(|start| start.starts_with(BYTE_ORDER_MARK)) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    let mut json = serde_json::Deserializer::from_reader(reader);
    let result = loop {
        if let Err(error) = json.end() {
            // Not at the end: one more value.
            if error.is_io() {
                break Err(error);
            }
        } else {
            break Ok(());
        }
        if let Err(error) = (Values { next: &mut next, rows, take: &mut *take }).deserialize(&mut json) {
            break Err(error);
        }
    };
    if let Err(error) = result {
        let why = format!("broken JSON: {error}; nothing after it could be read, in JSON lines the rest would go on");
        take(Record { line: next, row: Err(why) });
    }
}

/// What a value is, for people.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn not_a_row(value: &Value) -> String {
    format!("{} where a row (a JSON object) is expected", kind_of(value))
}

/// Takes the rows out of a value without holding a whole array. Each row is read by itself, so that one which holds half a surrogate
/// pair does not take the others along.
struct Values<'a> {
    next: &'a mut u64,
    rows: Rows,
    take: &'a mut dyn FnMut(Record),
}

impl Values<'_> {
    fn give(&mut self, text: &str, id: Option<String>) {
        let mut row = match row_of(text.as_bytes(), self.rows, "byte") {
            Ok(row) => row,
            Err(error) => Err(format!("broken JSON: {error}")),
        };
        if let (Ok(row), Some(id)) = (&mut row, id) {
            row.entry("instance_id").or_insert(Value::String(id));
        }
        (self.take)(Record { line: *self.next, row });
        *self.next += 1;
    }
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row or an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element::<Box<RawValue>>()? {
            self.give(row.get(), None);
        }
        Ok(())
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
        while let Some(field) = entries.next_entry()? {
            fields.push(field);
        }
        let is_row = |(name, value): &(String, Box<RawValue>)| name != "instance_id" && value.get().starts_with('{');
        if !fields.is_empty() && fields.iter().all(is_row) {
            for (id, row) in fields {
                self.give(row.get(), Some(id));
            }
            return Ok(());
        }
        let written = fields.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())));
        let row = format!("{{{}}}", written.collect::<Vec<_>>().join(","));
        self.give(&row, None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Vec<(u64, Result<String, String>)> {
        let mut records = Vec::new();
        each_json(text.as_bytes(), Rows::Any, &mut |record| {
            records.push((record.line, record.row.map(|row| Value::Object(row).to_string())));
        });
        records
    }

    #[test]
    fn names_tell_layout_and_packing() {
        let table = [
            ("a.json", Layout::Json, Packing::Plain),
            ("a.b.JSONL.gz", Layout::Lines, Packing::Gzip),
            ("train-00000-of-00001.parquet", Layout::Parquet, Packing::Plain),
            ("a.jsonl.zst", Layout::Lines, Packing::Zstd),
        ];
        for (name, layout, packing) in table {
            assert_eq!(layout_of(Path::new(name)).unwrap(), (layout, packing), "{name}");
        }
        for name in ["a", "a.csv", "a.gz", "a.tar.gz"] {
            let error = layout_of(Path::new(name)).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(".jsonl"), "{error}");
        }
    }

    #[test]
    fn json_may_be_an_array_a_row_rows_by_id_or_rows_in_sequence() {
        let one = || Ok(r#"{"instance_id":"a"}"#.to_owned());
        let two = || Ok(r#"{"instance_id":"b"}"#.to_owned());
        assert_eq!(json(r#"[{"instance_id":"a"},{"instance_id":"b"}]"#), [(1, one()), (2, two())]);
        assert_eq!(json(r#" {"instance_id":"a"} "#), [(1, one())]);
        assert_eq!(json(r#"{"a":{},"b":{}}"#), [(1, one()), (2, two())]);
        assert_eq!(json("{\"instance_id\":\"a\"}\n{\"instance_id\":\"b\"}\n"), [(1, one()), (2, two())]);
        assert_eq!(json("\u{feff}[{\"instance_id\":\"a\"}]"), [(1, one())]);
        assert_eq!(json(""), []);
        assert_eq!(json("[]"), []);
    }

    #[test]
    fn numbers_that_json_does_not_have_are_null_and_texts_keep_their_words() {
        let text = b"{\"a\": NaN, \"b\": [-Infinity, 1], \"c\": \"NaN \\\" NaN\"}\n{\"a\": NaN1}\n";
        let mut rows = Vec::new();
        each_line(&mut &text[..], Packing::Plain, Rows::Any, &mut |record| rows.push(record.row)).unwrap();
        let expected = serde_json::json!({"a": null, "b": [null, 1], "c": "NaN \" NaN"});
        assert_eq!(rows[0].as_ref().map(|row| Value::Object(row.clone())), Ok(expected));
        assert!(rows[1].as_ref().unwrap_err().contains("broken JSON"));
    }

    #[test]
    fn half_pairs_are_bytes_in_diffs_of_answers_alone_and_are_named_elsewhere() {
        let read = |text: &str, rows: Rows| {
            let mut found = Vec::new();
            each_line(&mut text.as_bytes(), Packing::Plain, rows, &mut |record| found.push(record.row)).unwrap();
            found.remove(0)
        };
        let diff =
            "{\"instance_id\": \"a\", \"model_patch\": \"--- a/x\\n+++ b/x\\n@@ -1 +1 @@\\n-\\udcfc\\n+x\\n\"}\n";
        let answer = read(diff, Rows::Answers).unwrap();
        assert!(answer["model_patch"].as_str().unwrap().contains("\n-\u{10f7fc}\n"));
        let refused = read(diff, Rows::Any).unwrap_err();
        let at = diff.find("\\udcfc").unwrap() + 1;
        for part in ["broken JSON", "\"model_patch\"", "\\udcfc", &format!("column {at},")] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
        let prose = "{\"instance_id\": \"a\", \"completion\": \"cut \\ud83d\"}\n";
        for rows in [Rows::Any, Rows::Answers] {
            assert!(read(prose, rows).unwrap_err().contains("\\ud83d"));
        }
        // Beside a number that JSON does not have.
        let both = diff.replace("\"instance_id\"", "\"score\": NaN, \"instance_id\"");
        let answer = read(&both, Rows::Answers).unwrap();
        assert!(answer["score"].is_null() && answer["model_patch"].as_str().unwrap().contains("\n-\u{10f7fc}\n"));
        let refused = read(&both, Rows::Any).unwrap_err();
        let at = both.find("\\udcfc").unwrap() + 1;
        assert!(refused.contains("\"model_patch\"") && refused.contains(&format!("column {at},")), "{refused}");
        // What a byte is kept as cannot be told from a byte.
        for own in ["{\"patch\": \"\u{10f7fc}\"}\n", "{\"patch\": [{\"\\udbfd\\udffc\": 1}]}\n"] {
            assert!(read(own, Rows::Any).is_ok());
            assert!(read(own, Rows::Answers).unwrap_err().contains("U+10F7FC"));
        }
    }

    #[test]
    fn a_half_pair_in_a_list_concerns_its_row_alone() {
        let diff = r#"{"instance_id": "a", "model_patch": "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\udcfc\n+x\n"}"#;
        let prose = r#"{"instance_id": "b", "completion": "cut \ud83d"}"#;
        let last = r#"{"instance_id": "c", "completion": "whole"}"#;
        let by_id = format!(r#"{{"a": {diff}, "b": {prose}, "c": {last}}}"#);
        for text in [format!("[{diff}, {prose},\n {last}]"), format!("{diff}\n{prose}\n{last}\n"), by_id] {
            let mut rows = Vec::new();
            each_json(text.as_bytes(), Rows::Answers, &mut |record| rows.push(record.row));
            assert_eq!(rows.len(), 3, "{text}");
            assert!(rows[0].as_ref().unwrap()["model_patch"].as_str().unwrap().contains("\n-\u{10f7fc}\n"), "{text}");
            let refused = rows[1].as_ref().unwrap_err();
            assert!(refused.contains("\"completion\"") && refused.contains("\\ud83d"), "{refused}");
            assert_eq!(rows[2].as_ref().unwrap()["instance_id"], "c");
        }
        assert!(json(&format!("[{diff}, {last}]"))[0].1.is_err() && json(&format!("[{diff}, {last}]"))[1].1.is_ok());
    }

    #[test]
    fn rows_before_a_break_in_an_array_are_kept() {
        let records = json(r#"[{"instance_id":"a"}, 7, {"instance_id":"#);
        assert_eq!(records.len(), 3);
        assert!(records[0].1.is_ok());
        assert_eq!(records[1], (2, Err("a number where a row (a JSON object) is expected".to_owned())));
        assert!(records[2].0 == 3 && records[2].1.as_ref().unwrap_err().contains("broken JSON"), "{:?}", records[2]);
    }

    #[test]
    fn a_list_in_a_file_of_lines_is_told_as_such() {
        let read = |text: &str| {
            let mut rows = Vec::new();
            each_line(&mut text.as_bytes(), Packing::Plain, Rows::Any, &mut |record| {
                rows.push((record.line, record.row))
            })
            .unwrap();
            rows
        };
        for (text, count) in [("[\n  {\"a\": 1},\n  {\"a\": 2}\n]\n", 1), ("[{\"a\": 1}]\n{\"a\": 2}\n", 2)] {
            let rows = read(text);
            assert!(rows[0].1.as_ref().unwrap_err().contains("name the file .json"), "{rows:?}");
            assert_eq!(rows.len(), count, "{rows:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_readers_fail(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            each_json(&bytes[..], Rows::Answers, &mut |_| {});
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() as u64;
            let mut seen = 0;
            each_line(&mut &bytes[..], Packing::Plain, Rows::Any, &mut |_| seen += 1).unwrap();
            let list = bytes.split(|byte| *byte == b'\n').next().is_some_and(|line| line.trim_ascii() == b"[");
            proptest::prop_assert!(seen == lines || list || bytes.starts_with(BYTE_ORDER_MARK));
        }
    }
}
