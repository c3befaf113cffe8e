//! The run without the runner: what passes under the test runner must pass without it, and its canaries must fail there
//! too.
//!
//! The *plain set* of an instance holds the fail-to-pass tests for which this is sound: they pass plainly on gold
//! twice, the second time with another seed, zone and locale, and fail plainly on base. Tests of a file whose loading
//! brings a runner into `sys.modules` on gold are not in it. Whichever canary fails plainly on gold must fail on the
//! candidate (`passes_impossible_test`).
//!
//! A plain failure is run twice before it rejects, and the same tests run by themselves under their runner: a test that
//! fails there too only needs other tests before it. A run that does not end, a test without a result, and a failure
//! that does not repeat are `plain_run_unreadable`. `docs/threats.md` says what the launcher hides and what it cannot
//! hide.

use super::canary::passes;
use crate::judge::asker::{Ask, Bench, Evidence, Seen};
use crate::judge::repair::confirm;
use crate::judge::{Halt, Step, name_some, run_result};
use crate::model::admission::{Admission, Plain, Trees};
use crate::model::digest::Digest;
use crate::model::name::name;
use crate::model::trial::{Mode, Status, TestReport, Variation};
use crate::model::verdict::Reason;
use crate::runner::Runner;

/// What running the fail-to-pass tests without their runner showed on gold and base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainProof {
    pub plain: Plain,
    /// The sandbox gave no answer: nothing is known.
    pub sandbox_failed: Option<String>,
    pub trials: Vec<Digest>,
}

/// Runs the fail-to-pass tests plainly: on gold twice, once with another seed, zone and locale; on base; and mutated on gold.
/// Tests that pass on both runs of gold and not on base are the plain set.
pub fn prove_plain(admission: &Admission, runner: &dyn Runner, evidence: &dyn Evidence) -> Step<PlainProof> {
    let mut bench = Bench::new(admission, runner, evidence);
    let mut plain = Plain { files: Vec::new(), tests: Vec::new(), canaries: Vec::new(), note: String::new() };
    let mut sandbox_failed = None;
    if let Some(trees) = &admission.trees {
        match derive(&mut plain, trees, admission, runner, &mut bench) {
            Ok(()) => {}
            Err(Halt::Needs(trial)) => return Step::Needs(trial),
            Err(Halt::Judged(_, detail)) => sandbox_failed = Some(detail),
        }
    }
    Step::Done(PlainProof { plain, sandbox_failed, trials: bench.into_trials() })
}

fn derive(
    plain: &mut Plain,
    trees: &Trees,
    admission: &Admission,
    runner: &dyn Runner,
    bench: &mut Bench,
) -> Result<(), Halt> {
    let wanted = &admission.fail_to_pass;
    let files = files_of(wanted, runner);
    let gold = run(&trees.tested_gold, &files, wanted, 0, bench)?;
    let varied = Ask { variation: Variation::OtherSeedAndZone, ..ask(&trees.tested_gold, &files, wanted, 1) };
    let varied = bench.seen(&varied)?;
    if [&gold, &varied].iter().any(|seen| run_result::ended(seen).is_err()) {
        plain.note = "the plain run of gold did not end".to_owned();
        return Ok(());
    }
    let base = run(&trees.tested_base, &files, wanted, 0, bench)?;
    let passed = |seen: &Seen, id: &String| seen.report.tests.get(id).is_some_and(|test| test.passed());
    let sees_runner = |file: &String| gold.report.collect_errors.get(file).is_some_and(|e| loads_runner(runner, e));
    let discerning = |id: &&String| {
        let file = runner.target_of(id);
        let gold_passes = passed(&gold, id) && passed(&varied, id) && !sees_runner(&file);
        gold_passes && fails(runner, &base.report, id) == Some(true)
    };
    plain.tests = wanted.iter().filter(discerning).cloned().collect();
    plain.files = files_of(&plain.tests, runner);
    if plain.tests.is_empty() {
        let loaded = files.iter().any(sees_runner);
        let why =
            if loaded { "importing the project or its tests loads one" } else { "no fail-to-pass test passes there" };
        plain.note = why.to_owned();
        return Ok(());
    }
    let Some(canaries) = &admission.canaries else { return Ok(()) };
    let planted: Vec<_> = plain.tests.iter().filter(|id| canaries.tests.contains_key(*id)).cloned().collect();
    if planted.is_empty() {
        return Ok(());
    }
    let mutated = run(&canaries.tree, &plain.files, &planted, 0, bench)?;
    if run_result::ended(&mutated).is_ok() {
        let failed = |id: &String| mutated.report.tests.get(id).is_some_and(|test| test.failed_in_call());
        plain.canaries = planted.into_iter().filter(failed).collect();
    }
    Ok(())
}

