//! `assay select`: one patch per instance out of many, and the scaling curve.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use super::select_input::{Answers, Issue, read_files, read_run};
use crate::chart::{Band, Line, LineChart};
use crate::consensus::curve::{Draws, Point, Scaling, Share, scaling, share};
use crate::consensus::selection::{Origin, Selection};
use crate::consensus::{Method, Rules, Similarities, Unfit, Used};
use crate::console::{Console, table};
use crate::exit_code::{ExitCode, Stop};
use crate::images::cache::Cache;
use crate::intake::{Quarantined, quarantine_lines};
use crate::journal::RunDir;
use crate::model::verdict::VerdictStatus;
use crate::output::{FileSet, Plan};
use crate::pipeline::default_cache;
use crate::repo::patch;
use crate::surrogates;

/// Chooses one patch per instance out of many
#[derive(Debug, Args)]
#[command(
    after_help = "INPUT is a run directory written by `assay verify`, or files of generations or of predictions (SWE-bench, \
SWE-bench Pro, Multi-SWE-bench, OpenHands; then --out is needed, and only the patches themselves are known).\n\n\
One sample has one vote: a line that names an instance, model and index that stand in the input already is counted and does \
not vote, nor does a file that is a copy of another. A patch that cannot be applied, or changes nothing, takes no part.\n\n\
Filters use regression tests and generated tests only if they ran for every candidate, as they do with `assay verify \
--matrix`. Only the method oracle looks at verdicts or at the tests that the change is to mend. The curve looks at them too, \
to say how good the choice is.\n\n\
Writes predictions.jsonl (SWE-bench), selection.jsonl (selection.v1) and, if there are verdicts, scaling.json (scaling.v1) and \
scaling.svg.\n\n\
Example: assay select runs/first --method enhanced\n\
Example: assay select samples-*.jsonl --method self-consistency --out chosen"
)]
pub struct Select {
    /// Run directory, or files of predictions
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// How one is chosen
    #[arg(long, value_enum, default_value = "enhanced")]
    method: Method,
    /// Directory of the results [default: selection/ in the run directory]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Samples per instance that were asked for; half of them make a density [default: the most that an instance has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    num_samples: Option<u32>,
    /// Do not filter by regression tests
    #[arg(long)]
    no_regression: bool,
    /// Do not filter by generated tests
    #[arg(long)]
    no_reproduction: bool,
    /// Directory of the repositories, to compare whole files and not only the places that patches show
    #[arg(long, value_name = "DIR")]
    repos: Option<PathBuf>,
    /// Cache of the run, which has the trees of repositories that are not ours [default: ~/.cache/assay]
    #[arg(long, env = "ASSAY_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Name in the predictions [default: assay-METHOD]
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
    /// Random draws of patches per instance and point of the curve
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    draws: u32,
    /// Seed of the draws and of the intervals
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

impl Select {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let run = match self.input.as_slice() {
            [only] if only.is_dir() => Some(RunDir::existing(only)?),
            _ => None,
        };
        let out = match (&self.out, &run) {
            (Some(out), _) => out.clone(),
            (None, Some(run)) => run.path().join("selection"),
            (None, None) => return Err(Stop::Usage("--out DIR is needed to select from files".to_owned()).into()),
        };
        self.plan(&out)?.check()?;
        let Answers { issues, quarantined } = match &run {
            Some(run) => {
                let cache = self.repos.is_some().then(|| self.cache()).transpose()?;
                let cache = cache.as_deref().map(Cache::open).transpose()?;
                let repos = self.repos.as_deref().zip(cache.as_ref());
                Answers { issues: read_run(run, repos)?, quarantined: Vec::new() }
            }
            None => read_files(&self.input)?,
        };
        if run.is_none() && self.method == Method::Oracle {
            return Err(Stop::Usage("the oracle needs verdicts; give a run directory".to_owned()).into());
        }
        if issues.is_empty() && quarantined.is_empty() {
            return Err(Stop::Usage("no repair to choose from; see the input".to_owned()).into());
        }
        let refused = !quarantined.is_empty();
        if issues.is_empty() {
            let mut set = FileSet::open(&out, SELECT)?;
            set.write("quarantine.jsonl", &quarantine_lines(&quarantined)?)?;
            set.commit()?;
            return Err(Stop::Usage(nothing_read(&out, &quarantined)).into());
        }
        let chosen = self.choose(console, issues)?;
        let summary = self.write(&out, &chosen, &quarantined)?;
        if self.json {
            console.print(serde_json::to_string(&summary)?);
        } else {
            console.print(summary.table());
            console.print(format!("predictions: {}", out.join(PREDICTIONS).display()));
            if refused {
                let place = out.join("quarantine.jsonl");
                console.print(format!("{} line(s) of input could not be used: {}", quarantined.len(), place.display()));
            }
        }
        Ok(if refused || summary.empty == summary.instances { ExitCode::Findings } else { ExitCode::Done })
    }

