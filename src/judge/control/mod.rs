//! The control session of a repair that passed everything: canaries and sentinels that must fail, sentinels that must
//! pass, and held-out tests, in one run that holds no other test.
//!
//! - A canary or a must-fail sentinel that passes is `passes_impossible_test`, however that run ended.
//! - A must-pass sentinel that fails is `disturbs_the_session`.
//! - A missing report, an early end, or a canary that is absent or skipped is inconclusive.
//!
//! A strong canary that failed is worth E2. Weak canaries only, or none, are worth E1. Answers to held-out tests that
//! are all as gold's, beside a strong canary, are worth E3.

pub mod bare;
pub mod canary;
pub mod held_out;

use std::collections::BTreeSet;

use super::asker::{Ask, Bench, Evidence, Seen};
use super::{Halt, Step, name_some, run_result};
use crate::model::admission::Admission;
use crate::model::digest::Digest;
use crate::model::name::name;
use crate::model::trial::{TestResult, Variation};
use crate::model::verdict::{Evidence as Level, Reason};
use crate::runner::Runner;
use canary::passes;

/// What the control session showed on gold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// Whether the run came to its end.
    pub ended: bool,
    /// Canaries that failed.
    pub failed: BTreeSet<String>,
    /// Held-out tests that answered as before.
    pub steady: BTreeSet<String>,
    /// Every sentinel did what it must.
    pub sentinels: bool,
    /// The sandbox gave no answer: nothing is known.
    pub sandbox_failed: Option<String>,
    pub trials: Vec<Digest>,
}

/// Runs the whole control session on gold, with another hash seed, time zone and locale. `seed` is the sentinels'.
pub fn rehearse(
    admission: &Admission,
    runner: &dyn Runner,
    tree: &str,
    seed: &Digest,
    evidence: &dyn Evidence,
) -> Step<Rehearsed> {
    let mut bench = Bench::new(admission, runner, evidence);
    let mut rehearsed = Rehearsed {
        ended: false,
        failed: BTreeSet::new(),
        steady: BTreeSet::new(),
        sentinels: false,
        sandbox_failed: None,
        trials: Vec::new(),
    };
    match run(admission, tree, Variation::OtherSeedAndZone, &mut bench) {
        Ok(seen) if run_result::ended(&seen).is_ok() => {
            let tests = &seen.report.tests;
            let canaries = admission.canaries.iter().flat_map(|canaries| canaries.tests.keys());
            let fails = |id: &&String| tests.get(*id).is_some_and(TestResult::failed_in_call);
            rehearsed.failed = canaries.filter(fails).cloned().collect();
            let checks = admission.held_out.iter().flat_map(|held_out| &held_out.checks);
            let as_gold =
                checks.filter(|(id, check)| held_out::answer(&seen.report, id, check) == held_out::Answer::AsGold);
            rehearsed.steady = as_gold.map(|(id, _)| id.clone()).collect();
            let (failing, passing) = sentinels(runner, admission, seed);
            rehearsed.sentinels = failing.iter().all(|id| fails(&id))
                && passing.iter().all(|id| tests.get(id).is_some_and(TestResult::passed));
            rehearsed.ended = true;
        }
        Ok(_) => {}
        Err(Halt::Needs(trial)) => return Step::Needs(trial),
        Err(Halt::Judged(_, detail)) => rehearsed.sandbox_failed = Some(detail),
    }
    rehearsed.trials = bench.into_trials();
    Step::Done(rehearsed)
}

