//! Patterns of file names as Python's `fnmatch` and `glob` read them. Pure.

use std::collections::BTreeSet;

use regex::Regex;

use crate::language::classes::matches;

/// Whether a pattern of `fnmatch` covers a whole text. A `*` covers slashes too.
pub(crate) fn fnmatch(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['?', '[']) {
        return matches(pattern, text);
    }
    // What cannot be read as a pattern fits nothing.
    Regex::new(&expression(pattern)).is_ok_and(|expression| expression.is_match(text))
}

/// Whether a pattern of `glob` names a path. A `*` stays within a part and names nothing hidden, `**` goes through folders.
pub(crate) fn glob(pattern: &str, path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    // How many parts what was read of the pattern may stand for.
    let mut taken = BTreeSet::from([0]);
    for want in pattern.split('/') {
        taken = if want == "**" {
            let through = |from: usize| parts[from..].iter().take_while(|part| !part.starts_with('.')).count();
            taken.iter().flat_map(|from| *from..=*from + through(*from)).collect()
        } else {
            let fits = |from: &&usize| parts.get(**from).is_some_and(|part| part_fits(want, part));
            taken.iter().filter(fits).map(|from| from + 1).collect()
        };
    }
    taken.contains(&parts.len())
}

/// As pytest holds a pattern against a path: one without a slash against the name alone.
pub(crate) fn fits(pattern: &str, path: &str) -> bool {
    if pattern.contains('/') {
        let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("*/{pattern}") };
        return fnmatch(&pattern, &format!("/{path}"));
    }
    fnmatch(pattern, path.rsplit('/').next().unwrap_or(path))
}

fn part_fits(want: &str, part: &str) -> bool {
    let shown = want.starts_with('.') || !part.starts_with('.') || !want.contains(['*', '?', '[']);
    shown && fnmatch(want, part)
}

fn expression(pattern: &str) -> String {
    let mut out = String::from("(?s)^");
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
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
            ("**", "a/b", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/.c/b", false),
            ("a/t[eo]st_?", "a/test_b", true),
        ] {
            assert_eq!(glob(pattern, path), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn folders_that_are_gone_through_again_and_again_cost_no_more_than_the_path_is_long() {
        assert!(!glob(&("**/a/".repeat(30) + "b"), &"a/".repeat(200)));
    }
}
