//! Result files of OpenAI-style batch endpoints.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::prompts::{Entry, Prompts};
use super::reply::{Reply, short};
use super::run::generation_of;
use crate::generation::Generation;
use crate::prompt::batch::parse_custom_id;

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
            Ok(samples) => samples.into_iter().try_for_each(|sample| take(number, Ok(sample)))?,
            Err(why) => take(number, Err(why))?,
        }
    }
    Ok(())
}

fn samples_of(line: &[u8], prompts: &Prompts) -> Result<Vec<Generation>, String> {
    let row: Value = serde_json::from_slice(line).map_err(|error| format!("no JSON: {error}"))?;
    let custom_id = row.get("custom_id").and_then(Value::as_str).ok_or("no `custom_id`")?;
    let (prompt_id, first) = parse_custom_id(custom_id)
        .ok_or_else(|| format!("custom_id {custom_id:?} is not PROMPT_ID#INDEX; was the request made by assay?"))?;
    let entry: &Entry =
        prompts.find(prompt_id).ok_or_else(|| format!("prompt {prompt_id} is not in the prompts file"))?;
    if let Some(error) = row.get("error").filter(|error| !error.is_null()) {
        return Err(format!("{custom_id}: {}", short(&error.to_string())));
    }
    let response = row.get("response").ok_or_else(|| format!("{custom_id}: no `response`"))?;
    let status = response.get("status_code").and_then(Value::as_u64).unwrap_or(200);
    let body = response.get("body").unwrap_or(&Value::Null);
    if status != 200 {
        return Err(format!("{custom_id}: HTTP {status}: {}", short(&body.to_string())));
    }
    let reply = Reply::of(body).map_err(|why| format!("{custom_id}: {why}"))?;
    let model = reply.model.clone();
    let generations = (first..)
        .zip(&reply.choices)
        .map(|(index, choice)| generation_of(entry, index, model.as_deref(), &Map::new(), &reply, choice));
    Ok(generations.collect())
}
