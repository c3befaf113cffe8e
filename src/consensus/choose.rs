//! One candidate out of many. The rules are those of SWE-Swiss' released code (enhanced
//! self-consistency) and of its relatives; the head of this folder names what differs.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::panel::{Panel, Standing};
use super::similarity::Similarities;
use crate::model::verdict::VerdictStatus;

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

    /// Chooses among some candidates of a panel, given in their order.
    pub fn choose(&self, panel: &Panel, members: &[usize], similarities: &mut Similarities) -> Choice {
        let patched: Vec<_> =
            members.iter().copied().filter(|candidate| !panel.entries[*candidate].key.is_empty()).collect();
        let mut choice = Choice {
            candidate: None,
            eligible: patched.clone(),
            votes: BTreeMap::new(),
            scores: BTreeMap::new(),
            used: BTreeSet::from([Used::Patches]),
            why: Vec::new(),
        };
        if patched.is_empty() {
            choice.why.push("no candidate holds a patch".to_owned());
            return choice;
        }
        match self.method {
            Method::First => choice.candidate = patched.first().copied(),
            Method::Oracle => {
                choice.used = BTreeSet::from([Used::Verdicts]);
                let verified = |candidate: &&usize| panel.entries[**candidate].verdict == Some(VerdictStatus::Verified);
                choice.candidate = patched.iter().find(verified).copied();
                if choice.candidate.is_none() {
                    choice.why.push("none is verified: the first that holds a patch".to_owned());
                    choice.candidate = patched.first().copied();
                }
            }
            Method::Enhanced | Method::SelfConsistency | Method::Density => {
                self.filter(panel, &mut choice);
                self.vote(panel, members, similarities, &mut choice);
            }
            Method::TestAgreement => {
                super::agreement::agree(self, panel, &mut choice);
                self.vote(panel, members, similarities, &mut choice);
            }
            Method::SelfPlay => {
                if !super::agreement::play(panel, &mut choice) {
                    self.filter(panel, &mut choice);
                    self.vote(panel, members, similarities, &mut choice);
                }
            }
        }
        choice.votes = panel.votes(&choice.eligible);
        choice
    }

    /// Keeps the candidates that fail the fewest regression tests, and of those the ones that pass the reproduction test,
    /// if any does.
    fn filter(&self, panel: &Panel, choice: &mut Choice) {
        if self.regression && usable("regression tests", panel.regression(), choice) {
            choice.used.insert(Used::RegressionTests);
            fewest_failures(panel, choice);
        }
        if self.reproduction && usable("generated tests", panel.generated(), choice) {
            let Some(test) = panel.reproduction() else { return };
            choice.used.insert(Used::GeneratedTests);
            let passing: Vec<_> = choice.eligible.iter().copied().filter(|c| panel.resolves(*c, test)).collect();
            if passing.is_empty() {
                choice.why.push("none passes the reproduction test, so it is left out".to_owned());
            } else {
                choice.eligible = passing;
            }
        }
    }

    fn vote(&self, panel: &Panel, members: &[usize], similarities: &mut Similarities, choice: &mut Choice) {
        let votes = panel.votes(&choice.eligible);
        let count = |candidate: usize| votes.get(&panel.keys.of(candidate)).copied().unwrap_or(0);
        // With densities alone every key has the same say.
        let say = |candidate: usize| if self.method == Method::Density { 1 } else { count(candidate) };
        let most = choice.eligible.iter().map(|candidate| say(*candidate)).max().unwrap_or(0);
        let mut leaders: Vec<usize> = Vec::new();
        for candidate in choice.eligible.iter().copied().filter(|candidate| say(*candidate) == most) {
            if leaders.iter().all(|leader| panel.keys.of(*leader) != panel.keys.of(candidate)) {
                leaders.push(candidate);
            }
        }
        if !self.method.dense() || leaders.len() < 2 {
            choice.candidate = leaders.first().copied();
            choice.why.push(match leaders.len() {
                0 | 1 => format!("{most} of {} eligible patches are equal", choice.eligible.len()),
                tied => format!("the earliest of {tied} patches that {most} each wrote"),
            });
            return;
        }
        similarities.measure(leaders.iter().map(|leader| panel.keys.of(*leader)));
        let mut best: Option<(f64, usize)> = None;
        for leader in &leaders {
            let density = similarities.density(&panel.keys, *leader, members, self.nearest());
            choice.scores.insert(*leader, density);
            if best.is_none_or(|(densest, _)| density > densest) {
                best = Some((density, *leader));
            }
        }
        choice.candidate = best.map(|(_, leader)| leader);
        choice.why.push(match self.method {
            Method::Density => format!("the densest of {} patches", leaders.len()),
            _ => format!("the densest of {} patches that {most} each wrote", leaders.len()),
        });
    }
}

/// If evidence is not used, notes why.
pub(super) fn usable(what: &str, standing: Standing, choice: &mut Choice) -> bool {
    match standing {
        Standing::Complete => true,
        Standing::None => {
            choice.why.push(format!("no {what}"));
            false
        }
        Standing::Partial { tried, of } => {
            choice.why.push(format!(
                "{what} ran for {tried} of {of} candidates only, so they are not used; run `assay verify --matrix`"
            ));
            false
        }
    }
}

/// Keeps the candidates with the fewest failing regression tests among those whose number is known. The released code
/// takes a missing report for no failure, and the minimum over empty patches too: one crash then drops every honest one.
pub(super) fn fewest_failures(panel: &Panel, choice: &mut Choice) {
    let failures = |candidate: &usize| panel.entries[*candidate].regression.known();
    let Some(least) = choice.eligible.iter().filter_map(failures).min() else {
        choice.why.push("no regression result is known, so they are left out".to_owned());
        return;
    };
    choice.eligible.retain(|candidate| failures(candidate) == Some(least));
}
