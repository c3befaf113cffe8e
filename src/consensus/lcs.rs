//! Longest common subsequence of many texts against many: how much of one text is in another, in order.
//!
//! Bit-parallel (H. Hyyro, 2004), eight patterns beside each other so that vector instructions do eight at a time: on
//! random texts of 2,000 characters 8 to 12 microseconds a pair, where the crate `rapidfuzz`, which does one pair at a time, takes
//! about 70. Texts whose tables would be too large go to that crate.

use std::collections::HashMap;

/// Patterns that are compared at a time.
pub(super) const LANES: usize = 8;
/// Bits of a word that stand for characters; the highest takes the carry.
const BITS: usize = 63;
const FULL: u64 = (1 << BITS) - 1;
/// Largest table of one group of patterns, in words of all lanes (16 MiB).
const LARGEST: usize = 1 << 18;

type Word = [u64; LANES];

/// Up to [`LANES`] texts, ready to be compared with others.
pub(super) struct Patterns<'t> {
    texts: Vec<&'t [char]>,
    /// Character -> its row in `table`. What is in no pattern has no row and matches nothing.
    rows: HashMap<char, usize>,
    /// Per character and word the places where each pattern has it; empty where it would be too large.
    table: Vec<Word>,
    words: usize,
}

impl<'t> Patterns<'t> {
    /// # Panics
    /// With more than [`LANES`] texts: a bug of ours.
    pub fn new(texts: Vec<&'t [char]>) -> Self {
        assert!(texts.len() <= LANES, "{} patterns at a time", texts.len());
        let words = texts.iter().map(|text| text.len()).max().unwrap_or(0).div_ceil(BITS);
        let mut rows = HashMap::new();
        for character in texts.iter().flat_map(|text| text.iter()) {
            let next = rows.len();
            rows.entry(*character).or_insert(next);
        }
        let mut table = Vec::new();
        if rows.len() * words <= LARGEST {
            table = vec![[0; LANES]; rows.len() * words];
            for (lane, text) in texts.iter().enumerate() {
                for (place, character) in text.iter().enumerate() {
                    table[rows[character] * words + place / BITS][lane] |= 1 << (place % BITS);
                }
            }
        }
        Self { texts, rows, table, words }
    }

    /// Length of the longest common subsequence of each pattern with a text, in characters.
    pub fn common(&self, text: &[char]) -> Vec<usize> {
        if self.table.is_empty() {
            let one = |pattern: &&[char]| {
                rapidfuzz::distance::lcs_seq::similarity(pattern.iter().copied(), text.iter().copied())
            };
            return self.texts.iter().map(one).collect();
        }
        let rows: Vec<usize> = text.iter().filter_map(|character| self.rows.get(character).copied()).collect();
        let mut state = vec![[FULL; LANES]; self.words];
        sweep(&self.table, self.words, &rows, &mut state);
        let common = |lane: usize| state.iter().map(|word| (!word[lane] & FULL).count_ones() as usize).sum();
        (0..self.texts.len()).map(common).collect()
    }
}

/// One pass over a text. A zero bit of `state` is a character of the pattern that the best subsequence so far uses.
#[inline(always)]
fn pass(table: &[Word], words: usize, rows: &[usize], state: &mut [Word]) {
    for row in rows {
        let matches = &table[row * words..(row + 1) * words];
        let mut carry = [0; LANES];
        for (state, matches) in state.iter_mut().zip(matches) {
            let old = *state;
            let sum: Word = std::array::from_fn(|lane| old[lane] + (old[lane] & matches[lane]) + carry[lane]);
            carry = std::array::from_fn(|lane| sum[lane] >> BITS);
            *state = std::array::from_fn(|lane| (sum[lane] & FULL) | (old[lane] & !matches[lane]));
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn pass_with_avx2(table: &[Word], words: usize, rows: &[usize], state: &mut [Word]) {
    pass(table, words, rows, state);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn pass_with_avx512(table: &[Word], words: usize, rows: &[usize], state: &mut [Word]) {
    pass(table, words, rows, state);
}

/// The same pass, compiled for the widest vectors that this processor has.
fn sweep(table: &[Word], words: usize, rows: &[usize], state: &mut [Word]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            // SAFETY: the processor was just asked for exactly these features.
            return unsafe { pass_with_avx512(table, words, rows, state) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { pass_with_avx2(table, words, rows, state) };
        }
    }
    pass(table, words, rows, state);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook table.
    fn plain(a: &[char], b: &[char]) -> usize {
        let mut above = vec![0; b.len() + 1];
        for x in a {
            let mut row = vec![0; b.len() + 1];
            for (j, y) in b.iter().enumerate() {
                row[j + 1] = if x == y { above[j] + 1 } else { row[j].max(above[j + 1]) };
            }
            above = row;
        }
        above[b.len()]
    }

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn empty_and_long_texts_and_texts_beyond_ascii_are_compared_by_character() {
        let long = "ab\u{e9}\u{1f600}".repeat(100);
        let texts = ["", "a", "\u{e9}", &long, &long[4..]].map(chars);
        let patterns = Patterns::new(texts.iter().map(Vec::as_slice).collect());
        for text in &texts {
            let expected: Vec<_> = texts.iter().map(|pattern| plain(pattern, text)).collect();
            assert_eq!(patterns.common(text), expected);
        }
    }

    #[test]
    fn a_group_that_is_too_large_for_its_table_gives_the_same() {
        let text: Vec<char> = (0..3000_u32).filter_map(|n| char::from_u32(0x4e00 + n * 7919 % 3000)).collect();
        let many: Vec<char> = text.iter().copied().cycle().take(9000).collect();
        let patterns = Patterns::new(vec![&many]);
        assert!(patterns.table.is_empty(), "{} words", patterns.rows.len() * patterns.words);
        assert_eq!(patterns.common(&text), [plain(&many, &text)]);
    }

    proptest::proptest! {
        #[test]
        fn every_lane_gives_the_length_of_the_textbook_table(
            texts in proptest::collection::vec("[ab\u{e9}]{0,150}", 1..=LANES),
            other in "[abc\u{e9}]{0,150}",
        ) {
            let texts: Vec<_> = texts.iter().map(|text| chars(text)).collect();
            let other = chars(&other);
            let patterns = Patterns::new(texts.iter().map(Vec::as_slice).collect());
            let expected: Vec<_> = texts.iter().map(|text| plain(text, &other)).collect();
            proptest::prop_assert_eq!(&patterns.common(&other), &expected);
            // Without vectors, whatever this machine has.
            let rows: Vec<usize> = other.iter().filter_map(|c| patterns.rows.get(c).copied()).collect();
            let mut state = vec![[FULL; LANES]; patterns.words];
            pass(&patterns.table, patterns.words, &rows, &mut state);
            for (lane, expected) in expected.iter().enumerate() {
                let found: u32 = state.iter().map(|word| (!word[lane] & FULL).count_ones()).sum();
                proptest::prop_assert_eq!(found as usize, *expected);
            }
        }
    }
}
