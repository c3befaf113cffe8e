//! The page of one candidate: the change, the tests before and after, why this verdict, and what ran. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::cut::{Cut, cut};
use crate::judge::Evidence;
use crate::model::admission::Admission;
use crate::model::candidate::{Candidate, Malformed, Stripped, TrialTrees};
use crate::model::name::name;
use crate::model::strength::Strength;
use crate::model::trial::{Exit, Mode, Outcome, TestReport, TestResult};
use crate::model::verdict::Verdict;

/// Bytes of each that the page keeps.
const DIFF: usize = 48 << 10;
const ANSWER: usize = 12 << 10;
const LOG: usize = 4 << 10;
/// Tests listed by name.
const TESTS: usize = 60;
/// Runs whose output is kept.
const LOGS: usize = 3;

/// Everything that the page of a candidate shows beside its line in the table.
#[derive(Debug, Serialize)]
pub struct Detail {
    candidate: String,
    source: String,
    detail: String,
    receipt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    malformed: Option<Malformed>,
    stripped: Vec<Stripped>,
    normalised: Vec<String>,
    flags: Vec<String>,
    files: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strength: Option<Strength>,
    diff: Cut,
    answer: Cut,
    tests: Tests,
    runs: Vec<Run>,
}

/// What the tests did without the change and with it.
#[derive(Debug, Default, Serialize)]
struct Tests {
    rows: Vec<TestRow>,
    /// Tests that are not listed: they passed before and after.
    unchanged: usize,
    /// Tests that would be listed and are too many.
    more: usize,
}

#[derive(Debug, Serialize)]
struct TestRow {
    id: String,
    before: String,
    after: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// One trial.
#[derive(Debug, Serialize)]
struct Run {
    what: &'static str,
    trial: String,
    end: String,
    wall_ms: u64,
    overhead_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_mib: Option<u64>,
    passed: usize,
    failed: usize,
    other: usize,
    tampered: Vec<String>,
    retried: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Cut>,
    /// Bytes that were printed in all, and the file that holds what was kept of them.
    printed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<String>,
}

/// What ran for a candidate.
pub struct Ran<'a> {
    pub outcomes: Vec<Arc<Outcome>>,
    pub evidence: &'a dyn Evidence,
}

/// Builds the page of a candidate. `answer` is what the model wrote.
pub fn detail(
    candidate: &Candidate,
    verdict: &Verdict,
    admission: Option<&Admission>,
    answer: &str,
    ran: &Ran,
) -> Detail {
    let prepared = candidate.prepared.as_ref();
    let reports: Vec<_> = ran.outcomes.iter().map(|outcome| ran.evidence.report(outcome)).collect();
    Detail {
        candidate: candidate.candidate_id.to_string(),
        source: format!("{}:{}", candidate.generation.file, candidate.generation.line),
        detail: verdict.detail.clone(),
        receipt: verdict.receipt.to_string(),
        form: candidate.form.clone(),
        malformed: candidate.malformed.clone(),
        stripped: verdict.stripped.clone(),
        normalised: prepared.map(|prepared| prepared.normalised.clone()).unwrap_or_default(),
        flags: verdict.flags.iter().map(name).collect(),
        files: prepared.map(|prepared| prepared.files.clone()).unwrap_or_default(),
        strength: verdict.strength.clone(),
        diff: cut(prepared.map_or("", |prepared| &prepared.diff), DIFF),
        answer: cut(answer, ANSWER),
        tests: tests(candidate, admission, &ran.outcomes, &reports),
        runs: runs(candidate, admission, ran, &reports),
    }
}

type Reports = [Option<Arc<TestReport>>];

/// Results by test id of the first run of a tree that has one.
fn results<'a>(tree: &str, outcomes: &[Arc<Outcome>], reports: &'a Reports) -> BTreeMap<&'a str, &'a TestResult> {
    let mut found = BTreeMap::new();
    for (outcome, report) in outcomes.iter().zip(reports) {
        if let Some(report) = report.as_ref().filter(|_| outcome.trial.tree == tree) {
            for (id, result) in &report.tests {
                found.entry(id.as_str()).or_insert(result);
            }
        }
    }
    found
}

