//! Export: writes a dataset directory. Same input, same bytes. Candidates go through one at a time, grouped by instance
//! and skill; what stays in memory is a few dozen bytes per verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::card::{card, licenses};
use super::evidence;
use super::facts::{Tally, facts};
use super::manifest::{Contents, Manifest};
use super::parquet::Bounds;
use super::place::Place;
use super::rows::{Attempts, SftRow, own_prompt, rl_columns, rl_row, sft_columns, sft_row};
use super::select::{Entry, InstanceState, SelectOptions, order, select, usable};
use super::signature::SecretKey;
use super::source::Source;
use super::tables::{Table, Tables};
use crate::candidate::Candidate;
use crate::digest::Digest;
use crate::format;
use crate::generation::{Generation, Message, Skill};
use crate::instance::Instance;
use crate::journal::Record;
use crate::receipt::Tool;
use crate::serve::reward;
use crate::verdict::{Verdict, VerdictStatus};

/// Config with the SFT rows of all skills; the others are named after their skill.
pub(super) const SFT: &str = "sft";
pub(super) const RL: &str = "rl";

/// How to export.
#[derive(Debug)]
pub struct ExportOptions {
    pub select: SelectOptions,
    /// Title of the card.
    pub pretty_name: String,
    pub bounds: Bounds,
    /// Signs the statement.
    pub key: Option<SecretKey>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            select: SelectOptions::default(),
            pretty_name: "Verified software-engineering samples".to_owned(),
            bounds: Bounds::default(),
            key: None,
        }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportSummary {
    /// Config -> rows.
    pub rows: BTreeMap<String, u64>,
    /// Reason -> candidates that did not become SFT rows.
    pub left_out: BTreeMap<String, u64>,
    pub path: PathBuf,
}

