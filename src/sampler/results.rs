//! Result files of OpenAI-style batch endpoints.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::endpoint::Answer;
use super::failure::{of_fault, of_status};
use super::fault::Fault;
use super::keep::generation_of;
use super::prompts::{Entry, Prompts};
use super::reply::Reply;
use crate::model::generation::Generation;
use crate::prompt::batch::parse_custom_id;
use crate::surrogates::repaired;

/// Hands over every sample of a result file, with its line; lines without one come with why.
///
/// # Errors
/// The file cannot be read, or `take` fails.
pub fn each_result(
    path: &Path,
    prompts: &Prompts,
    take: &mut dyn FnMut(u64, Result<Generation, String>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open batch results {}", path.display()))?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).with_context(|| format!("reading {}", path.display()))? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match samples_of(&line, prompts) {
            Ok(samples) => samples.into_iter().try_for_each(|sample| take(number, sample))?,
            Err(why) => take(number, Err(why))?,
        }
    }
    Ok(())
}

/// Each choice as a sample, or why it is none.
fn samples_of(line: &[u8], prompts: &Prompts) -> Result<Vec<Result<Generation, String>>, String> {
    let read = repaired(line);
    let row: Value = serde_json::from_str(&read.text).map_err(|error| format!("no JSON: {error}"))?;
    let custom_id = row.get("custom_id").and_then(Value::as_str).ok_or("no `custom_id`")?;
    let (prompt_id, first) = parse_custom_id(custom_id)
        .ok_or_else(|| format!("custom_id {custom_id:?} is not PROMPT_ID#INDEX; was the request made by assay?"))?;
    let entry: &Entry =
        prompts.find(prompt_id).ok_or_else(|| format!("prompt {prompt_id} is not in the prompts file"))?;
    let named = |why: &str| format!("{custom_id}: {why}");
    if let Some(fault) = Fault::beside(&row) {
        return Err(named(of_fault(&fault, "the line", None).why()));
    }
    let response = row.get("response").ok_or_else(|| named("no `response`"))?;
    let status = response.get("status_code").and_then(Value::as_u64).unwrap_or(200);
    let body = response.get("body").unwrap_or(&Value::Null);
    if status != 200 {
        let status = u16::try_from(status).map_err(|_| named(&format!("status_code {status} is no HTTP status")))?;
        return Err(named(of_status(status, &body.to_string(), None).why()));
    }
    if let Some(fault) = Fault::in_body(body) {
        return Err(named(of_fault(&fault, "the body", None).why()));
    }
    let answer = Answer { body: body.clone(), replaced: read.replaced.len(), after: None };
    let reply = Reply::of(&answer).map_err(|failure| named(failure.why()))?;
    let model = reply.model.clone();
    let generations = (first..)
        .zip(&reply.choices)
        .map(|(index, choice)| Ok(generation_of(entry, index, model.as_deref(), &Map::new(), &reply, choice)));
    Ok(generations.chain(reply.lost.iter().map(|failure| Err(named(failure.why())))).collect())
}
