//! Preference pairs: which rejected answer is put beside which verified one. Pure.

use super::secrets::scan;
use crate::dataset::rows::{PreferenceRow, Reasoning, SftRow, own_prompt, preference_row};
use crate::dataset::seal::checks::CheckOptions;
use crate::dataset::turns::{answer, chat};
use crate::model::generation::{Generation, Message};
use crate::model::verdict::Verdict;

/// Pairs of one instance and skill. A rejected answer goes to the verified answer to the same prompt that has the fewest
/// pairs so far, so that each answer is used as seldom as can be.
#[derive(Debug)]
pub(crate) struct Pairs {
    most: u64,
    made: u64,
    /// Verified rows with their number of pairs.
    chosen: Vec<(SftRow, u64)>,
}

impl Pairs {
    pub fn new(most: u64) -> Self {
        Self { most, made: 0, chosen: Vec::new() }
    }

    /// Takes a verified row; more than can be paired are not kept.
    pub fn chosen(&mut self, row: SftRow) {
        if (self.chosen.len() as u64) < self.most {
            self.chosen.push((row, 0));
        }
    }

    pub fn is_full(&self) -> bool {
        self.made >= self.most
    }

    /// A pair with a rejected answer, if a verified one answers the same prompt.
    pub fn rejected(
        &mut self,
        generation: &Generation,
        rendered: &[Message],
        verdict: &Verdict,
        checks: &CheckOptions,
    ) -> Option<PreferenceRow> {
        let apart = self.chosen.iter().any(|(row, _)| row.reasoning.is_some());
        let (message, _) = answer(generation, if apart { Reasoning::Apart } else { Reasoning::Inline });
        // An empty answer teaches nothing, and what a row may not hold a pair may not either.
        if message.content.trim().is_empty() || (checks.scan && scan(&message.content).is_some()) {
            return None;
        }
        let prompt = chat(own_prompt(generation).unwrap_or(rendered));
        let same = |(row, _): &&mut (SftRow, u64)| row.messages.split_last().is_some_and(|(_, rest)| rest == prompt);
        let (row, pairs) = self.chosen.iter_mut().filter(same).min_by_key(|(_, pairs)| *pairs)?;
        *pairs += 1;
        self.made += 1;
        Some(preference_row(row, message, verdict))
    }
}
