//! `assay curriculum`: which tasks stay in training, from rollouts.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::console::{Console, table};
use crate::curriculum::report::{Curriculum as Report, Task, decide};
use crate::curriculum::{Direction, Rules, Tally, Visits, rows};
use crate::exit_code::{ExitCode, Stop};
use crate::intake::{Quarantined, ReadRollouts, Rewards, Rollouts, logs_of, quarantine_lines, read_tasks};
use crate::model::generation::Skill;
use crate::output::{FileSet, Kind, NewFile, Plan, write_file};

/// Drops tasks that a model has mastered from a list of instances or an RL dataset
#[derive(Debug, Args)]
#[command(
    after_help = "ROLLOUTS are logs of verl (trainer.rollout_data_dir), verifiers, prime-rl, SkyRL, rLLM, slime or NeMo Gym as \
.jsonl, .json or .parquet, folders of such logs, or run directories of assay. An instance is found by its instance_id in the \
row, its info, extra_info, metadata or ground truth.\n\
What decides is the outcome: a field such as acc, resolved or is_correct, and without one a score or reward that is 0, 1 or \
-1. A reward that is anything else is shaped: name the field that says the outcome with --reward-key, or the least reward with \
--solved-at.\n\n\
Rows that stay are copied as they are. A task that no rollout visited stays. A rollout that the machine ended does not count \
as a visit.\n\n\
Example: assay curriculum rollouts/*.jsonl --rows dataset/rl --out stage2\n\
Example: assay curriculum runs/first --rows work/instances.jsonl --out stage2.jsonl --drop-unsolved"
)]
pub struct Curriculum {
    /// Rollout logs, or run directories
    #[arg(required = true)]
    rollouts: Vec<PathBuf>,
    /// Rows to choose from: a .jsonl or .parquet file, or a directory of such files
    #[arg(long, value_name = "PATH")]
    rows: PathBuf,
    /// Where the rows that stay go: a file or a directory, as --rows
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// The report [default: curriculum.json beside --out]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// 1 keeps everything, 2 drops
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    stage: u8,
    /// An accuracy strictly beyond it leaves
    #[arg(long, value_name = "SHARE", default_value_t = 0.9, value_parser = share)]
    threshold: f64,
    /// Which side of the threshold leaves
    #[arg(long, value_enum, default_value = "above")]
    drop: Direction,
    /// Judged rollouts below which a task stays
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_visits: u64,
    /// Also drop what was visited and never solved
    #[arg(long)]
    drop_unsolved: bool,
    /// Least reward of a solved task [default: 1]
    #[arg(long, value_name = "REWARD")]
    solved_at: Option<f64>,
    /// Field of the outcome, with dots into objects and lists: acc, metrics.solved, rewards.0 [default: the one that is known]
    #[arg(long, value_name = "FIELD")]
    reward_key: Option<String>,
    /// Skill of rows that name none
    #[arg(long, default_value = "repair")]
    skill: Skill,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// The files of an --out directory, to [`FileSet`].
const ROWS: &str = "curriculum --out";
/// The same of the quarantine beside the report.
const REPORT: &str = "curriculum --report";

const QUARANTINE: &str = "quarantine.jsonl";

/// A file of rows: where it is, where what stays of it goes, and its tasks by line.
struct Part {
    from: PathBuf,
    to: PathBuf,
    tasks: Vec<(u64, Task)>,
}

impl Curriculum {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let rules = Rules {
            stage: self.stage,
            threshold: self.threshold,
            direction: self.drop,
            min_visits: self.min_visits,
            drop_unsolved: self.drop_unsolved,
        };
        let place = self.report_place();
        let beside = place.with_file_name(QUARANTINE);
        let files = self.files()?;
        self.plan(&files, &place, &beside)?.check()?;
        let (tally, read) = self.tally(&place)?;
        let mut quarantined = read.quarantined;
        let mut parts = Vec::new();
        for (from, to) in files {
            let read = read_tasks(&from, self.skill)?;
            quarantined.extend(read.quarantined);
            parts.push(Part { from, to, tasks: read.tasks });
        }
        let all: Vec<_> = parts.iter().flat_map(|part| part.tasks.iter().map(|(_, task)| task.clone())).collect();
        let (stay, mut report) = decide(&rules, &tally, &all);
        report.outcome_fields = read.fields;
        let mut quarantine = FileSet::open(folder_of(&place), REPORT)?;
        let refused = !quarantined.is_empty();
        if refused {
            quarantine.write(QUARANTINE, &quarantine_lines(&quarantined)?)?;
        }
        let mut stay = stay.into_iter();
        let mut copied = Vec::new();
        for Part { from, to, tasks } in &parts {
            let stays: BTreeMap<u64, bool> = tasks.iter().map(|(line, _)| *line).zip(stay.by_ref()).collect();
            let new = NewFile::create(to)?;
            rows::copy(from, &new, |line| stays.get(&line).copied().unwrap_or(false))?;
            copied.push(new);
        }
        self.put(copied)?;
        write_file(&place, &serde_json::to_vec_pretty(&report)?)?;
        quarantine.commit()?;
        if self.json {
            console.print(serde_json::to_string(&report)?);
        } else {
            console.print(summary(&report));
            console.print(format!("rows that stay: {}\nreport: {}", self.out.display(), place.display()));
        }
        if refused {
            console
                .say(format!("{} row(s) could not be used; see quarantine.jsonl beside the report", quarantined.len()));
        }
        Ok(if refused || report.kept == 0 { ExitCode::Findings } else { ExitCode::Done })
    }

