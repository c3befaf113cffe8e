//! Answers to choose from, each line one vote: what says the same as another line counts again.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::generations::generation_of;
use super::quarantine::Quarantined;
use super::records::{Record, each_record};
use crate::generation::{Generation, GenerationRef};

/// What was read of a file.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// In the order of the file, each with its place.
    pub generations: Vec<(GenerationRef, Generation)>,
    pub quarantined: Vec<Quarantined>,
}

/// Reads a file in any of the shapes of [`super::read_generations`], of any instance. Rows that cannot be used are
/// quarantined and the rest go on.
///
/// # Errors
/// The file cannot be opened or read, or its name tells no format.
pub fn read_answers(path: &Path) -> Result<Answers> {
    let mut answers = Answers::default();
    let file = path.display().to_string();
    each_record(path, &mut |Record { line, row }| {
        let read = row.and_then(|row| {
            // Whatever instance the row names is known.
            let named = row.get("instance_id").and_then(Value::as_str).map(str::to_owned);
            generation_of(row, &named.into_iter().collect())
        });
        match read {
            Ok(generation) => {
                let place = GenerationRef { file: file.clone(), line, index: generation.index };
                answers.generations.push((place, generation));
            }
            Err(why) => answers.quarantined.push(Quarantined::new(&*file, line, why)),
        }
    })?;
    Ok(answers)
}
