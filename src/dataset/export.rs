//! Export: writes a dataset directory. Same input, same bytes. Candidates go through one at a time, grouped by instance
//! and skill; what stays in memory is a few dozen bytes per verdict, and a line per instance.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::card::croissant::{CROISSANT, croissant};
use super::card::facts::{Tally, facts};
use super::card::{card, licenses};
use super::census::{Census, Line};
use super::config_names::{PREFERENCE, RL};
use super::evidence;
use super::files::tables::Tables;
use super::group_writer::GroupWriter;
use super::options::ExportOptions;
use super::seal::entries::FileEntry;
use super::seal::manifest::{Contents, Manifest};
use super::seal::proof::prove;
use super::select::matched::Matched;
use super::select::quarantine::Quarantine;
use super::select::{Entry, order, select};
use super::source::Source;
use super::views::files::not_written;
use super::views::{View, dataset_info};
use crate::dataset::reward;
use crate::journal::{Record, StoredBlob};
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::receipt::Tool;
use crate::output::Directory;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportSummary {
    /// Config -> rows.
    pub rows: BTreeMap<String, u64>,
    /// Reason -> candidates that did not become SFT rows.
    pub left_out: BTreeMap<String, u64>,
    /// Reason -> tasks that did not become RL rows.
    pub left_out_tasks: BTreeMap<String, u64>,
    /// What was found of the names that the options give.
    #[serde(skip_serializing_if = "Matched::is_empty")]
    pub matched: Matched,
    /// None: there is no row, so nothing was written, for a dataset without rows cannot be loaded.
    pub path: Option<PathBuf>,
    /// Candidates that carry secrets or personal data are listed here; none: there were none.
    pub quarantine: Option<PathBuf>,
}

/// Writes the dataset to `out`, replacing a dataset that is there. It is written beside `out` first, so `out` is at any
/// time what it was or what it becomes. If no candidate gives a row, `out` stays as it was.
///
/// # Errors
/// A name in the options that nothing in the source has; a directory that cannot be written (the message names the path); a directory at `out` that is not a dataset; a verdict
/// whose instance, candidate, generation or receipt is not in the source.
pub fn export(source: &dyn Source, out: &Path, options: &ExportOptions) -> Result<ExportSummary> {
    let census = Census::of(source, &options.checks)?;
    let matched = Matched::find(&census.named, &options.checks)?;
    let directory = Directory::prepare(out, prove)?;
    let (contents, quarantine) = write(source, &census, &directory.path(), options, matched)
        .with_context(|| format!("cannot export to {}; nothing there was changed", out.display()))?;
    let path = if contents.configs.values().all(|config| config.rows == 0) {
        // What was written goes with the directory that never takes its place.
        drop(directory);
        None
    } else {
        directory.swap_in()?;
        Some(out.to_owned())
    };
    Ok(ExportSummary {
        rows: contents.configs.into_iter().map(|(config, entry)| (config, entry.rows)).collect(),
        left_out: contents.left_out,
        left_out_tasks: contents.left_out_tasks,
        matched: contents.matched,
        path,
        quarantine: quarantine.write_beside(out)?,
    })
}

