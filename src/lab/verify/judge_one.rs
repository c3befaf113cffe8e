//! One candidate judged from what is known. Nothing is run.

use std::collections::BTreeMap;

use crate::judge::{Judgement, LocalizationRules, Peers, Step, judge};
use crate::lab::run::facts::Knowledge;
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::runner;

/// The judgement; one that says what was not run if a trial is missing.
pub(crate) fn judge_one(
    candidate: &Candidate,
    admissions: &BTreeMap<String, Admission>,
    peers: &Peers,
    knowledge: &Knowledge,
) -> anyhow::Result<Judgement> {
    let Some(admission) = admissions.get(&candidate.instance_id) else {
        return Ok(Judgement::not_run("the instance was never admitted"));
    };
    let Some(framework) = runner::of(&admission.framework) else {
        return Ok(Judgement::not_run("its test framework is unknown to this version"));
    };
    Ok(match judge(candidate, admission, framework, peers, &LocalizationRules::default(), knowledge) {
        Step::Done(judgement) => judgement,
        Step::Needs(trial) => {
            Judgement::not_run(&format!("trial {} has no outcome; run `assay verify` again", trial.id().short()))
        }
    })
}
