//! Choosing among many patches: normalisation, votes and densities, and the memory of the process that did it.
//!
//! `cargo bench --bench consensus -- 500 120` makes 500 issues with 120 patches of about 2 KB each, in two ways.
//! `alike` has a few ways to mend the issue, with small differences and copies, as models write them. In `unlike` no
//! two patches share more than their header, so that every density is needed. `--write DIR` also writes keys and
//! choices for `benches/consensus_against_levenshtein.py`, and the patches for `assay select
//! DIR/unlike.predictions.jsonl`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use rayon::prelude::*;
use serde_json::{Value, json};
use swe_assay::inside::consensus::normal::{Normaliser, edits_of};
use swe_assay::inside::consensus::{Entry, Method, Panel, Rules, Similarities};

/// What 500 issues with 120 patches may take on two cores (issue 5).
const MOST_SECONDS: f64 = 20.0;
const MOST_MIB: u64 = 500;
/// Lines that a patch adds: with header and context about 2 KB.
const ADDED: usize = 34;

fn main() -> Result<()> {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let write = match words.iter().position(|word| word == "--write") {
        Some(at) if at + 1 < words.len() => Some(PathBuf::from(words.drain(at..at + 2).nth(1).unwrap_or_default())),
        Some(_) => bail!("--write needs a directory"),
        None => None,
    };
    let number = |at: usize, default: usize| match words.get(at) {
        Some(word) => word.parse().with_context(|| format!("{word} is no number")),
        None => Ok(default),
    };
    let (issues, patches) = (number(0, 20)?, number(1, 120)?);
    let mut over = Vec::new();
    for (name, alike) in [("alike", true), ("unlike", false)] {
        let made: Vec<Vec<String>> = (0..issues).map(|issue| diffs(issue as u64, patches, alike)).collect();
        let bytes: usize = made.iter().flatten().map(String::len).sum();
        if let Some(folder) = &write {
            let all = made.iter().enumerate().flat_map(|(issue, diffs)| diffs.iter().map(move |diff| (issue, diff)));
            let prediction = |(issue, diff)| json!({"instance_id": format!("issue-{issue}"), "model_patch": diff});
            write_lines(&folder.join(format!("{name}.predictions.jsonl")), all.map(prediction))?;
        }
        let started = Instant::now();
        let normalised: Vec<Panel> = made.into_par_iter().enumerate().map(panel).collect();
        let normal = started.elapsed().as_secs_f64();
        let rules = Rules { method: Method::Enhanced, num_samples: patches, regression: true, reproduction: true };
        let chosen: Vec<Option<usize>> = normalised
            .par_iter()
            .map(|panel| {
                let all: Vec<usize> = (0..panel.entries.len()).collect();
                rules.choose(panel, &all, &mut Similarities::new(&panel.keys)).candidate
            })
            .collect();
        let seconds = started.elapsed().as_secs_f64();
        let distinct: usize = normalised.iter().map(|panel| panel.keys.len()).sum();
        let mib = peak_mib()?;
        println!(
            "{name}: {issues} issues x {patches} patches of {} bytes, {distinct} distinct: {seconds:.1} s (normalising \
             {normal:.1} s), {mib} MiB at most",
            bytes / (issues * patches).max(1)
        );
        if let Some(folder) = &write {
            let choice = |(panel, chosen): (&Panel, &Option<usize>)| {
                let keys: Vec<_> = panel.entries.iter().map(|entry| &entry.key).collect();
                json!({"keys": keys, "num_samples": patches, "chosen": chosen})
            };
            write_lines(&folder.join(format!("{name}.jsonl")), normalised.iter().zip(&chosen).map(choice))?;
        }
        let scale = (issues * patches) as f64 / 60_000.0;
        if seconds > MOST_SECONDS * scale.max(0.2) || mib > MOST_MIB {
            over.push(name);
        }
    }
    if !over.is_empty() {
        bail!(
            "{}: more than {MOST_SECONDS} s for 60,000 patches, or {MOST_MIB} MiB; is the machine idle?",
            over.join(", ")
        );
    }
    Ok(())
}

fn write_lines(path: &Path, values: impl Iterator<Item = Value>) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for value in values {
        writeln!(file, "{value}")?;
    }
    Ok(file.flush()?)
}

fn panel((issue, diffs): (usize, Vec<String>)) -> Panel {
    let mut normaliser = Normaliser::default();
    let entry = |diff: &String| Entry { key: normaliser.key(&edits_of(diff)), ..Entry::default() };
    Panel::new(format!("issue-{issue}"), diffs.iter().map(entry).collect(), Vec::new())
}

/// Patches of one issue: one hunk of a Python file with six lines of context.
fn diffs(seed: u64, count: usize, alike: bool) -> Vec<String> {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut line = |depth: usize| {
        let mut name = || (0..3 + next(8)).map(|_| char::from(b'a' + (next(26) as u8))).collect::<String>();
        let (a, b, c, d) = (name(), name(), name(), name());
        format!("{}{a} = {b}({c}, '{d}')", " ".repeat(depth))
    };
    let context: Vec<String> = (0..6).map(|_| line(8)).collect();
    let removed: Vec<String> = (0..4).map(|_| line(8)).collect();
    let ways: Vec<Vec<String>> = (0..8).map(|_| (0..ADDED).map(|_| line(8)).collect()).collect();
    let mut made: Vec<String> = Vec::new();
    for number in 0..count {
        let mut added =
            if alike { ways[number * number % ways.len()].clone() } else { (0..ADDED).map(|_| line(8)).collect() };
        if alike {
            // One in three is a copy in other clothes, the others differ in a few lines.
            for changed in 0..number % 3 * 2 {
                let place = (number * 7 + changed * 11) % added.len();
                added[place] = line(8);
            }
            added.insert(number % ADDED, format!("        # attempt {number}"));
        }
        let mark =
            |mark: char, lines: &[String]| lines.iter().map(|line| format!("{mark}{line}\n")).collect::<String>();
        made.push(format!(
            "diff --git a/src/module.py b/src/module.py\n--- a/src/module.py\n+++ b/src/module.py\n@@ -10,{} +10,{} @@\n{}{}{}{}",
            6 + removed.len(),
            6 + added.len(),
            mark(' ', &context[..3]),
            mark('-', &removed),
            mark('+', &added),
            mark(' ', &context[3..])
        ));
    }
    made
}

/// Most memory that the process ever held.
fn peak_mib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("VmHWM")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse::<u64>()? >> 10)
}
