//! What is still to be asked. Pure.

use std::collections::BTreeSet;

/// Samples of one prompt to ask for in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Place of the prompt.
    pub prompt: usize,
    /// Index of the first sample.
    pub first: u64,
    pub count: u64,
}

/// The samples that are not there yet, prompt by prompt, so that endpoints with a prefix cache read each prompt once; at most
/// `per_request` in one request.
pub fn missing(prompt_ids: &[&str], n: u64, have: &BTreeSet<(String, u64)>, per_request: u64) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    for (prompt, id) in prompt_ids.iter().enumerate() {
        for index in (0..n).filter(|index| !have.contains(&((*id).to_owned(), *index))) {
            match asks.last_mut() {
                Some(ask)
                    if ask.prompt == prompt && ask.first + ask.count == index && ask.count < per_request.max(1) =>
                {
                    ask.count += 1;
                }
                _ => asks.push(Ask { prompt, first: index, count: 1 }),
            }
        }
    }
    asks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_for_in_runs_of_at_most_so_many() {
        let have = [("a", 1), ("b", 0), ("b", 1), ("b", 2), ("b", 3)].map(|(id, index)| (id.to_owned(), index)).into();
        let asks = missing(&["a", "b", "c"], 4, &have, 2);
        let seen: Vec<_> = asks.iter().map(|ask| (ask.prompt, ask.first, ask.count)).collect();
        assert_eq!(seen, [(0, 0, 1), (0, 2, 2), (2, 0, 2), (2, 2, 2)]);
        assert_eq!(missing(&["a"], 3, &BTreeSet::new(), 0).len(), 3);
    }
}
