//! Patterns of file names as Python's `fnmatch` and `glob` read them. Pure.

use regex::Regex;

/// Whether a pattern of `fnmatch` covers a whole text. A `*` covers slashes too.
pub(crate) fn fnmatch(pattern: &str, text: &str) -> bool {
    covers(&expression(pattern, ".*", "."), text)
}

/// Whether a pattern of `glob` names a path. A `*` stays within a part and names nothing hidden, `**` goes through folders.
pub(crate) fn glob(pattern: &str, path: &str) -> bool {
    let (wanted, parts): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    parts_fit(&wanted, &parts)
}

fn parts_fit(wanted: &[&str], parts: &[&str]) -> bool {
    match (wanted.split_first(), parts.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => {
            let skips = || parts.split_first().is_some_and(|(part, after)| !hidden(part) && parts_fit(wanted, after));
            parts_fit(rest, parts) || skips()
        }
        (Some((want, rest)), Some((part, after))) => {
            let shown = want.starts_with('.') || !hidden(part) || !want.contains(['*', '?', '[']);
            shown && covers(&expression(want, "[^/]*", "[^/]"), part) && parts_fit(rest, after)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn hidden(part: &str) -> bool {
    part.starts_with('.')
}

fn covers(expression: &str, text: &str) -> bool {
    // What cannot be read as a pattern stands for itself alone.
    Regex::new(expression).is_ok_and(|expression| expression.is_match(text))
}

fn expression(pattern: &str, any: &str, one: &str) -> String {
    let mut out = String::from("(?s)^");
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '*' => out.push_str(any),
            '?' => out.push_str(one),
            '[' => match set(rest) {
                Some((set, after)) => {
                    out.push_str(&set);
                    rest = after;
                }
                None => out.push_str("\\["),
            },
            letter => out.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    out
}

/// A set of letters after its opening bracket, as an expression, and what follows it.
fn set(rest: &str) -> Option<(String, &str)> {
    let (not, inner) = rest.strip_prefix('!').map_or(("", rest), |inner| ("^", inner));
    // A bracket that comes first is a letter of the set.
    let from = inner.chars().next().filter(|first| *first == ']').map_or(0, char::len_utf8);
    let end = from + inner[from..].find(']')?;
    let letters: String = inner[..end]
        .chars()
        .map(|letter| if letter == '-' { "-".to_owned() } else { regex::escape(letter.encode_utf8(&mut [0; 4])) })
        .collect();
    Some((format!("[{not}{letters}]"), &inner[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_python_reads_them() {
        for (pattern, text, fits) in [
            ("test_*.py", "test_a.py", true),
            ("test_*.py", "test_a.pyc", false),
            ("*/x/test_[ab]?.py", "/w/x/test_a1.py", true),
            ("test_[!ab].py", "test_a.py", false),
            ("test_[!ab].py", "test_c.py", true),
            ("{arch}", "{arch}", true),
            ("a[", "a[", true),
            (".*", ".git", true),
            ("a.b", "axb", false),
        ] {
            assert_eq!(fnmatch(pattern, text), fits, "{pattern} {text}");
        }
        for (pattern, path, fits) in [
            ("tests", "tests", true),
            ("*/tests", "pkg/tests", true),
            ("*/tests", "a/b/tests", false),
            ("*/tests", ".tox/tests", false),
            ("**/tests", "a/b/tests", true),
            ("**/tests", "tests", true),
            ("packages/*/test_*.py", "packages/a/test_b.py", true),
            ("packages/*", "packages/a/b", false),
        ] {
            assert_eq!(glob(pattern, path), fits, "{pattern} {path}");
        }
    }
}
