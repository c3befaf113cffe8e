//! Selection: which verdicts may become rows, by what is known without looking at their content. Everything left out is
//! counted with its reason. Pure.

pub mod contamination;
pub mod matched;
pub mod near;
pub mod pairs;
pub mod quarantine;
pub mod secrets;
pub mod strangers;

use std::collections::BTreeMap;

use crate::model::admission::Admission;
use crate::model::generation::Skill;
use crate::model::name::name;
use crate::model::verdict::{Evidence, Reason, VerdictStatus};

/// What may become a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectOptions {
    /// Weakest evidence; E1 is the least there is, whatever is asked for.
    pub min_evidence: Evidence,
    /// Most rows per instance and skill; none: no bound.
    pub cap: Option<u64>,
    /// Most rows per repository and skill; none: no bound.
    pub repository_cap: Option<u64>,
}

impl Default for SelectOptions {
    fn default() -> Self {
        Self { min_evidence: Evidence::E1, cap: None, repository_cap: None }
    }
}

/// A verdict as selection sees it: small, since there may be millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its position in the source.
    pub position: u32,
    /// Number of its instance, in the order of ids.
    pub instance: u32,
    pub skill: Skill,
    /// Place of the generation: number of the file in the order of names, line, index.
    pub generation: (u32, u64, u64),
    /// First digits of the candidate's id.
    pub candidate: u64,
    pub status: VerdictStatus,
    pub reason: Reason,
    pub evidence: Evidence,
    /// Says the same as an earlier candidate.
    pub duplicate: bool,
}

/// An instance as selection sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceState {
    /// [`usable`].
    pub usable: bool,
    /// Number of its repository.
    pub repository: u32,
    /// Why nothing of it may become a row.
    pub excluded: Option<String>,
}

/// An admission that rows may rest on: admitted, with at least one fail-to-pass test.
pub fn usable(admission: Option<&Admission>) -> bool {
    admission.is_some_and(|admission| admission.admitted() && !admission.fail_to_pass.is_empty())
}

/// Puts verdicts into the order of rows: instance, skill, place in the input, candidate.
pub fn order(entries: &mut [Entry]) {
    entries
        .sort_unstable_by_key(|entry| (entry.instance, entry.skill, entry.generation, entry.candidate, entry.position));
}

/// Why each of the ordered entries is left out, or none: `rejected/<reason>`, `inconclusive/<reason>`, `duplicate`,
/// `evidence/<level>`, `not_admitted`, `contradictory`, `repository_cap`, or what excludes its instance. The cap per
/// instance is applied when content has been looked at.
pub fn select(entries: &[Entry], instances: &[InstanceState], options: &SelectOptions) -> Vec<Option<String>> {
    let refusals = entries.iter().map(|entry| refusal(entry, &instances[entry.instance as usize], options));
    let mut refusals: Vec<_> = refusals.collect();
    if let Some(cap) = options.repository_cap {
        cap_repositories(entries, instances, cap, &mut refusals);
    }
    refusals
}

fn refusal(entry: &Entry, instance: &InstanceState, options: &SelectOptions) -> Option<String> {
    if entry.reason.status() != entry.status {
        return Some("contradictory".to_owned());
    }
    match entry.status {
        VerdictStatus::Verified => {}
        status => return Some(format!("{}/{}", name(&status), name(&entry.reason))),
    }
    if !instance.usable {
        return Some("not_admitted".to_owned());
    }
    if entry.duplicate {
        return Some("duplicate".to_owned());
    }
    // What was verified at E0 is counted as `evidence/E0`.
    if entry.status.at(entry.evidence) != entry.status || entry.evidence < options.min_evidence {
        return Some(format!("evidence/{}", name(&entry.evidence)));
    }
    instance.excluded.clone()
}

/// Takes from the instances of a repository in turn, so that the first instances do not use up the cap.
fn cap_repositories(entries: &[Entry], instances: &[InstanceState], cap: u64, refusals: &mut [Option<String>]) {
    let mut chosen: BTreeMap<(u32, Skill), Vec<(u32, usize)>> = BTreeMap::new();
    let (mut group, mut round) = (None, 0);
    for (index, entry) in entries.iter().enumerate() {
        if group != Some((entry.instance, entry.skill)) {
            (group, round) = (Some((entry.instance, entry.skill)), 0);
        }
        if refusals[index].is_none() {
            let repository = instances[entry.instance as usize].repository;
            chosen.entry((repository, entry.skill)).or_default().push((round, index));
            round += 1;
        }
    }
    for mut rows in chosen.into_values() {
        rows.sort_unstable();
        for (_, index) in rows.into_iter().skip(usize::try_from(cap).unwrap_or(usize::MAX)) {
            refusals[index] = Some("repository_cap".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(instance: u32, line: u64, reason: Reason) -> Entry {
        Entry {
            position: line as u32,
            instance,
            skill: Skill::Repair,
            generation: (0, line, 0),
            candidate: line,
            status: reason.status(),
            reason,
            evidence: Evidence::E1,
            duplicate: false,
        }
    }

    fn instance(usable: bool, excluded: Option<&str>) -> InstanceState {
        InstanceState { usable, repository: 0, excluded: excluded.map(str::to_owned) }
    }

    #[test]
    fn only_verified_admitted_unique_and_proven_candidates_may_become_rows_and_the_rest_has_its_reason() {
        let instances = [instance(true, None), instance(false, None), instance(true, Some("license/unknown"))];
        let table = [
            (Entry { status: VerdictStatus::Verified, ..entry(0, 9, Reason::Regressed) }, Some("contradictory")),
            (Entry { duplicate: true, ..entry(0, 8, Reason::Resolved) }, Some("duplicate")),
            (Entry { evidence: Evidence::E0, ..entry(0, 7, Reason::Resolved) }, Some("evidence/E0")),
            (entry(0, 6, Reason::Resolved), None),
            (entry(0, 5, Reason::StillFailing), Some("rejected/still_failing")),
            (entry(0, 4, Reason::NotRun), Some("inconclusive/not_run")),
            (entry(1, 1, Reason::Resolved), Some("not_admitted")),
            (entry(2, 1, Reason::Resolved), Some("license/unknown")),
            (entry(2, 2, Reason::StillFailing), Some("rejected/still_failing")),
        ];
        let options = SelectOptions { min_evidence: Evidence::E0, ..SelectOptions::default() };
        let entries = table.each_ref().map(|(entry, _)| *entry);
        let expected = table.each_ref().map(|(_, why)| why.map(str::to_owned));
        assert_eq!(select(&entries, &instances, &options), expected);
    }

    #[test]
    fn a_repository_cap_takes_from_its_instances_in_turn() {
        let instances = [instance(true, None), instance(true, None)];
        let mut entries: Vec<_> = (0..3).map(|line| entry(0, line, Reason::Resolved)).collect();
        entries.extend((0..2).map(|line| entry(1, line, Reason::Resolved)));
        let options = SelectOptions { repository_cap: Some(3), ..SelectOptions::default() };
        let left_out: Vec<_> = select(&entries, &instances, &options).iter().map(Option::is_some).collect();
        assert_eq!(left_out, [false, false, true, false, true]);
    }

    #[test]
    fn the_order_is_that_of_the_input_whatever_the_order_of_the_verdicts() {
        let mut entries = [entry(1, 1, Reason::Resolved), entry(0, 2, Reason::NotRun), entry(0, 1, Reason::Resolved)];
        order(&mut entries);
        assert_eq!(entries.map(|entry| (entry.instance, entry.generation.1)), [(0, 1), (0, 2), (1, 1)]);
    }
}
