//! What of an export's content may not go out: other people's benchmarks, unknown licences, repositories held out,
//! secrets, near copies, texts too long to train on. Every exclusion has a reason. Pure.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use crate::dataset::rows::SftRow;
use crate::dataset::select::contamination::Benchmarks;
use crate::dataset::select::near::{Seen, Signature, diff_shingles, shingles};
use crate::dataset::select::secrets::{Finding, scan};
use crate::model::candidate::Candidate;
use crate::model::generation::Skill;
use crate::model::instance::Instance;
use crate::model::repository_name::RepositoryName;
use crate::model::verdict::Verdict;
use crate::tokens::Counter;

/// What is checked.
#[derive(Debug)]
pub struct CheckOptions {
    pub licenses: Licenses,
    /// Repositories of which nothing may become a row, for evaluation.
    pub held_out: BTreeSet<RepositoryName>,
    pub benchmarks: Benchmarks,
    /// Similarity from which two patches of an instance, or two instances, are near duplicates; none: not looked for.
    pub near_duplicates: Option<f64>,
    /// Whether texts are searched for secrets and personal data.
    pub scan: bool,
    /// Counts the tokens of rows; none: they are not counted.
    pub counter: Option<Counter>,
    /// Most tokens of a row's messages.
    pub max_tokens: Option<u64>,
}

/// Licences that rows may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Licenses {
    /// Any, known or not.
    Any,
    /// Any that is known.
    Known,
    /// These SPDX expressions, by their [`license_key`].
    Only(BTreeSet<String>),
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            licenses: Licenses::Known,
            held_out: BTreeSet::new(),
            benchmarks: Benchmarks::built_in(),
            near_duplicates: Some(0.9),
            scan: true,
            counter: Some(Counter::estimate()),
            max_tokens: None,
        }
    }
}

/// Why nothing of an instance may become a row. Instances are asked about in the order of their ids.
#[derive(Debug, Default)]
pub struct Exclusions {
    patches: Seen,
    problems: Vec<Signature>,
}

impl Exclusions {
    pub fn why(&mut self, instance: &Instance, options: &CheckOptions) -> Option<String> {
        if let Some(why) = exclusion(instance, options) {
            return Some(why);
        }
        let least = options.near_duplicates?;
        // One task under two names: the same change and the same text.
        let patch = Signature::of(diff_shingles(&instance.patch));
        let problem = Signature::of(shingles(&instance.problem_statement));
        let same =
            self.patches.find(&patch, least).is_some_and(|first| problem.similarity(&self.problems[first]) >= least);
        if same {
            return Some("near_duplicate_instance".to_owned());
        }
        self.patches.add(patch);
        self.problems.push(problem);
        None
    }
}

fn exclusion(instance: &Instance, options: &CheckOptions) -> Option<String> {
    if options.held_out.contains(&RepositoryName::of(&instance.repo)) {
        return Some("held_out_repository".to_owned());
    }
    if let Some(why) = license(instance.license.as_deref(), &options.licenses) {
        return Some(why.to_owned());
    }
    if let Some(found) = options.benchmarks.instance(instance) {
        return Some(found.name().to_owned());
    }
    let texts = [&instance.problem_statement, &instance.hints_text, &instance.patch, &instance.test_patch];
    let found = texts.into_iter().filter(|_| options.scan).find_map(|text| scan(text));
    found.map(|(finding, _)| format!("instance_{}", finding.name()))
}

/// What licences are compared by: SPDX expressions do not tell letters' case apart, nor how many blanks there are. None: it
/// says that the licence is not known.
pub fn license_key(license: &str) -> Option<String> {
    let nothing = ["", "unknown", "other", "none", "noassertion"];
    let key = license.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    Some(key).filter(|key| !nothing.contains(&key.as_str()))
}

fn license(license: Option<&str>, allowed: &Licenses) -> Option<&'static str> {
    match (allowed, license.and_then(license_key)) {
        (Licenses::Any, _) | (Licenses::Known, Some(_)) => None,
        (Licenses::Known | Licenses::Only(_), None) => Some("license/unknown"),
        (Licenses::Only(only), Some(license)) => (!only.contains(&license)).then_some("license/not_allowed"),
    }
}

/// Rows of one instance and skill that were let through so far.
#[derive(Debug, Default)]
pub struct Group {
    patches: Seen,
}

/// What a row was left out for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub why: String,
    /// Where a secret or personal data was found: the row goes to the quarantine.
    pub found: Option<(Finding, &'static str)>,
}

impl Refusal {
    pub fn plain(why: impl Into<String>) -> Self {
        Self { why: why.into(), found: None }
    }
}

