//! Memory and processor time of the driver over many candidates: `cargo bench --bench flat -- 100000`. `-- instances 10000` goes
//! over instances with large texts, one candidate each, of forty repositories and so of forty images.
//!
//! The sandbox is simulated: of trials that differ only in a comment, the first two run in a cell, and what the second
//! left is played back for the others. Control sessions all run, because each candidate has sentinels of its own.
//! Everything else is as in a real run. Of many candidates, at most 120 belong to one instance, and all instances share a
//! repository. The bench needs a host that can isolate cells.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use swe_assay::inside::console::Console;
use swe_assay::inside::images::cache::Cache;
use swe_assay::inside::images::inventory::{list, total};
use swe_assay::inside::intake::{Wanted, import_folders, repository_path};
use swe_assay::inside::journal::RunDir;
use swe_assay::inside::judge::DeadlineRule;
use swe_assay::inside::lab::{Lab, Located, Samples, Settings};
use swe_assay::inside::model::digest::Digest;
use swe_assay::inside::model::generation::{Generation, GenerationRef};
use swe_assay::inside::model::instance::{Environment, Instance};
use swe_assay::inside::model::trial::Limits;
use swe_assay::inside::model::verdict::Evidence;
use swe_assay::inside::sandbox::cell::Cell;
use swe_assay::inside::sandbox::{Engine, Executed, FileChange, Job, Sandbox, SandboxError, SealedImage, Slot};
use swe_assay::inside::shelf::Shelf;

const BASE: &str = "def double(x):\n    return x + x + 1\n";
const TESTS: &str = "import unittest\nfrom calc import double\n\n\nclass Doubling(unittest.TestCase):\n    \
                     def test_even(self):\n        self.assertEqual(double(2), 4)\n";
const PER_INSTANCE: u64 = 120;
const IMAGES: u64 = 40;
/// Of a run over 10,000 instances (issue 16).
const MOST_KIB_OF_INSTANCES: u64 = 500 << 10;
const IMAGE_BUDGET: u64 = 1 << 30;
/// Beyond what a hundred candidates take: an index of the journal, the places of samples, one batch of candidates.
const MOST_KIB_MORE_PER_100_000: u64 = 128 << 10;
/// Per candidate and in milliseconds (issue 4). Longer answers cost more to parse; here they are short.
const MOST_CPU_MS: f64 = 5.0;

/// Nothing is kept of what came once: what never comes again would be the greater part of the memory that is measured.
type Recordings = Arc<Mutex<BTreeMap<Digest, Option<(Vec<u8>, Executed)>>>>;

/// Cells that run each distinct job twice at most.
struct Simulated {
    cell: Arc<Cell>,
    recordings: Recordings,
    /// Images that were made: each is warmed up once.
    warmed: AtomicU64,
}

struct SimulatedSlot {
    slot: Box<dyn Slot>,
    recordings: Recordings,
}

impl Sandbox for Simulated {
    fn name(&self) -> &'static str {
        "cell"
    }

    fn warm(&self, image: &SealedImage, job: &Job) -> Result<SealedImage, SandboxError> {
        self.warmed.fetch_add(1, Ordering::SeqCst);
        self.cell.warm(image, job)
    }

    fn slot(&self, image: &SealedImage) -> Result<Box<dyn Slot>, SandboxError> {
        Ok(Box::new(SimulatedSlot { slot: self.cell.slot(image)?, recordings: self.recordings.clone() }))
    }
}

impl Slot for SimulatedSlot {
    fn run(&mut self, job: &Job) -> Result<Executed, SandboxError> {
        let cut = job.stdin.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let (nonce, orders) = job.stdin.split_at(cut);
        let change = |change: &FileChange| match change {
            FileChange::Write { path, content, .. } => (path.clone(), without_comment(content)),
            FileChange::Link { path, target } => (path.clone(), target.clone()),
            FileChange::Remove { path } => (path.clone(), String::new()),
        };
        let changes: Vec<_> = job.changes.iter().map(change).collect();
        let key = Digest::of_json(&(&job.argv, &job.env, orders, changes));
        let known = self.recordings.lock().map_err(|_| failed("another worker failed"))?.get(&key).cloned();
        let came_before = known.is_some();
        let Some((recorded, mut executed)) = known.flatten() else {
            let executed = self.slot.run(job)?;
            let mut recordings = self.recordings.lock().map_err(|_| failed("another worker failed"))?;
            recordings.insert(key, came_before.then(|| (nonce.to_vec(), executed.clone())));
            return Ok(executed);
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| failed("not UTF-8"));
        executed.report = text(&executed.report)?.replace(&text(&recorded)?, &text(nonce)?).into_bytes();
        Ok(executed)
    }
}

