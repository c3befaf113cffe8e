//! How alike the keys of an instance's patches are. In: keys (`normal`). Out: densities.
//!
//! Similarity is the normalised indel similarity in characters. The density of a patch is the mean over the K patches
//! that are most similar to it; K is half of the samples. Votes always come before density, so densities are measured
//! only for patches that tie for most votes. Each distinct key is measured once, each pair in one direction. Without
//! the repositories, the places that a diff shows are read in the same way as whole files.

use std::collections::{BTreeMap, HashMap};

use super::lcs::{LANES, Letter, Patterns};

/// Characters of a key that are compared, at most. A longer one is a patch that nobody reads; comparing two of them whole takes
/// seconds, and time that grows with the square of what a model writes is a way to be stopped.
pub const LONGEST: usize = 1 << 15;

/// The keys of an instance's candidates, each distinct one once.
#[derive(Clone, Debug)]
pub struct Keys {
    /// By first candidate.
    distinct: Vec<String>,
    /// Candidate -> its key among `distinct`.
    of: Vec<usize>,
}

impl Keys {
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        let (mut distinct, mut known, mut of) = (Vec::new(), BTreeMap::new(), Vec::new());
        for key in keys {
            let place = *known.entry(key).or_insert_with(|| {
                distinct.push(key.to_owned());
                distinct.len() - 1
            });
            of.push(place);
        }
        Self { distinct, of }
    }

    /// The number of a candidate's key: equal for equal keys.
    pub fn of(&self, candidate: usize) -> usize {
        self.of[candidate]
    }

    pub fn key(&self, candidate: usize) -> &str {
        &self.distinct[self.of[candidate]]
    }

    pub fn candidates(&self) -> usize {
        self.of.len()
    }

    /// Number of distinct keys.
    pub fn len(&self) -> usize {
        self.distinct.len()
    }

    pub fn is_empty(&self) -> bool {
        self.distinct.is_empty()
    }
}

/// Similarities of distinct keys, as far as they were measured.
#[derive(Clone, Debug)]
pub struct Similarities {
    /// Keys without what all of them begin and end with.
    keys: Vec<Vec<Letter>>,
    /// Characters of the whole keys.
    lengths: Vec<usize>,
    /// Characters that all keys begin and end with: part of every longest common subsequence.
    shared: usize,
    /// Different characters of all keys.
    alphabet: usize,
    /// Row by row; less than zero if nothing was measured.
    values: Vec<f64>,
    measured: Vec<bool>,
}

impl Similarities {
    pub fn new(keys: &Keys) -> Self {
        let mut letters: HashMap<char, Letter> = HashMap::new();
        let mut letter = |character: char| {
            let next = Letter::try_from(letters.len()).unwrap_or(Letter::MAX);
            *letters.entry(character).or_insert(next)
        };
        let keys: Vec<Vec<Letter>> =
            keys.distinct.iter().map(|key| key.chars().take(LONGEST).map(&mut letter).collect()).collect();
        let size = keys.len();
        let lengths = keys.iter().map(Vec::len).collect();
        let (keys, shared) = without_ends(keys);
        Self {
            keys,
            lengths,
            shared,
            alphabet: letters.len(),
            values: vec![-1.0; size * size],
            measured: vec![false; size],
        }
    }

    /// Measures how alike these keys are to all others.
    pub fn measure(&mut self, wanted: impl IntoIterator<Item = usize>) {
        let mut wanted: Vec<_> =
            wanted.into_iter().filter(|key| !std::mem::replace(&mut self.measured[*key], true)).collect();
        // Patterns of about one length share the width of their words.
        wanted.sort_by_key(|key| (self.keys[*key].len(), *key));
        for group in wanted.chunks(LANES) {
            self.compare(group);
        }
    }

    fn compare(&mut self, group: &[usize]) {
        let size = self.keys.len();
        let patterns = Patterns::new(group.iter().map(|key| self.keys[*key].as_slice()).collect(), self.alphabet);
        for other in 0..size {
            if group.iter().all(|key| self.values[key * size + other] >= 0.0) {
                continue;
            }
            for (key, common) in group.iter().zip(patterns.common(&self.keys[other])) {
                let value = ratio(common + self.shared, self.lengths[*key], self.lengths[other]);
                self.values[key * size + other] = value;
                self.values[other * size + key] = value;
            }
        }
    }

