//! A generated test and where it runs, and what a verified one shows: what tests and scripts have in common.

use crate::judge::{Halt, name_some};
use crate::model::admission::{Admission, Split};
use crate::model::candidate::Oracle;
use crate::model::strength::{Strength, Tier};
use crate::model::trial::Variation;
use crate::model::verdict::{Evidence as Level, Reason};

/// A verified test.
pub(crate) struct Verified {
    pub detail: String,
    pub strength: Strength,
}

impl Verified {
    /// A test that tells gold from surely wrong programs stands on more than the run of base and gold.
    pub fn level(&self) -> Level {
        match self.strength.tier {
            Tier::Bronze => Level::E1,
            Tier::Silver | Tier::Gold => Level::E3,
        }
    }
}

/// A test and where it runs.
pub(crate) struct Subject<'a> {
    pub admission: &'a Admission,
    /// Base with the test: its name among the trees of a contest, too.
    pub on_base: &'a str,
    pub on_gold: &'a str,
    pub in_suite: &'a str,
    pub files: &'a [String],
    pub edited: &'a [String],
    pub overruled: &'a [String],
    pub oracle: &'a Oracle,
}

impl Subject<'_> {
    /// Whether a session may hold the test and the files of a split: not if these run apart from the files near the test.
    pub fn shares_session(&self, split: &Split) -> bool {
        let Some(suite) = self.admission.suite.as_ref().filter(|suite| !suite.apart.is_empty()) else { return true };
        let session = |path: &String| suite.session_of(path);
        let of_split = split.files.first().and_then(session);
        self.files.iter().any(|path| session(path) == of_split)
    }
}

/// Checks that nothing in the source certainly decides by something other than behaviour.
pub(crate) fn sound(oracle: &Oracle) -> Result<(), Halt> {
    match oracle.faults.is_empty() {
        true => Ok(()),
        false => Err(Halt::Judged(Reason::UnsoundOracle, name_some(oracle.faults.iter().map(String::as_str)))),
    }
}

/// How a repeat is perturbed. The first two always differ, whatever the number of repeats.
pub(crate) fn variation(repeat: u32) -> Variation {
    match repeat {
        1 => Variation::OtherSeedAndZone,
        2 => Variation::ShuffledFiles,
        _ => Variation::None,
    }
}

/// Runs of base and of gold each.
pub(crate) fn repeats(admission: &Admission) -> u32 {
    admission.repeats.max(2)
}
