//! What a selection chooses from: the repairs of a run, or files of answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::admission::Admission;
use crate::candidate::{Candidate, Payload, TrialTrees};
use crate::consensus::normal::{FileEdit, Normaliser, Sides, edits_of};
use crate::consensus::selection::Origin;
use crate::consensus::{Column, Entry, Panel, Seen};
use crate::generation::{Generation, GenerationRef, Skill};
use crate::instance::Instance;
use crate::intake::{self, Quarantined};
use crate::journal::RunDir;
use crate::judge::{OnBase, Step, on_base, on_repair, regression};
use crate::lab::Knowledge;
use crate::matrix::Matrix;
use crate::prompt::extract::extract;
use crate::repo::Repository;
use crate::verdict::{Verdict, VerdictStatus};

/// One instance with its candidates in their order, not yet normalised.
#[derive(Debug)]
pub(super) struct Issue {
    pub instance_id: String,
    pub samples: Vec<Sample>,
    pub tests: Vec<Column>,
    /// Where whole files come from; none: patches are read by the places that they show.
    pub files: Option<Files>,
}

/// One candidate.
#[derive(Debug)]
pub(super) struct Sample {
    pub origin: Origin,
    /// Unified diff; empty where there is none.
    pub patch: String,
    /// Tree with the patch and the files it changes.
    pub changed: Option<(String, Vec<String>)>,
    pub entry: Entry,
}

/// The tree that patches are against.
#[derive(Debug)]
pub(super) struct Files {
    pub repository: PathBuf,
    pub base: String,
}

impl Issue {
    /// Normalises every patch, equal ones once.
    pub fn panel(&mut self) -> anyhow::Result<Panel> {
        let repository = match &self.files {
            Some(files) => Some((Repository::open(&files.repository)?, files.base.as_str())),
            None => None,
        };
        let mut known: BTreeMap<&str, String> = BTreeMap::new();
        let mut normaliser = Normaliser::default();
        let mut entries = Vec::with_capacity(self.samples.len());
        for sample in &mut self.samples {
            let key = match known.get(sample.patch.as_str()) {
                Some(key) => key.clone(),
                None => {
                    let edits = match (&repository, &sample.changed) {
                        (Some((repository, base)), Some((tree, paths))) => whole(repository, base, tree, paths)?,
                        _ if sample.patch.trim().is_empty() => Vec::new(),
                        _ => edits_of(&sample.patch),
                    };
                    normaliser.key(&edits)
                }
            };
            known.insert(&sample.patch, key.clone());
            entries.push(Entry { key, ..std::mem::take(&mut sample.entry) });
        }
        Ok(Panel::new(self.instance_id.clone(), entries, std::mem::take(&mut self.tests)))
    }
}