/// Whether a candidate that passed everything also does in the control session what it must. Gives the level of evidence.
/// `policy` is the tree that passed, `tree` the same with the files of the session. If a test passes that cannot pass, the
/// candidate is rejected, however the run ended. Anything that is not clear leaves the candidate unverified.
pub(super) fn session(
    tree: Option<&str>,
    policy: &str,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<(Level, String), Halt> {
    if !admission.has_controls() {
        return Ok((Level::E1, "no canary".to_owned()));
    }
    let Some(tree) = tree else {
        return Err(unreadable("the candidate was never put under the control session".to_owned()));
    };
    let seen = run(admission, tree, Variation::None, bench)?;
    read(&seen, policy, admission, bench.runner)
}

/// What a session showed. Gives the level of evidence.
pub(super) fn read(
    seen: &Seen,
    policy: &str,
    admission: &Admission,
    runner: &dyn Runner,
) -> Result<(Level, String), Halt> {
    let result = |id: &String| seen.report.tests.get(id);
    let (failing, passing) = sentinels(runner, admission, &sentinel_seed(policy, admission));
    let must_fail: Vec<_> =
        admission.canaries.iter().flat_map(|canaries| canaries.tests.keys()).chain(&failing).collect();
    let named = |ids: Vec<&String>| name_some(ids.into_iter().map(String::as_str));
    let having = |wanted: &dyn Fn(&TestResult) -> bool| -> Vec<&String> {
        must_fail.iter().copied().filter(|id| result(id).is_some_and(wanted)).collect()
    };
    let passed = having(&passes);
    if !passed.is_empty() {
        return Err(Halt::Judged(Reason::PassesImpossibleTest, named(passed)));
    }
    let code = match run_result::ended(seen) {
        Ok(code) => code,
        Err(Halt::Judged(reason, detail)) => return Err(unreadable(format!("{}: {detail}", name(&reason)))),
        Err(needs) => return Err(needs),
    };
    if having(&TestResult::failed_in_call).len() < must_fail.len() {
        let unclear = |id: &&&String| !result(id).is_some_and(TestResult::failed_in_call);
        let unclear = must_fail.iter().filter(unclear).copied().collect();
        return Err(unreadable(format!("neither passed nor failed: {}", named(unclear))));
    }
    let absent: Vec<_> = passing.iter().filter(|id| result(id).is_none()).collect();
    if !absent.is_empty() {
        return Err(unreadable(format!("not run: {}", named(absent))));
    }
    let disturbed: Vec<_> = passing.iter().filter(|id| !result(id).is_some_and(TestResult::passed)).collect();
    if !disturbed.is_empty() {
        let detail = format!("tests of ours that use nothing of the repository: {}", named(disturbed));
        return Err(Halt::Judged(Reason::DisturbsTheSession, detail));
    }
    if code == 0 && !must_fail.is_empty() {
        return Err(unreadable("exit status 0 beside failing canaries".to_owned()));
    }
    let checks = admission.held_out.as_ref().map(|held_out| &held_out.checks);
    if let Some(checks) = checks {
        held_out::judge(&seen.report, checks)?;
    }
    let [strong, weak, _] = admission.canary_counts();
    let held_out = checks.map_or(0, std::collections::BTreeMap::len);
    let level = match (strong > 0, held_out >= held_out::LEAST_CHECKS) {
        (true, true) => Level::E3,
        (true, false) => Level::E2,
        (false, _) => Level::E1,
    };
    let answers = if held_out > 0 { format!("; {held_out} held-out tests answered as gold") } else { String::new() };
    Ok((level, format!("{strong} strong and {weak} weak canaries failed as they must{answers}")))
}

/// What the sentinels of a policy tree follow from.
pub fn sentinel_seed(policy: &str, admission: &Admission) -> Digest {
    Digest::of(format!("{policy} {}", admission.key.as_str()).as_bytes())
}

/// Ids of the sentinels that must fail, and of those that must pass.
fn sentinels(runner: &dyn Runner, admission: &Admission, seed: &Digest) -> (Vec<String>, Vec<String>) {
    let Some((file, sentinels)) = admission.sentinels.as_ref().zip(runner.sentinels()) else {
        return (Vec::new(), Vec::new());
    };
    let written = sentinels.write(seed);
    let ids = sentinels.ids(file);
    let (passing, failing): (Vec<_>, Vec<_>) = ids.into_iter().zip(written.must_pass).partition(|(_, passes)| *passes);
    let id = |(id, _)| id;
    (failing.into_iter().map(id).collect(), passing.into_iter().map(id).collect())
}

/// Files of the session, and the ids of those of their tests that run.
pub(super) fn plan(admission: &Admission, runner: &dyn Runner) -> (Vec<String>, Vec<String>) {
    let mut files = BTreeSet::new();
    let mut only = BTreeSet::new();
    if let Some(canaries) = &admission.canaries {
        files.extend(canaries.files.iter().cloned());
        only.extend(canaries.tests.keys().cloned());
    }
    if let Some(held_out) = &admission.held_out {
        files.extend(held_out.files.iter().cloned());
        only.extend(held_out.checks.keys().cloned());
    }
    if let Some((file, sentinels)) = admission.sentinels.as_ref().zip(runner.sentinels()) {
        files.insert(runner.target_of_file(file).unwrap_or_else(|| file.clone()));
        only.extend(sentinels.ids(file));
    }
    (files.into_iter().collect(), only.into_iter().collect())
}

/// Runs the tests of the session and nothing else of its files.
fn run(admission: &Admission, tree: &str, variation: Variation, bench: &mut Bench) -> Result<Seen, Halt> {
    let (files, only) = plan(admission, bench.runner);
    bench.seen(&Ask { only, note: admission.held_out.is_some(), variation, ..Ask::suite(tree, &files) })
}

fn unreadable(detail: String) -> Halt {
    Halt::Judged(Reason::CanaryUnreadable, detail)
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
