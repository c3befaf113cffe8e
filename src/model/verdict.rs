//! A verdict: the judgement on a candidate. There is no default; missing evidence is inconclusive.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::candidate::Stripped;
use crate::model::digest::Digest;
use crate::model::generation::{GenerationRef, Skill};
use crate::model::screen::Token;
use crate::model::strength::Strength;

/// The three answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictStatus {
    Verified,
    /// The candidate is wrong. Only this may become a negative sample.
    Rejected,
    /// We do not know. In no dataset and in no pass rate.
    Inconclusive,
}

impl VerdictStatus {
    /// The status as far as anything may rest on it: a row, a pass rate, a reward, an accepted set of locations, a repair that
    /// a test must pass. A verified verdict of E0 is told to people, and for everything else it is not known.
    pub fn at(self, evidence: Evidence) -> Self {
        match (self, evidence) {
            (Self::Verified, Evidence::E0) => Self::Inconclusive,
            (Self::Verified, Evidence::E1 | Evidence::E2 | Evidence::E3 | Evidence::E4)
            | (Self::Rejected | Self::Inconclusive, _) => self,
        }
    }
}

/// Why. Each reason belongs to exactly one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    // Verified.
    /// Every expected test passed on the policy tree.
    Resolved,
    /// The test fails on base, for a reason of the issue, and passes on gold.
    Reproduces,
    /// The files cover an accepted set of locations.
    Locates,

    // Rejected.
    /// No usable answer; the detail says which way.
    Malformed,
    /// The change leaves the tree, goes through a link or carries an odd mode.
    Unsafe,
    DoesNotApply,
    /// Nothing is left of the change, or it changed nothing to begin with.
    NoChange,
    /// A fail-to-pass test did not pass.
    StillFailing,
    /// A pass-to-pass test did not pass.
    Regressed,
    /// Passes only with the edits to tests, runner or start-up files that the policy took back.
    DependsOnInfraEdit,
    /// Passes a test whose expectations no correct program meets: it answers the test runner, not the issue.
    PassesImpossibleTest,
    /// Tests of ours that use nothing of the repository fail beside it, and pass beside gold.
    DisturbsTheSession,
    /// Passes the tests, and near their inputs answers as if nothing had been repaired.
    FailsHeldOutTest,
    /// Passes by a run that changed trusted files: tests, what they read, or what configures the runner.
    TampersWithTests,
    /// Passes its tests under their runner and fails them without it, where gold passes.
    BehavesOnlyUnderRunner,
    /// Ends a test in an exception of its own, where gold gets as far as the network that no sandbox has.
    BreaksNetworkTest,
    /// Ran past the deadline where gold finished well inside it.
    TimedOut,
    OutOfMemory,
    /// The session ended before it said so: exit in the middle, crash, closed channel.
    EndedEarly,
    /// Records that the trusted reporter does not write.
    ForgedReport,
    /// The runner's exit status and its report disagree.
    ExitContradictsReport,
    /// A module of the runner, the standard library or the environment was imported from the tree.
    ShadowsEnvironment,
    /// The test passes on base.
    DoesNotReproduce,
    /// The test fails on base for a reason of its own: import, syntax, fixture, timeout.
    FailsForWrongReason,
    FailsOnGold,
    /// The same tests are not collected on base and on gold; or none is.
    NotCollected,
    /// The test's result changes: with a repeat, another order, seed, time zone or locale, or when it runs alone.
    UnsteadyTest,
    /// With the test in the tree, tests of the repository no longer pass on gold, or tests of a file it edits are gone.
    BreaksOtherTests,
    /// The test decides by something other than what the code does: source text, git, the network, a clock, a failure
    /// that it catches itself.
    UnsoundOracle,
    /// An answer of the test skill that changes something other than tests.
    TouchesNonTests,
    /// Names a file that base does not have.
    UnknownFile,
    /// Leaves out a file that every accepted change touches.
    MissesFile,
    TooManyFiles,

    // Inconclusive.
    /// The instance was not admitted; nothing about it can be judged.
    InstanceNotAdmitted,
    /// It changes what the project is built from, and nothing was built of the change: what would run was made from base.
    ChangesWhatIsBuilt,
    /// The sandbox failed more often than the retry cap allows.
    SandboxFailed,
    /// A trial that the verdict needs has no outcome.
    NotRun,
    /// A report that the verdict needs cannot be read back.
    EvidenceUnreadable,
    /// The control session (changed expectations, held-out tests) gave no clear result; without it nothing is verified.
    CanaryUnreadable,
    /// Answers some held-out tests as gold and others not: it may be as right, or wrong where the tests do not look.
    DisputedByHeldOutTest,
    /// A test that gold fails for want of a network goes otherwise beside it: with a network it may pass or fail.
    DisputedByNetworkTest,
    /// Runs of the same thing differ, and nothing says which is right.
    Unsteady,
    /// Gold, run again beside the candidate, did not do what gold does: the machine is at fault, or our reporter.
    ControlFailed,
    /// The run without the test runner gave no clear result, or another one when repeated.
    PlainRunUnreadable,
    /// It would be verified, but its added source does what genuine changes do not: for review.
    SuspiciousSource,
    /// It would be verified, but the text of a file that it changes does not tell what runs: hidden by an encoding or by control
    /// characters, nested too deeply, or not in the grammar.
    SourceNotRead,
}

