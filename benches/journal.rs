//! A journal of many outcomes: how long it takes to load, and the memory of the process that did it.
//!
//! `cargo bench --bench journal -- 1000000`. The outcomes are made up, in the form that trials leave.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use swe_assay::inside::journal::{Record, RunDir};
use swe_assay::inside::model::digest::Digest;
use swe_assay::inside::model::format;
use swe_assay::inside::model::trial::{Exit, Limits, Outcome, OutputRef, TestPlan, Trial};

/// Loading is to take less than this for a million outcomes (issue 4).
const MOST_SECONDS_PER_MILLION: f64 = 10.0;

fn main() -> Result<()> {
    let count: u64 = match std::env::args().skip(1).find(|word| word != "--bench") {
        Some(word) => word.parse().context("the number of outcomes")?,
        None => 10_000,
    };
    let folder = tempfile::tempdir()?;
    let run = RunDir::open(folder.path())?;
    let path = folder.path().join("journal/000000000000-0000.jsonl");
    let mut file = BufWriter::new(File::create(&path)?);
    for number in 0..count {
        serde_json::to_writer(&mut file, &Record::Outcome(Box::new(outcome(number))))?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    let bytes = path.metadata()?.len();
    let before = resident_kib()?;
    let started = Instant::now();
    let index = run.index()?;
    let seconds = started.elapsed().as_secs_f64();
    if index.outcomes() as u64 != count {
        bail!("{} of {count} outcomes were read", index.outcomes());
    }
    println!(
        "{count} outcomes, {} MiB: loaded in {seconds:.2} s, {} MiB of memory",
        bytes >> 20,
        resident_kib()?.saturating_sub(before) >> 10
    );
    if seconds > MOST_SECONDS_PER_MILLION * (count as f64 / 1e6).max(0.1) {
        bail!("slower than {MOST_SECONDS_PER_MILLION} s per million");
    }
    Ok(())
}

fn outcome(number: u64) -> Outcome {
    let digest = |what: &str| Digest::of(format!("{what} {number}").as_bytes());
    let files = (0..4).map(|n| format!("tests/test_module_{n}.py")).collect();
    let trial = Trial {
        instance_id: format!("owner__project-{}", number / 100),
        tree: digest("tree").as_str()[..40].to_owned(),
        plan: TestPlan { framework: "pytest/3".to_owned(), files, ..TestPlan::default() },
        image: digest("image"),
        limits: Limits::default(),
        repeat: 0,
    };
    Outcome {
        format: format::OUTCOME.to_owned(),
        trial_id: trial.id(),
        trial,
        sandbox: "cell".to_owned(),
        exit: Exit::Code(0),
        tampered: Vec::new(),
        report: Some(digest("report")),
        output: OutputRef { blob: Some(digest("output")), total_bytes: 1234 },
        wall_ms: 400,
        overhead_ms: 4,
        peak_memory_bytes: Some(64 << 20),
        retried: Vec::new(),
        reused: false,
        imported: None,
    }
}

fn resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    line.split_whitespace().nth(1).context("a number")?.parse().context("a number")
}
