//! Rows: one exported sample each. Pure constructors from the nouns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::dataset::config_names::{PREFERENCE, RL, SPLIT};
use crate::dataset::extra_columns::ExtraColumns;
use crate::dataset::files::columns::{Column, Kind};
pub use crate::dataset::turns::{ChatMessage, Reasoning};
use crate::dataset::turns::{answer, chat};
use crate::leak::Leaks;
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::model::channel::Channel;
use crate::model::digest::Digest;
use crate::model::generation::{Generation, Message, Skill};
use crate::model::imported::Imported;
use crate::model::instance::Instance;
use crate::model::lost::Lost;
use crate::model::lost_tests::LostTests;
use crate::model::name::name;
use crate::model::part_of_suite::PartOfSuite;
use crate::model::strength::Tier;
use crate::model::suite::Suite;
use crate::model::verdict::{Evidence, Verdict};
use crate::prompt::render::prompt_id;

/// A verified sample for supervised fine-tuning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SftRow {
    pub instance_id: String,
    pub repo: String,
    pub base_commit: String,
    /// SPDX expression of the repository at base; null where it is not known.
    pub license: Option<String>,
    pub skill: Skill,
    /// The prompt, then the completion verbatim, reasoning inline.
    pub messages: Vec<ChatMessage>,
    pub model: Option<String>,
    /// Prompt that `messages` starts with.
    pub prompt_id: Option<String>,
    pub evidence: Evidence,
    /// What a test has shown beside base and gold; null for the other skills.
    pub tier: Option<Tier>,
    /// Digest of the receipt in the table `receipts` of `evidence/`.
    pub receipt: Digest,
    pub candidate_id: Digest,
    /// Canonical diff against base that was run (test, repair); empty for localization.
    pub patch: String,
    /// Files that the patch changes, or the files that were named.
    pub files: Vec<String>,
    /// What the static screen found in the added source (repair); names as in `verdict.v1`.
    pub flags: Vec<String>,
    /// Literals that the repair shares with the fail-to-pass tests, and that issue, base and gold do not have.
    pub literal_overlap: i64,
    /// The problem statement or its hints hold most of the accepted change: the answer may be copied.
    pub solution_in_issue: bool,
    /// They name a file that the accepted change touches.
    pub path_named_in_issue: bool,
    /// Tokens of the messages by the counter that the manifest's settings name; null where none was asked for.
    pub tokens: Option<i64>,
    /// Reasoning of the answer where it was asked for apart; null where it stands in the last message.
    pub reasoning: Option<String>,
    /// JSON text: `generation` (file, line and index in the input), `sampling`, `stripped`, `strength`.
    pub metadata: String,
    /// Test files of the instance's suite that nothing was judged by, with the reason. The column is there only if an instance
    /// of the dataset has such files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_files: Vec<String>,
    /// Tests of the instance's tree that are not part of its suite, with the reason: nothing was judged by them. The column is there
    /// only if an instance of the dataset has such tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside_suite: Vec<String>,
    /// Listed tests of the instance that nothing was judged by, with the reason. The column is there only if an instance of the
    /// dataset has such tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_tests: Vec<String>,
    /// Fail-to-pass tests of the instance that the accepted change passes in the order of their files, and fails in another. The
    /// column is there only if an instance of the dataset has such tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ordered_tests: Vec<String>,
    /// Where the reports came from that the row rests on, if code of the candidate can write there; `docs/threats.md` says what
    /// that is worth. The column is there only if the dataset has such an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Who made the admission that the row rests on, and in which bundle, if base and gold did not run where the row was made. The
    /// column is there only if the dataset has such an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission_imported: Option<String>,
    /// How many of the instance's test files ran, if not all of them. The column is there only if the dataset has such an
    /// instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_files_run: Option<String>,
}

/// How a reward is computed, in verl's layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RewardModel {
    /// Always `rule`.
    pub style: String,
    /// JSON text: `instance_id`, `skill`, `base_commit`, `FAIL_TO_PASS`, `PASS_TO_PASS`, `gold_files`, `environment`.
    pub ground_truth: String,
}

