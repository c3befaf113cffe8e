//! A report about a run directory, or about a dataset by the run that its evidence holds: reads it candidate by candidate
//! and writes the page.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::detail::{Detail, Ran, detail};
use super::overview::Overview;
use super::page::{Head, Rows, begin, end};
use super::{shard, why};
use crate::dataset::evidence;
use crate::dataset::seal::manifest::Manifest;
use crate::exit_code::Stop;
use crate::journal::RunDir;
use crate::judge::Evidence as _;
use crate::lab::Knowledge;
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::model::digest::Digest;
use crate::model::generation::Generation;
use crate::model::instance::Instance;
use crate::model::name::name;
use crate::model::verdict::Verdict;
use crate::output::NewFile;

/// Candidates per shard: small enough to unpack in a blink, large enough to compress well.
const PER_SHARD: usize = 64;

/// What was written.
#[derive(Debug, Serialize)]
pub struct Written {
    pub report: PathBuf,
    pub candidates: u64,
    pub bytes: u64,
}

/// A line of the table: short keys, since there may be many.
#[derive(Debug, Serialize)]
struct Row {
    /// Instance, as an index into the instances.
    i: usize,
    /// Skill, status, reason, evidence, model: indices into [`Names`].
    k: usize,
    s: usize,
    r: usize,
    e: usize,
    m: usize,
    /// Row of the candidate that says the same, if an earlier one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<usize>,
}

/// What the indices of [`Row`] stand for.
#[derive(Debug, Default, Serialize)]
struct Names {
    instances: Vec<String>,
    skills: Vec<String>,
    statuses: Vec<String>,
    reasons: Vec<String>,
    evidence: Vec<String>,
    models: Vec<String>,
    /// What each reason means.
    why: BTreeMap<String, &'static str>,
    per_shard: usize,
}

#[derive(Debug, Serialize)]
struct Table<'a> {
    names: &'a Names,
    rows: &'a [Row],
}

/// Writes the report of a run directory to `out`; whole, or not at all.
pub fn report_run(run: &RunDir, out: &Path) -> anyhow::Result<Written> {
    report(run, title(run.path()), None, out)
}

/// Writes the report of a dataset that `assay export` wrote. Answers and models are not in its evidence, and so not in the
/// report.
pub fn report_dataset(dataset: &Path, out: &Path) -> anyhow::Result<Written> {
    let Manifest { contents, .. } = Manifest::read(dataset)?;
    let scratch = tempfile::tempdir().context("cannot make a directory for the evidence; free space in TMPDIR")?;
    let run = evidence::unpack(dataset, &scratch.path().join("run"))?;
    let rows = Rows {
        configs: contents.configs.into_iter().map(|(name, config)| (name, config.rows)).collect(),
        left_out: contents.left_out.into_iter().collect(),
    };
    report(&run, title(dataset), Some(rows), out)
}

fn report(run: &RunDir, title: String, rows: Option<Rows>, out: &Path) -> anyhow::Result<Written> {
    let Some(info) = run.info()? else {
        return Err(
            Stop::Usage(format!("{} has no run.json; run `assay verify` into it first", run.path().display())).into()
        );
    };
    let instances: Vec<Instance> = run.read_lines("instances.jsonl")?;
    let admissions: Vec<Admission> = run.read_lines("admissions.jsonl")?;
    let admissions: BTreeMap<_, _> =
        admissions.into_iter().map(|admission| (admission.instance_id.clone(), admission)).collect();
    let mut overview = Overview::default();
    for instance in &instances {
        overview.instance(instance, admissions.get(&instance.instance_id));
    }
    let knowledge = Knowledge::new(run.index()?, run.blobs().clone());
    let mut shards = tempfile::tempfile().context("cannot make a temporary file; free space or set TMPDIR")?;
    let gathered = gather(run, &admissions, &knowledge, &mut overview, &mut shards)?;
    let head = Head {
        title,
        sandbox: info.sandbox,
        tool: info.tool_version,
        repeats: info.repeats,
        inputs: info.inputs.iter().map(|(file, digest)| (file.clone(), digest.to_string())).collect(),
        curve: curve(run.path()),
        rows,
    };
    let bytes = write(out, &head, &overview, &gathered, &mut shards)
        .with_context(|| format!("cannot write {}; free space or choose another --out", out.display()))?;
    Ok(Written { report: out.to_owned(), candidates: gathered.rows.len() as u64, bytes })
}

#[derive(Default)]
struct Gathered {
    names: Names,
    rows: Vec<Row>,
}

