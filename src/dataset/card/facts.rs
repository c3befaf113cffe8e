//! What the card says about an export, counted while rows are written.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use serde_json::Value;

use super::{CardFacts, ConfigFacts, CountLine, RepositoryFacts};
use crate::chart::BarChart;
use crate::dataset::census::{Census, Line};
use crate::dataset::config_names::{PREFERENCE, RL, SFT};
use crate::dataset::files::tables::Tables;
use crate::dataset::options::ExportOptions;
use crate::dataset::rows::{Attempts, SftRow};
use crate::dataset::select::contamination::{Benchmarks, built_in_counts};
use crate::dataset::select::matched::Matched;
use crate::model::digest::Digest;
use crate::model::generation::Skill;
use crate::model::name::name;
use crate::model::receipt::Tool;
use crate::model::verdict::Counts;

type Tallies = BTreeMap<String, u64>;

/// Counts of an export under way.
#[derive(Default)]
pub(crate) struct Tally {
    /// Verdicts: all, and by skill.
    pub counts: (Counts, BTreeMap<Skill, Counts>),
    /// Reason -> candidates that did not become SFT rows.
    pub left_out: Tallies,
    /// Reason -> tasks that did not become RL rows.
    pub left_out_tasks: Tallies,
    /// Rows by instance.
    sft: Tallies,
    rl: Tallies,
    leaks: Tallies,
    evidence: Tallies,
    tiers: Tallies,
    /// SFT rows of instances that lost test files.
    lost: u64,
    /// SFT rows of instances with tests that are not part of their suite.
    outside: u64,
    /// SFT rows of instances that lost listed tests.
    lost_tests: u64,
    models: Tallies,
    sampling: Tallies,
    /// Powers of two of tokens -> rows.
    tokens: BTreeMap<u32, u64>,
    /// Tenths of the pass rate -> tasks.
    pass_rates: BTreeMap<u64, u64>,
    /// Rows left out for the change of a benchmark's instance, by benchmark file.
    pub benchmark_answers: Vec<u64>,
}

/// Sampling parameters that the card tells of.
const SAMPLINGS: usize = 12;

impl Tally {
    pub fn sft_row(&mut self, row: &SftRow) {
        *self.leaks.entry("solution_in_issue".to_owned()).or_default() += u64::from(row.solution_in_issue);
        *self.leaks.entry("path_named_in_issue".to_owned()).or_default() += u64::from(row.path_named_in_issue);
        *self.evidence.entry(name(&row.evidence)).or_default() += 1;
        if let Some(tier) = &row.tier {
            *self.tiers.entry(name(tier)).or_default() += 1;
        }
        self.lost += u64::from(!row.lost_files.is_empty());
        self.outside += u64::from(!row.outside_suite.is_empty());
        self.lost_tests += u64::from(!row.lost_tests.is_empty());
        *self.sft.entry(row.instance_id.clone()).or_default() += 1;
        *self.models.entry(row.model.clone().unwrap_or_else(|| "not told".to_owned())).or_default() += 1;
        if let Some(tokens) = row.tokens {
            *self.tokens.entry(tokens.unsigned_abs().max(1).ilog2()).or_default() += 1;
        }
    }

    /// A row that was left out because its patch is that of a benchmark's instance.
    pub fn benchmark_answer(&mut self, patch: &str, benchmarks: &Benchmarks) {
        self.benchmark_answers.resize(benchmarks.files().len(), 0);
        for (count, file) in self.benchmark_answers.iter_mut().zip(benchmarks.files()) {
            *count += u64::from(file.has_patch(patch));
        }
    }

    pub fn sampling(&mut self, sampling: Option<&Value>) {
        let text = sampling.map_or_else(|| "not told".to_owned(), Value::to_string);
        // Parameters that differ by row, such as seeds, must not fill the memory.
        if self.sampling.len() < 10_000 || self.sampling.contains_key(&text) {
            *self.sampling.entry(text).or_default() += 1;
        }
    }

    /// Draws what there is to draw; gives title and text.
    pub fn pictures(&self) -> Result<Vec<(&'static str, &'static str, String)>> {
        let mut pictures = Vec::new();
        if let (Some((&first, _)), Some((&last, _))) = (self.tokens.first_key_value(), self.tokens.last_key_value()) {
            let bar =
                |power: u32| (format!("{}+", short(1 << power)), self.tokens.get(&power).copied().unwrap_or_default());
            let chart = BarChart {
                title: "Tokens of the SFT rows",
                x_label: "tokens of all messages, up to the next bar",
                y_label: "rows",
                bars: (first..=last).map(bar).collect(),
            };
            pictures.push((chart.title, "tokens.svg", chart.svg()?));
        }
        if !self.pass_rates.is_empty() {
            let name = |tenth: u64| match tenth {
                0 => "0 %".to_owned(),
                11 => "100 %".to_owned(),
                _ => format!("to {}0 %", tenth),
            };
            let bar = |tenth| (name(tenth), self.pass_rates.get(&tenth).copied().unwrap_or_default());
            let chart = BarChart {
                title: "Pass rate of the tasks",
                x_label: "verified of judged attempts",
                y_label: "tasks",
                bars: (0..=11).map(bar).collect(),
            };
            pictures.push((chart.title, "pass-rate.svg", chart.svg()?));
        }
        Ok(pictures)
    }