/// Counts a row's tokens and says whether it may go out. Only what the model wrote is searched for personal data: the
/// prompt's files are published code, its issue was searched with the instance.
///
/// # Errors
/// A tokenizer that fails on the row.
pub fn check_row(row: &mut SftRow, group: &mut Group, options: &CheckOptions) -> Result<Option<Refusal>> {
    if let Some(found) = options.benchmarks.patch(&row.patch) {
        return Ok(Some(Refusal::plain(found.name())));
    }
    if options.scan
        && let Some(found) = found(row)
    {
        return Ok(Some(Refusal { why: found.0.name().to_owned(), found: Some(found) }));
    }
    if let Some(counter) = &options.counter {
        let mut tokens = 0;
        for message in &row.messages {
            tokens += counter
                .count(&message.content)
                .with_context(|| format!("counting the tokens of candidate {}", row.candidate_id))?;
        }
        row.tokens = i64::try_from(tokens).ok();
        if options.max_tokens.is_some_and(|most| tokens > most) {
            return Ok(Some(Refusal::plain("too_long")));
        }
    }
    if let Some(least) = options.near_duplicates.filter(|_| row.skill != Skill::Localization) {
        let signature = Signature::of(diff_shingles(&row.patch));
        if group.patches.find(&signature, least).is_some() {
            return Ok(Some(Refusal::plain("near_duplicate")));
        }
        group.patches.add(signature);
    }
    Ok(None)
}

/// What the evidence of a candidate that is not a row would give away: its change, and what was said of it.
pub(crate) fn found_in_evidence(verdict: &Verdict, candidate: Option<&Candidate>) -> Option<(Finding, &'static str)> {
    let diff = candidate.and_then(|candidate| candidate.prepared.as_ref()).map(|prepared| prepared.diff.as_str());
    let malformed = candidate.and_then(|candidate| candidate.malformed.as_ref()).map(|why| why.detail.as_str());
    [diff, malformed, Some(verdict.detail.as_str())].into_iter().flatten().find_map(scan)
}

/// Secrets anywhere, personal data in what the model wrote.
fn found(row: &SftRow) -> Option<(Finding, &'static str)> {
    let (answer, prompt) = row.messages.split_last()?;
    let written = [Some(&answer.content), row.reasoning.as_ref(), Some(&row.patch)];
    let written = written.into_iter().flatten().find_map(|text| scan(text));
    written.or_else(|| secret_in(prompt.iter().map(|message| &message.content)))
}

/// A key in a prompt. Its files are published code, so personal data are not looked for.
pub(crate) fn secret_in<'a>(prompt: impl Iterator<Item = &'a String>) -> Option<(Finding, &'static str)> {
    prompt.filter_map(|text| scan(text)).find(|(finding, _)| *finding == Finding::Secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn licences_are_known_or_named_or_out() {
        let only = Licenses::Only(BTreeSet::from(["mit".to_owned()]));
        let table = [
            (Some("MIT"), &Licenses::Known, None),
            (None, &Licenses::Known, Some("license/unknown")),
            (Some("NOASSERTION"), &Licenses::Known, Some("license/unknown")),
            (None, &Licenses::Any, None),
            (Some("MIT"), &only, None),
            (Some("GPL-3.0-only"), &only, Some("license/not_allowed")),
            (None, &only, Some("license/unknown")),
        ];
        for (name, allowed, expected) in table {
            assert_eq!(license(name, allowed), expected, "{name:?} {allowed:?}");
        }
    }

    #[test]
    fn an_instance_under_two_names_counts_once_and_each_exclusion_has_its_reason() {
        let body: String = (0..9).map(|n| format!("+    value_{n} = compute(first_{n}, second_{n})\n")).collect();
        let instance = |id: &str, repo: &str, problem: &str| -> (String, Instance) {
            let value = serde_json::json!({
                "instance_id": id, "repo": repo, "base_commit": "0", "license": "MIT", "problem_statement": problem,
                "patch": format!("--- a/x.py\n+++ b/x.py\n@@ -1 +1,10 @@\n x\n{body}"),
            });
            (id.to_owned(), serde_json::from_value(value).unwrap())
        };
        let problem = "It computes the wrong value when the second one is negative, see below for how to reproduce it.";
        let instances = BTreeMap::from([
            instance("a", "o/one", problem),
            instance("b", "o/copy", problem),
            instance("c", "o/other", "Something else is asked for here: a new option that turns the computation off."),
            instance("d", "django/django", problem),
            instance("e", "o/held", problem),
            instance("f", "o/leaky", "ask jane@university.edu about it"),
        ]);
        let options =
            CheckOptions { held_out: BTreeSet::from([RepositoryName::of("O/Held.git")]), ..CheckOptions::default() };
        let mut exclusions = Exclusions::default();
        let why = |(id, instance)| Some((id, exclusions.why(&instance, &options)?));
        let excluded: BTreeMap<_, _> = instances.into_iter().filter_map(why).collect();
        let expected = [
            ("b", "near_duplicate_instance"),
            ("d", "contaminated/repository"),
            ("e", "held_out_repository"),
            ("f", "instance_personal_data"),
        ];
        assert_eq!(excluded, BTreeMap::from(expected.map(|(id, why)| (id.to_owned(), why.to_owned()))));
    }
}
