//! `assay verify`: instances and generations to outcomes and verdicts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::sandbox_options::SandboxOptions;
use crate::console::{Console, table};
use crate::exit_code::{ExitCode, Stop};
use crate::journal::RunDir;
use crate::model::generation::Skill;
use crate::model::verdict::Counts;
use crate::output::Plan;
use crate::pipeline::{Input, exit_code, lab, verify_into};

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
        let mut session = self.sandbox.open(console, input.needs_recipe)?;
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