    /// Between 0 and 1: `2 common / (a + b)`, in characters, as the `ratio` of the package Levenshtein (0.27.5). Two empty
    /// keys are alike.
    ///
    /// # Panics
    /// Neither key was measured, which is a bug of ours.
    pub fn between(&self, a: usize, b: usize) -> f64 {
        let value = self.values[a * self.keys.len() + b];
        assert!(value >= 0.0, "keys {a} and {b} were not measured");
        value
    }

    /// Density of a candidate: the mean of the `nearest` greatest similarities of its key to those of `members`, itself
    /// among them; of all, if there are fewer.
    pub fn density(&self, keys: &Keys, candidate: usize, members: &[usize], nearest: usize) -> f64 {
        let key = keys.of(candidate);
        let mut values: Vec<_> = members.iter().map(|member| self.between(key, keys.of(*member))).collect();
        values.sort_by(|a, b| b.total_cmp(a));
        values.truncate(nearest.max(1));
        values.iter().sum::<f64>() / values.len().max(1) as f64
    }
}

/// Takes off what all keys begin with, and of the rest what they end with; gives how many characters that was.
fn without_ends(mut keys: Vec<Vec<Letter>>) -> (Vec<Vec<Letter>>, usize) {
    let Some((first, others)) = keys.split_first() else { return (keys, 0) };
    let shared = |key: &Vec<Letter>| first.iter().zip(key).take_while(|(a, b)| a == b).count();
    let begin = others.iter().map(shared).min().unwrap_or(0);
    let rest = |key: &Vec<Letter>| {
        let ends = first[begin..].iter().rev().zip(key[begin..].iter().rev());
        ends.take_while(|(a, b)| a == b).count()
    };
    let end = others.iter().map(rest).min().unwrap_or(0);
    for key in &mut keys {
        key.truncate(key.len() - end);
        key.drain(..begin);
    }
    (keys, begin + end)
}

fn ratio(common: usize, a: usize, b: usize) -> f64 {
    if a + b == 0 { 1.0 } else { 2.0 * common as f64 / (a + b) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_is_that_of_python_levenshtein() {
        // Values of Levenshtein.ratio 0.27.5.
        let table = [
            ("", "", 1.0),
            ("", "x", 0.0),
            ("kitten", "sitting", 0.615_384_615_384_615_4),
            ("a\u{e9}\u{1f600}", "a\u{1f600}", 0.8),
            ("abc", "abc", 1.0),
            ("abc", "def", 0.0),
        ];
        for (a, b, expected) in table {
            let keys = Keys::new([a, b]);
            let mut similarities = Similarities::new(&keys);
            similarities.measure([0]);
            let found = similarities.between(0, keys.of(1));
            assert!((found - expected).abs() < 1e-15, "{a:?} {b:?}: {found}");
        }
    }

    #[test]
    fn what_all_keys_begin_and_end_with_counts_and_is_not_compared() {
        let texts = ["--a==", "--ab==", "--==", "--a-a=="];
        let keys = Keys::new(texts);
        let mut similarities = Similarities::new(&keys);
        assert_eq!((similarities.shared, similarities.keys[2].len()), (4, 0));
        similarities.measure(0..keys.len());
        for (a, one) in texts.iter().enumerate() {
            for (b, other) in texts.iter().enumerate() {
                let expected = rapidfuzz::distance::indel::normalized_similarity(one.chars(), other.chars());
                assert!((similarities.between(a, b) - expected).abs() < 1e-15, "{one} {other}");
            }
        }
        let overlapping = Keys::new(["aa", "aaa"]);
        assert_eq!(Similarities::new(&overlapping).shared, 2);
    }

    #[test]
    fn density_is_the_mean_of_the_nearest_and_counts_copies_and_the_key_itself() {
        let keys = Keys::new(["ab", "ab", "ac", "xy"]);
        let mut similarities = Similarities::new(&keys);
        similarities.measure([0]);
        let density = |nearest| similarities.density(&keys, 0, &[0, 1, 2, 3], nearest);
        assert_eq!([density(0), density(2), density(3), density(9)], [1.0, 1.0, 2.5 / 3.0, 2.5 / 4.0]);
        assert_eq!((keys.len(), keys.candidates(), keys.of(1), keys.key(2)), (3, 4, 0, "ac"));
    }
}
