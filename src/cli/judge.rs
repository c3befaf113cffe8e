//! `assay judge`: verdicts again from stored outcomes, or grades of other people's logs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::verify::summary_table;
use crate::audit::{GradedLog, disagrees, grade_logs, read_expected};
use crate::console::{Console, table};
use crate::exit_code::ExitCode;
use crate::journal::{RunDir, write_atomically};
use crate::lab::recompute;
use crate::logs::LogFormat;
use crate::output::{Kind, Plan};
use crate::pipeline::Summary;

/// Recomputes the verdicts of a run directory, or grades other people's logs; needs no sandbox
#[derive(Debug, Args)]
#[command(
    after_help = "With RUN it writes RUN/verdicts.jsonl, byte for byte what `assay verify` wrote from the same outcomes.\n\
With --logs it reads what test runners printed (pytest, unittest, django, sympy, go, cargo, jest) and grades it by our rules: \
every expected test stands in the log and passed, and the log does not contradict itself. A log proves nothing about a patch, \
so such a grade is not a verdict. Exit code 2: a log is suspicious or contradicts the label that was published with it.\n\n\
Example: assay judge runs/first --json\n\
Example: assay judge --logs logs/run_evaluation/mine --instances swe-bench.parquet --out grades.jsonl"
)]
pub struct Judge {
    /// Run directory written by `assay verify`
    #[arg(required_unless_present = "logs", conflicts_with = "logs")]
    run: Option<PathBuf>,
    /// Instances that the logs belong to: rows of the SWE-bench family
    #[arg(long, value_name = "FILE", requires = "logs")]
    instances: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Evaluation logs of somebody else's harness
    #[arg(long, value_name = "DIR", requires = "instances")]
    logs: Option<PathBuf>,
    /// Write the grade of every log here, JSON Lines
    #[arg(long, value_name = "FILE", requires = "logs")]
    out: Option<PathBuf>,
    /// Runner that wrote the logs [default: what instances and logs say]
    #[arg(long, value_name = "NAME", requires = "logs", value_parser = runner)]
    runner: Option<LogFormat>,
}

/// Reads the name of a runner.
pub(super) fn runner(name: &str) -> Result<LogFormat, String> {
    LogFormat::by_name(name).ok_or_else(|| format!("one of {}", LogFormat::NAMES.join(", ")))
}

impl Judge {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        if let (Some(logs), Some(instances)) = (&self.logs, &self.instances) {
            let plan = Plan::default().reads("--logs", logs)?.reads("--instances", instances)?;
            let plan = match &self.out {
                Some(out) => plan.file("--out", out, Kind::Grades)?,
                None => plan,
            };
            plan.check()?;
            let (expected, quarantined) = read_expected(instances)?;
            for bad in &quarantined {
                console.say(format!("{}:{}: {}; left out", bad.file, bad.line, bad.why));
            }
            let graded = grade_logs(logs, &expected, self.runner)?;
            let said = self.tell(console, &graded)?;
            return Ok(if quarantined.is_empty() { said } else { ExitCode::Findings });
        }
        let run = RunDir::existing(self.run.as_deref().unwrap_or(std::path::Path::new(".")))?;
        let summary = Summary::of(recompute(&run)?, &run);
        run.write_derived("summary.json", &serde_json::to_vec_pretty(&summary)?)?;
        if self.json {
            console.print(serde_json::to_string(&summary)?);
        } else {
            console.print(summary_table(&summary.skills));
            console.print(format!("verdicts: {}", run.path().join("verdicts.jsonl").display()));
        }
        Ok(ExitCode::Done)
    }

    fn tell(&self, console: &Console, graded: &[GradedLog]) -> anyhow::Result<ExitCode> {
        if let Some(path) = &self.out {
            let mut lines = String::new();
            for log in graded {
                lines.push_str(&format!("{}\n", serde_json::to_string(log)?));
            }
            write_atomically(path, lines.as_bytes())?;
        }
        let word = |log: &GradedLog| crate::model::name::name(&log.graded.grade);
        let mut grades: BTreeMap<String, [u64; 3]> = BTreeMap::new();
        for log in graded {
            let counts = grades.entry(word(log)).or_default();
            counts[0] += 1;
            counts[1] += u64::from(log.published == Some(true));
            counts[2] += u64::from(log.published == Some(false));
        }
        let differ: Vec<_> = graded.iter().filter(|log| disagrees(log)).collect();
        for log in graded {
            if let Some(why) = &log.report_unread {
                console.say(format!("{}: {why}", log.log));
            }
        }
        if self.json {
            let grades: BTreeMap<_, _> = grades.iter().map(|(grade, counts)| (grade, counts[0])).collect();
            console.print(json!({"logs": graded.len(), "grades": grades, "disagreements": differ}).to_string());
        } else {
            let heading = ["by the log", "logs", "published resolved", "published not resolved"];
            let mut rows = vec![heading.map(str::to_owned).to_vec()];
            rows.extend(
                grades
                    .into_iter()
                    .map(|(grade, counts)| [vec![grade], counts.map(|count| count.to_string()).to_vec()].concat()),
            );
            console.print(table(&rows));
            for log in &differ {
                let published = match log.published {
                    Some(true) => "resolved",
                    Some(false) => "not resolved",
                    None => "without a label",
                };
                console.print(format!("{}: {}, published as {published}: {}", log.log, word(log), log.graded.detail));
            }
        }
        Ok(if differ.is_empty() { ExitCode::Done } else { ExitCode::Findings })
    }
}
