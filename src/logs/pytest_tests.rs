//! Logs of pytest in the shapes that versions 3 to 9 write.

use super::super::{AlarmKind, Found, LogFormat, LogStatus, ParsedLog};

const BOTH: &str = "\
============================= test session starts ==============================
platform linux -- Python 3.9.20, pytest-8.3.3, pluggy-1.5.0 -- /opt/env/bin/python
rootdir: /testbed
configfile: setup.cfg
collecting ... collected 7 items

tests/test_ratio.py::test_half PASSED                                    [ 14%]
tests/test_ratio.py::test_zero FAILED                                    [ 28%]
tests/test_ratio.py::test_text[a b] PASSED                               [ 42%]
tests/test_ratio.py::test_text[x - y] FAILED                             [ 57%]
tests/test_ratio.py::test_net SKIPPED (no network)                       [ 71%]
tests/test_ratio.py::Kept::test_old XFAIL (later)                        [ 85%]
tests/test_ratio.py::test_closes PASSED                                  [100%]
tests/test_ratio.py::test_closes ERROR                                   [100%]

==================================== ERRORS ====================================
_______________________ ERROR at teardown of test_closes _______________________
OSError: closed
=================================== FAILURES ===================================
__________________________________ test_zero ___________________________________
E       AssertionError: 1
----------------------------- Captured stdout call -----------------------------
PASSED tests/test_ratio.py::test_zero
==================================== PASSES ====================================
=========================== short test summary info ============================
PASSED tests/test_ratio.py::test_half
PASSED tests/test_ratio.py::test_text[a b]
PASSED tests/test_ratio.py::test_closes
SKIPPED [1] tests/test_ratio.py:12: no network
XFAIL tests/test_ratio.py::Kept::test_old - later
ERROR tests/test_ratio.py::test_closes - OSError: closed
FAILED tests/test_ratio.py::test_zero - AssertionError: 1
FAILED tests/test_ratio.py::test_text[x - y] - ValueError: no - text
=== 2 failed, 3 passed, 1 skipped, 1 xfailed, 1 error in 0.21s ===
";

fn parse(text: &str) -> ParsedLog {
    LogFormat::Pytest.parse(text)
}

fn kinds(log: &ParsedLog) -> Vec<AlarmKind> {
    log.alarms.iter().map(|alarm| alarm.kind).collect()
}

#[test]
fn summary_and_verbose_lines_of_one_run_are_one_result_each() {
    let log = parse(BOTH);
    assert!(log.finished);
    assert_eq!(kinds(&log), []);
    for (name, status) in [
        ("tests/test_ratio.py::test_half", LogStatus::Passed),
        ("tests/test_ratio.py::test_zero", LogStatus::Failed),
        ("tests/test_ratio.py::test_text[a b]", LogStatus::Passed),
        ("tests/test_ratio.py::test_text[x - y]", LogStatus::Failed),
        ("tests/test_ratio.py::test_net", LogStatus::Skipped),
        ("tests/test_ratio.py::Kept::test_old", LogStatus::Xfailed),
        ("tests/test_ratio.py::test_closes", LogStatus::Error),
    ] {
        assert_eq!(log.index().find(name), Found::One(status), "{name}");
    }
    assert_eq!(
        log.index().find("tests/test_ratio.py::test_text[a"),
        Found::One(LogStatus::Passed),
        "a name cut at its space"
    );
    assert_eq!(log.index().find("tests/test_ratio.py::test_gone"), Found::Missing);
    let index = log.index();
    let printed = index.said_elsewhere("tests/test_ratio.py::test_zero").unwrap();
    assert_eq!((printed.status, printed.line), (LogStatus::Passed, 23));
    assert_eq!(log.index().said_elsewhere("tests/test_ratio.py::test_half"), None);
}

#[test]
fn a_quiet_run_and_one_of_xdist_are_read() {
    let quiet = "..F\n=========================== short test summary info ============================\nPASSED t.py::a\nPASSED t.py::b\nFAILED t.py::c - assert 0\n1 failed, 2 passed in 0.02s\n";
    let log = parse(quiet);
    assert!(log.finished && log.alarms.is_empty(), "{log:?}");
    assert_eq!(log.index().find("t.py::b"), Found::One(LogStatus::Passed));
    let xdist = "============================= test session starts ==============================\ngw0 [2] / gw1 [2]\n[gw1] [ 50%] PASSED t.py::a \n[gw0] [100%] FAILED t.py::b \n========================= 1 failed, 1 passed in 1.10s =========================\n";
    let log = parse(xdist);
    assert!(log.finished && log.alarms.is_empty(), "{log:?}");
    assert_eq!(log.index().find("t.py::b"), Found::One(LogStatus::Failed));
}

#[test]
fn what_a_candidate_prints_is_no_result_and_shows() {
    let head = "============================= test session starts ==============================\n";
    let tail = "=========================== short test summary info ============================\nFAILED t.py::a - assert 0\n============================== 1 failed in 0.02s ===============================\n";
    let printed = format!("{head}collected 1 item\n\nt.py PASSED t.py::a\nPASSED t.py::a\nF\n{tail}");
    let log = parse(&printed);
    assert_eq!(log.index().find("t.py::a"), Found::One(LogStatus::Failed));
    assert!(log.index().said_elsewhere("t.py::a").is_some());

    // Printed while modules are imported, then the process ends itself.
    let at_import = format!(
        "{head}=========================== short test summary info ============================\nPASSED t.py::a\n"
    );
    let log = parse(&at_import);
    assert!(!log.finished);
    assert_eq!(kinds(&log), [AlarmKind::NoCollection]);

    // A summary of its own before the runner's.
    let twice = format!(
        "{head}collected 1 item\n=========================== short test summary info ============================\nPASSED t.py::a\n====== 1 passed in 0.01s ======\n{tail}"
    );
    let log = parse(&twice);
    assert_eq!(log.index().find("t.py::a"), Found::One(LogStatus::Failed), "the last summary is the runner's");
    assert!(log.index().said_elsewhere("t.py::a").is_some());

    // More passes than were counted.
    let added = format!(
        "{head}collected 1 item\n=========================== short test summary info ============================\nPASSED t.py::a\nPASSED t.py::b\n====== 1 passed in 0.01s ======\n"
    );
    assert_eq!(kinds(&parse(&added)), [AlarmKind::TotalsDisagree]);
    let conflict = format!(
        "{head}collected 1 item\n=========================== short test summary info ============================\nPASSED t.py::a\nFAILED t.py::a - x\n====== 1 failed, 1 passed in 0.01s ======\n"
    );
    assert_eq!(kinds(&parse(&conflict)), [AlarmKind::Conflict]);
    let return_in_line = format!("{head}collected 1 item\nharmless\rPASSED t.py::a\n{tail}");
    assert!(parse(&return_in_line).index().said_elsewhere("t.py::a").is_some());
}
