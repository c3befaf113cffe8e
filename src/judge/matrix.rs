//! What selection may know of a repair beside its text: regression tests and generated tests, run for every repair
//! whatever its verdict. Nothing here looks at the fail-to-pass tests. If they share a file with regression tests, the
//! regression tests run by themselves. A generated test counts if it fails on base; gold is not asked.

use std::collections::BTreeSet;

use super::asker::{Ask, Bench, Evidence};
use super::run_result;
use super::run_result::Shown;
use super::steady::steady;
use super::test::script;
use super::{Halt, Step};
use crate::consensus::{Cell, Seen};
use crate::model::admission::Admission;
use crate::model::candidate::{Candidate, TrialTrees};
use crate::model::trial::{Exit, Mode, TestResult};
use crate::model::verdict::Reason;
use crate::runner::Runner;

/// A generated test as it runs on base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnBase {
    /// Base with the test: its name.
    pub tree: String,
    /// What the runner is given.
    pub files: Vec<String>,
    pub script: bool,
    /// Cases that fail in their own body.
    pub failing: BTreeSet<String>,
    pub passing: BTreeSet<String>,
}

/// Regression tests that do not pass with a repair. A regression test passes before and after the change. A run without a
/// proper end passes no test.
pub fn regression(
    repair: &Candidate,
    admission: &Admission,
    runner: &dyn Runner,
    evidence: &dyn Evidence,
) -> Step<Seen<u32>> {
    let Some(TrialTrees::Repair { policy, .. }) = &repair.trees else { return Step::Done(Seen::NotRun) };
    let mut bench = Bench::new(admission, runner, evidence);
    let mut run = || {
        let mut failures = 0;
        for split in &admission.splits {
            let hidden = |id: &&String| admission.fail_to_pass.contains(id);
            let expected: Vec<_> = split.expected.iter().filter(|id| !hidden(id)).cloned().collect();
            if expected.is_empty() {
                continue;
            }
            let only = if expected.len() < split.expected.len() { expected.clone() } else { Vec::new() };
            let seen = bench.seen(&Ask { only, ..Ask::suite(policy, &split.files) })?;
            failures += match run_result::shown(&seen, &expected, admission, bench.runner) {
                Shown::Passed => 0,
                Shown::Failing(failing) => match steady(&failing, split, admission, &mut bench) {
                    Ok(steady) => steady.len(),
                    // Gold cannot tell which of them count.
                    Err(Halt::Judged(Reason::ControlFailed, _)) => failing.len(),
                    Err(halt) => return Err(halt),
                },
                Shown::Abnormal(..) => expected.len(),
            };
        }
        Ok(u32::try_from(failures).unwrap_or(u32::MAX))
    };
    settled(run())
}

/// A generated test on base; `None` if it cannot be told apart from base by running, or decides by something other than what
/// the code does.
pub fn on_base(
    test: &Candidate,
    admission: &Admission,
    runner: &dyn Runner,
    evidence: &dyn Evidence,
) -> Step<Option<OnBase>> {
    let Some(TrialTrees::Test { on_base: tree, files, script, oracle, .. }) = &test.trees else {
        return Step::Done(None);
    };
    if files.is_empty() || !oracle.faults.is_empty() {
        return Step::Done(None);
    }
    let mut bench = Bench::new(admission, runner, evidence);
    match cases(&mut bench, tree, files, *script) {
        Ok(Cases { failing, .. }) if failing.is_empty() => Step::Done(None),
        Ok(Cases { failing, passing }) => {
            Step::Done(Some(OnBase { tree: tree.clone(), files: files.clone(), script: *script, failing, passing }))
        }
        Err(Halt::Needs(trial)) => Step::Needs(trial),
        Err(Halt::Judged(..)) => Step::Done(None),
    }
}

/// A generated test on a repair: `tree` is the repair's with the test's files.
pub fn on_repair(
    test: &OnBase,
    tree: &str,
    admission: &Admission,
    runner: &dyn Runner,
    evidence: &dyn Evidence,
) -> Step<Seen<Cell>> {
    let mut bench = Bench::new(admission, runner, evidence);
    let passing = cases(&mut bench, tree, &test.files, test.script).map(|cases| cases.passing);
    let both = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        u32::try_from(one.intersection(other).count()).unwrap_or(u32::MAX)
    };
    settled(passing.map(|passing| Cell {
        fail_to_pass: both(&test.failing, &passing),
        pass_to_pass: both(&test.passing, &passing),
    }))
}

/// Cases of a test by what they did.
struct Cases {
    failing: BTreeSet<String>,
    passing: BTreeSet<String>,
}

/// Runs a test on a tree. A run that does not come to a proper end shows nothing.
fn cases(bench: &mut Bench, tree: &str, files: &[String], is_script: bool) -> Result<Cases, Halt> {
    let mut cases = Cases { failing: BTreeSet::new(), passing: BTreeSet::new() };
    if is_script {
        let (exit, printed) = bench.printed(&Ask { mode: Mode::Script, ..Ask::suite(tree, files) })?;
        match (script::said(&printed), exit) {
            (Some(script::REPRODUCED), Exit::Code(0)) => drop(cases.failing.insert(files.concat())),
            (Some(script::RESOLVED), Exit::Code(0)) => drop(cases.passing.insert(files.concat())),
            _ => {}
        }
        return Ok(cases);
    }
    let seen = bench.seen(&Ask::suite(tree, files))?;
    if run_result::ended(&seen).is_err() {
        return Ok(cases);
    }
    let named = |does: fn(&TestResult) -> bool| {
        seen.report.tests.iter().filter(|(_, result)| does(result)).map(|(id, _)| id.clone()).collect()
    };
    cases.failing = named(TestResult::failed_in_call);
    cases.passing = named(TestResult::passed);
    Ok(cases)
}

fn settled<T>(result: Result<T, Halt>) -> Step<Seen<T>> {
    match result {
        Ok(value) => Step::Done(Seen::Known(value)),
        Err(Halt::Needs(trial)) => Step::Needs(trial),
        Err(Halt::Judged(..)) => Step::Done(Seen::Failed),
    }
}
