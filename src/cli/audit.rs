//! `assay audit`: checks over a dataset, ours or anybody's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::audit_rerun::{Rerun, Sampler};
use super::judge::runner;
use super::publish::until_interrupted;
use crate::audit::{
    AuditReport, Benchmarks, Checks, Place, Rule, Shape, Source, check, grade_logs, judge_logs, open, read_expected,
    sarif, show,
};
use crate::console::Console;
use crate::exit_code::{ExitCode, Stop};
use crate::hub::{Account, Hub, Patience, RepoId, download};
use crate::logs::LogFormat;
use crate::output::{Kind, Plan, write_file};
use crate::pipeline::default_cache;

/// Checks a dataset: integrity, receipts, verdicts from the evidence, duplicates, leaks, licences, patches, labels
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "DATASET is a directory that `assay export` wrote, any .parquet, .jsonl or .json file (also .gz, .zst), a \
directory of such files, or hub:owner/name[@revision], which is downloaded into the cache. It knows our own rows, rows of the \
SWE-bench family, predictions and chats.\n\
Exit code 2 says that something was found.\n\n\
Example: assay audit dataset --verify-signature publisher.pub\n\
Example: assay audit dataset --rerun 20 --repos work/repos\n\
Example: assay audit predictions.jsonl --instances swe-bench.parquet --logs logs/run_evaluation --sarif audit.sarif\n\
Example: assay audit show dataset 1f3a9c"
)]
pub struct Audit {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    /// Dataset directory, file, or hub:owner/name[@revision]
    #[arg(required = true)]
    dataset: Option<String>,
    /// Rows that must not be in the dataset: instances of a benchmark, SWE-bench-style
    #[arg(long, num_args = 1.., value_name = "FILE")]
    benchmark: Vec<PathBuf>,
    /// Another name of a column, e.g. patch=diff
    #[arg(long, num_args = 1.., value_name = "OURS=THEIRS")]
    column: Vec<String>,
    /// Instances that logs and predictions belong to
    #[arg(long, value_name = "FILE")]
    instances: Option<PathBuf>,
    /// Print the report as JSON (`audit.v1`)
    #[arg(long)]
    json: bool,
    /// Evaluation logs to grade again, as SWE-bench's harness and its relatives keep them
    #[arg(long, value_name = "DIR", requires = "instances")]
    logs: Option<PathBuf>,
    /// Runner that wrote the logs [default: what instances and logs say]
    #[arg(long, value_name = "NAME", value_parser = runner)]
    runner: Option<LogFormat>,
    /// Write the findings as SARIF 2.1.0, for CI
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Public key (.pub) that must have signed the dataset
    #[arg(long, value_name = "KEY")]
    verify_signature: Option<PathBuf>,
    #[command(flatten)]
    rerun: Rerun,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    Show(Show),
}

