//! Export: writes a dataset directory. Same input, same bytes. Candidates go through one at a time, grouped by instance
//! and skill; what stays in memory is a few dozen bytes per verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::json;

use super::card::{card, licenses};
use super::checks::{CheckOptions, Group, Licenses, Refusal, check_row, excluded_instances};
use super::croissant::{CROISSANT, croissant};
use super::evidence;
use super::facts::{Tally, facts};
use super::manifest::{Contents, FileEntry, Manifest};
use super::pairs::Pairs;
use super::parquet::Bounds;
use super::place::Place;
use super::quarantine::Quarantine;
use super::rows::{
    Attempts, Reasoning, SftRow, own_prompt, preference_columns, rl_columns, rl_row, sft_columns, sft_row,
};
use super::select::{Entry, InstanceState, SelectOptions, order, select, usable};
use super::signature::SecretKey;
use super::source::Source;
use super::tables::{Table, Tables};
use super::view_files::ViewFiles;
use super::views::{View, dataset_info};
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
pub(super) const PREFERENCE: &str = "preference";

/// How to export.
#[derive(Debug)]
pub struct ExportOptions {
    pub select: SelectOptions,
    pub checks: CheckOptions,
    /// Most preference pairs per instance and skill; 0: no preference config.
    pub pairs: u64,
    pub reasoning: Reasoning,
    /// Trainers' views to write.
    pub views: BTreeSet<View>,
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
            checks: CheckOptions::default(),
            pairs: 4,
            reasoning: Reasoning::default(),
            views: BTreeSet::new(),
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
    /// Reason -> tasks that did not become RL rows.
    pub left_out_tasks: BTreeMap<String, u64>,
    pub path: PathBuf,
    /// Candidates that carry secrets or personal data are listed here; none: there were none.
    pub quarantine: Option<PathBuf>,
}

/// Writes the dataset to `out`, replacing a dataset that is there. It is written beside `out` first, so `out` is at any
/// time what it was or what it becomes.
///
/// # Errors
/// A directory that cannot be written (the message names the path); a directory at `out` that is not a dataset; a verdict
/// whose instance, candidate, generation or receipt is not in the source.
pub fn export(source: &dyn Source, out: &Path, options: &ExportOptions) -> Result<ExportSummary> {
    let place = Place::prepare(out)?;
    let (contents, quarantine) = match write(source, &place.partial, options) {
        Ok(written) => written,
        Err(error) => {
            // The cause counts; what cannot be removed now is removed by the next export.
            let _ = std::fs::remove_dir_all(&place.partial);
            return Err(error.context(format!("cannot export to {}; nothing there was changed", out.display())));
        }
    };
    place.swap_in()?;
    Ok(ExportSummary {
        rows: contents.configs.into_iter().map(|(config, entry)| (config, entry.rows)).collect(),
        left_out: contents.left_out,
        left_out_tasks: contents.left_out_tasks,
        path: out.to_owned(),
        quarantine: quarantine.write_beside(out)?,
    })
}

