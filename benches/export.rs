//! An export of many rows, and decontamination: time and the memory of the process.
//!
//! `cargo bench --bench export -- 1000000` for the rows of issue 6 (8 KiB each), `-- decontaminate 100000 3000` for rows
//! against benchmark instances. The rows are made up, of text that compresses the way code does.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use swe_assay::admission::Admission;
use swe_assay::candidate::Candidate;
use swe_assay::contest::Contest;
use swe_assay::dataset::contamination::Benchmarks;
use swe_assay::dataset::export::{ExportOptions, export};
use swe_assay::dataset::source::Source;
use swe_assay::digest::Digest;
use swe_assay::format;
use swe_assay::generation::{Generation, Message, Skill};
use swe_assay::instance::Instance;
use swe_assay::journal::Record;
use swe_assay::receipt::{Receipt, Tool};
use swe_assay::trial::Limits;
use swe_assay::verdict::{Reason, Verdict};

/// For a million rows (issue 6).
const MOST_SECONDS: f64 = 360.0;
const MOST_KIB: u64 = 1 << 20;
/// For 100,000 rows against 3,000 instances (issue 6).
const MOST_SECONDS_TO_COMPARE: f64 = 120.0;
/// Rows of one instance.
const PER_INSTANCE: u64 = 100;

fn main() -> Result<()> {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |at: usize, default: u64| match words.get(at) {
        Some(word) => word.parse().with_context(|| format!("{word:?} is no number")),
        None => Ok(default),
    };
    if words.first().is_some_and(|word| word == "decontaminate") {
        return decontaminate(number(1, 2_000)?, number(2, 200)?);
    }
    write(number(0, 5_000)?)
}

fn write(rows: u64) -> Result<()> {
    let source = MadeUp::new(rows);
    let folder = tempfile::tempdir()?;
    let mut options = ExportOptions::default();
    // Made-up patches of an instance are alike; every one is to be a row.
    options.checks.near_duplicates = None;
    let started = Instant::now();
    let summary = export(&source, &folder.path().join("dataset"), &options)?;
    let seconds = started.elapsed().as_secs_f64();
    let peak = peak_kib()?;
    println!("{} rows in {seconds:.1} s, at most {} MiB in memory", summary.rows["sft"], peak >> 10);
    if summary.rows["sft"] != rows {
        bail!("{} of {rows} rows were written: {:?}", summary.rows["sft"], summary.left_out);
    }
    if peak > MOST_KIB || (rows >= 1_000_000 && seconds > MOST_SECONDS * rows as f64 / 1e6) {
        bail!("the bound is {MOST_SECONDS} s per million rows and {} MiB", MOST_KIB >> 10);
    }
    Ok(())
}

fn decontaminate(rows: u64, instances: u64) -> Result<()> {
    let started = Instant::now();
    let mut benchmarks = Benchmarks::built_in();
    for number in 0..instances {
        benchmarks.add(&instance(&format!("bench-{number}"), &format!("bench/repo-{number}"), number + 1_000_000_000));
    }
    let added = started.elapsed().as_secs_f64();
    let mut found = 0;
    for number in 0..rows {
        // One row in a thousand is a benchmark's own patch.
        let seed = if number % 1_000 == 7 { 1_000_000_000 + number % instances } else { number };
        let own = benchmarks.instance(&instance("own", "somebody/else", seed));
        found += u64::from(own.is_some() || benchmarks.patch(&patch(seed)).is_some());
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{rows} rows against {instances} instances in {seconds:.1} s ({added:.1} s to take them in): {found} found"
    );
    let planted = rows / 1_000 + u64::from(rows % 1_000 > 7);
    if found != planted {
        bail!("{planted} were planted");
    }
    if rows >= 100_000 && seconds > MOST_SECONDS_TO_COMPARE * rows as f64 / 1e5 {
        bail!("the bound is {MOST_SECONDS_TO_COMPARE} s per 100,000 rows");
    }
    Ok(())
}

fn peak_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).context("no VmHWM in /proc/self/status")?;
    line.split_whitespace().nth(1).context("VmHWM has no number")?.parse().context("VmHWM is no number")
}

/// Text of about so many bytes.
fn text(seed: u64, bytes: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(bytes + 32);
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(["value_", "return ", "self.", "(x, y)\n    ", "for item in ", "total"][(state % 6) as usize]);
        text.push_str(&(state >> 50).to_string());
    }
    text
}

fn patch(seed: u64) -> String {
    let added: String = text(seed, 600).lines().map(|line| format!("+{line}\n")).collect();
    format!("--- a/src/x.py\n+++ b/src/x.py\n@@ -1 +1,{} @@\n x\n{added}", added.lines().count() + 1)
}

