//! An answer that could not be put on its tree: a panic, or a refusal of git, is that answer's alone.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::console::Console;
use crate::lab::Sample;
use crate::model::candidate::Candidate;
use crate::model::format;
use crate::model::generation::GenerationRef;
use crate::repo::RepoError;

/// Reads an answer. If reading it panics, or git refuses what it says, the candidate says why ([`Candidate::unread`]) and its
/// verdict is inconclusive; what the caller kept from one answer to the next may then be spoilt.
///
/// # Errors
/// Whatever the content of an answer cannot be blamed for: a disk that is full, a repository that lacks objects, an interrupt.
pub(crate) fn guarded(
    sample: &Sample,
    console: &Console,
    read: impl FnOnce() -> anyhow::Result<Candidate>,
) -> anyhow::Result<Candidate> {
    let why = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(candidate)) => return Ok(candidate),
        Ok(Err(error)) if error.downcast_ref().is_some_and(RepoError::is_about_content) => {
            format!("git refuses what it says: {error:#}")
        }
        Ok(Err(error)) => return Err(error),
        Err(panic) => format!("a panic: {}", said(&*panic)),
    };
    let GenerationRef { file, line, .. } = &sample.place;
    console.say(format!(
        "{file}:{line}: this answer could not be put on its tree and is inconclusive ({why}); this is a bug of assay, please report it"
    ));
    Ok(Candidate { unread: Some(why), ..blank(sample) })
}

/// The message of a panic.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it has no message")
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
        unbuilt: Vec::new(),
        unread: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::repo::planted;

    fn sample() -> Sample {
        let generation = json!({"instance_id": "a", "skill": "repair", "completion": "x"});
        let place = GenerationRef { file: "g.jsonl".to_owned(), line: 7, index: 0 };
        Sample { generation: serde_json::from_value(generation).unwrap(), place }
    }

    #[test]
    fn a_panic_and_a_refusal_of_git_make_one_answer_unknown_and_say_why() {
        let console = Console::default();
        let panics = guarded(&sample(), &console, || panic!("an index"));
        let refused = guarded(&sample(), &console, || Err(planted::refusal().into()));
        for (read, why) in [(panics, "an index"), (refused, "no such thing")] {
            let candidate = read.unwrap();
            assert!(candidate.prepared.is_none() && candidate.malformed.is_none(), "{candidate:?}");
            assert!(candidate.unread.as_ref().is_some_and(|said| said.contains(why)), "{candidate:?}");
        }
    }

    #[test]
    fn a_fault_of_the_machine_is_no_fact_about_an_answer() {
        for fault in planted::of_the_machine() {
            let said = fault.to_string();
            assert!(guarded(&sample(), &Console::default(), || Err(fault.into())).is_err(), "{said}");
        }
        assert!(guarded(&sample(), &Console::default(), || Err(crate::exit_code::Stop::Interrupted.into())).is_err());
    }
}
