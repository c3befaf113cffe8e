//! Other people's evaluation logs, graded again by our rules and held against the labels they were published with.
//!
//! Known layouts: `.../MODEL/INSTANCE/test_output.txt` with `report.json` beside it (SWE-bench since 2.0, SWE-smith,
//! SWE-Gym), `INSTANCE.MODEL.eval.log` (SWE-bench 1), `INSTANCE_test_output.txt` in one folder for all, and any file whose name
//! begins with an instance id and a dot.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;
use walkdir::WalkDir;

use super::finding::{Findings, Place, Rule};
use super::shape::{Facts, facts};
use crate::exit_code::Stop;
use crate::intake::{Quarantined, each_record};
use crate::logs::LogFormat;
use crate::logs::grade::{Grade, LogGrade, grade_log};
use crate::model::near_names::nearest;

/// What an instance expects of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    pub fail_to_pass: Vec<String>,
    pub pass_to_pass: Vec<String>,
    /// Runner that the row names, or that its repository is known to have.
    pub format: Option<LogFormat>,
}

/// A log, graded.
#[derive(Clone, Debug, Serialize)]
pub struct GradedLog {
    pub instance_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Relative to the directory of the logs.
    pub log: String,
    /// What was published with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<bool>,
    #[serde(flatten)]
    pub graded: LogGrade,
    /// Tests that were published as passed and did not pass by this log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tests_that_differ: Vec<String>,
    /// Why the report beside the log could not be read: the log has no label then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_unread: Option<String>,
}

/// Reads what instances expect: rows of the SWE-bench family, SWE-smith's included. Rows that cannot be used are quarantined.
///
/// # Errors
/// A file that cannot be read, or in which no row has an instance id.
pub fn read_expected(file: &Path) -> Result<(BTreeMap<String, Expected>, Vec<Quarantined>)> {
    let (mut expected, mut quarantined) = (BTreeMap::new(), Vec::new());
    let mut refuse = |line, why: &str| quarantined.push(Quarantined::new(file.display().to_string(), line, why));
    each_record(file, &mut |record| {
        let row = match record.row {
            Ok(row) => row,
            Err(why) => return refuse(record.line, &why),
        };
        let named = ["log_parser", "framework", "test_framework"].iter().find_map(|name| row.get(*name)?.as_str());
        let framework = row.get("environment").and_then(|environment| environment.get("framework")?.as_str());
        let format = named.or(framework).and_then(LogFormat::by_name);
        let facts = facts(row);
        match facts.instance_id.clone() {
            Some(id) => drop(expected.insert(id, expected_of(&facts, format))),
            None => refuse(record.line, "missing field `instance_id`"),
        }
    })
    .with_context(|| format!("reading instances of {}", file.display()))?;
    if expected.is_empty() {
        let message = format!("{} has no row with an instance_id; name a file of instances", file.display());
        return Err(Stop::Usage(message).into());
    }
    Ok((expected, quarantined))
}

fn expected_of(facts: &Facts, named: Option<LogFormat>) -> Expected {
    Expected {
        fail_to_pass: facts.fail_to_pass.clone().unwrap_or_default(),
        pass_to_pass: facts.pass_to_pass.clone().unwrap_or_default(),
        format: LogFormat::of_repository(facts.repo.as_deref(), named),
    }
}

/// Grades every log below a directory that belongs to an instance. `runner` outweighs what instances say. A log that cannot be
/// read is graded as that, and a report that cannot be read leaves its log without a label.
///
/// # Errors
/// A directory that cannot be listed, or no log of any of the instances.
pub fn grade_logs(
    directory: &Path,
    expected: &BTreeMap<String, Expected>,
    runner: Option<LogFormat>,
) -> Result<Vec<GradedLog>> {
    let (mut graded, mut strangers) = (Vec::new(), Vec::new());
    for entry in WalkDir::new(directory).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
        let path = entry.path();
        if !is_log(path) {
            continue;
        }
        let Some(id) = instance_of(path, expected) else {
            strangers.push(path.strip_prefix(directory).unwrap_or(path).display().to_string());
            continue;
        };
        let want = &expected[id];
        let grade = match std::fs::read(path) {
            Ok(bytes) => {
                let log = String::from_utf8_lossy(&bytes);
                grade_log(&log, runner.or(want.format), &want.fail_to_pass, &want.pass_to_pass)
            }
            Err(error) => LogGrade::unread(format!("the log cannot be read: {error}")),
        };
        let (report, report_unread) = match report_of(path) {
            Ok(report) => (report, None),
            Err(why) => (None, Some(why)),
        };
        let status = report.as_ref().and_then(|report| report.get(id).or(Some(report)));
        let published = status.and_then(|status| status.get("resolved")).and_then(Value::as_bool);
        let inner = path.strip_prefix(directory).unwrap_or(path);
        graded.push(GradedLog {
            instance_id: id.to_owned(),
            model: model_of(path, id),
            log: inner.display().to_string(),
            published,
            tests_that_differ: status.map_or_else(Vec::new, |status| differences(status, &grade)),
            graded: grade,
            report_unread,
        });
    }
    if graded.is_empty() {
        let first = strangers.first().map_or(String::new(), |log| {
            let stem = log.trim_end_matches("/test_output.txt");
            let name = stem.rsplit('/').next().unwrap_or(stem);
            format!("; {log} is of none of them: of instances {}", nearest(name, expected.keys().map(String::as_str)))
        });
        return Err(Stop::Usage(format!(
            "{} holds no log of these instances; a log is INSTANCE/test_output.txt or a file whose name begins with the \
             instance id{first}",
            directory.display()
        ))
        .into());
    }
    Ok(graded)
}

