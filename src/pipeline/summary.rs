//! The summary of a run: what scripts read in `summary.json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::journal::RunDir;
use crate::lab::Tally;
use crate::model::generation::Skill;
use crate::model::verdict::{Counts, Reason};

/// `summary.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<u64>,
    pub candidates: u64,
    pub verified: u64,
    pub rejected: u64,
    pub inconclusive: u64,
    pub duplicates: u64,
    pub skills: BTreeMap<Skill, Counts>,
    pub reasons: BTreeMap<Reason, u64>,
    pub quarantined: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    pub run: String,
}

impl Summary {
    pub fn of(tally: Tally, run: &RunDir) -> Self {
        let Tally { total, skills, reasons } = tally;
        Self {
            instances: None,
            candidates: total.candidates,
            verified: total.verified,
            rejected: total.rejected,
            inconclusive: total.inconclusive,
            duplicates: total.duplicates,
            skills,
            reasons,
            quarantined: 0,
            seconds: None,
            run: run.path().display().to_string(),
        }
    }
}
