//! Where files of rows are cut: after rows that are chosen by their content, so that rows which change move no cut
//! behind them. What lies between two cuts is then byte for byte what it was, and the Hub takes only what changed. A
//! cut by size alone would move every cut behind the change.

use crate::model::digest::Digest;

/// A size after which something ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    least: u64,
    /// Bytes that come on top, at the mean.
    spread: u64,
    since: u64,
}

impl Cut {
    pub fn new(least: u64, spread: u64) -> Self {
        Self { least, spread: spread.max(1), since: 0 }
    }

    /// This many bytes, and an eighth more at the mean.
    pub fn about(bytes: u64) -> Self {
        Self::new(bytes, bytes / 8)
    }

    /// As if a cut came here.
    pub fn restart(&mut self) {
        self.since = 0;
    }

    /// Counts a row; says whether the cut comes after it.
    pub fn after(&mut self, row: &[u8]) -> bool {
        let bytes = row.len() as u64;
        self.since += bytes;
        let here = self.since >= self.least && Digest::of(row).leading() % self.spread < bytes;
        if here {
            self.restart();
        }
        here
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use xet_data::deduplication::Chunker;

    use super::*;

    /// Share of the second file's bytes that stand in chunks of the first, as Xet cuts them.
    pub fn shared(first: &[u8], second: &[u8]) -> f64 {
        let chunks = |bytes| Chunker::default().next_block(bytes, true);
        let known: BTreeSet<_> = chunks(first).into_iter().map(|chunk| chunk.hash).collect();
        let found: usize =
            chunks(second).iter().filter(|chunk| known.contains(&chunk.hash)).map(|chunk| chunk.data.len()).sum();
        found as f64 / second.len() as f64
    }

    fn cuts(rows: &[String]) -> Vec<usize> {
        let mut cut = Cut::new(10_000, 2_000);
        (0..rows.len()).filter(|row| cut.after(rows[*row].as_bytes())).collect()
    }

    #[test]
    fn cuts_are_as_far_apart_as_asked_and_a_longer_row_moves_few_of_them() {
        let mut rows: Vec<String> = (0..20_000).map(|row| format!("row {row} {}", "x".repeat(row % 90))).collect();
        let before = cuts(&rows);
        let bytes: usize = rows.iter().map(String::len).sum();
        let mean = bytes / before.len();
        assert!((11_000..13_500).contains(&mean), "{mean}");
        rows[5_000].push_str(&"y".repeat(500));
        let moved = cuts(&rows).iter().filter(|cut| !before.contains(cut)).count();
        assert!(moved * 10 < before.len(), "{moved} of {}", before.len());
    }
}