fn write(source: &dyn Source, directory: &Path, options: &ExportOptions) -> Result<(Contents, Quarantine)> {
    let ids: Vec<&str> = source.instances().keys().map(String::as_str).collect();
    let mut tally = Tally::default();
    let entries = entries(source, &ids, &mut tally)?;
    let states = states(source, &options.checks);
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
    let quarantine = writer.close(&mut tables)?;
    write_facts(source, &states, &mut tables)?;
    if tables.configs.get(RL).is_some_and(|config| config.rows > 0) {
        reward::write(directory)?;
    }

    let mut pictures = BTreeMap::new();
    for (title, name, svg) in tally.pictures()? {
        let path = format!("pictures/{name}");
        std::fs::create_dir_all(directory.join("pictures"))
            .with_context(|| format!("cannot create {}", directory.join("pictures").display()))?;
        write_text(&directory.join(&path), &svg)?;
        pictures.insert(title.to_owned(), path);
    }
    let facts = facts(source, options, &tables, &tally, pictures)?;
    write_text(&directory.join("README.md"), &card(&facts)?)?;
    write_text(&directory.join("LICENSE.md"), &licenses(&facts)?)?;
    let mut shards = Vec::new();
    for (path, rows) in tables.rows.iter().filter(|(path, rows)| path.ends_with(".parquet") && **rows > 0) {
        shards.push(FileEntry::read(directory, path, Some(*rows))?);
    }
    write_text(&directory.join(CROISSANT), &format!("{:#}\n", croissant(&facts, &shards)))?;
    if options.views.contains(&View::LlamaFactory) {
        let filled = tables.configs.iter().filter(|(name, config)| name.starts_with("sft-") && config.rows > 0);
        let configs: Vec<_> = filled.map(|(name, _)| name.as_str()).collect();
        let pairs = tables.configs.get(PREFERENCE).is_some_and(|config| config.rows > 0);
        let text = format!("{:#}\n", dataset_info(&configs, pairs));
        write_text(&directory.join("dataset_info.json"), &text)?;
    }
    let Tables { configs, evidence, rows, .. } = tables;
    let contents = Contents {
        tool: Tool::this(),
        inputs: source.inputs().clone(),
        settings: options.settings(),
        configs,
        evidence,
        left_out: tally.left_out.clone(),
        left_out_tasks: tally.left_out_tasks.clone(),
    };
    let manifest = Manifest::of_directory(directory, contents, &rows)?;
    manifest.write(directory, options.key.as_ref())?;
    Ok((manifest.contents, quarantine))
}

impl ExportOptions {
    /// What was asked for, as the manifest says it.
    pub(super) fn settings(&self) -> BTreeMap<String, serde_json::Value> {
        let checks = &self.checks;
        let licenses = match &checks.licenses {
            Licenses::Any => json!("any"),
            Licenses::Known => json!("known"),
            Licenses::Only(only) => json!(only),
        };
        let views: Vec<_> = self.views.iter().map(|view| view.folder()).collect();
        let settings = [
            ("benchmark_instances", json!(checks.benchmarks.instances())),
            ("benchmark_repositories", json!(checks.benchmarks.repositories())),
            ("held_out_repositories", json!(checks.held_out)),
            ("licenses", licenses),
            ("max_per_instance", json!(self.select.cap)),
            ("max_per_repository", json!(self.select.repository_cap)),
            ("max_tokens", json!(checks.max_tokens)),
            ("min_evidence", json!(self.select.min_evidence)),
            ("near_duplicates", json!(checks.near_duplicates)),
            ("pairs", json!(self.pairs)),
            ("reasoning", json!(self.reasoning)),
            ("scan", json!(checks.scan)),
            ("tokenizer", json!(checks.counter.as_ref().map(|counter| counter.name()))),
            ("views", json!(views)),
        ];
        settings.map(|(name, value)| (name.to_owned(), value)).into()
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

fn states(source: &dyn Source, checks: &CheckOptions) -> Vec<InstanceState> {
    let mut excluded = excluded_instances(source.instances(), checks);
    let repositories: BTreeSet<_> = source.instances().values().map(|instance| instance.repo.as_str()).collect();
    let numbers: BTreeMap<_, _> = repositories.into_iter().zip(0_u32..).collect();
    let mut state = |(id, instance): (&String, &Instance)| InstanceState {
        usable: usable(source.admissions().get(id)),
        repository: numbers.get(instance.repo.as_str()).copied().unwrap_or_default(),
        excluded: excluded.remove(id),
    };
    source.instances().iter().map(&mut state).collect()
}

/// Writes group after group.
struct Writer<'a> {
    source: &'a dyn Source,
    options: &'a ExportOptions,
    tally: &'a mut Tally,
    skills: BTreeMap<Skill, Table>,
    rl: Table,
    preference: Option<Table>,
    views: ViewFiles,
    tasks: u64,
    quarantine: Quarantine,
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
            preference: match options.pairs {
                0 => None,
                _ => Some(tables.config(PREFERENCE, &preference_columns(), format::PREFERENCE_ROW)?),
            },
            views: ViewFiles::open(&options.views, tables)?,
            tasks: 0,
            quarantine: Quarantine::default(),
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
        let mut checked = Group::default();
        let mut rows = 0;
        let mut pairs = Pairs::new(self.options.pairs);
        for (entry, refusal) in group.iter().zip(refusals) {
            let verdict = self.source.verdict(entry.position as usize)?;
            let candidate = self.source.candidate(&verdict.candidate_id)?;
            let mut left_out = refusal.clone().map(Refusal::plain);
            if left_out.is_none() && self.options.select.cap.is_some_and(|cap| rows >= cap) {
                left_out = Some(Refusal::plain("cap".to_owned()));
            }
            if left_out.is_none() {
                let mut row = self.sft_row(instance, candidate.as_ref(), &verdict, &mut prompt)?;
                left_out = check_row(&mut row, &mut checked, &self.options.checks)?;
                if left_out.is_none() {
                    rows += 1;
                    self.push(&row)?;
                    pairs.chosen(row);
                }
            }
            let found = left_out.as_ref().and_then(|refusal| refusal.found);
            if let Some(found) = found {
                self.quarantine.add(&verdict, found);
            } else if state.excluded.is_none() {
                self.evidence(&verdict, candidate.as_ref())?;
            }
            if let Some(refusal) = left_out {
                *self.tally.left_out.entry(refusal.why).or_default() += 1;
            }
        }
        if rows > 0 {
            self.pairs(group, instance, pairs, &mut prompt)?;
        }
        self.task(group, instance, skill, state, prompt)
    }

