//! Fuzzes the extraction of answers: `cargo bench --bench fuzz_extract -- SECONDS [SEED]` (10 seconds by default).
//!
//! Answers of the offline demo are cut, spliced, repeated and sprinkled with markers. Whatever comes out must be read
//! without a panic, twice the same, and in linear time; the input of a failure is printed. It stands among the benchmarks because it
//! runs as long as one lets it; the property tests beside the extraction are the short form of it.

#[path = "../tests/assay/mutation.rs"]
mod mutation;

use std::time::{Duration, Instant};

use mutation::{MARKERS, Numbers};
use serde_json::Value;
use swe_assay::inside::model::generation::Skill;
use swe_assay::inside::prompt::extract::extract;

const GENERATIONS: &str = include_str!("../sandboxes/offline-demo/generations.jsonl");

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let seconds = arguments.next().map_or(10, |text| text.parse().expect("seconds"));
    let seed = arguments.next().map_or(1, |text| text.parse().expect("a seed"));
    let corpus: Vec<String> = GENERATIONS
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["completion"].as_str().map(str::to_owned))
        .collect();
    let mut numbers = Numbers(seed);
    let (started, mut runs, mut understood, mut bytes) = (Instant::now(), 0_u64, 0_u64, 0_u64);
    while started.elapsed() < Duration::from_secs(seconds) {
        let text = mutated(&corpus, &mut numbers);
        for skill in Skill::ALL {
            let one = Instant::now();
            let seen = std::panic::catch_unwind(|| extract(skill, &text, None));
            let seen = seen.unwrap_or_else(|_| panic!("{skill}: a panic, on {text:?}"));
            let allowed = Duration::from_millis(50) + Duration::from_micros(text.len() as u64 * 2);
            assert!(one.elapsed() < allowed, "{skill}: {:?} for {} bytes: {text:?}", one.elapsed(), text.len());
            assert_eq!(seen, extract(skill, &text, None), "{skill}: not twice the same, on {text:?}");
            understood += u64::from(seen.payload.is_ok());
            runs += 1;
            bytes += text.len() as u64;
        }
    }
    println!(
        "{runs} extractions of {} MB in {seconds} s, {understood} understood, seed {seed}: no failure",
        bytes >> 20
    );
}

fn mutated(corpus: &[String], numbers: &mut Numbers) -> String {
    let mut text = corpus[numbers.below(corpus.len())].clone();
    for _ in 0..=numbers.below(8) {
        match numbers.below(6) {
            0 => text.truncate(numbers.place(&text)),
            1 => {
                let at = numbers.place(&text);
                text.insert_str(at, MARKERS[numbers.below(MARKERS.len())]);
            }
            2 => {
                let other = &corpus[numbers.below(corpus.len())];
                let (at, from) = (numbers.place(&text), numbers.place(other));
                text.insert_str(at, &other[from..]);
            }
            3 => {
                let (from, to) = (numbers.place(&text), numbers.place(&text));
                text.replace_range(from.min(to)..from.max(to), "");
            }
            4 => text = text.replace('\n', "\r\n"),
            _ => {
                let marker = MARKERS[numbers.below(MARKERS.len())];
                let times = 1 << numbers.below(12);
                let at = numbers.place(&text);
                text.insert_str(at, &marker.repeat(times));
            }
        }
        if text.len() > 1 << 18 {
            break;
        }
    }
    text
}
