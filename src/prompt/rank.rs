//! Which files speak of the issue: BM25 over words of code and paths. Pure; the only door to `bm25`.
//!
//! The query is known before any file is read, so a file is kept as its length and how often it has the query's words.
//! Thousands of files therefore take no more memory than their names. Words of the path count more than words inside,
//! and only the rarest words of the query that occur decide.

use std::collections::{BTreeMap, BTreeSet};

use ahash::AHashMap;
use bm25::{Embedding, Scorer, TokenEmbedding};

use super::words::each_word;
use crate::language::{self, Language};

/// Words of the issue that count, the rarest first. More would cost time and hardly change the order.
const MOST_WORDS: usize = 64;

/// How often a word of the path counts: a path says in a few words what a file is about.
const PATH_WEIGHT: u32 = 3;

/// The usual constants of BM25: how fast repeats of a word stop counting, and how much long files are held back.
const K1: f32 = 1.2;
const B: f32 = 0.75;

/// English words and words of most languages that say nothing about where something is.
const COMMON: &str = "\
    a about after all also an and any are as at be because been but by can class code could do does else error \
    even expected false file for from get had has have here how i if import in instead into is issue it its just \
    last like line lines me more most my new no not now of on one only or other our out return same \
    should so some such than that the their them then there these they this to true try two up use used using \
    version want was way we were what when where which while will with without work works would you your following \
    example";

/// The words of an issue that are looked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    words: AHashMap<Vec<u8>, u32>,
    /// By first byte, a bit for each length: most words of a file are not in the query, and this tells it without hashing.
    lengths: Vec<u128>,
}

/// What matters of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub path: String,
    /// Words in all.
    length: u64,
    /// Word of the query -> how often, in the order of the words.
    found: Vec<(u32, u32)>,
}

impl Query {
    /// The words of a text, common ones aside.
    pub fn of(text: &str) -> Self {
        let common = language::all().map(Language::common_words).chain([COMMON]);
        let common: BTreeSet<&[u8]> = common.flat_map(str::split_whitespace).map(str::as_bytes).collect();
        let mut query = Self { words: AHashMap::new(), lengths: vec![0; 256] };
        each_word(text.as_bytes(), |word| {
            if word.len() > 1 && !common.contains(word) && !query.words.contains_key(word) {
                query.lengths[usize::from(word[0])] |= 1 << word.len();
                query.words.insert(word.to_vec(), query.words.len() as u32);
            }
        });
        query
    }

    /// How a file stands to the query.
    pub fn profile(&self, path: &str, content: &[u8]) -> Profile {
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        let mut count = |word: &[u8], weight| {
            let may_be = self.lengths.get(usize::from(word[0])).is_some_and(|lengths| lengths >> word.len() & 1 == 1);
            if may_be && let Some(number) = self.words.get(word) {
                *counts.entry(*number).or_default() += weight;
            }
        };
        let in_path = each_word(path.as_bytes(), |word| count(word, PATH_WEIGHT));
        let inside = each_word(content, |word| count(word, 1));
        let length = in_path * u64::from(PATH_WEIGHT) + inside;
        Profile { path: path.to_owned(), length, found: counts.into_iter().collect() }
    }
}

/// Files with something of the query in them, the best first; of equal ones, by path.
pub fn rank(profiles: &[Profile]) -> Vec<(&str, f32)> {
    let total: u64 = profiles.iter().map(|profile| profile.length).sum();
    let average = (total as f32 / profiles.len().max(1) as f32).max(1.0);
    let mut files_with: BTreeMap<u32, u64> = BTreeMap::new();
    for (word, _) in profiles.iter().flat_map(|profile| &profile.found) {
        *files_with.entry(*word).or_default() += 1;
    }
    let mut wanted: Vec<_> = files_with.into_iter().map(|(word, files)| (files, word)).collect();
    wanted.sort_unstable();
    wanted.truncate(MOST_WORDS);
    let wanted: BTreeSet<u32> = wanted.into_iter().map(|(_, word)| word).collect();

    let mut scorer = Scorer::<usize>::new();
    for (number, profile) in profiles.iter().enumerate() {
        let weight = |times: u32| {
            let times = times as f32;
            times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * profile.length as f32 / average))
        };
        let found = profile.found.iter().filter(|(word, _)| wanted.contains(word));
        let found = found.map(|&(index, times)| TokenEmbedding { index, value: weight(times) });
        scorer.upsert(&number, Embedding(found.collect()));
    }
    let query = Embedding(wanted.into_iter().map(|index| TokenEmbedding { index, value: 1.0 }).collect());
    let mut ranked: Vec<_> =
        scorer.matches(&query).into_iter().map(|found| (profiles[found.id].path.as_str(), found.score)).collect();
    ranked.sort_by(|(a, one), (b, other)| other.total_cmp(one).then_with(|| a.cmp(b)));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(issue: &str, files: &[(&str, &str)]) -> Vec<String> {
        let query = Query::of(issue);
        let profiles: Vec<_> = files.iter().map(|(path, text)| query.profile(path, text.as_bytes())).collect();
        rank(&profiles).into_iter().map(|(path, _)| path.to_owned()).collect()
    }

    #[test]
    fn the_file_that_defines_what_the_issue_names_comes_first() {
        let files = [
            ("pkg/table.py", "def describe(rows):\n    return rows\n"),
            ("pkg/duration.py", "def parse_duration(text):\n    minus = text.startswith('-')\n    return minus\n"),
            ("pkg/cli.py", "from .duration import parse_duration\nfrom .table import describe\n"),
            ("pkg/other.py", "x = 1\n"),
        ];
        let issue = "`parse_duration('-1h')` loses the minus. I expected that the minus is for all units.";
        assert_eq!(ranked(issue, &files), ["pkg/duration.py", "pkg/cli.py"]);
    }

    #[test]
    fn a_word_of_the_path_counts_and_parts_of_names_do() {
        let files = [("a/interval.py", "x = 1\n"), ("a/b.py", "class IntervalTree: pass\n"), ("a/c.py", "y = 2\n")];
        assert_eq!(ranked("Intervals: interval merge", &files), ["a/interval.py", "a/b.py"]);
    }

    #[test]
    fn equal_files_come_by_path_and_an_issue_without_words_finds_nothing() {
        let files = [("b.py", "turtle\n"), ("a.py", "turtle\n"), ("c.py", "hare\n")];
        assert_eq!(ranked("turtle", &files), ["a.py", "b.py"]);
        assert!(ranked("the of it is", &files).is_empty());
        assert!(ranked("turtle", &[]).is_empty());
    }

    #[test]
    fn the_score_is_that_of_the_formula() {
        let query = Query::of("turtle");
        let profiles = [query.profile("", b"turtle turtle hare"), query.profile("", b"hare")];
        let ranked = rank(&profiles);
        // Two words a file on average; one file of two has it.
        let idf = (1.0_f32 + (2.0 - 1.0 + 0.5) / (1.0 + 0.5)).ln();
        let expected = idf * 2.0 * 2.2 / (2.0 + 1.2 * (0.25 + 0.75 * 3.0 / 2.0));
        assert!(ranked.len() == 1 && (ranked[0].1 - expected).abs() < 1e-5, "{ranked:?} {expected}");
    }
}