    fn cache(&self) -> anyhow::Result<PathBuf> {
        self.cache.clone().map_or_else(default_cache, Ok)
    }

    /// What is read, and what is written.
    fn plan(&self, out: &Path) -> anyhow::Result<Plan> {
        let plan = Plan::default().reads_files_or_runs("INPUT", &self.input)?;
        let plan = match &self.repos {
            Some(repos) => plan.reads_within("--repos", repos)?.cache("--cache", &self.cache()?)?,
            None => plan,
        };
        plan.set("--out", out, SELECT, |name| FILES.contains(&name))
    }

    fn choose(&self, console: &Console, issues: Vec<Issue>) -> anyhow::Result<Chosen> {
        let most = issues.iter().map(|issue| issue.samples.len()).max().unwrap_or(0);
        let rules = Rules {
            method: self.method,
            num_samples: self.num_samples.map_or(most, |n| n as usize),
            regression: !self.no_regression,
            reproduction: !self.no_reproduction,
        };
        let judged = |issue: &Issue| {
            let conclusive = |status: VerdictStatus| status != VerdictStatus::Inconclusive;
            issue.samples.iter().any(|sample| sample.entry.verdict.is_some_and(conclusive))
        };
        let draws = issues.iter().any(judged).then(|| Draws::up_to(most, self.draws as usize, self.seed));
        let stage = console.stage("select", issues.len() as u64);
        let picks: anyhow::Result<Vec<Pick>> = issues
            .into_par_iter()
            .map(|mut issue| {
                let panel =
                    issue.panel().with_context(|| format!("normalising the patches of {}", issue.instance_id))?;
                let mut similarities = Similarities::new(&panel.keys);
                let all: Vec<usize> = (0..panel.entries.len()).collect();
                let choice = rules.choose(&panel, &all, &mut similarities);
                let share = draws.as_ref().map(|draws| share(&panel, &rules, draws, &mut similarities));
                let origins: Vec<Origin> = issue.samples.iter().map(|sample| sample.origin.clone()).collect();
                stage.step();
                let repeated = std::mem::take(&mut issue.repeated);
                Ok(Pick {
                    selection: Selection::new(&panel, &origins, repeated, &rules, &choice),
                    patch: choice.candidate.map(|c| issue.samples.swap_remove(c).patch).unwrap_or_default(),
                    verdict: choice.candidate.and_then(|candidate| panel.entries[candidate].verdict),
                    share,
                })
            })
            .collect();
        let picks = picks?;
        let shares: Vec<Share> = picks.iter().filter_map(|pick| pick.share.clone()).collect();
        let curve = draws.map(|draws| scaling(&shares, self.method, &draws));
        Ok(Chosen { picks, curve })
    }

