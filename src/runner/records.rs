//! Reads what our reporters write: JSON lines, each with the nonce of the run and a running number.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::bounds::{MOST_ALARMS, MOST_MESSAGES, odd, short};
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::trial::{FileSkip, Note, Origin, Phase, Raised, Remarks, Status, TestReport, Trace};

#[derive(Deserialize)]
struct Record {
    nonce: String,
    seq: u64,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    Start {},
    Collected {
        ids: Vec<String>,
    },
    CollectError {
        file: String,
        error: String,
        #[serde(default)]
        trace: Option<Told>,
    },
    CollectSkip {
        file: String,
        reason: String,
        missing: bool,
    },
    Deselected {
        files: Vec<String>,
        /// Files of which some tests are left.
        #[serde(default)]
        partly: BTreeMap<String, u64>,
    },
    Ignored {
        files: Vec<String>,
    },
    Remark {
        id: String,
        text: String,
    },
    Phase {
        id: String,
        when: When,
        status: Status,
        #[serde(default)]
        error: Option<String>,
        #[serde(default)]
        frames: Vec<String>,
        #[serde(default)]
        trace: Option<Told>,
    },
    Ran {
        file: String,
        lines: Vec<u32>,
    },
    Noted {
        id: String,
        place: u32,
        values: Vec<serde_json::Value>,
    },
    Environment {
        modules: Vec<String>,
    },
    Shadow {
        module: String,
        file: String,
    },
    End {
        exit_status: i32,
    },
}

/// Phases that our reporters tell apart.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum When {
    Setup,
    Call,
    Teardown,
}

impl From<When> for Phase {
    fn from(when: When) -> Self {
        match when {
            When::Setup => Self::Setup,
            When::Call => Self::Call,
            When::Teardown => Self::Teardown,
        }
    }
}

/// How something failed, in the reporter's words.
#[derive(Deserialize)]
struct Told {
    text: String,
    origin: Origin,
    #[serde(default)]
    raised: Option<Raised>,
    #[serde(default)]
    message: String,
}

impl From<Told> for Trace {
    fn from(Told { text, origin, raised, message: _ }: Told) -> Self {
        Self { digest: Digest::of(text.as_bytes()), origin, raised: raised.filter(|raised| !odd(&raised.file)) }
    }
}

/// Rebuilds the report. Whatever our reporter would not have written becomes an alarm; a report that is cut, or whose
/// last record is not the end, is unfinished. A torn last line is what a killed process leaves; it is not an alarm.
pub fn parse(channel: &[u8], truncated: bool, nonce: &str) -> TestReport {
    let mut reading = Reading::default();
    reading.report.remarks = Some(Remarks::default());
    let (whole, torn) = match channel.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => channel.split_at(last + 1),
        None => (&[][..], channel),
    };
    for (number, line) in whole.split_inclusive(|byte| *byte == b'\n').enumerate() {
        reading.line(number + 1, line, nonce);
    }
    let Reading { mut report, ended, alarms, .. } = reading;
    report.format = format::REPORT.to_owned();
    report.finished = ended && torn.is_empty() && !truncated;
    if alarms > MOST_ALARMS {
        report.alarms.push(format!("{} more", alarms - MOST_ALARMS));
    }
    report
}

#[derive(Default)]
struct Reading {
    report: TestReport,
    expected_seq: u64,
    started: bool,
    ended: bool,
    alarms: usize,
}

impl Reading {
    fn alarm(&mut self, number: usize, what: &str) {
        self.alarms += 1;
        if self.alarms <= MOST_ALARMS {
            self.report.alarms.push(format!("record {number}: {what}"));
        }
    }

    fn line(&mut self, number: usize, line: &[u8], nonce: &str) {
        let record: Record = match serde_json::from_slice(line) {
            Ok(record) => record,
            Err(_) => return self.alarm(number, "unreadable"),
        };
        if record.nonce != nonce {
            return self.alarm(number, "wrong nonce");
        }
        if self.ended {
            return self.alarm(number, "after the end");
        }
        if record.seq != self.expected_seq {
            self.alarm(number, "out of sequence");
        }
        self.expected_seq = record.seq.saturating_add(1);
        if matches!(record.kind, Kind::Start {}) == self.started {
            self.alarm(number, if self.started { "a second start" } else { "before the start" });
        }
        self.started = true;
        self.take(number, record.kind);
    }

    fn remarks(&mut self) -> &mut Remarks {
        self.report.remarks.get_or_insert_default()
    }

    fn message(&mut self, about: String, text: &str) {
        let messages = &mut self.remarks().messages;
        if messages.len() < MOST_MESSAGES && !text.is_empty() {
            messages.entry(about).or_insert_with(|| short(text));
        }
    }

    fn traced(&mut self, about: &str, told: Option<Told>) {
        if let Some(told) = told {
            self.message(about.to_owned(), &told.message);
            self.report.traces.insert(about.to_owned(), told.into());
        }
    }