/// A pair for preference training: a verified answer and a rejected one to the same prompt. An inconclusive answer is
/// in no pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreferenceRow {
    pub instance_id: String,
    pub repo: String,
    pub base_commit: String,
    /// SPDX expression of the repository at base; null where it is not known.
    pub license: Option<String>,
    pub skill: Skill,
    pub prompt: Vec<ChatMessage>,
    /// One message: the verified answer.
    pub chosen: Vec<ChatMessage>,
    /// One message: the rejected answer.
    pub rejected: Vec<ChatMessage>,
    /// Why it was rejected ([`crate::model::verdict::Reason`]).
    pub rejected_reason: String,
    /// Evidence of the verified answer.
    pub evidence: Evidence,
    pub chosen_candidate: Digest,
    pub rejected_candidate: Digest,
    pub chosen_receipt: Digest,
    pub rejected_receipt: Digest,
    /// Test files of the instance's suite that nothing was judged by, with the reason. The column is there only if an instance
    /// of the dataset has such files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_files: Vec<String>,
    /// Tests of the instance's tree that are not part of its suite, with the reason: nothing was judged by them. The column is there
    /// only if an instance of the dataset has such tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside_suite: Vec<String>,
    /// Listed tests of the instance that nothing was judged by, with the reason. The column is there only if an instance of the
    /// dataset has such tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_tests: Vec<String>,
    /// Fail-to-pass tests of the instance that the accepted change passes in the order of their files, and fails in another. The
    /// column is there only if an instance of the dataset has such tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ordered_tests: Vec<String>,
    /// Where the reports came from that the row rests on, if code of the candidate can write there; `docs/threats.md` says what
    /// that is worth. The column is there only if the dataset has such an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Who made the admission that the row rests on, and in which bundle, if base and gold did not run where the row was made. The
    /// column is there only if the dataset has such an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission_imported: Option<String>,
    /// How many of the instance's test files ran, if not all of them. The column is there only if the dataset has such an
    /// instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_files_run: Option<String>,
}

/// verl's side data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExtraInfo {
    pub split: String,
    /// Number of the row, from 0.
    pub index: i64,
    pub instance_id: String,
    pub skill: Skill,
}

/// The instance with the field names of SWE-bench; every value is text, lists and objects are JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceText {
    pub instance_id: String,
    pub repo: String,
    pub base_commit: String,
    pub problem_statement: String,
    pub hints_text: String,
    pub patch: String,
    pub test_patch: String,
    #[serde(rename = "FAIL_TO_PASS")]
    pub fail_to_pass: String,
    #[serde(rename = "PASS_TO_PASS")]
    pub pass_to_pass: String,
    pub version: String,
    pub created_at: String,
    pub language: String,
    pub license: String,
    pub environment: String,
}

/// A task for reinforcement learning, in verl's layout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RlRow {
    /// `assay/` and the skill: what a reward function is picked by.
    pub data_source: String,
    pub prompt: Vec<ChatMessage>,
    /// Always `code`.
    pub ability: String,
    pub reward_model: RewardModel,
    pub extra_info: ExtraInfo,
    pub instance: InstanceText,
    /// Attempts that were judged: verified and rejected. Inconclusive ones are not attempts.
    pub attempts: i64,
    pub verified: i64,
    /// `verified / attempts`, 0 to 1.
    pub pass_rate: f64,
    /// The problem statement or its hints hold most of the accepted change.
    pub solution_in_issue: bool,
    /// They name a file that the accepted change touches.
    pub path_named_in_issue: bool,
    /// Test files of the instance's suite that nothing was judged by, with the reason. The column is there only if an instance
    /// of the dataset has such files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_files: Vec<String>,
    /// Tests of the instance's tree that are not part of its suite, with the reason: nothing was judged by them. The column is there
    /// only if an instance of the dataset has such tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside_suite: Vec<String>,
    /// Listed tests of the instance that nothing was judged by, with the reason. The column is there only if an instance of the
    /// dataset has such tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_tests: Vec<String>,
    /// Fail-to-pass tests of the instance that the accepted change passes in the order of their files, and fails in another. The
    /// column is there only if an instance of the dataset has such tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ordered_tests: Vec<String>,
    /// Where the reports came from that the row rests on, if code of the candidate can write there; `docs/threats.md` says what
    /// that is worth. The column is there only if the dataset has such an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Who made the admission that the row rests on, and in which bundle, if base and gold did not run where the row was made. The
    /// column is there only if the dataset has such an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission_imported: Option<String>,
    /// How many of the instance's test files ran, if not all of them. The column is there only if the dataset has such an
    /// instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_files_run: Option<String>,
}

