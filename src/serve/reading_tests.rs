use super::*;
use serde_json::{Value, json};

const MOST: usize = 1000;

fn question() -> Value {
    json!({"instance_id": "i", "skill": "repair", "completion": "an answer"})
}

fn with(field: &str, value: Value) -> Value {
    let mut question = question();
    question[field] = value;
    question
}

fn without(field: &str) -> Value {
    let mut question = question();
    question.as_object_mut().unwrap().remove(field);
    question
}

fn batch(items: &[String]) -> String {
    format!("{{\"items\": [{}]}}", items.join(", "))
}

#[test]
fn one_bad_item_of_a_batch_is_named_with_its_field_and_the_others_are_asked() {
    let chat = json!([{"role": "user", "content": "mend it"}, {"role": "assistant", "content": 7}]);
    let mut talk = without("completion");
    talk["messages"] = chat;
    let long = with("completion", json!("x".repeat(MOST + 1)));
    let table: [(String, Option<&str>, Code); 18] = [
        ("7".to_owned(), None, Code::InvalidRequest),
        ("null".to_owned(), None, Code::InvalidRequest),
        ("\"text\"".to_owned(), None, Code::InvalidRequest),
        ("[]".to_owned(), None, Code::InvalidRequest),
        ("{}".to_owned(), Some("instance_id"), Code::InvalidRequest),
        (with("instance_id", json!(7)).to_string(), Some("instance_id"), Code::InvalidRequest),
        (with("instance_id", json!(null)).to_string(), Some("instance_id"), Code::InvalidRequest),
        (without("skill").to_string(), Some("skill"), Code::InvalidRequest),
        (with("skill", json!("repairs")).to_string(), Some("skill"), Code::InvalidRequest),
        (with("skill", json!(null)).to_string(), Some("skill"), Code::InvalidRequest),
        (with("completion", json!(3)).to_string(), Some("completion"), Code::InvalidRequest),
        (with("completion", json!(null)).to_string(), Some("completion"), Code::InvalidRequest),
        (talk.to_string(), Some("messages[1].content"), Code::InvalidRequest),
        (with("deadline_ms", json!(-1)).to_string(), Some("deadline_ms"), Code::InvalidRequest),
        (with("deadline_ms", json!(0)).to_string(), Some("deadline_ms"), Code::InvalidRequest),
        (with("timeout", json!(3)).to_string(), Some("timeout"), Code::InvalidRequest),
        (
            r#"{"instance_id": "i", "skill": "repair", "completion": "a", "completion": "b"}"#.to_owned(),
            Some("completion"),
            Code::InvalidRequest,
        ),
        (long.to_string(), Some("completion"), Code::TooLarge),
    ];
    for (bad, field, code) in table {
        let items = [question().to_string(), question().to_string(), bad.clone(), question().to_string()];
        let read = many(batch(&items).as_bytes(), MOST).unwrap_or_else(|error| panic!("{bad}: {error}"));
        let fine: Vec<_> = read.iter().map(Result::is_ok).collect();
        assert_eq!(fine, [true, true, false, true], "{bad}");
        let not = read.into_iter().nth(2).unwrap().unwrap_err();
        assert_eq!((not.error.code, not.error.field.as_deref()), (code, field), "{bad}: {}", not.error);
        assert!(not.error.message.starts_with("items[2]: "), "{}", not.error);
        assert!(!not.error.message.contains(" at line "), "a place inside of an item misleads: {}", not.error);
        // Alone it is refused with the same.
        let alone = one(bad.as_bytes(), MOST).unwrap_err();
        assert_eq!((alone.code, alone.field.as_deref()), (code, field), "{bad}: {alone}");
    }
    let named = batch(&[with("skill", json!(1)).to_string(), with("instance_id", json!(1)).to_string()]);
    let ids = many(named.as_bytes(), MOST).unwrap().into_iter().map(|not| not.unwrap_err().instance_id);
    assert_eq!(ids.collect::<Vec<_>>(), [Some("i".to_owned()), None]);
}

