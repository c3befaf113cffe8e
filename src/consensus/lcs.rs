//! Longest common subsequence of many texts against many: how much of one text is in another, in order.
//!
//! Bit-parallel (H. Hyyro, 2004), sixteen patterns beside each other so that vector instructions do many at a time. The
//! crate `rapidfuzz` does one pair at a time and is slower (`benches/README.md`). Texts whose tables would be too large
//! go to that crate, and the tests compare with it.

/// Patterns that are compared at a time.
pub(super) const LANES: usize = 16;
/// Bits of a word that stand for characters; the highest takes the carry.
const BITS: usize = 63;
const FULL: u64 = (1 << BITS) - 1;
/// Set in every word of a table: added to itself, what the carry of the last pass left there is gone, so that nothing has to
/// be masked.
const CARRY: u64 = 1 << BITS;
/// Largest table of one group of patterns, in words of all lanes (16 MiB).
const LARGEST: usize = 1 << 17;

type Word = [u64; LANES];

/// A character by its number among those that the compared texts hold.
pub(super) type Letter = u32;

/// Up to [`LANES`] texts, ready to be compared with others.
pub(super) struct Patterns<'t> {
    texts: Vec<&'t [Letter]>,
    /// Letter -> its row in `table`. What is in no pattern has no row and matches nothing.
    rows: Vec<Option<usize>>,
    /// Per character and word the places where each pattern has it; empty if it would be too large.
    table: Vec<Word>,
    words: usize,
}

impl<'t> Patterns<'t> {
    /// The letters of every text that is compared are below `alphabet`.
    ///
    /// # Panics
    /// With more than [`LANES`] texts: a bug of ours.
    pub fn new(texts: Vec<&'t [Letter]>, alphabet: usize) -> Self {
        assert!(texts.len() <= LANES, "{} patterns at a time", texts.len());
        let words = texts.iter().map(|text| text.len()).max().unwrap_or(0).div_ceil(BITS);
        let (mut rows, mut used) = (vec![None; alphabet], 0);
        for letter in texts.iter().flat_map(|text| text.iter()) {
            let row = &mut rows[*letter as usize];
            if row.is_none() {
                *row = Some(used);
                used += 1;
            }
        }
        let mut table = Vec::new();
        if used * words <= LARGEST {
            table = vec![[CARRY; LANES]; used * words];
            for (lane, text) in texts.iter().enumerate() {
                for (place, letter) in text.iter().enumerate() {
                    if let Some(row) = rows[*letter as usize] {
                        table[row * words + place / BITS][lane] |= 1 << (place % BITS);
                    }
                }
            }
        }
        Self { texts, rows, table, words }
    }

    /// Length of the longest common subsequence of each pattern with a text, in characters.
    pub fn common(&self, text: &[Letter]) -> Vec<usize> {
        if self.table.is_empty() {
            let one = |pattern: &&[Letter]| {
                rapidfuzz::distance::lcs_seq::similarity(pattern.iter().copied(), text.iter().copied())
            };
            return self.texts.iter().map(one).collect();
        }
        let rows = self.rows_of(text);
        let mut state = vec![[FULL; LANES]; self.words];
        sweep(&self.table, self.words, &rows, &mut state);
        let common = |lane: usize| state.iter().map(|word| (!word[lane] & FULL).count_ones() as usize).sum();
        (0..self.texts.len()).map(common).collect()
    }

    fn rows_of(&self, text: &[Letter]) -> Vec<usize> {
        text.iter().filter_map(|letter| self.rows[*letter as usize]).collect()
    }
}

/// One pass over a text. A zero bit of `state`, but for the highest, is a character of the pattern that the best subsequence so
/// far uses.
fn pass(table: &[Word], words: usize, rows: &[usize], state: &mut [Word]) {
    for row in rows {
        let matches = &table[row * words..(row + 1) * words];
        let mut carry = [0; LANES];
        for (state, matches) in state.iter_mut().zip(matches) {
            for lane in 0..LANES {
                let old = state[lane];
                let sum = old.wrapping_add(old & matches[lane]).wrapping_add(carry[lane]);
                carry[lane] = sum >> BITS;
                state[lane] = sum | (old & !matches[lane]);
            }
        }
    }
}

/// The same pass in vector instructions. They are written out because compilers find them at the highest level of
/// optimisation only.
#[cfg(target_arch = "x86_64")]
mod vectors {
    use std::arch::x86_64::*;

    use super::{BITS, LANES, Word};

    const SHIFT: i32 = BITS as i32;
    const SHIFT_512: u32 = BITS as u32;
    /// `a | (b & !c)` as a truth table.
    const OR_AND_NOT: i32 = 0xf4;

