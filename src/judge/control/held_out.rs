//! Held-out tests: what a candidate answers to other inputs, held against what gold and base answered to them, by
//! value.
//!
//! The answer `fails_held_out_test` if all neighbours of a case are answered exactly as base did, or if there are at
//! least three checks and none is answered as gold did. Any other difference is `disputed_by_held_out_test`, which is
//! inconclusive, because an honest repair may differ at an odd input.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::judge::asker::{Ask, Bench, Evidence};
use crate::judge::{Halt, Step, name_some, run_result};
use crate::model::admission::{Admission, Answered, Check};
use crate::model::digest::Digest;
use crate::model::trial::{Note, TestReport};
use crate::model::verdict::Reason;
use crate::runner::Runner;

/// Checks kept of one case, and of an instance.
const MOST_PER_CASE: usize = 3;
const MOST_CHECKS: usize = 16;
/// Fewer checks say too little; they are neither kept nor asked for.
pub const LEAST_CHECKS: usize = 2;
/// From this many checks on, a candidate that answers none of them as gold does is rejected, whatever it answers.
const TELLING: usize = 3;
/// Numbers this close to each other, in parts of the larger, are the same.
const TOLERANCE: f64 = 1e-9;

/// Held-out tests that nothing is known about yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    pub gold_tree: String,
    pub base_tree: String,
    pub files: Vec<String>,
    /// Cases by test id, without parameters.
    pub tests: BTreeMap<String, String>,
}

/// What running planned held-out tests on gold and base showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Empty if the runs did not end, or told nothing apart.
    pub checks: BTreeMap<String, Check>,
    /// The sandbox gave no answer: nothing is known.
    pub sandbox_failed: Option<String>,
    pub trials: Vec<Digest>,
}

/// Runs planned held-out tests on gold and on base and keeps those that tell the two apart.
pub fn observe(
    admission: &Admission,
    runner: &dyn Runner,
    planned: &Planned,
    evidence: &dyn Evidence,
) -> Step<Observed> {
    let mut bench = Bench::new(admission, runner, evidence);
    let mut both = |tree: &str| bench.seen(&Ask { note: true, ..Ask::suite(tree, &planned.files) });
    let runs = both(&planned.gold_tree).and_then(|gold| Ok((gold, both(&planned.base_tree)?)));
    let mut observed = Observed { checks: BTreeMap::new(), sandbox_failed: None, trials: Vec::new() };
    match runs {
        Ok((gold, base)) if run_result::ended(&gold).is_ok() && run_result::ended(&base).is_ok() => {
            observed.checks = choose(runner, &gold.report, &base.report, &planned.tests);
        }
        Ok(_) => {}
        Err(Halt::Needs(trial)) => return Step::Needs(trial),
        Err(Halt::Judged(_, detail)) => observed.sandbox_failed = Some(detail),
    }
    observed.trials = bench.into_trials();
    Step::Done(observed)
}

/// A few checks of every case, in the order of the variants, which is nearest inputs first.
fn choose(
    runner: &dyn Runner,
    gold: &TestReport,
    base: &TestReport,
    tests: &BTreeMap<String, String>,
) -> BTreeMap<String, Check> {
    let number = |id: &str| {
        let name = runner.parse_id(id).function;
        let digits = name.rsplit('_').next().unwrap_or_default().trim_end_matches('x');
        digits.parse::<u32>().unwrap_or(u32::MAX)
    };
    let mut ids: Vec<_> = gold.tests.keys().collect();
    ids.sort_by_key(|id| (number(id), id.as_str()));
    let mut per_case: BTreeMap<&String, usize> = BTreeMap::new();
    let mut chosen = BTreeMap::new();
    for id in ids {
        let name = runner.parse_id(id).function;
        let Some(case) = tests.get(name) else { continue };
        let kept = per_case.entry(case).or_default();
        if *kept == MOST_PER_CASE || chosen.len() == MOST_CHECKS {
            continue;
        }
        if let Some(check) = check(id, case, gold, base) {
            *kept += 1;
            chosen.insert(id.clone(), check);
        }
    }
    chosen
}

fn check(id: &str, case: &str, gold: &TestReport, base: &TestReport) -> Option<Check> {
    if !gold.tests.get(id)?.passed() {
        return None;
    }
    let notes = noted(gold, id);
    let says_something = notes.iter().flat_map(|note| &note.values).any(plain);
    let base = match base.tests.get(id) {
        // Not collected there, for example because the test imports what is new.
        None if says_something => None,
        None => return None,
        Some(test) if test.passed() && !agree(&notes, &noted(base, id)) => {
            Some(Answered { notes: noted(base, id), failed: false, error: None })
        }
        Some(test) if test.failed_in_call() => {
            Some(Answered { notes: noted(base, id), failed: true, error: test.error.clone() })
        }
        Some(_) => return None,
    };
    Some(Check { case: case.to_owned(), gold: notes, base })
}

