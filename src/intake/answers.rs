//! Answers to choose from, each line one sample: what says the same as another line may be a vote of its own.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::generations::generation_of;
use super::named::id;
use super::quarantine::Quarantined;
use super::records::{Record, each_answer};
use crate::model::generation::{Generation, GenerationRef};

/// What was read of a file.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// In the order of the file.
    pub answers: Vec<Answer>,
    pub quarantined: Vec<Quarantined>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub place: GenerationRef,
    pub generation: Generation,
    /// Whether the row says which sample it is; if not, its index is 0 and means nothing.
    pub indexed: bool,
}

/// Reads a file in any of the shapes of [`super::read_generations`], of any instance. Rows that cannot be used are
/// quarantined and the rest go on.
///
/// # Errors
/// The file cannot be opened or read, or its name tells no format.
pub fn read_answers(path: &Path) -> Result<Answers> {
    let mut answers = Answers::default();
    let file = path.display().to_string();
    each_answer(path, &mut |Record { line, row }| {
        let read = row.and_then(|mut row| {
            // Some datasets count their instances.
            if let Some(id) = row.get("instance_id").and_then(id) {
                row.insert("instance_id".to_owned(), Value::String(id));
            }
            let index = row.get("index").and_then(Value::as_u64);
            let mut generation = generation_of(row, None)?;
            generation.index = index.unwrap_or(generation.index);
            Ok((generation, index.is_some()))
        });
        match read {
            Ok((generation, indexed)) => {
                let place = GenerationRef { file: file.clone(), line, index: generation.index };
                answers.answers.push(Answer { place, generation, indexed });
            }
            Err(why) => answers.quarantined.push(Quarantined::new(&*file, line, why)),
        }
    })?;
    Ok(answers)
}
