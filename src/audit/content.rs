//! What the rows of a dataset show by themselves: duplicates, leaks, licences, patches, labels. One row at a time; kept
//! are digests, never texts.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::benchmarks::Benchmarks;
use super::finding::{Findings, Place, Rule};
use super::patch_facts::{PatchFacts, patch_facts, stands_in_answer};
use super::shape::{Facts, Shape};
use crate::dataset::select::near::{Seen, Signature, diff_shingles, shingles};
use crate::leak::Leaks;
use crate::logs::LogFormat;
use crate::model::digest::Digest;
use crate::model::instance::Instance;

/// Rows are almost the same from this estimated share of common shingles on.
const NEAR: f64 = 0.9;
/// Texts with fewer shingles are alike by chance.
const FEW_SHINGLES: usize = 24;

/// Counts over all rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Measures {
    pub rows: u64,
    /// Shape of a row -> rows.
    pub shapes: BTreeMap<String, u64>,
    pub instances: u64,
    pub repositories: u64,
    /// Skill -> rows, for rows that have one.
    pub skills: BTreeMap<String, u64>,
    /// Evidence level -> rows, for rows that have one.
    pub evidence: BTreeMap<String, u64>,
    /// Licence -> rows; `unknown` where none is stated.
    pub licences: BTreeMap<String, u64>,
    /// Rows with a patch.
    pub patches: u64,
    /// Of those, rows whose patch changes tests or what configures their runner (generated tests aside).
    pub edit_tests: u64,
    pub empty_patches: u64,
    pub unreadable_patches: u64,
    /// Rows of a level below E2, or with no word on how they were verified.
    pub weak_evidence: u64,
    pub duplicates: u64,
    pub near_duplicates: u64,
    /// Label of somebody's grader -> rows.
    pub labels: BTreeMap<String, u64>,
}

/// The checks, and what they have seen.
#[derive(Debug)]
pub struct Content<'a> {
    benchmarks: &'a Benchmarks,
    measures: Measures,
    exact: HashMap<Digest, Place>,
    near: Seen,
    near_places: Vec<(Option<String>, Place)>,
    labels: HashMap<Digest, (bool, Place)>,
    instances: BTreeSet<String>,
    repositories: BTreeSet<String>,
    /// Tables of which it was said once that a column is missing.
    said: BTreeSet<(Rule, String)>,
}

impl<'a> Content<'a> {
    pub fn new(benchmarks: &'a Benchmarks) -> Self {
        Self {
            benchmarks,
            measures: Measures::default(),
            exact: HashMap::new(),
            near: Seen::default(),
            near_places: Vec::new(),
            labels: HashMap::new(),
            instances: BTreeSet::new(),
            repositories: BTreeSet::new(),
            said: BTreeSet::new(),
        }
    }

    /// Looks at a row.
    pub fn add(&mut self, table: &str, row: u64, facts: &Facts, findings: &mut Findings) {
        let about = facts.instance_id.as_deref();
        let place = Place::row(table, row, about);
        self.count(facts);
        if facts.shape == Shape::Unknown {
            return;
        }
        self.patch(facts, &place, findings);
        self.repeats(facts, &place, findings);
        self.labelled(facts, &place, findings);
        self.licence(table, facts, &place, findings);
        self.evidence(table, facts, &place, findings);
        leaks(facts, &place, findings);
        tests(facts, &place, findings);
        if let Some(overlap) = self.benchmarks.overlap(facts) {
            findings.add(Rule::Contamination, place, overlap);
        }
    }

    pub fn finish(mut self) -> Measures {
        self.measures.instances = self.instances.len() as u64;
        self.measures.repositories = self.repositories.len() as u64;
        self.measures
    }

    fn count(&mut self, facts: &Facts) {
        let measures = &mut self.measures;
        measures.rows += 1;
        *measures.shapes.entry(facts.shape.name().to_owned()).or_default() += 1;
        self.instances.extend(facts.instance_id.clone());
        self.repositories.extend(facts.repo.as_ref().map(|repo| repo.to_ascii_lowercase()));
        for (counts, value) in [(&mut measures.skills, &facts.skill), (&mut measures.evidence, &facts.evidence)] {
            if let Some(value) = value {
                *counts.entry(value.clone()).or_default() += 1;
            }
        }
        if let Some(label) = facts.label {
            *measures.labels.entry(if label { "right" } else { "wrong" }.to_owned()).or_default() += 1;
        }
    }

