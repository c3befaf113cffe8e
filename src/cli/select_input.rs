//! What a selection chooses from: the repairs of a run, or files of answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::consensus::change::read_together;
use crate::consensus::normal::Normaliser;
use crate::consensus::repeats::{Line, repeats};
use crate::consensus::selection::Origin;
use crate::consensus::{Column, Entry, FileEdit, LeftOut, Panel, Seen, Sides, Unfit};
use crate::images::cache::Cache;
use crate::intake::{self, Quarantined};
use crate::journal::RunDir;
use crate::judge::{OnBase, Step, on_base, on_repair, regression};
use crate::lab::{Knowledge, companion};
use crate::model::admission::Admission;
use crate::model::candidate::{Candidate, Payload, TrialTrees};
use crate::model::digest::Digest;
use crate::model::generation::{Generation, GenerationRef, Skill};
use crate::model::instance::Instance;
use crate::model::matrix::Matrix;
use crate::model::verdict::{Verdict, VerdictStatus};
use crate::prompt::extract::extract;
use crate::repo::Repository;
use crate::runner::{self, Runner};

/// One instance with its candidates in their order, not yet normalised.
#[derive(Debug)]
pub(super) struct Issue {
    pub instance_id: String,
    pub samples: Vec<Sample>,
    /// Where samples stand in the input again; these are none of `samples`.
    pub repeated: Vec<GenerationRef>,
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
    /// Where trees are kept of a repository that is not ours.
    pub cache: Cache,
}

impl Files {
    /// The repository as the run had it: with what was made for it.
    fn open(&self) -> anyhow::Result<Repository> {
        companion::open(&self.cache, &self.repository)
    }
}

impl Issue {
    /// Normalises every patch, equal ones once. What takes no part gets its reason and no key.
    pub fn panel(&mut self) -> anyhow::Result<Panel> {
        let repository = match &self.files {
            Some(files) => Some((files.open()?, files.base.as_str())),
            None => None,
        };
        let mut entries: Vec<Entry> = self.samples.iter_mut().map(|sample| std::mem::take(&mut sample.entry)).collect();
        let held = self.samples.iter().zip(&entries).filter(|(_, entry)| entry.left_out.is_none());
        // Whole files need no reading of places.
        let shown = held.filter(|(sample, _)| repository.is_none() || sample.changed.is_none());
        let changes = read_together(shown.map(|(sample, _)| sample.patch.as_str()));
        let mut known: BTreeMap<&str, Result<String, LeftOut>> = BTreeMap::new();
        let mut normaliser = Normaliser::default();
        for (sample, entry) in self.samples.iter().zip(&mut entries).filter(|(_, entry)| entry.left_out.is_none()) {
            if !known.contains_key(sample.patch.as_str()) {
                let edits = match (&repository, &sample.changed) {
                    (Some((repository, base)), Some((tree, paths))) => Ok(whole(repository, base, tree, paths)?),
                    (None, _) | (_, None) => match changes.get(sample.patch.as_str()) {
                        Some(Ok(change)) => Ok(change.edits()),
                        Some(Err(malformed)) => Err(LeftOut::from(malformed.clone())),
                        None => Ok(Vec::new()),
                    },
                };
                let key = edits
                    .map(|edits| normaliser.key(&edits))
                    .and_then(|key| if key.is_empty() { Err(LeftOut::changes_nothing()) } else { Ok(key) });
                known.insert(&sample.patch, key);
            }
            match known.get(sample.patch.as_str()) {
                Some(Ok(key)) => entry.key.clone_from(key),
                Some(Err(left_out)) => entry.left_out = Some(left_out.clone()),
                None => {}
            }
        }
        Ok(Panel::new(self.instance_id.clone(), entries, std::mem::take(&mut self.tests)))
    }
}

/// The edits between two trees, by whole files.
fn whole(repository: &Repository, base: &str, tree: &str, paths: &[String]) -> anyhow::Result<Vec<FileEdit>> {
    let text = |tree: &str, path: &str| -> anyhow::Result<String> {
        Ok(text_of(repository.read(tree, path)?.unwrap_or_default()))
    };
    let edit = |path: &String| {
        let sides = Sides::Whole { old: text(base, path)?, new: text(tree, path)? };
        Ok(FileEdit { path: path.clone(), moved: String::new(), sides })
    };
    paths.iter().map(edit).collect()
}