/// Attempts at one instance and skill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    pub verified: u64,
    pub rejected: u64,
}

impl Attempts {
    pub fn judged(self) -> u64 {
        self.verified + self.rejected
    }
}

/// Columns of [`SftRow`].
pub fn sft_columns() -> Vec<Column> {
    vec![
        Column::text("instance_id"),
        Column::text("repo"),
        Column::text("base_commit"),
        Column::optional_text("license"),
        Column::text("skill"),
        Column::chat("messages"),
        Column::optional_text("model"),
        Column::optional_text("prompt_id"),
        Column::text("evidence"),
        Column::optional_text("tier"),
        Column::text("receipt"),
        Column::text("candidate_id"),
        Column::text("patch"),
        Column::texts("files"),
        Column::texts("flags"),
        Column::new("literal_overlap", Kind::Integer),
        Column::flag("solution_in_issue"),
        Column::flag("path_named_in_issue"),
        Column { optional: true, ..Column::new("tokens", Kind::Integer) },
        Column::optional_text("reasoning"),
        Column::new("metadata", Kind::Json),
    ]
}

/// Columns of [`PreferenceRow`].
pub fn preference_columns() -> Vec<Column> {
    vec![
        Column::text("instance_id"),
        Column::text("repo"),
        Column::text("base_commit"),
        Column::optional_text("license"),
        Column::text("skill"),
        Column::chat("prompt"),
        Column::chat("chosen"),
        Column::chat("rejected"),
        Column::text("rejected_reason"),
        Column::text("evidence"),
        Column::text("chosen_candidate"),
        Column::text("rejected_candidate"),
        Column::text("chosen_receipt"),
        Column::text("rejected_receipt"),
    ]
}

/// Columns of [`RlRow`].
pub fn rl_columns() -> Vec<Column> {
    let extra_info = vec![
        Column::text("split"),
        Column::new("index", Kind::Integer),
        Column::text("instance_id"),
        Column::text("skill"),
    ];
    let instance = [
        "instance_id",
        "repo",
        "base_commit",
        "problem_statement",
        "hints_text",
        "patch",
        "test_patch",
        "FAIL_TO_PASS",
        "PASS_TO_PASS",
        "version",
        "created_at",
        "language",
        "license",
        "environment",
    ];
    vec![
        Column::text("data_source"),
        Column::chat("prompt"),
        Column::text("ability"),
        Column::texts_struct("reward_model", &["style", "ground_truth"]),
        Column::new("extra_info", Kind::Struct(extra_info)),
        Column::texts_struct("instance", &instance),
        Column::new("attempts", Kind::Integer),
        Column::new("verified", Kind::Integer),
        Column::new("pass_rate", Kind::Float),
        Column::flag("solution_in_issue"),
        Column::flag("path_named_in_issue"),
    ]
}

/// Columns of a config, by its name.
pub(super) fn columns_of(config: &str, extra: ExtraColumns) -> Vec<Column> {
    let mut columns = match config {
        RL => rl_columns(),
        PREFERENCE => preference_columns(),
        _ => sft_columns(),
    };
    extra.add_to(&mut columns);
    columns
}

