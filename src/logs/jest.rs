//! Output of `jest --verbose`.

use super::lines::{Line, count};
use super::{AlarmKind, Entry, LogStatus, ParsedLog};

pub(crate) fn parse(lines: &[Line]) -> ParsedLog {
    let mut log = ParsedLog::default();
    // Titles of the enclosing `describe` blocks with their indentation.
    let (mut file, mut groups): (Option<String>, Vec<(usize, String)>) = (None, Vec::new());
    let mut said: Option<(usize, String)> = None;
    for line in lines {
        let text = line.text.trim_end();
        if let Some(name) = suite(text) {
            (file, groups) = (Some(name.to_owned()), Vec::new());
            continue;
        }
        if let Some(summary) = text.strip_prefix("Tests:") {
            if said.is_none() {
                said = Some((line.number, summary.trim().to_owned()));
            }
            file = None;
            continue;
        }
        let indent = text.chars().take_while(|c| *c == ' ').count();
        let bare = text.trim_start();
        if let Some((title, status)) = result(bare) {
            groups.retain(|(depth, _)| *depth < indent);
            match &file {
                Some(file) => log.entries.push(entry(file, &groups, title, status, line.number)),
                None => log.elsewhere.push(entry("", &groups, title, status, line.number)),
            }
        } else if bare.starts_with('●') || bare.starts_with("Test Suites:") {
            // Details of failures; nothing in them is a result.
            file = None;
        } else if file.is_some() && indent > 0 && !bare.is_empty() {
            groups.retain(|(depth, _)| *depth < indent);
            groups.push((indent, bare.to_owned()));
        }
    }
    log.finished = said.is_some();
    if let Some((line, summary)) = said {
        let named = |status| log.entries.iter().filter(|entry| entry.status == status).count();
        let (passed, failed) = (named(LogStatus::Passed), named(LogStatus::Failed));
        let counted = |word| count(&summary, word).unwrap_or(0);
        log.unnamed = counted("passed").saturating_sub(passed);
        if passed > counted("passed") || (failed != counted("failed") && !log.entries.is_empty()) {
            let detail = format!("{passed} passed and {failed} failed tests are named; the runner says: {summary}");
            log.alarm(AlarmKind::TotalsDisagree, line, detail);
        }
    }
    log
}

fn entry(file: &str, groups: &[(usize, String)], title: &str, status: LogStatus, line: usize) -> Entry {
    let path: Vec<_> = groups.iter().map(|(_, group)| group.as_str()).chain([title]).collect();
    let names = vec![format!("{file}:{}", path.join(" > ")), path.join(" > "), path.join(" "), title.to_owned()];
    Entry { names, status, line }
}

/// `PASS src/a.test.js`, `FAIL src/a.test.js (5.1 s)`.
fn suite(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("PASS ").or_else(|| text.strip_prefix("FAIL "))?;
    let name = rest.split(' ').next()?;
    name.contains('.').then_some(name)
}

/// `✓ adds (3 ms)`.
fn result(text: &str) -> Option<(&str, LogStatus)> {
    let mut chars = text.chars();
    let status = match chars.next()? {
        '✓' | '√' => LogStatus::Passed,
        '✕' | '×' => LogStatus::Failed,
        '○' | '✎' => LogStatus::Skipped,
        _ => return None,
    };
    let title = chars.as_str().strip_prefix(' ')?;
    let timed = title.strip_suffix(')').and_then(|title| title.rsplit_once(" ("));
    let title = match timed {
        Some((title, time)) if time.ends_with(" ms") || time.ends_with(" s") => title,
        _ => title,
    };
    let title = title.strip_prefix("skipped ").filter(|_| status == LogStatus::Skipped).unwrap_or(title);
    Some((title, status))
}

#[cfg(test)]
mod tests {
    use super::super::{AlarmKind, Found, LogFormat, LogStatus};

    const LOG: &str = "\
PASS src/ratio.test.js
  ratio
    ✓ halves (3 ms)
    of nothing
      ✓ is zero
  ✓ stands alone
FAIL src/text.test.js (5.123 s)
  text
    ✕ halves (12 ms)
    ○ skipped waits

  ● text › halves

    expect(received).toBe(expected)
    ✓ printed by the test

Test Suites: 1 failed, 1 passed, 2 total
Tests:       1 failed, 1 skipped, 3 passed, 5 total
Snapshots:   0 total
Time:        6.1 s
";

    #[test]
    fn titles_are_read_with_their_groups() {
        let log = LogFormat::Jest.parse(LOG);
        assert!(log.finished && log.alarms.is_empty(), "{log:?}");
        for (name, status) in [
            ("ratio > halves", LogStatus::Passed),
            ("ratio of nothing is zero", LogStatus::Passed),
            ("stands alone", LogStatus::Passed),
            ("src/text.test.js:text > halves", LogStatus::Failed),
            ("waits", LogStatus::Skipped),
        ] {
            assert_eq!(log.index().find(name), Found::One(status), "{name}");
        }
        assert!(matches!(log.index().find("halves"), Found::Conflict(_)), "one title, two tests");
        assert_eq!(log.index().find("printed by the test"), Found::Missing);
        assert_eq!(LogFormat::detect(LOG), Some(LogFormat::Jest));
    }

    #[test]
    fn a_pass_that_was_not_counted_is_an_alarm() {
        let log = LogFormat::Jest.parse("PASS a.test.js\n  ✓ a\n  ✓ b\nTests:       1 passed, 1 total\n");
        assert_eq!(log.alarms.first().unwrap().kind, AlarmKind::TotalsDisagree);
    }
}