/// The text of a file. If it is not UTF-8, each byte is a character, so that files with different bytes stay different.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|other| other.as_bytes().iter().map(|byte| char::from(*byte)).collect())
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

/// What was read of files of answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub issues: Vec<Issue>,
    pub quarantined: Vec<Quarantined>,
}

/// A repair of a file, before it is known whether it stands there twice.
struct Repair {
    file: usize,
    instance_id: String,
    model: Option<String>,
    prompt_id: Option<String>,
    index: Option<u64>,
    says: Option<Digest>,
    sample: Sample,
}

impl Repair {
    fn new(file: usize, answer: intake::Answer, held: Result<String, LeftOut>) -> Self {
        let intake::Answer { place, generation, indexed } = answer;
        let (patch, left_out) = match held {
            Ok(patch) => (patch, None),
            Err(left_out) => (String::new(), Some(left_out)),
        };
        let origin = Origin { candidate_id: generation.id(), generation: place };
        let says = generation.answer().0;
        Self {
            file,
            index: indexed.then_some(generation.index),
            says: (!says.trim().is_empty()).then(|| Digest::of(says.as_bytes())),
            instance_id: generation.instance_id,
            model: generation.model,
            prompt_id: generation.prompt_id,
            sample: Sample { origin, patch, changed: None, entry: Entry { left_out, ..Entry::default() } },
        }
    }

    fn line<'r>(&'r self, same_as: &[usize]) -> Line<'r> {
        Line {
            file: self.file,
            same_as: same_as[self.file],
            instance: &self.instance_id,
            model: self.model.as_deref(),
            prompt: self.prompt_id.as_deref(),
            index: self.index,
            says: self.says.clone(),
        }
    }
}

/// The repairs of one instance.
#[derive(Default)]
struct Found {
    samples: Vec<(GenerationRef, Sample)>,
    repeated: Vec<GenerationRef>,
}

/// Reads files of answers: predictions, or generations that hold a unified diff.
pub(super) fn read_files(files: &[PathBuf]) -> anyhow::Result<Answers> {
    let mut read = Answers::default();
    let mut repairs: Vec<Repair> = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let answers = intake::read_answers(file)?;
        read.quarantined.extend(answers.quarantined);
        for answer in answers.answers {
            match patch_of(&answer.generation) {
                Ok(held) => repairs.push(Repair::new(number, answer, held)),
                Err(why) => read.quarantined.push(Quarantined::new(&*answer.place.file, answer.place.line, why)),
            }
        }
    }
    let same_as = same_files(files)?;
    let repeated = repeats(&repairs.iter().map(|repair| repair.line(&same_as)).collect::<Vec<_>>());
    let mut issues: BTreeMap<String, Found> = BTreeMap::new();
    for (repair, repeated) in repairs.into_iter().zip(repeated) {
        let found = issues.entry(repair.instance_id).or_default();
        let place = repair.sample.origin.generation.clone();
        if repeated {
            found.repeated.push(place);
        } else {
            // Files count in the order in which they are named.
            found.samples.push((GenerationRef { file: format!("{:08}", repair.file), ..place }, repair.sample));
        }
    }
    let issue = |(instance_id, found): (String, Found)| Issue {
        instance_id,
        samples: in_order(found.samples),
        repeated: found.repeated,
        tests: Vec::new(),
        files: None,
    };
    read.issues = issues.into_iter().map(issue).collect();
    Ok(read)
}

/// For each file the first one that is the same on the disk.
fn same_files(files: &[PathBuf]) -> anyhow::Result<Vec<usize>> {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |file: &PathBuf| {
        let metadata = file.metadata().with_context(|| format!("reading {}", file.display()))?;
        Ok((metadata.dev(), metadata.ino()))
    };
    let identities = files.iter().map(identity).collect::<anyhow::Result<Vec<_>>>()?;
    let first = |(number, identity)| identities.iter().position(|other| other == identity).unwrap_or(number);
    Ok(identities.iter().enumerate().map(first).collect())
}