    fn write(&self, out: &Path, chosen: &Chosen, quarantined: &[Quarantined]) -> anyhow::Result<Summary> {
        let name = match &self.model_name {
            Some(name) => name.clone(),
            None => format!("assay-{}", crate::model::name::name(&self.method)),
        };
        let predictions = chosen.picks.iter().map(|pick| {
            let id = &pick.selection.instance_id;
            // What was bridged to read it would have to be bridged by others too. The deletion of a binary file stays as it was
            // said: its object is not known here.
            let read = patch::parse_answer(&pick.patch);
            let patch = read.as_ref().map_or(pick.patch.as_str(), |read| &read.text);
            json!({"instance_id": id, "model_name_or_path": name, "model_patch": patch})
        });
        let mut set = FileSet::open(out, SELECT)?;
        if !quarantined.is_empty() {
            set.write("quarantine.jsonl", &quarantine_lines(quarantined)?)?;
        }
        write_predictions(&mut set, predictions)?;
        write_lines(&mut set, "selection.jsonl", chosen.picks.iter().map(|pick| &pick.selection))?;
        if let Some(curve) = &chosen.curve {
            set.write("scaling.json", &serde_json::to_vec_pretty(curve)?)?;
            if !curve.selected.is_empty() {
                set.write("scaling.svg", picture(curve)?.as_bytes())?;
            }
        }
        set.commit()?;
        Ok(Summary::of(self.method, chosen, quarantined.len(), out))
    }
}

/// Its files, to [`FileSet`].
const SELECT: &str = "select --out";

const PREDICTIONS: &str = "predictions.jsonl";

const FILES: [&str; 5] = [PREDICTIONS, "selection.jsonl", "scaling.json", "scaling.svg", "quarantine.jsonl"];

/// What was chosen for one instance.
struct Pick {
    selection: Selection,
    patch: String,
    verdict: Option<VerdictStatus>,
    share: Option<Share>,
}

struct Chosen {
    picks: Vec<Pick>,
    curve: Option<Scaling>,
}

/// What scripts read.
#[derive(Debug, Serialize)]
struct Summary {
    method: Method,
    instances: u64,
    candidates: u64,
    /// Instances without any patch.
    empty: u64,
    /// Candidates that take no part, by reason.
    left_out: BTreeMap<Unfit, u64>,
    /// Lines of the input whose sample stands there already; they have no vote.
    repeated: u64,
    /// Instances whose choice rested on a kind of evidence.
    used: BTreeMap<Used, u64>,
    /// Verdicts of the chosen patches; `unknown` where there is none.
    chosen: BTreeMap<String, u64>,
    quarantined: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scaling: Option<Scaling>,
    out: String,
}

impl Summary {
    fn of(method: Method, chosen: &Chosen, quarantined: usize, out: &Path) -> Self {
        let mut summary = Self {
            method,
            instances: chosen.picks.len() as u64,
            candidates: 0,
            empty: 0,
            left_out: BTreeMap::new(),
            repeated: 0,
            used: BTreeMap::new(),
            chosen: BTreeMap::new(),
            quarantined: quarantined as u64,
            scaling: chosen.curve.clone(),
            out: out.display().to_string(),
        };
        for pick in &chosen.picks {
            summary.candidates += pick.selection.candidates.len() as u64;
            summary.empty += u64::from(pick.selection.chosen.is_none());
            summary.repeated += pick.selection.repeated.len() as u64;
            for left_out in pick.selection.candidates.iter().filter_map(|ballot| ballot.left_out.as_ref()) {
                *summary.left_out.entry(left_out.why).or_default() += 1;
            }
            for used in &pick.selection.used {
                *summary.used.entry(*used).or_default() += 1;
            }
            let verdict = pick.verdict.map_or("unknown".to_owned(), |status| crate::model::name::name(&status));
            *summary.chosen.entry(verdict).or_default() += 1;
        }
        summary
    }