fn failed(why: &str) -> SandboxError {
    SandboxError::Failed { doing: "playing a trial back", why: why.to_owned() }
}

fn without_comment(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    text.lines().map(|line| line.split("  # ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench").peekable();
    let over_instances = words.next_if_eq("instances").is_some();
    let most: u64 = match words.next() {
        Some(word) => word.parse().context("the number of candidates or instances")?,
        None => 2_000,
    };
    let folder = tempfile::tempdir()?;
    let cell = Arc::new(Cell::new(env!("CARGO_BIN_EXE_assay").into(), Arc::new(AtomicBool::new(false))));
    let sandbox =
        Arc::new(Simulated { cell: cell.clone(), recordings: Recordings::default(), warmed: AtomicU64::new(0) });
    if over_instances {
        return many_instances(folder.path(), cell, sandbox, most);
    }
    let located = [import(folder.path(), "")?];
    let of = |count: u64| -> Result<Cost> {
        let instances = copies(&located, count.div_ceil(PER_INSTANCE), "")?;
        run(folder.path(), &instances, (count, PER_INSTANCE), None, cell.clone(), sandbox.clone())
    };
    let (few, many) = (of(100)?, of(most)?);
    let more = many.peak_kib.saturating_sub(few.peak_kib);
    println!("from 100 to {most} candidates: {} MiB more at the peak", more >> 10);
    if more > MOST_KIB_MORE_PER_100_000 * most.div_ceil(100_000) {
        bail!("memory is not flat");
    }
    if many.cpu_ms > MOST_CPU_MS {
        bail!("more than {MOST_CPU_MS} ms of the driver's own time per candidate");
    }
    Ok(())
}

/// One candidate each, of instances that take turns among their repositories.
fn many_instances(folder: &Path, cell: Arc<Cell>, sandbox: Arc<Simulated>, count: u64) -> Result<()> {
    let repositories = (0..IMAGES).map(|number| import(&folder.join(format!("project-{number}")), &number.to_string()));
    let repositories = repositories.collect::<Result<Vec<_>>>()?;
    let instances = copies(&repositories, count, &"what was said of it\n".repeat(900))?;
    let cost = run(folder, &instances, (count, 1), Some(IMAGE_BUDGET), cell, sandbox.clone())?;
    let (made, of) = (sandbox.warmed.load(Ordering::SeqCst), IMAGES.min(count));
    let taken = total(&list(&Cache::open(&folder.join("cache"))?, None)?);
    println!("{count} instances of {of} images: {made} were made, and they take {} MiB", taken >> 20);
    if made != of {
        bail!("each image is to be made once");
    }
    if taken > IMAGE_BUDGET {
        bail!("the budget of images is {} MiB", IMAGE_BUDGET >> 20);
    }
    if cost.peak_kib > MOST_KIB_OF_INSTANCES {
        bail!("the bound is {} MiB", MOST_KIB_OF_INSTANCES >> 10);
    }
    Ok(())
}

/// So many instances under names of their own, made from these in turn, with the same hints.
fn copies(located: &[Located], count: u64, hints: &str) -> Result<Vec<Located>> {
    let (mut shelf, mut instances) = (Shelf::new()?, Vec::new());
    for (number, original) in (0..count).zip(located.iter().cycle()) {
        let instance_id = format!("small__calc-{number:06}");
        let hints_text = hints.to_owned();
        let instance = Instance { instance_id: instance_id.clone(), hints_text, ..original.instance.read()? };
        let repository = original.repository.clone();
        instances.push(Located { instance_id, instance: shelf.keep(&instance)?, repository });
    }
    Ok(instances)
}

struct Cost {
    peak_kib: u64,
    cpu_ms: f64,
}

/// So many candidates, and so many of each instance.
fn run(
    folder: &Path,
    instances: &[Located],
    (count, each): (u64, u64),
    image_budget: Option<u64>,
    cell: Arc<Cell>,
    sandbox: Arc<Simulated>,
) -> Result<Cost> {
    let run = RunDir::open(&folder.join(format!("run-{count}")))?;
    let settings = Settings {
        workers: 2,
        repeats: 3,
        limits: Limits::default(),
        deadline: DeadlineRule::default(),
        memory_budget: 16 << 30,
        repeat_all: false,
        full: false,
        attempts: 3,
        evidence: Evidence::E2,
        minimal_gold: false,
        accept_lost: false,
        changed_tests: false,
        sessions: None,
        cache: folder.join("cache"),
        image_budget,
        reuse: false,
    };
    let console = Console::default();
    let lab = Lab::open(&run, &console, Engine::Cell(cell), settings, Arc::new(AtomicBool::new(false)))?;
    let lab = lab.with_sandbox(sandbox);
    let admissions = lab.admit(instances)?;
    let before = cpu_ms()?;
    let mut samples = Samples::default();
    for number in 0..count {
        let instance_id = &instances[usize::try_from(number / each)?].instance_id;
        let row = json!({
            "instance_id": instance_id, "skill": "repair", "completion": completion(number), "index": number,
        });
        let generation: Generation = serde_json::from_value(row)?;
        let place = GenerationRef { file: "generations.jsonl".to_owned(), line: number + 1, index: number };
        samples.keep(run.blobs(), &generation, &place)?;
    }
    let tally = lab.verify(instances, &admissions, &mut samples)?;
    if (tally.total.candidates, tally.total.inconclusive) != (count, 0) || tally.total.verified * 2 < count - 1 {
        bail!("unexpected verdicts: {tally:?}");
    }
    let cost = Cost { peak_kib: peak_kib()?, cpu_ms: (cpu_ms()? - before) / count as f64 };
    println!("{count} candidates, simulated: {} MiB at the peak, {:.2} ms each", cost.peak_kib >> 10, cost.cpu_ms);
    Ok(cost)
}

/// Every other one is right; each is another tree.
fn completion(number: u64) -> String {
    let returned = if number.is_multiple_of(2) { "2 * x" } else { "x + x + 2" };
    let source = format!("def double(x):\n    return {returned}  # {number}\n");
    format!("```python\n### calc.py\n<<<<<<< SEARCH\n{BASE}=======\n{source}>>>>>>> REPLACE\n```\n")
}

/// A repository with an instance; those with different marks have different images.
fn import(folder: &Path, mark: &str) -> Result<Located> {
    let (base, fix, import) = (folder.join("base"), folder.join("fix"), folder.join("import"));
    for (tree, source) in [(&base, BASE), (&fix, "def double(x):\n    return x + x\n")] {
        fs::create_dir_all(tree.join("tests"))?;
        fs::write(tree.join("calc.py"), source)?;
        fs::write(tree.join("mark.txt"), mark)?;
        fs::write(tree.join("tests/__init__.py"), "")?;
    }
    fs::write(fix.join("tests/test_calc.py"), TESTS)?;
    let environment = Environment {
        recipe: Some("python-stdlib".to_owned()),
        framework: "unittest".to_owned(),
        ..Environment::default()
    };
    let wanted = Wanted {
        problem_statement: "double(2) is 5".to_owned(),
        instance_id: Some("small__calc".to_owned()),
        repo: Some("small/calc".to_owned()),
        environment,
        ..Wanted::default()
    };
    let instance = import_folders(&base, &fix, wanted, &import)?;
    let repository = repository_path(&import, &instance.repo);
    let kept = Shelf::new()?.keep(&instance)?;
    Ok(Located { instance_id: instance.instance_id, instance: kept, repository })
}

fn peak_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("VmHWM")?;
    line.split_whitespace().nth(1).context("a number")?.parse().context("a number")
}

/// Of this process without its children, in milliseconds.
fn cpu_ms() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").context("the fields behind the name")?;
    let fields: Vec<_> = fields.split(' ').collect();
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    // A tick is a hundredth of a second on every Linux that we run on.
    Ok(ticks as f64 * 10.0)
}
