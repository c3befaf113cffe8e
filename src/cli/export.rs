//! `assay export`: verdicts to a dataset directory.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::export_input::export_run;

use crate::console::{Console, table};
use crate::dataset::card::explained;
use crate::dataset::export::ExportSummary;
use crate::dataset::options::ExportOptions;
use crate::dataset::rows::Reasoning;
use crate::dataset::seal::checks::{CheckOptions, Licenses, license_key};
use crate::dataset::seal::proof::prove;
use crate::dataset::seal::signature::{PublicKey, SecretKey};
use crate::dataset::select::contamination::Benchmarks;
use crate::dataset::select::matched::{HeldOut, Matched};
use crate::dataset::select::quarantine::held_back;
use crate::dataset::views::View;
use crate::exit_code::{ExitCode, Stop};
use crate::journal::RunDir;
use crate::model::repository_name::RepositoryName;
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
    /// Leave this repository out, for evaluation: by name or address, several with commas; may be given more than once
    #[arg(long, value_name = "OWNER/NAME")]
    hold_out: Vec<String>,
    /// Only these licences (SPDX expressions, by commas), or `any`; by default any that is known
    #[arg(long, value_name = "LICENCES", value_delimiter = ',')]
    license: Vec<String>,
    /// Instances of a benchmark (parquet, json or jsonl) to leave out with all that resembles them; may be given more than once
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
    /// Count tokens with this tokenizer.json of a model; without one they are estimated
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
            if let Some(path) = &summary.path {
                console.print(format!("dataset: {}", path.display()));
            }
        }
        found(&summary).iter().for_each(|line| console.say(line));
        if let Some(path) = &summary.quarantine {
            console.say(format!("candidates with secrets or personal data were left out; see {}", path.display()));
        }
        let whole = summary.path.is_some() && summary.matched.views_not_written.is_empty();
        Ok(if whole { ExitCode::Done } else { ExitCode::Findings })
    }

    fn options(&self, console: &Console) -> anyhow::Result<ExportOptions> {
        if !(0.0..=1.0).contains(&self.near_duplicates) {
            let message =
                format!("--near-duplicates {} is not a share; give a number from 0 to 1", self.near_duplicates);
            return Err(Stop::Usage(message).into());
        }
        let mut benchmarks = if self.keep_benchmark_repositories { Benchmarks::none() } else { Benchmarks::built_in() };
        for path in &self.benchmark {
            let file = benchmarks.add_file(path)?;
            if let Some(first) = file.unread.first() {
                let count = file.unread.len();
                console.say(format!(
                    "{count} row(s) of a benchmark could not be read and are compared with nothing: {first}"
                ));
            }
        }
        let mut held_out = BTreeSet::new();
        for text in &self.hold_out {
            held_out.extend(RepositoryName::list(text).map_err(|why| Stop::Usage(format!("--hold-out: {why}")))?);
        }
        let mut options = ExportOptions {
            checks: CheckOptions {
                licenses: self.licenses()?,
                held_out,
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

impl How {
    fn licenses(&self) -> Result<Licenses, Stop> {
        if self.license.is_empty() {
            return Ok(Licenses::Known);
        }
        let mut only = BTreeSet::new();
        for name in self.license.iter().filter(|name| !name.trim().is_empty()) {
            let key = license_key(name).ok_or_else(|| {
                Stop::Usage(format!("--license {name} is not a licence; `any` also takes rows of unknown licence"))
            })?;
            only.insert(key);
        }
        match only {
            only if only.is_empty() => {
                Err(Stop::Usage("--license is empty; give SPDX expressions, or `any`".to_owned()))
            }
            only if only.contains("any") => Ok(Licenses::Any),
            only => Ok(Licenses::Only(only)),
        }
    }
}

/// What was found of the names that were given, and why nothing came out where nothing did.
fn found(summary: &ExportSummary) -> Vec<String> {
    let mut lines = Vec::new();
    let Matched { held_out, benchmarks, absent_licenses, views_not_written } = &summary.matched;
    for (repo, HeldOut { instances, candidates }) in held_out {
        lines.push(format!("held out: {repo}, {instances} instance(s) with {candidates} candidate(s)"));
    }
    for file in benchmarks {
        let what = match (file.matched_instances, file.matched_answers) {
            (0, 0) => "the run has nothing of them".to_owned(),
            (instances, answers) => {
                format!("{instances} instance(s) of the run and {answers} further answer(s) are theirs")
            }
        };
        lines.push(format!("{}: {} benchmark instances; {what}", file.file, file.instances));
    }
    for license in absent_licenses {
        lines.push(format!("--license {license}: no instance has this licence"));
    }
    for (view, why) in views_not_written {
        lines.push(format!("--view {view}: no file was written, because {why}"));
    }
    if summary.path.is_none() {
        lines
            .push("nothing was written: the dataset would have no row, and such a dataset cannot be loaded".to_owned());
        let mut reasons: Vec<_> = summary.left_out.iter().map(|entry| (entry, "candidate(s)")).collect();
        reasons.extend(summary.left_out_tasks.iter().map(|entry| (entry, "task(s)")));
        lines.extend(
            reasons.iter().map(|((why, count), what)| format!("  {count} {what} left out: {} ({why})", explained(why))),
        );
        let next: BTreeSet<_> = reasons.iter().map(|((why, _), _)| next_step(why)).collect();
        lines.extend(next.into_iter().map(|step| format!("next: {step}")));
        if reasons.is_empty() {
            lines.push("next: the run has no candidate; give `assay verify` generations for it".to_owned());
        }
    }
    lines
}

/// What lets something that was left out become a row, if nothing else did.
fn next_step(reason: &str) -> &'static str {
    match reason.split('/').next().unwrap_or(reason) {
        "license" => {
            "name licences that the run has with --license, or take every one with `--license any`; a licence comes from the \
             `license` of an instance's row, or from `--license SPDX` of an import, and `assay verify` again"
        }
        "held_out_repository" => "hold fewer repositories out",
        "contaminated" => {
            "use repositories that are in no benchmark; --keep-benchmark-repositories keeps those known by name, for a dataset \
             that no model is to be compared on them with"
        }
        "not_admitted" => "see admission-report.md in the run directory for why instances were refused",
        "secret" | "personal_data" | "instance_secret" | "instance_personal_data" => {
            "look at what was found; --no-scan leaves it in"
        }
        "too_long" => "allow more tokens with --max-tokens",
        "cap" | "repository_cap" => "allow more rows with --max-per-instance and --max-per-repository",
        _ => "see the run with `assay report RUN`, and sample more answers",
    }
}

/// Rows per config, as a table for people.
pub(super) fn rows_table(summary: &ExportSummary) -> String {
    let mut rows = vec![vec!["config".to_owned(), "rows".to_owned()]];
    rows.extend(summary.rows.iter().map(|(config, count)| vec![config.clone(), count.to_string()]));
    table(&rows)
}