/// Goes through candidates and verdicts side by side; details go to `shards` as they fill.
fn gather(
    run: &RunDir,
    admissions: &BTreeMap<String, Admission>,
    knowledge: &Knowledge,
    overview: &mut Overview,
    shards: &mut File,
) -> anyhow::Result<Gathered> {
    let mut gathered = Gathered::default();
    gathered.names.per_shard = PER_SHARD;
    let mut row_of: BTreeMap<Digest, usize> = BTreeMap::new();
    let mut waiting: Vec<Detail> = Vec::new();
    let mut out = BufWriter::new(shards);
    let mut verdicts = lines::<Verdict>(run, "verdicts.jsonl")?;
    for candidate in lines::<Candidate>(run, "candidates.jsonl")? {
        let candidate = candidate?;
        let verdict = verdicts.next().transpose()?;
        let verdict = verdict.filter(|verdict| verdict.candidate_id == candidate.candidate_id);
        let Some(verdict) = verdict else {
            bail!(
                "{}: verdicts.jsonl does not go with candidates.jsonl at candidate {}; run `assay judge {0}` first",
                run.path().display(),
                candidate.candidate_id
            );
        };
        let generation: Option<Generation> =
            run.blobs().get(&candidate.candidate_id).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let model = generation.as_ref().and_then(|generation| generation.model.clone());
        let model = model.unwrap_or_else(|| "not said".to_owned());
        overview.add(&candidate, &verdict, &model);
        let outcomes: Vec<_> = verdict.trials.iter().filter_map(|trial| knowledge.outcome(trial)).collect();
        outcomes.iter().for_each(|outcome| overview.trial(outcome));
        let answer = generation.as_ref().map_or("", |generation| generation.answer().0);
        let admission = admissions.get(&candidate.instance_id);
        let ran = Ran { outcomes, evidence: knowledge };
        waiting.push(detail(&candidate, &verdict, admission, answer, &ran));
        row_of.insert(candidate.candidate_id.clone(), gathered.rows.len());
        gathered.add(&verdict, &model, &row_of);
        if waiting.len() == PER_SHARD {
            shard::write(&mut out, &format!("data-{}", (gathered.rows.len() - 1) / PER_SHARD), &waiting)?;
            waiting.clear();
        }
    }
    if !waiting.is_empty() {
        shard::write(&mut out, &format!("data-{}", (gathered.rows.len() - 1) / PER_SHARD), &waiting)?;
    }
    out.flush()?;
    Ok(gathered)
}

impl Gathered {
    fn add(&mut self, verdict: &Verdict, model: &str, row_of: &BTreeMap<Digest, usize>) {
        let names = &mut self.names;
        let reason = name(&verdict.reason);
        names.why.entry(reason.clone()).or_insert_with(|| why::why(verdict.reason));
        self.rows.push(Row {
            i: index(&mut names.instances, verdict.instance_id.clone()),
            k: index(&mut names.skills, verdict.skill.to_string()),
            s: index(&mut names.statuses, name(&verdict.status)),
            r: index(&mut names.reasons, reason),
            e: index(&mut names.evidence, name(&verdict.evidence)),
            m: index(&mut names.models, model.to_owned()),
            d: verdict.duplicate_of.as_ref().and_then(|original| row_of.get(original).copied()),
        });
    }
}

/// Candidates of an instance follow one another, so the name is mostly near the end.
fn index(names: &mut Vec<String>, name: String) -> usize {
    names.iter().rposition(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

fn write(out: &Path, head: &Head, overview: &Overview, gathered: &Gathered, shards: &mut File) -> anyhow::Result<u64> {
    let mut page = NewFile::create(out)?;
    begin(&mut page, head, &overview.view())?;
    shard::write(&mut page, "data-table", &Table { names: &gathered.names, rows: &gathered.rows })?;
    shards.rewind()?;
    std::io::copy(shards, &mut page)?;
    end(&mut page)?;
    page.finish()
}

/// A JSON Lines file of the run, one item at a time.
fn lines<T: DeserializeOwned>(run: &RunDir, file: &str) -> anyhow::Result<impl Iterator<Item = anyhow::Result<T>>> {
    let path = run.path().join(file);
    let reader = File::open(&path)
        .with_context(|| format!("cannot read {}; run `assay verify` into this directory first", path.display()))?;
    Ok(BufReader::new(reader).lines().enumerate().map(move |(index, line)| {
        let place = || format!("{}:{} cannot be read", path.display(), index + 1);
        serde_json::from_str(&line.with_context(place)?).with_context(place)
    }))
}

fn title(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let names: Vec<_> = path.iter().rev().take(2).map(|name| name.to_string_lossy().into_owned()).collect();
    names.into_iter().rev().collect::<Vec<_>>().join("/")
}

/// The scaling curve, if `assay select` left one in the run directory.
fn curve(run: &Path) -> Option<String> {
    std::fs::read_to_string(run.join("selection/scaling.svg")).ok()
}
