//! Quarantine: candidates that were left out for a secret or personal data. `OUT.quarantine.jsonl` lists them beside
//! the dataset by place and kind. They are in no part of the dataset.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::secrets::Finding;
use crate::model::digest::Digest;
use crate::model::verdict::Verdict;
use crate::output::write_file;

/// One line of the quarantine. What was found stays where it is; the generation's place says where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Held {
    candidate_id: Digest,
    instance_id: String,
    file: String,
    line: u64,
    finding: Finding,
    kind: &'static str,
}

/// Where an export to `out` lists what it holds back.
pub fn held_back(out: &Path) -> PathBuf {
    // `out/` and `out` are one place.
    let plain: PathBuf = out.components().collect();
    let mut name = plain.into_os_string();
    name.push(".quarantine.jsonl");
    PathBuf::from(name)
}

/// Candidates held back so far.
#[derive(Debug, Default)]
pub(crate) struct Quarantine(Vec<Held>);

impl Quarantine {
    pub fn add(&mut self, verdict: &Verdict, (finding, kind): (Finding, &'static str)) {
        self.0.push(Held {
            candidate_id: verdict.candidate_id.clone(),
            instance_id: verdict.instance_id.clone(),
            file: verdict.generation.file.clone(),
            line: verdict.generation.line,
            finding,
            kind,
        });
    }

    /// Writes `<out>.quarantine.jsonl`, or removes that of an earlier export if nothing is held back now.
    pub fn write_beside(self, out: &Path) -> Result<Option<PathBuf>> {
        let path = held_back(out);
        if self.0.is_empty() {
            if path.exists() {
                std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
            return Ok(None);
        }
        let mut text = Vec::new();
        for held in &self.0 {
            serde_json::to_writer(&mut text, held).context("a quarantined candidate cannot be written as JSON")?;
            text.push(b'\n');
        }
        write_file(&path, &text)?;
        Ok(Some(path))
    }
}
