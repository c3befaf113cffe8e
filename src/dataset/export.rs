//! Export: writes a dataset directory. Same input, same bytes. Rows go through one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::card::{CardFacts, ConfigFacts, CountLine, RepositoryFacts, card, licenses};
use super::manifest::Manifest;
use super::parquet::Bounds;
use super::place::Place;
use super::rows::{Attempts, own_prompt, rl_columns, rl_row, sft_columns, sft_row};
use super::select::{SelectOptions, name, ordered, select, usable};
use super::tables::Tables;
use crate::admission::Admission;
use crate::candidate::Candidate;
use crate::digest::Digest;
use crate::format;
use crate::generation::{Generation, Message, Skill};
use crate::instance::Instance;
use crate::receipt::{Receipt, Tool};
use crate::verdict::{Counts, Verdict, VerdictStatus};

/// Config with the SFT rows of all skills; the others are named after their skill.
const SFT: &str = "sft";
const RL: &str = "rl";

/// Gives the generation that a candidate came from, by candidate id.
pub type GenerationLookup<'a> = dyn Fn(&Digest) -> Result<Generation> + 'a;
/// Renders the prompt of an instance for a skill.
pub type PromptSource<'a> = dyn Fn(&Instance, Skill) -> Result<Vec<Message>> + 'a;

/// What a dataset is made from. The order of the lists does not matter.
pub struct ExportInput<'a> {
    /// By instance id.
    pub instances: BTreeMap<String, Instance>,
    /// By instance id.
    pub admissions: BTreeMap<String, Admission>,
    pub candidates: Vec<Candidate>,
    pub verdicts: Vec<Verdict>,
    /// Receipts of the verdicts.
    pub receipts: Vec<Receipt>,
    pub generations: &'a GenerationLookup<'a>,
    pub prompts: &'a PromptSource<'a>,
    /// Name -> digest of what the run was given, for manifest and card. Names must not depend on the machine.
    pub input_digests: BTreeMap<String, Digest>,
}

/// How to export.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    pub select: SelectOptions,
    /// Title of the card.
    pub pretty_name: String,
    pub bounds: Bounds,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            select: SelectOptions::default(),
            pretty_name: "Verified software-engineering samples".to_owned(),
            bounds: Bounds::default(),
        }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportSummary {
    /// Config -> rows.
    pub rows: BTreeMap<String, u64>,
    /// Reason -> verdicts that did not become SFT rows.
    pub left_out: BTreeMap<String, u64>,
    pub path: PathBuf,
}

/// Writes the dataset to `out`, replacing a dataset that is there. It is written beside `out` first, so `out` is at any
/// time what it was or what it becomes.
///
/// # Errors
/// A directory that cannot be written (the message names the path); a directory at `out` that is not a dataset; a verdict
/// whose instance, candidate, generation or receipt is not in the input.
pub fn export(input: &ExportInput<'_>, out: &Path, options: &ExportOptions) -> Result<ExportSummary> {
    let place = Place::prepare(out)?;
    let (rows, left_out) = match write(input, &place.partial, options) {
        Ok(written) => written,
        Err(error) => {
            // The cause counts; what cannot be removed now is removed by the next export.
            let _ = std::fs::remove_dir_all(&place.partial);
            return Err(error.context(format!("cannot export to {}; nothing there was changed", out.display())));
        }
    };
    place.swap_in()?;
    Ok(ExportSummary { rows, left_out, path: out.to_owned() })
}

type Tallies = BTreeMap<String, u64>;

fn write(input: &ExportInput<'_>, directory: &Path, options: &ExportOptions) -> Result<(Tallies, Tallies)> {
    let selection = select(&input.verdicts, &input.admissions, &options.select);
    let mut tables = Tables { directory, bounds: options.bounds, configs: BTreeMap::new(), rows: BTreeMap::new() };
    let mut tally = Tally::default();
    write_sft(input, &selection.rows, &mut tables, &mut tally)?;
    write_rl(input, &mut tables, &mut tally)?;
    write_evidence(input, &mut tables)?;

    let facts = facts(input, options, &tables, &selection.left_out, tally)?;
    write_text(&directory.join("README.md"), &card(&facts)?)?;
    write_text(&directory.join("LICENSE.md"), &licenses(&facts)?)?;
    let Tables { configs, rows, .. } = tables;
    let counts = configs.iter().map(|(config, entry)| (config.clone(), entry.rows)).collect();
    let inputs = input.input_digests.clone();
    Manifest::of_directory(directory, inputs, configs, selection.left_out.clone(), &rows)?.write(directory)?;
    Ok((counts, selection.left_out))
}

