//! Whether two candidates are the same although their texts differ.

use std::collections::BTreeSet;

use crate::model::candidate::{Candidate, TrialTrees};
use crate::model::generation::Skill;

/// Everything of a candidate that runs, or what it predicts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity(String, Skill, Vec<String>);

impl Identity {
    /// `None` if nothing of the candidate was understood.
    pub fn of(candidate: &Candidate) -> Option<Self> {
        let prepared = candidate.prepared.as_ref()?;
        let content = match (&candidate.trees, candidate.skill) {
            (_, Skill::Localization) => prepared.files.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect(),
            (Some(TrialTrees::Repair { policy, submitted, .. }), _) => {
                vec![policy.clone(), submitted.clone().unwrap_or_default()]
            }
            (Some(TrialTrees::Test { on_base, files, script, .. }), _) => {
                let mut content = vec![on_base.clone(), script.to_string()];
                content.extend(files.clone());
                content
            }
            (None, _) => return None,
        };
        Some(Self(candidate.instance_id.clone(), candidate.skill, content))
    }
}

/// What a row of the candidate would hold: its content without what the policy took back.
pub(crate) fn exported_content(candidate: &Candidate) -> Option<Identity> {
    let Identity(instance, skill, mut content) = Identity::of(candidate)?;
    if skill == Skill::Repair {
        content.truncate(1);
    }
    Some(Identity(instance, skill, content))
}
