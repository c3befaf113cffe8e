//! What the card says about an export, counted while rows are written.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::card::{CardFacts, ConfigFacts, CountLine, RepositoryFacts};
use super::export::{ExportOptions, RL, SFT};
use super::rows::{Attempts, SftRow};
use super::select::{name, usable};
use super::source::Source;
use super::tables::Tables;
use crate::generation::Skill;
use crate::receipt::Tool;
use crate::verdict::Counts;

type Tallies = BTreeMap<String, u64>;

/// Counts of an export under way.
#[derive(Default)]
pub(super) struct Tally {
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
}

impl Tally {
    pub fn sft_row(&mut self, row: &SftRow) {
        *self.leaks.entry("solution_in_issue".to_owned()).or_default() += u64::from(row.solution_in_issue);
        *self.leaks.entry("path_named_in_issue".to_owned()).or_default() += u64::from(row.path_named_in_issue);
        *self.evidence.entry(name(&row.evidence)).or_default() += 1;
        if let Some(tier) = &row.tier {
            *self.tiers.entry(name(tier)).or_default() += 1;
        }
        *self.sft.entry(row.instance_id.clone()).or_default() += 1;
    }

    pub fn task(&mut self, instance: &str, _attempts: Attempts) {
        *self.rl.entry(instance.to_owned()).or_default() += 1;
    }
}

/// Everything the card says.
pub(super) fn facts(
    source: &dyn Source,
    options: &ExportOptions,
    tables: &Tables<'_>,
    tally: &Tally,
) -> Result<CardFacts> {
    let mut repositories: BTreeMap<_, RepositoryFacts> = BTreeMap::new();
    let mut refused = Tallies::new();
    for (id, instance) in source.instances() {
        if let Some(refusal) = source.admissions().get(id).and_then(|admission| admission.refusal) {
            *refused.entry(name(&refusal)).or_default() += 1;
        }
        let (sft_rows, rl_rows) =
            (tally.sft.get(id).copied().unwrap_or_default(), tally.rl.get(id).copied().unwrap_or_default());
        if sft_rows + rl_rows == 0 {
            continue;
        }
        let license = instance.license.clone();
        let key = (instance.repo.clone(), license.clone());
        let repo = instance.repo.clone();
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
    Ok(CardFacts {
        pretty_name: options.pretty_name.clone(),
        tool: Tool::this(),
        configs: config_facts(tables)?,
        counts,
        left_out: tally.left_out.clone(),
        repositories: repositories.into_values().collect(),
        instances: source.instances().len() as u64,
        admitted: source.instances().keys().filter(|&id| usable(source.admissions().get(id))).count() as u64,
        refused,
        leaks: tally.leaks.clone(),
        evidence: tally.evidence.clone(),
        tiers: tally.tiers.clone(),
        inputs: source.inputs().clone(),
    })
}

/// Configs as the card shows them: SFT first, RL last.
fn config_facts(tables: &Tables<'_>) -> Result<Vec<ConfigFacts>> {
    let names = [SFT.to_owned()].into_iter().chain(Skill::ALL.map(|skill| format!("{SFT}-{skill}")));
    let mut facts = Vec::new();
    for name in names.chain([RL.to_owned()]) {
        let Some(config) = tables.configs.get(&name) else { continue };
        let mut bytes = 0;
        let mut paths = Vec::new();
        for file in &config.data_files {
            let path = tables.directory.join(file);
            bytes += path.metadata().with_context(|| format!("cannot read back {}", path.display()))?.len();
            // One pattern per folder, so that the card does not grow with the shards.
            let pattern = file.rsplit_once('/').map_or(file.clone(), |(folder, _)| format!("{folder}/train-*.parquet"));
            if tables.rows.get(file).is_some_and(|rows| *rows > 0) && !paths.contains(&pattern) {
                paths.push(pattern);
            }
        }
        facts.push(ConfigFacts { rl: name == RL, name, rows: config.rows, bytes, paths });
    }
    Ok(facts)
}