fn write_sft(input: &ExportInput<'_>, selected: &[&Verdict], tables: &mut Tables<'_>, tally: &mut Tally) -> Result<()> {
    let candidates: BTreeMap<_, _> = input.candidates.iter().map(|one| (&one.candidate_id, one)).collect();
    let receipts: BTreeSet<_> = input.receipts.iter().map(Receipt::digest).collect();
    let mut all = tables.open(SFT, &sft_columns(), format::SFT_ROW)?;
    let mut by_skill = BTreeMap::new();
    for skill in Skill::ALL {
        by_skill.insert(skill, tables.open(&format!("{SFT}-{skill}"), &sft_columns(), format::SFT_ROW)?);
    }
    let mut rendered: Option<(&str, Skill, Vec<Message>)> = None;
    for &verdict in selected {
        let id = &verdict.candidate_id;
        let instance = instance_of(input, &verdict.instance_id)?;
        let Some(candidate) = candidates.get(id) else {
            bail!("the verdict on candidate {id} has no candidate in the run; verify again to make it");
        };
        if !receipts.contains(&verdict.receipt) {
            bail!(
                "the verdict on candidate {id} names receipt {}, which is not there; run `assay judge`",
                verdict.receipt
            );
        }
        let generation = (input.generations)(id).with_context(|| format!("the generation of candidate {id}"))?;
        let known = matches!(&rendered, Some((of, skill, _)) if *of == verdict.instance_id && *skill == verdict.skill);
        if !known && own_prompt(&generation).is_none() {
            rendered = Some((&verdict.instance_id, verdict.skill, prompt_of(input, instance, verdict.skill)?));
        }
        let prompt = rendered.as_ref().map_or(&[][..], |(_, _, prompt)| prompt);
        let row = sft_row(instance, &generation, candidate, verdict, prompt);
        *tally.leaks.entry("solution_in_issue".to_owned()).or_default() += u64::from(row.solution_in_issue);
        *tally.leaks.entry("path_named_in_issue".to_owned()).or_default() += u64::from(row.path_named_in_issue);
        let line = line(&row)?;
        all.push(&line)?;
        if let Some(table) = by_skill.get_mut(&verdict.skill) {
            table.push(&line)?;
        }
        *tally.evidence.entry(name(&verdict.evidence)).or_default() += 1;
        if let Some(strength) = &verdict.strength {
            *tally.tiers.entry(name(&strength.tier)).or_default() += 1;
        }
        *tally.sft.entry(verdict.instance_id.clone()).or_default() += 1;
    }
    tables.close(all)?;
    by_skill.into_values().try_for_each(|table| tables.close(table))
}

fn write_rl(input: &ExportInput<'_>, tables: &mut Tables<'_>, tally: &mut Tally) -> Result<()> {
    let mut table = tables.open(RL, &rl_columns(), format::RL_ROW)?;
    let mut index = 0;
    for ((id, skill), attempts) in attempts(&input.verdicts) {
        let Some(admission) = input.admissions.get(id).filter(|&admission| usable(Some(admission))) else { continue };
        let instance = instance_of(input, id)?;
        let prompt = prompt_of(input, instance, skill)?;
        table.push(&line(&rl_row(instance, admission, skill, attempts, &prompt, index))?)?;
        index += 1;
        *tally.rl.entry(id.to_owned()).or_default() += 1;
    }
    tables.close(table)
}

