//! pytest's terminal output: `-rA` summaries, `-v` lines, and both.

use std::collections::BTreeMap;

use super::lines::{Line, count, ruled};
use super::{AlarmKind, Entry, LogStatus, ParsedLog};

const STATUSES: [(&str, LogStatus); 6] = [
    ("PASSED", LogStatus::Passed),
    ("FAILED", LogStatus::Failed),
    ("ERROR", LogStatus::Error),
    ("SKIPPED", LogStatus::Skipped),
    ("XFAIL", LogStatus::Xfailed),
    ("XPASS", LogStatus::Xpassed),
];

/// Which lines are results.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    /// Tests run: `-v` lines.
    Session,
    /// Tracebacks, captured output, warnings.
    Other,
    /// `short test summary info`: `-rA` lines.
    Summary,
    After,
}

/// The last summary counts: a test that prints one of its own stands in the captured output before it.
pub(crate) fn parse(lines: &[Line]) -> ParsedLog {
    let mut log = ParsedLog::default();
    let footers: Vec<_> = lines.iter().filter_map(|line| Some((line.number, footer(&line.text)?))).collect();
    let last_summary = lines.iter().rfind(|line| ruled(&line.text, '=') == Some("short test summary info"));
    let last_summary = last_summary.map_or(0, |line| line.number);
    let first_session = lines.iter().find(|line| starts_session(&line.text)).map(|line| line.number);
    let mut place = Place::Before;
    let mut results = Results::default();
    for line in lines {
        match next_place(line, place, first_session, last_summary) {
            Some(next) => place = next,
            None => read(line, place, &mut results, &mut log),
        }
    }
    log.entries = results.entries();
    if let Some((number, footer)) = footers.last() {
        log.finished = *number >= last_summary;
        totals(&mut log, *number, footer);
    }
    if let Some(session) = first_session
        && !log.entries.is_empty()
        && !lines.iter().any(|line| collected(&line.text))
    {
        log.alarm(AlarmKind::NoCollection, session, "results, and no line `collected N items`");
    }
    log
}

fn next_place(line: &Line, place: Place, first_session: Option<usize>, last_summary: usize) -> Option<Place> {
    let title = ruled(&line.text, '=').or_else(|| narrow(&line.text))?;
    if footer(&line.text).is_some() {
        return Some(if line.number > last_summary { Place::After } else { Place::Other });
    }
    Some(match title {
        "test session starts" if Some(line.number) == first_session => Place::Session,
        "short test summary info" if line.number == last_summary => Place::Summary,
        _ if place == Place::Before => return None,
        _ => Place::Other,
    })
}

fn read(line: &Line, place: Place, results: &mut Results, log: &mut ParsedLog) {
    for (index, piece) in line.text.split('\r').enumerate() {
        let entry =
            |(name, status): (&str, LogStatus)| Entry { names: vec![name.to_owned()], status, line: line.number };
        let (summed, verbose) = (summary_line(piece), verbose_line(piece));
        match place {
            Place::Summary if index == 0 && summed.is_some() => results.summed.extend(summed.map(entry)),
            Place::Session if index == 0 && verbose.is_some() => results.verbose.extend(verbose.map(entry)),
            _ => log.elsewhere.extend(summed.or(verbose).map(entry)),
        }
    }
}

/// Results of the two kinds of lines.
#[derive(Default)]
struct Results {
    summed: Vec<Entry>,
    verbose: Vec<Entry>,
}

impl Results {
    /// Both kinds of lines speak of the same tests; if they agree they are one result.
    fn entries(self) -> Vec<Entry> {
        let mut entries = merged(self.summed);
        let known: BTreeMap<_, _> = entries.iter().map(|entry| (entry.names[0].clone(), entry.status)).collect();
        let new = |entry: &Entry| known.get(&entry.names[0]) != Some(&entry.status);
        entries.extend(merged(self.verbose).into_iter().filter(new));
        entries
    }
}

/// A test that passed and whose tear-down failed has two lines, and is one error.
fn merged(lines: Vec<Entry>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for entry in lines {
        let name = entry.names[0].clone();
        match last.get(&name).and_then(|at| entries.get_mut(*at)) {
            Some(first) if first.status != entry.status && entry.status == LogStatus::Error => {
                first.status = LogStatus::Error;
            }
            Some(first) if first.status == LogStatus::Error && entry.status != LogStatus::Error => {}
            _ => {
                last.insert(name, entries.len());
                entries.push(entry);
            }
        }
    }
    entries
}

