//! Rows against their receipts and verdicts, and verdicts against their receipts.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;

use super::finding::{Findings, Place, Rule};
use super::shape::{Facts, Shape};
use crate::dataset::evidence::{ADMISSIONS, INSTANCES, RECEIPTS, VERDICTS, read_table};
use crate::dataset::seal::manifest::Manifest;
use crate::model::admission::Admission;
use crate::model::digest::Digest;
use crate::model::instance::Instance;
use crate::model::name::name;
use crate::model::receipt::Receipt;
use crate::model::verdict::{Evidence, Reason, Verdict, VerdictStatus};

/// What the evidence says about every candidate, reduced to what rows are held against.
#[derive(Debug, Default)]
pub struct Receipts {
    /// By digest.
    receipts: HashMap<String, SlimReceipt>,
    /// By candidate.
    verdicts: HashMap<String, SlimVerdict>,
    /// Digests of instances and admissions, by instance id.
    instances: HashMap<String, Digest>,
    admissions: HashMap<String, Digest>,
}

#[derive(Debug)]
struct SlimReceipt {
    candidate: Digest,
    patch: Digest,
    instance: Digest,
    admission: Digest,
    reason: Reason,
    status: VerdictStatus,
    trials: Vec<Digest>,
}

#[derive(Debug)]
struct SlimVerdict {
    instance: String,
    skill: String,
    status: VerdictStatus,
    evidence: Evidence,
    receipt: Digest,
}

impl Receipts {
    /// Reads the evidence and holds every verdict against its receipt. What cannot be read is a finding.
    pub fn read(root: &Path, manifest: &Manifest, findings: &mut Findings) -> Self {
        let mut this = Self::default();
        let mut unstable = Vec::new();
        let mut unreadable = Vec::new();
        let mut each = |table: &str, take: &mut dyn FnMut(&str, &str) -> Result<()>| {
            if let Err(error) = read_table(root, manifest, table, take) {
                unreadable.push((format!("evidence/{table}"), format!("{error:#}")));
            }
        };
        each(INSTANCES, &mut |line, place| {
            let instance: Instance = parse(line, place)?;
            this.instances.insert(instance.instance_id.clone(), instance.digest());
            Ok(())
        });
        each(ADMISSIONS, &mut |line, place| {
            let admission: Admission = parse(line, place)?;
            let digest = admission.digest();
            if !admission.unstable.is_empty() {
                unstable.push((place_of(place, &admission.instance_id), admission.unstable.len()));
            }
            this.admissions.insert(admission.instance_id, digest);
            Ok(())
        });
        each(RECEIPTS, &mut |line, place| {
            let receipt: Receipt = parse(line, place)?;
            this.receipts.insert(receipt.digest().to_string(), SlimReceipt::of(receipt));
            Ok(())
        });
        let (mut verdicts, mut contradictions) = (HashMap::new(), Vec::new());
        each(VERDICTS, &mut |line, place| {
            let verdict: Verdict = parse(line, place)?;
            if let Some(what) = this.contradiction(&verdict) {
                contradictions.push((place_of(place, verdict.candidate_id.short()), what));
            }
            verdicts.insert(verdict.candidate_id.to_string(), SlimVerdict::of(verdict));
            Ok(())
        });
        this.verdicts = verdicts;
        for (file, why) in unreadable {
            findings.add(Rule::EvidenceUnreadable, Place::file(file), why);
        }
        for (place, count) in unstable {
            findings.add(Rule::UnstableTests, place, format!("{count} tests wavered at admission"));
        }
        for (place, what) in contradictions {
            findings.add(Rule::VerdictContradictsReceipt, place, what);
        }
        this
    }

    pub fn verdicts(&self) -> usize {
        self.verdicts.len()
    }

