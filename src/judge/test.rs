//! Generated tests: fail on base for a reason of the issue, pass on gold (integrity facts, section 4, T1 to T5).

use std::collections::BTreeSet;

use super::bench::{Ask, Bench, Seen};
use super::{Halt, name_some, suite};
use crate::admission::Admission;
use crate::candidate::{Candidate, PathClass, TrialTrees};
use crate::framework::Framework;
use crate::trial::{Exit, Mode, Status, TestResult};
use crate::verdict::Reason;

/// What a reproduction script prints (recipe, section 1.3).
const REPRODUCED: &str = "Issue reproduced";
const RESOLVED: &str = "Issue resolved";
const OTHER: &str = "Other issues";

pub(super) fn judge(
    candidate: &Candidate,
    admission: &Admission,
    framework: &dyn Framework,
    bench: &mut Bench,
) -> Result<(Reason, String), Halt> {
    let (Some(prepared), Some(TrialTrees::Test { on_base, on_gold, files, script })) =
        (&candidate.prepared, &candidate.trees)
    else {
        return Err(Halt::Judged(Reason::NotRun, "the test was never put on the base tree".to_owned()));
    };
    if *script {
        return judge_script(on_base, on_gold, files, admission, bench);
    }
    let foreign = prepared.files.iter().filter(|path| match admission.class_of(path) {
        PathClass::Test | PathClass::Fixture => false,
        PathClass::Source
        | PathClass::RunnerConfig
        | PathClass::BuildConfig
        | PathClass::Startup
        | PathClass::Bytecode
        | PathClass::Vcs
        | PathClass::Ci
        | PathClass::Docs
        | PathClass::Generated
        | PathClass::Binary => true,
    });
    let foreign: Vec<_> = foreign.map(String::as_str).collect();
    if !foreign.is_empty() {
        return Err(Halt::Judged(Reason::TouchesNonTests, name_some(foreign)));
    }
    if files.is_empty() {
        return Err(Halt::Judged(Reason::NotCollected, "no file that the runner collects tests from".to_owned()));
    }
    let base = bench.seen(&Ask::suite(on_base, files))?;
    if base.outcome.exit == Exit::TimedOut {
        return Err(Halt::Judged(Reason::FailsForWrongReason, "ran past the deadline on base".to_owned()));
    }
    suite::ended(&base)?;
    let reproducing = reproducing(&base, framework)?;
    for repeat in 0..admission.repeats.max(1) {
        let ask = Ask { repeat, ..Ask::suite(on_gold, files) };
        let gold = bench.seen(&ask)?;
        holds_on_gold(&gold, &reproducing)?;
    }
    Ok((Reason::Reproduces, name_some(reproducing.iter().map(String::as_str))))
}

/// The tests that fail on base in their own body, for a reason that is not theirs.
fn reproducing(base: &Seen, framework: &dyn Framework) -> Result<BTreeSet<String>, Halt> {
    let tests = &base.report.tests;
    if tests.is_empty() {
        let errors: Vec<_> =
            base.report.collect_errors.iter().map(|(file, error)| format!("{file}: {error}")).collect();
        return Err(Halt::Judged(
            Reason::NotCollected,
            format!("no test was collected on base {}", name_some(errors.iter().map(String::as_str))),
        ));
    }
    let right: BTreeSet<_> = tests
        .iter()
        .filter(|(id, test)| test.failed_in_call() && !own_fault(test, &framework.file_of(id)))
        .map(|(id, _)| id.clone())
        .collect();
    if !right.is_empty() {
        return Ok(right);
    }
    let failing = tests.iter().find(|(_, test)| test.phases.iter().any(|(_, status)| *status == Status::Failed));
    match failing {
        Some((id, test)) => Err(Halt::Judged(
            Reason::FailsForWrongReason,
            format!("{id}: {}", test.error.as_deref().unwrap_or("outside the test's body")),
        )),
        None if base.report.collect_errors.is_empty() => {
            Err(Halt::Judged(Reason::DoesNotReproduce, format!("none of {} tests fails on base", tests.len())))
        }
        None => Err(Halt::Judged(Reason::NotCollected, "a test file could not be collected on base".to_owned())),
    }
}

/// An import, syntax or name error raised in the test file itself: the test is broken, not the code under test.
fn own_fault(test: &TestResult, file: &str) -> bool {
    let broken = ["ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError", "TabError", "NameError"];
    let kind = test.error.as_deref().unwrap_or("");
    let raised_in_test = test.frames.last().is_none_or(|frame| frame == file);
    broken.contains(&kind) && raised_in_test
}

fn holds_on_gold(gold: &Seen, reproducing: &BTreeSet<String>) -> Result<(), Halt> {
    if let Err(Halt::Judged(_, detail)) = suite::ended(gold) {
        return Err(Halt::Judged(Reason::FailsOnGold, format!("the run on gold did not end well: {detail}")));
    }
    let tests = &gold.report.tests;
    if let Some(absent) = reproducing.iter().find(|id| !tests.contains_key(*id)) {
        return Err(Halt::Judged(Reason::NotCollected, format!("{absent} is collected on base and not on gold")));
    }
    let failing = tests.iter().filter(|(id, test)| {
        let failed = test.phases.iter().any(|(_, status)| *status == Status::Failed);
        failed || (reproducing.contains(*id) && !test.passed())
    });
    let failing: Vec<_> = failing.map(|(id, _)| id.as_str()).collect();
    if !failing.is_empty() {
        return Err(Halt::Judged(Reason::FailsOnGold, name_some(failing)));
    }
    if let Some((file, error)) = gold.report.collect_errors.iter().next() {
        return Err(Halt::Judged(Reason::FailsOnGold, format!("{file} could not be collected on gold: {error}")));
    }
    Ok(())
}

fn judge_script(
    on_base: &str,
    on_gold: &str,
    files: &[String],
    admission: &Admission,
    bench: &mut Bench,
) -> Result<(Reason, String), Halt> {
    let ask = |tree, repeat| Ask { mode: Mode::Script, repeat, ..Ask::suite(tree, files) };
    let (exit, printed) = bench.printed(&ask(on_base, 0))?;
    match (said(&printed), exit) {
        (Some(REPRODUCED), Exit::Code(0)) => {}
        (Some(RESOLVED), Exit::Code(0)) => {
            return Err(Halt::Judged(Reason::DoesNotReproduce, format!("prints {RESOLVED:?} on base")));
        }
        (said, exit) => {
            return Err(Halt::Judged(Reason::FailsForWrongReason, format!("on base: {said:?}, {exit:?}")));
        }
    }
    for repeat in 0..admission.repeats.max(1) {
        let (exit, printed) = bench.printed(&ask(on_gold, repeat))?;
        if (said(&printed), exit) != (Some(RESOLVED), Exit::Code(0)) {
            return Err(Halt::Judged(Reason::FailsOnGold, format!("on gold: {:?}, {exit:?}", said(&printed))));
        }
    }
    Ok((Reason::Reproduces, format!("prints {REPRODUCED:?} on base and {RESOLVED:?} on gold")))
}

/// The one marker that stands on a line of its own; none when there is no marker, or more than one kind.
fn said(printed: &str) -> Option<&'static str> {
    let mut kinds = [REPRODUCED, RESOLVED, OTHER].into_iter().filter(|m| printed.lines().any(|line| line.trim() == *m));
    match (kinds.next(), kinds.next()) {
        (Some(only), None) => Some(only),
        (None, _) | (Some(_), Some(_)) => None,
    }
}
