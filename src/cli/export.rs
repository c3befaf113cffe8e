//! `assay export`: verdicts to a dataset directory.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::export_input::export_run;

use crate::console::{Console, table};
use crate::dataset::checks::{CheckOptions, Licenses};
use crate::dataset::contamination::Benchmarks;
use crate::dataset::export::{ExportOptions, ExportSummary};
use crate::dataset::proof::prove;
use crate::dataset::quarantine::held_back;
use crate::dataset::rows::Reasoning;
use crate::dataset::signature::{PublicKey, SecretKey};
use crate::dataset::views::View;
use crate::exit_code::{ExitCode, Stop};
use crate::journal::RunDir;
use crate::output::{self, Plan};
use crate::tokens::Counter;

/// Writes the verified samples of a run as a dataset: SFT, RL and preference, with card, manifest and evidence
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "The directory is a Hub dataset: README.md (card), Parquet per config, views/ for trainers that want their \
own layout, evidence/ to judge again, manifest.json and statement.json. The same run and options give the same bytes. \
Rows of unknown licence, of repositories of public benchmarks, with secrets or personal data, and near copies are left \
out and counted. A signature needs a key (Ed25519, PEM): `assay export --new-key FILE` makes FILE and FILE.pub.\n\n\
Example: assay export runs/first --out dataset --benchmark swe-bench-verified.parquet --view trl --sign keys/mine\n\
Example: assay export rl runs/first --out tasks --view skyrl"
)]
pub struct Export {
    #[command(subcommand)]
    kind: Option<Kind>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Only the RL tasks: no SFT rows and no pairs
    #[command(
        after_help = "A task is an instance and skill with at least one judged attempt, in the layout of verl, with how many attempts \
were verified and rejected. The reward function comes with them.\n\n\
Example: assay export rl runs/first --out tasks --view skyrl"
    )]
    Rl(Box<How>),
}

/// What both forms of the command take.
#[derive(Debug, Args)]
struct How {
    /// Run directory written by `assay verify`
    #[arg(required_unless_present = "new_key")]
    run: Option<PathBuf>,
    /// Dataset directory; one that is there is replaced if it is as assay wrote it
    #[arg(long, value_name = "DIR", required_unless_present = "new_key")]
    out: Option<PathBuf>,
    /// At most this many rows per instance and skill
    #[arg(long, value_name = "N")]
    max_per_instance: Option<u64>,
    /// At most this many rows per repository and skill, taken from its instances in turn
    #[arg(long, value_name = "N")]
    max_per_repository: Option<u64>,
    /// Leave this repository out, for evaluation; may be given more than once
    #[arg(long, value_name = "OWNER/NAME")]
    hold_out: Vec<String>,
    /// Only these licences (SPDX expressions, by commas), or `any`; by default any that is known
    #[arg(long, value_name = "LICENCES", value_delimiter = ',')]
    license: Vec<String>,
    /// Instances of a benchmark (parquet, json or jsonl) to leave out with all that resembles them; more than once
    #[arg(long, value_name = "FILE")]
    benchmark: Vec<PathBuf>,
    /// Keep repositories of the public benchmarks that this tool knows by name
    #[arg(long)]
    keep_benchmark_repositories: bool,
    /// Similarity (0 to 1) from which patches of an instance, or instances, are near duplicates; 0 turns it off
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    near_duplicates: f64,
    /// Do not look for secrets and personal data
    #[arg(long)]
    no_scan: bool,
    /// A model's tokenizer.json, to count tokens with; an estimate without
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Leave out rows with more tokens
    #[arg(long, value_name = "N")]
    max_tokens: Option<u64>,
    /// Where the reasoning of an answer goes
    #[arg(long, value_enum, default_value_t = Reasoning::Inline)]
    reasoning: Reasoning,
    /// Preference pairs per instance and skill at most; 0 for none
    #[arg(long, value_name = "N", default_value_t = 4)]
    pairs: u64,
    /// Also write a trainer's own layout; may be given more than once
    #[arg(long, value_enum)]
    view: Vec<View>,
    /// Sign the dataset's statement with this key
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Make a key for --sign and do nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "out", "sign"])]
    new_key: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

