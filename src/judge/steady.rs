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
    let mut steady = failing.clone();
    if !split.once {
        return Ok(steady);
    }
    let Some(trees) = &admission.trees else {
        return Err(Halt::Judged(Reason::NotRun, "the admission has no gold tree to repeat".to_owned()));
    };
    for repeat in 1..=admission.repeats.max(1) {
        if steady.is_empty() {
            break;
        }
        let ask = Ask { variation: variation(repeat), repeat, ..Ask::suite(&trees.tested_gold, &split.files) };
        let seen = bench.seen(&ask)?;
        match run_result::shown(&seen, &split.expected, admission, bench.runner) {
            Shown::Passed => {}
            Shown::Failing(on_gold) => steady.retain(|id| !on_gold.contains(id)),
            Shown::Abnormal(reason, detail) => {
                let what = format!("a repeat of gold did not end well: {}: {detail}", name(&reason));
                return Err(Halt::Judged(Reason::ControlFailed, what));
            }
        }
    }
    Ok(steady)
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