/// The edits between two trees, by whole files.
fn whole(repository: &Repository, base: &str, tree: &str, paths: &[String]) -> anyhow::Result<Vec<FileEdit>> {
    let text = |tree: &str, path: &str| -> anyhow::Result<String> {
        let bytes = repository.read(tree, path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let edit = |path: &String| {
        let sides = Sides::Whole { old: text(base, path)?, new: text(tree, path)? };
        Ok(FileEdit { path: path.clone(), sides })
    };
    paths.iter().map(edit).collect()
}

/// Samples in the order in which they are counted: first samples of all files, then second ones, and so on.
fn in_order(samples: Vec<(GenerationRef, Sample)>) -> Vec<Sample> {
    let mut by_file: BTreeMap<String, Vec<(GenerationRef, Sample)>> = BTreeMap::new();
    for (place, sample) in samples {
        by_file.entry(place.file.clone()).or_default().push((place, sample));
    }
    let mut numbered = Vec::new();
    for (file, (_, mut samples)) in by_file.into_iter().enumerate() {
        samples.sort_by_key(|(place, _)| (place.index, place.line));
        numbered.extend(samples.into_iter().enumerate().map(|(number, (_, sample))| ((number, file), sample)));
    }
    numbered.sort_by_key(|(place, _)| *place);
    numbered.into_iter().map(|(_, sample)| sample).collect()
}

/// Reads files of answers: predictions, or generations that hold a unified diff.
pub(super) fn read_files(files: &[PathBuf]) -> anyhow::Result<(Vec<Issue>, Vec<Quarantined>)> {
    let mut issues: BTreeMap<String, Vec<(GenerationRef, Sample)>> = BTreeMap::new();
    let mut quarantined = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let answers = intake::read_answers(file)?;
        quarantined.extend(answers.quarantined);
        for (place, generation) in answers.generations {
            match patch_of(&generation) {
                Ok(patch) => {
                    let origin = Origin { candidate_id: generation.id(), generation: place.clone() };
                    let sample = Sample { origin, patch, changed: None, entry: Entry::default() };
                    // Files count in the order in which they are named.
                    let place = GenerationRef { file: format!("{number:08}"), ..place };
                    issues.entry(generation.instance_id.clone()).or_default().push((place, sample));
                }
                Err(why) => quarantined.push(Quarantined::new(&*place.file, place.line, why)),
            }
        }
    }
    let issue =
        |(instance_id, samples)| Issue { instance_id, samples: in_order(samples), tests: Vec::new(), files: None };
    Ok((issues.into_iter().map(issue).collect(), quarantined))
}

/// The diff that an answer holds; empty for an answer that holds nothing usable, which is a vote for nothing.
fn patch_of(generation: &Generation) -> Result<String, String> {
    if generation.skill != Skill::Repair {
        return Err(format!("an answer of the skill {}; only repairs are chosen from", generation.skill));
    }
    let (completion, reasoning) = generation.answer();
    match extract(Skill::Repair, completion, reasoning).payload {
        Ok(Payload::UnifiedDiff { diff }) => Ok(diff),
        Ok(other) => Err(format!(
            "the answer is in the form {}, which says nothing without its tree; run `assay verify` and select from its run",
            other.form()
        )),
        Err(_) => Ok(String::new()),
    }
}

/// Reads the repairs of a run, with what its trials showed.
pub(super) fn read_run(run: &RunDir, repos: Option<&Path>) -> anyhow::Result<Vec<Issue>> {
    let candidates: Vec<Candidate> = run.read_lines("candidates.jsonl")?;
    let admissions: Vec<Admission> = run.read_lines("admissions.jsonl")?;
    let verdicts: Vec<Verdict> = run.read_lines("verdicts.jsonl")?;
    let instances: Vec<Instance> = run.read_lines("instances.jsonl")?;
    let matrices: Vec<Matrix> =
        if run.path().join(crate::lab::MATRIX).exists() { run.read_lines(crate::lab::MATRIX)? } else { Vec::new() };
    let evidence = Knowledge::new(run.index()?, run.blobs().clone());
    let verdicts: BTreeMap<_, _> = verdicts.iter().map(|verdict| (&verdict.candidate_id, verdict.status)).collect();
    let admissions: BTreeMap<_, _> = admissions.iter().map(|a| (a.instance_id.as_str(), a)).collect();
    let matrices: BTreeMap<_, _> = matrices.iter().map(|matrix| (matrix.instance_id.as_str(), matrix)).collect();
    let repositories: BTreeMap<_, _> = instances
        .iter()
        .filter_map(|instance| Some((instance.instance_id.as_str(), intake::repository_in(repos?, &instance.repo))))
        .collect();

    let mut by_instance: BTreeMap<&str, Vec<&Candidate>> = BTreeMap::new();
    for candidate in &candidates {
        by_instance.entry(&candidate.instance_id).or_default().push(candidate);
    }
    let mut issues = Vec::new();
    for (id, candidates) in by_instance {
        let reading = Reading { run, evidence: &evidence, admission: admissions.get(id).copied(), verdicts: &verdicts };
        let tests = reading.tests(&candidates, matrices.get(id).copied());
        let repairs = candidates.iter().filter(|candidate| candidate.skill == Skill::Repair);
        let samples: anyhow::Result<Vec<_>> =
            repairs.map(|candidate| Ok((candidate.generation.clone(), reading.sample(candidate, &tests)?))).collect();
        let samples = in_order(samples?);
        if samples.is_empty() {
            continue;
        }
        let base = reading.admission.and_then(|admission| admission.trees.as_ref()).map(|trees| trees.base.clone());
        let files = repositories.get(id).cloned().zip(base).map(|(repository, base)| Files { repository, base });
        issues.push(Issue {
            instance_id: id.to_owned(),
            samples,
            tests: tests.columns.into_iter().map(|(column, _)| column).collect(),
            files,
        });
    }
    Ok(issues)
}

/// What is read per instance.
struct Reading<'r> {
    run: &'r RunDir,
    evidence: &'r Knowledge,
    admission: Option<&'r Admission>,
    verdicts: &'r BTreeMap<&'r crate::digest::Digest, VerdictStatus>,
}

