//! Generated tests: collected alike on base and gold, fail on base for a reason of the issue, pass on gold, steadily,
//! and break nothing. What they are worth beyond that is in `strength`.
//!
//! - Only test paths change, and nothing in the source certainly decides by something else than behaviour.
//! - The same ids are collected on base and gold. At least one test fails on base in its own body, by an assertion or
//!   in the repository's code. An import, syntax or name error of the test's own does not count, unless gold adds the
//!   name (`api_missing`). On gold the failing tests pass, and nothing fails but what gold failed so at admission.
//! - Both hold in every repeat (at least two, the second under another hash seed, time zone and locale), and alone.
//! - With the answer in the tree, the expected tests and the tests of files that the answer edits still pass, in one
//!   session.
//!
//! A test needs no canaries of its own to be E3: base is what it must fail on.

pub mod failure;
pub mod script;
pub mod strength;
mod subject;

use std::collections::BTreeSet;

use self::subject::{Subject, Verified, repeats, sound, variation};
use super::asker::{Ask, Bench, Seen};
use super::repair::confirm;
use super::steady::steady;
use super::{Halt, Peers, name_some, run_result};
use crate::model::admission::Admission;
use crate::model::candidate::{Candidate, PathClass, TrialTrees};
use crate::model::strength::FailureClass;
use crate::model::test_record::{Standing, TestRecord};
use crate::model::trial::{Exit, Status, TestResult, Variation};
use crate::model::verdict::{Reason, VerdictStatus};
use crate::runner::Runner;

/// At most this many tests run alone. The others run in their file and in the suite only.
const MOST_ALONE: usize = 8;

