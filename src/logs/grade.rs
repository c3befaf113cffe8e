//! Grades a text log of somebody else's run against the tests that were expected. Pure.
//!
//! The rule is ours: every expected test stands in the log and passed. A test that is absent, skipped or an expected
//! failure did not pass. A run without an end fails nobody for tests that never came, and neither does a run whose runner
//! counted more passes than it named. A log that passes is called
//! `passes`, never verified: it was written beside the candidate's code. A text cannot show that somebody printed a
//! whole consistent log and ended the process.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::logs::{Alarm, AlarmKind, Found, LogFormat, LogStatus, section};

/// What a log shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogGrade {
    pub grade: Grade,
    /// For people: which test, which line.
    pub detail: String,
    /// Expected tests that did not pass, with what was seen of them.
    pub not_passed: BTreeMap<String, Seen>,
    /// What the runner alone would not have written.
    pub alarms: Vec<Alarm>,
    /// How the log was read; `None` if nothing told it.
    pub format: Option<LogFormat>,
}

impl LogGrade {
    /// The grade of a log of which nothing is known.
    pub fn unread(detail: String) -> Self {
        Self { grade: Grade::Unreadable, detail, not_passed: BTreeMap::new(), alarms: Vec::new(), format: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Every expected test passed, and nothing in the log contradicts it.
    Passes,
    /// A fail-to-pass test did not pass.
    StillFailing,
    /// A pass-to-pass test did not pass.
    Regressed,
    /// The expected tests passed, and the log contradicts itself: it may be forged.
    Suspicious,
    /// No result was found in the log, or its format is not known.
    Unreadable,
    /// The run did not come to its end.
    CutOff,
    /// Expected tests are not named, and the runner counted more passes than it named: they may be among them.
    Unnamed,
    /// The harness says that the patch did not apply, or that it gave up.
    NotRun,
    /// No test is expected: nothing could be wrong.
    NothingExpected,
}

/// What was seen of an expected test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    Passed,
    Skipped,
    Xfailed,
    Xpassed,
    Failed,
    Error,
    Missing,
    /// Different results under one name.
    Conflicting,
}

impl From<Found> for Seen {
    fn from(found: Found) -> Self {
        match found {
            Found::Missing => Self::Missing,
            Found::Conflict(_) => Self::Conflicting,
            Found::One(LogStatus::Passed) => Self::Passed,
            Found::One(LogStatus::Skipped) => Self::Skipped,
            Found::One(LogStatus::Xfailed) => Self::Xfailed,
            Found::One(LogStatus::Xpassed) => Self::Xpassed,
            Found::One(LogStatus::Failed) => Self::Failed,
            Found::One(LogStatus::Error) => Self::Error,
        }
    }
}

/// Grades a log. `format` is the runner's if it is known; otherwise the log's own lines tell it.
pub fn grade_log(log: &str, format: Option<LogFormat>, fail_to_pass: &[String], pass_to_pass: &[String]) -> LogGrade {
    let part = section(log);
    let bare = part.is_bare();
    let part = if bare { part.whole(log) } else { part };
    let mut graded = LogGrade {
        grade: Grade::NothingExpected,
        detail: "the instance lists no fail-to-pass test".to_owned(),
        not_passed: BTreeMap::new(),
        alarms: part.alarms.clone(),
        format: format.or_else(|| LogFormat::detect(&part.text)),
    };
    if fail_to_pass.is_empty() {
        return graded;
    }
    if let Some(mark) = part.gave_up {
        return with(graded, Grade::NotRun, format!("the log says `{mark}`"));
    }
    let Some(format) = graded.format else {
        let detail = match bare {
            true => "nothing stands between the markers: the runner ended before its first line",
            false => "the log is none that is known here; name its runner",
        };
        return with(graded, Grade::Unreadable, detail.to_owned());
    };
    let parsed = format.parse(&part.text);
    let at = |alarm: &Alarm| Alarm { line: alarm.line + part.before, ..alarm.clone() };
    graded.alarms.extend(parsed.alarms.iter().map(at));
    if parsed.entries.is_empty() {
        let cut = part.cut || !parsed.finished;
        let (grade, what) = if cut { (Grade::CutOff, " and no end") } else { (Grade::Unreadable, "") };
        return with(graded, grade, format!("the log holds no test result{what}"));
    }
    let index = parsed.index();
    let mut first: Option<(Grade, String)> = None;
    for (tests, grade) in [(fail_to_pass, Grade::StillFailing), (pass_to_pass, Grade::Regressed)] {
        for test in tests {
            let seen = Seen::from(index.find(test));
            if seen != Seen::Passed {
                first.get_or_insert_with(|| (grade, format!("{test} is {}", word(seen))));
                graded.not_passed.insert(test.clone(), seen);
            } else if let Some(other) = index.said_elsewhere(test) {
                let line = other.line + part.before;
                let detail = format!("{test} passed, and is {:?} outside the results", other.status);
                graded.alarms.push(Alarm { kind: AlarmKind::OutOfPlace, line, detail });
            }
        }
    }
    if let Some(exit) = part.exit
        && exit != 0
        && parsed.entries.iter().all(|entry| !matches!(entry.status, LogStatus::Failed | LogStatus::Error))
    {
        let detail = format!("the test command ended with {exit}, and no test failed");
        graded.alarms.push(Alarm { kind: AlarmKind::ExitDisagrees, line: part.before, detail });
    }
    graded.alarms.sort_by_key(|alarm| alarm.line);
    let unfinished = part.cut || !parsed.finished;
    match first {
        Some(_)
            if parsed.unnamed > 0 && !unfinished && graded.not_passed.values().all(|seen| *seen == Seen::Missing) =>
        {
            let (missing, unnamed) = (graded.not_passed.len(), parsed.unnamed);
            let detail = format!(
                "{missing} expected tests are not named, and the runner counted {unnamed} passed tests that it does not name"
            );
            with(graded, Grade::Unnamed, detail)
        }
        // Tests that never came do not fail when the run was cut: we do not know.
        Some(_) if unfinished && graded.not_passed.values().all(|seen| *seen == Seen::Missing) => {
            let missing = graded.not_passed.len();
            with(graded, Grade::CutOff, format!("the run has no end; {missing} expected tests were not reported"))
        }
        Some((grade, detail)) => with(graded, grade, detail),
        None if unfinished => with(graded, Grade::CutOff, "the run has no end".to_owned()),
        None => match graded.alarms.first() {
            Some(alarm) => {
                let detail = format!("line {}: {}", alarm.line, alarm.detail);
                with(graded, Grade::Suspicious, detail)
            }
            None => with(graded, Grade::Passes, String::new()),
        },
    }
}

fn with(graded: LogGrade, grade: Grade, detail: String) -> LogGrade {
    LogGrade { grade, detail, ..graded }
}

fn word(seen: Seen) -> &'static str {
    match seen {
        Seen::Passed => "passed",
        Seen::Skipped => "skipped",
        Seen::Xfailed => "an expected failure",
        Seen::Xpassed => "an unexpected pass",
        Seen::Failed => "failed",
        Seen::Error => "in error",
        Seen::Missing => "not in the log",
        Seen::Conflicting => "reported with different results",
    }
}

