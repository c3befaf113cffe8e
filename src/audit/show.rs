//! A row traced back: to its verdict, its receipt, and the trials these rest on.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::check::{Checks, check};
use super::finding::Finding;
use super::shape::Facts;
use super::source::Source;
use crate::dataset::evidence;
use crate::exit_code::Stop;
use crate::journal::RunDir;
use crate::model::candidate::Candidate;
use crate::model::digest::Digest;
use crate::model::near_names::nearest;
use crate::model::receipt::Receipt;
use crate::model::trial::{Exit, Outcome, TestReport};
use crate::model::verdict::Verdict;

/// Fewest digits of a digest that name a row.
const FEWEST: usize = 6;

/// Everything that is known about a row.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    pub table: String,
    pub row: u64,
    pub values: Map<String, Value>,
    pub verdict: Option<Verdict>,
    pub receipt: Option<Receipt>,
    /// In the order the judge looked at them.
    pub trials: Vec<TracedTrial>,
    /// What the audit has against the row.
    pub findings: Vec<Finding>,
}

/// A trial and its outcome.
#[derive(Clone, Debug, Serialize)]
pub struct TracedTrial {
    pub id: Digest,
    pub tree: String,
    pub files: Vec<String>,
    pub mode: String,
    pub exit: String,
    pub wall_ms: u64,
    /// Tests by what they did, as the report counts them; `None` if there is no report.
    pub tests: BTreeMap<String, u64>,
    /// Tests that did not pass; the first of them.
    pub not_passed: Vec<String>,
    /// It holds tests with changed expectations or inputs: failing is what canaries are for.
    pub control: bool,
    /// The receipt names this outcome.
    pub in_receipt: bool,
}

/// Finds a row by `TABLE:ROW`, or by the first digits of its receipt or candidate, or by its instance if that has one row
/// only.
///
/// # Errors
/// [`Stop::Usage`] if no row or more than one fits; evidence that cannot be read.
pub fn show(source: &Source, wanted: &str) -> Result<Trace> {
    let mut found: Vec<(String, u64, Map<String, Value>, Facts)> = Vec::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    let checked = check(source, &Checks::default(), &mut |_| {}, &mut |table, row, values, facts| {
        if let Some(id) = facts.instance_id.as_ref().filter(|id| !names.contains(*id)) {
            names.insert(id.clone());
        }
        if found.len() < 10 && fits(wanted, table, row, facts) {
            found.push((table.to_owned(), row, values.clone(), facts.clone()));
        }
    })?;
    let places: Vec<_> = found.iter().map(|(table, row, ..)| format!("{table}:{row}")).collect();
    let (table, row, values, facts) = match found.len() {
        1 => found.remove(0),
        0 => {
            return Err(Stop::Usage(format!(
                "no row is {wanted}; name TABLE:ROW, an instance, or the first digits ({FEWEST} or more) of a receipt or \
                 candidate; of instances {}",
                nearest(wanted, names.iter().map(String::as_str))
            ))
            .into());
        }
        _ => {
            return Err(
                Stop::Usage(format!("{wanted} fits several rows: {}; name one of these", places.join(", "))).into()
            );
        }
    };
    let of_row = |finding: &Finding| finding.place.file == table && finding.place.row == Some(row);
    let findings = checked.findings.kept().into_iter().filter(of_row).collect();
    let mut trace = Trace { table, row, values, verdict: None, receipt: None, trials: Vec::new(), findings };
    if source.ours
        && let Some(candidate) = facts.candidate_id.as_deref()
    {
        let scratch = tempfile::tempdir().context("cannot make a directory for the evidence; free space in TMPDIR")?;
        let run = evidence::unpack(&source.root, &scratch.path().join("run"))?;
        trace.follow(&run, candidate)?;
    }
    Ok(trace)
}

fn fits(wanted: &str, table: &str, row: u64, facts: &Facts) -> bool {
    if let Some((of, number)) = wanted.rsplit_once(':')
        && of == table
    {
        return number.parse() == Ok(row);
    }
    let digest = wanted.len() >= FEWEST && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
    let names = [&facts.receipt, &facts.candidate_id];
    digest && names.into_iter().flatten().any(|id| id.starts_with(wanted))
        || facts.instance_id.as_deref() == Some(wanted)
}