    fn take(&mut self, number: usize, kind: Kind) {
        match kind {
            Kind::Start {} => {}
            Kind::Collected { ids } => {
                for id in ids {
                    if odd(&id) {
                        self.alarm(number, "a test id with control characters");
                        continue;
                    }
                    self.report.tests.entry(id).or_default();
                }
            }
            Kind::CollectError { file, error, trace } => {
                if odd(&file) {
                    return self.alarm(number, "a file name with control characters");
                }
                self.traced(&file, trace);
                self.report.collect_errors.insert(file, short(&error));
            }
            Kind::Phase { id, when, status, error, frames, trace } => {
                let Some(result) = self.report.tests.get_mut(&id) else {
                    return self.alarm(number, "a result for a test that was not collected");
                };
                if status == Status::Failed && result.error.is_none() {
                    result.error = error.as_deref().map(short);
                    result.frames = frames.into_iter().filter(|frame| !odd(frame)).collect();
                    result.phases.push((when.into(), status));
                    self.traced(&id, trace);
                    return;
                }
                result.phases.push((when.into(), status));
            }
            Kind::CollectSkip { file, reason, missing } => {
                if odd(&file) {
                    return self.alarm(number, "a file name with control characters");
                }
                self.remarks().skipped.insert(file, FileSkip { reason: short(&reason), missing });
            }
            Kind::Deselected { files, partly } => {
                self.remarks().deselected.extend(files.into_iter().filter(|file| !odd(file)));
                self.remarks().partly_deselected.extend(partly.into_iter().filter(|(file, _)| !odd(file)));
            }
            Kind::Ignored { files } => {
                self.remarks().ignored.extend(files.into_iter().filter(|file| !odd(file)));
            }
            Kind::Remark { id, text } => {
                if !self.report.tests.contains_key(&id) {
                    return self.alarm(number, "a remark on a test that was not collected");
                }
                self.message(id, &text);
            }
            Kind::Ran { file, lines } => {
                if odd(&file) {
                    return self.alarm(number, "a file name with control characters");
                }
                let ran = self.report.ran.entry(file).or_default();
                ran.extend(lines);
                ran.sort_unstable();
                ran.dedup();
            }
            Kind::Noted { id, place, values } => {
                if !self.report.tests.contains_key(&id) {
                    return self.alarm(number, "a note of a test that was not collected");
                }
                self.report.noted.entry(id).or_default().push(Note { place, values });
            }
            Kind::Environment { modules } => {
                self.report.modules.extend(modules.into_iter().filter(|module| !odd(module)));
            }
            Kind::Shadow { module, file } => {
                if odd(&module) || odd(&file) {
                    return self.alarm(number, "a module name with control characters");
                }
                self.report.shadows.insert(short(&module), short(&file));
            }
            Kind::End { exit_status } => {
                self.ended = true;
                self.report.exit_status = Some(exit_status);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::trial::TestResult;
    use serde_json::{Value, json};

    /// Lines with nonce and sequence as the reporter gives them.
    fn channel(records: &[Value]) -> Vec<u8> {
        let numbered = records.iter().enumerate().map(|(seq, record)| {
            let mut record = record.clone();
            let object = record.as_object_mut().unwrap();
            object.entry("nonce").or_insert(json!("n"));
            object.entry("seq").or_insert(json!(seq));
            format!("{record}\n")
        });
        numbered.collect::<String>().into_bytes()
    }

    fn start() -> Value {
        json!({"kind": "start", "runner": "pytest 9.0.0", "python": "3.11.2"})
    }

    fn collected(ids: &[&str]) -> Value {
        json!({"kind": "collected", "ids": ids})
    }

    fn phase(id: &str, when: &str, status: &str) -> Value {
        json!({"kind": "phase", "id": id, "when": when, "status": status, "error": null, "frames": []})
    }

    fn end() -> Value {
        json!({"kind": "end", "exit_status": 0})
    }

    fn one_pass() -> Vec<Value> {
        let phases = ["setup", "call", "teardown"].map(|when| phase("t.py::a", when, "passed"));
        [vec![start(), collected(&["t.py::a", "t.py::b"])], phases.to_vec(), vec![end()]].concat()
    }

    #[test]
    fn a_whole_session_reads_without_alarm() {
        let report = parse(&channel(&one_pass()), false, "n");
        assert_eq!(report.alarms, Vec::<String>::new());
        assert!(report.finished);
        assert_eq!(report.exit_status, Some(0));
        assert!(report.tests["t.py::a"].passed());
        assert_eq!(report.tests["t.py::b"], TestResult::default(), "collected and never reported");
    }

    #[test]
    fn how_something_failed_is_kept_as_a_digest_of_the_first_failing_phase() {
        let told = |text: &str| json!({"text": text, "origin": "repository"});
        let failing = |when, text| {
            let mut record = phase("t.py::a", when, "failed");
            record["error"] = json!("AssertionError");
            record["trace"] = told(text);
            record
        };
        let broken = json!({"kind": "collect_error", "file": "u.py", "error": "KeyError", "trace": told("third")});
        let records =
            [start(), broken, collected(&["t.py::a"]), failing("call", "one"), failing("teardown", "two"), end()];
        let report = parse(&channel(&records), false, "n");
        assert_eq!(report.alarms, Vec::<String>::new());
        let digests: Vec<_> = report.traces.iter().map(|(what, trace)| (what.as_str(), trace.digest.clone())).collect();
        assert_eq!(digests, [("t.py::a", Digest::of(b"one")), ("u.py", Digest::of(b"third"))]);
    }

    #[test]
    fn why_something_failed_or_did_not_run_is_kept_beside_the_results() {
        let mut call = phase("t.py::a", "call", "failed");
        call["trace"] = json!({"text": "x", "origin": "repository", "message": "no such key"});
        let records = [
            start(),
            json!({"kind": "collect_error", "file": "u.py", "error": "KeyError",
                "trace": {"text": "y", "origin": "repository", "message": "'b'"}}),
            json!({"kind": "collect_skip", "file": "v.py", "reason": "could not import 'w'", "missing": true}),
            json!({"kind": "deselected", "files": ["slow.py"]}),
            collected(&["t.py::a", "t.py::b"]),
            call,
            json!({"kind": "remark", "id": "t.py::b", "text": "only on Mondays"}),
            end(),
        ];
        let report = parse(&channel(&records), false, "n");
        assert_eq!(report.alarms, Vec::<String>::new());
        let remarks = report.remarks.unwrap();
        let told: Vec<_> = remarks.messages.iter().map(|(about, text)| (about.as_str(), text.as_str())).collect();
        assert_eq!(told, [("t.py::a", "no such key"), ("t.py::b", "only on Mondays"), ("u.py", "'b'")]);
        assert_eq!(remarks.skipped["v.py"], FileSkip { reason: "could not import 'w'".to_owned(), missing: true });
        assert!(remarks.deselected.contains("slow.py"));
    }

    #[test]
    fn whatever_our_reporter_does_not_write_raises_an_alarm() {
        let late = |record: Value| [one_pass(), vec![record]].concat();
        let early = |record: Value| [vec![start(), collected(&["t.py::a"]), record], vec![end()]].concat();
        let mut forged = phase("t.py::a", "call", "passed");
        forged["nonce"] = json!("guess");
        let mut skipped = phase("t.py::a", "call", "passed");
        skipped["seq"] = json!(7);
        let table = [
            (early(forged), "wrong nonce"),
            (early(skipped), "out of sequence"),
            (early(phase("t.py::z", "call", "passed")), "not collected"),
            (early(phase("t.py::a", "dream", "passed")), "unreadable"),
            (early(start()), "second start"),
            (early(collected(&["t.py::a\nt.py::b"])), "control characters"),
            (vec![collected(&["t.py::a"]), end()], "before the start"),
            (late(phase("t.py::b", "call", "passed")), "after the end"),
            (late(end()), "after the end"),
        ];
        for (records, alarm) in table {
            let report = parse(&channel(&records), false, "n");
            assert!(report.alarms.iter().any(|text| text.contains(alarm)), "{alarm}: {:?}", report.alarms);
        }
        let report = parse(&[channel(&one_pass()), b"garbage\n".to_vec()].concat(), false, "n");
        assert_eq!(report.alarms, ["record 7: unreadable"]);
    }

    #[test]
    fn a_session_that_stops_anywhere_is_unfinished_and_no_alarm() {
        let bytes = channel(&one_pass());
        for length in 0..bytes.len() {
            let report = parse(&bytes[..length], false, "n");
            assert!(!report.finished, "{length}");
            assert_eq!(report.alarms, Vec::<String>::new(), "{length}");
        }
        assert!(!parse(&bytes, true, "n").finished, "the sandbox cut the channel");
    }

    #[test]
    fn a_test_that_reports_twice_has_not_passed() {
        let mut records = one_pass();
        records.insert(4, phase("t.py::a", "call", "passed"));
        let report = parse(&channel(&records), false, "n");
        assert_eq!(report.tests["t.py::a"].phases.len(), 4);
        assert!(!report.tests["t.py::a"].passed());
    }

    #[test]
    fn the_first_failure_names_error_and_frames() {
        let mut call = phase("t.py::a", "call", "failed");
        call["error"] = json!("KeyError");
        call["frames"] = json!(["t.py", "src/x.py"]);
        let mut teardown = phase("t.py::a", "teardown", "failed");
        teardown["error"] = json!("OSError");
        let records = [start(), collected(&["t.py::a"]), phase("t.py::a", "setup", "passed"), call, teardown, end()];
        let result = &parse(&channel(&records), false, "n").tests["t.py::a"];
        assert_eq!(result.error.as_deref(), Some("KeyError"));
        assert_eq!(result.frames, ["t.py", "src/x.py"]);
        assert!(result.failed_in_call());
    }

    #[test]
    fn a_flood_of_bad_records_keeps_a_bounded_number_of_alarms() {
        let report = parse(&b"x\n".repeat(10_000), false, "n");
        assert_eq!(report.alarms.len(), MOST_ALARMS + 1);
        assert_eq!(report.alarms[MOST_ALARMS], "9980 more");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parser_fail(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            proptest::prop_assert!(!parse(&bytes, false, "n").finished);
        }
    }
}