    fn patch(&mut self, facts: &Facts, place: &Place, findings: &mut Findings) {
        // A localization has no patch, and a test's patch is a test.
        let skill = facts.skill.as_deref();
        let (Some(patch), false) = (&facts.patch, skill == Some("localization")) else { return };
        self.measures.patches += 1;
        match patch_facts(patch) {
            PatchFacts::Empty => {
                self.measures.empty_patches += 1;
                findings.add(Rule::EmptyPatch, place.clone(), "the patch is empty");
            }
            PatchFacts::Unreadable(why) => {
                self.measures.unreadable_patches += 1;
                findings.add(Rule::UnreadablePatch, place.clone(), why);
            }
            PatchFacts::Read { judging, others, added } => {
                if !judging.is_empty() && skill != Some("test") {
                    self.measures.edit_tests += 1;
                    let rule = if others == 0 { Rule::OnlyTests } else { Rule::EditsTests };
                    findings.add(rule, place.clone(), format!("it changes {}", judging.join(", ")));
                }
                let answer = facts.answer.as_deref().filter(|_| facts.shape == Shape::Sft);
                if answer.is_some_and(|answer| !stands_in_answer(&added, answer)) {
                    let message = "most of the lines that the patch adds do not stand in the answer";
                    findings.add(Rule::AnswerDiffers, place.clone(), message);
                }
            }
        }
    }

    fn repeats(&mut self, facts: &Facts, place: &Place, findings: &mut Findings) {
        let Some(same) = exact_key(facts) else { return };
        match self.exact.entry(same) {
            Entry::Occupied(first) => {
                self.measures.duplicates += 1;
                // Samples of one model agree often; that is not a fault of predictions.
                if facts.shape != Shape::Prediction {
                    findings.add(Rule::Duplicate, place.clone(), format!("as {}", first.get()));
                }
                return;
            }
            Entry::Vacant(new) => drop(new.insert(place.clone())),
        }
        let Some((text, group)) = near_text(facts) else { return };
        if text.len() < FEW_SHINGLES {
            return;
        }
        let signature = Signature::of(text);
        match self.near.find(&signature, NEAR).map(|number| &self.near_places[number]) {
            Some((first_group, first)) if *first_group == group => {
                self.measures.near_duplicates += 1;
                findings.add(Rule::NearDuplicate, place.clone(), format!("almost as {first}"));
            }
            _ => {
                self.near.add(signature);
                self.near_places.push((group, place.clone()));
            }
        }
    }

    fn labelled(&mut self, facts: &Facts, place: &Place, findings: &mut Findings) {
        let (Some(label), Some(id), Some(patch)) = (facts.label, &facts.instance_id, &facts.patch) else { return };
        if patch.trim().is_empty() {
            return;
        }
        let (first, first_place) =
            self.labels.entry(Digest::of_json(&(id, patch.trim()))).or_insert_with(|| (label, place.clone()));
        if *first != label {
            let words = |label| if label { "right" } else { "wrong" };
            let message = format!("{} here and {} in {first_place}", words(label), words(*first));
            findings.add(Rule::TwoLabels, place.clone(), message);
        }
    }

    fn licence(&mut self, table: &str, facts: &Facts, place: &Place, findings: &mut Findings) {
        if facts.shape == Shape::Prediction {
            return;
        }
        let name = facts.license.clone().unwrap_or_else(|| "unknown".to_owned());
        *self.measures.licences.entry(name).or_default() += 1;
        if facts.license.is_none() {
            if facts.has_license {
                findings.add(Rule::LicenceUnknown, place.clone(), "the licence is not stated");
            } else if self.said.insert((Rule::LicenceUnknown, table.to_owned())) {
                findings.add(Rule::LicenceUnknown, Place::file(table), "the rows have no licence column");
            }
        }
    }

    fn evidence(&mut self, table: &str, facts: &Facts, place: &Place, findings: &mut Findings) {
        match (facts.shape, facts.evidence.as_deref()) {
            (Shape::Sft, Some("E0" | "E1")) => {
                self.measures.weak_evidence += 1;
                let level = facts.evidence.as_deref().unwrap_or_default();
                findings.add(Rule::WeakEvidence, place.clone(), format!("the evidence is {level}"));
            }
            (Shape::Chat | Shape::Prediction, None) => {
                self.measures.weak_evidence += 1;
                if self.said.insert((Rule::WeakEvidence, table.to_owned())) {
                    let message = "the rows have no word on how they were verified";
                    findings.add(Rule::WeakEvidence, Place::file(table), message);
                }
            }
            _ => {}
        }
    }
}