    /// The report is beside the rows unless it is said.
    fn report_place(&self) -> PathBuf {
        let beside = || folder_of(&self.out).join("curriculum.json");
        self.report.clone().unwrap_or_else(beside)
    }

    /// What is read, and what is written.
    fn plan(&self, files: &[(PathBuf, PathBuf)], report: &Path, quarantine: &Path) -> anyhow::Result<Plan> {
        let plan = Plan::default().reads_files_or_runs("ROLLOUTS", &self.rollouts)?;
        let plan = plan.reads_each("--rows", files.iter().map(|(from, _)| from))?;
        let plan = match self.rows.is_dir() {
            true => plan.set("--out", &self.out, ROWS, rows::is_rows)?,
            false => plan.file("--out", &self.out, Kind::Rows)?,
        };
        let plan = plan.file("--report", report, Kind::Curriculum)?;
        plan.late_file("the quarantine, beside the report", quarantine)
    }

    /// Gives the new files of rows their names; of a directory, those of an earlier run go.
    fn put(&self, files: Vec<NewFile>) -> anyhow::Result<()> {
        if !self.rows.is_dir() {
            return files.into_iter().try_for_each(|file| file.finish().map(|_| ()));
        }
        let mut set = FileSet::open(&self.out, ROWS)?;
        files.into_iter().for_each(|file| set.add(file));
        set.commit()
    }

    fn tally(&self, report: &Path) -> anyhow::Result<(Tally, ReadRollouts)> {
        let mut tally = Tally::default();
        let mut rollouts = Rollouts::new(Rewards { key: self.reward_key.clone(), solved_at: self.solved_at });
        let mut seen = BTreeSet::new();
        for path in &self.rollouts {
            for log in logs_of(path).map_err(|why| Stop::Usage(format!("{:#}", anyhow::Error::from(why))))? {
                let metadata = log.metadata().with_context(|| format!("opening {}", log.display()))?;
                if !seen.insert((metadata.dev(), metadata.ino())) {
                    let why =
                        format!("{} is named twice, and its rollouts would count twice; name it once", log.display());
                    return Err(Stop::Usage(why).into());
                }
                rollouts.read(&log, &mut |rollout| tally.add(rollout))?;
            }
        }
        let read = rollouts.finish().map_err(|why| Stop::Usage(why.to_string()))?;
        if tally.total() == Visits::default() && self.stage > 1 {
            return Err(Stop::Usage(nothing_read(report, &read.quarantined)?).into());
        }
        Ok((tally, read))
    }

