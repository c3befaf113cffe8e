//! Output of `go test -v` and of `go test -json`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::lines::Line;
use super::{AlarmKind, Entry, LogStatus, ParsedLog};

pub(crate) fn parse(lines: &[Line]) -> ParsedLog {
    let events = lines.iter().filter(|line| event(&line.text).is_some()).count();
    if events > 0 { from_events(lines) } else { from_text(lines) }
}

fn event(line: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line.strip_prefix('{').map(|_| line)?).ok()?;
    (value.get("Action")?.is_string() && value.get("Package")?.is_string()).then_some(value)
}

fn from_events(lines: &[Line]) -> ParsedLog {
    let mut log = ParsedLog::default();
    let (mut open, mut seen) = (BTreeSet::new(), false);
    for line in lines {
        let Some(event) = event(&line.text) else { continue };
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (package, test) = (text("Package"), text("Test"));
        let status = match &*text("Action") {
            "start" | "run" => {
                open.insert(package.clone());
                continue;
            }
            "pass" => LogStatus::Passed,
            "fail" => LogStatus::Failed,
            "skip" => LogStatus::Skipped,
            _ => continue,
        };
        if test.is_empty() {
            open.remove(&package);
            seen = true;
        } else {
            log.entries.push(Entry { names: names(&package, &test), status, line: line.number });
        }
    }
    log.finished = seen && open.is_empty();
    log
}

fn from_text(lines: &[Line]) -> ParsedLog {
    let mut log = ParsedLog::default();
    let mut started: BTreeSet<String> = BTreeSet::new();
    // Results whose package is not known yet: it stands behind them.
    let mut waiting: Vec<Entry> = Vec::new();
    for line in lines {
        let text = line.text.trim();
        if let Some(name) = text.strip_prefix("=== RUN ") {
            started.insert(name.trim().to_owned());
        } else if let Some((name, status)) = result(text) {
            let entry = Entry { names: vec![name.to_owned()], status, line: line.number };
            if started.contains(name) { waiting.push(entry) } else { log.elsewhere.push(entry) }
        } else if let Some((ok, package)) = package(&line.text) {
            let failed = waiting.iter().any(|entry| entry.status == LogStatus::Failed);
            // A package that does not build or panics fails without a test that does.
            if ok && failed {
                log.alarm(AlarmKind::TotalsDisagree, line.number, format!("{package} is ok, and a test failed"));
            }
            log.finished = true;
            if ok {
                // The result of a test may stand behind what it printed, in the same line.
                let named: BTreeSet<_> = waiting.iter().map(|entry| entry.names[0].as_str()).collect();
                log.unnamed += started.iter().filter(|name| !named.contains(name.as_str())).count();
            }
            log.entries
                .extend(waiting.drain(..).map(|entry| Entry { names: names(package, &entry.names[0]), ..entry }));
            started.clear();
        }
    }
    log.finished &= waiting.is_empty() && started.is_empty();
    log.entries.extend(waiting);
    log
}

/// `package:TestX` first, then the bare name.
fn names(package: &str, test: &str) -> Vec<String> {
    vec![format!("{package}:{test}"), format!("{package}/{test}"), test.to_owned()]
}

/// `--- PASS: TestX/sub (0.00s)`.
fn result(text: &str) -> Option<(&str, LogStatus)> {
    let rest = text.strip_prefix("--- ")?;
    let (word, rest) = rest.split_once(": ")?;
    let status = match word {
        "PASS" => LogStatus::Passed,
        "FAIL" => LogStatus::Failed,
        "SKIP" => LogStatus::Skipped,
        _ => return None,
    };
    let name = rest.rsplit_once(" (").map_or(rest, |(name, _)| name);
    Some((name, status))
}

/// `ok PACKAGE TIME` and `FAIL PACKAGE TIME`; the fields are set apart by tabs.
fn package(line: &str) -> Option<(bool, &str)> {
    let mut fields = line.split('\t');
    let (word, package) = (fields.next()?.trim(), fields.next()?.trim());
    match word {
        "ok" => Some((true, package)),
        "FAIL" => Some((false, package)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AlarmKind, Found, LogFormat, LogStatus};

    const VERBOSE: &str = "\
=== RUN   TestParse
=== RUN   TestParse/empty
=== RUN   TestParse/two_words
    parse_test.go:14: got 1
--- FAIL: TestParse (0.00s)
    --- PASS: TestParse/empty (0.00s)
    --- FAIL: TestParse/two_words (0.00s)
=== RUN   TestNet
    net_test.go:9: no network
--- SKIP: TestNet (0.00s)
FAIL
FAIL\texample.com/parse\t0.004s
=== RUN   TestOther
--- PASS: TestOther (0.01s)
PASS
ok  \texample.com/other\t0.012s
FAIL
";

    #[test]
    fn verbose_text_is_read_with_sub_tests_and_packages() {
        let log = LogFormat::Go.parse(VERBOSE);
        assert!(log.finished && log.alarms.is_empty(), "{log:?}");
        for (name, status) in [
            ("TestParse", LogStatus::Failed),
            ("TestParse/empty", LogStatus::Passed),
            ("example.com/parse:TestParse/two_words", LogStatus::Failed),
            ("TestNet", LogStatus::Skipped),
            ("example.com/other:TestOther", LogStatus::Passed),
        ] {
            assert_eq!(log.index().find(name), Found::One(status), "{name}");
        }
        assert_eq!(LogFormat::detect(VERBOSE), Some(LogFormat::Go));
    }

    #[test]
    fn a_result_without_a_start_is_not_the_runners_and_a_panic_is_no_end() {
        let log =
            LogFormat::Go.parse("=== RUN   TestA\n--- PASS: TestB (0.00s)\n--- FAIL: TestA (0.00s)\nFAIL\tx\t0.1s\n");
        assert_eq!(log.index().find("TestB"), Found::Missing);
        assert_eq!(log.elsewhere.len(), 1);
        let panics = "=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\npanic: boom\n";
        assert!(!LogFormat::Go.parse(panics).finished);
        let lies = "=== RUN   TestA\n--- FAIL: TestA (0.00s)\nok  \tx\t0.1s\n";
        assert_eq!(LogFormat::Go.parse(lies).alarms.first().unwrap().kind, AlarmKind::TotalsDisagree);
    }

    #[test]
    fn a_result_behind_output_is_no_result_and_its_test_is_counted_if_the_package_is_ok() {
        let glued = "=== RUN   TestA\nstart...--- PASS: TestA (0.00s)\n=== RUN   TestB\n--- PASS: TestB (0.00s)\nPASS\nok  \tx\t0.1s\n";
        let log = LogFormat::Go.parse(glued);
        assert_eq!((log.index().find("TestA"), log.unnamed, log.finished), (Found::Missing, 1, true));
        let fails = LogFormat::Go.parse(&glued.replace("ok  ", "FAIL"));
        assert_eq!(fails.unnamed, 0);
    }

    #[test]
    fn events_are_read() {
        let log = LogFormat::Go.parse(
            "{\"Time\":\"t\",\"Action\":\"run\",\"Package\":\"x\",\"Test\":\"TestA\"}\n{\"Time\":\"t\",\"Action\":\"pass\",\"Package\":\"x\",\"Test\":\"TestA\",\"Elapsed\":0.1}\n{\"Time\":\"t\",\"Action\":\"pass\",\"Package\":\"x\"}\n",
        );
        assert!(log.finished);
        assert_eq!(log.index().find("x:TestA"), Found::One(LogStatus::Passed));
    }
}
