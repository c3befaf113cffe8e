//! `assay verify`: instances and generations to outcomes and verdicts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::session::{SandboxOptions, Session};
use crate::admission_report::AdmissionReport;
use crate::console::{Console, table};
use crate::exit_code::{ExitCode, Stop};
use crate::intake::{self, Quarantined};
use crate::journal::{RunDir, RunInfo};
use crate::lab::{Lab, Located, Samples, Tally};
use crate::model::admission::{Admission, Refusal};
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::generation::{GenerationRef, Skill};
use crate::model::verdict::{Counts, Reason};
use crate::output::Plan;
use crate::sampler::prompts::Prompts;

/// Runs every candidate against its repository's tests and judges it
#[derive(Debug, Args)]
#[command(
    after_help = "INSTANCES is a file written by `assay import`, or the directory that holds it. Generations are JSON Lines with \
instance_id, skill and completion; predictions (SWE-bench, SWE-bench Pro, Multi-SWE-bench, OpenHands) and Agentless \
loc_outputs.jsonl are read as they are.\n\
Run it again to continue after an interruption: nothing that was done is done twice.\n\n\
Example: assay verify work/instances.jsonl --generations samples.jsonl --run runs/first"
)]
pub struct Verify {
    /// Instances file, or the directory written by `assay import`
    instances: PathBuf,
    /// Generations, one or more files
    #[arg(long, short, required = true, num_args = 1.., value_name = "FILE")]
    generations: Vec<PathBuf>,
    /// Run every expected test of a repair, also after its verdict is known, and say how many passed
    #[arg(long)]
    full: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Also run what `assay select` may use: every repair under the regression tests and under every generated test that
    /// fails on base, whatever the verdicts
    #[arg(long)]
    matrix: bool,
    /// Prompts files of `assay prompt`: what the generations answer, by their prompt_id. Exported rows then hold the prompt that
    /// the model saw
    #[arg(long, num_args = 1.., value_name = "FILE")]
    prompts: Vec<PathBuf>,
    /// Directory of the repositories [default: repos/ beside the instances]
    #[arg(long, value_name = "DIR")]
    repos: Option<PathBuf>,
    /// Run directory; it is made if it is not there, and continued if it is
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

impl Verify {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let started = Instant::now();
        let plan = Plan::default().reads_instances(&self.instances, self.repos.as_deref())?;
        let plan = plan.reads_each("--generations", &self.generations)?.reads_each("--prompts", &self.prompts)?;
        plan.run("--run", &self.run, false)?.check()?;
        let mut input = Input::read(&self.instances, self.repos.as_deref())?;
        let prompts = input.open_prompts(&self.prompts)?;
        let run = RunDir::open(&self.run)?;
        let (unknown, found) = input.keep_generations(&self.generations, &prompts, &run)?;
        if found == 0 && !self.prompts.is_empty() {
            let why = "--prompts: no generation names a prompt of these files by its prompt_id, so no row would hold one; \
                       name the files that the generations answer, or leave --prompts out";
            return Err(Stop::Usage(why.to_owned()).into());
        }
        if unknown > 0 {
            console.say(format!(
                "{unknown} generation(s) name a prompt that no --prompts file holds; exported, they get the prompt of `assay verify`'s own"
            ));
        }
        let mut session = self.sandbox.open(console)?;
        session.settings.full = self.full;
        let verified = verify_into(&run, console, &session, &mut input)?;
        if self.matrix {
            let candidates = run.read_lines("candidates.jsonl")?;
            lab(&run, console, &session)?.matrix(&input.instances, &verified.admissions, &candidates)?;
        }
        let mut summary = verified.summary;
        summary.seconds = Some(started.elapsed().as_secs_f64());
        if self.json {
            console.print(serde_json::to_string(&summary)?);
        } else {
            console.print(summary_table(&summary.skills));
            console.print(format!("verdicts: {}", run.path().join("verdicts.jsonl").display()));
            if summary.quarantined > 0 {
                console.print(format!(
                    "{} line(s) of input could not be used: {}",
                    summary.quarantined,
                    run.path().join("quarantine.jsonl").display()
                ));
            }
        }
        exit_code(&verified.admissions, summary.verified)
    }
}