pub(super) fn judge(
    candidate: &Candidate,
    admission: &Admission,
    runner: &dyn Runner,
    peers: &Peers,
    bench: &mut Bench,
) -> Result<Verified, Halt> {
    let (
        Some(prepared),
        Some(TrialTrees::Test { on_base, on_gold, files, script, in_suite, edited, overruled, oracle }),
    ) = (&candidate.prepared, &candidate.trees)
    else {
        return Err(Halt::Judged(Reason::NotRun, "the test was never put on the base tree".to_owned()));
    };
    let subject = Subject { admission, on_base, on_gold, in_suite, files, edited, overruled, oracle };
    if *script {
        return script::judge(&subject, bench);
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
    // What is certain from reading alone costs no run.
    sound(oracle)?;
    let held = confirm::confirmed(on_base, admission, bench, |bench| holds(&subject, runner, bench))?;
    let Held { reproducing, class, repeats } = held;
    let strength = strength::measure(&subject, &reproducing, class, repeats, peers, bench)?;
    Ok(Verified { detail: name_some(reproducing.iter().map(String::as_str)), strength })
}

/// What the runs of a test that holds on base and gold showed.
struct Held {
    reproducing: BTreeSet<String>,
    class: FailureClass,
    repeats: u32,
}

fn holds(subject: &Subject, runner: &dyn Runner, bench: &mut Bench) -> Result<Held, Halt> {
    let Subject { on_base, on_gold, files, .. } = subject;
    let base = bench.seen(&Ask::suite(on_base, files))?;
    if base.outcome.exit == Exit::TimedOut {
        return Err(Halt::Judged(Reason::FailsForWrongReason, "ran past the deadline on base".to_owned()));
    }
    run_result::ended(&base)?;
    let (reproducing, class) = reproducing(&base, subject, runner)?;
    let gold = bench.seen(&Ask::suite(on_gold, files))?;
    holds_on_gold(&gold, &reproducing, &spared(subject.admission, Variation::None), Reason::FailsOnGold)?;
    collected_alike(&base, &gold)?;
    let repeats = repeated(subject, &reproducing, bench)?;
    alone(subject, &gold, &reproducing, bench)?;
    keeps_edited(subject, &gold, bench)?;
    breaks_nothing(subject, &reproducing, runner, bench)?;
    Ok(Held { reproducing, class, repeats })
}

/// The tests that fail on base in their own body, for a reason that is not theirs.
fn reproducing(base: &Seen, subject: &Subject, runner: &dyn Runner) -> Result<(BTreeSet<String>, FailureClass), Halt> {
    let tests = &base.report.tests;
    if let Some((file, error)) = base.report.collect_errors.iter().next() {
        return Err(Halt::Judged(Reason::NotCollected, format!("{file} could not be collected on base: {error}")));
    }
    if tests.is_empty() {
        return Err(Halt::Judged(Reason::NotCollected, "no test was collected on base".to_owned()));
    }
    let classed: Vec<_> = tests
        .iter()
        .filter(|(_, test)| test.failed_in_call())
        .map(|(id, test)| (id, failure::class(id, test, subject, runner)))
        .collect();
    let right: BTreeSet<_> = classed
        .iter()
        .filter(|(_, class)| matches!(class, failure::Class::Right(_)))
        .map(|(id, _)| (*id).clone())
        .collect();
    let best = classed.iter().filter_map(|(_, class)| match class {
        failure::Class::Right(class) => Some(*class),
        failure::Class::Wrong | failure::Class::Unknown => None,
    });
    if let Some(class) = best.min() {
        return Ok((right, class));
    }
    if let Some((id, _)) = classed.iter().find(|(_, class)| matches!(class, failure::Class::Unknown)) {
        return Err(Halt::Judged(Reason::EvidenceUnreadable, format!("{id} fails on base and nothing says why")));
    }
    match tests.iter().find(|(_, test)| failed(test)) {
        Some((id, test)) => Err(Halt::Judged(
            Reason::FailsForWrongReason,
            format!("{id}: {}", test.error.as_deref().unwrap_or("outside the test's body")),
        )),
        None => Err(Halt::Judged(Reason::DoesNotReproduce, format!("none of {} tests fails on base", tests.len()))),
    }
}

fn failed(test: &TestResult) -> bool {
    test.phases.iter().any(|(_, status)| *status == Status::Failed)
}

/// Checks that the same tests are collected on base and on gold.
fn collected_alike(base: &Seen, gold: &Seen) -> Result<(), Halt> {
    let ids = |seen: &Seen| seen.report.tests.keys().cloned().collect::<BTreeSet<_>>();
    let (base, gold) = (ids(base), ids(gold));
    match base.symmetric_difference(&gold).next() {
        None => Ok(()),
        Some(id) => {
            let (here, there) = if base.contains(id) { ("base", "gold") } else { ("gold", "base") };
            Err(Halt::Judged(Reason::NotCollected, format!("{id} is collected on {here} and not on {there}")))
        }
    }
}

/// Checks that every test that reproduces passes, and that no other test fails but the spared ones.
fn holds_on_gold(
    gold: &Seen,
    reproducing: &BTreeSet<String>,
    spared: &BTreeSet<String>,
    otherwise: Reason,
) -> Result<(), Halt> {
    if let Err(Halt::Judged(_, detail)) = run_result::ended(gold) {
        return Err(Halt::Judged(otherwise, format!("the run on gold did not end well: {detail}")));
    }
    let tests = &gold.report.tests;
    if let Some((file, error)) = gold.report.collect_errors.iter().next() {
        return Err(Halt::Judged(otherwise, format!("{file} could not be collected on gold: {error}")));
    }
    if let Some(absent) = reproducing.iter().find(|id| !tests.contains_key(*id)) {
        return Err(Halt::Judged(Reason::NotCollected, format!("{absent} is collected on base and not on gold")));
    }
    let failing: Vec<_> = tests
        .iter()
        .filter(|(id, test)| match reproducing.contains(*id) {
            true => !test.passed(),
            false => failed(test) && !spared.contains(*id),
        })
        .map(|(id, _)| id.as_str())
        .collect();
    if failing.is_empty() { Ok(()) } else { Err(Halt::Judged(otherwise, name_some(failing))) }
}

/// Checks that every repeat gives the same result, perturbed or not. The first run of each side is known already.
fn repeated(subject: &Subject, reproducing: &BTreeSet<String>, bench: &mut Bench) -> Result<u32, Halt> {
    let repeats = repeats(subject.admission);
    for repeat in 1..repeats {
        let variation = variation(repeat);
        let ask = |tree| Ask { repeat, variation, ..Ask::suite(tree, subject.files) };
        let spared = spared(subject.admission, variation);
        holds_on_gold(&bench.seen(&ask(subject.on_gold))?, reproducing, &spared, Reason::UnsteadyTest)?;
        fails_on_base(&bench.seen(&ask(subject.on_base))?, reproducing.iter(), &format!("repeat {repeat}"))?;
    }
    Ok(repeats)
}

/// The instance's own tests that gold may fail beside the answer's when it runs so: it did at admission.
fn spared(admission: &Admission, variation: Variation) -> BTreeSet<String> {
    let may_fail = |record: &TestRecord| match record.standing {
        Standing::FailToPass => variation == Variation::ShuffledFiles && record.ordered(),
        Standing::SeedOrZoneDependent => variation == Variation::OtherSeedAndZone,
        // Which tests run before it differs here in any case.
        Standing::OrderDependent | Standing::Flaky | Standing::NetworkDependent | Standing::FailsOnGold => true,
        Standing::UnknownOnBase | Standing::NotFailedOnBase => false,
    };
    admission.tests.iter().filter(|(_, record)| may_fail(record)).map(|(id, _)| id.clone()).collect()
}

fn fails_on_base<'i>(base: &Seen, ids: impl Iterator<Item = &'i String>, when: &str) -> Result<(), Halt> {
    if let Err(Halt::Judged(_, detail)) = run_result::ended(base) {
        return Err(Halt::Judged(Reason::UnsteadyTest, format!("{when}: the run on base did not end well: {detail}")));
    }
    let fails = |id: &String| base.report.tests.get(id).is_some_and(TestResult::failed_in_call);
    let otherwise: Vec<_> = ids.filter(|id| !fails(id)).map(String::as_str).collect();
    match otherwise.is_empty() {
        true => Ok(()),
        false => {
            Err(Halt::Judged(Reason::UnsteadyTest, format!("{when}: no failure on base of {}", name_some(otherwise))))
        }
    }
}

