//! `assay validate`: admits instances.

use std::path::PathBuf;

use clap::Args;

use super::sandbox_options::SandboxOptions;
use crate::admission_report::{AdmissionReport, InstanceReport};
use crate::console::{Console, table};
use crate::exit_code::ExitCode;
use crate::journal::RunDir;
use crate::model::test_record::Standing;
use crate::output::Plan;
use crate::pipeline::{Admitted, Input, admit_into, exit_code};

/// Admits instances: runs base and gold, derives the expected tests, refuses what is not stable
#[derive(Debug, Args)]
#[command(after_help = "Example: assay validate work/instances.jsonl --run runs/first")]
pub struct Validate {
    /// Instances file, or the directory written by `assay import`
    instances: PathBuf,
    /// Repeat every test file on base and gold. Without it, files that hold no fail-to-pass test run once on each, and gold
    /// repeats them if a verdict would rest on a test of theirs
    #[arg(long)]
    full: bool,
    /// Print the admissions as JSON Lines
    #[arg(long)]
    json: bool,
    /// Directory of the repositories [default: repos/ beside the instances]
    #[arg(long, value_name = "DIR")]
    repos: Option<PathBuf>,
    /// Run directory; `assay verify` with the same one reuses what is found here
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

impl Validate {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let plan = Plan::default().reads_instances(&self.instances, self.repos.as_deref())?;
        plan.run("--run", &self.run, false)?.check()?;
        let input = Input::read(&self.instances, self.repos.as_deref())?;
        let run = RunDir::open(&self.run)?;
        let mut session = self.sandbox.open(console, input.needs_recipe)?;
        session.settings.repeat_all = self.full;
        let Admitted { admissions, report } = admit_into(&run, console, &session, &input)?;
        if self.json {
            for admission in admissions.values() {
                console.print(serde_json::to_string(admission)?);
            }
        } else {
            console.print(admission_table(&report));
            report.instances.iter().flat_map(InstanceReport::lines).for_each(|line| console.print(line));
            console.print(format!("report: {}", run.path().join("admission-report.md").display()));
        }
        exit_code(&admissions, u64::MAX)
    }
}

/// One line per instance: what it must fail and pass, which fail-to-pass tests have a canary, which tests left and why, what
/// the issue gives away; admitted, or why not.
fn admission_table(report: &AdmissionReport) -> String {
    let heading = [
        "instance",
        "fail-to-pass",
        "pass-to-pass",
        "strong canaries",
        "weak",
        "none",
        "held-out",
        "unstable",
        "order",
        "network",
        "other",
        "lost files",
        "disagree",
        "leaks",
        "answer",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for one in &report.instances {
        let mut row = vec![one.instance_id.clone()];
        let counts = [
            one.fail_to_pass,
            one.pass_to_pass,
            one.canaries.strong,
            one.canaries.weak,
            one.canaries.none,
            one.held_out,
            one.left_for(&[Standing::Flaky, Standing::SeedOrZoneDependent]) as u64,
            one.left_for(&[Standing::OrderDependent]) as u64,
            one.left_for(&[Standing::NetworkDependent]) as u64,
            one.left_for(&[Standing::UnknownOnBase, Standing::NotFailedOnBase, Standing::FailsOnGold]) as u64,
            one.lost.as_ref().map_or(0, |lost| lost.files.len() as u64),
            one.disagreements.len() as u64,
        ];
        row.extend(counts.map(|count| count.to_string()));
        row.push(match (one.leaks.solution_in_issue, one.leaks.path_named_in_issue) {
            (true, _) => "solution".to_owned(),
            (false, true) => "path".to_owned(),
            (false, false) => "-".to_owned(),
        });
        row.push(one.answer());
        rows.push(row);
    }
    table(&rows)
}
