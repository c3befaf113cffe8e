//! Output of `python -m unittest -v` and of Django's `runtests.py --verbosity 2`, which writes the same.

use std::collections::HashMap;

use super::lines::Line;
use super::{AlarmKind, Entry, LogStatus, ParsedLog};

/// A test whose name was written and whose result has not come yet.
struct Pending {
    names: Vec<String>,
    line: usize,
}

pub(crate) fn parse(lines: &[Line]) -> ParsedLog {
    let mut log = ParsedLog::default();
    let mut known = Known::new();
    let (mut pending, mut title): (Option<Pending>, Option<Pending>) = (None, None);
    let (mut ran, mut ended) = (None, None);
    for line in lines {
        let text = line.text.trim_end();
        if let Some(count) = ran_count(text) {
            ran = Some((line.number, count));
        } else if ran.is_some() && ended.is_none() && (text == "OK" || text.starts_with("OK (")) {
            ended = Some((line.number, true, text.to_owned()));
        } else if ran.is_some() && text.starts_with("FAILED (") {
            ended = Some((line.number, false, text.to_owned()));
        } else if let Some((name, result)) = text.rsplit_once(" ... ") {
            // A test with a doc string has its name in the line before.
            let described = title.take().filter(|_| test_name(name).is_none());
            let mut names = described.map_or_else(Vec::new, |before| before.names);
            names.extend(names_of(name));
            let started = Pending { names, line: line.number };
            match status(result) {
                Some(status) => add(&mut log, &mut known, entry(started, status)),
                None => pending = Some(started),
            }
        } else if let Some(name) = text.strip_suffix(" ...") {
            pending = Some(Pending { names: names_of(name), line: line.number });
        } else if let (Some(status), true) = (status(text), pending.is_some()) {
            // What the test printed stands between its name and its result.
            if let Some(started) = pending.take() {
                add(&mut log, &mut known, entry(started, status));
            }
        } else if let Some((status, name)) = heading(text) {
            failed(&mut log, &mut known, status, name, line.number);
        } else if test_name(text).is_some() {
            title = Some(Pending { names: names_of(text), line: line.number });
        }
    }
    log.finished = ended.is_some();
    if let (Some((line, ran)), Some((_, ok, summary))) = (ran, ended) {
        totals(&mut log, line, ran, ok, &summary);
    }
    log
}

/// The first result of each name, by its place among the results.
type Known = HashMap<String, usize>;

fn add(log: &mut ParsedLog, known: &mut Known, entry: Entry) {
    for name in &entry.names {
        known.entry(name.clone()).or_insert(log.entries.len());
    }
    log.entries.push(entry);
}

fn entry(pending: Pending, status: LogStatus) -> Entry {
    Entry { names: pending.names, status, line: pending.line }
}

/// `test_x (pkg.mod.Class)`, and since Python 3.11 `test_x (pkg.mod.Class.test_x)`.
fn test_name(text: &str) -> Option<(&str, &str)> {
    let (method, rest) = text.split_once(" (")?;
    let class = rest.strip_suffix(')')?;
    let word = |text: &str| !text.is_empty() && !text.contains(' ');
    (word(method) && word(class) && class.contains('.')).then_some((method, class))
}

/// The name as written, and as the other Python versions write it.
fn names_of(name: &str) -> Vec<String> {
    let mut names = vec![name.trim().to_owned()];
    if let Some((method, class)) = test_name(name.trim()) {
        match class.strip_suffix(method).and_then(|class| class.strip_suffix('.')) {
            Some(short) => names.push(format!("{method} ({short})")),
            None => names.push(format!("{method} ({class}.{method})")),
        }
    }
    names
}

fn status(text: &str) -> Option<LogStatus> {
    let text = text.trim();
    match text {
        "ok" => Some(LogStatus::Passed),
        "FAIL" => Some(LogStatus::Failed),
        "ERROR" => Some(LogStatus::Error),
        "expected failure" => Some(LogStatus::Xfailed),
        "unexpected success" => Some(LogStatus::Xpassed),
        _ => (text.starts_with("skipped ") || text == "skipped").then_some(LogStatus::Skipped),
    }
}

/// `FAIL: test_x (pkg.mod.Class)`, before a traceback; sub-tests add their parameters.
fn heading(text: &str) -> Option<(LogStatus, &str)> {
    let headings = [("FAIL: ", LogStatus::Failed), ("ERROR: ", LogStatus::Error)];
    let (status, name) = headings.iter().find_map(|(start, status)| Some((*status, text.strip_prefix(start)?)))?;
    let name = name.split_once(')').map_or(name, |(before, _)| &name[..=before.len()]);
    test_name(name).map(|_| (status, name))
}

/// A traceback of a test that is not among the failed ones: a sub-test has no result line of its own.
fn failed(log: &mut ParsedLog, known: &mut Known, status: LogStatus, name: &str, line: usize) {
    let found = known.get(name).and_then(|at| log.entries.get_mut(*at));
    match found.map(|entry| (entry.status, entry)) {
        None => add(log, known, Entry { names: names_of(name), status, line }),
        Some((LogStatus::Passed, entry)) => {
            // Python before 3.11 writes `ok` for a test whose tear-down of the class or module fails, never for this.
            entry.status = status;
            log.alarm(AlarmKind::Conflict, line, format!("{name} is ok above and has a traceback here"));
        }
        Some(_) => {}
    }
}

fn ran_count(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("Ran ")?;
    let (count, rest) = rest.split_once(" test")?;
    rest.contains(" in ").then(|| count.parse().ok())?
}