impl Trace {
    fn follow(&mut self, run: &RunDir, candidate: &str) -> Result<()> {
        let verdicts: Vec<Verdict> = run.read_lines("verdicts.jsonl")?;
        let receipts: Vec<Receipt> = run.read_lines("receipts.jsonl")?;
        self.verdict = verdicts.into_iter().find(|verdict| verdict.candidate_id.as_str() == candidate);
        self.receipt = receipts.into_iter().find(|receipt| receipt.candidate_id.as_str() == candidate);
        let candidates: Vec<Candidate> = run.read_lines("candidates.jsonl").unwrap_or_default();
        if !candidates.is_empty() && !candidates.iter().any(|one| one.candidate_id.as_str() == candidate) {
            bail!("candidate {candidate} is not in the evidence; the row was edited or the evidence is not its own");
        }
        let index = run.index()?;
        for trial in self.verdict.iter().flat_map(|verdict| &verdict.trials) {
            let stored = index.outcome(trial)?;
            let stored = stored.with_context(|| format!("trial {trial} has no outcome in the evidence"))?;
            self.trials.push(traced(run, &stored.outcome()?, self.receipt.as_ref()));
        }
        Ok(())
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut lines = vec![format!("row       {}:{}", self.table, self.row)];
        let mut say = |name: &str, value: String| lines.push(format!("{name:<9} {value}"));
        for name in ["instance_id", "skill", "model", "evidence", "license"] {
            if let Some(value) = self.values.get(name).and_then(Value::as_str) {
                say(name.trim_end_matches("_id"), value.to_owned());
            }
        }
        if let Some(verdict) = &self.verdict {
            let word = |value: Value| value.as_str().unwrap_or_default().to_owned();
            let (status, reason) = (word(json!(verdict.status)), word(json!(verdict.reason)));
            say("verdict", format!("{status}/{reason} {}", verdict.detail));
            let from = &verdict.generation;
            say("answer", format!("{}:{} sample {}", from.file, from.line, from.index));
            for stripped in &verdict.stripped {
                say("stripped", format!("{} ({})", stripped.path, word(json!(stripped.class))));
            }
        }
        if let Some(receipt) = &self.receipt {
            say("receipt", format!("{} over tree {}", receipt.digest(), receipt.tree));
        }
        for trial in &self.trials {
            let tests: Vec<_> = trial.tests.iter().map(|(what, count)| format!("{count} {what}")).collect();
            let named = if trial.in_receipt { "" } else { "; NOT the outcome of the receipt" };
            say(
                "trial",
                format!(
                    "{} {} on tree {}: {}, {} ms; {}{named}",
                    trial.id.short(),
                    trial.mode,
                    trial.tree.get(..12).unwrap_or(&trial.tree),
                    trial.exit,
                    trial.wall_ms,
                    if tests.is_empty() { "no report".to_owned() } else { tests.join(", ") }
                ),
            );
            for test in &trial.not_passed {
                let why = if trial.control { " (control session: canaries must fail)" } else { "" };
                say("", format!("not passed: {test}{why}"));
            }
        }
        for finding in &self.findings {
            say("finding", format!("{}: {}", finding.rule, finding.message));
        }
        lines.join("\n")
    }
}

fn traced(run: &RunDir, outcome: &Outcome, receipt: Option<&Receipt>) -> TracedTrial {
    let digest = Digest::of_json(outcome);
    let report = outcome.report.as_ref().and_then(|report| run.blobs().get(report).ok());
    let report: Option<TestReport> = report.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let (mut tests, mut not_passed) = (BTreeMap::new(), Vec::new());
    for (id, result) in report.iter().flat_map(|report| &report.tests) {
        let passed = result.passed();
        *tests.entry(if passed { "passed" } else { "not passed" }.to_owned()).or_default() += 1;
        if !passed && not_passed.len() < 10 {
            not_passed.push(id.clone());
        }
    }
    let word = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    TracedTrial {
        id: outcome.trial_id.clone(),
        tree: outcome.trial.tree.clone(),
        files: outcome.trial.plan.files.clone(),
        mode: word(json!(outcome.trial.plan.mode)),
        exit: match outcome.exit {
            Exit::Code(code) => format!("exit {code}"),
            Exit::Signal(signal) => format!("signal {signal}"),
            Exit::TimedOut => "timed out".to_owned(),
            Exit::OutOfMemory => "out of memory".to_owned(),
        },
        wall_ms: outcome.wall_ms,
        tests,
        not_passed,
        control: outcome.trial.plan.note,
        in_receipt: receipt.is_some_and(|receipt| receipt.trials.contains(&(outcome.trial_id.clone(), digest))),
    }
}
