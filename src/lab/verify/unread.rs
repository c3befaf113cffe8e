//! An answer that could not be put on its tree: a panic, or a refusal of git, is that answer's alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::lab::Sample;
use crate::model::candidate::Candidate;
use crate::model::format;
use crate::repo::RepoError;

/// What became of reading an answer.
pub(crate) enum Read {
    Understood(Candidate),
    /// Nothing is known of it, so its verdict is inconclusive; and why, for people. What the worker kept may be spoilt.
    Not(Candidate, String),
}

/// Reads an answer.
///
/// # Errors
/// Whatever the content of an answer cannot be blamed for: a disk that is full, a repository that lacks objects, an interrupt.
pub(crate) fn guarded(sample: &Sample, read: impl FnOnce() -> anyhow::Result<Candidate>) -> anyhow::Result<Read> {
    let why = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(candidate)) => return Ok(Read::Understood(candidate)),
        Ok(Err(error)) if error.downcast_ref().is_some_and(RepoError::is_about_content) => {
            format!("git refuses what it says: {error:#}")
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => "a panic, see above".to_owned(),
    };
    let place = &sample.place;
    let why = format!(
        "{}:{}: this answer could not be put on its tree and is inconclusive ({why}); this is a bug of assay, please report it",
        place.file, place.line
    );
    Ok(Read::Not(blank(sample), why))
}

/// A candidate of which nothing is known yet.
pub(super) fn blank(sample: &Sample) -> Candidate {
    let generation = &sample.generation;
    Candidate {
        format: format::CANDIDATE.to_owned(),
        candidate_id: generation.id(),
        instance_id: generation.instance_id.clone(),
        skill: generation.skill,
        generation: sample.place.clone(),
        form: None,
        malformed: None,
        prepared: None,
        trees: None,
        screen: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::generation::GenerationRef;
    use crate::repo::planted;

    fn sample() -> Sample {
        let generation = json!({"instance_id": "a", "skill": "repair", "completion": "x"});
        let place = GenerationRef { file: "g.jsonl".to_owned(), line: 7, index: 0 };
        Sample { generation: serde_json::from_value(generation).unwrap(), place }
    }

    #[test]
    fn a_panic_and_a_refusal_of_git_make_one_answer_unknown_and_name_it() {
        let panics = guarded(&sample(), || panic!("an index"));
        let refused = guarded(&sample(), || Err(planted::refusal().into()));
        for read in [panics, refused] {
            let Ok(Read::Not(candidate, why)) = read else { panic!("it was not read") };
            assert!(candidate.prepared.is_none() && candidate.malformed.is_none(), "{candidate:?}");
            assert!(why.starts_with("g.jsonl:7: ") && why.contains("inconclusive"), "{why}");
        }
    }

    #[test]
    fn a_fault_of_the_machine_is_no_fact_about_an_answer() {
        for fault in planted::of_the_machine() {
            let said = fault.to_string();
            assert!(guarded(&sample(), || Err(fault.into())).is_err(), "{said}");
        }
        assert!(guarded(&sample(), || Err(crate::exit_code::Stop::Interrupted.into())).is_err());
    }
}
