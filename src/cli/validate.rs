//! `assay validate`: admits instances.

use std::path::PathBuf;

use clap::Args;

use super::session::SandboxOptions;
use super::verify::{Input, admit_into, exit_code};
use crate::admission::Admission;
use crate::console::{Console, table};
use crate::exit_code::ExitCode;
use crate::journal::RunDir;

/// Admits instances: runs base and gold, derives the expected tests, refuses what is not stable
#[derive(Debug, Args)]
#[command(after_help = "Example: assay validate work/instances.jsonl --run runs/first")]
pub struct Validate {
    /// Instances file, or the directory written by `assay import`
    instances: PathBuf,
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
        let input = Input::read(&self.instances, self.repos.as_deref(), &[])?;
        let run = RunDir::open(&self.run)?;
        let session = self.sandbox.open(console)?;
        let admissions = admit_into(&run, console, &session, &input)?;
        if self.json {
            for admission in admissions.values() {
                console.print(serde_json::to_string(admission)?);
            }
        } else {
            console.print(admission_table(admissions.values()));
            console.print(format!("admissions: {}", run.path().join("admissions.jsonl").display()));
        }
        exit_code(&admissions, u64::MAX)
    }
}

/// One line per instance: what it must fail and pass, which fail-to-pass tests have a canary, what wobbles, or why it is refused.
fn admission_table<'a>(admissions: impl Iterator<Item = &'a Admission>) -> String {
    let heading = [
        "instance",
        "fail-to-pass",
        "pass-to-pass",
        "strong canaries",
        "weak",
        "none",
        "unstable",
        "disagree",
        "answer",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for admission in admissions {
        let answer = match admission.refusal {
            None => "admitted".to_owned(),
            Some(refusal) => format!("refused: {refusal:?} {}", admission.detail),
        };
        let [strong, weak, none] = admission.canary_counts();
        rows.push(vec![
            admission.instance_id.clone(),
            admission.fail_to_pass.len().to_string(),
            admission.pass_to_pass.len().to_string(),
            strong.to_string(),
            weak.to_string(),
            none.to_string(),
            admission.unstable.len().to_string(),
            admission.disagreements.len().to_string(),
            answer,
        ]);
    }
    table(&rows)
}