#[test]
fn a_batch_without_items_to_tell_apart_is_refused_as_a_whole() {
    let fine = question().to_string();
    let table = [
        ("[]".to_owned(), Code::InvalidRequest, "an object with a list of questions"),
        ("{}".to_owned(), Code::InvalidRequest, "items"),
        (r#"{"items": {}}"#.to_owned(), Code::InvalidRequest, "a list of questions"),
        (r#"{"items": null}"#.to_owned(), Code::InvalidRequest, "a list of questions"),
        (r#"{"items": [], "items": []}"#.to_owned(), Code::InvalidRequest, "duplicate"),
        (r#"{"items": [], "model": "m"}"#.to_owned(), Code::InvalidRequest, "model"),
        (r#"{"items": []} more"#.to_owned(), Code::MalformedRequest, "the body is not JSON"),
        (String::new(), Code::MalformedRequest, "the body is not JSON"),
        // A fault of JSON itself is said to be in its item.
        (batch(&[fine.clone(), fine.replace("\"an answer\"", "NaN")]), Code::MalformedRequest, "items[1] is not JSON"),
        (format!("{{\"items\": [{fine}, {fine}, {{\"instance_id\": \"i"), Code::MalformedRequest, "items[2]"),
        (batch(&vec!["0".to_owned(); MOST_ITEMS + 1]), Code::TooLarge, "65537 items"),
    ];
    for (body, code, why) in table {
        let error = many(body.as_bytes(), MOST).unwrap_err();
        let shown = &body[..body.len().min(80)];
        assert_eq!(error.code, code, "{shown}: {error}");
        assert!(error.message.contains(why), "{shown}: {error}");
    }
}

#[test]
fn half_a_surrogate_pair_is_read_and_noted_where_it_stands() {
    let half = question().to_string().replace("an answer", r"cut \ud83d");
    let asked = one(half.as_bytes(), MOST).unwrap();
    assert_eq!(asked.generation.completion.as_deref(), Some("cut \u{fffd}"));
    assert!(asked.notes[0].contains("U+FFFD: 1"), "{:?}", asked.notes);

    let twice = question().to_string().replace("an answer", r"\udc00 and \ud83d");
    let read = many(batch(&[question().to_string(), half, twice, question().to_string()]).as_bytes(), MOST).unwrap();
    let counts: Vec<_> = read.iter().map(|asked| asked.as_ref().unwrap().notes.concat()).collect();
    assert_eq!(counts.iter().map(String::is_empty).collect::<Vec<_>>(), [true, false, false, true]);
    assert!(counts[1].ends_with(": 1") && counts[2].ends_with(": 2"), "{counts:?}");

    let mut raw = question().to_string().into_bytes();
    let at = raw.iter().position(|byte| *byte == b' ').unwrap_or(raw.len() - 4);
    raw[at] = 0xff;
    let asked = one(&raw, MOST).unwrap();
    assert_eq!((asked.generation.completion.as_deref(), asked.notes.len()), (Some("an\u{fffd}answer"), 1));
}

#[test]
fn half_pairs_of_a_diff_are_read_as_verify_reads_them() {
    let diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-HALF\n+x\n";
    let mut alone = without("completion");
    alone["patch"] = json!(diff);
    let kept = diff.replace("HALF", "\u{10f7fc}");
    for asking in [with("completion", json!(diff)), alone] {
        let body = asking.to_string().replace("HALF", r"\udcfc");
        let asked = one(body.as_bytes(), MOST).unwrap();
        assert_eq!(asked.generation.completion.as_deref(), Some(&*kept));
        assert!(asked.notes[0].ends_with("stand for: 1"), "{:?}", asked.notes);
        // What is wrong with one item of a batch is no matter of another.
        let cut = question().to_string().replace("an answer", r"cut \ud83d");
        let read = many(batch(&[cut, body.clone()]).as_bytes(), MOST).unwrap();
        assert_eq!(read[0].as_ref().unwrap().generation.completion.as_deref(), Some("cut \u{fffd}"));
        assert_eq!(read[1].as_ref().unwrap().generation.completion.as_deref(), Some(&*kept));
    }
    // Halves that are no bytes, bytes beside them, and halves that stand elsewhere too.
    let body = with("completion", json!(diff)).to_string();
    for (other, count) in [(body.replace("HALF", r"\ud83d"), 1), (body.replace("HALF", r"\udcfc\ud83d"), 2)] {
        let asked = one(other.as_bytes(), MOST).unwrap();
        assert!(asked.notes[0].ends_with(&format!("U+FFFD: {count}")), "{:?}", asked.notes);
    }
    let mut elsewhere = with("completion", json!(diff));
    elsewhere["model"] = json!("HALF");
    let asked = one(elsewhere.to_string().replace("HALF", r"\udcfc").as_bytes(), MOST).unwrap();
    assert_eq!(asked.generation.model.as_deref(), Some("\u{fffd}"));
    let broken = body.replace("HALF", r"\udcfc~").into_bytes();
    let broken: Vec<u8> = broken.into_iter().map(|byte| if byte == b'~' { 0xff } else { byte }).collect();
    assert!(one(&broken, MOST).unwrap().notes[0].ends_with("U+FFFD: 2"));
    // A character by which a byte would be kept is none, however it is written.
    for own in ["\u{10f7fc}", r"\udbfd\udffc"] {
        let asked = one(body.replace("HALF", own).as_bytes(), MOST).unwrap();
        assert_eq!(asked.generation.completion, Some(diff.replace("HALF", "\u{fffd}")), "{own}");
        assert!(asked.notes[0].contains("U+10F780"), "{:?}", asked.notes);
    }
}

#[test]
fn a_byte_order_mark_is_dropped_or_named() {
    let text = question().to_string();
    let marked = ["\u{feff}".as_bytes(), text.as_bytes()].concat();
    let asked = one(&marked, MOST).unwrap();
    assert_eq!((asked.generation.completion.as_deref(), asked.notes.len()), (Some("an answer"), 0));
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    let small: Vec<u8> = units.clone().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = units.flat_map(u16::to_be_bytes).collect();
    let wide: Vec<u8> = format!("\u{feff}{text}").chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    for (body, name) in [(small, "UTF-16"), (big, "UTF-16"), (wide, "UTF-32")] {
        let error = one(&body, MOST).unwrap_err();
        assert_eq!(error.code, Code::MalformedRequest);
        assert!(error.message.contains(name), "{error}");
    }
}

#[test]
fn a_question_deeper_than_anything_should_be_is_refused_and_not_followed() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(one(deep.as_bytes(), MOST).unwrap_err().code, Code::InvalidRequest);
    let inside = question().to_string().replace("\"an answer\"", &deep);
    let read = many(batch(&[question().to_string(), inside]).as_bytes(), MOST).unwrap();
    assert_eq!(read[1].as_ref().unwrap_err().error.field.as_deref(), Some("completion"));
}