    /// The curve, or what was chosen where there is none.
    fn table(&self) -> String {
        let used: Vec<_> =
            self.used.iter().map(|(used, count)| format!("{} {count}", crate::model::name::name(used))).collect();
        let chosen: Vec<_> = self.chosen.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
        let mut text = format!(
            "{} instances, {} candidates, {} without a patch\nevidence used: {}\nchosen: {}",
            self.instances,
            self.candidates,
            self.empty,
            used.join(", "),
            chosen.join(", ")
        );
        if !self.left_out.is_empty() {
            let left_out = self.left_out.iter().map(|(why, count)| {
                let why = match why {
                    Unfit::NoPatch => "without a patch",
                    Unfit::CannotApply => "with a patch that cannot be applied",
                    Unfit::ChangesNothing => "with a patch that changes nothing",
                };
                format!("{count} {why}")
            });
            text.push_str(&format!("\nno vote: {}", left_out.collect::<Vec<_>>().join(", ")));
        }
        if self.repeated > 0 {
            text.push_str(&format!(
                "\n{} line(s) have no vote, for their sample (instance, model, index) stands in the input already; if they are \
                 samples of their own, give their rows an index or a model of their own",
                self.repeated
            ));
        }
        if let Some(scaling) = &self.scaling {
            let share = |points: &[Point], patches: u64| {
                let point = points.iter().find(|point| point.patches == patches);
                point.map_or(String::new(), |point| format!("{:.1}", point.rate * 100.0))
            };
            let mut rows =
                vec![["patches", "resolved %", "low", "high", "oracle %", "pass@k %"].map(str::to_owned).to_vec()];
            for point in &scaling.selected {
                let percent = |rate: f64| format!("{:.1}", rate * 100.0);
                rows.push(vec![
                    point.patches.to_string(),
                    percent(point.rate),
                    percent(point.low),
                    percent(point.high),
                    share(&scaling.oracle, point.patches),
                    share(&scaling.pass_at, point.patches),
                ]);
            }
            text.push_str(&format!("\n{}", table(&rows)));
        }
        text
    }
}

/// Why there is nothing to choose from, if every line was refused.
fn nothing_read(out: &Path, quarantined: &[Quarantined]) -> String {
    let first = quarantined.first().map(|line| format!("; the first: {}:{}: {}", line.file, line.line, line.why));
    format!(
        "no repair to choose from: {} line(s) of input could not be used, each with its reason in {}{}",
        quarantined.len(),
        out.join("quarantine.jsonl").display(),
        first.unwrap_or_default()
    )
}

fn picture(curve: &Scaling) -> anyhow::Result<String> {
    let line = |name: String, points: &[Point]| Line {
        name,
        points: points.iter().map(|point| (point.patches as f64, point.rate)).collect(),
        band: points.iter().map(|point| Band { x: point.patches as f64, low: point.low, high: point.high }).collect(),
    };
    let bare = |name: &str, points: &[Point]| Line { band: Vec::new(), ..line(name.to_owned(), points) };
    let chart = LineChart {
        title: "Resolved issues by patches to choose from",
        x_label: "patches per issue",
        y_label: "resolved",
        lines: vec![
            line(crate::model::name::name(&curve.method), &curve.selected),
            bare("oracle", &curve.oracle),
            bare("pass@k", &curve.pass_at),
        ],
    };
    Ok(chart.svg()?)
}

/// Bytes of a patch that are not UTF-8 are written as the half surrogate pairs that they came as.
fn write_predictions(set: &mut FileSet, predictions: impl IntoIterator<Item = Value>) -> anyhow::Result<()> {
    let mut file = set.create(PREDICTIONS)?;
    for prediction in predictions {
        let line = format!("{prediction}\n");
        let written = file.write_all(surrogates::written(&line).as_bytes());
        written.with_context(|| format!("cannot write {}", file.path().display()))?;
    }
    set.add(file);
    Ok(())
}

fn write_lines<T: Serialize>(set: &mut FileSet, name: &str, items: impl IntoIterator<Item = T>) -> anyhow::Result<()> {
    let mut file = set.create(name)?;
    items.into_iter().try_for_each(|item| file.line(&item))?;
    set.add(file);
    Ok(())
}
