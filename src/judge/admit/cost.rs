//! What the rest of an admission takes, told after gold's first run. Pure.
//!
//! Base runs everything once; nobody knows before that which files hold fail-to-pass tests. The guess is those that gold or
//! the test patch changes, and that they take their share of gold's time by their number of tests. If a test that runs
//! elsewhere fails on base too, more is repeated; so the time for all files stands beside the guess as the most.

use std::fmt::Write as _;

use super::AdmissionInput;
use crate::model::trial::TestReport;
use crate::runner::Runner;

/// Most runs of the controls if all goes well: canaries in two forms, held-out tests on gold and base, the rehearsal.
const CONTROLS: u64 = 5;

/// What follows gold's first run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// How long gold ran all files, milliseconds.
    gold_ms: u64,
    /// Tests in the files that are likely to be repeated, and in all files.
    tests: (u64, u64),
    repeats: u64,
    /// Most runs of controls.
    controls: u64,
}

impl Cost {
    /// `gold`: the report of gold's first run, which took `gold_ms`. `more`: runs that were asked for beside the controls.
    pub fn of(input: &AdmissionInput, runner: &dyn Runner, gold: &TestReport, gold_ms: u64, more: u64) -> Self {
        let listed: Vec<_> = input.instance.fail_to_pass.iter().map(|id| runner.target_of(id)).collect();
        let likely = |id: &&String| {
            let file = runner.target_of(id);
            if listed.is_empty() { input.changed.contains(&file) } else { listed.contains(&file) }
        };
        let all = gold.tests.len() as u64;
        let likely = gold.tests.keys().filter(likely).count() as u64;
        let tests = if likely == 0 || input.full { (all, all) } else { (likely, all) };
        Self { gold_ms, tests, repeats: u64::from(input.repeats.max(1)), controls: CONTROLS + more }
    }

    /// Runs that follow, if nothing wobbles.
    pub fn runs(&self) -> u64 {
        1 + self.repeated() + self.controls
    }

    /// Runs of base and gold that repeat.
    fn repeated(&self) -> u64 {
        2 * self.repeats
    }

    /// How long one run of the likely files takes, milliseconds.
    fn share_ms(&self) -> u64 {
        let (likely, all) = self.tests;
        self.gold_ms.saturating_mul(likely).checked_div(all).unwrap_or(self.gold_ms)
    }

    /// How long all of it takes by the guess, milliseconds.
    pub fn about_ms(&self) -> u64 {
        self.gold_ms + (self.repeated() + self.controls) * self.share_ms()
    }

    /// How long it takes if every file holds a fail-to-pass test, milliseconds.
    pub fn most_ms(&self) -> u64 {
        self.runs() * self.gold_ms
    }

    /// For people, in one line.
    pub fn told(&self) -> String {
        let (likely, all) = self.tests;
        let (each, files) =
            (time(self.share_ms()), if likely < all { "the changed test files" } else { "all test files" });
        let mut told = format!(
            "gold ran in {}; the rest of the admission takes about {}",
            time(self.gold_ms),
            time(self.about_ms())
        );
        if likely < all {
            let _ = write!(told, ", at most {}", time(self.most_ms()));
        }
        let share = if likely < all { format!(" ({likely} of {all} tests)") } else { String::new() };
        let _ = write!(
            told,
            ": base once, {}; {} runs of base and gold over {files}{share}, {each} each; up to {} runs of controls, {each} each",
            time(self.gold_ms),
            self.repeated(),
            self.controls
        );
        told
    }
}

/// A length of time as people say it.
fn time(ms: u64) -> String {
    let seconds = ms as f64 / 1000.0;
    match ms {
        0..10_000 => format!("{seconds:.1} s"),
        10_000..120_000 => format!("{seconds:.0} s"),
        120_000..7_200_000 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_what_is_told() {
        let cost = Cost { gold_ms: 60_000, tests: (12, 400), repeats: 3, controls: 5 };
        // One run of everything, then six and five of 12/400 of it.
        assert_eq!((cost.runs(), cost.share_ms(), cost.about_ms()), (12, 1_800, 60_000 + 11 * 1_800));
        assert_eq!(cost.most_ms(), 12 * 60_000);
        assert_eq!(
            cost.told(),
            "gold ran in 60 s; the rest of the admission takes about 80 s, at most 12 min: base once, 60 s; 6 runs of base and \
             gold over the changed test files (12 of 400 tests), 1.8 s each; up to 5 runs of controls, 1.8 s each"
        );
        let full = Cost { tests: (400, 400), ..cost.clone() };
        assert_eq!((full.about_ms(), full.most_ms()), (12 * 60_000, 12 * 60_000));
        assert_eq!(
            full.told(),
            "gold ran in 60 s; the rest of the admission takes about 12 min: base once, 60 s; 6 runs of base and gold over all test \
             files, 60 s each; up to 5 runs of controls, 60 s each"
        );
        let more = Cost { controls: 9, repeats: 5, ..cost };
        assert_eq!((more.runs(), more.about_ms()), (1 + 10 + 9, 60_000 + 19 * 1_800));
    }

    #[test]
    fn a_length_of_time_has_the_unit_that_people_would_take() {
        for (ms, told) in [(40, "0.0 s"), (1_800, "1.8 s"), (60_400, "60 s"), (600_000, "10 min"), (9_000_000, "2.5 h")]
        {
            assert_eq!(time(ms), told);
        }
    }
}
