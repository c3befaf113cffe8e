//! Text logs of test runners, as other people keep them. In: a log. Out: what it says about each test, and what is odd.
//!
//! A text log is written by the process that also runs the candidate's code, so nothing read here can prove a pass; our
//! own runs report through a channel ([`super::runner::Runner::parse`]). It serves to grade other people's logs again and to
//! find those that contradict themselves. Pure.
//!
//! A result counts if it stands where the runner writes results: the last pytest summary, lines between a test's start
//! and end in Go, blocks of libtest. The same words elsewhere are kept, and they hold against a pass that they
//! contradict. So do totals that differ, markers that stand twice or inside a line, a missing collection line, and an
//! exit status that does not fit.

pub mod cargo;
pub mod go;
pub mod grade;
pub mod jest;
pub mod lines;
pub mod pytest;
pub mod section;
pub mod sympy;
pub mod unittest;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

pub use section::section;

/// Runners whose text output is read. Django's runner writes what unittest writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Cargo,
    Django,
    Go,
    Jest,
    Pytest,
    Sympy,
    Unittest,
}

/// What a log says of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStatus {
    Passed,
    Skipped,
    /// Failed and was expected to: not a pass.
    Xfailed,
    /// Passed and was expected to fail: not a pass.
    Xpassed,
    Failed,
    /// An exception outside the test's own assertions, set-up and tear-down included.
    Error,
}

/// A result where the runner writes results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The fullest name first, then the shorter ones that datasets use for the same test.
    pub names: Vec<String>,
    pub status: LogStatus,
    /// Line of the log, counted from 1.
    pub line: usize,
}

/// Something that a runner alone does not write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Alarm {
    pub kind: AlarmKind,
    pub line: usize,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// One test, two different results.
    Conflict,
    /// One test reported twice in the same way.
    Duplicate,
    /// A marker around the test output stands more than once, or inside another line.
    MarkerRepeated,
    /// A line in the form of a result at a place where the runner writes none, and the results do not say the same.
    OutOfPlace,
    /// The results and the runner's own totals differ.
    TotalsDisagree,
    /// Results without the lines that the runner writes before it runs anything.
    NoCollection,
    /// The exit status and the results differ.
    ExitDisagrees,
}

/// A log, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedLog {
    pub entries: Vec<Entry>,
    /// Lines in the form of results outside their place.
    pub elsewhere: Vec<Entry>,
    pub alarms: BTreeSet<Alarm>,
    /// The runner came to its own last line.
    pub finished: bool,
    /// Tests that the runner counts as passed, or whose package it calls ok, and does not name.
    pub unnamed: usize,
}

/// What a log says of a test that is asked for by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Missing,
    One(LogStatus),
    /// Results that differ.
    Conflict(BTreeSet<LogStatus>),
}

/// Results by every name of their tests.
#[derive(Debug)]
pub struct Index<'a> {
    results: HashMap<&'a str, BTreeSet<LogStatus>>,
    elsewhere: HashMap<&'a str, Vec<&'a Entry>>,
}

impl Index<'_> {
    /// Looks a test up. Blanks at the end of a name do not count. A name that was cut inside its brackets (as in datasets whose
    /// parser split at a space) stands for all tests that begin with it, and one whose brackets hold the end of a path
    /// (`[/a.py]`) for all tests with a path that ends so.
    pub fn find(&self, name: &str) -> Found {
        let all = |fits: &dyn Fn(&str) -> bool| {
            let known = self.results.iter().filter(|(known, _)| fits(known));
            known.flat_map(|(_, found)| found).copied().collect()
        };
        let plain = name.trim_end();
        let cut = plain.contains('[') && !plain.ends_with(']');
        let found = match self.results.get(name).or_else(|| self.results.get(plain)) {
            Some(found) => found.clone(),
            None if cut => all(&|known| known.starts_with(plain)),
            None => match shortened_path(plain) {
                Some((test, end)) => all(&|known| {
                    let path = known.strip_prefix(test).and_then(|path| path.strip_suffix(']'));
                    path.is_some_and(|path| path.starts_with('/') && !path.starts_with("//") && path.ends_with(end))
                }),
                None => BTreeSet::new(),
            },
        };
        match found.len() {
            0 => Found::Missing,
            1 => found.first().copied().map_or(Found::Missing, Found::One),
            _ => Found::Conflict(found),
        }
    }

    /// Lines elsewhere that speak of a test and say something other than its result; the first of them.
    pub fn said_elsewhere(&self, name: &str) -> Option<&Entry> {
        let found = self.find(name);
        self.elsewhere.get(name)?.iter().copied().find(|entry| found != Found::One(entry.status))
    }
}