fn instance(id: &str, repo: &str, seed: u64) -> Instance {
    let value = json!({
        "instance_id": id, "repo": repo, "base_commit": "", "license": "MIT", "patch": patch(seed),
        "problem_statement": text(seed ^ 0xffff, 1_500),
    });
    serde_json::from_value(value).expect("an instance")
}

struct MadeUp {
    rows: u64,
    instances: BTreeMap<String, Instance>,
    admissions: BTreeMap<String, Admission>,
    inputs: BTreeMap<String, Digest>,
}

impl MadeUp {
    fn new(rows: u64) -> Self {
        let ids: Vec<_> = (0..rows.div_ceil(PER_INSTANCE)).map(|number| format!("i-{number:08}")).collect();
        let admission = |id: &String| -> Admission {
            let value = json!({
                "format": format::ADMISSION, "instance_id": id, "key": Digest::of(id.as_bytes()), "image": null,
                "framework": "pytest/1", "fail_to_pass": ["t.py::t"], "pass_to_pass": [], "gold_files": ["src/x.py"],
                "repeats": 3, "limits": Limits::default(), "trials": [],
            });
            serde_json::from_value(value).expect("an admission")
        };
        let made = |(id, seed): (&String, u64)| (id.clone(), instance(id, &format!("some/repo-{}", seed % 500), seed));
        Self {
            rows,
            admissions: ids.iter().map(|id| (id.clone(), admission(id))).collect(),
            instances: ids.iter().zip(0..).map(made).collect(),
            inputs: BTreeMap::new(),
        }
    }

    fn id(&self, row: u64) -> String {
        format!("i-{:08}", row / PER_INSTANCE)
    }

    fn row(&self, candidate: &Digest) -> u64 {
        // The first half of a candidate's id is its row: see `candidate_id`.
        candidate.leading()
    }

    fn receipt_of(&self, row: u64) -> Receipt {
        Receipt {
            format: Receipt::format_name(),
            candidate_id: candidate_id(row),
            instance: Digest::of(b"instance"),
            admission: Digest::of(b"admission"),
            patch: Digest::of(b""),
            tree: "4".repeat(40),
            trials: Vec::new(),
            status: Reason::Resolved.status(),
            reason: Reason::Resolved,
            tool: Tool::this(),
        }
    }
}

fn candidate_id(row: u64) -> Digest {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&row.to_be_bytes());
    Digest::from_bytes(&bytes)
}

fn reference(row: u64) -> Value {
    json!({"file": "g.jsonl", "line": row + 1, "index": 0})
}

impl Source for MadeUp {
    fn instances(&self) -> &BTreeMap<String, Instance> {
        &self.instances
    }

    fn admissions(&self) -> &BTreeMap<String, Admission> {
        &self.admissions
    }

    fn contests(&self) -> &[Contest] {
        &[]
    }

    fn inputs(&self) -> &BTreeMap<String, Digest> {
        &self.inputs
    }

    fn verdicts(&self) -> usize {
        self.rows as usize
    }

    fn verdict(&self, position: usize) -> Result<Verdict> {
        let row = position as u64;
        Ok(serde_json::from_value(json!({
            "format": format::VERDICT, "candidate_id": candidate_id(row), "instance_id": self.id(row), "skill": "repair",
            "generation": reference(row), "status": "verified", "reason": "resolved", "detail": "", "evidence": "E2",
            "trials": [], "receipt": self.receipt_of(row).digest(),
        }))?)
    }

    fn candidate(&self, id: &Digest) -> Result<Option<Candidate>> {
        let row = self.row(id);
        Ok(Some(serde_json::from_value(json!({
            "format": format::CANDIDATE, "candidate_id": id, "instance_id": self.id(row), "skill": "repair",
            "generation": reference(row), "form": "search_replace",
            "prepared": {"tree": "4".repeat(40), "files": ["src/x.py"], "diff": patch(row), "stripped": []},
        }))?))
    }

    fn receipt(&self, candidate: &Digest) -> Result<Option<Receipt>> {
        Ok(Some(self.receipt_of(self.row(candidate))))
    }

    fn generation(&self, candidate: &Digest) -> Result<Generation> {
        let row = self.row(candidate);
        Ok(serde_json::from_value(json!({
            "format": format::GENERATION, "instance_id": self.id(row), "skill": "repair", "completion": text(row, 2_400),
            "model": "a-model", "sampling": {"temperature": 0.7},
        }))?)
    }

    fn prompt(&self, instance: &Instance, _: Skill) -> Result<Vec<Message>> {
        let seed = candidate_id(0).leading() + instance.problem_statement.len() as u64;
        Ok(vec![Message { role: "user".to_owned(), content: text(seed, 4_800), reasoning_content: None }])
    }

    fn journal(&self, _: &mut dyn FnMut(&Record) -> Result<()>) -> Result<()> {
        Ok(())
    }

    fn blob(&self, id: &Digest) -> Result<Vec<u8>> {
        bail!("there is no blob {id}")
    }
}