/// The diff that an answer holds, or why the answer takes no part.
///
/// # Errors
/// The answer is none to choose from; for people.
fn patch_of(generation: &Generation) -> Result<Result<String, LeftOut>, String> {
    if generation.skill != Skill::Repair {
        return Err(format!("an answer of the skill {}; only repairs are chosen from", generation.skill));
    }
    let (completion, reasoning) = generation.answer();
    match extract(Skill::Repair, completion, reasoning).payload {
        Ok(Payload::UnifiedDiff { diff }) => Ok(Ok(diff)),
        Ok(other) => Err(format!(
            "the answer is in the form {}, which says nothing without its tree; run `assay verify` and select from its run",
            other.form()
        )),
        Err(malformed) => Ok(Err(malformed.into())),
    }
}

/// Reads the repairs of a run, with what its trials showed. `repos`: the folder of the repositories, and the cache of the run.
pub(super) fn read_run(run: &RunDir, repos: Option<(&Path, &Cache)>) -> anyhow::Result<Vec<Issue>> {
    let candidates: Vec<Candidate> = run.read_lines("candidates.jsonl")?;
    let admissions: Vec<Admission> = run.read_lines("admissions.jsonl")?;
    let verdicts: Vec<Verdict> = run.read_lines("verdicts.jsonl")?;
    let instances: Vec<Instance> = run.read_lines("instances.jsonl")?;
    let matrices: Vec<Matrix> =
        if run.path().join(crate::lab::MATRIX).exists() { run.read_lines(crate::lab::MATRIX)? } else { Vec::new() };
    let evidence = Knowledge::new(run.index()?, run.blobs().clone());
    let verdicts: BTreeMap<_, _> =
        verdicts.iter().map(|verdict| (&verdict.candidate_id, verdict.status.at(verdict.evidence))).collect();
    let admissions: BTreeMap<_, _> = admissions.iter().map(|a| (a.instance_id.as_str(), a)).collect();
    let matrices: BTreeMap<_, _> = matrices.iter().map(|matrix| (matrix.instance_id.as_str(), matrix)).collect();
    let repositories: BTreeMap<_, _> = instances
        .iter()
        .filter_map(|instance| Some((instance.instance_id.as_str(), intake::repository_in(repos?.0, &instance.repo))))
        .collect();

    let mut by_instance: BTreeMap<&str, Vec<&Candidate>> = BTreeMap::new();
    for candidate in &candidates {
        by_instance.entry(&candidate.instance_id).or_default().push(candidate);
    }
    let mut issues = Vec::new();
    for (id, candidates) in by_instance {
        let reading = Reading {
            run,
            evidence: &evidence,
            admission: admissions.get(id).and_then(|admission| Some((*admission, runner::of(&admission.framework)?))),
            verdicts: &verdicts,
        };
        let tests = reading.tests(&candidates, matrices.get(id).copied());
        let repairs = candidates.iter().filter(|candidate| candidate.skill == Skill::Repair);
        let (repairs, repeated) = reading.once(repairs.copied().collect())?;
        let repairs = repairs.into_iter();
        let samples: anyhow::Result<Vec<_>> =
            repairs.map(|candidate| Ok((candidate.generation.clone(), reading.sample(candidate, &tests)?))).collect();
        let samples = in_order(samples?);
        if samples.is_empty() {
            continue;
        }
        let base =
            reading.admission.and_then(|(admission, _)| admission.trees.as_ref()).map(|trees| trees.base.clone());
        let files = repositories.get(id).cloned().zip(base).zip(repos);
        let files = files.map(|((repository, base), (_, cache))| Files { repository, base, cache: cache.clone() });
        issues.push(Issue {
            instance_id: id.to_owned(),
            samples,
            repeated,
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
    admission: Option<(&'r Admission, &'r dyn Runner)>,
    verdicts: &'r BTreeMap<&'r crate::model::digest::Digest, VerdictStatus>,
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
        let (Some((admission, runner)), Some(matrix)) = (self.admission, matrix) else { return Tests::default() };
        let mut tests = Tests::default();
        for candidate in candidates.iter().filter(|candidate| candidate.skill == Skill::Test) {
            let Step::Done(Some(test)) = on_base(candidate, admission, runner, self.evidence) else { continue };
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

    /// The repairs, each sample once, and where samples stand again. A run does not say whether an index was said: it was, if
    /// one of the instance's samples in the file has another index than the first.
    fn once<'c>(&self, repairs: Vec<&'c Candidate>) -> anyhow::Result<(Vec<&'c Candidate>, Vec<GenerationRef>)> {
        let mut by_place: BTreeMap<(&str, u64), Vec<&Candidate>> = BTreeMap::new();
        for candidate in &repairs {
            let place = &candidate.generation;
            by_place.entry((place.file.as_str(), place.index)).or_default().push(candidate);
        }
        let indexed: BTreeSet<&str> = by_place.keys().filter(|(_, index)| *index > 0).map(|(file, _)| *file).collect();
        let mut again: BTreeSet<(&str, u64)> = BTreeSet::new();
        for ((file, _), candidates) in
            by_place.iter().filter(|((file, _), all)| all.len() > 1 && indexed.contains(file))
        {
            // Only the generation says whose sample it is.
            let mut seen = BTreeSet::new();
            for candidate in candidates {
                let generation = self.generation(candidate)?;
                if !seen.insert((generation.model, generation.prompt_id)) {
                    again.insert((*file, candidate.generation.line));
                }
            }
        }
        let (repeated, once): (Vec<_>, Vec<_>) = repairs
            .into_iter()
            .partition(|candidate| again.contains(&(candidate.generation.file.as_str(), candidate.generation.line)));
        Ok((once, repeated.into_iter().map(|candidate| candidate.generation.clone()).collect()))
    }

    fn sample(&self, candidate: &Candidate, tests: &Tests) -> anyhow::Result<Sample> {
        let prepared = candidate.prepared.as_ref();
        let held = match (prepared, &candidate.malformed) {
            (Some(prepared), _) if prepared.diff.trim().is_empty() => Err(LeftOut {
                why: Unfit::ChangesNothing,
                detail: "nothing is left of the change after the policy took back what it may not touch".to_owned(),
            }),
            (Some(prepared), _) => Ok(prepared.diff.clone()),
            // An instance without trees: the answer as it stands, where it is a diff.
            (None, None) => self.submitted(candidate)?,
            (None, Some(malformed)) => Err(malformed.clone().into()),
        };
        let (patch, left_out) = match held {
            Ok(patch) => (patch, None),
            Err(left_out) => (String::new(), Some(left_out)),
        };
        let mut entry = Entry {
            left_out,
            verdict: self.verdicts.get(&candidate.candidate_id).copied(),
            tests: vec![Seen::NotRun; tests.columns.len()],
            ..Entry::default()
        };
        if let (Some((admission, runner)), Some(prepared), Some(TrialTrees::Repair { .. })) =
            (self.admission, prepared, &candidate.trees)
        {
            entry.regression = seen(regression(candidate, admission, runner, self.evidence));
            for (place, (_, test)) in tests.columns.iter().enumerate() {
                if let Some(tree) = tests.joined.get(&(test.tree.clone(), prepared.tree.clone())) {
                    entry.tests[place] = seen(on_repair(test, tree, admission, runner, self.evidence));
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

    fn submitted(&self, candidate: &Candidate) -> anyhow::Result<Result<String, LeftOut>> {
        let other = |detail| Err(LeftOut { why: Unfit::NoPatch, detail });
        Ok(patch_of(&self.generation(candidate)?).unwrap_or_else(other))
    }

    fn generation(&self, candidate: &Candidate) -> anyhow::Result<Generation> {
        let bytes = self.run.blobs().get(&candidate.candidate_id)?;
        serde_json::from_slice(&bytes).with_context(|| format!("blob {} is not a generation", candidate.candidate_id))
    }
}

fn seen<T>(step: Step<Seen<T>>) -> Seen<T> {
    match step {
        Step::Done(seen) => seen,
        Step::Needs(_) => Seen::NotRun,
    }
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn files_that_differ_in_bytes_that_are_not_utf_8_are_different_changes() {
        assert_eq!(text_of("Küste".as_bytes().to_vec()), "Küste");
        assert_ne!(text_of(b"K\xfcste".to_vec()), text_of(b"K\xf6ste".to_vec()));
        assert_eq!(text_of(b"K\xfcste\n".to_vec()), "Küste\n");
    }
}
