//! The candidates of one instance and what may be used to choose among them.
//!
//! Evidence that exists for some candidates only is not used. `assay verify` stops at the first rejection, so which
//! repairs have regression results follows from the hidden tests. `assay verify --matrix` runs the regression tests and
//! the generated tests for every repair. Each line of `selection.jsonl` says which evidence its choice rests on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::similarity::Keys;
use crate::model::candidate::{Malformed, MalformedReason};
use crate::model::verdict::VerdictStatus;

/// A fact that a run was to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seen<T> {
    Known(T),
    /// The machine failed, or the report cannot be read: never counted as a pass.
    Failed,
    /// Nothing ran.
    #[default]
    NotRun,
}

impl<T> Seen<T> {
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Failed | Self::NotRun => None,
        }
    }
}

/// Why a candidate takes no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// The answer holds no patch.
    NoPatch,
    /// The patch cannot be applied.
    CannotApply,
    /// The patch changes nothing, or white space and comments alone.
    ChangesNothing,
}

/// A candidate that takes no part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    pub why: Unfit,
    /// What was seen, for people.
    pub detail: String,
}

impl LeftOut {
    pub fn changes_nothing() -> Self {
        let detail = "nothing but white space, comments or other clothes differs";
        Self { why: Unfit::ChangesNothing, detail: detail.to_owned() }
    }
}

impl From<Malformed> for LeftOut {
    fn from(malformed: Malformed) -> Self {
        let why = match malformed.why {
            MalformedReason::Empty | MalformedReason::UnfinishedReasoning | MalformedReason::NoAnswer => Unfit::NoPatch,
            MalformedReason::NoChange => Unfit::ChangesNothing,
            MalformedReason::BadFormat
            | MalformedReason::UnsafePath
            | MalformedReason::OddMode
            | MalformedReason::DoesNotApply
            | MalformedReason::TooLarge => Unfit::CannotApply,
        };
        Self { why, detail: malformed.detail }
    }
}

/// One candidate.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Normalised patch ([`super::normal::key`]); empty for a candidate that takes no part.
    pub key: String,
    /// Why it takes no part.
    pub left_out: Option<LeftOut>,
    /// Regression tests that did not pass.
    pub regression: Seen<u32>,
    /// What it did with each generated test, in the order of [`Panel::tests`].
    pub tests: Vec<Seen<Cell>>,
    /// Only the oracle and the scaling curve look at it.
    pub verdict: Option<VerdictStatus>,
}

/// A patch under a generated test: how many of the test's cases pass with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Of those that fail on base.
    pub fail_to_pass: u32,
    /// Of those that pass on base.
    pub pass_to_pass: u32,
}

/// A generated test that fails on base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its git tree on base.
    pub test: String,
    /// Generations that wrote exactly this test.
    pub votes: u32,
    /// Cases that fail on base in their own body.
    pub fails: u32,
    /// Cases that pass on base.
    pub passes: u32,
}

/// Everything about one instance, candidates in their order: samples first, the files they come from second.
#[derive(Clone, Debug)]
pub struct Panel {
    pub instance_id: String,
    pub entries: Vec<Entry>,
    /// In the order in which they were first written.
    pub tests: Vec<Column>,
    pub keys: Keys,
}

/// What became of a kind of evidence for an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Every candidate with a patch was tried, or the machine failed on it.
    Complete,
    /// It was tried for some candidates only. Which ones may follow from what the hidden tests said, so it is not used.
    Partial { tried: usize, of: usize },
    /// There is none.
    None,
}

impl Panel {
    pub fn new(instance_id: impl Into<String>, entries: Vec<Entry>, tests: Vec<Column>) -> Self {
        let keys = Keys::new(entries.iter().map(|entry| entry.key.as_str()));
        Self { instance_id: instance_id.into(), entries, tests, keys }
    }

    /// Candidates with a patch.
    pub fn patched(&self) -> Vec<usize> {
        (0..self.entries.len()).filter(|candidate| !self.entries[*candidate].key.is_empty()).collect()
    }

    fn standing(&self, tried: impl Fn(&Entry) -> bool) -> Standing {
        let patched = self.patched();
        match patched.iter().filter(|candidate| tried(&self.entries[**candidate])).count() {
            0 => Standing::None,
            all if all == patched.len() => Standing::Complete,
            tried => Standing::Partial { tried, of: patched.len() },
        }
    }

    /// Whether regression results may be used.
    pub fn regression(&self) -> Standing {
        self.standing(|entry| entry.regression != Seen::NotRun)
    }

    /// Whether generated tests may be used.
    pub fn generated(&self) -> Standing {
        if self.tests.is_empty() {
            return Standing::None;
        }
        self.standing(|entry| entry.tests.len() == self.tests.len() && !entry.tests.contains(&Seen::NotRun))
    }

    /// The reproduction test: the one most generations wrote, the earliest of those (Agentless).
    pub fn reproduction(&self) -> Option<usize> {
        let most = self.tests.iter().map(|test| test.votes).max()?;
        self.tests.iter().position(|test| test.votes == most)
    }

    /// Whether a candidate passes every case of a test that fails on base. What is not known does not count as a pass.
    pub fn resolves(&self, candidate: usize, test: usize) -> bool {
        let cell = self.entries[candidate].tests.get(test).and_then(|seen| seen.known());
        cell.is_some_and(|cell| cell.fail_to_pass == self.tests[test].fails)
    }

    /// Votes per key among some candidates.
    pub fn votes(&self, among: &[usize]) -> BTreeMap<usize, u32> {
        let mut votes = BTreeMap::new();
        for candidate in among {
            *votes.entry(self.keys.of(*candidate)).or_default() += 1;
        }
        votes
    }
}
