//! What an audit found, as scripts and people read it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::content::Measures;
use super::finding::{Finding, Findings, Level, Rule};
use crate::console::table;
use crate::model::format;
use crate::model::receipt::Tool;

/// Lines per rule that people are shown.
const SHOWN: usize = 5;

/// `audit.v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditReport {
    /// Always `audit.v1`.
    pub format: String,
    pub tool: Tool,
    /// As it was named.
    pub dataset: String,
    /// The worst level; null: nothing was found.
    pub worst: Option<Level>,
    /// Rule -> findings, those that are not listed included.
    pub counts: BTreeMap<Rule, u64>,
    /// Worst first; of many of one rule the first 50.
    pub findings: Vec<Finding>,
    pub measures: Measures,
    /// What was checked: check -> things it was done to.
    pub checked: BTreeMap<String, u64>,
    /// Of a random sample that was run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun: Option<Agreement>,
}

/// How many rows of a sample came to the same verdict again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Agreement {
    pub agreed: u64,
    /// Rows that were run again and came to a verdict.
    pub of: u64,
    /// Bounds of the exact 95 % interval of the share, 0 to 1.
    pub interval: (f64, f64),
    pub seed: u64,
}

impl AuditReport {
    pub fn new(dataset: &str, findings: &Findings, measures: Measures, checked: BTreeMap<String, u64>) -> Self {
        Self {
            format: format::AUDIT.to_owned(),
            tool: Tool::this(),
            dataset: dataset.to_owned(),
            worst: findings.worst(),
            counts: findings.counts().clone(),
            findings: findings.kept(),
            measures,
            checked,
            rerun: None,
        }
    }

    /// Whether something was found that a careful trainer would act on.
    pub fn has_findings(&self) -> bool {
        self.worst.is_some_and(|worst| worst > Level::Note)
    }

    /// For people: what was checked, what was found, what to do.
    pub fn text(&self) -> String {
        let mut parts = vec![format!("{}: {}", self.dataset, self.summary())];
        if !self.checked.is_empty() {
            let checked: Vec<_> = self.checked.iter().map(|(what, count)| format!("{count} {what}")).collect();
            parts.push(format!("checked: {}", checked.join(", ")));
        }
        if let Some(rerun) = &self.rerun {
            let (low, high) = rerun.interval;
            parts.push(format!(
                "run again: {} of {} agree ({:.1} to {:.1} % with 95 % confidence; --seed {})",
                rerun.agreed,
                rerun.of,
                low * 100.0,
                high * 100.0,
                rerun.seed
            ));
        }
        if self.counts.is_empty() {
            parts.push("nothing found".to_owned());
            return parts.join("\n");
        }
        parts.push(format!("\n{}", self.table()));
        for (rule, count) in self.worst_first() {
            parts.push(format!("\n{rule}: {} {}", rule.what(), rule.next()));
            let of_rule: Vec<_> = self.findings.iter().filter(|finding| finding.rule == rule).take(SHOWN).collect();
            parts.extend(of_rule.iter().map(|finding| format!("  {}: {}", finding.place, finding.message)));
            let more = count.saturating_sub(of_rule.len() as u64);
            if more > 0 {
                parts.push(format!("  and {more} more (--json lists up to 50)"));
            }
        }
        parts.join("\n")
    }

    fn summary(&self) -> String {
        let measures = &self.measures;
        let shapes: Vec<_> = measures.shapes.iter().map(|(shape, rows)| format!("{rows} {shape}")).collect();
        let mut text = format!("{} rows", measures.rows);
        if !shapes.is_empty() {
            text.push_str(&format!(" ({})", shapes.join(", ")));
        }
        text.push_str(&format!(", {} instances, {} repositories", measures.instances, measures.repositories));
        if measures.patches > 0 {
            let share = |part: u64| 100.0 * part as f64 / measures.patches as f64;
            text.push_str(&format!(
                "; of {} patches {:.1} % edit tests, {:.1} % are empty, {:.1} % unreadable",
                measures.patches,
                share(measures.edit_tests),
                share(measures.empty_patches),
                share(measures.unreadable_patches)
            ));
        }
        text
    }

    fn worst_first(&self) -> Vec<(Rule, u64)> {
        let mut counts: Vec<_> = self.counts.iter().map(|(rule, count)| (*rule, *count)).collect();
        counts.sort_by_key(|(rule, _)| (std::cmp::Reverse(rule.level()), *rule));
        counts
    }

    fn table(&self) -> String {
        let level = |rule: Rule| format!("{:?}", rule.level()).to_lowercase();
        let mut rows = vec![["found", "level", "count"].map(str::to_owned).to_vec()];
        rows.extend(self.worst_first().into_iter().map(|(rule, n)| vec![rule.id(), level(rule), n.to_string()]));
        table(&rows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Place;
    use super::*;

    #[test]
    fn people_see_what_was_found_worst_first_and_what_to_do() {
        let mut findings = Findings::default();
        for row in 1..=7 {
            findings.add(Rule::EditsTests, Place::row("a.jsonl", row, Some("x")), "it changes tests/test_a.py");
        }
        findings.add(Rule::FileChanged, Place::file("sft/train.parquet"), "other digest");
        let report =
            AuditReport::new("data", &findings, Measures::default(), BTreeMap::from([("files".to_owned(), 3)]));
        let text = report.text();
        assert!(report.has_findings());
        assert!(text.find("file-changed").unwrap() < text.find("edits-tests").unwrap(), "{text}");
        assert!(
            text.contains("a.jsonl:5 (x): it changes") && text.contains("and 2 more") && text.contains("3 files"),
            "{text}"
        );
        assert!(!AuditReport::new("d", &Findings::default(), Measures::default(), BTreeMap::new()).has_findings());
    }
}