/// Traces a row to its verdict, its receipt and its trials
#[derive(Debug, Args)]
#[command(after_help = "Example: assay audit show dataset sft-repair/train-00000-of-00001.parquet:3 --json")]
struct Show {
    /// Dataset directory or file
    dataset: String,
    /// TABLE:ROW as findings name it, an instance with one row, or the first digits of a receipt or candidate
    row: String,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub fn run(mut self, console: &Console) -> anyhow::Result<ExitCode> {
        if let Some(AuditCommand::Show(command)) = self.command.take() {
            return command.run(console);
        }
        let name = self.dataset.clone().unwrap_or_default();
        let source = locate(&name, console)?;
        self.plan(&source)?.check()?;
        let checks = Checks {
            columns: self.column.iter().map(|pair| column(pair)).collect::<Result<_, _>>()?,
            benchmarks: Benchmarks::read(&self.benchmark)?,
            key: self.verify_signature.clone(),
        };
        let (compared, unread) = checks.benchmarks.counts();
        if unread > 0 {
            console.say(format!(
                "{unread} row(s) of benchmarks name no instance or cannot be read; nothing was compared with them"
            ));
        }
        let mut sampler = Sampler::new(&self.rerun);
        let mut predicted = BTreeMap::new();
        let mut checked = check(
            &source,
            &checks,
            &mut |what| console.say(format!("checking {what}")),
            &mut |table, row, values, facts| {
                if let (Shape::Prediction, Some(id)) = (facts.shape, &facts.instance_id) {
                    predicted.entry(id.clone()).or_insert_with(|| Place::row(table, row, Some(id)));
                }
                sampler.see(table, row, values, facts);
            },
        )?;
        if compared > 0 {
            checked.done.insert("benchmark instances compared with".to_owned(), compared);
        }
        if let (Some(logs), Some(instances)) = (&self.logs, &self.instances) {
            let (expected, quarantined) = read_expected(instances)?;
            for bad in quarantined {
                checked.findings.add(Rule::ExpectationsUnreadable, Place::row(bad.file, bad.line, None), bad.why);
            }
            let graded = grade_logs(logs, &expected, self.runner)?;
            judge_logs(&graded, &mut checked.findings);
            for log in &graded {
                predicted.remove(&log.instance_id);
            }
            for place in predicted.into_values() {
                checked.findings.add(Rule::LogMissing, place, "no log of its instance");
            }
            checked.done.insert("logs graded again".to_owned(), graded.len() as u64);
        }
        let agreement = match sampler.any() {
            false => None,
            true => {
                Some(self.rerun.run(console, &source, sampler, self.instances.as_deref(), &mut checked.findings)?)
            }
        };
        let mut report = AuditReport::new(&name, &checked.findings, checked.measures, checked.done);
        report.rerun = agreement;
        if let Some(path) = &self.sarif {
            write_sarif(path, &report)?;
        }
        console.print(if self.json { serde_json::to_string(&report)? } else { report.text() });
        Ok(if report.has_findings() { ExitCode::Findings } else { ExitCode::Done })
    }
}

impl Audit {
    /// What is read, and what is written.
    fn plan(&self, source: &Source) -> anyhow::Result<Plan> {
        let plan = Plan::default().reads_each("DATASET", source.tables.iter().map(|table| &table.path))?;
        let plan = if source.ours { plan.reads("DATASET", &source.root)? } else { plan };
        let plan = plan.reads_each("--benchmark", &self.benchmark)?.reads_each("--instances", &self.instances)?;
        let plan = plan.reads_each("--logs", &self.logs)?.reads_each("--verify-signature", &self.verify_signature)?;
        let plan = match &self.sarif {
            Some(path) => plan.file("--sarif", path, Kind::Sarif)?,
            None => plan,
        };
        self.rerun.plan(plan)
    }
}

impl Show {
    fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let source = locate(&self.dataset, console)?;
        let trace = show(&source, &self.row)?;
        console.print(if self.json { serde_json::to_string(&trace)? } else { trace.text() });
        Ok(if trace.findings.is_empty() { ExitCode::Done } else { ExitCode::Findings })
    }
}

/// Finds the dataset on disk; one of the Hub is downloaded into the cache first.
fn locate(name: &str, console: &Console) -> anyhow::Result<Source> {
    let Some(named) = name.strip_prefix("hub:") else { return open(name) };
    let (repository, revision) = match named.split_once('@') {
        Some((repository, revision)) => (repository, Some(revision)),
        None => (named, None),
    };
    let repository: RepoId = repository.parse().map_err(|why: String| Stop::Usage(format!("{name}: {why}")))?;
    let hub = Hub::new(Account::find()?, repository, Patience::default(), console)?;
    let place = default_cache()?.join("hub");
    let downloaded = until_interrupted(download(&hub, revision, &place))?;
    console.say(format!("{name}: commit {}", downloaded.commit));
    open(&downloaded.directory.to_string_lossy())
}

fn column(pair: &str) -> Result<(String, String), Stop> {
    match pair.split_once('=') {
        Some((ours, theirs)) if !ours.is_empty() && !theirs.is_empty() => Ok((ours.to_owned(), theirs.to_owned())),
        _ => Err(Stop::Usage(format!("--column {pair}: write OURS=THEIRS, e.g. patch=diff"))),
    }
}

fn write_sarif(path: &Path, report: &AuditReport) -> anyhow::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(&sarif(report)).context("findings are JSON")?;
    bytes.push(b'\n');
    write_file(path, &bytes)
}
