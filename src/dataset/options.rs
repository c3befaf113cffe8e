//! How a dataset is exported, and what the manifest says about it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::files::parquet::Bounds;
use super::rows::Reasoning;
use super::seal::checks::{CheckOptions, Licenses};
use super::seal::signature::SecretKey;
use super::select::SelectOptions;
use super::select::matched::Matched;
use super::views::View;

/// How to export.
#[derive(Debug)]
pub struct ExportOptions {
    pub select: SelectOptions,
    pub checks: CheckOptions,
    /// No SFT rows and no preference config: the tasks of the RL config alone.
    pub only_tasks: bool,
    /// Most preference pairs per instance and skill; 0: no preference config.
    pub pairs: u64,
    pub reasoning: Reasoning,
    /// Trainers' views to write.
    pub views: BTreeSet<View>,
    /// Title of the card.
    pub pretty_name: String,
    pub bounds: Bounds,
    /// Signs the statement.
    pub key: Option<SecretKey>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            select: SelectOptions::default(),
            checks: CheckOptions::default(),
            only_tasks: false,
            pairs: 4,
            reasoning: Reasoning::default(),
            views: BTreeSet::new(),
            pretty_name: "Verified software-engineering samples".to_owned(),
            bounds: Bounds::default(),
            key: None,
        }
    }
}

impl ExportOptions {
    /// What was asked for, as the manifest says it: names as the run has them, and the views that were written.
    pub(super) fn settings(&self, matched: &Matched) -> BTreeMap<String, serde_json::Value> {
        let checks = &self.checks;
        let licenses = match &checks.licenses {
            Licenses::Any => json!("any"),
            Licenses::Known => json!("known"),
            Licenses::Only(only) => json!(only),
        };
        let written = |view: &&str| !matched.views_not_written.contains_key(*view);
        let views: Vec<_> = self.views.iter().map(|view| view.folder()).filter(written).collect();
        let settings = [
            ("benchmark_instances", json!(checks.benchmarks.instances())),
            ("benchmark_repositories", json!(checks.benchmarks.repositories())),
            ("held_out_repositories", json!(matched.held_out.keys().collect::<Vec<_>>())),
            ("licenses", licenses),
            ("max_per_instance", json!(self.select.cap)),
            ("max_per_repository", json!(self.select.repository_cap)),
            ("max_tokens", json!(checks.max_tokens)),
            ("min_evidence", json!(self.select.min_evidence)),
            ("near_duplicates", json!(checks.near_duplicates)),
            ("only_tasks", json!(self.only_tasks)),
            ("pairs", json!(self.pairs)),
            ("reasoning", json!(self.reasoning)),
            ("scan", json!(checks.scan)),
            ("tokenizer", json!(checks.counter.as_ref().map(|counter| counter.name()))),
            ("views", json!(views)),
        ];
        settings.map(|(name, value)| (name.to_owned(), value)).into()
    }
}