    /// The files of rows, each with where it goes.
    fn files(&self) -> anyhow::Result<Vec<(PathBuf, PathBuf)>> {
        if !self.rows.is_dir() {
            return Ok(vec![(self.rows.clone(), self.out.clone())]);
        }
        let list = || -> std::io::Result<Vec<PathBuf>> {
            std::fs::read_dir(&self.rows)?.map(|entry| Ok(entry?.path())).collect()
        };
        let mut files = list().with_context(|| format!("cannot list {}", self.rows.display()))?;
        let named = |path: &PathBuf| rows::is_rows(&path.file_name().unwrap_or_default().to_string_lossy());
        files.retain(|path| path.is_file() && named(path));
        files.sort();
        if files.is_empty() {
            let why = format!("{} holds no .parquet, .jsonl or .jsonl.zst file", self.rows.display());
            return Err(Stop::Usage(why).into());
        }
        Ok(files.into_iter().map(|from| (from.clone(), self.out.join(from.file_name().unwrap_or_default()))).collect())
    }
}

/// Why not one rollout could be read. The reasons are kept in the quarantine.
fn nothing_read(report: &Path, quarantined: &[Quarantined]) -> anyhow::Result<String> {
    const SHOWN: usize = 3;
    let Some(first) = quarantined.first() else {
        return Ok("no rollout could be read: the logs hold no row; name others, or use --stage 1".to_owned());
    };
    let folder = folder_of(report);
    let mut set = FileSet::open(folder, REPORT)?;
    set.write(QUARANTINE, &quarantine_lines(quarantined)?)?;
    set.commit()?;
    let mut reasons = vec![first];
    for row in quarantined {
        if reasons.len() < SHOWN && reasons.iter().all(|reason| reason.why != row.why) {
            reasons.push(row);
        }
    }
    let reasons: Vec<_> = reasons.iter().map(|row| format!("\n  {}:{}: {}", row.file, row.line, row.why)).collect();
    Ok(format!(
        "no rollout could be read; every row with its reason stands in {}; mend the logs, or use --stage 1{}",
        folder.join(QUARANTINE).display(),
        reasons.concat()
    ))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Rows by reason, then the tasks that leave.
fn summary(report: &Report) -> String {
    const SHOWN: usize = 20;
    let mut counts = vec![["rows", "why"].map(str::to_owned).to_vec()];
    counts.extend(report.reasons.iter().map(|(why, count)| vec![count.to_string(), crate::model::name::name(why)]));
    let leaving: Vec<_> = report.tasks.iter().filter(|task| !task.stays).collect();
    let mut text = format!(
        "{} of {} rows stay; {} rollouts, {} of them failures of the machine\n{}",
        report.kept,
        report.rows,
        report.rollouts.judged() + report.rollouts.infrastructure,
        report.rollouts.infrastructure,
        table(&counts)
    );
    if !report.outcome_fields.is_empty() {
        let fields: Vec<_> = report.outcome_fields.iter().map(|(field, count)| format!("{field} ({count})")).collect();
        text.push_str(&format!("\noutcomes are those of the field {}", fields.join(", ")));
    }
    if !leaving.is_empty() {
        let mut tasks = vec![["leaves", "skill", "solved", "judged", "accuracy", "why"].map(str::to_owned).to_vec()];
        tasks.extend(leaving.iter().take(SHOWN).map(|task| {
            vec![
                task.instance_id.clone(),
                task.skill.to_string(),
                task.visits.solved.to_string(),
                task.visits.judged().to_string(),
                task.accuracy.map_or(String::new(), |accuracy| format!("{accuracy:.3}")),
                crate::model::name::name(&task.why),
            ]
        }));
        text.push_str(&format!("\n{}", table(&tasks)));
        if leaving.len() > SHOWN {
            text.push_str(&format!("\nand {} more; see the report", leaving.len() - SHOWN));
        }
    }
    if !report.without_row.is_empty() {
        text.push_str(&format!("\n{} instance(s) have rollouts and no row", report.without_row.len()));
    }
    text
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("between 0 and 1".to_owned()) }
}
