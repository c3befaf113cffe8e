//! A run directory as the source of a dataset. What is there stays on disk.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::evidence::CONTESTS;
use super::files::lines::{KeyedLines, Lines};
use super::source::Source;
use crate::exit_code::Stop;
use crate::journal::{Record, RunDir};
use crate::lab::Prompt;
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::model::contest::Contest;
use crate::model::digest::Digest;
use crate::model::generation::{Generation, Message, Skill};
use crate::model::instance::Instance;
use crate::model::receipt::Receipt;
use crate::model::verdict::Verdict;

/// What [`Source`] needs, from the files of a run.
pub struct RunSource<'a> {
    run: &'a RunDir,
    done: Option<&'a dyn Fn()>,
    instances: KeyedLines<String>,
    admissions: KeyedLines<String>,
    contests: Vec<Contest>,
    inputs: BTreeMap<String, Digest>,
    verdicts: Lines,
    candidates: KeyedLines<Digest>,
    receipts: KeyedLines<Digest>,
    prompts: KeyedLines<(String, Skill)>,
}

#[derive(Deserialize)]
struct CandidateKey {
    candidate_id: Digest,
}

#[derive(Deserialize)]
struct InstanceKey {
    instance_id: String,
}

#[derive(Deserialize)]
struct PromptKey {
    instance_id: String,
    skill: Skill,
}

impl<'a> RunSource<'a> {
    /// # Errors
    /// A directory that `assay verify` has not finished writing; a file of it that cannot be read, with the line.
    pub fn open(run: &'a RunDir) -> Result<Self> {
        let Some(info) = run.info()? else {
            let message = format!("{} has no run.json; run `assay verify` into it first", run.path().display());
            return Err(Stop::Usage(message).into());
        };
        let contests = format!("{CONTESTS}.jsonl");
        let contests = if run.path().join(&contests).exists() { run.read_lines(&contests)? } else { Vec::new() };
        let candidate_key = |line: &[u8]| Ok(serde_json::from_slice::<CandidateKey>(line)?.candidate_id);
        let instance_key = |line: &[u8]| Ok(serde_json::from_slice::<InstanceKey>(line)?.instance_id);
        let prompt_key = |line: &[u8]| {
            let PromptKey { instance_id, skill } = serde_json::from_slice(line)?;
            Ok((instance_id, skill))
        };
        Ok(Self {
            run,
            done: None,
            instances: KeyedLines::open(&file(run, "instances"), instance_key)?,
            admissions: KeyedLines::open(&file(run, "admissions"), instance_key)?,
            contests,
            inputs: info.inputs,
            verdicts: Lines::open(&file(run, "verdicts"), &mut |_, _| Ok(()))?,
            candidates: KeyedLines::open(&file(run, "candidates"), candidate_key)?,
            receipts: KeyedLines::open(&file(run, "receipts"), candidate_key)?,
            prompts: KeyedLines::open(&file(run, "prompts"), prompt_key)?,
        })
    }

    /// The same, and `done` is called for every candidate that is written or left out.
    pub fn watched<'b>(self, done: &'b dyn Fn()) -> RunSource<'b>
    where
        'a: 'b,
    {
        let source: RunSource<'b> = self;
        RunSource { done: Some(done), ..source }
    }
}

impl std::fmt::Debug for RunSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunSource").field("run", &self.run.path()).finish_non_exhaustive()
    }
}

fn file(run: &RunDir, name: &str) -> PathBuf {
    run.path().join(format!("{name}.jsonl"))
}

impl Source for RunSource<'_> {
    fn instances(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.instances.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    fn instance(&self, id: &str) -> Result<Instance> {
        self.instances.read(id)?.with_context(|| format!("instance {id} is gone"))
    }

    fn admission(&self, id: &str) -> Result<Option<Admission>> {
        self.admissions.read(id)
    }

    fn contests(&self) -> &[Contest] {
        &self.contests
    }

    fn inputs(&self) -> &BTreeMap<String, Digest> {
        &self.inputs
    }

    fn verdicts(&self) -> usize {
        self.verdicts.len()
    }

    fn verdict(&self, position: usize) -> Result<Verdict> {
        self.verdicts.read(position)
    }

    fn candidate(&self, id: &Digest) -> Result<Option<Candidate>> {
        self.candidates.read(id)
    }

    fn receipt(&self, candidate: &Digest) -> Result<Option<Receipt>> {
        self.receipts.read(candidate)
    }

    fn generation(&self, candidate: &Digest) -> Result<Generation> {
        let bytes = self.run.blobs().get(candidate)?;
        serde_json::from_slice(&bytes).with_context(|| format!("blob {candidate} is not a generation"))
    }

    fn prompt(&self, instance: &Instance, skill: Skill) -> Result<Vec<Message>> {
        let id = &instance.instance_id;
        let prompt: Option<Prompt> = self.prompts.read(&(id.clone(), skill))?;
        Ok(prompt.with_context(|| format!("{id}: no {skill} prompt in prompts.jsonl"))?.messages)
    }

    fn journal(&self, each: &mut dyn FnMut(&Record) -> Result<()>) -> Result<()> {
        let index = self.run.index()?;
        index.records().try_for_each(|record| each(&record?))
    }

    fn blob(&self, id: &Digest) -> Result<Vec<u8>> {
        self.run.blobs().get(id)
    }

    fn done(&self) {
        if let Some(done) = self.done {
            done();
        }
    }
}
