//! One candidate out of many. The rules are those of SWE-Swiss' released code (enhanced
//! self-consistency) and of its relatives; the head of this folder names what differs.

use std::collections::{BTreeMap, BTreeSet};

use super::choice::{Choice, Method, Rules, Used};
use super::filters::{fewest_failures, usable};
use super::panel::Panel;
use super::similarity::Similarities;
use crate::model::verdict::VerdictStatus;

impl Rules {
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