/// Writes the dataset to `out`, replacing a dataset that is there. It is written beside `out` first, so `out` is at any
/// time what it was or what it becomes.
///
/// # Errors
/// A directory that cannot be written (the message names the path); a directory at `out` that is not a dataset; a verdict
/// whose instance, candidate, generation or receipt is not in the source.
pub fn export(source: &dyn Source, out: &Path, options: &ExportOptions) -> Result<ExportSummary> {
    let place = Place::prepare(out)?;
    let (rows, left_out) = match write(source, &place.partial, options) {
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

fn write(source: &dyn Source, directory: &Path, options: &ExportOptions) -> Result<(Tallies, Tallies)> {
    let ids: Vec<&str> = source.instances().keys().map(String::as_str).collect();
    let mut tally = Tally::default();
    let entries = entries(source, &ids, &mut tally)?;
    let states = states(source);
    let refusals = select(&entries, &states, &options.select);
    let mut tables = Tables {
        directory,
        bounds: options.bounds,
        configs: BTreeMap::new(),
        evidence: BTreeMap::new(),
        rows: BTreeMap::new(),
    };
    let mut writer = Writer::open(source, options, &tables, &mut tally)?;
    let mut start = 0;
    for group in entries.chunk_by(|one, other| (one.instance, one.skill) == (other.instance, other.skill)) {
        let state = &states[group[0].instance as usize];
        writer.group(group, &refusals[start..start + group.len()], ids[group[0].instance as usize], state)?;
        start += group.len();
    }
    writer.close(&mut tables)?;
    write_facts(source, &states, &mut tables)?;
    if tables.configs.get(RL).is_some_and(|config| config.rows > 0) {
        reward::write(directory)?;
    }

    let facts = facts(source, options, &tables, &tally)?;
    write_text(&directory.join("README.md"), &card(&facts)?)?;
    write_text(&directory.join("LICENSE.md"), &licenses(&facts)?)?;
    let Tables { configs, evidence, rows, .. } = tables;
    let counts = configs.iter().map(|(config, entry)| (config.clone(), entry.rows)).collect();
    let contents = Contents {
        tool: Tool::this(),
        inputs: source.inputs().clone(),
        settings: options.settings(),
        configs,
        evidence,
        left_out: tally.left_out.clone(),
        left_out_tasks: tally.left_out_tasks.clone(),
    };
    Manifest::of_directory(directory, contents, &rows)?.write(directory, options.key.as_ref())?;
    Ok((counts, tally.left_out))
}

impl ExportOptions {
    /// What was asked for, as the manifest says it.
    fn settings(&self) -> BTreeMap<String, serde_json::Value> {
        BTreeMap::from([
            ("min_evidence".to_owned(), serde_json::json!(self.select.min_evidence)),
            ("max_per_instance".to_owned(), serde_json::json!(self.select.cap)),
            ("max_per_repository".to_owned(), serde_json::json!(self.select.repository_cap)),
        ])
    }
}

/// Reads every verdict once and keeps what selection needs, in the order of rows.
fn entries(source: &dyn Source, ids: &[&str], tally: &mut Tally) -> Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(source.verdicts());
    let mut files: BTreeMap<String, u32> = BTreeMap::new();
    for position in 0..source.verdicts() {
        let verdict = source.verdict(position)?;
        let Ok(instance) = ids.binary_search(&verdict.instance_id.as_str()) else {
            bail!("instance {} has verdicts but is not in the input", verdict.instance_id);
        };
        let next = files.len() as u32;
        let file = *files.entry(verdict.generation.file.clone()).or_insert(next);
        tally.counts.0.add(&verdict);
        tally.counts.1.entry(verdict.skill).or_default().add(&verdict);
        entries.push(Entry {
            position: u32::try_from(position).context("more than four thousand million verdicts")?,
            instance: instance as u32,
            skill: verdict.skill,
            generation: (file, verdict.generation.line, verdict.generation.index),
            candidate: verdict.candidate_id.leading(),
            status: verdict.status,
            reason: verdict.reason,
            evidence: verdict.evidence,
            duplicate: verdict.duplicate_of.is_some(),
        });
    }
    // Files were numbered as they came; their order is that of their names.
    let mut ranks = vec![0; files.len()];
    (0_u32..).zip(files.into_values()).for_each(|(rank, number)| ranks[number as usize] = rank);
    entries.iter_mut().for_each(|entry| entry.generation.0 = ranks[entry.generation.0 as usize]);
    order(&mut entries);
    Ok(entries)
}

fn states(source: &dyn Source) -> Vec<InstanceState> {
    let repositories: BTreeSet<_> = source.instances().values().map(|instance| instance.repo.as_str()).collect();
    let numbers: BTreeMap<_, _> = repositories.into_iter().zip(0_u32..).collect();
    let state = |(id, instance): (&String, &Instance)| InstanceState {
        usable: usable(source.admissions().get(id)),
        repository: numbers.get(instance.repo.as_str()).copied().unwrap_or_default(),
        excluded: None,
    };
    source.instances().iter().map(state).collect()
}

/// Writes group after group.
struct Writer<'a> {
    source: &'a dyn Source,
    options: &'a ExportOptions,
    tally: &'a mut Tally,
    skills: BTreeMap<Skill, Table>,
    rl: Table,
    tasks: u64,
    candidates: Table,
    verdicts: Table,
    receipts: Table,
}

impl<'a> Writer<'a> {
    fn open(
        source: &'a dyn Source,
        options: &'a ExportOptions,
        tables: &Tables<'_>,
        tally: &'a mut Tally,
    ) -> Result<Self> {
        let mut skills = BTreeMap::new();
        for skill in Skill::ALL {
            skills.insert(skill, tables.config(&format!("{SFT}-{skill}"), &sft_columns(), format::SFT_ROW)?);
        }
        Ok(Self {
            source,
            options,
            tally,
            skills,
            rl: tables.config(RL, &rl_columns(), format::RL_ROW)?,
            tasks: 0,
            candidates: tables.evidence(evidence::CANDIDATES, format::CANDIDATE)?,
            verdicts: tables.evidence(evidence::VERDICTS, format::VERDICT)?,
            receipts: tables.evidence(evidence::RECEIPTS, format::RECEIPT)?,
        })
    }

