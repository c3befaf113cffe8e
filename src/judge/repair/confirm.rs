//! What may be chance, or the machine's doing, is seen again before it decides. Every repeat has a fixed number, so a
//! verdict is computed again from the same trials.
//!
//! **A failing test** of files that admission ran once counts only if gold passes it in every repeat (`judge/steady.rs`).
//! Then it is run again up to twice, by the same plan. Some failures are plain and are not run again
//! (`plain` below). A file that cannot be collected is run a second time and no more, if three things hold: the error
//! is the same to the letter, a line that the repair adds raised it (`own`), and the error is neither one of the system
//! nor one that a missing file leads to (a missing module, name or attribute). *The same to the letter* means
//! that a digest is equal: of the type, the message without addresses, the line of the test, and the functions of the
//! repository on the way. An answer that forges the digest can only have itself rejected. A test that fails every time,
//! and passes in a gold run made for this candidate, rejects. A test that failed in one run and passed in another is
//! looked at on gold, in runs that all candidates share. If gold fails it too, the test leaves the verdict and is
//! named; otherwise the verdict is `unsteady`. It is also `unsteady` if no steady fail-to-pass test is left.
//!
//! **A bad end** is a deadline, no memory, a kill, an early end, a report that is forged or contradicts the exit
//! status, or a pass that changed trusted files. Gold runs the same plan, fresh for this candidate; then the
//! candidate's run is repeated once. After a deadline the repetition gets a multiple of what gold just took, and never
//! more than before. If gold ends badly too, or fails all its tests, the machine or our reporter is at fault
//! (`control_failed`). A repetition that passes gives `unsteady`. One that fails tests is judged by those tests.
//!
//! **A generated test or script** that its runs reject is judged again from its first run on, until two rounds give the
//! same reason (at most three). Gold's first split runs between the first two rounds; if gold ends badly there or
//! passes nothing, the verdict is `control_failed`. A round that holds, or three that differ, is `unsteady`. A test
//! that plainly does not fail on base needs one round, because no fault makes tests pass.
//!
//! **What the control session rejects**, and canaries that pass without the runner, reject by two runs that say the
//! same.

use std::collections::BTreeSet;

use super::repair_lines;
use crate::judge::asker::{Ask, Bench, Seen};
use crate::judge::run_result;
use crate::judge::run_result::Shown;
use crate::judge::steady::{always_passed, control_failed, gold_of, without_unsteady};
use crate::judge::{Halt, name_some};
use crate::model::admission::{Admission, Split};
use crate::model::candidate::Prepared;
use crate::model::cause::Cause;
use crate::model::name::name;
use crate::model::trial::{FIRST_CONTROL, Origin, Raised, Status, TestReport, Trace};
use crate::model::verdict::{Reason, VerdictStatus};
use crate::runner::Runner;

/// How often something that may be chance runs again after its first run.
const RERUNS: u32 = 2;
/// Runs of gold that a wobbling test must all pass before the candidate is held to it.
const GOLD_RUNS: u32 = 10;
/// Repeats of base and gold that all candidates share: one of admission's, and further ones of gold.
const AS_ADMITTED: u32 = 1;
const FIRST_GOLD_RUN: u32 = 1_000;
/// If a run passed its deadline, its second run gets this many times what gold took just now, and never less than the floor.
const DEADLINE_FACTOR: u64 = 20;
const DEADLINE_FLOOR_MS: u64 = 5_000;