/// The runner counts what it ran and what failed; results beyond that were not written by it.
fn totals(log: &mut ParsedLog, line: usize, ran: usize, ok: bool, summary: &str) {
    let broken =
        log.entries.iter().filter(|entry| matches!(entry.status, LogStatus::Failed | LogStatus::Error)).count();
    let named = log.entries.len();
    // Without `-v` only tests that fail are named. What was skipped or failed as expected did not pass.
    let seen = |status| log.entries.iter().filter(|entry| entry.status == status).count();
    let beyond = |key, status| number(summary, key).saturating_sub(seen(status));
    let no_pass = beyond("skipped=", LogStatus::Skipped) + beyond("expected failures=", LogStatus::Xfailed);
    log.unnamed = ran.saturating_sub(named + no_pass);
    let said = number(summary, "failures=") + number(summary, "errors=");
    if named > ran + said || (ok && broken > 0) || (!ok && said > 0 && broken == 0 && named > 0) {
        let detail = format!("{named} results, {broken} of them failures; the runner says {ran} and `{summary}`");
        log.alarm(AlarmKind::TotalsDisagree, line, detail);
    }
}

fn number(summary: &str, key: &str) -> usize {
    let Some((_, rest)) = summary.split_once(key) else { return 0 };
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::{AlarmKind, Found, LogFormat, LogStatus};

    const DJANGO: &str = "\
Testing against Django installed in '/testbed/django'
Creating test database for alias 'default'...
test_count (aggregation.tests.CountTests) ... ok
test_group (aggregation.tests.CountTests)
Grouping by an expression keeps its alias. ... ok
test_lookup (aggregation.tests.CountTests) ... Some output of the test
ok
test_nulls (aggregation.tests.CountTests) ... FAIL
test_gis (aggregation.tests.CountTests) ... skipped 'Database has no GIS'
test_known (aggregation.tests.CountTests) ... expected failure
test_values (aggregation.tests.CountTests.test_values) ... ERROR

======================================================================
FAIL: test_nulls (aggregation.tests.CountTests)
----------------------------------------------------------------------
Traceback (most recent call last):
AssertionError: 1 != 2

======================================================================
ERROR: test_values (aggregation.tests.CountTests.test_values)
----------------------------------------------------------------------
Ran 7 tests in 0.214s

FAILED (failures=1, errors=1, skipped=1, expected failures=1)
Destroying test database for alias 'default'...
";

    #[test]
    fn results_of_django_are_read_under_every_name_that_datasets_use() {
        let log = LogFormat::Django.parse(DJANGO);
        assert!(log.finished && log.alarms.is_empty(), "{:?}", log.alarms);
        for (name, status) in [
            ("test_count (aggregation.tests.CountTests)", LogStatus::Passed),
            ("test_count (aggregation.tests.CountTests.test_count)", LogStatus::Passed),
            ("test_group (aggregation.tests.CountTests)", LogStatus::Passed),
            ("Grouping by an expression keeps its alias.", LogStatus::Passed),
            ("test_lookup (aggregation.tests.CountTests)", LogStatus::Passed),
            ("test_nulls (aggregation.tests.CountTests)", LogStatus::Failed),
            ("test_gis (aggregation.tests.CountTests)", LogStatus::Skipped),
            ("test_known (aggregation.tests.CountTests)", LogStatus::Xfailed),
            ("test_values (aggregation.tests.CountTests)", LogStatus::Error),
        ] {
            assert_eq!(log.index().find(name), Found::One(status), "{name}");
        }
        assert_eq!(LogFormat::detect(DJANGO), Some(LogFormat::Django));
    }

    #[test]
    fn without_names_of_those_that_passed_the_runner_counts_them() {
        let log =
            LogFormat::Unittest.parse("..F\nFAIL: test_a (m.C)\n\nRan 3 tests in 0.001s\n\nFAILED (failures=1)\n");
        assert_eq!((log.unnamed, log.finished, log.alarms.is_empty()), (2, true, true), "{log:?}");
        assert_eq!(LogFormat::Django.parse(DJANGO).unnamed, 0);
        for (line, summary) in [("sF", "skipped=1"), ("xF", "expected failures=1")] {
            let text = format!("{line}\nFAIL: test_a (m.C)\n\nRan 2 tests in 0.1s\n\nFAILED (failures=1, {summary})\n");
            assert_eq!(LogFormat::Unittest.parse(&text).unnamed, 0, "{summary}");
        }
    }

    #[test]
    fn more_results_than_were_run_and_a_pass_with_a_traceback_are_alarms() {
        let added = "test_a (m.C) ... ok\ntest_b (m.C) ... ok\n\nRan 1 test in 0.001s\n\nOK\n";
        let log = LogFormat::Unittest.parse(added);
        assert_eq!(log.alarms.first().unwrap().kind, AlarmKind::TotalsDisagree);
        let both = "test_a (m.C) ... ok\n\nFAIL: test_a (m.C)\n\nRan 1 test in 0.001s\n\nFAILED (failures=1)\n";
        let log = LogFormat::Unittest.parse(both);
        assert_eq!(log.index().find("test_a (m.C)"), Found::One(LogStatus::Failed));
        assert_eq!(log.alarms.first().unwrap().kind, AlarmKind::Conflict);
    }

    #[test]
    fn a_sub_test_that_fails_fails_its_test_and_a_run_that_stops_is_not_finished() {
        let sub = "test_a (m.C) ... test_b (m.C) ... ok\n\nFAIL: test_a (m.C) (i=3)\n\nRan 2 tests in 0.001s\n\nFAILED (failures=1)\n";
        assert_eq!(LogFormat::Unittest.parse(sub).index().find("test_a (m.C)"), Found::One(LogStatus::Failed));
        assert!(!LogFormat::Unittest.parse("test_a (m.C) ... ok\n").finished);
    }
}