/// Turns of the generation that come before its answer, if it carries them.
pub fn own_prompt(generation: &Generation) -> Option<&[Message]> {
    let messages = generation.messages.as_deref()?;
    let end = match messages.iter().rposition(Message::is_answer) {
        Some(last) if generation.completion.is_none() || last + 1 == messages.len() => last,
        _ => messages.len(),
    };
    (end > 0).then(|| &messages[..end])
}

/// A sample of the generation. `rendered` is the prompt of its instance and skill, used where the generation does not
/// carry its own.
pub fn sft_row(
    instance: &Instance,
    generation: &Generation,
    candidate: &Candidate,
    verdict: &Verdict,
    rendered: &[Message],
    reasoning: Reasoning,
) -> SftRow {
    let (prompt, id) = match own_prompt(generation) {
        Some(prompt) => (prompt, generation.prompt_id.clone()),
        None => (rendered, Some(prompt_id(verdict.skill))),
    };
    let mut messages = chat(prompt);
    let (answer, reasoning) = answer(generation, reasoning);
    messages.push(answer);
    let prepared = candidate.prepared.as_ref();
    let leaks = Leaks::of(instance);
    SftRow {
        instance_id: verdict.instance_id.clone(),
        repo: instance.repo.clone(),
        base_commit: instance.base_commit.clone(),
        license: instance.license.clone(),
        skill: verdict.skill,
        messages,
        model: generation.model.clone(),
        prompt_id: id,
        evidence: verdict.evidence,
        tier: verdict.strength.as_ref().map(|strength| strength.tier),
        receipt: verdict.receipt.clone(),
        candidate_id: verdict.candidate_id.clone(),
        patch: match verdict.skill {
            Skill::Localization => String::new(),
            Skill::Test | Skill::Repair => prepared.map_or_else(String::new, |prepared| prepared.diff.clone()),
        },
        files: prepared.map_or_else(Vec::new, |prepared| prepared.files.clone()),
        flags: verdict.flags.iter().map(|token| token.name()).collect(),
        literal_overlap: i64::from(verdict.literal_overlap),
        solution_in_issue: leaks.solution_in_issue,
        path_named_in_issue: leaks.path_named_in_issue,
        tokens: None,
        reasoning,
        metadata: json!({
            "generation": verdict.generation,
            "sampling": generation.sampling,
            "stripped": verdict.stripped,
            "strength": verdict.strength,
        })
        .to_string(),
        lost_files: Vec::new(),
        outside_suite: Vec::new(),
        lost_tests: Vec::new(),
        ordered_tests: Vec::new(),
        channel: None,
        admission_imported: None,
        test_files_run: None,
    }
}

/// A pair of answers to one prompt. `chosen` and `rejected` are rows' last messages.
pub fn preference_row(row: &SftRow, rejected: ChatMessage, other: &Verdict) -> PreferenceRow {
    let (chosen, prompt) = row.messages.split_last().map_or((None, &[][..]), |(last, rest)| (Some(last.clone()), rest));
    PreferenceRow {
        instance_id: row.instance_id.clone(),
        repo: row.repo.clone(),
        base_commit: row.base_commit.clone(),
        license: row.license.clone(),
        skill: row.skill,
        prompt: prompt.to_vec(),
        chosen: chosen.into_iter().collect(),
        rejected: vec![rejected],
        rejected_reason: name(&other.reason),
        evidence: row.evidence,
        chosen_candidate: row.candidate_id.clone(),
        rejected_candidate: other.candidate_id.clone(),
        chosen_receipt: row.receipt.clone(),
        rejected_receipt: other.receipt.clone(),
        lost_files: row.lost_files.clone(),
        outside_suite: row.outside_suite.clone(),
        lost_tests: row.lost_tests.clone(),
        ordered_tests: row.ordered_tests.clone(),
        channel: row.channel,
        admission_imported: row.admission_imported.clone(),
        test_files_run: row.test_files_run.clone(),
    }
}

