//! `assay validate`: admits instances.

use std::path::PathBuf;

use clap::Args;

use super::sandbox_options::SandboxOptions;
use crate::admission_report::{AdmissionReport, InstanceReport};
use crate::console::{Console, table};
use crate::exit_code::ExitCode;
use crate::journal::RunDir;
use crate::lab::Admissions;
use crate::model::test_record::Standing;
use crate::output::Plan;
use crate::pipeline::{Admitted, Bundle, Input, Session, admit_offered, exit_code, run_sample};

/// Admits instances: runs base and gold, derives the expected tests, refuses what is not stable
#[derive(Debug, Args)]
#[command(after_help = "Exit code 2: an instance was refused, or a sampled admission disagrees.\n\n\
Example: assay validate work/instances.jsonl --run runs/first\n\
Example: assay validate work --run runs/ours --admissions theirs.jsonl.zst --sample 5")]
pub struct Validate {
    /// Instances file, or the directory written by `assay import`
    instances: PathBuf,
    /// Bundles of `assay pack`: admissions that others made. Each is computed again from its outcomes, and used if it is the very
    /// same and of the same instance, image and options; otherwise what differs is said, and base and gold run
    #[arg(long, num_args = 1.., value_name = "FILE")]
    admissions: Vec<PathBuf>,
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
    /// Run base and gold of N imported admissions again, and compare; exit code 2 if one disagrees
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// Chooses the sample; the same seed chooses the same instances. One that the maker of a bundle cannot know is best
    #[arg(long, default_value_t = 0, requires = "sample", value_name = "N")]
    seed: u64,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

impl Validate {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let plan = Plan::default().reads_instances(&self.instances, self.repos.as_deref())?;
        let plan = plan.reads_each("--admissions", &self.admissions)?;
        plan.run("--run", &self.run, false)?.check()?;
        let mut input = Input::read(&self.instances, self.repos.as_deref())?;
        let run = RunDir::open(&self.run)?;
        let mut session = self.sandbox.open(console, input.needs_recipe)?;
        session.settings.repeat_all = self.full;
        let bundles: Vec<_> =
            self.admissions.iter().map(|file| Bundle::open(file, console, &input)).collect::<anyhow::Result<_>>()?;
        input.quarantined.extend(bundles.iter().flat_map(Bundle::quarantined));
        let offers: Vec<_> =
            bundles.iter().map(|bundle| bundle.offer(console, &session)).collect::<anyhow::Result<_>>()?;
        let Admitted { admissions, report } = admit_offered(&run, console, &session, &input, &offers)?;
        if self.json {
            for admission in admissions.each() {
                console.print(serde_json::to_string(&admission?)?);
            }
        } else {
            console.print(admission_table(&report));
            report.instances.iter().flat_map(InstanceReport::lines).for_each(|line| console.print(line));
            console.print(format!("report: {}", run.path().join("admission-report.md").display()));
        }
        let agrees = match self.sample {
            Some(wanted) => self.sampled(console, &session, &input, &admissions, wanted)?,
            None => true,
        };
        if agrees { exit_code(&admissions, u64::MAX) } else { Ok(ExitCode::Findings) }
    }

    /// Runs a sample of the imported admissions again. Whether all agree.
    fn sampled(
        &self,
        console: &Console,
        session: &Session,
        input: &Input,
        admissions: &Admissions,
        wanted: u32,
    ) -> anyhow::Result<bool> {
        let sampled = run_sample(console, session, input, admissions, wanted as usize, self.seed)?;
        for (id, differs) in &sampled.disagree {
            console.say(format!("{id}: running it again disagrees with its imported admission"));
            differs.iter().for_each(|line| console.say(format!("{id}: {line}")));
        }
        for (id, why) in &sampled.failed {
            console.say(format!("{id}: it could not be run again, which says nothing of the bundle: {why}"));
        }
        let (of, agree) = (sampled.of, sampled.of - sampled.disagree.len() - sampled.failed.len());
        console.say(format!("sample: {agree} of {of} imported admission(s) agree"));
        if !sampled.disagree.is_empty() {
            console.say(format!(
                "{} keeps what was imported; if you do not trust the bundle, begin another run directory without it",
                self.run.display()
            ));
        }
        Ok(agree == of)
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
