//! `assay audit --rerun`: verifies a random sample of the rows again, in sandboxes.
//!
//! The sample is the rows whose digest with the seed is least, so any order of the same rows gives the same sample.
//! Localizations are left out, because they are held against other repairs of their instance. Inconclusive runs count
//! for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value, json};

use super::sandbox_options::SandboxOptions;
use crate::audit::{Agreement, Facts, Findings, Place, Rule, Shape, Source};
use crate::console::Console;
use crate::dataset::evidence;
use crate::exit_code::Stop;
use crate::interval::exact_95;
use crate::journal::RunDir;
use crate::model::digest::Digest;
use crate::model::name::name;
use crate::model::verdict::{Verdict, VerdictStatus};
use crate::output::{FileSet, Plan};
use crate::pipeline::{Input, verify_into};

/// Options of the sample.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running again")]
pub(super) struct Rerun {
    /// Verify this many rows again in sandboxes: verified repairs and tests, labelled predictions
    #[arg(long, value_name = "N")]
    rerun: Option<usize>,
    /// Repositories of the instances [default: repos/ beside the instances]
    #[arg(long, value_name = "DIR")]
    repos: Option<PathBuf>,
    /// Keep what --rerun does here, and continue from it [default: a directory that goes away]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Chooses the sample; the same seed chooses the same rows
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

/// A row of the sample.
struct Sampled {
    place: Place,
    /// What the dataset says: right or wrong.
    label: bool,
    /// As `assay verify` reads it.
    generation: Value,
}

/// Chooses rows while they pass by: those whose digest with the seed is least, which is a random sample of any order.
pub(super) struct Sampler {
    wanted: usize,
    seed: u64,
    chosen: BTreeMap<Digest, Sampled>,
}

impl Sampler {
    pub fn new(rerun: &Rerun) -> Self {
        Self { wanted: rerun.rerun.unwrap_or(0), seed: rerun.seed, chosen: BTreeMap::new() }
    }

    /// Whether a sample was asked for.
    pub fn any(&self) -> bool {
        self.wanted > 0
    }

    pub fn see(&mut self, table: &str, row: u64, values: &Map<String, Value>, facts: &Facts) {
        if self.wanted == 0 {
            return;
        }
        let Some((label, generation)) = generation(values, facts) else { return };
        let key = Digest::of_json(&(self.seed, table, row));
        let last = self.chosen.last_key_value().map(|(last, _)| last);
        if self.chosen.len() >= self.wanted && last.is_some_and(|last| *last <= key) {
            return;
        }
        let place = Place::row(table, row, facts.instance_id.as_deref());
        self.chosen.insert(key, Sampled { place, label, generation });
        if self.chosen.len() > self.wanted {
            self.chosen.pop_last();
        }
    }
}

/// What a row says, as input of `assay verify`. A localization is held against the other repairs of its instance, which a
/// sample lacks; it is checked from the evidence.
fn generation(values: &Map<String, Value>, facts: &Facts) -> Option<(bool, Value)> {
    let id = facts.instance_id.as_ref()?;
    match facts.shape {
        Shape::Sft if facts.skill.as_deref() != Some("localization") => {
            let messages = values.get("messages")?;
            Some((
                true,
                json!({"instance_id": id, "skill": facts.skill, "messages": messages, "model": values.get("model")}),
            ))
        }
        Shape::Prediction => Some((facts.label?, json!({"instance_id": id, "model_patch": facts.patch}))),
        _ => None,
    }
}

/// The files of a --run directory of the audit, to [`FileSet`].
const RERUN: &str = "audit --rerun";

const FILES: [&str; 2] = ["instances.jsonl", "sample.jsonl"];

impl Rerun {
    /// What is read, and what is written.
    pub fn plan(&self, plan: Plan) -> anyhow::Result<Plan> {
        let plan = match &self.repos {
            Some(repos) => plan.reads_within("--repos", repos)?,
            None => plan,
        };
        match (&self.run, self.rerun) {
            (Some(place), Some(_)) => {
                let plan = plan.set("--run", place, RERUN, |name| FILES.contains(&name))?;
                plan.run("the run in --run", &place.join("run"), false)
            }
            _ => Ok(plan),
        }
    }