/// Everything that a run reads.
pub(super) struct Input {
    pub instances: Vec<Located>,
    pub samples: Samples,
    pub quarantined: Vec<Quarantined>,
    /// Input file, by [`name_among`] -> sha256.
    pub digests: BTreeMap<String, Digest>,
}

impl Input {
    pub fn read(instances: &Path, repos: Option<&Path>) -> anyhow::Result<Self> {
        let file = if instances.is_dir() { instances.join("instances.jsonl") } else { instances.to_owned() };
        let read = intake::read_instances(&file)?;
        let beside = file.parent().unwrap_or(Path::new(".")).join("repos");
        let repos = repos.unwrap_or(&beside);
        let mut input = Self {
            instances: Vec::new(),
            samples: Samples::default(),
            quarantined: read.quarantined,
            digests: BTreeMap::from([(name_among(&file, &[]), digest_of_file(&file)?)]),
        };
        for instance in read.instances {
            let repository = intake::repository_in(repos, &instance.repo);
            input.instances.push(Located { instance, repository });
        }
        if input.instances.is_empty() {
            return Err(Stop::Usage(format!("{} holds no usable instance", file.display())).into());
        }
        Ok(input)
    }

    /// Opens files of prompts; what they hold that cannot be used is quarantined.
    fn open_prompts(&mut self, files: &[PathBuf]) -> anyhow::Result<Vec<Prompts>> {
        let mut prompts = Vec::new();
        for path in files {
            let read = Prompts::open(path)?;
            let unusable = read.unusable.iter();
            self.quarantined
                .extend(unusable.map(|(line, why)| Quarantined::new(path.display().to_string(), *line, why)));
            self.digests.insert(name_among(path, files), digest_of_file(path)?);
            prompts.push(read);
        }
        Ok(prompts)
    }

    /// Reads generations and keeps them in the run directory. Those that name a prompt get its messages; says how many name
    /// one that is in none of the files, and how many one that is in them.
    pub fn keep_generations(
        &mut self,
        generations: &[PathBuf],
        prompts: &[Prompts],
        run: &RunDir,
    ) -> anyhow::Result<(u64, u64)> {
        let known = self.instances.iter().map(|located| located.instance.instance_id.clone()).collect();
        let (mut unknown, mut found) = (0, 0);
        for path in generations {
            let name = name_among(path, generations);
            let samples = &mut self.samples;
            let read = intake::read_generations(path, &known, &mut |place, mut generation| {
                if let Some(id) = generation.prompt_id.as_deref() {
                    let prompt = prompts.iter().find_map(|prompts| Some((prompts, prompts.find(id)?)));
                    match prompt {
                        Some((prompts, entry)) => {
                            found += 1;
                            if generation.messages.is_none() {
                                generation.messages = Some(prompts.read(entry)?.messages);
                            }
                        }
                        None => unknown += u64::from(generation.messages.is_none()),
                    }
                }
                let place = GenerationRef { file: name.clone(), ..place };
                samples.keep(run.blobs(), &generation, &place)
            })?;
            self.quarantined.extend(read.quarantined);
            self.digests.insert(name, digest_of_file(path)?);
        }
        Ok((unknown, found))
    }
}

/// What an input file is called in verdicts and manifests: its bare name, so that a dataset's bytes do not depend on where
/// the files lay; the path as given where another input has the same name.
fn name_among(path: &Path, others: &[PathBuf]) -> String {
    let same_name = others.iter().filter(|other| other.file_name() == path.file_name()).count();
    match path.file_name() {
        Some(name) if same_name <= 1 => name.to_string_lossy().into_owned(),
        _ => path.display().to_string(),
    }
}

fn digest_of_file(path: &Path) -> anyhow::Result<Digest> {
    let file = std::fs::File::open(path).and_then(Digest::of_reader);
    file.with_context(|| format!("cannot read {}", path.display()))
}

/// What a run gave.
pub(super) struct Verified {
    pub admissions: BTreeMap<String, Admission>,
    pub summary: Summary,
}