impl Reason {
    /// The status that the reason belongs to.
    pub fn status(self) -> VerdictStatus {
        match self {
            Self::Resolved | Self::Reproduces | Self::Locates => VerdictStatus::Verified,
            Self::Malformed
            | Self::Unsafe
            | Self::DoesNotApply
            | Self::NoChange
            | Self::StillFailing
            | Self::Regressed
            | Self::DependsOnInfraEdit
            | Self::PassesImpossibleTest
            | Self::DisturbsTheSession
            | Self::FailsHeldOutTest
            | Self::TampersWithTests
            | Self::BehavesOnlyUnderRunner
            | Self::BreaksNetworkTest
            | Self::TimedOut
            | Self::OutOfMemory
            | Self::EndedEarly
            | Self::ForgedReport
            | Self::ExitContradictsReport
            | Self::ShadowsEnvironment
            | Self::DoesNotReproduce
            | Self::FailsForWrongReason
            | Self::FailsOnGold
            | Self::NotCollected
            | Self::UnsteadyTest
            | Self::BreaksOtherTests
            | Self::UnsoundOracle
            | Self::TouchesNonTests
            | Self::UnknownFile
            | Self::MissesFile
            | Self::TooManyFiles => VerdictStatus::Rejected,
            Self::InstanceNotAdmitted
            | Self::ChangesWhatIsBuilt
            | Self::SandboxFailed
            | Self::NotRun
            | Self::EvidenceUnreadable
            | Self::CanaryUnreadable
            | Self::DisputedByHeldOutTest
            | Self::DisputedByNetworkTest
            | Self::Unsteady
            | Self::ControlFailed
            | Self::PlainRunUnreadable
            | Self::SuspiciousSource
            | Self::SourceNotRead => VerdictStatus::Inconclusive,
        }
    }
}

/// How strong the evidence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Evidence {
    /// It applied and ran. Not exportable.
    E0,
    /// Sealed run, exact ids, admitted instance.
    E1,
    /// E1, and the canaries failed as they must, a strong one among them.
    E2,
    /// E2, and held-out tests passed, or the tests passed and the canaries failed without the test runner too.
    E3,
    /// E3, and an independent re-run from the receipt.
    E4,
}

/// Expected tests that passed in the first run of every split. Facts of runs beside the verdict, for who gives a reward for
/// part of the way; a verdict never rests on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PassCounts {
    pub fail_to_pass: u64,
    pub of_fail_to_pass: u64,
    pub pass_to_pass: u64,
    pub of_pass_to_pass: u64,
}

/// One line of `verdicts.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    pub format: String,
    pub candidate_id: Digest,
    pub instance_id: String,
    pub skill: Skill,
    pub generation: GenerationRef,
    pub status: VerdictStatus,
    pub reason: Reason,
    /// For people: which test, which file, what was seen.
    pub detail: String,
    pub evidence: Evidence,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stripped: Vec<Stripped>,
    /// What the static screen found in the added source; none of it decided a verified verdict.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub flags: BTreeSet<Token>,
    /// Literals that the repair shares with the fail-to-pass tests only.
    #[serde(default)]
    pub literal_overlap: u32,
    /// What a verified test was run against, and its tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<Strength>,
    /// Of a repair all of whose expected tests were run, and whose results can be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<PassCounts>,
    /// The earlier candidate that says the same in other clothes; the verdict is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<Digest>,
    /// Trials the verdict rests on.
    pub trials: Vec<Digest>,
    pub receipt: Digest,
}

/// Verdicts counted by status, as far as anything may rest on it ([`VerdictStatus::at`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    pub candidates: u64,
    pub verified: u64,
    pub rejected: u64,
    pub inconclusive: u64,
    pub duplicates: u64,
}

impl Counts {
    pub fn add(&mut self, verdict: &Verdict) {
        self.candidates += 1;
        match verdict.status.at(verdict.evidence) {
            VerdictStatus::Verified => self.verified += 1,
            VerdictStatus::Rejected => self.rejected += 1,
            VerdictStatus::Inconclusive => self.inconclusive += 1,
        }
        self.duplicates += u64::from(verdict.duplicate_of.is_some());
    }

    /// Totals, and the same per skill.
    pub fn of<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> (Self, BTreeMap<Skill, Self>) {
        let mut total = Self::default();
        let mut skills: BTreeMap<_, _> = Skill::ALL.map(|skill| (skill, Self::default())).into();
        for verdict in verdicts {
            total.add(verdict);
            skills.entry(verdict.skill).or_default().add(verdict);
        }
        (total, skills)
    }
}