fn is_log(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.is_file()
        && (name == "test_output.txt" || name.ends_with(".log") || name.ends_with(".txt"))
        && name != "run_instance.log"
}

/// The instance that a log belongs to: its folder's name, or the longest known id that its own name begins with.
fn instance_of<'a>(path: &Path, expected: &'a BTreeMap<String, Expected>) -> Option<&'a str> {
    let folder = path.parent()?.file_name().unwrap_or_default().to_string_lossy();
    let name = path.file_name()?.to_string_lossy();
    if name == "test_output.txt" {
        return expected.get_key_value(&*folder).map(|(id, _)| id.as_str());
    }
    // In one folder for all: `ID_test_output.txt`.
    let flat = ["_test_output.", "-test_output.", "_output.", "_eval."];
    let begins = |id: &&String| {
        let rest = name.strip_prefix(id.as_str());
        rest.is_some_and(|rest| rest.starts_with('.') || flat.iter().any(|start| rest.starts_with(start)))
    };
    expected.keys().filter(begins).max_by_key(|id| id.len()).map(String::as_str)
}

fn model_of(path: &Path, id: &str) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    if let Some(rest) = name.strip_prefix(id) {
        let model = rest.trim_start_matches('.').trim_end_matches(".eval.log");
        return (rest.ends_with(".eval.log") && !model.is_empty()).then(|| model.to_owned());
    }
    Some(path.parent()?.parent()?.file_name()?.to_string_lossy().into_owned())
}

/// The report beside a log, if there is one; or why it says nothing.
fn report_of(log: &Path) -> Result<Option<Value>, String> {
    match std::fs::read(log.with_file_name("report.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| format!("report.json is not JSON, so the log has no label: {error}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("report.json cannot be read, so the log has no label: {error}")),
    }
}

/// Tests that the report counts as passed and that did not pass by our rules.
fn differences(status: &Value, graded: &LogGrade) -> Vec<String> {
    let lists = ["FAIL_TO_PASS", "PASS_TO_PASS"].map(|name| &status["tests_status"][name]["success"]);
    let passed = lists.into_iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    let differ = passed.filter_map(|test| Some(format!("{test}: {}", seen(graded.not_passed.get(test)?))));
    differ.collect()
}

fn seen(seen: &crate::logs::grade::Seen) -> String {
    crate::model::name::name(seen)
}

/// What the grades mean for a dataset that rests on them.
pub fn judge_logs(logs: &[GradedLog], findings: &mut Findings) {
    for log in logs {
        let place = || Place { file: log.log.clone(), row: None, about: Some(log.instance_id.clone()) };
        let (ours, detail) = (log.graded.grade.resolved(), &log.graded.detail);
        if let Some(why) = &log.report_unread {
            findings.add(Rule::LogUnreadable, place(), why.clone());
        }
        match (log.graded.grade, log.published) {
            (Grade::Suspicious, _) => findings.add(Rule::LogSuspicious, place(), detail.clone()),
            (_, Some(published)) if ours.is_some_and(|ours| ours != published) => {
                let theirs = if published { "resolved" } else { "not resolved" };
                let why = if detail.is_empty() { "every expected test passed".to_owned() } else { detail.clone() };
                findings.add(Rule::LogDisagrees, place(), format!("published as {theirs}; by the log, {why}"));
            }
            (_, Some(true)) if ours.is_none() => {
                findings.add(
                    Rule::LogDisagrees,
                    place(),
                    format!("published as resolved; the log does not show it: {detail}"),
                );
            }
            _ if ours.is_none() => findings.add(Rule::LogUnreadable, place(), detail.clone()),
            _ => {}
        }
    }
}

/// Whether anything about a log calls for a look.
pub fn disagrees(log: &GradedLog) -> bool {
    let mut findings = Findings::default();
    judge_logs(std::slice::from_ref(log), &mut findings);
    findings.count(Rule::LogDisagrees) + findings.count(Rule::LogSuspicious) > 0
}
