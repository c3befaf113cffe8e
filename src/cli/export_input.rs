//! What an export needs, read from a run directory.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

use crate::admission::Admission;
use crate::dataset::export::{ExportInput, ExportOptions, ExportSummary, export};
use crate::digest::Digest;
use crate::exit_code::Stop;
use crate::generation::{Generation, Message, Skill};
use crate::instance::Instance;
use crate::journal::RunDir;
use crate::lab::Prompt;

/// Exports what a run directory holds. Generations come from blobs, one at a time.
pub(super) fn export_run(run: &RunDir, out: &Path, options: &ExportOptions) -> anyhow::Result<ExportSummary> {
    let Some(info) = run.info()? else {
        return Err(
            Stop::Usage(format!("{} has no run.json; run `assay verify` into it first", run.path().display())).into()
        );
    };
    let instances: Vec<Instance> = run.read_lines("instances.jsonl")?;
    let admissions: Vec<Admission> = run.read_lines("admissions.jsonl")?;
    let prompts: Vec<Prompt> = run.read_lines("prompts.jsonl")?;
    let prompts: BTreeMap<(String, Skill), Vec<Message>> =
        prompts.into_iter().map(|prompt| ((prompt.instance_id, prompt.skill), prompt.messages)).collect();
    let generation = |id: &Digest| {
        let bytes = run.blobs().get(id)?;
        serde_json::from_slice::<Generation>(&bytes).with_context(|| format!("blob {id} is not a generation"))
    };
    let prompt = |instance: &Instance, skill: Skill| {
        let found = prompts.get(&(instance.instance_id.clone(), skill)).cloned();
        found.with_context(|| format!("{}: no {skill} prompt in prompts.jsonl", instance.instance_id))
    };
    let input = ExportInput {
        instances: instances.into_iter().map(|instance| (instance.instance_id.clone(), instance)).collect(),
        admissions: admissions.into_iter().map(|admission| (admission.instance_id.clone(), admission)).collect(),
        candidates: run.read_lines("candidates.jsonl")?,
        verdicts: run.read_lines("verdicts.jsonl")?,
        receipts: run.read_lines("receipts.jsonl")?,
        generations: &generation,
        prompts: &prompt,
        input_digests: info.inputs,
    };
    export(&input, out, options)
}