    fn push(&mut self, row: &SftRow) -> Result<()> {
        self.tally.sft_row(row);
        self.views.sft(row)?;
        match self.skills.get_mut(&row.skill) {
            Some(table) => table.push(row),
            None => bail!("skill {} has no table; this is a bug of assay", row.skill),
        }
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

    /// The row of a verified candidate.
    fn sft_row(
        &mut self,
        instance: &Instance,
        candidate: Option<&Candidate>,
        verdict: &Verdict,
        prompt: &mut Option<Vec<Message>>,
    ) -> Result<SftRow> {
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
        let generation = self.generation(id)?;
        if own_prompt(&generation).is_none() && prompt.is_none() {
            *prompt = Some(self.prompt(instance, verdict.skill)?);
        }
        self.tally.sampling(generation.sampling.as_ref());
        let rendered = prompt.as_deref().unwrap_or_default();
        Ok(sft_row(instance, &generation, candidate, verdict, rendered, self.options.reasoning))
    }

    /// Writes pairs of the group's rows and its rejected answers.
    fn pairs(
        &mut self,
        group: &[Entry],
        instance: &Instance,
        mut pairs: Pairs,
        prompt: &mut Option<Vec<Message>>,
    ) -> Result<()> {
        let Some(preference) = &mut self.preference else { return Ok(()) };
        let rejected = |entry: &&Entry| {
            entry.status == VerdictStatus::Rejected && entry.reason.status() == entry.status && !entry.duplicate
        };
        for entry in group.iter().filter(rejected) {
            if pairs.is_full() {
                break;
            }
            let verdict = self.source.verdict(entry.position as usize)?;
            let id = &verdict.candidate_id;
            let generation = self.source.generation(id).with_context(|| format!("the generation of candidate {id}"))?;
            if own_prompt(&generation).is_none() && prompt.is_none() {
                let rendered = self.source.prompt(instance, verdict.skill);
                *prompt = Some(rendered.with_context(|| format!("the prompt of instance {}", instance.instance_id))?);
            }
            let rendered = prompt.as_deref().unwrap_or_default();
            if let Some(row) = pairs.rejected(&generation, rendered, &verdict, &self.options.checks) {
                preference.push(&row)?;
                self.views.preference(&row)?;
            }
        }
        Ok(())
    }

    fn generation(&self, id: &Digest) -> Result<Generation> {
        self.source.generation(id).with_context(|| format!("the generation of candidate {id}"))
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
        let row = rl_row(instance, admission, skill, attempts, &prompt, self.tasks);
        self.rl.push(&row)?;
        self.views.rl(&row, instance, admission)?;
        self.tasks += 1;
        self.tally.task(id, attempts);
        Ok(())
    }

    fn close(self, tables: &mut Tables<'_>) -> Result<Quarantine> {
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
        if let Some(table) = self.preference {
            tables.close_config(table)?;
        }
        self.views.close(tables)?;
        for table in [self.candidates, self.verdicts, self.receipts] {
            tables.close_evidence(table)?;
        }
        Ok(self.quarantine)
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