/// Checks that every expected test of a split passes on the candidate's tree. Gives back the tests that leave the verdict,
/// because gold does not always pass them either.
pub(crate) fn passes(
    tree: &str,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<BTreeSet<String>, Halt> {
    let ask = |repeat| Ask { repeat, ..Ask::suite(tree, &split.files) };
    let first = bench.seen(&ask(0))?;
    let (repeat, seen, failing) = match look(&first, split, admission, bench)? {
        Shown::Passed => return Ok(BTreeSet::new()),
        Shown::Failing(failing) => (0, first, failing),
        Shown::Abnormal(reason, detail) => {
            let (seen, failing) = after_bad_end(reason, detail, ask(1), split, admission, bench)?;
            (1, seen, failing)
        }
    };
    settled(repeat, &seen, failing, tree, split, admission, bench)
}

/// Like [`passes`], if the first run of the split is known, and what failed in it.
pub(crate) fn passes_after(
    first: &Seen,
    failing: BTreeSet<String>,
    tree: &str,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<BTreeSet<String>, Halt> {
    settled(0, first, failing, tree, split, admission, bench)
}

/// Runs again what failed in the run of this repeat, unless the failure is plain.
fn settled(
    repeat: u32,
    seen: &Seen,
    failing: BTreeSet<String>,
    tree: &str,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<BTreeSet<String>, Halt> {
    let (split, left) = &without_unsteady(&failing, split, admission, bench)?;
    let failing: BTreeSet<_> = failing.difference(left).cloned().collect();
    if failing.is_empty() {
        return rest_holds(repeat, seen, left, tree, split, admission, bench);
    }
    if plain(seen, &failing, split, admission, bench)? {
        return Err(run_result::rejection(seen, &failing, admission));
    }
    let again = (repeat + 1..=repeat + RERUNS).map(|repeat| Ask { repeat, ..Ask::suite(tree, &split.files) });
    let Again { always, ever, plain } = run_again(again, seen, failing, split, admission, bench)?;
    if plain {
        return Err(run_result::rejection(seen, &always, admission));
    }
    if !always.is_empty() {
        let on_gold = failing_on_gold(&always, tree, split, admission, bench)?;
        let steady: BTreeSet<_> = always.difference(&on_gold).cloned().collect();
        if !steady.is_empty() {
            return Err(run_result::rejection(seen, &steady, admission));
        }
        let detail = format!("{} failed every time, and on gold too", names(&always));
        return Err(Halt::Judged(Reason::Unsteady, detail));
    }
    let mut given_back = wobbling(&ever, split, admission, bench)?;
    given_back.extend(left.iter().cloned());
    Ok(given_back)
}

/// What failed in a run leaves the verdict; the rest of the run is held to what every run is held to. While a test failed, nothing
/// of that was looked at.
fn rest_holds(
    repeat: u32,
    seen: &Seen,
    left: &BTreeSet<String>,
    tree: &str,
    rest: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<BTreeSet<String>, Halt> {
    let mut given_back = match look(seen, rest, admission, bench)? {
        Shown::Passed if repeat == 0 => return Ok(left.clone()),
        Shown::Passed => {
            let detail = "the first run ended badly; run again, all passed that gold always passes".to_owned();
            return Err(Halt::Judged(Reason::Unsteady, detail));
        }
        Shown::Failing(failing) => settled(repeat, seen, failing, tree, rest, admission, bench)?,
        Shown::Abnormal(reason, detail) => {
            let again = Ask { repeat: repeat + 1, ..Ask::suite(tree, &rest.files) };
            let (seen, failing) = after_bad_end(reason, detail, again, rest, admission, bench)?;
            settled(repeat + 1, &seen, failing, tree, rest, admission, bench)?
        }
    };
    given_back.extend(left.iter().cloned());
    Ok(given_back)
}

/// If the runs of a candidate reject it, it is judged again from its first run on, until two rounds agree. Gold runs its own
/// tests between the first two rounds. The verdict is open if a round holds after all, or if the rounds never agree.
pub(crate) fn confirmed<T>(
    tree: &str,
    admission: &Admission,
    bench: &mut Bench,
    mut holds: impl FnMut(&mut Bench) -> Result<T, Halt>,
) -> Result<T, Halt> {
    let mut rejections: Vec<(Reason, String)> = Vec::new();
    for round in 0..=RERUNS {
        if let (1, Some(split)) = (round, admission.splits.first()) {
            control(tree, split, admission, bench)?;
        }
        bench.begin_round(round);
        let held = holds(bench);
        bench.begin_round(0);
        match (held, rejections.first()) {
            (Ok(held), None) => return Ok(held),
            (Ok(_), Some((reason, detail))) => {
                return Err(Halt::Judged(Reason::Unsteady, format!("{}: {detail}; run again, it held", name(reason))));
            }
            (Err(Halt::Judged(reason, detail)), _) if reason.status() == VerdictStatus::Rejected => {
                // A fault of the machine never makes a run end well with everything passed.
                if reason == Reason::DoesNotReproduce || rejections.iter().any(|(before, _)| *before == reason) {
                    return Err(Halt::Judged(reason, detail));
                }
                rejections.push((reason, detail));
            }
            (Err(halt), _) => return Err(halt),
        }
    }
    let found: Vec<_> = rejections.iter().map(|(reason, _)| name(reason)).collect();
    Err(Halt::Judged(Reason::Unsteady, format!("another fault in every run: {}", found.join(", "))))
}

/// If a run of changed tests rejects, it is run once more. It rejects only if the second run rejects for the same reason.
pub(crate) fn twice<T>(bench: &mut Bench, mut judged: impl FnMut(&mut Bench) -> Result<T, Halt>) -> Result<T, Halt> {
    match judged(bench) {
        Err(Halt::Judged(reason, detail)) if reason.status() == VerdictStatus::Rejected => {
            bench.begin_round(1);
            let again = confirm(reason, detail, judged(bench));
            bench.begin_round(0);
            again
        }
        clear => clear,
    }
}

/// A rejection, held against what another run showed.
pub(crate) fn confirm<T>(reason: Reason, detail: String, again: Result<T, Halt>) -> Result<T, Halt> {
    match again {
        Err(needs @ Halt::Needs(_)) => Err(needs),
        Err(Halt::Judged(again, _)) if again == reason => Err(Halt::Judged(reason, detail)),
        Ok(_) | Err(Halt::Judged(..)) => {
            Err(Halt::Judged(Reason::Unsteady, format!("{}: {detail}; not so in a second run", name(&reason))))
        }
    }
}

/// What a run of the candidate shows. A pass does not count if the run changed trusted files. It counts if gold's run changes
/// them too, because then the repository's own tests do that.
fn look(seen: &Seen, split: &Split, admission: &Admission, bench: &mut Bench) -> Result<Shown, Halt> {
    let shown = run_result::shown(seen, &split.expected, admission, bench.runner);
    if !matches!(shown, Shown::Passed) {
        return Ok(shown);
    }
    let more = tampered(seen, split, admission, bench)?;
    let named = || name_some(more.iter().map(String::as_str));
    Ok(if more.is_empty() { Shown::Passed } else { Shown::Abnormal(Reason::TampersWithTests, named()) })
}

/// Trusted files that a run changed and that gold's run of the split leaves alone.
pub(crate) fn tampered(
    seen: &Seen,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<Vec<String>, Halt> {
    let tampered = &seen.outcome.tampered;
    if tampered.is_empty() {
        return Ok(Vec::new());
    }
    let gold = bench.outcome(&Ask { repeat: AS_ADMITTED, ..Ask::suite(gold_of(admission)?, &split.files) })?;
    Ok(tampered.iter().filter(|path| !gold.tampered.contains(path)).cloned().collect())
}

/// After a run that ended badly: runs gold, then the candidate's run again. Gives what fails in the second run if that one
/// came to a proper end.
fn after_bad_end(
    reason: Reason,
    detail: String,
    ask: Ask,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<(Seen, BTreeSet<String>), Halt> {
    let slowest = control(ask.tree, split, admission, bench)?;
    let deadline = slowest.saturating_mul(DEADLINE_FACTOR).max(DEADLINE_FLOOR_MS);
    let seen = bench.seen(&Ask { deadline_ms: (reason == Reason::TimedOut).then_some(deadline), ..ask })?;
    match look(&seen, split, admission, bench)? {
        Shown::Failing(failing) => Ok((seen, failing)),
        Shown::Abnormal(..) => Err(Halt::Judged(reason, detail)),
        Shown::Passed => {
            Err(Halt::Judged(Reason::Unsteady, format!("{}: {detail}; run again, it passed", name(&reason))))
        }
    }
}

/// Runs the candidate's plan on gold, fresh for this candidate, because the machine may have gone bad since gold ran last.
/// Gives the time that gold took.
fn control(tree: &str, split: &Split, admission: &Admission, bench: &mut Bench) -> Result<u64, Halt> {
    let gold = control_run(tree, split, admission, bench)?;
    match run_result::shown(&gold, &split.expected, admission, bench.runner) {
        // A test that wobbles on gold says nothing about the machine as long as others pass.
        Shown::Failing(failing) if failing.len() < split.expected.len() => Ok(gold.outcome.wall_ms),
        Shown::Passed => Ok(gold.outcome.wall_ms),
        Shown::Failing(failing) => Err(control_failed(name_some(failing.iter().map(String::as_str)))),
        Shown::Abnormal(reason, detail) => Err(control_failed(format!("{}: {detail}", name(&reason)))),
    }
}

/// Which of the tests gold fails, in a run that is made for this candidate.
fn failing_on_gold(
    failing: &BTreeSet<String>,
    tree: &str,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<BTreeSet<String>, Halt> {
    let gold = control_run(tree, split, admission, bench)?;
    match run_result::shown(&gold, &split.expected, admission, bench.runner) {
        Shown::Passed => Ok(BTreeSet::new()),
        Shown::Failing(on_gold) if on_gold.len() < split.expected.len() || split.expected.len() == 1 => {
            Ok(failing.intersection(&on_gold).cloned().collect())
        }
        Shown::Failing(on_gold) => Err(control_failed(name_some(on_gold.iter().map(String::as_str)))),
        Shown::Abnormal(reason, detail) => Err(control_failed(format!("{}: {detail}", name(&reason)))),
    }
}

fn control_run(tree: &str, split: &Split, admission: &Admission, bench: &mut Bench) -> Result<Seen, Halt> {
    let number = tree.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % FIRST_CONTROL;
    bench.seen(&Ask { repeat: FIRST_CONTROL + number, ..Ask::suite(gold_of(admission)?, &split.files) })
}

struct Again {
    /// Failed in every run.
    always: BTreeSet<String>,
    /// Failed in some run.
    ever: BTreeSet<String>,
    /// Two runs could not load the code, with the same error to the letter.
    plain: bool,
}

/// Runs the plan again while some test has failed every time. A run that ends badly confirms nothing.
fn run_again<'a>(
    asks: impl Iterator<Item = Ask<'a>>,
    first: &Seen,
    failing: BTreeSet<String>,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<Again, Halt> {
    let mut again = Again { always: failing.clone(), ever: failing, plain: false };
    let mut confirmed = false;
    for ask in asks {
        let seen = bench.seen(&ask)?;
        match look(&seen, split, admission, bench)? {
            Shown::Passed => again.always.clear(),
            Shown::Failing(failing) => {
                confirmed = true;
                again.always.retain(|id| failing.contains(id));
                again.ever.extend(failing);
                again.plain = again.always.iter().any(|id| does_not_load(id, &first.report, &seen.report, bench));
            }
            Shown::Abnormal(..) => {}
        }
        if again.always.is_empty() || again.plain {
            return Ok(again);
        }
    }
    if confirmed {
        return Ok(again);
    }
    let detail = format!("{} failed once; no other run ended well", names(&again.always));
    Err(Halt::Judged(Reason::Unsteady, detail))
}

/// Tests that failed in one run of the candidate and passed in another. They are given back if gold fails them too;
/// otherwise the verdict is open.
fn wobbling(
    failing: &BTreeSet<String>,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<BTreeSet<String>, Halt> {
    let gold = gold_of(admission)?;
    let runs = (0..GOLD_RUNS).map(|run| Ask { repeat: FIRST_GOLD_RUN + run, ..Ask::suite(gold, &split.files) });
    let steady = always_passed(failing, runs, split, admission, bench)?;
    if steady.is_empty() {
        return Ok(failing.clone());
    }
    let detail = format!("{} failed in one run and passed in another; gold passes in {GOLD_RUNS} runs", names(&steady));
    Err(Halt::Judged(Reason::Unsteady, detail))
}

/// Whether what failed needs no second run, because chance is not a likely cause. It needs none if a file that the repair
/// changes cannot be parsed, or if base fails in the same way by one of these:
/// - a file that cannot be collected;
/// - a test with an error that is not that of a failed expectation;
/// - the same failed expectation to the letter;
/// - failed expectations of two test functions.
fn plain(
    seen: &Seen,
    failing: &BTreeSet<String>,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<bool, Halt> {
    if failing.iter().any(|id| does_not_parse(id, &seen.report, bench)) {
        return Ok(true);
    }
    let mut missed = failing.iter().filter(|id| admission.fail_to_pass.contains(*id)).peekable();
    let Some(trees) = admission.trees.as_ref().filter(|_| missed.peek().is_some()) else { return Ok(false) };
    let ask = Ask { repeat: AS_ADMITTED, ..Ask::suite(&trees.tested_base, &split.files) };
    let base = match bench.seen(&ask) {
        Ok(base) => base,
        Err(needs @ Halt::Needs(_)) => return Err(needs),
        Err(Halt::Judged(..)) => return Ok(false),
    };
    let mut functions = BTreeSet::new();
    for id in missed {
        match alike(id, &seen.report, &base.report, bench.runner) {
            Alike::Surely => return Ok(true),
            Alike::Perhaps => {
                functions.insert(bench.runner.parse_id(id).function);
            }
            Alike::No => {}
        }
    }
    Ok(functions.len() > 1)
}

/// Whether a test is missing because a file that the repair changes cannot be parsed.
fn does_not_parse(id: &str, report: &TestReport, bench: &Bench) -> bool {
    not_collected(id, report, bench.runner).is_some_and(|(place, error)| {
        bench.runner.cause(error) == Cause::Unreadable
            && is_own(report.traces.get(place), bench.repair, repair_lines::changes)
    })
}

/// Whether two runs miss a test because its file could not be collected. Both runs must have the same error to the letter, a
/// line that the repair adds must have raised it, and it must not be an error of the machine.
fn does_not_load(id: &str, one: &TestReport, other: &TestReport, bench: &Bench) -> bool {
    let (Some((file, _)), Some((in_other, _))) =
        (not_collected(id, one, bench.runner), not_collected(id, other, bench.runner))
    else {
        return false;
    };
    let trace = same(file, one, other).filter(|trace| trace.origin == Origin::Repository);
    file == in_other && is_own(trace, bench.repair, repair_lines::adds)
}

/// Whether the place that raised an exception is known, and the repair's own.
fn is_own(trace: Option<&Trace>, repair: Option<&Prepared>, own: fn(&Prepared, &Raised) -> bool) -> bool {
    let place = trace.and_then(|trace| trace.raised.as_ref());
    repair.zip(place).is_some_and(|(repair, place)| own(repair, place))
}

/// The place whose collection failed so that a test is missing, and the error.
pub(super) fn not_collected<'a>(id: &str, report: &'a TestReport, runner: &dyn Runner) -> Option<(&'a str, &'a str)> {
    let mut errors = report.collect_errors.iter().filter(|_| !report.tests.contains_key(id));
    errors.find(|(place, _)| runner.takes_along(place, id)).map(|(file, error)| (file.as_str(), error.as_str()))
}

/// How a test or a file failed, if two reports say the same of it to the letter.
fn same<'a>(what: &str, one: &'a TestReport, other: &TestReport) -> Option<&'a Trace> {
    let equal = |a: &Trace, b: &Trace| a.digest == b.digest && a.origin == b.origin;
    one.traces.get(what).filter(|trace| other.traces.get(what).is_some_and(|other| equal(trace, other)))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Alike {
    Surely,
    /// Alike, but any failed expectation raises this error.
    Perhaps,
    No,
}

/// Whether a test that did not pass fails as it does on base.
fn alike(id: &str, candidate: &TestReport, base: &TestReport, runner: &dyn Runner) -> Alike {
    match (candidate.tests.get(id), base.tests.get(id)) {
        (Some(on_candidate), Some(on_base)) if on_candidate.phases == on_base.phases => {
            let failed = on_candidate.phases.iter().any(|(_, status)| *status == Status::Failed);
            match (&on_candidate.error, &on_base.error) {
                (a, b) if a != b || !failed => Alike::No,
                (Some(error), _) if !runner.cause(error).is_expectation() => Alike::Surely,
                _ if same(id, candidate, base).is_some_and(|trace| trace.origin != Origin::System) => Alike::Surely,
                _ => Alike::Perhaps,
            }
        }
        (None, None) => match (not_collected(id, candidate, runner), not_collected(id, base, runner)) {
            (Some((_, a)), Some((_, b))) if a == b => Alike::Surely,
            _ => Alike::No,
        },
        _ => Alike::No,
    }
}

fn names(tests: &BTreeSet<String>) -> String {
    name_some(tests.iter().map(String::as_str))
}

#[cfg(test)]
#[path = "confirm_tests.rs"]
mod tests;
