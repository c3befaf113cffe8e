//! Format names: every file and record says which format and version it is in.

use thiserror::Error;

/// `name.vN` of every format this version writes and reads. Adding an optional field keeps the version; a
/// changed meaning or a removed field raises it.
pub const INSTANCE: &str = "instance.v1";
pub const GENERATION: &str = "generation.v1";
pub const CANDIDATE: &str = "candidate.v1";
pub const ADMISSION: &str = "admission.v1";
pub const CONTEST: &str = "contest.v1";
pub const ADMISSION_REPORT: &str = "admission-report.v1";
pub const PROMPT: &str = "prompt.v1";
pub const OUTCOME: &str = "outcome.v1";
pub const REPORT: &str = "report.v1";
pub const VERDICT: &str = "verdict.v1";
pub const RECEIPT: &str = "receipt.v1";
pub const QUARANTINE: &str = "quarantine.v1";
pub const RUN: &str = "run.v1";
pub const AUDIT: &str = "audit.v1";
pub const MANIFEST: &str = "manifest.v2";
pub const STATEMENT: &str = "statement.v1";
pub const ENVELOPE: &str = "statement-envelope.v1";
pub const BLOB: &str = "blob.v1";
pub const BUNDLE: &str = "admission-bundle.v1";
pub const SFT_ROW: &str = "sft-row.v1";
pub const PREFERENCE_ROW: &str = "preference-row.v1";
pub const RL_ROW: &str = "rl-row.v1";
pub const CURRICULUM: &str = "curriculum.v1";
pub const MATRIX: &str = "matrix.v1";
pub const REWARD: &str = "reward.v1";
pub const REWARD_QUESTION: &str = "reward-question.v1";
pub const REWARD_BATCH: &str = "reward-batch.v1";
pub const REWARD_BATCH_QUESTION: &str = "reward-batch-question.v1";
pub const REWARD_ERROR: &str = "reward-error.v1";
pub const SCALING: &str = "scaling.v1";
pub const SELECTION: &str = "selection.v1";
pub const OUTPUTS: &str = "outputs.v1";

/// A file or record in a format that this version cannot read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FormatError {
    #[error("is in format {found:?}, newer than {known:?} which this assay reads; upgrade assay to read it")]
    Newer { found: String, known: &'static str },
    #[error("is in format {found:?} where {known:?} is expected; check that this is the right file")]
    Other { found: String, known: &'static str },
}

/// Checks a record's `format` against the one that is known here. Absent means foreign data of the first version.
pub fn check(found: Option<&str>, known: &'static str) -> Result<(), FormatError> {
    let Some(found) = found else { return Ok(()) };
    if found == known {
        return Ok(());
    }
    match (split(found), split(known)) {
        (Some((name, version)), Some((known_name, known_version))) if name == known_name && version > known_version => {
            Err(FormatError::Newer { found: found.to_owned(), known })
        }
        _ => Err(FormatError::Other { found: found.to_owned(), known }),
    }
}

fn split(format: &str) -> Option<(&str, u32)> {
    let (name, version) = format.rsplit_once(".v")?;
    Some((name, version.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_version_and_another_format_are_told_apart() {
        assert_eq!(check(None, RUN), Ok(()));
        assert_eq!(check(Some("run.v1"), RUN), Ok(()));
        assert!(matches!(check(Some("run.v2"), RUN), Err(FormatError::Newer { .. })));
        assert!(matches!(check(Some("verdict.v1"), RUN), Err(FormatError::Other { .. })));
        assert!(matches!(check(Some("run"), RUN), Err(FormatError::Other { .. })));
    }
}
