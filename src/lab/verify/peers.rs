//! What the repairs of an instance showed, for its tests and localizations: the same from a run and from its files.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::Identity;
use super::judge_one::judge_one;
use crate::judge::{Judgement, Peers};
use crate::lab::locations::locations;
use crate::lab::run::facts::Knowledge;
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::model::digest::Digest;
use crate::model::generation::Skill;
use crate::model::verdict::{Reason, VerdictStatus};

/// At most this many repairs of each kind that a test is run against.
const MOST: usize = 8;

/// Peers per instance, from what is known about the repairs' trials.
pub(crate) fn peers(
    candidates: &[Candidate],
    admissions: &BTreeMap<String, Admission>,
    knowledge: &Knowledge,
) -> anyhow::Result<BTreeMap<String, Peers>> {
    Ok(peers_of(candidates, admissions, &judge_repairs(candidates, admissions, knowledge)?))
}

/// Judges every repair; repairs that are the same are judged once.
pub(crate) fn judge_repairs<'a>(
    candidates: &'a [Candidate],
    admissions: &BTreeMap<String, Admission>,
    knowledge: &Knowledge,
) -> anyhow::Result<BTreeMap<&'a Digest, Judgement>> {
    let mut judged = BTreeMap::new();
    let mut known: BTreeMap<Identity, Judgement> = BTreeMap::new();
    let none = Peers::default();
    for candidate in candidates.iter().filter(|candidate| candidate.skill == Skill::Repair) {
        let same = Identity::of(candidate);
        let judgement = match same.as_ref().and_then(|same| known.get(same)) {
            Some(judgement) => judgement.clone(),
            None => judge_one(candidate, admissions, &none, knowledge)?,
        };
        known.extend(same.map(|same| (same, judgement.clone())));
        judged.insert(&candidate.candidate_id, judgement);
    }
    Ok(judged)
}

/// Policy trees of one instance's repairs.
#[derive(Default)]
struct Sorted<'a> {
    /// Most plausible first.
    rejected: BTreeSet<(u8, &'a str)>,
    verified: BTreeSet<&'a str>,
}

/// Sorts the judged repairs: locations of verified ones, and distinct trees of wrong and of right ones.
pub(crate) fn peers_of(
    candidates: &[Candidate],
    admissions: &BTreeMap<String, Admission>,
    judged: &BTreeMap<&Digest, Judgement>,
) -> BTreeMap<String, Peers> {
    let accepted =
        |admission: &Admission| Peers { accepted: BTreeSet::from([admission.gold_files.clone()]), ..Peers::default() };
    let instances: BTreeSet<_> = candidates.iter().map(|candidate| &candidate.instance_id).collect();
    let admitted = instances.into_iter().filter_map(|id| admissions.get(id));
    let mut peers: BTreeMap<_, _> =
        admitted.map(|admission| (admission.instance_id.clone(), accepted(admission))).collect();
    let trees_of = |of: &Candidate| admissions.get(&of.instance_id).and_then(|admission| admission.trees.as_ref());
    // Other tests would run on its policy tree, which holds what base's build made, not what its own sources make.
    let rebuilt = |of: &Candidate| trees_of(of).is_some_and(|trees| of.is_built_anew(&trees.layout));
    let mut trees: BTreeMap<&str, Sorted> = BTreeMap::new();
    for candidate in candidates {
        let (Some(judgement), Some(prepared)) = (judged.get(&candidate.candidate_id), &candidate.prepared) else {
            continue;
        };
        let Sorted { rejected, verified } = trees.entry(&candidate.instance_id).or_default();
        match judgement.reason {
            // Nothing may rest on a repair of E0.
            Reason::Resolved if VerdictStatus::Verified.at(judgement.evidence) == VerdictStatus::Verified => {
                let trees = trees_of(candidate);
                if let Some(trees) = trees {
                    let accepted = &mut peers.entry(candidate.instance_id.clone()).or_default().accepted;
                    accepted.insert(locations(prepared, &trees.layout));
                }
                if !rebuilt(candidate) {
                    verified.insert(&prepared.tree);
                }
            }
            _ if rebuilt(candidate) => {}
            // A repair that fixes the issue and breaks something else is the most plausible of the wrong ones. A repair
            // that cheats may give right answers, so it is not in the list: if a test passes it, that proves nothing.
            Reason::Regressed => drop(rejected.insert((0, &prepared.tree))),
            Reason::StillFailing => drop(rejected.insert((1, &prepared.tree))),
            Reason::DependsOnInfraEdit => drop(rejected.insert((2, &prepared.tree))),
            _ => {}
        }
    }
    for (id, Sorted { rejected, verified }) in trees {
        let gold = admissions.get(id).and_then(|admission| admission.trees.as_ref()).map(|trees| trees.gold.as_str());
        let entry = peers.entry(id.to_owned()).or_default();
        entry.rejected = rejected.into_iter().map(|(_, tree)| tree.to_owned()).take(MOST).collect();
        let others = verified.into_iter().filter(|tree| Some(*tree) != gold);
        entry.verified = others.map(str::to_owned).take(MOST).collect();
    }
    peers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::trial::Limits;
    use crate::model::verdict::Evidence;

    #[test]
    fn a_repair_of_e0_is_no_accepted_answer_and_no_alternative() {
        let admission: Admission = serde_json::from_value(json!({
            "format": crate::model::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"),
            "image": Digest::of(b"image"), "trees": {"base": "b", "gold": "g", "tested_base": "tb", "tested_gold": "tg"},
            "fail_to_pass": ["t"], "pass_to_pass": [], "gold_files": ["core"], "framework": "pytest/1", "repeats": 3,
            "limits": Limits::default(), "trials": [],
        }))
        .unwrap();
        let candidate: Candidate = serde_json::from_value(json!({
            "format": crate::model::format::CANDIDATE, "candidate_id": Digest::of(b"c"), "instance_id": "a",
            "skill": "repair", "generation": {"file": "g", "line": 1, "index": 0},
            "prepared": {"tree": "p", "diff": "d", "files": ["other.py"]},
        }))
        .unwrap();
        let admissions = BTreeMap::from([("a".to_owned(), admission)]);
        let peers = |evidence| {
            let judgement = Judgement { reason: Reason::Resolved, evidence, ..Judgement::not_run("") };
            let judged = BTreeMap::from([(&candidate.candidate_id, judgement)]);
            peers_of(std::slice::from_ref(&candidate), &admissions, &judged).remove("a").unwrap()
        };
        let used = peers(Evidence::E1);
        assert_eq!((used.verified.len(), used.accepted.len()), (1, 2));
        let unused = peers(Evidence::E0);
        assert_eq!((unused.verified.len(), unused.rejected.len(), unused.accepted.len()), (0, 0, 1));
    }
}
