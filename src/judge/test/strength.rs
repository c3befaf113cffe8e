//! What a verified test is worth: lines it reaches, mutants and rejected repairs it fails on, verified repairs it
//! passes on. Nothing here makes a test verified that is not.
//!
//! A verified test enters the contest of its instance: changed lines are watched on gold, and the test runs on mutants
//! of gold's added lines, on rejected repairs and on verified repairs. A mutant counts only if the instance's own tests
//! fail on it.
//!
//! - *bronze*: verified, and nothing more.
//! - *silver* (E3): changed lines ran, and a mutant was killed.
//! - *gold*: silver, a rejected repair failed, and every verified alternative passed.
//!
//! A test that fails a verified alternative stays bronze: either the repair is wrong, or the test asks for more than
//! the issue.

use std::collections::{BTreeMap, BTreeSet};

use super::subject::Subject;
use crate::judge::asker::{Ask, Bench, Seen};
use crate::judge::{Halt, Peers, run_result};
use crate::model::contest::{Contest, Mutant};
use crate::model::strength::{Doubt, FailureClass, Share, Strength, Tier};
use crate::model::trial::TestResult;
use crate::model::verdict::Reason;

pub(crate) fn measure(
    subject: &Subject,
    reproducing: &BTreeSet<String>,
    class: FailureClass,
    repeats: u32,
    peers: &Peers,
    bench: &mut Bench,
) -> Result<Strength, Halt> {
    let Some(contest) = &peers.contest else {
        return Err(unmet("mutants and other repairs"));
    };
    let mut doubts = subject.oracle.doubts.clone();
    if class == FailureClass::OwnStatement {
        doubts.insert(Doubt::OwnStatement);
    }
    if !subject.admission.splits.iter().any(|split| subject.shares_session(split)) {
        doubts.insert(Doubt::RunsAlone);
    }
    let mut strength = Strength {
        tier: Tier::Bronze,
        failure_class: class,
        changed_line_cov: coverage(subject, contest, bench)?,
        mutants_killed: Share::default(),
        mutants_unproved: Share::default(),
        wrong_patches_rejected: Share::default(),
        correct_alternatives_passed: Share::default(),
        repeats,
        order_independent: true,
        doubts: Vec::new(),
    };
    let run = |over: &str, what: &str, bench: &mut Bench| {
        let tree = contest.tree(subject.on_base, over).ok_or_else(|| unmet(what))?;
        bench.seen(&Ask::suite(tree, subject.files))
    };
    for mutant in &contest.mutants {
        let killed = fails(&run(&mutant.tree, "a mutant", bench)?, reproducing);
        match surely_wrong(mutant, subject, bench)? {
            true => strength.mutants_killed.add(killed),
            false => strength.mutants_unproved.add(killed),
        }
    }
    for over in &peers.rejected {
        let seen = run(over, "a rejected repair", bench)?;
        strength.wrong_patches_rejected.add(fails(&seen, reproducing));
    }
    for over in &peers.verified {
        let passes = passes(&run(over, "a verified repair", bench)?, reproducing);
        strength.correct_alternatives_passed.add(passes);
        // Either the repair is wrong, or the test asks for more than the issue. Such a test is not trusted to tell
        // repairs apart.
        if !passes {
            doubts.insert(Doubt::FailsOnAlternative);
        }
    }
    strength.doubts = doubts.into_iter().collect();
    strength.tier = strength.earned();
    Ok(strength)
}

fn unmet(what: &str) -> Halt {
    Halt::Judged(Reason::NotRun, format!("the test was never run against {what}; run `assay verify` again"))
}

/// Changed lines that run: gold's on gold; if gold only removes, the removed ones on base. A traced run that does not
/// end well shows nothing, and nothing counts as reached then.
fn coverage(subject: &Subject, contest: &Contest, bench: &mut Bench) -> Result<Share, Halt> {
    let (tree, watch) = match contest.added.is_empty() {
        false => (subject.on_gold, &contest.added),
        true => (subject.on_base, &contest.removed),
    };
    let total = watch.values().map(Vec::len).sum::<usize>();
    if total == 0 {
        return Ok(Share::default());
    }
    let seen = bench.seen(&Ask { watch: watch.clone(), ..Ask::suite(tree, subject.files) })?;
    let count = match run_result::ended(&seen) {
        Ok(_) => reached(watch, &seen.report.ran),
        Err(Halt::Judged(..)) => 0,
        Err(needs) => return Err(needs),
    };
    Ok(Share { count, total: u32::try_from(total).unwrap_or(u32::MAX) })
}

fn reached(watch: &BTreeMap<String, Vec<u32>>, ran: &BTreeMap<String, Vec<u32>>) -> u32 {
    let hit = |(path, lines): (&String, &Vec<u32>)| {
        let ran = ran.get(path).map(Vec::as_slice).unwrap_or_default();
        lines.iter().filter(|line| ran.contains(line)).count()
    };
    u32::try_from(watch.iter().map(hit).sum::<usize>()).unwrap_or(u32::MAX)
}

/// Whether the instance's own fail-to-pass tests fail on a mutant.
fn surely_wrong(mutant: &Mutant, subject: &Subject, bench: &mut Bench) -> Result<bool, Halt> {
    let wanted: BTreeSet<_> = subject.admission.fail_to_pass.iter().cloned().collect();
    for split in subject.admission.splits_of_change() {
        let seen = bench.seen(&Ask::suite(&mutant.tested, &split.files))?;
        if fails(&seen, &wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether one of the tests fails in its own body. A run that is cut short and a tree that cannot be imported tell nothing
/// about what a test compares.
fn fails(seen: &Seen, tests: &BTreeSet<String>) -> bool {
    let result = |id: &String| seen.report.tests.get(id);
    run_result::ended(seen).is_ok() && tests.iter().any(|id| result(id).is_some_and(TestResult::failed_in_call))
}

fn passes(seen: &Seen, tests: &BTreeSet<String>) -> bool {
    let result = |id: &String| seen.report.tests.get(id);
    run_result::ended(seen).is_ok() && tests.iter().all(|id| result(id).is_some_and(TestResult::passed))
}