fn tests(candidate: &Candidate, admission: Option<&Admission>, outcomes: &[Arc<Outcome>], reports: &Reports) -> Tests {
    let mut tests = Tests::default();
    let mut rows = Vec::new();
    match &candidate.trees {
        Some(TrialTrees::Repair { policy, canary, .. }) => {
            let Some(admission) = admission else { return tests };
            let mut after = results(policy, outcomes, reports);
            // The last tests may have run together with the control session, whose own tests are not expected tests.
            for (id, result) in canary.iter().flat_map(|tree| results(tree, outcomes, reports)) {
                if admission.pass_to_pass.iter().any(|expected| expected == id) {
                    after.entry(id).or_insert(result);
                }
            }
            for id in &admission.fail_to_pass {
                rows.push(row(id, "failed".to_owned(), after.get(id.as_str()).copied()));
            }
            for id in &admission.pass_to_pass {
                let result = after.get(id.as_str()).copied();
                match result {
                    Some(result) if result.passed() => tests.unchanged += 1,
                    Some(_) => rows.push(row(id, "passed".to_owned(), result)),
                    // Not run: an earlier failure had decided.
                    None => tests.more += 1,
                }
            }
        }
        Some(TrialTrees::Test { on_base, on_gold, .. }) => {
            let before = results(on_base, outcomes, reports);
            let after = results(on_gold, outcomes, reports);
            for (id, result) in &before {
                rows.push(row(id, status(Some(result)), after.get(id).copied()));
            }
            for (id, result) in after.iter().filter(|(id, _)| !before.contains_key(*id)) {
                rows.push(row(id, "not collected".to_owned(), Some(result)));
            }
        }
        None => {}
    }
    tests.more += rows.len().saturating_sub(TESTS);
    rows.truncate(TESTS);
    tests.rows = rows;
    tests
}

fn row(id: &str, before: String, after: Option<&TestResult>) -> TestRow {
    TestRow { id: id.to_owned(), before, after: status(after), error: after.and_then(|result| result.error.clone()) }
}

fn status(result: Option<&TestResult>) -> String {
    match result {
        None => "not run".to_owned(),
        Some(result) if result.passed() => "passed".to_owned(),
        Some(result) => match result.phases.iter().find(|(_, status)| *status != crate::model::trial::Status::Passed) {
            Some((_, status)) => name(status),
            None => "incomplete".to_owned(),
        },
    }
}

fn runs(candidate: &Candidate, admission: Option<&Admission>, ran: &Ran, reports: &Reports) -> Vec<Run> {
    let mut logs = 0;
    let mut runs = Vec::new();
    for (outcome, report) in ran.outcomes.iter().zip(reports) {
        let tests = report.iter().flat_map(|report| report.tests.values());
        let (mut passed, mut failed, mut other) = (0, 0, 0);
        for test in tests {
            match (test.passed(), test.phases.iter().any(|(_, status)| *status == crate::model::trial::Status::Failed))
            {
                (true, _) => passed += 1,
                (false, true) => failed += 1,
                (false, false) => other += 1,
            }
        }
        // What went well is told by its counts.
        let told = outcome.exit != Exit::Code(0) && logs < LOGS;
        logs += usize::from(told);
        runs.push(Run {
            what: what(outcome, candidate, admission),
            trial: outcome.trial_id.to_string(),
            end: end(outcome.exit),
            wall_ms: outcome.wall_ms,
            overhead_ms: outcome.overhead_ms,
            peak_mib: outcome.peak_memory_bytes.map(|bytes| bytes >> 20),
            passed,
            failed,
            other,
            tampered: outcome.tampered.clone(),
            retried: outcome.retried.clone(),
            log: told.then(|| ran.evidence.output(outcome)).flatten().map(|text| cut(&text, LOG)),
            printed: outcome.output.total_bytes,
            blob: outcome.output.blob.as_ref().map(|digest| digest.to_string()),
        });
    }
    runs
}

/// What a trial was for.
fn what(outcome: &Outcome, candidate: &Candidate, admission: Option<&Admission>) -> &'static str {
    let tree = &outcome.trial.tree;
    let of_instance = admission.and_then(|admission| admission.trees.as_ref());
    let plain = outcome.trial.plan.mode == Mode::Plain;
    match &candidate.trees {
        Some(TrialTrees::Repair { policy, .. }) if policy == tree && plain => "without the test runner",
        Some(TrialTrees::Repair { policy, .. }) if policy == tree => "tests of the repository, on the change",
        Some(TrialTrees::Repair { submitted: Some(submitted), .. }) if submitted == tree => {
            "tests of the repository, on the answer as submitted"
        }
        Some(TrialTrees::Repair { canary: Some(canary), .. }) if canary == tree => {
            "control session: changed tests that must fail"
        }
        Some(TrialTrees::Test { on_base, .. }) if on_base == tree => "the written test, before the fix",
        Some(TrialTrees::Test { on_gold, .. }) if on_gold == tree => "the written test, after the fix",
        Some(TrialTrees::Test { in_suite, .. }) if in_suite == tree => "the written test among the repository's own",
        _ => match of_instance {
            Some(trees) if trees.tested_gold == *tree => "the reference solution, beside it",
            Some(trees) if trees.tested_base == *tree => "the unchanged repository",
            _ => "a further control",
        },
    }
}

fn end(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(signal) => format!("killed by signal {signal}"),
        Exit::TimedOut => "timed out".to_owned(),
        Exit::OutOfMemory => "out of memory".to_owned(),
    }
}