impl Export {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        match self.kind {
            Some(Kind::Rl(how)) => how.run(true, console),
            None => self.how.run(false, console),
        }
    }
}

impl How {
    fn run(self, only_tasks: bool, console: &Console) -> anyhow::Result<ExitCode> {
        if let Some(path) = &self.new_key {
            let public = PublicKey::beside(path);
            Plan::default().new_file("--new-key", path)?.new_file("--new-key, the public key", &public)?.check()?;
            let public = SecretKey::generate()?.write(path)?;
            console.print(format!("key: {}\npublic key: {}", path.display(), public.display()));
            return Ok(ExitCode::Done);
        }
        let (Some(run), Some(out)) = (&self.run, &self.out) else {
            return Err(Stop::Usage("give a run directory and --out DIR".to_owned()).into());
        };
        let plan = Plan::default().reads_run("RUN", run)?.reads_each("--benchmark", &self.benchmark)?;
        let plan = plan.reads_each("--tokenizer", &self.tokenizer)?.reads_each("--sign", &self.sign)?;
        let plan = plan.directory("--out", out, prove)?;
        plan.file("the candidates held back, beside --out", &held_back(out), output::Kind::HeldBack)?.check()?;
        let options = ExportOptions { only_tasks, ..self.options(console)? };
        let summary = export_run(&RunDir::existing(run)?, out, &options, console)?;
        if self.json {
            console.print(serde_json::to_string(&summary)?);
        } else {
            console.print(rows_table(&summary));
            console.print(format!("dataset: {}", summary.path.display()));
        }
        if let Some(path) = &summary.quarantine {
            console.say(format!("candidates with secrets or personal data were left out; see {}", path.display()));
        }
        let rows: u64 = summary.rows.values().sum();
        Ok(if rows == 0 { ExitCode::Findings } else { ExitCode::Done })
    }

    fn options(&self, console: &Console) -> anyhow::Result<ExportOptions> {
        if !(0.0..=1.0).contains(&self.near_duplicates) {
            let message = format!("--near-duplicates {} is no share; give a number from 0 to 1", self.near_duplicates);
            return Err(Stop::Usage(message).into());
        }
        let mut benchmarks = if self.keep_benchmark_repositories { Benchmarks::none() } else { Benchmarks::built_in() };
        for path in &self.benchmark {
            let instances = benchmarks.add_file(path)?;
            console.say(format!("{}: {instances} benchmark instances", path.display()));
        }
        let named: BTreeSet<_> = self.license.iter().map(|license| license.trim().to_lowercase()).collect();
        let mut options = ExportOptions {
            checks: CheckOptions {
                licenses: match () {
                    () if named.is_empty() => Licenses::Known,
                    () if named.contains("any") => Licenses::Any,
                    () => Licenses::Only(named),
                },
                held_out: self.hold_out.iter().cloned().collect(),
                benchmarks,
                near_duplicates: Some(self.near_duplicates).filter(|share| *share > 0.0),
                scan: !self.no_scan,
                counter: Some(Counter::from_option(self.tokenizer.as_deref())?),
                max_tokens: self.max_tokens,
            },
            pairs: self.pairs,
            reasoning: self.reasoning,
            views: self.view.iter().copied().collect(),
            key: self.sign.as_deref().map(SecretKey::read).transpose()?,
            ..ExportOptions::default()
        };
        options.select.cap = self.max_per_instance;
        options.select.repository_cap = self.max_per_repository;
        Ok(options)
    }
}

/// Rows per config, as a table for people.
pub(super) fn rows_table(summary: &ExportSummary) -> String {
    let mut rows = vec![vec!["config".to_owned(), "rows".to_owned()]];
    rows.extend(summary.rows.iter().map(|(config, count)| vec![config.clone(), count.to_string()]));
    table(&rows)
}
