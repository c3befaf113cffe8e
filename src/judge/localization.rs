//! Localization: the predicted files exist at base, are at most five, and cover an accepted set of locations: the
//! source files of gold, or of a verified repair.

use std::collections::BTreeSet;

use super::{Halt, name_some};
use crate::model::candidate::Candidate;
use crate::model::verdict::Reason;

/// Thresholds for predicted files. The SWE-Swiss recipe asks for at most five; its acceptance rule is not
/// published, so full recall is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalizationRules {
    pub max_files: usize,
}

impl Default for LocalizationRules {
    fn default() -> Self {
        Self { max_files: 5 }
    }
}

pub(super) fn judge(
    candidate: &Candidate,
    accepted: &BTreeSet<Vec<String>>,
    rules: &LocalizationRules,
) -> Result<(Reason, String), Halt> {
    let Some(prepared) = &candidate.prepared else {
        return Err(Halt::Judged(Reason::NotRun, "the prediction was never held against the base tree".to_owned()));
    };
    if !prepared.missing.is_empty() {
        return Err(Halt::Judged(Reason::UnknownFile, name_some(prepared.missing.iter().map(String::as_str))));
    }
    if prepared.files.len() > rules.max_files {
        return Err(Halt::Judged(
            Reason::TooManyFiles,
            format!("{} files, at most {} are accepted", prepared.files.len(), rules.max_files),
        ));
    }
    let predicted: BTreeSet<_> = prepared.files.iter().collect();
    let covers = |set: &&Vec<String>| !set.is_empty() && set.iter().all(|file| predicted.contains(file));
    match accepted.iter().find(covers) {
        Some(set) => Ok((Reason::Locates, format!("covers {}", name_some(set.iter().map(String::as_str))))),
        None => {
            let nearest = accepted.iter().map(|set| set.iter().filter(|file| !predicted.contains(file)).count()).min();
            Err(Halt::Judged(
                Reason::MissesFile,
                format!("{} of the nearest accepted change's files left out", nearest.unwrap_or(0)),
            ))
        }
    }
}
