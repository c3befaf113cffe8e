//! An answer that could not be put on its tree: a panic, or a refusal of git, is that answer's alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use git2::ErrorClass;

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
        Ok(Err(error)) if refused_by_git(&error) => format!("git refuses what it says: {error:#}"),
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

/// Whether git found a name, a tree or a patch wrong, and not the disk or the store.
fn refused_by_git(error: &anyhow::Error) -> bool {
    let Some(RepoError::Git { source, .. }) = error.downcast_ref() else { return false };
    matches!(source.class(), ErrorClass::Invalid | ErrorClass::Tree | ErrorClass::Patch | ErrorClass::Object)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::model::generation::GenerationRef;

    fn sample() -> Sample {
        let generation = json!({"instance_id": "a", "skill": "repair", "completion": "x"});
        let place = GenerationRef { file: "g.jsonl".to_owned(), line: 7, index: 0 };
        Sample { generation: serde_json::from_value(generation).unwrap(), place }
    }

    fn of_git(class: ErrorClass) -> anyhow::Error {
        let source = git2::Error::new(git2::ErrorCode::GenericError, class, "no such thing");
        RepoError::Git { doing: "writing a tree", repository: PathBuf::from("r.git"), source }.into()
    }

    #[test]
    fn a_panic_and_a_refusal_of_git_make_one_answer_unknown_and_name_it() {
        let panics = guarded(&sample(), || panic!("an index"));
        let refused = guarded(&sample(), || Err(of_git(ErrorClass::Tree)));
        for read in [panics, refused] {
            let Ok(Read::Not(candidate, why)) = read else { panic!("it was not read") };
            assert!(candidate.prepared.is_none() && candidate.malformed.is_none(), "{candidate:?}");
            assert!(why.starts_with("g.jsonl:7: ") && why.contains("inconclusive"), "{why}");
        }
    }

    #[test]
    fn a_fault_of_the_machine_is_no_fact_about_an_answer() {
        for class in [ErrorClass::Os, ErrorClass::Odb] {
            assert!(guarded(&sample(), || Err(of_git(class))).is_err(), "{class:?}");
        }
        assert!(guarded(&sample(), || Err(crate::exit_code::Stop::Interrupted.into())).is_err());
    }
}
