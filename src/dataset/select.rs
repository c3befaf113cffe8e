//! Selection: which verdicts become rows. Everything left out is counted with its reason. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::admission::Admission;
use crate::verdict::{Evidence, Verdict, VerdictStatus};

/// What may become a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectOptions {
    /// Weakest evidence; E1 is the least there is, whatever is asked for.
    pub min_evidence: Evidence,
    /// Most rows per instance and skill; none: no bound.
    pub cap: Option<u64>,
}

impl Default for SelectOptions {
    fn default() -> Self {
        Self { min_evidence: Evidence::E1, cap: None }
    }
}

/// What was chosen.
#[derive(Clone, Debug, Default)]
pub struct Selection<'a> {
    /// By instance, skill, and place of the generation in the input.
    pub rows: Vec<&'a Verdict>,
    /// Reason -> verdicts: `rejected/<reason>`, `inconclusive/<reason>`, `duplicate`, `evidence/<level>`,
    /// `not_admitted`, `contradictory`, `cap`.
    pub left_out: BTreeMap<String, u64>,
}

/// An admission that rows may rest on: admitted, with at least one fail-to-pass test.
pub fn usable(admission: Option<&Admission>) -> bool {
    admission.is_some_and(|admission| admission.admitted() && !admission.fail_to_pass.is_empty())
}

/// Verdicts in the order of rows: instance, skill, place in the input, candidate.
pub fn ordered(verdicts: &[Verdict]) -> Vec<&Verdict> {
    let mut all: Vec<_> = verdicts.iter().collect();
    all.sort_by_key(|verdict| (&verdict.instance_id, verdict.skill, &verdict.generation, &verdict.candidate_id));
    all
}

/// Chooses the rows of the SFT configs.
pub fn select<'a>(
    verdicts: &'a [Verdict],
    admissions: &BTreeMap<String, Admission>,
    options: &SelectOptions,
) -> Selection<'a> {
    let mut selection = Selection::default();
    let mut taken: BTreeMap<_, u64> = BTreeMap::new();
    for verdict in ordered(verdicts) {
        let taken = taken.entry((&verdict.instance_id, verdict.skill)).or_default();
        match refusal(verdict, admissions, options, *taken) {
            Some(why) => *selection.left_out.entry(why).or_default() += 1,
            None => {
                *taken += 1;
                selection.rows.push(verdict);
            }
        }
    }
    selection
}

fn refusal(
    verdict: &Verdict,
    admissions: &BTreeMap<String, Admission>,
    options: &SelectOptions,
    taken: u64,
) -> Option<String> {
    if verdict.reason.status() != verdict.status {
        return Some("contradictory".to_owned());
    }
    match verdict.status {
        VerdictStatus::Verified => {}
        status => return Some(format!("{}/{}", name(&status), name(&verdict.reason))),
    }
    if !usable(admissions.get(&verdict.instance_id)) {
        return Some("not_admitted".to_owned());
    }
    if verdict.duplicate_of.is_some() {
        return Some("duplicate".to_owned());
    }
    if verdict.evidence < options.min_evidence.max(Evidence::E1) {
        return Some(format!("evidence/{}", name(&verdict.evidence)));
    }
    options.cap.is_some_and(|cap| taken >= cap).then(|| "cap".to_owned())
}

/// An enum's name as it stands in the files.
pub fn name<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        other => unreachable!("unit variants are written as text, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::generation::{GenerationRef, Skill};
    use crate::trial::Limits;
    use crate::verdict::Reason;

    fn admission(fail_to_pass: &[&str]) -> Admission {
        Admission {
            format: crate::format::ADMISSION.to_owned(),
            instance_id: "a".to_owned(),
            key: Digest::of(b"key"),
            refusal: None,
            detail: String::new(),
            image: None,
            trees: None,
            fail_to_pass: fail_to_pass.iter().map(|&id| id.to_owned()).collect(),
            pass_to_pass: Vec::new(),
            tests: BTreeMap::new(),
            unstable: BTreeMap::new(),
            disagreements: BTreeMap::new(),
            splits: Vec::new(),
            framework: "pytest/1".to_owned(),
            unneeded: None,
            gold_files: Vec::new(),
            repeats: 3,
            limits: Limits::default(),
            shadows: Default::default(),
            trials: Vec::new(),
            canaries: None,
            held_out: None,
            sentinels: None,
            plain: None,
        }
    }

    fn verdict(instance: &str, line: u64, reason: Reason) -> Verdict {
        Verdict {
            format: crate::format::VERDICT.to_owned(),
            candidate_id: Digest::of(format!("{instance}{line}").as_bytes()),
            instance_id: instance.to_owned(),
            skill: Skill::Repair,
            generation: GenerationRef { file: "g.jsonl".to_owned(), line, index: 0 },
            status: reason.status(),
            reason,
            detail: String::new(),
            evidence: Evidence::E1,
            stripped: Vec::new(),
            strength: None,
            flags: Default::default(),
            literal_overlap: 0,
            passed: None,
            duplicate_of: None,
            trials: Vec::new(),
            receipt: Digest::of(b"receipt"),
        }
    }

    #[test]
    fn only_verified_admitted_unique_and_proven_candidates_become_rows_and_the_rest_is_counted() {
        let admissions = BTreeMap::from([("a".to_owned(), admission(&["t"])), ("empty".to_owned(), admission(&[]))]);
        let mut contradictory = verdict("a", 9, Reason::Regressed);
        contradictory.status = VerdictStatus::Verified;
        let mut duplicate = verdict("a", 8, Reason::Resolved);
        duplicate.duplicate_of = Some(Digest::of(b"first"));
        let mut weak = verdict("a", 7, Reason::Resolved);
        weak.evidence = Evidence::E0;
        let verdicts = [
            contradictory,
            duplicate,
            weak,
            verdict("a", 6, Reason::Resolved),
            verdict("a", 5, Reason::StillFailing),
            verdict("a", 4, Reason::NotRun),
            verdict("a", 2, Reason::Resolved),
            verdict("empty", 1, Reason::Resolved),
            verdict("unknown", 1, Reason::Resolved),
        ];
        let options = SelectOptions { min_evidence: Evidence::E0, cap: Some(1) };
        let selection = select(&verdicts, &admissions, &options);
        assert_eq!(selection.rows, [&verdicts[6]]);
        let expected = [
            ("cap", 1),
            ("contradictory", 1),
            ("duplicate", 1),
            ("evidence/E0", 1),
            ("inconclusive/not_run", 1),
            ("not_admitted", 2),
            ("rejected/still_failing", 1),
        ];
        assert_eq!(selection.left_out, BTreeMap::from(expected.map(|(why, count)| (why.to_owned(), count))));
        assert_eq!(selection.left_out.values().sum::<u64>() + 1, verdicts.len() as u64);
    }
}
