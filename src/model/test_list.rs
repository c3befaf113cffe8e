//! Lists of tests as datasets keep them in text: JSON, or a printed list with texts in single or double quotes. Pure.

/// Reads a list of texts.
///
/// # Errors
/// The text is neither; why.
pub fn test_list(text: &str) -> Result<Vec<String>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    match serde_json::from_str(text) {
        Ok(list) => Ok(list),
        Err(error) => printed(text.trim()).ok_or_else(|| format!("test list is text but not a JSON list: {error}")),
    }
}

/// A printed list: `['a', "b's"]`. Texts without a comma between them are no list of their own.
fn printed(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut items = Vec::new();
    while !rest.is_empty() {
        let (item, after) = quoted(rest)?;
        items.push(item);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(items)
}

/// A quoted text at the beginning, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut item = String::new();
    let mut rest = text[1..].chars();
    loop {
        match rest.next()? {
            c if c == quote => return Some((item, rest.as_str())),
            '\\' => item.push(match rest.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                c @ ('\\' | '\'' | '"') => c,
                'x' => number(&mut rest, 2)?,
                'u' => number(&mut rest, 4)?,
                'U' => number(&mut rest, 8)?,
                _ => return None,
            }),
            c => item.push(c),
        }
    }
}

fn number(rest: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let (number, after) = rest.as_str().split_at_checked(digits)?;
    *rest = after.chars();
    char::from_u32(u32::from_str_radix(number, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_json_and_as_python_prints_them() {
        for (text, list) in [
            ("[\"a\", \"b\"]", vec!["a", "b"]),
            ("['a', \"b's\"]", vec!["a", "b's"]),
            ("['t.py | it\\'s \"x\"', 't\\\\d', '\\u00e9\\x41\\n',]", vec!["t.py | it's \"x\"", "t\\d", "éA\n"]),
            ("[ 'a' ,\n 'b' ]", vec!["a", "b"]),
            ("[]", vec![]),
            (" ", vec![]),
        ] {
            assert_eq!(test_list(text).unwrap(), list, "{text}");
        }
        for text in ["['a' 'b']", "['a", "['a'] x", "['a', 1]", "['\\q']", "oops", "('a',)", "[,]", "['\\ud800']"] {
            assert!(test_list(text).unwrap_err().contains("not a JSON list"), "{text}");
        }
    }
}
