//! How strong a verified test is: what it was run against beside base and gold, and the tier that this earns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a verified test has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Fails on base for a reason of the issue, passes on gold, steadily, and breaks nothing.
    Bronze,
    /// Also runs lines that gold changed and fails on at least one mutant of them.
    Silver,
    /// Also fails on a repair that was rejected, and passes on verified repairs other than gold.
    Gold,
}

/// How a test fails on base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// An assertion of the test.
    Assertion,
    /// An exception that passed through a file that gold changes.
    ChangedCode,
    /// An exception of other source files of the repository.
    OtherCode,
    /// The test uses a name that only gold defines.
    ApiMissing,
    /// An exception of the test's own statements, over a value that the code gave it.
    OwnStatement,
    /// What a reproduction script prints.
    Printed,
}

/// What keeps a test at bronze although nothing certain speaks against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// May read source text.
    ReadsSource,
    /// Runs git, or uses a git library.
    UsesGit,
    /// May use the network.
    UsesNetwork,
    /// Sleeps, or compares clock readings.
    UsesClock,
    /// Prints the markers of a reproduction script beside its assertions.
    PrintsVerdict,
    /// Catches a failure that it raises itself, beside other assertions.
    CatchesOwnFailure,
    /// Uses a name that gold defines and neither base nor the problem statement has.
    NamesOnlyInGold,
    /// The source could not be parsed, so nothing is known of how it decides.
    Unparsed,
    /// A script's printed verdict, not an assertion.
    Printed,
    /// Fails on a verified repair: it asks for more than the issue does.
    FailsOnAlternative,
    /// Fails on base by an exception of its own statements.
    OwnStatement,
    /// No expected test can run in one session with it, so nothing shows what it does to others.
    RunsAlone,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    pub count: u32,
    pub total: u32,
}

impl Share {
    pub fn add(&mut self, counts: bool) {
        self.count += u32::from(counts);
        self.total += 1;
    }
}

/// The record of a verified test. One field of a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Strength {
    pub tier: Tier,
    pub failure_class: FailureClass,
    /// Executable lines that gold changes, and how many of them the test runs; lines that gold removes, on base, where
    /// gold adds none.
    pub changed_line_cov: Share,
    /// Mutants of the changed lines that the instance's own tests fail on: surely wrong programs.
    pub mutants_killed: Share,
    /// Mutants that pass the instance's own tests. They may be right, so they count for nothing.
    pub mutants_unproved: Share,
    /// Rejected repairs of the instance that the test fails on.
    pub wrong_patches_rejected: Share,
    /// Verified repairs of the instance, other than gold, that the test passes on.
    pub correct_alternatives_passed: Share,
    /// Runs on base and on gold each with the same result, perturbed ones included.
    pub repeats: u32,
    /// Each test gave the same result alone, in its file and among the repository's own tests.
    pub order_independent: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
}

impl Strength {
    /// The tier that the rest of the record earns.
    pub fn earned(&self) -> Tier {
        let alternatives = self.correct_alternatives_passed;
        if !self.doubts.is_empty() || self.changed_line_cov.count == 0 || self.mutants_killed.count == 0 {
            Tier::Bronze
        } else if self.wrong_patches_rejected.count == 0
            || alternatives.total == 0
            || alternatives.count < alternatives.total
        {
            Tier::Silver
        } else {
            Tier::Gold
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_needs_everything_below_it_and_a_doubt_keeps_a_test_at_bronze() {
        let share = |count, total| Share { count, total };
        let full = Strength {
            tier: Tier::Bronze,
            failure_class: FailureClass::Assertion,
            changed_line_cov: share(1, 4),
            mutants_killed: share(1, 8),
            mutants_unproved: share(0, 2),
            wrong_patches_rejected: share(1, 3),
            correct_alternatives_passed: share(2, 2),
            repeats: 3,
            order_independent: true,
            doubts: Vec::new(),
        };
        let none = Share::default();
        let table = [
            (full.clone(), Tier::Gold),
            (Strength { wrong_patches_rejected: share(0, 3), ..full.clone() }, Tier::Silver),
            (Strength { correct_alternatives_passed: none, ..full.clone() }, Tier::Silver),
            (Strength { correct_alternatives_passed: share(1, 2), ..full.clone() }, Tier::Silver),
            (Strength { mutants_killed: share(0, 8), mutants_unproved: share(2, 2), ..full.clone() }, Tier::Bronze),
            (Strength { changed_line_cov: share(0, 4), ..full.clone() }, Tier::Bronze),
            (Strength { doubts: vec![Doubt::FailsOnAlternative], ..full }, Tier::Bronze),
        ];
        for (strength, tier) in table {
            assert_eq!(strength.earned(), tier, "{strength:?}");
        }
    }
}