/// Runs the whole line into a run directory: admissions, trials, verdicts, and the files that are derived from them.
pub(super) fn verify_into(
    run: &RunDir,
    console: &Console,
    session: &Session,
    input: &mut Input,
) -> anyhow::Result<Verified> {
    let admissions = admit_into(run, console, session, input)?;
    let lab = lab(run, console, session)?;
    let tally = lab.verify(&input.instances, &admissions, &mut input.samples)?;
    let mut summary = Summary::of(tally, run);
    summary.instances = Some(admissions.values().filter(|admission| admission.admitted()).count() as u64);
    summary.quarantined = input.quarantined.len() as u64;
    run.write_derived("summary.json", &serde_json::to_vec_pretty(&summary)?)?;
    Ok(Verified { admissions, summary })
}

/// The first half: instances prepared and admitted.
pub(super) fn admit_into(
    run: &RunDir,
    console: &Console,
    session: &Session,
    input: &Input,
) -> anyhow::Result<BTreeMap<String, Admission>> {
    let info = RunInfo {
        format: format::RUN.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        sandbox: session.engine.sandbox().name().to_owned(),
        repeats: session.settings.repeats,
        evidence: session.settings.evidence,
        inputs: input.digests.clone(),
    };
    run.write_derived("run.json", &serde_json::to_vec_pretty(&info)?)?;
    run.write_lines("quarantine.jsonl", &input.quarantined)?;
    run.write_lines("instances.jsonl", input.instances.iter().map(|located| &located.instance))?;
    let lab = lab(run, console, session)?;
    let admissions = lab.admit(&input.instances)?;
    run.write_lines("admissions.jsonl", admissions.values())?;
    let report = AdmissionReport::of(admissions.values(), input.instances.iter().map(|located| &located.instance));
    run.write_derived("admission-report.json", &serde_json::to_vec_pretty(&report)?)?;
    run.write_derived("admission-report.md", report.markdown().as_bytes())?;
    lab.write_prompts(&input.instances, &admissions)?;
    Ok(admissions)
}

pub(super) fn lab<'a>(run: &'a RunDir, console: &'a Console, session: &Session) -> anyhow::Result<Lab<'a>> {
    Lab::open(run, console, session.engine.clone(), session.settings.clone(), session.cancel.clone())
}

/// 4 when nothing could run for want of an environment, 2 when an instance was refused or nothing was verified.
pub(super) fn exit_code(admissions: &BTreeMap<String, Admission>, verified: u64) -> anyhow::Result<ExitCode> {
    let no_environment = |admission: &Admission| admission.refusal == Some(Refusal::NoEnvironment);
    if admissions.values().all(no_environment) {
        return Ok(ExitCode::Environment);
    }
    let refused = admissions.values().any(|admission| !admission.admitted());
    Ok(if refused || verified == 0 { ExitCode::Findings } else { ExitCode::Done })
}

/// `summary.json`: what scripts read.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<u64>,
    pub candidates: u64,
    pub verified: u64,
    pub rejected: u64,
    pub inconclusive: u64,
    pub duplicates: u64,
    pub skills: BTreeMap<Skill, Counts>,
    pub reasons: BTreeMap<Reason, u64>,
    pub quarantined: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    pub run: String,
}

impl Summary {
    pub fn of(tally: Tally, run: &RunDir) -> Self {
        let Tally { total, skills, reasons } = tally;
        Self {
            instances: None,
            candidates: total.candidates,
            verified: total.verified,
            rejected: total.rejected,
            inconclusive: total.inconclusive,
            duplicates: total.duplicates,
            skills,
            reasons,
            quarantined: 0,
            seconds: None,
            run: run.path().display().to_string(),
        }
    }
}

/// Counts per skill, as a table for people.
pub(super) fn summary_table(skills: &BTreeMap<Skill, Counts>) -> String {
    let heading = ["skill", "candidates", "verified", "rejected", "inconclusive", "duplicates"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for (skill, counts) in skills {
        let numbers = [counts.candidates, counts.verified, counts.rejected, counts.inconclusive, counts.duplicates];
        let mut row = vec![skill.to_string()];
        row.extend(numbers.map(|number| number.to_string()));
        rows.push(row);
    }
    table(&rows)
}