    pub fn task(&mut self, instance: &str, attempts: Attempts) {
        *self.rl.entry(instance.to_owned()).or_default() += 1;
        let (verified, judged) = (attempts.verified, attempts.judged().max(1));
        // None and all stand alone; between them, tenths that end with their number.
        let tenth = if verified == judged { 11 } else { (verified * 10).div_ceil(judged) };
        *self.pass_rates.entry(tenth).or_default() += 1;
    }
}

fn short(number: u64) -> String {
    if number >= 1024 { format!("{}k", number >> 10) } else { number.to_string() }
}

/// Everything the card says.
pub(crate) fn facts(
    inputs: &BTreeMap<String, Digest>,
    census: &Census,
    options: &ExportOptions,
    tables: &Tables<'_>,
    tally: &Tally,
    matched: &Matched,
    pictures: BTreeMap<String, String>,
) -> Result<CardFacts> {
    let mut repositories: BTreeMap<_, RepositoryFacts> = BTreeMap::new();
    let mut refused = Tallies::new();
    for Line { id, repo, license, refusal } in &census.lines {
        if let Some(refusal) = refusal {
            *refused.entry(name(refusal)).or_default() += 1;
        }
        let (sft_rows, rl_rows) =
            (tally.sft.get(id).copied().unwrap_or_default(), tally.rl.get(id).copied().unwrap_or_default());
        if sft_rows + rl_rows == 0 {
            continue;
        }
        let (repo, license) = (repo.clone(), license.clone());
        let key = (repo.clone(), license.clone());
        let line =
            repositories.entry(key).or_insert(RepositoryFacts { repo, license, instances: 0, sft_rows: 0, rl_rows: 0 });
        line.instances += 1;
        line.sft_rows += sft_rows;
        line.rl_rows += rl_rows;
    }
    let (total, skills) = &tally.counts;
    let mut counts = vec![CountLine { skill: "all".to_owned(), counts: *total }];
    let of = |skill: Skill| skills.get(&skill).copied().unwrap_or_default();
    counts.extend(Skill::ALL.map(|skill| CountLine { skill: skill.to_string(), counts: of(skill) }));
    let benchmarks = if options.checks.benchmarks.by_name() { built_in_counts() } else { BTreeMap::new() };
    let mut sampling: Vec<_> = tally.sampling.iter().map(|(text, rows)| (text.clone(), *rows)).collect();
    sampling.sort_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
    sampling.truncate(SAMPLINGS);
    Ok(CardFacts {
        pretty_name: options.pretty_name.clone(),
        tool: Tool::this(),
        configs: config_facts(tables)?,
        counts,
        left_out: tally.left_out.clone(),
        left_out_tasks: tally.left_out_tasks.clone(),
        settings: options.settings(matched),
        matched: matched.clone(),
        benchmarks: benchmarks.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
        models: tally.models.clone(),
        sampling,
        pictures,
        signed: options.key.is_some(),
        views: options
            .views
            .iter()
            .map(|view| view.folder().to_owned())
            .filter(|view| !matched.views_not_written.contains_key(view))
            .collect(),
        repositories: repositories.into_values().collect(),
        instances: census.lines.len() as u64,
        admitted: census.states.iter().filter(|state| state.usable).count() as u64,
        refused,
        lost_instances: census.lost,
        lost_accepted: census.lost_accepted,
        lost_rows: tally.lost,
        outside_instances: census.outside,
        outside_rows: tally.outside,
        lost_test_instances: census.lost_tests,
        lost_test_accepted: census.lost_tests_accepted,
        lost_test_rows: tally.lost_tests,
        ordered_instances: census.ordered,
        imported_instances: census.imported,
        part_instances: census.parts,
        said_instances: census.said,
        leaks: tally.leaks.clone(),
        evidence: tally.evidence.clone(),
        tiers: tally.tiers.clone(),
        inputs: inputs.clone(),
    })
}

/// Configs as the card shows them: SFT first, RL last.
fn config_facts(tables: &Tables<'_>) -> Result<Vec<ConfigFacts>> {
    let names = [SFT.to_owned()].into_iter().chain(Skill::ALL.map(|skill| format!("{SFT}-{skill}")));
    let mut facts = Vec::new();
    for name in names.chain([RL.to_owned(), PREFERENCE.to_owned()]) {
        let Some(config) = tables.configs.get(&name) else { continue };
        let mut bytes = 0;
        // One pattern per folder, so that the card does not grow with the shards; folders without rows only where there
        // is nothing else.
        let (mut filled, mut empty) = (BTreeSet::new(), BTreeSet::new());
        for file in &config.data_files {
            let path = tables.directory.join(file);
            bytes += path.metadata().with_context(|| format!("cannot read back {}", path.display()))?.len();
            let pattern = file.rsplit_once('/').map_or(file.clone(), |(folder, _)| format!("{folder}/train-*.parquet"));
            let rows = tables.rows.get(file).copied().unwrap_or_default();
            if rows > 0 { &mut filled } else { &mut empty }.insert(pattern);
        }
        let paths = if filled.is_empty() { empty } else { filled }.into_iter().collect();
        facts.push(ConfigFacts { name, rows: config.rows, bytes, paths });
    }
    Ok(facts)
}