/// What makes two rows the same.
fn exact_key(facts: &Facts) -> Option<Digest> {
    let said = facts.patch.as_ref().filter(|patch| !patch.trim().is_empty()).or(facts.answer.as_ref())?;
    let task = matches!(facts.shape, Shape::Task | Shape::Rl);
    // A change is one task however it is named; an answer belongs to its instance and skill.
    let about = if task { None } else { facts.instance_id.as_ref().or(facts.prompt.as_ref()) };
    Some(Digest::of_json(&(task, about, &facts.skill, &facts.files, said.trim())))
}

/// Shingles of what is compared, and the group within which likeness counts.
fn near_text(facts: &Facts) -> Option<(Vec<u64>, Option<String>)> {
    match (facts.shape, &facts.patch) {
        (Shape::Sft, Some(patch)) if !patch.is_empty() => Some((diff_shingles(patch), facts.instance_id.clone())),
        (Shape::Task, Some(patch)) => Some((diff_shingles(patch), None)),
        (Shape::Chat, _) => Some((shingles(facts.answer.as_ref()?), None)),
        _ => None,
    }
}

fn leaks(facts: &Facts, place: &Place, findings: &mut Findings) {
    let (Shape::Task, false, Some(patch), Some(problem)) = (facts.shape, facts.inverted, &facts.patch, &facts.problem)
    else {
        return;
    };
    let instance = serde_json::from_value::<Instance>(json!({
        "instance_id": "", "repo": "", "base_commit": "", "problem_statement": problem, "patch": patch,
    }));
    if instance.is_ok_and(|instance| Leaks::of(&instance).solution_in_issue) {
        let message = "the statement holds at least half of the lines that the change adds";
        findings.add(Rule::SolutionInIssue, place.clone(), message);
    }
}

fn tests(facts: &Facts, place: &Place, findings: &mut Findings) {
    if facts.shape == Shape::Sft && facts.skill.as_deref() == Some("localization") {
        let answer = facts.answer.as_deref().unwrap_or_default();
        if let Some(file) = facts.files.iter().find(|file| !answer.contains(file.as_str())) {
            findings.add(Rule::AnswerDiffers, place.clone(), format!("{file} does not stand in the answer"));
        }
    }
    if !matches!(facts.shape, Shape::Task | Shape::Rl) {
        return;
    }
    match &facts.fail_to_pass {
        None => findings.add(Rule::NoFailToPass, place.clone(), "there is no list of fail-to-pass tests"),
        Some(tests) if tests.is_empty() => {
            findings.add(Rule::NoFailToPass, place.clone(), "the list of fail-to-pass tests is empty");
        }
        Some(_) => {}
    }
    let listed: Vec<_> = facts.fail_to_pass.iter().chain(&facts.pass_to_pass).flatten().collect();
    let by_class = listed.iter().filter(|name| is_by_class(name)).count() * 2 >= listed.len();
    let format = LogFormat::of_repository(facts.repo.as_deref(), None);
    let by_class = by_class || format.is_some_and(LogFormat::names_by_class);
    let described = |name: &str| by_class && !is_by_class(name) && name.contains(' ');
    let cut: Vec<_> = listed.iter().filter(|name| cut_name(name) || described(name)).collect();
    if let Some(first) = cut.first() {
        let message = format!("{} of the listed tests, {first:?} first", cut.len());
        findings.add(Rule::CutTestName, place.clone(), message);
    }
}

/// A name such as `test_x (pkg.module.Class)`. Where tests have such names, a sentence is the doc string of one.
fn is_by_class(name: &str) -> bool {
    let class = name.split_once(" (").and_then(|(_, class)| class.strip_suffix(')'));
    class.is_some_and(|class| class.contains('.') && !class.contains(' '))
}

/// A name that ends inside its brackets or in blanks, or that is a runner's progress.
fn cut_name(name: &str) -> bool {
    if name != name.trim() {
        return true;
    }
    let parameters = name.contains("::").then(|| name.find('[')).flatten();
    name.is_empty() || name.ends_with("%]") && name.starts_with('[') || parameters.is_some() && !name.ends_with(']')
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests_of_content;