/// Test and end of the path of a name such as `t.py::test_x[/a.py]`: some parsers keep only that of `[/tmp/x/a.py]`.
fn shortened_path(name: &str) -> Option<(&str, &str)> {
    let (test, end) = name.strip_suffix(']')?.split_once('[')?;
    let one = end.strip_prefix('/').is_some_and(|end| !end.is_empty() && !end.contains(['/', '[', '*']));
    one.then(|| (&name[..=test.len()], end))
}

impl ParsedLog {
    pub fn index(&self) -> Index<'_> {
        let mut index = Index { results: HashMap::new(), elsewhere: HashMap::new() };
        for entry in &self.entries {
            for name in &entry.names {
                index.results.entry(name).or_default().insert(entry.status);
            }
        }
        for entry in &self.elsewhere {
            for name in &entry.names {
                index.elsewhere.entry(name).or_default().push(entry);
            }
        }
        index
    }

    fn alarm(&mut self, kind: AlarmKind, line: usize, detail: impl Into<String>) {
        self.alarms.insert(Alarm { kind, line, detail: detail.into() });
    }

    /// Alarms for tests, by their fullest name, that are reported more than once.
    fn check_repeats(&mut self) {
        let mut seen: BTreeMap<&str, &Entry> = BTreeMap::new();
        let mut alarms = Vec::new();
        for entry in &self.entries {
            let Some(name) = entry.names.first() else { continue };
            match seen.insert(name, entry) {
                None => {}
                Some(first) if first.status == entry.status => {
                    alarms.push((AlarmKind::Duplicate, entry.line, format!("{name} is reported again")));
                }
                Some(first) => {
                    let (was, is) = (first.status, entry.status);
                    let detail = format!("{name} is {was:?} in line {} and {is:?} here", first.line);
                    alarms.push((AlarmKind::Conflict, entry.line, detail));
                }
            }
        }
        for (kind, line, detail) in alarms {
            self.alarm(kind, line, detail);
        }
    }
}

impl LogFormat {
    /// Names that [`LogFormat::by_name`] knows for certain.
    pub const NAMES: [&str; 7] = ["cargo", "django", "go", "jest", "pytest", "sympy", "unittest"];

    /// The format of a repository's logs, if it is known before a log is read. Two repositories have runners of their own. What an
    /// instance says of itself counts next, but for the default, which rows name whether or not it is so.
    pub fn of_repository(repo: Option<&str>, named: Option<Self>) -> Option<Self> {
        match repo {
            Some("django/django") => Some(Self::Django),
            Some("sympy/sympy") => Some(Self::Sympy),
            _ => named.filter(|format| *format != Self::Pytest),
        }
    }

    /// Whether tests have names such as `test_x (module.Class)`.
    pub fn names_by_class(self) -> bool {
        match self {
            Self::Django | Self::Unittest => true,
            Self::Cargo | Self::Go | Self::Jest | Self::Pytest | Self::Sympy => false,
        }
    }

