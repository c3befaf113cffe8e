//! Output of sympy's own runner, `bin/test -C --verbose`.

use super::lines::{Line, count, ruled};
use super::{AlarmKind, Entry, LogStatus, ParsedLog};

pub(crate) fn parse(lines: &[Line]) -> ParsedLog {
    let mut log = ParsedLog::default();
    let (mut running, mut file, mut footer) = (false, String::new(), None);
    for line in lines {
        let text = line.text.trim_end();
        let title = text.trim_matches(['=', ' ']);
        if ruled(text, '=') == Some("test process starts") {
            running = true;
        } else if title.starts_with("tests finished:") && title.ends_with(" seconds") {
            footer = Some((line.number, title.to_owned()));
            running = false;
        } else if ruled(text, '_').is_some() || text.starts_with("____") {
            // Tracebacks come after all files.
            running = false;
        } else if let Some(name) = file_line(text) {
            file = name.to_owned();
        } else if let Some((name, status)) = result(text) {
            let names = vec![format!("{file}:{name}"), name.to_owned()];
            let entry = Entry { names, status, line: line.number };
            if running && !file.is_empty() { log.entries.push(entry) } else { log.elsewhere.push(entry) }
        }
    }
    log.finished = footer.is_some();
    if let Some((line, footer)) = footer {
        let named = |status| log.entries.iter().filter(|entry| entry.status == status).count();
        let (passed, failed, errors) = (named(LogStatus::Passed), named(LogStatus::Failed), named(LogStatus::Error));
        let said = |word| count(&footer, word).unwrap_or(0);
        if passed > said("passed") || failed != said("failed") || errors != said("exceptions") {
            let detail = format!("{passed} ok, {failed} F and {errors} E are named; the runner says: {footer}");
            log.alarm(AlarmKind::TotalsDisagree, line, detail);
        }
    }
    log
}

/// `sympy/core/tests/test_basic.py[23]`, with what is written behind it.
fn file_line(text: &str) -> Option<&str> {
    let (file, rest) = text.split_once('[')?;
    let counted = rest.split_once(']').is_some_and(|(count, _)| count.parse::<usize>().is_ok());
    (counted && file.ends_with(".py") && !file.contains(' ')).then_some(file)
}

/// `test_basic ok`; the mark that ends the last line of a file (`[OK]`, `[FAIL]`) stands behind it.
fn result(text: &str) -> Option<(&str, LogStatus)> {
    let text = text.strip_suffix("[OK]").or_else(|| text.strip_suffix("[FAIL]")).unwrap_or(text).trim_end();
    let (name, rest) = text.split_once(' ')?;
    if !name.starts_with("test_") && !name.starts_with('_') {
        return None;
    }
    let status = match rest.trim() {
        "ok" => LogStatus::Passed,
        "F" => LogStatus::Failed,
        "E" | "T" | "K" => LogStatus::Error,
        "f" => LogStatus::Xfailed,
        "X" => LogStatus::Xpassed,
        rest if rest == "s" || rest == "w" || rest.starts_with("s - ") => LogStatus::Skipped,
        _ => return None,
    };
    Some((name, status))
}

#[cfg(test)]
mod tests {
    use super::super::{AlarmKind, Found, LogFormat, LogStatus};

    const LOG: &str = "\
============================= test process starts ==============================
executable:         /opt/env/bin/python  (3.9.20-final-0) [CPython]
architecture:       64-bit
random seed:        None

sympy/core/tests/test_power.py[4] 
test_rational ok
test_nested f
test_zero F
test_slow s - Slow                                                        [FAIL]

sympy/core/tests/test_basic.py[2] 
test_structure ok
test_zero ok                                                                [OK]

________________________________________________________________________________
__________________ sympy/core/tests/test_power.py:test_zero ____________________
Traceback (most recent call last):
AssertionError
test_zero ok
===== tests finished: 3 passed, 1 failed, 1 skipped, 1 expected to fail, in 0.31 seconds ======
DO *NOT* COMMIT!
";

    #[test]
    fn results_stand_under_their_file_and_alone() {
        let log = LogFormat::Sympy.parse(LOG);
        assert!(log.finished && log.alarms.is_empty(), "{log:?}");
        assert_eq!(log.index().find("test_rational"), Found::One(LogStatus::Passed));
        assert_eq!(log.index().find("test_nested"), Found::One(LogStatus::Xfailed));
        assert_eq!(log.index().find("test_slow"), Found::One(LogStatus::Skipped));
        assert_eq!(log.index().find("sympy/core/tests/test_basic.py:test_zero"), Found::One(LogStatus::Passed));
        // The bare name stands for two tests, and one of them failed.
        assert_eq!(log.index().find("test_zero"), Found::Conflict([LogStatus::Passed, LogStatus::Failed].into()));
        assert!(log.elsewhere.iter().any(|entry| entry.names[1] == "test_zero"));
    }

    #[test]
    fn results_that_the_runner_did_not_count_are_alarms() {
        let log = LogFormat::Sympy.parse(
            "==== test process starts ====\nsympy/a.py[1] \ntest_a ok\ntest_b ok\n==== tests finished: 1 passed, in 0.1 seconds ====\n",
        );
        assert_eq!(log.alarms.first().unwrap().kind, AlarmKind::TotalsDisagree);
    }
}