/// Generated tests of an instance and the trees of repairs with them.
#[derive(Default)]
struct Tests {
    columns: Vec<(Column, OnBase)>,
    /// Test and repair -> the tree of both.
    joined: BTreeMap<(String, String), String>,
}

impl Reading<'_> {
    /// The generated tests that fail on base, if the matrix was made; equal ones once, with their number.
    fn tests(&self, candidates: &[&Candidate], matrix: Option<&Matrix>) -> Tests {
        let (Some(admission), Some(matrix)) = (self.admission, matrix) else { return Tests::default() };
        let mut tests = Tests::default();
        for candidate in candidates.iter().filter(|candidate| candidate.skill == Skill::Test) {
            let Step::Done(Some(test)) = on_base(candidate, admission, self.evidence) else { continue };
            match tests.columns.iter_mut().find(|(_, known)| *known == test) {
                Some((column, _)) => column.votes += 1,
                None => {
                    let count = |cases: &BTreeSet<String>| u32::try_from(cases.len()).unwrap_or(u32::MAX);
                    let (fails, passes) = (count(&test.failing), count(&test.passing));
                    tests.columns.push((Column { test: test.tree.clone(), votes: 1, fails, passes }, test));
                }
            }
        }
        let joined =
            matrix.joined.iter().map(|joined| ((joined.test.clone(), joined.over.clone()), joined.tree.clone()));
        tests.joined = joined.collect();
        tests
    }

    fn sample(&self, candidate: &Candidate, tests: &Tests) -> anyhow::Result<Sample> {
        let prepared = candidate.prepared.as_ref();
        let patch = match prepared {
            Some(prepared) => prepared.diff.clone(),
            // An instance without trees: the answer as it stands, where it is a diff.
            None if candidate.malformed.is_none() => self.submitted(candidate)?,
            None => String::new(),
        };
        let mut entry = Entry {
            verdict: self.verdicts.get(&candidate.candidate_id).copied(),
            tests: vec![Seen::NotRun; tests.columns.len()],
            ..Entry::default()
        };
        if let (Some(admission), Some(prepared), Some(TrialTrees::Repair { .. })) =
            (self.admission, prepared, &candidate.trees)
        {
            entry.regression = seen(regression(candidate, admission, self.evidence));
            for (place, (_, test)) in tests.columns.iter().enumerate() {
                if let Some(tree) = tests.joined.get(&(test.tree.clone(), prepared.tree.clone())) {
                    entry.tests[place] = seen(on_repair(test, tree, admission, self.evidence));
                }
            }
        }
        Ok(Sample {
            origin: Origin { candidate_id: candidate.candidate_id.clone(), generation: candidate.generation.clone() },
            changed: prepared.map(|prepared| (prepared.tree.clone(), prepared.files.clone())),
            patch,
            entry,
        })
    }

    fn submitted(&self, candidate: &Candidate) -> anyhow::Result<String> {
        let bytes = self.run.blobs().get(&candidate.candidate_id)?;
        let generation: Generation = serde_json::from_slice(&bytes)
            .with_context(|| format!("blob {} is not a generation", candidate.candidate_id))?;
        Ok(patch_of(&generation).unwrap_or_default())
    }
}

fn seen<T>(step: Step<Seen<T>>) -> Seen<T> {
    match step {
        Step::Done(seen) => seen,
        Step::Needs(_) => Seen::NotRun,
    }
}
