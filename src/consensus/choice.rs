//! A choice: by which rules it is made, what it rests on, and what it says.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How one candidate is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Most equal patches among those that pass the filters; of equal counts the patch with the most similar ones around
    /// it; of those the earliest (SWE-Swiss).
    Enhanced,
    /// Most equal patches among those that pass the filters, the earliest of them (Agentless).
    SelfConsistency,
    /// The patch with the most similar ones around it among those that pass the filters, however few are equal.
    Density,
    /// Most cases of generated tests that fail on base pass, and most that pass there still do (Kimi-Dev).
    SelfPlay,
    /// Among patches that pass the same generated tests, the class with the most tests and patches (Agentless Mini).
    TestAgreement,
    /// The first that holds a patch.
    First,
    /// The first that is verified: what a perfect choice would give. It looks at verdicts.
    Oracle,
}

impl Method {
    /// Whether densities may decide.
    pub fn dense(self) -> bool {
        match self {
            Self::Enhanced | Self::Density | Self::SelfPlay => true,
            Self::SelfConsistency | Self::TestAgreement | Self::First | Self::Oracle => false,
        }
    }
}

/// What is used besides the patches themselves, and how many samples there are.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub method: Method,
    /// Samples asked for per instance; half of it is how many neighbours make a density.
    pub num_samples: usize,
    /// Whether failing regression tests filter.
    pub regression: bool,
    /// Whether the reproduction test filters.
    pub reproduction: bool,
}

/// A kind of evidence that a choice rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Used {
    /// The patches' own text.
    Patches,
    /// Tests of the repository that pass before and after the gold change; never those that the change is to mend.
    RegressionTests,
    /// Tests that the model wrote, by how they run on base and on the candidates.
    GeneratedTests,
    /// Verdicts, and with them the hidden tests.
    Verdicts,
}

/// What was chosen, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// `None` if no candidate holds a patch.
    pub candidate: Option<usize>,
    /// Candidates that could be chosen.
    pub eligible: Vec<usize>,
    /// Votes of the eligible candidates, by key.
    pub votes: BTreeMap<usize, u32>,
    /// Density or score of the candidates for which it was needed.
    pub scores: BTreeMap<usize, f64>,
    pub used: BTreeSet<Used>,
    /// Filters that did not apply, and what decided.
    pub why: Vec<String>,
}

impl Rules {
    /// Neighbours that make a density: half the samples, at least one. In the released
    /// code the mean over no neighbours is not a number.
    pub fn nearest(&self) -> usize {
        (self.num_samples / 2).max(1)
    }
}