/// Checks that each test by itself gives what it gives in its file.
fn alone(subject: &Subject, gold: &Seen, reproducing: &BTreeSet<String>, bench: &mut Bench) -> Result<(), Halt> {
    if gold.report.tests.len() == 1 {
        return Ok(());
    }
    for id in reproducing.iter().take(MOST_ALONE) {
        let ask = |tree| Ask { only: vec![id.clone()], ..Ask::suite(tree, subject.files) };
        let on_gold = bench.seen(&ask(subject.on_gold))?;
        let passes =
            run_result::ended(&on_gold).is_ok() && on_gold.report.tests.get(id).is_some_and(TestResult::passed);
        if !passes {
            return Err(Halt::Judged(Reason::UnsteadyTest, format!("{id} does not pass on gold when it runs alone")));
        }
        fails_on_base(&bench.seen(&ask(subject.on_base))?, [id].into_iter(), "alone")?;
    }
    Ok(())
}

/// Checks that what passed on gold in a file before the test edited it is still there and still passes, unless gold failed it at
/// admission too.
fn keeps_edited(subject: &Subject, gold: &Seen, bench: &mut Bench) -> Result<(), Halt> {
    if subject.edited.is_empty() {
        return Ok(());
    }
    let Some(trees) = &subject.admission.trees else {
        return Err(Halt::Judged(
            Reason::NotRun,
            "the admission has no gold tree to hold edited files against".to_owned(),
        ));
    };
    let before = bench.seen(&Ask::suite(&trees.gold, subject.edited))?;
    if run_result::ended(&before).is_err() {
        let what = name_some(subject.edited.iter().map(String::as_str));
        return Err(Halt::Judged(Reason::EvidenceUnreadable, format!("no clear result on gold of {what} as it was")));
    }
    let spared = spared(subject.admission, Variation::None);
    let passing = before.report.tests.iter().filter(|(_, test)| test.passed());
    let lost: Vec<_> = passing
        .filter(|(id, _)| match gold.report.tests.get(*id) {
            Some(test) => !test.passed() && !spared.contains(*id),
            None => true,
        })
        .map(|(id, _)| id.as_str())
        .collect();
    if lost.is_empty() { Ok(()) } else { Err(Halt::Judged(Reason::BreaksOtherTests, name_some(lost))) }
}

/// Checks that the instance's tests and the generated test pass on gold in one session. What fails is run once
/// more, because a test that wobbles by itself is not the fault of the generated test.
fn breaks_nothing(
    subject: &Subject,
    reproducing: &BTreeSet<String>,
    runner: &dyn Runner,
    bench: &mut Bench,
) -> Result<(), Halt> {
    // Of an overruled file the answer's tests are gone. What a runner is given may be a folder with others of its files.
    let overruled: BTreeSet<_> = subject.overruled.iter().filter_map(|path| runner.target_of_file(path)).collect();
    let gone = |id: &String, seen: &Seen| {
        let target = runner.target_of(id);
        overruled.contains(&target) && (subject.overruled.contains(&target) || !seen.report.tests.contains_key(id))
    };
    for split in &subject.admission.splits {
        if !subject.shares_session(split) {
            continue;
        }
        let files: BTreeSet<_> = split.files.iter().chain(subject.files).cloned().collect();
        let files: Vec<_> = files.into_iter().collect();
        let mut first: Option<(Reason, String)> = None;
        for repeat in 0..2 {
            let seen = bench.seen(&Ask { repeat, ..Ask::suite(subject.in_suite, &files) })?;
            let found = match run_result::ended(&seen) {
                Err(Halt::Judged(reason, detail)) if reason.status() == VerdictStatus::Rejected => {
                    Some((Reason::BreaksOtherTests, detail))
                }
                Err(halt) => return Err(halt),
                Ok(_) => {
                    let not_passed = |id: &&String| !seen.report.tests.get(*id).is_some_and(TestResult::passed);
                    let failing: BTreeSet<_> = split.expected.iter().filter(not_passed).cloned().collect();
                    let broken = steady(&failing, split, subject.admission, bench)?;
                    let broken: Vec<_> = broken.iter().map(String::as_str).collect();
                    let own = reproducing.iter().filter(|&id| !gone(id, &seen));
                    let unsteady: Vec<_> = own.filter(not_passed).map(String::as_str).collect();
                    match (broken.is_empty(), unsteady.is_empty()) {
                        (true, true) => None,
                        (false, _) => Some((Reason::BreaksOtherTests, name_some(broken))),
                        (true, false) => {
                            Some((Reason::UnsteadyTest, format!("among other tests: {}", name_some(unsteady))))
                        }
                    }
                }
            };
            match (found, first.take()) {
                (None, _) => break,
                (found @ Some(_), None) if repeat == 0 => first = found,
                (Some((reason, detail)), _) => return Err(Halt::Judged(reason, detail)),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "test_tests.rs"]
mod tests;
