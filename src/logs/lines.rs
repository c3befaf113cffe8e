//! Lines of a log as a person sees them: no colours, line feeds only, what follows a carriage return kept in its line.

/// A line and its number, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub number: usize,
    pub text: String,
}

/// Splits a log. A carriage return inside a line is not a line break: otherwise a candidate's text could make lines of its own.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let plain = without_escapes(text);
    let split = plain.split('\n').map(|line| line.trim_end_matches('\r'));
    let mut lines: Vec<_> =
        split.enumerate().map(|(index, line)| Line { number: index + 1, text: line.to_owned() }).collect();
    if lines.last().is_some_and(|line| line.text.is_empty()) {
        lines.pop();
    }
    lines
}

/// Terminal escape sequences taken out.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            plain.push(c);
            continue;
        }
        if rest.next_if_eq(&'[').is_some() {
            // Parameters, then one letter that ends the sequence.
            while rest.next_if(|c| matches!(c, '0'..='?' | ' '..='/')).is_some() {}
            rest.next_if(|c| matches!(c, '@'..='~'));
        }
    }
    plain
}

/// The title of a line `==== title ====`; `None` if it is not such a line.
pub(crate) fn ruled(line: &str, rule: char) -> Option<&str> {
    let line = line.trim_end();
    let title = line.trim_matches(rule);
    let (left, right) = (line.starts_with(rule), line.ends_with(rule));
    let long = line.len() >= title.len() + 4;
    (left && right && long && title.starts_with(' ') && title.ends_with(' ')).then(|| title.trim())
}

/// The number before a word in a summary such as `2 failed, 13 passed in 0.52s`.
pub(crate) fn count(summary: &str, word: &str) -> Option<usize> {
    let words: Vec<_> = summary.split([' ', ',', '=', '(', ')', ';', '.']).filter(|word| !word.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_and_a_carriage_return_makes_no_line() {
        let seen = lines("\u{1b}[32mPASSED\u{1b}[0m a\r\nfake\rPASSED b\n");
        let texts: Vec<_> = seen.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["PASSED a", "fake\rPASSED b"]);
    }

    #[test]
    fn rules_and_counts_are_read() {
        assert_eq!(ruled("==== FAILURES ====", '='), Some("FAILURES"));
        assert_eq!(ruled("== 1 failed, 2 passed in 0.1s ==", '='), Some("1 failed, 2 passed in 0.1s"));
        assert_eq!(ruled("a == b", '='), None);
        assert_eq!(ruled("======", '='), None);
        assert_eq!(count("1 failed, 2 passed in 0.1s", "passed"), Some(2));
        assert_eq!(count("1 failed in 0.1s", "passed"), None);
        assert_eq!(count("FAILED (failures=3)", "skipped"), None);
    }
}