    /// Writes what one instance's candidates of one skill give.
    fn group(&mut self, group: &[Entry], refusals: &[Option<String>], id: &str, state: &InstanceState) -> Result<()> {
        let skill = group[0].skill;
        let instance = self.source.instances().get(id).with_context(|| format!("instance {id} is gone"))?;
        let mut prompt = None;
        let mut rows = 0;
        for (entry, refusal) in group.iter().zip(refusals) {
            let verdict = self.source.verdict(entry.position as usize)?;
            let candidate = self.source.candidate(&verdict.candidate_id)?;
            if state.excluded.is_none() {
                self.evidence(&verdict, candidate.as_ref())?;
            }
            let refusal = match refusal {
                Some(why) => Some(why.clone()),
                None => self.row(instance, &verdict, candidate, &mut prompt, &mut rows)?,
            };
            if let Some(why) = refusal {
                *self.tally.left_out.entry(why).or_default() += 1;
            }
        }
        self.task(group, instance, skill, state, prompt)
    }

    fn evidence(&mut self, verdict: &Verdict, candidate: Option<&Candidate>) -> Result<()> {
        self.verdicts.push(verdict)?;
        if let Some(candidate) = candidate {
            self.candidates.push(candidate)?;
        }
        if let Some(receipt) = self.source.receipt(&verdict.candidate_id)? {
            self.receipts.push(&receipt)?;
        }
        Ok(())
    }

    /// Writes a row of the SFT configs, or says why there is none.
    fn row(
        &mut self,
        instance: &Instance,
        verdict: &Verdict,
        candidate: Option<Candidate>,
        prompt: &mut Option<Vec<Message>>,
        rows: &mut u64,
    ) -> Result<Option<String>> {
        let id = &verdict.candidate_id;
        let Some(candidate) = candidate else {
            bail!("the verdict on candidate {id} has no candidate in the run; verify again to make it");
        };
        let receipt = self.source.receipt(id)?;
        if receipt.is_none_or(|receipt| receipt.digest() != verdict.receipt) {
            bail!(
                "the verdict on candidate {id} names receipt {}, which is not there; run `assay judge`",
                verdict.receipt
            );
        }
        if self.options.select.cap.is_some_and(|cap| *rows >= cap) {
            return Ok(Some("cap".to_owned()));
        }
        let generation = self.source.generation(id).with_context(|| format!("the generation of candidate {id}"))?;
        let row = self.sft_row(instance, &generation, &candidate, verdict, prompt)?;
        self.tally.sft_row(&row);
        *rows += 1;
        match self.skills.get_mut(&verdict.skill) {
            Some(table) => table.push(&row)?,
            None => bail!("skill {} has no table; this is a bug of assay", verdict.skill),
        }
        Ok(None)
    }

    fn sft_row(
        &self,
        instance: &Instance,
        generation: &Generation,
        candidate: &Candidate,
        verdict: &Verdict,
        prompt: &mut Option<Vec<Message>>,
    ) -> Result<SftRow> {
        if own_prompt(generation).is_none() && prompt.is_none() {
            *prompt = Some(self.prompt(instance, verdict.skill)?);
        }
        Ok(sft_row(instance, generation, candidate, verdict, prompt.as_deref().unwrap_or_default()))
    }

    fn prompt(&self, instance: &Instance, skill: Skill) -> Result<Vec<Message>> {
        let prompt = self.source.prompt(instance, skill);
        prompt.with_context(|| format!("the {skill} prompt of instance {}", instance.instance_id))
    }

