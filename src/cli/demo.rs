//! `assay demo`: the whole line on real input, from import to dataset.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};

use super::export::rows_table;
use super::export_input::export_run;
use super::sandbox_options::SandboxOptions;
use super::verify::summary_table;
use crate::console::Console;
use crate::dataset::options::ExportOptions;
use crate::dataset::seal::proof::prove;
use crate::dataset::select::quarantine::held_back;
use crate::exit_code::{ExitCode, Stop};
use crate::intake::{self, Wanted};
use crate::journal::RunDir;
use crate::model::digest::Digest;
use crate::model::generation::Skill;
use crate::model::instance::{Environment, Instance};
use crate::model::verdict::Counts;
use crate::output::{Kind, Plan, write_file};
use crate::pipeline::{Input, exit_code, verify_into};
use crate::report::report_run;

static RELEASE_PAIRS: Dir = include_dir!("$CARGO_MANIFEST_DIR/sandboxes/release-pairs");
static OFFLINE: Dir = include_dir!("$CARGO_MANIFEST_DIR/sandboxes/offline-demo");

/// Field of an imported instance that says from which description it was made.
const MADE_FROM: &str = "demo_pair";

/// Runs everything on real input and ends with a dataset
#[derive(Debug, Args)]
#[command(
    after_help = "Imports release pairs of real packages (fetched by name with pip), admits them, verifies hand-written answers of \
all three skills in sealed sandboxes, and exports what was verified. A second run reuses what is valid.\n\n\
Example: assay demo --out assay-demo\nExample: assay demo --offline --json"
)]
pub struct Demo {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Use a small package of our own instead: no network, no pip
    #[arg(long)]
    offline: bool,
    /// Directory for everything that is made
    #[arg(long, default_value = "assay-demo", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

/// `pairs.toml`: what is imported.
#[derive(Debug, Deserialize)]
struct Pairs {
    pair: Vec<Pair>,
}

/// One instance in the making: either two releases or two folders.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Pair {
    instance_id: String,
    repo: String,
    license: String,
    recipe: String,
    #[serde(default = "default_runner")]
    framework: String,
    #[serde(default)]
    requirements: Vec<String>,
    /// File with the problem statement, beside `pairs.toml`.
    problem: String,
    #[serde(default)]
    leave_out: Vec<String>,
    #[serde(flatten)]
    trees: Trees,
    /// What running showed when the pair was chosen; held against what it shows now.
    fail_to_pass: Vec<String>,
    pass_to_pass: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Trees {
    Releases { name: String, old: String, new: String },
    Folders { base: String, fix: String },
}

fn default_runner() -> String {
    Environment::default().framework
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Printed {
    instances: u64,
    candidates: u64,
    verified: u64,
    rejected: u64,
    inconclusive: u64,
    duplicates: u64,
    skills: BTreeMap<Skill, Counts>,
    rows: BTreeMap<String, u64>,
    seconds: f64,
    dataset: Option<String>,
    report: String,
}

impl Demo {
    /// What is written.
    fn plan(&self) -> anyhow::Result<Plan> {
        let dataset = self.out.join("dataset");
        let plan = Plan::default().run("run in --out", &self.out.join("run"), false)?;
        let plan = plan.file("instances in --out", &self.out.join("instances.jsonl"), Kind::Instances)?;
        let plan = plan.file("generations in --out", &self.out.join("generations.jsonl"), Kind::Instances)?;
        let plan = plan.directory("dataset in --out", &dataset, prove)?;
        let plan = plan.file("held back, in --out", &held_back(&dataset), Kind::HeldBack)?;
        plan.file("report in --out", &self.out.join("report.html"), Kind::Page)
    }

    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let started = Instant::now();
        let data = if self.offline { &OFFLINE } else { &RELEASE_PAIRS };
        self.plan()?.check()?;
        refuse_other_imports(&self.out)?;
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot make {}; choose a writable place with --out", self.out.display()))?;
        let run = RunDir::open(&self.out.join("run"))?;
        let session = self.sandbox.open(console, true)?;
        import(data, &self.out, console)?;
        let mut input = Input::read(&self.out, None)?;
        input.keep_generations(&[self.out.join("generations.jsonl")], &[], &run)?;
        let verified = verify_into(&run, console, &session, &mut input)?;
        let dataset = self.out.join("dataset");
        let exported = export_run(&run, &dataset, &ExportOptions::default(), console)?;
        let report = report_run(&run, &self.out.join("report.html"))?.report;
        let summary = verified.summary;
        let printed = Printed {
            instances: summary.instances.unwrap_or(0),
            candidates: summary.candidates,
            verified: summary.verified,
            rejected: summary.rejected,
            inconclusive: summary.inconclusive,
            duplicates: summary.duplicates,
            skills: summary.skills,
            rows: exported.rows.clone(),
            seconds: (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            dataset: match &exported.path {
                Some(dataset) => Some(std::path::absolute(dataset)?.display().to_string()),
                None => None,
            },
            report: std::path::absolute(&report)?.display().to_string(),
        };
        if self.json {
            console.print(serde_json::to_string(&printed)?);
        } else {
            console.print(format!("{} instances admitted, {:.1} s\n", printed.instances, printed.seconds));
            console.print(format!("{}\n", summary_table(&printed.skills)));
            console.print(format!("{}\n", rows_table(&exported)));
            match &exported.path {
                Some(dataset) => console.print(format!("dataset:  {}", dataset.display())),
                None => console.print("dataset:  none, because there is no row"),
            }
            console.print(format!("report:   {}", report.display()));
            if let Some(dataset) = &exported.path {
                console.print(format!("card:     {}", dataset.join("README.md").display()));
            }
            console.print(format!("verdicts: {}", run.path().join("verdicts.jsonl").display()));
        }
        exit_code(&verified.admissions, printed.verified)
    }
}

/// Ends where the directory holds instances or generations that no demo made: they would be lost.
fn refuse_other_imports(out: &Path) -> anyhow::Result<()> {
    let (instances, generations) = (out.join("instances.jsonl"), out.join("generations.jsonl"));
    let strange = match instances.exists() {
        false => generations.exists().then_some(generations),
        true => {
            let read = intake::read_instances(&instances)?;
            let ours = read.quarantined.is_empty()
                && read.instances.iter().all(|instance| instance.extra.contains_key(MADE_FROM));
            (!ours).then_some(instances)
        }
    };
    let Some(path) = strange else { return Ok(()) };
    let why = format!("{} was not made by a demo, so it is left alone and nothing was written", path.display());
    Err(Stop::Usage(format!("{why}; name another directory with --out")).into())
}

/// Makes the import directory: instances, repositories, and the hand-written generations beside them.
fn import(data: &Dir, out: &Path, console: &Console) -> anyhow::Result<()> {
    let pairs: Pairs = toml::from_str(text(data, "pairs.toml")?).context("the demo's pairs.toml")?;
    let known = known(out)?;
    let mut instances = Vec::new();
    for pair in &pairs.pair {
        let problem = text(data, &pair.problem)?;
        let made_from = Digest::of_json(&(env!("CARGO_PKG_VERSION"), pair, problem, folders(data, pair)));
        let reusable = |instance: &&Instance| {
            instance.extra.get(MADE_FROM).and_then(|digest| digest.as_str()) == Some(made_from.as_str())
                && intake::repository_path(out, &instance.repo).exists()
        };
        if let Some(instance) = known.get(&pair.instance_id).filter(reusable) {
            instances.push(instance.clone());
            continue;
        }
        let mut instance = import_one(data, pair, problem, out, console)?;
        instance.extra.insert(MADE_FROM.to_owned(), made_from.as_str().into());
        instances.push(instance);
    }
    let lines: Result<Vec<_>, _> = instances.iter().map(serde_json::to_string).collect();
    write_file(&out.join("instances.jsonl"), format!("{}\n", lines?.join("\n")).as_bytes())?;
    write_file(&out.join("generations.jsonl"), generations(data, &pairs)?.as_bytes())
}

fn import_one(data: &Dir, pair: &Pair, problem: &str, out: &Path, console: &Console) -> anyhow::Result<Instance> {
    let wanted = Wanted {
        problem_statement: problem.to_owned(),
        instance_id: Some(pair.instance_id.clone()),
        repo: Some(pair.repo.clone()),
        license: Some(pair.license.clone()),
        leave_out: pair.leave_out.clone(),
        environment: Environment {
            recipe: Some(pair.recipe.clone()),
            framework: pair.framework.clone(),
            requirements: pair.requirements.clone(),
            ..Environment::default()
        },
    };
    match &pair.trees {
        Trees::Releases { name, old, new } => {
            console.say(format!("{}: fetching {name} {old} and {new}", pair.instance_id));
            let releases = super::import::fetch(name, old, new)?;
            intake::import_pair(&releases, wanted, out)
        }
        Trees::Folders { base, fix } => {
            let scratch = tempfile::tempdir().context("cannot make a scratch directory")?;
            for folder in [base, fix] {
                let dir = data.get_dir(folder).with_context(|| format!("the demo has no folder {folder}"))?;
                extract(dir, dir.path(), &scratch.path().join(folder))?;
            }
            intake::import_folders(&scratch.path().join(base), &scratch.path().join(fix), wanted, out)
        }
    }
}

/// Instances that an earlier run imported. A file that cannot be read is made again.
fn known(out: &Path) -> anyhow::Result<BTreeMap<String, Instance>> {
    let path = out.join("instances.jsonl");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let read = intake::read_instances(&path)?;
    Ok(read.instances.into_iter().map(|instance| (instance.instance_id.clone(), instance)).collect())
}

/// The generations of all pairs as one file: one beside `pairs.toml`, or one per instance in `generations/`.
fn generations(data: &Dir, pairs: &Pairs) -> anyhow::Result<String> {
    if data.get_file("generations.jsonl").is_some() {
        return Ok(text(data, "generations.jsonl")?.to_owned());
    }
    pairs.pair.iter().map(|pair| text(data, &format!("generations/{}.jsonl", pair.instance_id))).collect()
}

fn text<'a>(data: &'a Dir, path: &str) -> anyhow::Result<&'a str> {
    data.get_file(path)
        .and_then(|file| file.contents_utf8())
        .with_context(|| format!("this build of assay was made without {path} in {}", data.path().display()))
}

/// The folders that a pair is made of, so that a changed one is imported again.
fn folders(data: &Dir, pair: &Pair) -> Vec<(String, Digest)> {
    let Trees::Folders { base, fix } = &pair.trees else { return Vec::new() };
    let mut files = Vec::new();
    let mut waiting: Vec<_> = [base, fix].into_iter().filter_map(|folder| data.get_dir(folder)).collect();
    while let Some(dir) = waiting.pop() {
        waiting.extend(dir.dirs());
        files.extend(dir.files().map(|file| (file.path().display().to_string(), Digest::of(file.contents()))));
    }
    files.sort();
    files
}

/// Writes an embedded folder out, without the prefix that it has in the binary.
fn extract(dir: &Dir, root: &Path, into: &Path) -> anyhow::Result<()> {
    let place = |path: &Path| into.join(path.strip_prefix(root).unwrap_or(path));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(place(dir.path()))?;
        for file in dir.files() {
            std::fs::write(place(file.path()), file.contents())?;
        }
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", into.display()))?;
    dir.dirs().try_for_each(|inner| extract(inner, root, into))
}
