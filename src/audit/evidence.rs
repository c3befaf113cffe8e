//! Verdicts again from a dataset's evidence, without a sandbox, held against those that were published.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::finding::{Findings, Place, Rule};
use crate::dataset::evidence::{self, CANDIDATES, JOURNAL};
use crate::dataset::seal::manifest::Manifest;
use crate::lab::recompute;
use crate::model::digest::Digest;
use crate::model::name::name;
use crate::model::receipt::{Receipt, Tool};
use crate::model::verdict::Verdict;

/// Computes every verdict again; gives how many. Evidence that cannot be read or is not there is a finding.
///
/// # Errors
/// There is no room for the unpacked evidence.
pub fn check_verdicts(root: &Path, manifest: &Manifest, findings: &mut Findings) -> Result<u64> {
    let there = |table: &str| manifest.contents.evidence.contains_key(table);
    if !there(CANDIDATES) || !there(JOURNAL) {
        let message = "no candidates or no outcomes: verdicts cannot be computed again";
        findings.add(Rule::EvidenceMissing, Place::file("evidence"), message);
        return Ok(0);
    }
    let scratch = tempfile::tempdir().context("cannot make a directory for the evidence; free space in TMPDIR")?;
    match again(root, &scratch.path().join("run")) {
        Ok(pairs) => {
            let by = other_tool(&manifest.contents.tool);
            for (published, receipt, computed) in &pairs {
                compare(published, receipt.as_ref(), computed, &by, findings);
            }
            Ok(pairs.len() as u64)
        }
        Err(error) => {
            findings.add(Rule::EvidenceUnreadable, Place::file("evidence"), format!("{error:#}"));
            Ok(0)
        }
    }
}

type Pair = (Verdict, Option<Receipt>, (Verdict, Receipt));

/// Published verdicts with their receipts, each beside the computed one.
fn again(root: &Path, into: &Path) -> Result<Vec<Pair>> {
    let run = evidence::unpack(root, into)?;
    let published: Vec<Verdict> = run.read_lines("verdicts.jsonl")?;
    let receipts: Vec<Receipt> = run.read_lines("receipts.jsonl")?;
    let receipts: HashMap<_, _> = receipts.into_iter().map(|receipt| (receipt.digest(), receipt)).collect();
    // Written over what was published, which has been read.
    recompute(&run)?;
    let judged = run.read_lines::<Verdict>("verdicts.jsonl")?.into_iter().zip(run.read_lines("receipts.jsonl")?);
    let mut computed: HashMap<Digest, _> =
        judged.map(|(verdict, receipt)| (verdict.candidate_id.clone(), (verdict, receipt))).collect();
    let pair = |verdict: Verdict| {
        let id = &verdict.candidate_id;
        let judged =
            computed.remove(id).with_context(|| format!("candidate {id} has a verdict and is not in the evidence"))?;
        let receipt = receipts.get(&verdict.receipt).cloned();
        Ok((verdict, receipt, judged))
    };
    published.into_iter().map(pair).collect()
}

/// What to say of verdicts that differ if another version made them; nothing if this one did.
fn other_tool(tool: &Tool) -> String {
    let this = Tool::this();
    if *tool == this {
        return String::new();
    }
    format!(
        "; the dataset says that it is of {} {}, and this is {} {}, whose rules may be others: audit it with that version too",
        tool.name, tool.version, this.name, this.version
    )
}

fn compare(
    published: &Verdict,
    receipt: Option<&Receipt>,
    computed: &(Verdict, Receipt),
    by: &str,
    findings: &mut Findings,
) {
    let (verdict, fresh) = computed;
    // Another version of the tool signs its receipts with its own name, over the same evidence.
    let fresh = match receipt {
        Some(receipt) => Receipt { tool: receipt.tool.clone(), ..fresh.clone() },
        None => fresh.clone(),
    };
    let verdict = Verdict { receipt: fresh.digest(), ..verdict.clone() };
    if verdict == *published {
        return;
    }
    let words = |verdict: &Verdict| format!("{}/{}", name(&verdict.status), name(&verdict.reason));
    let message = if words(&verdict) != words(published) {
        format!("published as {}, and from the evidence it is {}", words(published), words(&verdict))
    } else if verdict.receipt != published.receipt {
        "its receipt is not what the evidence gives".to_owned()
    } else {
        "detail, evidence level or another field is not what the evidence gives".to_owned()
    };
    let about = format!("{} {}", published.instance_id, published.candidate_id.short());
    findings.add(
        Rule::VerdictNotReproduced,
        Place { file: "evidence".to_owned(), row: None, about: Some(about) },
        message + by,
    );
}
