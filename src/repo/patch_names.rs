//! Names and numbers in the header lines of a diff. Pure.

/// A name after `--- ` or `+++ `: quoted, or up to a tab (a time may follow it).
pub(super) fn header_name(text: &str) -> Option<String> {
    if text.starts_with('"') {
        return unquote(text).map(|(name, _)| name);
    }
    let name = text.split('\t').next().unwrap_or_default();
    Some(name.trim_end().to_owned())
}

/// What git writes before the two names of a file.
pub(super) type Prefixes = (&'static str, &'static str);

/// `a/` and `b/`, then those of `diff.mnemonicPrefix` (index, work tree, commit, object, two files) in both directions,
/// then none.
pub(super) const PREFIXES: [Prefixes; 12] = [
    ("a/", "b/"),
    ("i/", "w/"),
    ("c/", "i/"),
    ("c/", "w/"),
    ("o/", "w/"),
    ("1/", "2/"),
    ("w/", "i/"),
    ("i/", "c/"),
    ("w/", "c/"),
    ("w/", "o/"),
    ("2/", "1/"),
    ("", ""),
];

/// The one name that the two halves give behind their prefixes; `None` if the two differ or cannot be told apart.
pub(super) fn git_names(text: &str, (a, b): Prefixes) -> Option<String> {
    if text.starts_with('"') {
        let (old, rest) = unquote(text)?;
        let (new, _) = unquote(rest.strip_prefix(' ')?)?;
        let (old, new) = (old.strip_prefix(a)?, new.strip_prefix(b)?);
        return (old == new).then(|| old.to_owned());
    }
    // Both halves have one length, so the middle is known even if the name holds blanks.
    let (old, new) = (text.get(..text.len() / 2)?, text.get(text.len() / 2 + 1..)?);
    let (old, new) = (old.strip_prefix(a)?, new.strip_prefix(b)?);
    (old == new && text.as_bytes().get(text.len() / 2) == Some(&b' ')).then(|| old.to_owned())
}

/// A C-quoted name at the start of `text`, and what follows it. Bytes that are not UTF-8 are refused.
pub(super) fn unquote(text: &str) -> Option<(String, &str)> {
    let body = text.strip_prefix('"')?.as_bytes();
    let mut name = Vec::new();
    let mut at = 0;
    loop {
        match *body.get(at)? {
            b'"' => return Some((String::from_utf8(name).ok()?, &text[at + 2..])),
            b'\\' => {
                at += 1;
                let escape = *body.get(at)?;
                name.push(match escape {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    b'"' | b'\\' => escape,
                    b'0'..=b'3' => {
                        let digits = std::str::from_utf8(body.get(at..at + 3)?).ok()?;
                        at += 2;
                        u8::from_str_radix(digits, 8).ok()?
                    }
                    _ => return None,
                });
            }
            byte => name.push(byte),
        }
        at += 1;
    }
}

/// `@@ -start,count +start,count @@`: old start, old count, new count.
pub(super) fn hunk_ranges(line: &str) -> Option<(usize, usize, usize)> {
    let rest = line.strip_prefix("@@ -")?;
    let (ranges, _) = rest.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| -> Option<(usize, usize)> {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
        Some((number(start)? as usize, number(count)? as usize))
    };
    let (old, new) = (range(old)?, range(new)?);
    Some((old.0, old.1, new.1))
}