fn write(
    source: &dyn Source,
    census: &Census,
    directory: &Path,
    options: &ExportOptions,
    mut matched: Matched,
) -> Result<(Contents, Quarantine)> {
    let mut tally = Tally::default();
    let entries = entries(source, &census.lines, &mut tally)?;
    for entry in &entries {
        let repo = &census.lines[entry.instance as usize].repo;
        if let Some(held_out) = matched.held_out.get_mut(repo) {
            held_out.candidates += 1;
        }
    }
    let states = &census.states;
    let refusals = select(&entries, states, &options.select);
    let mut tables = Tables {
        directory,
        bounds: options.bounds,
        configs: BTreeMap::new(),
        evidence: BTreeMap::new(),
        rows: BTreeMap::new(),
    };
    let mut writer = GroupWriter::open(source, census.extra_columns(), options, &tables, &mut tally)?;
    let mut start = 0;
    for group in entries.chunk_by(|one, other| (one.instance, one.skill) == (other.instance, other.skill)) {
        let number = group[0].instance as usize;
        writer.group(group, &refusals[start..start + group.len()], &census.lines[number].id, &states[number])?;
        start += group.len();
    }
    let quarantine = writer.close(&mut tables)?;
    write_facts(source, census, &mut tables)?;
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
    for (file, answers) in matched.benchmarks.iter_mut().zip(&tally.benchmark_answers) {
        file.matched_answers = *answers;
    }
    matched.views_not_written = not_written(&options.views, &tables);
    let facts = facts(source.inputs(), census, options, &tables, &tally, &matched, pictures)?;
    write_text(&directory.join("README.md"), &card(&facts)?)?;
    write_text(&directory.join("LICENSE.md"), &licenses(&facts)?)?;
    let mut shards = Vec::new();
    for (path, rows) in tables.rows.iter().filter(|(path, rows)| path.ends_with(".parquet") && **rows > 0) {
        shards.push(FileEntry::read(directory, path, Some(*rows))?);
    }
    write_text(&directory.join(CROISSANT), &format!("{:#}\n", croissant(&facts, &shards)))?;
    if facts.views.iter().any(|view| view == View::LlamaFactory.folder()) {
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
        settings: options.settings(&matched),
        matched,
        configs,
        evidence,
        left_out: tally.left_out.clone(),
        left_out_tasks: tally.left_out_tasks.clone(),
    };
    let manifest = Manifest::of_directory(directory, contents, &rows)?;
    manifest.write(directory, options.key.as_ref())?;
    Ok((manifest.contents, quarantine))
}

/// Reads every verdict once and keeps what selection needs, in the order of rows.
fn entries(source: &dyn Source, lines: &[Line], tally: &mut Tally) -> Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(source.verdicts());
    let mut files: BTreeMap<String, u32> = BTreeMap::new();
    for position in 0..source.verdicts() {
        let verdict = source.verdict(position)?;
        let Ok(instance) = lines.binary_search_by(|line| line.id.cmp(&verdict.instance_id)) else {
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

/// Writes the evidence that is not per candidate.
fn write_facts(source: &dyn Source, census: &Census, tables: &mut Tables<'_>) -> Result<()> {
    let states = census.lines.iter().zip(&census.states);
    let kept: BTreeSet<&str> =
        states.filter(|(_, state)| state.excluded.is_none()).map(|(line, _)| line.id.as_str()).collect();
    let mut instances = tables.evidence(evidence::INSTANCES, format::INSTANCE)?;
    kept.iter().try_for_each(|id| instances.push(&source.instance(id)?))?;
    let mut admissions = tables.evidence(evidence::ADMISSIONS, format::ADMISSION)?;
    for id in &kept {
        if let Some(admission) = source.admission(id)? {
            admissions.push(&admission)?;
        }
    }
    let mut contests = tables.evidence(evidence::CONTESTS, format::CONTEST)?;
    let mut known: Vec<_> = source.contests().iter().filter(|one| kept.contains(one.instance_id.as_str())).collect();
    known.sort_by_key(|contest| &contest.instance_id);
    known.into_iter().try_for_each(|contest| contests.push(contest))?;

    let mut journal = tables.evidence(evidence::JOURNAL, format::OUTCOME)?;
    let mut needed: BTreeSet<Digest> = BTreeSet::new();
    source.journal(&mut |record| {
        if let Record::Outcome(outcome) = record {
            if !kept.contains(outcome.trial.instance_id.as_str()) {
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
            blobs.push(&StoredBlob::of(&bytes))?;
        }
    }
    [instances, admissions, contests, journal, blobs].into_iter().try_for_each(|table| tables.close_evidence(table))
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