    /// Writes the row of the RL config.
    fn task(
        &mut self,
        group: &[Entry],
        instance: &Instance,
        skill: Skill,
        state: &InstanceState,
        prompt: Option<Vec<Message>>,
    ) -> Result<()> {
        let attempts = attempts(group);
        if attempts.judged() == 0 {
            return Ok(());
        }
        let id = &instance.instance_id;
        let admission = self.source.admissions().get(id).filter(|_| state.usable);
        let (Some(admission), None) = (admission, &state.excluded) else {
            let why = state.excluded.clone().unwrap_or_else(|| "not_admitted".to_owned());
            *self.tally.left_out_tasks.entry(why).or_default() += 1;
            return Ok(());
        };
        let prompt = match prompt {
            Some(prompt) => prompt,
            None => self.prompt(instance, skill)?,
        };
        self.rl.push(&rl_row(instance, admission, skill, attempts, &prompt, self.tasks))?;
        self.tasks += 1;
        self.tally.task(id, attempts);
        Ok(())
    }

    fn close(self, tables: &mut Tables<'_>) -> Result<()> {
        let mut all = super::manifest::Config { row_format: format::SFT_ROW.to_owned(), ..Default::default() };
        for (skill, table) in self.skills {
            tables.close_config(table)?;
            if let Some(config) = tables.configs.get(&format!("{SFT}-{skill}")) {
                all.rows += config.rows;
                all.data_files.extend(config.data_files.iter().cloned());
            }
        }
        tables.configs.insert(SFT.to_owned(), all);
        tables.close_config(self.rl)?;
        for table in [self.candidates, self.verdicts, self.receipts] {
            tables.close_evidence(table)?;
        }
        Ok(())
    }
}

/// Judged attempts. Duplicates are attempts too; inconclusive ones are not.
fn attempts(group: &[Entry]) -> Attempts {
    let mut attempts = Attempts::default();
    for entry in group.iter().filter(|entry| entry.reason.status() == entry.status) {
        match entry.status {
            VerdictStatus::Verified => attempts.verified += 1,
            VerdictStatus::Rejected => attempts.rejected += 1,
            VerdictStatus::Inconclusive => {}
        }
    }
    attempts
}

/// Writes the evidence that is not per candidate.
fn write_facts(source: &dyn Source, states: &[InstanceState], tables: &mut Tables<'_>) -> Result<()> {
    let kept: BTreeMap<_, _> = source
        .instances()
        .iter()
        .zip(states)
        .filter(|(_, state)| state.excluded.is_none())
        .map(|(one, _)| one)
        .collect();
    let mut instances = tables.evidence(evidence::INSTANCES, format::INSTANCE)?;
    kept.values().try_for_each(|instance| instances.push(instance))?;
    let mut admissions = tables.evidence(evidence::ADMISSIONS, format::ADMISSION)?;
    let known = source.admissions().iter().filter(|(id, _)| kept.contains_key(id));
    known.map(|(_, admission)| admission).try_for_each(|admission| admissions.push(admission))?;
    let mut contests = tables.evidence(evidence::CONTESTS, format::CONTEST)?;
    let mut known: Vec<_> = source.contests().iter().filter(|one| kept.contains_key(&one.instance_id)).collect();
    known.sort_by_key(|contest| &contest.instance_id);
    known.into_iter().try_for_each(|contest| contests.push(contest))?;

    let mut journal = tables.evidence(evidence::JOURNAL, format::OUTCOME)?;
    let mut needed: BTreeSet<Digest> = BTreeSet::new();
    source.journal(&mut |record| {
        if let Record::Outcome(outcome) = record {
            if !kept.contains_key(&outcome.trial.instance_id) {
                return Ok(());
            }
            needed.extend(evidence::needed_blob(outcome).cloned());
        }
        journal.push(record)
    })?;
    let mut blobs = tables.evidence(evidence::BLOBS, format::BLOB)?;
    for id in needed {
        // What cannot be read now could not be read by the judge either, and the verdicts say so.
        if let Ok(bytes) = source.blob(&id) {
            blobs.push(&evidence::StoredBlob::of(&bytes))?;
        }
    }
    [instances, admissions, contests, journal, blobs].into_iter().try_for_each(|table| tables.close_evidence(table))
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
