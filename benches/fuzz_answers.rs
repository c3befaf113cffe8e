//! Fuzzes whole answers: `cargo bench --bench fuzz_answers -- SECONDS [SEED]` (10 seconds by default).
//!
//! Answers of the offline demo and of `tests/testdata/fuzz-answers/` are mutated and taken through extraction, trees, screen
//! and judge, with evidence that has run nothing. None may be an error or a panic, or be verified without a run; a diff
//! that would be exported must make the tree that would run. The input of a failure is printed with its seed. Put into
//! the stored corpus, it is tried at each test of the short form.

#[path = "../tests/assay/answer_fuzz.rs"]
mod answer_fuzz;

use std::time::{Duration, Instant};

use answer_fuzz::{Numbers, Seen, Worlds, corpus, mutated};

/// Answers after which the repositories are made anew, so that they stay small.
const ANEW: u64 = 2_000;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let seconds = arguments.next().map_or(10, |text| text.parse().expect("seconds"));
    let seed: u64 = arguments.next().map_or(1, |text| text.parse().expect("a seed"));
    let corpus = corpus();
    let mut worlds = Worlds::new();
    let mut known = Seen::default();
    for tried in &corpus {
        known.add(worlds.check(tried).unwrap_or_else(|why| panic!("the corpus: {why}, on {tried:?}")));
    }
    assert!(known.reaches(&Seen { prepared: 120, changing: 80, linking: 3, taken_back: 15 }), "the corpus: {known:?}");
    let (started, mut tries, mut seen) = (Instant::now(), 0_u64, Seen::default());
    while started.elapsed() < Duration::from_secs(seconds) {
        // Each answer has a seed of its own, which alone makes it again.
        let own = seed.wrapping_mul(1 << 32).wrapping_add(tries + 1);
        let tried = mutated(&corpus, &mut Numbers(own));
        seen.add(worlds.check(&tried).unwrap_or_else(|why| panic!("seed {own}: {why}, on {tried:?}")));
        tries += 1;
        if tries.is_multiple_of(ANEW) {
            worlds = Worlds::new();
        }
    }
    let Seen { prepared, changing, linking, taken_back } = seen;
    println!(
        "{tries} answers in {seconds} s, seed {seed}: no failure; {prepared} times put on a tree, {changing} with a change, {linking} with \
         a link, {taken_back} with something taken back"
    );
}
