//! Which tests that failed gold always passes. In: a split and what failed in it. Out: the tests that a verdict may rest on.
//!
//! Admission runs the files without fail-to-pass tests once (`Split::once`), because most candidates never come to them.
//! If a test of theirs fails, gold repeats the split here as admission repeats the first one: as it stands, in another
//! order, and with another hash seed, time zone and locale. All candidates of the instance share these runs. A test that
//! gold fails in one of them says nothing about a candidate.

use std::collections::BTreeSet;

use super::admit::variation;
use super::asker::{Ask, Bench};
use super::run_result::Shown;
use super::{Halt, run_result};
use crate::model::admission::{Admission, Split};
use crate::model::name::name;
use crate::model::verdict::Reason;

/// Those of the tests that gold passes in every repeat of the split. All of them, if admission repeated it.
pub(super) fn steady(
    failing: &BTreeSet<String>,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<BTreeSet<String>, Halt> {
    if !split.once {
        return Ok(failing.clone());
    }
    let gold = gold_of(admission)?;
    let repeats = (1..=admission.repeats.max(1)).map(|repeat| Ask {
        variation: variation(repeat),
        repeat,
        ..Ask::suite(gold, &split.files)
    });
    always_passed(failing, repeats, split, admission, bench)
}

/// Those of the tests that pass in each of these runs of gold. There are no more runs than needed.
pub(super) fn always_passed<'a>(
    tests: &BTreeSet<String>,
    runs: impl Iterator<Item = Ask<'a>>,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<BTreeSet<String>, Halt> {
    let mut steady = tests.clone();
    for ask in runs {
        if steady.is_empty() {
            break;
        }
        let seen = bench.seen(&ask)?;
        match run_result::shown(&seen, &split.expected, admission, bench.runner) {
            Shown::Passed => {}
            Shown::Failing(on_gold) => steady.retain(|id| !on_gold.contains(id)),
            Shown::Abnormal(reason, detail) => return Err(control_failed(format!("{}: {detail}", name(&reason)))),
        }
    }
    Ok(steady)
}

pub(super) fn gold_of(admission: &Admission) -> Result<&str, Halt> {
    let trees = admission.trees.as_ref();
    let missing = || Halt::Judged(Reason::NotRun, "the admission has no gold tree to run beside".to_owned());
    trees.map(|trees| trees.tested_gold.as_str()).ok_or_else(missing)
}

pub(super) fn control_failed(detail: String) -> Halt {
    Halt::Judged(Reason::ControlFailed, format!("gold, run beside the candidate: {detail}"))
}

/// The split without the tests that gold does not always pass, and these tests.
pub(super) fn without_unsteady(
    failing: &BTreeSet<String>,
    split: &Split,
    admission: &Admission,
    bench: &mut Bench,
) -> Result<(Split, BTreeSet<String>), Halt> {
    let steady = steady(failing, split, admission, bench)?;
    let left: BTreeSet<_> = failing.difference(&steady).cloned().collect();
    let expected = split.expected.iter().filter(|id| !left.contains(*id)).cloned().collect();
    Ok((Split { expected, ..split.clone() }, left))
}