    fn contradiction(&self, verdict: &Verdict) -> Option<String> {
        if verdict.reason.status() != verdict.status {
            return Some(format!("{} is not a reason to be {}", name(&verdict.reason), name(&verdict.status)));
        }
        let Some(receipt) = self.receipts.get(verdict.receipt.as_str()) else {
            return Some(format!("receipt {} is not there, or was edited", verdict.receipt.short()));
        };
        let differs = |what: &str| Some(format!("the receipt has another {what}"));
        if receipt.candidate != verdict.candidate_id {
            return differs("candidate");
        }
        if (receipt.status, receipt.reason) != (verdict.status, verdict.reason) {
            return differs("status or reason");
        }
        if receipt.trials != verdict.trials {
            return differs("list of trials");
        }
        let id = &verdict.instance_id;
        if self.instances.get(id).is_some_and(|instance| *instance != receipt.instance) {
            return differs("instance than the one in the evidence");
        }
        if self.admissions.get(id).is_some_and(|admission| *admission != receipt.admission) {
            return differs("admission than the one in the evidence");
        }
        None
    }

    /// Holds a row against its receipt and its verdict.
    pub fn check_row(&self, place: &Place, facts: &Facts, findings: &mut Findings) {
        if facts.shape != Shape::Sft {
            return;
        }
        let (Some(receipt), Some(candidate)) = (&facts.receipt, &facts.candidate_id) else {
            findings.add(Rule::RowWithoutReceipt, place.clone(), "it names no receipt or no candidate");
            return;
        };
        let Some(found) = self.receipts.get(receipt) else {
            findings.add(Rule::RowWithoutReceipt, place.clone(), format!("receipt {receipt} is not in the evidence"));
            return;
        };
        let patch = facts.patch.as_deref().unwrap_or_default();
        let differs = if found.candidate.as_str() != candidate {
            Some("candidate")
        } else if found.patch != Digest::of(patch.as_bytes()) {
            Some("patch")
        } else if found.status != VerdictStatus::Verified {
            Some("status: it is not verified")
        } else {
            None
        };
        if let Some(what) = differs {
            findings.add(Rule::RowContradictsReceipt, place.clone(), format!("the receipt has another {what}"));
        }
        if let Some(what) = self.against_verdict(facts, candidate, receipt) {
            findings.add(Rule::RowContradictsVerdict, place.clone(), what);
        }
    }

    fn against_verdict(&self, facts: &Facts, candidate: &str, receipt: &str) -> Option<String> {
        let Some(verdict) = self.verdicts.get(candidate) else {
            return Some("its candidate has no verdict".to_owned());
        };
        let differs = |what: &str| Some(format!("the verdict has another {what}"));
        if verdict.status != VerdictStatus::Verified {
            return Some(format!("the verdict is {}", name(&verdict.status)));
        }
        if verdict.status.at(verdict.evidence) != verdict.status {
            return Some("the verdict is verified at E0, and no row may rest on that".to_owned());
        }
        if verdict.receipt.as_str() != receipt {
            return differs("receipt");
        }
        if facts.instance_id.as_deref() != Some(&verdict.instance) {
            return differs("instance");
        }
        if facts.skill.as_deref() != Some(&verdict.skill) {
            return differs("skill");
        }
        (facts.evidence.as_deref() != Some(&name(&verdict.evidence)))
            .then(|| "the verdict has another evidence level".to_owned())
    }
}

impl SlimReceipt {
    fn of(receipt: Receipt) -> Self {
        Self {
            candidate: receipt.candidate_id,
            patch: receipt.patch,
            instance: receipt.instance,
            admission: receipt.admission,
            reason: receipt.reason,
            status: receipt.status,
            trials: receipt.trials.into_iter().map(|(trial, _)| trial).collect(),
        }
    }
}

impl SlimVerdict {
    fn of(verdict: Verdict) -> Self {
        Self {
            skill: verdict.skill.to_string(),
            status: verdict.status,
            evidence: verdict.evidence,
            instance: verdict.instance_id,
            receipt: verdict.receipt,
        }
    }
}

/// The place of a line as [`read_table`] gives it.
fn place_of(place: &str, about: &str) -> Place {
    let (file, row) = place.rsplit_once(':').unwrap_or((place, ""));
    Place { file: file.to_owned(), row: row.parse().ok(), about: Some(about.to_owned()) }
}

fn parse<T: DeserializeOwned>(line: &str, place: &str) -> Result<T> {
    serde_json::from_str(line).with_context(|| format!("{place} cannot be read"))
}