    #[target_feature(enable = "avx2")]
    pub fn with_avx2(table: &[Word], words: usize, rows: &[usize], state: &mut [Word]) {
        for row in rows {
            let matches = &table[row * words..(row + 1) * words];
            let mut carry = [_mm256_setzero_si256(); LANES / 4];
            for (state, matches) in state.iter_mut().zip(matches) {
                for (part, carry) in carry.iter_mut().enumerate() {
                    let (state, matches) = (&mut state[part * 4..part * 4 + 4], &matches[part * 4..part * 4 + 4]);
                    // SAFETY: both slices are the 32 bytes that are read, and any address will do.
                    let (old, here) = unsafe {
                        (_mm256_loadu_si256(state.as_ptr().cast()), _mm256_loadu_si256(matches.as_ptr().cast()))
                    };
                    let sum = _mm256_add_epi64(_mm256_add_epi64(old, _mm256_and_si256(old, here)), *carry);
                    *carry = _mm256_srli_epi64::<SHIFT>(sum);
                    let new = _mm256_or_si256(sum, _mm256_andnot_si256(here, old));
                    // SAFETY: the slice is the 32 bytes that are written.
                    unsafe { _mm256_storeu_si256(state.as_mut_ptr().cast(), new) };
                }
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    pub fn with_avx512(table: &[Word], words: usize, rows: &[usize], state: &mut [Word]) {
        for row in rows {
            let matches = &table[row * words..(row + 1) * words];
            let mut carry = [_mm512_setzero_si512(); LANES / 8];
            for (state, matches) in state.iter_mut().zip(matches) {
                for (part, carry) in carry.iter_mut().enumerate() {
                    let (state, matches) = (&mut state[part * 8..part * 8 + 8], &matches[part * 8..part * 8 + 8]);
                    // SAFETY: both slices are the 64 bytes that are read, and any address will do.
                    let (old, here) = unsafe {
                        (_mm512_loadu_si512(state.as_ptr().cast()), _mm512_loadu_si512(matches.as_ptr().cast()))
                    };
                    let sum = _mm512_add_epi64(_mm512_add_epi64(old, _mm512_and_si512(old, here)), *carry);
                    *carry = _mm512_srli_epi64::<SHIFT_512>(sum);
                    let new = _mm512_ternarylogic_epi64::<OR_AND_NOT>(sum, old, here);
                    // SAFETY: the slice is the 64 bytes that are written.
                    unsafe { _mm512_storeu_si512(state.as_mut_ptr().cast(), new) };
                }
            }
        }
    }
}

type Pass = fn(&[Word], usize, &[usize], &mut [Word]);

/// The passes that this processor can run, slowest first.
fn passes() -> Vec<Pass> {
    let mut passes: Vec<Pass> = vec![pass];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor was just asked for exactly this feature.
            passes.push(|table, words, rows, state| unsafe { vectors::with_avx2(table, words, rows, state) });
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: as above.
            passes.push(|table, words, rows, state| unsafe { vectors::with_avx512(table, words, rows, state) });
        }
    }
    passes
}

/// The pass with the widest vectors that this processor has.
fn sweep(table: &[Word], words: usize, rows: &[usize], state: &mut [Word]) {
    static WIDEST: std::sync::LazyLock<Pass> = std::sync::LazyLock::new(|| passes().pop().unwrap_or(pass));
    WIDEST(table, words, rows, state);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook table.
    fn plain(a: &[Letter], b: &[Letter]) -> usize {
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

    #[test]
    fn empty_and_long_texts_are_compared() {
        let long = [0, 1, 2, 3].repeat(100);
        let texts = [&[][..], &[0], &[2], &long, &long[4..]];
        let patterns = Patterns::new(texts.to_vec(), 4);
        for text in texts {
            let expected: Vec<_> = texts.iter().map(|pattern| plain(pattern, text)).collect();
            assert_eq!(patterns.common(text), expected);
        }
    }

    #[test]
    fn a_group_that_is_too_large_for_its_table_gives_the_same() {
        let text: Vec<Letter> = (0..3000).map(|n| n * 7919 % 3000).collect();
        let many: Vec<Letter> = text.iter().copied().cycle().take(9000).collect();
        let patterns = Patterns::new(vec![&many], 3000);
        assert!(patterns.table.is_empty());
        assert_eq!(patterns.common(&text), [plain(&many, &text)]);
    }

    proptest::proptest! {
        #[test]
        fn every_lane_gives_the_length_of_the_textbook_table(
            texts in proptest::collection::vec(proptest::collection::vec(0_u32..3, 0..150), 1..=LANES),
            other in proptest::collection::vec(0_u32..4, 0..150),
        ) {
            let patterns = Patterns::new(texts.iter().map(Vec::as_slice).collect(), 4);
            let expected: Vec<_> = texts.iter().map(|text| plain(text, &other)).collect();
            proptest::prop_assert_eq!(&patterns.common(&other), &expected);
            for pass in passes() {
                let mut state = vec![[FULL; LANES]; patterns.words];
                pass(&patterns.table, patterns.words, &patterns.rows_of(&other), &mut state);
                for (lane, expected) in expected.iter().enumerate() {
                    let found: u32 = state.iter().map(|word| (!word[lane] & FULL).count_ones()).sum();
                    proptest::prop_assert_eq!(found as usize, *expected);
                }
            }
        }
    }
}
