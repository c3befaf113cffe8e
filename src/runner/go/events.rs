//! Reads the marked text of Go's test binaries and of our launcher. In: the channel. Out: a report.
//!
//! Go puts the byte 0x16 before each line of its own, and the launcher does the same, with the nonce. Text without the
//! byte is what tests print; a result in it counts for nothing. A test has passed only if Go's own line says so, once.
//! A session has ended only if each binary said its last word (`PASS` or `FAIL`) and the launcher said its own. A binary
//! that ends with another status than 0 although none of its tests failed, as a `TestMain` may, is a contradiction: the
//! status of the session alone does not show it beside a test that failed.
//!
//! Code that knows of the byte can still write such lines. This is why the channel is worth E2 at most.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::digest::Digest;
use crate::model::format;
use crate::model::trial::{Origin, Phase, Raised, Remarks, Status, TestReport, Trace};
use crate::runner::bounds::{MOST_ALARMS, MOST_MESSAGES, odd, short};

/// A test that failed by `t.Fail`, which every failed expectation of Go comes to.
pub(super) const FAIL: &str = "Fail";
/// A test in which the process ended.
pub(super) const PANIC: &str = "Panic";
/// A package that does not build.
pub(super) const UNBUILT: &str = "BuildFailed";
/// A package that does not build for want of a name.
pub(super) const UNDEFINED: &str = "Undefined";
/// A package that does not build for want of a module or package.
pub(super) const MISSING_MODULE: &str = "MissingModule";

const MARK: u8 = 0x16;
/// How a Go program ends that panicked.
const PANICKED: i32 = 2;

/// Rebuilds the report. Whatever neither Go nor our launcher would have written becomes an alarm.
pub(super) fn parse(channel: &[u8], truncated: bool, nonce: &str) -> TestReport {
    let mut reading = Reading { nonce, ..Reading::default() };
    reading.report.remarks = Some(Remarks::default());
    let (whole, torn) = match channel.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => channel.split_at(last + 1),
        None => (&[][..], channel),
    };
    for (number, line) in whole.split_inclusive(|byte| *byte == b'\n').enumerate() {
        // A line of tests may not have been ended when Go wrote its own.
        let line = &line[..line.len() - 1];
        let (printed, marked) = match line.iter().rposition(|byte| *byte == MARK) {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        reading.printed(&String::from_utf8_lossy(printed));
        if let Some(marked) = marked {
            reading.marked(number + 1, &String::from_utf8_lossy(marked));
        }
    }
    reading.close_build();
    let Reading { mut report, stage, died, alarms, .. } = reading;
    report.format = format::REPORT.to_owned();
    report.finished = matches!(stage, Stage::Ended) && !died && torn.is_empty() && !truncated;
    if alarms > MOST_ALARMS {
        report.alarms.push(format!("{} more", alarms - MOST_ALARMS));
    }
    report
}

/// How far the session is.
#[derive(Default)]
enum Stage {
    #[default]
    Before,
    Between,
    Running(Package),
    Ended,
}

/// A test binary that runs.
struct Package {
    target: String,
    /// Tests that were started, with how often, less the results.
    open: BTreeMap<String, u32>,
    /// The test that prints now.
    current: String,
    /// Its first word was kept. A name may be as long as the report, so it is not looked up for each line.
    heard: bool,
    /// What tests that have no result yet printed first, if it looks like a word of `t.Log` and the like.
    said: BTreeMap<String, String>,
    /// The function of the last test that failed.
    last_failed: Option<String>,
    /// Go's last word was said.
    ended: bool,
}

impl Package {
    /// What is printed from here on is of this test.
    fn prints(&mut self, name: &str) {
        name.clone_into(&mut self.current);
        self.heard = false;
    }
}

/// What the compiler said of a package.
struct Build {
    target: String,
    lines: Vec<String>,
}

#[derive(Default)]
struct Reading<'a> {
    nonce: &'a str,
    report: TestReport,
    stage: Stage,
    build: Option<Build>,
    targets: BTreeSet<String>,
    /// A binary ended without its last word.
    died: bool,
    alarms: usize,
}