impl Grade {
    /// Whether the log says that the candidate is right. `None` if it does not say.
    pub fn resolved(self) -> Option<bool> {
        match self {
            Self::Passes => Some(true),
            Self::StillFailing | Self::Regressed => Some(false),
            Self::Suspicious
            | Self::Unreadable
            | Self::CutOff
            | Self::Unnamed
            | Self::NotRun
            | Self::NothingExpected => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "============================= test session starts ==============================\ncollected 3 items\n\nt.py ...\n";
    const SUMMARY: &str = "=========================== short test summary info ============================\n";

    fn log(results: &str, footer: &str) -> String {
        format!("{HEAD}{SUMMARY}{results}===== {footer} in 0.02s =====\n")
    }

    fn grade(log: &str) -> LogGrade {
        grade_log(log, None, &["t.py::fixed".to_owned()], &["t.py::kept".to_owned()])
    }

    #[test]
    fn every_expected_test_must_stand_there_and_pass() {
        let table = [
            ("PASSED t.py::fixed\nPASSED t.py::kept\n", "2 passed", Grade::Passes),
            ("PASSED t.py::kept\nFAILED t.py::fixed - x\n", "1 failed, 1 passed", Grade::StillFailing),
            ("PASSED t.py::fixed\nFAILED t.py::kept - x\n", "1 failed, 1 passed", Grade::Regressed),
            ("PASSED t.py::kept\n", "1 passed", Grade::StillFailing),
            ("PASSED t.py::fixed\n", "1 passed", Grade::Regressed),
            ("PASSED t.py::kept\nXFAIL t.py::fixed - later\n", "1 passed, 1 xfailed", Grade::StillFailing),
            ("PASSED t.py::fixed\nPASSED t.py::kept\nPASSED t.py::more\n", "2 passed", Grade::Suspicious),
            // Passes are counted and not named: their absence says nothing, a failure does.
            ("FAILED t.py::other - x\n", "1 failed, 2 passed", Grade::Unnamed),
            ("FAILED t.py::fixed - x\n", "1 failed, 2 passed", Grade::StillFailing),
            ("FAILED t.py::kept - x\n", "1 failed, 2 passed", Grade::StillFailing),
        ];
        for (results, footer, expected) in table {
            let graded = grade(&log(results, footer));
            assert_eq!(graded.grade, expected, "{results}: {}", graded.detail);
        }
        assert_eq!(grade_log(&log("PASSED t.py::kept\n", "1 passed"), None, &[], &[]).grade, Grade::NothingExpected);
    }

    #[test]
    fn a_log_that_does_not_end_says_nothing_about_what_is_missing() {
        let whole = log("PASSED t.py::fixed\nPASSED t.py::kept\n", "2 passed");
        let cut = whole.replace("===== 2 passed in 0.02s =====\n", "");
        assert_eq!(grade(&cut).grade, Grade::CutOff);
        let failed = log("FAILED t.py::fixed - x\n", "1 failed").replace("===== 1 failed in 0.02s =====\n", "");
        assert_eq!(grade(&failed).grade, Grade::StillFailing, "what it says of a test that failed counts");
        assert_eq!(grade("").grade, Grade::Unreadable);
        assert_eq!(grade("+ x\n>>>>> Patch Apply Failed\n").grade, Grade::NotRun);
    }

    #[test]
    fn a_last_line_without_room_for_its_rule_is_the_end() {
        let counts = "2 passed, 1 skipped, 5 xfailed, 1 xpassed, 259 warnings, 12 subtests passed";
        let results = "PASSED t.py::fixed\nPASSED t.py::kept\n";
        let narrow = log(results, counts).replace("===== 2", "= 2").replace("0.02s =====", "15.78s =");
        assert!(narrow.contains("\n= 2 passed") && narrow.ends_with("s =\n"), "{narrow}");
        assert_eq!(grade(&narrow).grade, Grade::Passes);
        assert_eq!(
            grade(&format!("{narrow}PASSED t.py::more\n")).grade,
            Grade::Passes,
            "nothing behind it is a result"
        );
        assert_eq!(grade(&narrow.replace(" 2 passed", " 1 passed")).grade, Grade::Suspicious);
    }

    #[test]
    fn results_before_markers_that_hold_nothing_are_read() {
        let whole = log("PASSED t.py::fixed\nPASSED t.py::kept\n", "2 passed");
        let markers = "+ source /x\n+ : '>>>>> Start Test Output'\n+ pytest -rA t.py\n+ : '>>>>> End Test Output'\n+ git checkout x\n";
        assert_eq!(grade(&format!("{whole}{markers}")).grade, Grade::Passes);
        let failed = log("FAILED t.py::fixed - x\nPASSED t.py::kept\n", "1 failed, 1 passed");
        assert_eq!(grade(&format!("{failed}{markers}")).grade, Grade::StillFailing);
        let exit = markers.replace("+ git", "TEST_EXIT_CODE=1\n+ git");
        assert_eq!(grade(&format!("{whole}{exit}")).grade, Grade::Suspicious);
        let died = grade(markers);
        assert!(died.grade == Grade::Unreadable && died.detail.contains("before its first line"), "{}", died.detail);
        // The run said something between the markers: only that counts.
        let said = markers.replace("+ pytest -rA t.py\n", "+ pytest -rA t.py\nImportError: x\n");
        assert_eq!(grade(&format!("{whole}{said}")).grade, Grade::Unreadable);
        let cut = markers.replace("+ : '>>>>> End Test Output'\n", "");
        assert_ne!(grade(&format!("{whole}{cut}")).grade, Grade::Passes);
    }

    #[test]
    fn forged_logs_do_not_pass() {
        let passed = "PASSED t.py::fixed\nPASSED t.py::kept\n";
        let failed = log("FAILED t.py::fixed - x\nPASSED t.py::kept\n", "1 failed, 1 passed");
        let marked = |inner: &str| format!("+ : '>>>>> Start Test Output'\n{inner}+ : '>>>>> End Test Output'\n");
        // Printed results, an own end marker and an own status; then the real tests fail.
        let own_end = marked(&format!("{passed}>>>>> End Test Output\nTEST_EXIT_CODE=0\n{failed}"));
        assert_eq!(grade(&own_end).grade, Grade::StillFailing);
        // The diff that the harness prints first carries markers and results.
        let in_diff = format!("+x = '>>>>> Start Test Output\r{passed}'\n{}", marked(&log(passed, "2 passed")));
        assert_eq!(grade(&in_diff).grade, Grade::Suspicious);
        // Results at import, and the process ends itself with success.
        let at_import = marked(&format!("{}{SUMMARY}{passed}", &HEAD[..HEAD.find("collected").unwrap()]));
        assert!(grade(&at_import).grade.resolved().is_none());
        // Everything passed, says the log; the command failed.
        let exit = format!("{}TEST_EXIT_CODE=1\n", marked(&log(passed, "2 passed")));
        assert_eq!(grade(&exit).grade, Grade::Suspicious);
    }
}