/// A task. The expected tests are the admission's, derived by running, never the listed ones.
pub fn rl_row(
    instance: &Instance,
    admission: &Admission,
    skill: Skill,
    attempts: Attempts,
    prompt: &[Message],
    index: u64,
) -> RlRow {
    let judged = attempts.judged();
    let mut ground_truth = json!({
        "instance_id": instance.instance_id,
        "skill": skill,
        "base_commit": instance.base_commit,
        "FAIL_TO_PASS": admission.fail_to_pass,
        "PASS_TO_PASS": admission.pass_to_pass,
        "gold_files": admission.gold_files,
        "environment": instance.environment,
    });
    let seen_once: Vec<_> = admission.seen_once().collect();
    if !seen_once.is_empty() {
        ground_truth["PASS_TO_PASS_SEEN_ONCE"] = json!(seen_once);
    }
    let leaks = Leaks::of(instance);
    RlRow {
        data_source: format!("assay/{skill}"),
        prompt: chat(prompt),
        ability: "code".to_owned(),
        reward_model: RewardModel { style: "rule".to_owned(), ground_truth: ground_truth.to_string() },
        extra_info: ExtraInfo {
            split: SPLIT.to_owned(),
            index: index.cast_signed(),
            instance_id: instance.instance_id.clone(),
            skill,
        },
        instance: InstanceText {
            instance_id: instance.instance_id.clone(),
            repo: instance.repo.clone(),
            base_commit: instance.base_commit.clone(),
            problem_statement: instance.problem_statement.clone(),
            hints_text: instance.hints_text.clone(),
            patch: instance.patch.clone(),
            test_patch: instance.test_patch.clone(),
            fail_to_pass: json!(admission.fail_to_pass).to_string(),
            pass_to_pass: json!(admission.pass_to_pass).to_string(),
            version: instance.version.clone().unwrap_or_default(),
            created_at: instance.created_at.clone().unwrap_or_default(),
            language: instance.language.clone().unwrap_or_default(),
            license: instance.license.clone().unwrap_or_default(),
            environment: json!(instance.environment).to_string(),
        },
        attempts: judged.cast_signed(),
        verified: attempts.verified.cast_signed(),
        pass_rate: if judged == 0 { 0.0 } else { attempts.verified as f64 / judged as f64 },
        solution_in_issue: leaks.solution_in_issue,
        path_named_in_issue: leaks.path_named_in_issue,
        lost_files: lost_files(admission),
        outside_suite: outside_suite(admission),
        lost_tests: lost_tests(admission),
        ordered_tests: admission.ordered(),
        channel: said_channel(admission, skill),
        admission_imported: admission_imported(admission),
        test_files_run: test_files_run(admission),
    }
}

/// The channel that a row must name, or `None` if it need not. Nothing of a localization is run.
pub fn said_channel(admission: &Admission, skill: Skill) -> Option<Channel> {
    let ran = match skill {
        Skill::Localization => false,
        Skill::Test | Skill::Repair => true,
    };
    Some(admission.channel).filter(|channel| ran && channel.is_said())
}

/// Where an admission was imported from, as rows name it.
pub fn admission_imported(admission: &Admission) -> Option<String> {
    admission.imported.as_ref().map(Imported::told)
}

/// How much of the suite an admission rests on, as rows say it.
pub fn test_files_run(admission: &Admission) -> Option<String> {
    admission.part.map(PartOfSuite::told)
}

/// Lost files of an admission as rows name them.
pub fn lost_files(admission: &Admission) -> Vec<String> {
    admission.lost.as_ref().map(Lost::lines).unwrap_or_default()
}

/// Tests outside of an admission's suite as rows name them.
pub fn outside_suite(admission: &Admission) -> Vec<String> {
    admission.suite.as_ref().map(Suite::holes).unwrap_or_default()
}

/// Lost listed tests of an admission as rows name them.
pub fn lost_tests(admission: &Admission) -> Vec<String> {
    admission.lost_tests.as_ref().map(LostTests::lines).unwrap_or_default()
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