impl Reading<'_> {
    fn alarm(&mut self, number: usize, what: &str) {
        self.alarms += 1;
        if self.alarms <= MOST_ALARMS {
            self.report.alarms.push(format!("line {number}: {what}"));
        }
    }

    /// What a test printed. It is a remark at most.
    fn printed(&mut self, text: &str) {
        let Stage::Running(package) = &mut self.stage else { return };
        if !package.heard
            && package.said.len() < MOST_MESSAGES
            && let Some((_, message)) = located(text.trim_start())
        {
            package.said.entry(package.current.clone()).or_insert_with(|| short(message));
            package.heard = true;
        }
    }

    fn marked(&mut self, number: usize, line: &str) {
        if let Some(words) = line.strip_prefix("assay ") {
            let Some(words) = words.strip_prefix(self.nonce).and_then(|words| words.strip_prefix(' ')) else {
                return self.alarm(number, "wrong nonce");
            };
            let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
            return self.ours(number, verb, rest);
        }
        let Some(event) = event(line) else { return };
        let Stage::Running(package) = &mut self.stage else {
            return self.alarm(number, "a line of a test binary while none runs");
        };
        if package.ended {
            return self.alarm(number, "a line of a test binary after its last word");
        }
        match event {
            Event::Start(name) if odd(name) => self.alarm(number, "a test name with control characters"),
            Event::Start(name) => {
                *package.open.entry(name.to_owned()).or_default() += 1;
                package.prints(name);
                self.report.tests.entry(format!("{}::{name}", package.target)).or_default();
            }
            Event::Prints(name) => package.prints(name),
            Event::Result(name, status) => self.result(number, name, status),
            Event::LastWord => package.ended = true,
        }
    }

    fn result(&mut self, number: usize, name: &str, status: Status) {
        let Stage::Running(package) = &mut self.stage else { return };
        let started = package.open.get_mut(name).filter(|open| **open > 0);
        let Some(open) = started else {
            return self.alarm(number, "a result for a test that was not started, or has one");
        };
        *open -= 1;
        let id = format!("{}::{name}", package.target);
        let said = package.said.remove(name);
        let Some(test) = self.report.tests.get_mut(&id) else { return };
        test.phases.push((Phase::Whole, status));
        if status == Status::Failed {
            test.error.get_or_insert_with(|| FAIL.to_owned());
            package.last_failed = Some(function(name).to_owned());
        }
        if status != Status::Passed
            && let Some(said) = said
        {
            self.message(id, said);
        }
    }

    /// A line of the launcher.
    fn ours(&mut self, number: usize, verb: &str, rest: &str) {
        if verb != "said" {
            self.close_build();
        }
        match (verb, &mut self.stage) {
            ("start", Stage::Before) => self.stage = Stage::Between,
            ("unbuilt", Stage::Between) if self.targets.insert(rest.to_owned()) && !odd(rest) => {
                self.build = Some(Build { target: rest.to_owned(), lines: Vec::new() });
            }
            ("said", Stage::Between) if self.build.is_some() => {
                self.build.iter_mut().for_each(|build| build.lines.push(rest.to_owned()));
            }
            ("run", Stage::Between) if self.targets.insert(rest.to_owned()) && !odd(rest) => {
                self.stage = Stage::Running(Package {
                    target: rest.to_owned(),
                    open: BTreeMap::new(),
                    current: String::new(),
                    heard: false,
                    said: BTreeMap::new(),
                    last_failed: None,
                    ended: false,
                });
            }
            ("ended", Stage::Running(package)) => {
                let Ok(status) = rest.parse::<i32>() else {
                    return self.alarm(number, "an exit status that is not a number");
                };
                if package.ended && status != 0 && package.last_failed.is_none() {
                    let what = format!("{} ended with status {status}, and none of its tests failed", package.target);
                    self.report.contradictions.push(what);
                }
                let function = package.last_failed.take().filter(|_| !package.ended && status == PANICKED);
                let panicked = function.map(|function| format!("{}::{function}", package.target));
                self.died |= !package.ended;
                if let Some(id) = panicked {
                    self.panicked(&id);
                }
                self.stage = Stage::Between;
            }
            ("end", Stage::Between) => {
                let Ok(status) = rest.parse::<i32>() else {
                    return self.alarm(number, "an exit status that is not a number");
                };
                self.report.exit_status = Some(status);
                self.stage = Stage::Ended;
            }
            (_, Stage::Ended) => self.alarm(number, "after the end"),
            _ => self.alarm(number, &format!("{} out of order", short(verb))),
        }
    }

    /// Go reports the test that panicked as failed, with all above it, and then the process ends.
    fn panicked(&mut self, id: &str) {
        for (name, test) in &mut self.report.tests {
            if name == id || name.strip_prefix(id).is_some_and(|rest| rest.starts_with('/')) {
                test.error.iter_mut().for_each(|error| PANIC.clone_into(error));
            }
        }
    }

    /// Takes what the compiler said of a package as its error of collection.
    fn close_build(&mut self) {
        let Some(Build { target, lines }) = self.build.take() else { return };
        let place = lines.iter().find_map(|line| located(line));
        let raised = place
            .as_ref()
            .and_then(|(raised, _)| Some(Raised { file: beside(&target, &raised.file)?, line: raised.line }));
        let first = || lines.iter().find(|line| !line.starts_with('#')).map_or("", String::as_str);
        let message = place.as_ref().map_or_else(first, |(_, message)| message);
        let any = |needles: &[&str]| lines.iter().any(|line| needles.iter().any(|needle| line.contains(needle)));
        let error = if any(&["no required module provides", "cannot find module", "GOPROXY=off", "is not in std"]) {
            MISSING_MODULE
        } else if any(&["undefined: ", " undefined (type"]) {
            UNDEFINED
        } else {
            UNBUILT
        };
        let origin = match raised {
            Some(_) => Origin::Repository,
            None => Origin::System,
        };
        let digest = Digest::of(lines.join("\n").as_bytes());
        self.message(target.clone(), short(message));
        self.report.traces.insert(target.clone(), Trace { digest, origin, raised });
        self.report.collect_errors.insert(target, error.to_owned());
    }

    fn message(&mut self, about: String, text: String) {
        let messages = &mut self.report.remarks.get_or_insert_default().messages;
        if messages.len() < MOST_MESSAGES && !text.is_empty() {
            messages.entry(about).or_insert(text);
        }
    }
}