/// Judged attempts by instance and skill. Duplicates are attempts too; inconclusive ones are not.
fn attempts(verdicts: &[Verdict]) -> BTreeMap<(&str, Skill), Attempts> {
    let mut all: BTreeMap<_, Attempts> = BTreeMap::new();
    for verdict in verdicts {
        let key = (verdict.instance_id.as_str(), verdict.skill);
        match verdict.status {
            _ if verdict.reason.status() != verdict.status => {}
            VerdictStatus::Verified => all.entry(key).or_default().verified += 1,
            VerdictStatus::Rejected => all.entry(key).or_default().rejected += 1,
            VerdictStatus::Inconclusive => {}
        }
    }
    all
}

fn write_evidence(input: &ExportInput<'_>, tables: &mut Tables<'_>) -> Result<()> {
    let receipts: BTreeMap<_, _> =
        input.receipts.iter().map(|receipt| ((&receipt.candidate_id, receipt.digest()), receipt)).collect();
    tables.evidence("verdicts", ordered(&input.verdicts))?;
    tables.evidence("receipts", receipts.into_values())?;
    tables.evidence("admissions", input.admissions.values())
}

fn instance_of<'a>(input: &'a ExportInput<'_>, id: &str) -> Result<&'a Instance> {
    input.instances.get(id).with_context(|| format!("instance {id} has verdicts but is not in the input"))
}

fn prompt_of(input: &ExportInput<'_>, instance: &Instance, skill: Skill) -> Result<Vec<Message>> {
    (input.prompts)(instance, skill).with_context(|| format!("the {skill} prompt of instance {}", instance.instance_id))
}

fn line<T: Serialize>(row: &T) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(row).context("a row cannot be written as JSON")?;
    line.push(b'\n');
    Ok(line)
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Rows by instance, by evidence level and, for tests, by tier.
#[derive(Default)]
struct Tally {
    sft: Tallies,
    rl: Tallies,
    leaks: Tallies,
    evidence: Tallies,
    tiers: Tallies,
}

fn facts(
    input: &ExportInput<'_>,
    options: &ExportOptions,
    tables: &Tables<'_>,
    left_out: &Tallies,
    tally: Tally,
) -> Result<CardFacts> {
    let mut repositories: BTreeMap<_, RepositoryFacts> = BTreeMap::new();
    let mut refused = Tallies::new();
    for (id, instance) in &input.instances {
        if let Some(refusal) = input.admissions.get(id).and_then(|admission| admission.refusal) {
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
    let (total, skills) = Counts::of(&input.verdicts);
    let mut counts = vec![CountLine { skill: "all".to_owned(), counts: total }];
    counts.extend(skills.into_iter().map(|(skill, counts)| CountLine { skill: skill.to_string(), counts }));
    Ok(CardFacts {
        pretty_name: options.pretty_name.clone(),
        tool: Tool::this(),
        configs: config_facts(tables)?,
        counts,
        left_out: left_out.clone(),
        repositories: repositories.into_values().collect(),
        instances: input.instances.len() as u64,
        admitted: input.instances.keys().filter(|&id| usable(input.admissions.get(id))).count() as u64,
        refused,
        leaks: tally.leaks,
        evidence: tally.evidence,
        tiers: tally.tiers,
        inputs: input.input_digests.clone(),
    })
}

/// Configs as the card shows them: SFT first, RL last.
fn config_facts(tables: &Tables<'_>) -> Result<Vec<ConfigFacts>> {
    let names = [SFT.to_owned()].into_iter().chain(Skill::ALL.map(|skill| format!("{SFT}-{skill}")));
    let mut facts = Vec::new();
    for name in names.chain([RL.to_owned()]) {
        let Some(config) = tables.configs.get(&name) else { continue };
        let mut bytes = 0;
        for file in &config.data_files {
            let path = tables.directory.join(file);
            bytes += path.metadata().with_context(|| format!("cannot read back {}", path.display()))?.len();
        }
        facts.push(ConfigFacts { rl: name == RL, name, rows: config.rows, bytes });
    }
    Ok(facts)
}

impl fmt::Debug for ExportInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportInput")
            .field("instances", &self.instances.len())
            .field("candidates", &self.candidates.len())
            .field("verdicts", &self.verdicts.len())
            .finish_non_exhaustive()
    }
}