/// Whether a candidate that passed everything else behaves without the runner as it did with it. Gives what was seen, and
/// whether it adds to the evidence; `None` if no plain run was asked for.
pub(crate) fn must_hold(
    policy: &str,
    canary: Option<&str>,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<Option<(bool, String)>, Halt> {
    let Some(plain) = &admission.plain else { return Ok(None) };
    if plain.tests.is_empty() {
        return Ok(Some((false, format!("nothing ran without the test runner: {}", plain.note))));
    }
    let failing = failing(policy, plain, 0, bench)?;
    if !failing.is_empty() {
        return Err(rejection(policy, failing, plain, bench)?);
    }
    if !plain.canaries.is_empty() {
        let Some(tree) = canary else {
            return Err(unreadable("the candidate was never put under the changed expectations".to_owned()));
        };
        confirm::twice(bench, |bench| canaries_fail(tree, plain, bench))?;
    }
    let said = format!(
        "{} tests passed and {} canaries failed without the test runner",
        plain.tests.len(),
        plain.canaries.len()
    );
    Ok(Some((true, said)))
}

fn canaries_fail(tree: &str, plain: &Plain, bench: &mut Bench) -> Result<(), Halt> {
    let seen = run(tree, &plain.files, &plain.canaries, 0, bench)?;
    let result = |id: &String| seen.report.tests.get(id);
    let passed: Vec<_> = plain.canaries.iter().filter(|id| result(id).is_some_and(passes)).collect();
    if !passed.is_empty() {
        let named = name_some(passed.into_iter().map(String::as_str));
        return Err(Halt::Judged(Reason::PassesImpossibleTest, format!("without the test runner: {named}")));
    }
    clear(&seen)?;
    let unclear = plain.canaries.iter().filter(|id| !result(id).is_some_and(|test| test.failed_in_call()));
    let unclear: Vec<_> = unclear.map(String::as_str).collect();
    if unclear.is_empty() {
        return Ok(());
    }
    Err(unreadable(format!("neither passed nor failed: {}", name_some(unclear))))
}

/// What plain failures mean: a rejection if they repeat and the same tests pass by themselves under their runner.
fn rejection(policy: &str, failing: Vec<String>, plain: &Plain, bench: &mut Bench) -> Result<Halt, Halt> {
    // No verdict rests on a test that failed a single time.
    let again = self::failing(policy, plain, 1, bench)?;
    let always: Vec<_> = failing.iter().filter(|id| again.contains(id)).cloned().collect();
    if always.is_empty() {
        return Ok(unreadable(format!("failed once: {}", name_some(failing.iter().map(String::as_str)))));
    }
    // Other tests ran before them in the suite. A test that needs those fails under the runner as well if it runs alone.
    let alone = bench.seen(&Ask { only: always.clone(), ..Ask::suite(policy, &plain.files) })?;
    clear(&alone)?;
    let passes = |id: &&String| alone.report.tests.get(*id).is_some_and(|test| test.passed());
    let only_there: Vec<_> = always.iter().filter(passes).map(String::as_str).collect();
    Ok(if only_there.is_empty() {
        unreadable(format!("fails by itself under the runner too: {}", name_some(always.iter().map(String::as_str))))
    } else {
        Halt::Judged(Reason::BehavesOnlyUnderRunner, format!("fails without it: {}", name_some(only_there)))
    })
}

/// Tests of the plain set that fail on a tree. A test without a clear result ends the judgement.
fn failing(tree: &str, plain: &Plain, repeat: u32, bench: &mut Bench) -> Result<Vec<String>, Halt> {
    let seen = run(tree, &plain.files, &plain.tests, repeat, bench)?;
    clear(&seen)?;
    let mut failing = Vec::new();
    let mut unclear = Vec::new();
    for id in &plain.tests {
        match fails(bench.runner, &seen.report, id) {
            Some(true) => failing.push(id.clone()),
            Some(false) => {}
            None => unclear.push(id.as_str()),
        }
    }
    if unclear.is_empty() { Ok(failing) } else { Err(unreadable(format!("no result for {}", name_some(unclear)))) }
}

/// Whether a test failed; `None` if it neither failed nor passed. A file that cannot be loaded fails all its tests.
fn fails(runner: &dyn Runner, report: &TestReport, id: &str) -> Option<bool> {
    match report.tests.get(id) {
        Some(test) if test.passed() => Some(false),
        Some(test) => test.phases.iter().any(|(_, status)| *status == Status::Failed).then_some(true),
        None => {
            let error = report.collect_errors.get(&runner.target_of(id));
            error.filter(|error| !loads_runner(runner, error)).map(|_| true)
        }
    }
}

/// Whether an error says that importing the project brings a test runner along.
fn loads_runner(runner: &dyn Runner, error: &str) -> bool {
    runner.bare().is_some_and(|bare| bare.runner_loaded(error))
}

/// A run that did not end says nothing here, for or against.
fn clear(seen: &Seen) -> Result<(), Halt> {
    match run_result::ended(seen) {
        Ok(_) => Ok(()),
        Err(Halt::Judged(reason, detail)) => Err(unreadable(format!("{}: {detail}", name(&reason)))),
        Err(needs) => Err(needs),
    }
}

fn unreadable(detail: String) -> Halt {
    Halt::Judged(Reason::PlainRunUnreadable, detail)
}

fn ask<'a>(tree: &'a str, files: &'a [String], only: &[String], repeat: u32) -> Ask<'a> {
    Ask { only: only.to_vec(), mode: Mode::Plain, repeat, ..Ask::suite(tree, files) }
}

fn run(tree: &str, files: &[String], only: &[String], repeat: u32, bench: &mut Bench) -> Result<Seen, Halt> {
    bench.seen(&ask(tree, files, only, repeat))
}

/// Test files of ids, each once.
fn files_of(ids: &[String], runner: &dyn Runner) -> Vec<String> {
    let files: std::collections::BTreeSet<_> = ids.iter().map(|id| runner.target_of(id)).collect();
    files.into_iter().collect()
}

#[cfg(test)]
#[path = "bare_tests.rs"]
mod tests;