    /// Verifies the sample and says how many rows agree. A row that could not be run is a finding and counts for nothing.
    pub fn run(
        &self,
        console: &Console,
        source: &Source,
        sampler: Sampler,
        instances: Option<&Path>,
        findings: &mut Findings,
    ) -> anyhow::Result<Agreement> {
        let sampled: Vec<_> = sampler.chosen.into_values().collect();
        if sampled.is_empty() {
            let why = "--rerun: the dataset has no verified repair or test and no labelled prediction to run again";
            return Err(Stop::Usage(why.to_owned()).into());
        }
        let scratch = tempfile::tempdir().context("cannot make a directory for --rerun; free space in TMPDIR")?;
        let place = self.run.as_deref().unwrap_or(scratch.path());
        fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
        let wanted: BTreeSet<_> = sampled.iter().filter_map(|row| row.place.about.as_deref()).collect();
        let mut set = FileSet::open(place, RERUN)?;
        let (file, beside) = self.instances(source, instances, &wanted, &mut set)?;
        let file = place.join(file);
        let generations = place.join("sample.jsonl");
        let mut lines = String::new();
        for (index, row) in (0..).zip(&sampled) {
            let mut generation = row.generation.clone();
            // Rows that say the same stay apart.
            generation["index"] = json!(index);
            lines.push_str(&format!("{generation}\n"));
        }
        set.write("sample.jsonl", lines.as_bytes())?;
        set.commit()?;

        let repos = self.repos.as_deref().or(beside.as_deref());
        let run = RunDir::open(&place.join("run"))?;
        let mut input = Input::read(&file, repos)?;
        input.keep_generations(&[generations], &[], &run)?;
        let mut session = self.sandbox.open(console, input.needs_recipe)?;
        // What ran before is what is doubted.
        session.settings.reuse = false;
        console.say(format!("running {} rows again", sampled.len()));
        verify_into(&run, console, &session, &mut input)?;
        let verdicts: Vec<Verdict> = run.read_lines("verdicts.jsonl")?;
        let by_line: BTreeMap<_, _> = verdicts.iter().map(|verdict| (verdict.generation.line, verdict)).collect();
        let (mut agreed, mut of) = (0, 0);
        for (line, row) in (1..).zip(sampled) {
            let Some(verdict) = by_line.get(&line) else {
                findings.add(Rule::RerunNotPossible, row.place, "its instance is not among the instances");
                continue;
            };
            let said = |verdict: &Verdict| format!("{}: {}", name(&verdict.reason), verdict.detail);
            match verdict.status.at(verdict.evidence) {
                VerdictStatus::Inconclusive => findings.add(Rule::RerunNotPossible, row.place, said(verdict)),
                status => {
                    of += 1;
                    if (status == VerdictStatus::Verified) == row.label {
                        agreed += 1;
                    } else {
                        findings.add(Rule::RerunDiffers, row.place, said(verdict));
                    }
                }
            }
        }
        let interval = exact_95(agreed, of);
        Ok(Agreement { agreed: agreed as u64, of: of as u64, interval, seed: self.seed })
    }

    /// Instances of the sample, in a file, and where their repositories are unless it is said: from the file that is named,
    /// or from the dataset's evidence.
    fn instances(
        &self,
        source: &Source,
        instances: Option<&Path>,
        wanted: &BTreeSet<&str>,
        set: &mut FileSet,
    ) -> anyhow::Result<(&'static str, Option<PathBuf>)> {
        let (rows, beside) = match instances {
            Some(file) => {
                let read = crate::intake::read_instances(file)?;
                (read.instances, Some(file.parent().unwrap_or(Path::new(".")).join("repos")))
            }
            None if source.ours => {
                let unpacked =
                    tempfile::tempdir().context("cannot make a directory for the evidence; free space in TMPDIR")?;
                let run = evidence::unpack(&source.root, &unpacked.path().join("run"))?;
                (run.read_lines("instances.jsonl")?, None)
            }
            None => {
                let why = "--rerun needs the instances: name them with --instances FILE, and their repositories with --repos DIR";
                return Err(Stop::Usage(why.to_owned()).into());
            }
        };
        if self.repos.is_none() && !beside.as_ref().is_some_and(|beside| beside.is_dir()) {
            let why = "--rerun needs the repositories of the instances: name them with --repos DIR (`assay import` makes them)";
            return Err(Stop::Usage(why.to_owned()).into());
        }
        let mut lines = String::new();
        for instance in rows.iter().filter(|instance| wanted.contains(&*instance.instance_id)) {
            lines.push_str(&format!("{}\n", serde_json::to_string(instance)?));
        }
        set.write("instances.jsonl", lines.as_bytes())?;
        Ok(("instances.jsonl", beside))
    }
}