/// `PASSED tests/test_a.py::test_x[1 2]`, `FAILED tests/test_a.py::test_x - AssertionError: ...`.
fn summary_line(line: &str) -> Option<(&str, LogStatus)> {
    let (word, rest) = line.split_once(' ')?;
    let status = STATUSES.iter().find(|(name, _)| *name == word)?.1;
    let rest = rest.trim();
    let name = match rest.find('[').and_then(|open| Some((open, rest[open..].rfind(']')?))) {
        // An id may hold ` - ` inside its brackets; the message comes behind them.
        Some((open, close)) if !rest[..open].contains(" - ") => {
            let end = rest[open..].find("] - ").map_or(open + close + 1, |at| open + at + 1);
            &rest[..end]
        }
        _ => rest.split_once(" - ").map_or(rest, |(name, _)| name),
    };
    // Skips are summed up by place: `SKIPPED [1] tests/test_a.py:3: no network`.
    (!name.is_empty() && !name.starts_with('[')).then_some((name.trim_end(), status))
}

/// `tests/test_a.py::test_x PASSED [ 50%]`, and xdist's `[gw0] [ 50%] PASSED tests/test_a.py::test_x`.
fn verbose_line(line: &str) -> Option<(&str, LogStatus)> {
    if line.starts_with("[gw") {
        let (_, rest) = line.split_once("] ")?;
        let rest = rest.trim_start();
        let rest = if rest.starts_with('[') { rest.split_once("] ")?.1 } else { rest };
        return summary_line(rest.trim_start()).filter(|(name, _)| name.contains("::"));
    }
    let line = line.trim_end();
    let line = line.strip_suffix("%]").and_then(|line| line.rsplit_once('[')).map_or(line, |(line, _)| line).trim_end();
    let (mut name, mut found) = ("", None);
    for (word, status) in STATUSES {
        let at = line.rfind(&format!(" {word}"));
        let tail = |at: usize| line[at + 1 + word.len()..].trim();
        // Behind the word stands nothing, or a reason in brackets.
        if let Some(at) = at.filter(|at| tail(*at).is_empty() || tail(*at).starts_with('(')) {
            (name, found) = (&line[..at], Some(status));
        }
    }
    let known = name.split_once("::").is_some_and(|(file, _)| !file.is_empty() && !file.contains(' '));
    found.filter(|_| known).map(|status| (name, status))
}

fn starts_session(line: &str) -> bool {
    ruled(line, '=') == Some("test session starts")
}

/// A last line so long that the rule has one mark at each side.
fn narrow(line: &str) -> Option<&str> {
    let bare = line.trim_end().strip_prefix("= ")?.strip_suffix(" =")?;
    bare.contains(" in ").then_some(bare)
}

/// `1 failed, 2 passed in 0.12s`, ruled, or bare under `-q`.
fn footer(line: &str) -> Option<&str> {
    let bare = ruled(line, '=').or_else(|| narrow(line)).unwrap_or(line.trim());
    let words =
        ["passed", "failed", "error", "errors", "skipped", "deselected", "xfailed", "xpassed", "warnings", "warning"];
    let counted = words.iter().any(|word| count(bare, word).is_some());
    let timed = bare.contains(" in ") && bare.contains('s');
    let starts = bare.chars().next().is_some_and(|c| c.is_ascii_digit());
    (timed && ((counted && starts) || bare.starts_with("no tests ran"))).then_some(bare)
}

/// `collected 7 items`; under xdist `4 workers [20 items]` or `gw0 [20] / gw1 [20]`.
fn collected(line: &str) -> bool {
    let starts = line.strip_prefix("collected ").or_else(|| line.strip_prefix("collecting ... collected "));
    let number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if let Some(rest) = starts {
        return number(rest);
    }
    let workers = line.contains(" workers [") || line.starts_with("gw0 [");
    workers && line.split('[').nth(1).is_some_and(number)
}

/// More passed or fewer failed tests than the runner counted were not written by it. Without `-rA` or `-v` no passes are
/// named at all, which contradicts nothing.
fn totals(log: &mut ParsedLog, line: usize, footer: &str) {
    let named = |status| log.entries.iter().filter(|entry| entry.status == status).count();
    let said = |word| count(footer, word).unwrap_or(0);
    let errors = said("error").max(said("errors"));
    let passed = named(LogStatus::Passed);
    let broken = named(LogStatus::Failed) + named(LogStatus::Error);
    log.unnamed = said("passed").saturating_sub(passed);
    // An error in tear-down counts its test as passed too.
    if passed > said("passed") || (broken < said("failed") && !log.entries.is_empty()) {
        let detail = format!(
            "{passed} passed and {broken} failed tests are named; the runner counted {} and {}",
            said("passed"),
            said("failed") + errors
        );
        log.alarm(AlarmKind::TotalsDisagree, line, detail);
    }
}

#[cfg(test)]
#[path = "pytest_tests.rs"]
mod tests;