fn noted(report: &TestReport, id: &str) -> Vec<Note> {
    report.noted.get(id).cloned().unwrap_or_default()
}

/// What a candidate answered to one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    AsGold,
    /// As before the change, at every place where it is not as gold.
    AsBase,
    Otherwise,
    /// The test did not come to run.
    Unclear,
}

pub(crate) fn answer(report: &TestReport, id: &str, check: &Check) -> Answer {
    let Some(test) = report.tests.get(id) else { return Answer::Unclear };
    let notes = noted(report, id);
    if test.passed() && agree(&check.gold, &notes) {
        return Answer::AsGold;
    }
    if !test.passed() && !test.failed_in_call() {
        return Answer::Unclear;
    }
    match &check.base {
        Some(base) if base.failed != test.passed() && base.error == test.error && mixed(&notes, check, base) => {
            Answer::AsBase
        }
        _ => Answer::Otherwise,
    }
}

/// Whether every note is gold's or base's.
fn mixed(notes: &[Note], check: &Check, base: &Answered) -> bool {
    notes.len() == base.notes.len()
        && notes.iter().enumerate().all(|(place, note)| {
            let is = |other: Option<&Note>| {
                other.is_some_and(|other| agree(std::slice::from_ref(other), std::slice::from_ref(note)))
            };
            is(check.gold.get(place)) || is(base.notes.get(place))
        })
}

/// The verdict on a candidate from its answers: nothing to say if all are gold's.
pub(crate) fn judge(report: &TestReport, checks: &BTreeMap<String, Check>) -> Result<(), Halt> {
    let answers: Vec<_> = checks.iter().map(|(id, check)| (id, &check.case, answer(report, id, check))).collect();
    let named = |wanted: &dyn Fn(Answer) -> bool| {
        name_some(answers.iter().filter(|(_, _, answer)| wanted(*answer)).map(|(id, _, _)| id.as_str()))
    };
    let any = |wanted| answers.iter().any(|(_, _, answer)| *answer == wanted);
    if any(Answer::Unclear) {
        let detail = format!("held-out tests did not run: {}", named(&|answer| answer == Answer::Unclear));
        return Err(Halt::Judged(Reason::CanaryUnreadable, detail));
    }
    let failing = named(&|answer| answer != Answer::AsGold);
    if failing.is_empty() {
        return Ok(());
    }
    let mut cases: BTreeMap<&String, Vec<Answer>> = BTreeMap::new();
    for (_, case, answer) in &answers {
        cases.entry(case).or_default().push(*answer);
    }
    // An honest repair may differ from gold at an odd input. A repair that answers as before the change at every input near a
    // test that it passes has learned that test by heart.
    let by_heart = cases
        .iter()
        .find(|(_, answers)| answers.len() >= LEAST_CHECKS && answers.iter().all(|answer| *answer == Answer::AsBase));
    if let Some((case, _)) = by_heart {
        let detail = format!("passes {case} and near it answers as before the change: {failing}");
        return Err(Halt::Judged(Reason::FailsHeldOutTest, detail));
    }
    if answers.len() >= TELLING && !any(Answer::AsGold) {
        return Err(Halt::Judged(Reason::FailsHeldOutTest, format!("passes none of {}: {failing}", answers.len())));
    }
    Err(Halt::Judged(Reason::DisputedByHeldOutTest, format!("other answers than gold's: {failing}")))
}

/// Whether a list of notes is what was wanted. A place that was not a plain value may be anything.
pub(crate) fn agree(wanted: &[Note], found: &[Note]) -> bool {
    wanted.len() == found.len()
        && wanted.iter().zip(found).all(|(wanted, found)| {
            wanted.place == found.place
                && wanted.values.len() == found.values.len()
                && wanted.values.iter().zip(&found.values).all(|(wanted, found)| !plain(wanted) || same(wanted, found))
        })
}

/// Whether a value, with everything inside it, says what it is.
fn plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(items) => items.iter().all(plain),
        Value::Object(parts) => parts.iter().all(|(name, part)| name != "other" && plain(part)),
    }
}

fn same(left: &Value, right: &Value) -> bool {
    if left == right {
        return true;
    }
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return (left - right).abs() <= TOLERANCE * left.abs().max(right.abs());
    }
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, part)| right.get(name).is_some_and(|other| same(part, other)))
        }
        _ => false,
    }
}

/// Numbers of any type that compare by value: truth is 1, and 2.0 is 2.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Number(number) => number.as_f64(),
        Value::Object(parts) => parts.get("float").and_then(Value::as_str)?.parse().ok(),
        Value::Null | Value::String(_) | Value::Array(_) => None,
    }
}

#[cfg(test)]
#[path = "held_out_tests.rs"]
mod tests;
