//! Bytes to text as Python does it: a byte order mark, then the encoding that a comment of the first two lines names (PEP
//! 263), then UTF-8.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::Regex;

/// A file as text.
pub(super) struct Decoded {
    pub text: String,
    /// First line, from 1, whose bytes the encoding does not allow.
    pub broken: Option<u32>,
    /// The name of an encoding that is not read: under it, ASCII may stand for something else.
    pub odd: Option<String>,
}

/// How bytes stand for characters.
enum Encoding {
    Utf8,
    Ascii,
    /// One byte a character, the lower half ASCII. Which letter a byte of the upper half is changes no syntax, so it is read
    /// as Latin-1 has it.
    OneByte,
    Odd(String),
}

/// The text of a file as Python reads it; what cannot be decoded becomes U+FFFD.
pub fn text(bytes: &[u8]) -> String {
    decode(bytes).text
}

pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let marked = bytes.strip_prefix(b"\xef\xbb\xbf");
    let body = marked.unwrap_or(bytes);
    let encoding = encoding(body);
    // Python refuses a file whose mark and comment differ.
    let contradicts = marked.is_some() && !matches!(encoding, Encoding::Utf8);
    let (text, broken, odd) = match encoding {
        Encoding::OneByte => (body.iter().map(|byte| char::from(*byte)).collect(), None, None),
        Encoding::Ascii => (lossy(body), body.iter().position(|byte| !byte.is_ascii()), None),
        Encoding::Utf8 => (lossy(body), std::str::from_utf8(body).err().map(|error| error.valid_up_to()), None),
        Encoding::Odd(name) => (lossy(body), None, Some(name)),
    };
    let line =
        |at: usize| u32::try_from(body[..at].iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX - 1) + 1;
    Decoded { text, broken: broken.map(line).or(contradicts.then_some(1)), odd }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

static COOKIE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)^[ \t\x0c]*#.*?coding[:=][ \t]*([-\w.]+)").expect("a constant pattern"));
static BLANK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?-u)^[ \t\x0c]*(#|$)").expect("a constant pattern"));

/// The encoding that one of the first two lines names. The second counts only after a line without code. Python takes a
/// carriage return for the end of a line.
fn encoding(body: &[u8]) -> Encoding {
    let head = &body[..body.len().min(4096)];
    let head: Cow<[u8]> = if head.contains(&b'\r') {
        Cow::Owned(String::from_utf8_lossy(head).replace("\r\n", "\n").replace('\r', "\n").into_bytes())
    } else {
        Cow::Borrowed(head)
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let second = lines.next().filter(|_| BLANK.is_match(first)).unwrap_or_default();
    let cookie = [first, second].into_iter().find_map(|line| COOKIE.captures(line));
    match cookie.and_then(|found| found.get(1)) {
        Some(name) => named(&String::from_utf8_lossy(name.as_bytes())),
        None => Encoding::Utf8,
    }
}

/// Names as Python's codecs know them, without regard to case and to `_` or `-`.
fn named(name: &str) -> Encoding {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let numbered = |prefixes: &[&str]| {
        prefixes.iter().filter_map(|prefix| name.strip_prefix(prefix)).any(|rest| {
            let digits = rest.trim_start_matches('-');
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    match name.as_str() {
        "utf-8" | "utf8" | "u8" | "utf" => Encoding::Utf8,
        prefixed if prefixed.starts_with("utf-8-") => Encoding::Utf8,
        "ascii" | "us-ascii" | "646" => Encoding::Ascii,
        "koi8-r" | "koi8-u" | "l1" | "latin" | "iso-latin-1" => Encoding::OneByte,
        _ if numbered(&["latin", "iso-8859", "iso8859", "cp125", "windows-125", "windows125"]) => Encoding::OneByte,
        _ => Encoding::Odd(name),
    }
}
