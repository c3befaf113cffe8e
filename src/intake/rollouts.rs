//! Other people's rollouts, and the tasks that rows are about.
//!
//! Read are: what verl writes to `trainer.rollout_data_dir` (`input`, `output`, `gts`, `score`, `step`, and whatever the reward
//! function added), results of verifiers and prime-rl (`example_id`, `reward`, `metrics`, `info`), SkyRL's dumps (`score`,
//! `env_extras`), episodes of rLLM (`is_correct`, `task`), slime's samples (`prompt`, `response`, `label`, `reward`, `status`,
//! `metadata`; one a line, or a dump with `samples`), NeMo Gym's rollouts (`responses_create_params`, `response`, `reward`), and
//! our own verdicts. They differ in where the instance is named ([`super::named`]) and in what says the outcome
//! ([`super::outcome`]), so all of these are looked for in every row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};
use thiserror::Error;

use super::named::named;
use super::outcome::{Rewards, Silent, nameable, said};
use super::quarantine::Quarantined;
use super::records::{Record, each_record};
use crate::curriculum::Rollout;
use crate::curriculum::report::Task;
use crate::model::generation::Skill;

/// Rows whose fields are kept for a refusal that lists them.
const LISTED_ROWS: u64 = 100;
/// Fields that a refusal lists, at most.
const LISTED_FIELDS: usize = 40;

/// Reads logs of rollouts, one file after the other.
#[derive(Debug)]
pub struct Rollouts {
    rewards: Rewards,
    quarantined: Vec<Quarantined>,
    /// Field that said the outcome -> rollouts.
    fields: BTreeMap<String, u64>,
    /// Rows that hold the field that was named or, if none was, one that says the outcome itself.
    plain: u64,
    rows: u64,
    /// Rows without the field that was named, and those with a reward that is shaped: their file, line and reward.
    without_key: Vec<(String, u64)>,
    shaped: Vec<(String, u64, String, f64)>,
    /// What `--reward-key` could name in the rows of these two kinds.
    nameable: BTreeSet<String>,
}

/// What was read besides the rollouts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadRollouts {
    pub quarantined: Vec<Quarantined>,
    /// Fields that said the outcomes, each with the number of rollouts.
    pub fields: BTreeMap<String, u64>,
}

/// Why the outcomes of whole logs cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unclear {
    #[error("no row has the field {key:?} that --reward-key names{}", listed(near, there))]
    NoSuchKey { key: String, near: Vec<String>, there: Vec<String> },
    #[error(
        "{file}:{line}: the reward {field} is {value}, which is neither solved nor failed, and no field says the outcome; name the \
         field that does with --reward-key, or say with --solved-at from which reward on a task is solved{}",
        listed(&[], there)
    )]
    Shaped { file: String, line: u64, field: String, value: String, there: Vec<String> },
}

fn listed(near: &[String], there: &[String]) -> String {
    let near = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) };
    let shown = there.iter().take(LISTED_FIELDS).map(String::as_str).collect::<Vec<_>>().join(", ");
    match there.len() {
        0 => format!("{near}; the rows hold no number and no truth value"),
        all if all > LISTED_FIELDS => format!("{near}; of the fields with numbers and truth values: {shown}, and more"),
        _ => format!("{near}; the fields with numbers and truth values: {shown}"),
    }
}

impl Rollouts {
    pub fn new(rewards: Rewards) -> Self {
        Self {
            rewards,
            quarantined: Vec::new(),
            fields: BTreeMap::new(),
            plain: 0,
            rows: 0,
            without_key: Vec::new(),
            shaped: Vec::new(),
            nameable: BTreeSet::new(),
        }
    }

    /// Reads the rollouts of a file and hands them to `take`. Rows that name no instance or no result are quarantined.
    ///
    /// # Errors
    /// The file cannot be opened or read, or its name tells no format.
    pub fn read(&mut self, path: &Path, take: &mut dyn FnMut(Rollout)) -> Result<()> {
        let file = path.display().to_string();
        each_record(path, &mut |Record { line, row }| match row {
            Ok(mut row) => match row.remove("samples") {
                Some(Value::Array(samples)) => samples.into_iter().for_each(|sample| match sample {
                    Value::Object(sample) => self.row(&file, line, &sample, take),
                    _ => self.row(&file, line, &Map::new(), take),
                }),
                Some(other) => {
                    row.insert("samples".to_owned(), other);
                    self.row(&file, line, &row, take);
                }
                None => self.row(&file, line, &row, take),
            },
            Err(why) => self.quarantined.push(Quarantined::new(&*file, line, why)),
        })
    }