    /// The format of a runner's or a log parser's name, as instances and datasets write it.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let known = [
            ("django", Self::Django),
            ("sympy", Self::Sympy),
            ("unittest", Self::Unittest),
            ("pytest", Self::Pytest),
            ("cargo", Self::Cargo),
            ("rust", Self::Cargo),
            ("gotest", Self::Go),
            ("jest", Self::Jest),
        ];
        let found = known.iter().find(|(part, _)| name.contains(part)).map(|(_, format)| *format);
        found.or_else(|| (name == "go" || name.starts_with("go ") || name.ends_with("_go")).then_some(Self::Go))
    }

    /// The format that a log looks like, by the lines only its runner writes.
    pub fn detect(text: &str) -> Option<Self> {
        let has = |mark: &str| text.contains(mark);
        let line = |start: &str| text.lines().any(|line| line.trim_start().starts_with(start));
        if has("= test process starts =") {
            return Some(Self::Sympy);
        }
        if has("= test session starts =") || has("= short test summary info =") {
            return Some(Self::Pytest);
        }
        if line("test result: ") {
            return Some(Self::Cargo);
        }
        if line("=== RUN ") || line("{\"Time\":") && has("\"Action\":") {
            return Some(Self::Go);
        }
        if line("Tests: ") && (line("PASS ") || line("FAIL ")) {
            return Some(Self::Jest);
        }
        if line("Ran ") && has(" ... ") {
            return Some(if has("Creating test database") { Self::Django } else { Self::Unittest });
        }
        None
    }

    /// Reads the output of one run of the runner, markers and anything around it taken away ([`section`]).
    pub fn parse(self, text: &str) -> ParsedLog {
        let lines = lines::lines(text);
        let mut log = match self {
            Self::Cargo => cargo::parse(&lines),
            Self::Django | Self::Unittest => unittest::parse(&lines),
            Self::Go => go::parse(&lines),
            Self::Jest => jest::parse(&lines),
            Self::Pytest => pytest::parse(&lines),
            Self::Sympy => sympy::parse(&lines),
        };
        log.check_repeats();
        log
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::strategy::Strategy as _;

    #[test]
    fn formats_are_known_by_name_and_by_their_own_lines() {
        for (name, format) in [
            ("parse_log_pytest_v2", LogFormat::Pytest),
            ("django/django", LogFormat::Django),
            ("sympy/sympy", LogFormat::Sympy),
            ("go", LogFormat::Go),
            ("parse_log_gotest", LogFormat::Go),
            ("parse_log_cargo", LogFormat::Cargo),
            ("parse_log_jest_json", LogFormat::Jest),
        ] {
            assert_eq!(LogFormat::by_name(name), Some(format), "{name}");
        }
        assert_eq!(LogFormat::by_name("mocha"), None);
        assert_eq!(LogFormat::by_name("golf"), None);
        assert_eq!(LogFormat::detect("collected\n"), None);
    }

    #[test]
    fn a_name_that_was_cut_in_its_brackets_stands_for_all_that_begin_with_it() {
        let entry = |name: &str, status| Entry { names: vec![name.to_owned()], status, line: 1 };
        let mut log = ParsedLog {
            entries: vec![entry("t.py::a[x y]", LogStatus::Passed), entry("t.py::a[x z]", LogStatus::Passed)],
            ..ParsedLog::default()
        };
        assert_eq!(log.index().find("t.py::a[x"), Found::One(LogStatus::Passed));
        assert_eq!(log.index().find("t.py::a"), Found::Missing);
        log.entries[1].status = LogStatus::Failed;
        assert_eq!(log.index().find("t.py::a[x"), Found::Conflict([LogStatus::Passed, LogStatus::Failed].into()));
        assert_eq!(log.index().find("t.py::a[x y]"), Found::One(LogStatus::Passed));
    }

    #[test]
    fn blanks_at_an_end_do_not_count_and_the_end_of_a_path_stands_for_the_path() {
        let entry = |name: &str, status| Entry { names: vec![name.to_owned()], status, line: 1 };
        let log = ParsedLog {
            entries: vec![
                entry("adds none", LogStatus::Passed),
                entry("t.py::a[/tmp/p-1/m.py]", LogStatus::Passed),
                entry("t.py::a[/tmp/p-2/n.py]", LogStatus::Failed),
                entry("t.py::a[x/m.py]", LogStatus::Failed),
                entry("t.py::b[/tmp/1/m.py]", LogStatus::Passed),
                entry("t.py::b[/tmp/2/m.py]", LogStatus::Failed),
            ],
            ..ParsedLog::default()
        };
        let find = |name: &str| log.index().find(name);
        assert_eq!(find("adds none "), Found::One(LogStatus::Passed));
        assert_eq!(find("t.py::a[/m.py] "), Found::One(LogStatus::Passed));
        assert_eq!(find("t.py::a[/n.py]"), Found::One(LogStatus::Failed));
        assert!(matches!(find("t.py::b[/m.py]"), Found::Conflict(_)), "two tests, two results");
        for missing in ["t.py::a[m.py]", "t.py::a[/.py]", "t.py::a[/o.py]", "adds"] {
            assert_eq!(find(missing), Found::Missing, "{missing}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_parser_fail(
            pieces in proptest::collection::vec(
                proptest::prop_oneof![
                    proptest::sample::select(vec![
                        "PASSED ", "FAILED a::b[", "] - ", "\r", "\n", " ... ", "ok", "[", "]", "====", " short test summary info ",
                        "--- PASS: ", "=== RUN ", "ok\t", "test ", "running 3 tests\n", "test result: ", "\u{1b}[", "✓ ", "Ran 1 test in 0s\n",
                        ">>>>> Start Test Output\n", "é", "FAIL: x (", ")", "1 passed in 0.1s", "sympy/a.py[", "tests finished: ", "_",
                    ]).prop_map(str::to_owned),
                    "[ -~é\n]{0,12}",
                ],
                0..40,
            )
        ) {
            let text = pieces.concat();
            let part = section(&text);
            for name in LogFormat::NAMES {
                let log = LogFormat::by_name(name).unwrap().parse(&part.text);
                let lines = part.text.split('\n').count();
                proptest::prop_assert!(log.entries.iter().all(|entry| entry.line >= 1 && entry.line <= lines));
            }
        }
    }
}
