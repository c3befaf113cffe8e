//! Reproduction scripts: judged by what they print on base and on gold, never above bronze, as the SWE-Swiss recipe has
//! it.
//!
//! A script prints its marker on a line of its own and exits with 0, in every repeat, and uses a module of the
//! repository.

use super::subject::{Subject, Verified, repeats, sound, variation};
use crate::judge::Halt;
use crate::judge::asker::{Ask, Bench};
use crate::judge::repair::confirm;
use crate::model::strength::{Doubt, FailureClass, Share, Strength, Tier};
use crate::model::trial::{Exit, Mode};
use crate::model::verdict::Reason;

/// What a reproduction script prints.
pub(crate) const REPRODUCED: &str = "Issue reproduced";
pub(crate) const RESOLVED: &str = "Issue resolved";
const OTHER: &str = "Other issues";

pub(crate) fn judge(subject: &Subject, bench: &mut Bench) -> Result<Verified, Halt> {
    sound(subject.oracle)?;
    // Only gold's change differs between the trees. A script that never loads the code can only have read it.
    if !subject.oracle.uses_project {
        let detail = "no module of the repository is imported or run by the script".to_owned();
        return Err(Halt::Judged(Reason::UnsoundOracle, detail));
    }
    let repeats = confirm::confirmed(subject.on_base, subject.admission, bench, |bench| holds(subject, bench))?;
    let mut doubts = subject.oracle.doubts.clone();
    doubts.insert(Doubt::Printed);
    Ok(Verified {
        detail: format!("prints {REPRODUCED:?} on base and {RESOLVED:?} on gold"),
        strength: Strength {
            tier: Tier::Bronze,
            failure_class: FailureClass::Printed,
            changed_line_cov: Share::default(),
            mutants_killed: Share::default(),
            mutants_unproved: Share::default(),
            wrong_patches_rejected: Share::default(),
            correct_alternatives_passed: Share::default(),
            repeats,
            order_independent: true,
            doubts: doubts.into_iter().collect(),
        },
    })
}

/// Checks that the script prints what it must on base and on gold in every repeat. Gives the number of repeats.
fn holds(subject: &Subject, bench: &mut Bench) -> Result<u32, Halt> {
    let ask = |tree, repeat| {
        let variation = variation(repeat);
        Ask { mode: Mode::Script, repeat, variation, ..Ask::suite(tree, subject.files) }
    };
    let base = outcome(bench, &ask(subject.on_base, 0))?;
    match base {
        (Some(REPRODUCED), Exit::Code(0)) => {}
        (Some(RESOLVED), Exit::Code(0)) => {
            return Err(Halt::Judged(Reason::DoesNotReproduce, format!("prints {RESOLVED:?} on base")));
        }
        (said, exit) => {
            return Err(Halt::Judged(Reason::FailsForWrongReason, format!("on base: {said:?}, {exit:?}")));
        }
    }
    let gold = outcome(bench, &ask(subject.on_gold, 0))?;
    if gold != (Some(RESOLVED), Exit::Code(0)) {
        return Err(Halt::Judged(Reason::FailsOnGold, format!("on gold: {:?}, {:?}", gold.0, gold.1)));
    }
    let repeats = repeats(subject.admission);
    for repeat in 1..repeats {
        for (tree, before, name) in [(subject.on_base, base, "base"), (subject.on_gold, gold, "gold")] {
            let now = outcome(bench, &ask(tree, repeat))?;
            if now != before {
                let detail = format!("repeat {repeat} on {name}: {:?}, {:?}", now.0, now.1);
                return Err(Halt::Judged(Reason::UnsteadyTest, detail));
            }
        }
    }
    Ok(repeats)
}

fn outcome(bench: &mut Bench, ask: &Ask) -> Result<(Option<&'static str>, Exit), Halt> {
    let (exit, printed) = bench.printed(ask)?;
    Ok((said(&printed), exit))
}

/// The one marker that stands on a line of its own; `None` if there is no marker or more than one kind.
pub(crate) fn said(printed: &str) -> Option<&'static str> {
    let mut kinds = [REPRODUCED, RESOLVED, OTHER].into_iter().filter(|m| printed.lines().any(|line| line.trim() == *m));
    match (kinds.next(), kinds.next()) {
        (Some(only), None) => Some(only),
        (None, _) | (Some(_), Some(_)) => None,
    }
}