    fn row(&mut self, file: &str, line: u64, row: &Map<String, Value>, take: &mut dyn FnMut(Rollout)) {
        self.rows += 1;
        let said = said(row, &self.rewards);
        self.plain += u64::from(match &said {
            Ok(said) => said.plain,
            // What was named is there, and of no use.
            Err(Silent::Because(_)) => self.rewards.key.is_some(),
            Err(Silent::NoKey) => false,
        });
        let (instance_id, skill) = match named(row) {
            Ok(named) => named,
            Err(why) => {
                self.note_fields(row);
                return self.quarantined.push(Quarantined::new(file, line, why));
            }
        };
        match said {
            Ok(said) => {
                if let Some((field, value)) = said.by.clone().zip(said.shaped) {
                    self.note_fields(row);
                    return self.shaped.push((file.to_owned(), line, field, value));
                }
                if let Some(field) = said.by {
                    *self.fields.entry(field).or_default() += 1;
                }
                take(Rollout { instance_id, skill, outcome: said.outcome });
            }
            Err(Silent::NoKey) => {
                self.note_fields(row);
                self.without_key.push((file.to_owned(), line));
            }
            Err(Silent::Because(why)) => self.quarantined.push(Quarantined::new(file, line, why)),
        }
    }

    fn note_fields(&mut self, row: &Map<String, Value>) {
        if self.rows <= LISTED_ROWS || self.nameable.is_empty() {
            self.nameable.extend(nameable(row));
        }
    }

    /// What was read besides the rollouts.
    ///
    /// # Errors
    /// The outcomes of the logs as a whole cannot be told; what was handed out of them means nothing.
    pub fn finish(mut self) -> Result<ReadRollouts, Unclear> {
        let there: Vec<String> = self.nameable.into_iter().collect();
        if let Some(key) = self.rewards.key.filter(|_| self.plain == 0 && self.rows > 0) {
            return Err(Unclear::NoSuchKey { near: near(&key, &there), key, there });
        }
        if let (Some((file, line, field, value)), 0) = (self.shaped.first().cloned(), self.plain) {
            return Err(Unclear::Shaped { file, line, field, value: value.to_string(), there });
        }
        for (file, line) in self.without_key {
            self.quarantined.push(Quarantined::new(file, line, "the row lacks the field that --reward-key names"));
        }
        for (file, line, field, value) in self.shaped {
            let why = format!(
                "the reward {field} is {value}, which is neither solved nor failed, and no field of the row says the outcome"
            );
            self.quarantined.push(Quarantined::new(file, line, why));
        }
        self.quarantined.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Ok(ReadRollouts { quarantined: self.quarantined, fields: self.fields })
    }
}

/// Names that are much like another one, the likest first.
fn near(name: &str, there: &[String]) -> Vec<String> {
    let wanted = name.to_lowercase();
    let alike = |other: &String| {
        let (whole, last) = (other.to_lowercase(), other.rsplit('.').next().unwrap_or_default().to_lowercase());
        let part = !last.is_empty() && (wanted.contains(&last) || last.contains(&wanted));
        let ratio = |text: &str| rapidfuzz::distance::indel::normalized_similarity(wanted.chars(), text.chars());
        let ratio = ratio(&whole).max(ratio(&last));
        if part { ratio.max(0.7) } else { ratio }
    };
    let mut near: Vec<_> = there.iter().map(|other| (alike(other), other)).filter(|(alike, _)| *alike >= 0.6).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.into_iter().take(3).map(|(_, other)| other.clone()).collect()
}

/// The tasks of a file's rows.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    /// By line.
    pub tasks: Vec<(u64, Task)>,
    pub quarantined: Vec<Quarantined>,
}

/// The task of every row of a file, with its line; rows that name none are quarantined. A row that names no skill is of the
/// skill that is given.
///
/// # Errors
/// As [`Rollouts::read`].
pub fn read_tasks(path: &Path, skill: Skill) -> Result<Tasks> {
    let file = path.display().to_string();
    let mut found = Tasks::default();
    each_record(path, &mut |Record { line, row }| {
        let task = row.and_then(|row| {
            let (instance_id, said) = named(&row)?;
            Ok(Task { instance_id, skill: said.unwrap_or(skill) })
        });
        match task {
            Ok(task) => found.tasks.push((line, task)),
            Err(why) => found.quarantined.push(Quarantined::new(&*file, line, why)),
        }
    })?;
    Ok(found)
}

#[cfg(test)]
#[path = "rollouts_tests.rs"]
mod tests;