/// A line of a test binary.
enum Event<'a> {
    Start(&'a str),
    /// What is printed from here on is of this test.
    Prints(&'a str),
    Result(&'a str, Status),
    LastWord,
}

/// Reads a marked line. Tests may print the byte too; what then follows reads as nothing.
fn event(line: &str) -> Option<Event<'_>> {
    if line == "PASS" || line == "FAIL" {
        return Some(Event::LastWord);
    }
    if let Some(name) = line.strip_prefix("=== RUN   ") {
        return Some(Event::Start(name));
    }
    for update in ["=== NAME  ", "=== CONT  ", "=== PAUSE "] {
        if let Some(name) = line.strip_prefix(update) {
            return Some(Event::Prints(name));
        }
    }
    let result = line.trim_start_matches("    ").strip_prefix("--- ")?;
    let (word, rest) = result.split_once(": ")?;
    let status = match word {
        "PASS" => Status::Passed,
        "FAIL" => Status::Failed,
        "SKIP" => Status::Skipped,
        _ => return None,
    };
    let (name, seconds) = rest.rsplit_once(" (")?;
    seconds.strip_suffix("s)")?.parse::<f64>().ok()?;
    Some(Event::Result(name, status))
}

/// `file.go:12:3: message` or `file.go:12: message`, taken apart.
fn located(line: &str) -> Option<(Raised, &str)> {
    let at = line.find(".go:")?;
    let (file, rest) = (&line[..at + 3], &line[at + 4..]);
    let (number, rest) = rest.split_once(':')?;
    let message = match rest.split_once(": ") {
        Some((column, message)) if !column.is_empty() && column.bytes().all(|byte| byte.is_ascii_digit()) => message,
        _ => rest.strip_prefix(' ')?,
    };
    let line = number.parse().ok()?;
    (!file.contains(char::is_whitespace)).then(|| (Raised { file: file.to_owned(), line }, message))
}

/// The repository path of a file that is named from a package's folder; `None` if it is outside.
fn beside(target: &str, file: &str) -> Option<String> {
    if file.starts_with('/') {
        return None;
    }
    let mut parts: Vec<_> = target.split('/').filter(|part| *part != ".").collect();
    for part in file.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn function(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
