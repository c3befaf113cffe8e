//! A trial: one sandboxed run. Its outcome holds facts only; judgements are computed from them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;
use crate::model::imported::Imported;

/// What is run in a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct TestPlan {
    /// Name and version of the runner, with a slash between them.
    pub framework: String,
    /// Test files handed to the runner, sorted. For a script: the script's path alone.
    pub files: Vec<String>,
    /// Ids of the only tests of those files that run; empty: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    #[serde(default, skip_serializing_if = "Mode::is_suite")]
    pub mode: Mode,
    /// Lines whose running is recorded, by repository path, counted from 1; empty: nothing is traced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub watch: BTreeMap<String, Vec<u32>>,
    /// Held-out tests note what the code answers ([`TestReport::noted`]); other tests do not see this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub note: bool,
    /// Perturbation of an admission repeat; candidates run with the default.
    #[serde(default)]
    pub variation: Variation,
}

/// How the files of a plan are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By the framework's runner, under our reporter.
    #[default]
    Suite,
    /// As a plain script whose standard output is the result.
    Script,
    /// Test bodies without their runner, under neutral names ([`crate::runner::Bare`]).
    Plain,
}

impl Mode {
    fn is_suite(&self) -> bool {
        *self == Self::Suite
    }
}

/// What an admission repeat changes on purpose, to find tests that depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Variation {
    #[default]
    None,
    /// Test files, and the tests of each, in another order.
    ShuffledFiles,
    /// Another hash seed, time zone and locale.
    OtherSeedAndZone,
}

/// Bounds of one trial, enforced by the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Wall clock, milliseconds.
    pub deadline_ms: u64,
    /// Resident memory of all processes, bytes; swap is off.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Cores, in thousandths.
    pub cpu_millis: u64,
    /// What may be written, bytes, over all writable places.
    pub disk_bytes: u64,
    /// Files that may be made.
    pub inodes: u64,
    /// Head and tail of the output that are kept, bytes each.
    pub keep_output_bytes: u64,
    /// Size of the structured report, bytes; a longer one is cut and so unfinished.
    pub report_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline_ms: 600_000,
            memory_bytes: 2 << 30,
            pids: 512,
            cpu_millis: 2_000,
            disk_bytes: 512 << 20,
            inodes: 200_000,
            keep_output_bytes: 64 << 10,
            report_bytes: 64 << 20,
        }
    }
}

/// One run that the plan asks for. Equal trials have equal outcomes, up to flakiness, so each runs once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    pub instance_id: String,
    /// Git tree that is checked out.
    pub tree: String,
    pub plan: TestPlan,
    /// Digest of the sealed image.
    pub image: Digest,
    pub limits: Limits,
    /// 0 for a candidate's trial; repeats of admission count up.
    pub repeat: u32,
}

/// Repeats from here on are controls: gold, run beside one candidate to see whether the machine is well.
pub const FIRST_CONTROL: u32 = 1 << 31;

impl Trial {
    /// Whether it asks about the machine, now. Its outcome says nothing about another time.
    pub fn is_control(&self) -> bool {
        self.repeat >= FIRST_CONTROL
    }

    /// Content name: tree x plan x image x limits x repeat. The deadline is left out: it follows from how fast gold
    /// ran on this machine, and a trial that is stopped by it says so in its outcome.
    pub fn id(&self) -> Digest {
        let limits = Limits { deadline_ms: 0, ..self.limits.clone() };
        Digest::of_json(&(&self.tree, &self.plan, &self.image, limits, self.repeat))
    }
}

/// How the runner's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// The deadline passed and everything was killed.
    TimedOut,
    /// The memory limit of the trial was hit.
    OutOfMemory,
}

/// Result of one phase of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Passed,
    Failed,
    Skipped,
    /// Failed and was expected to: not a pass.
    Xfailed,
    /// Passed and was expected to fail: not a pass.
    Xpassed,
}

/// Phase of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Setup,
    Call,
    Teardown,
    /// The test as a whole: its runner does not tell set-up, call and tear-down apart.
    Whole,
}

/// What one test did: phase results in the order they were reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestResult {
    pub phases: Vec<(Phase, Status)>,
    /// Exception type of the first failing phase, e.g. `AssertionError`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Repository-relative files of the traceback, innermost last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<String>,
}

impl TestResult {
    /// Set-up, call and tear-down each reported once and passed, or the test as a whole. Anything else is not a pass. A reader
    /// of reports lets through only those phases that its runner has.
    pub fn passed(&self) -> bool {
        const APART: [(Phase, Status); 3] =
            [(Phase::Setup, Status::Passed), (Phase::Call, Status::Passed), (Phase::Teardown, Status::Passed)];
        self.phases == APART || self.phases == [(Phase::Whole, Status::Passed)]
    }

    /// Set-up passed and the test's own body failed, once each.
    pub fn failed_in_call(&self) -> bool {
        let apart = self.phases.starts_with(&[(Phase::Setup, Status::Passed), (Phase::Call, Status::Failed)]);
        (apart && self.phases.len() <= 3) || self.phases == [(Phase::Whole, Status::Failed)]
    }
}

/// How a test or a file failed, to the letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trace {
    /// SHA-256 of exception type, message without addresses, line of the test, and the functions of the repository on the way.
    pub digest: Digest,
    pub origin: Origin,
    /// The line that raised it, if that is the repository's; its number is not in the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised: Option<Raised>,
}

/// A line of the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Raised {
    /// Relative to the work directory.
    pub file: String,
    /// From 1.
    pub line: u32,
}

/// Where an exception came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Raised by a line of the repository.
    Repository,
    /// Raised by what the repository calls: the runner, the standard library, the environment.
    Elsewhere,
    /// An error of the system or what a missing file leads to, or raised over one: the machine may be at fault.
    System,
}

/// What one place of a held-out test was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// The place, counted over the test file.
    pub place: u32,
    /// Numbers, texts, `null`, `true` and `false` stand for themselves; other plain values are `{type: content}`, and
    /// whatever is not plain or too long is `{"other": null}`.
    pub values: Vec<serde_json::Value>,
}

/// The structured report of a run, parsed on our side. Stored as a blob; equal reports are stored once, so it holds
/// no times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestReport {
    pub format: String,
    /// The session said that it had ended, as the last record.
    pub finished: bool,
    /// Exit status that the session announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
    /// Processes of the session that ended otherwise than their tests say, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradictions: Vec<String>,
    pub tests: BTreeMap<String, TestResult>,
    /// Files that could not be collected, with the exception type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub collect_errors: BTreeMap<String, String>,
    /// How what did not pass failed, by test id or by the file that could not be collected; of the first 500.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub traces: BTreeMap<String, Trace>,
    /// Watched lines that ran ([`TestPlan::watch`]), by repository path, sorted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ran: BTreeMap<String, Vec<u32>>,
    /// What tests of a plan that notes were answered, by test id, in order ([`TestPlan::note`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub noted: BTreeMap<String, Vec<Note>>,
    /// Top-level modules that the environment has beside the standard library.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub modules: BTreeSet<String>,
    /// Modules of the runner, the standard library or the environment that were imported from the tree, with the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shadows: BTreeMap<String, String>,
    /// Whatever should not be there: wrong nonce, gap in the sequence, records after the end, unreadable records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<String>,
    /// What the reporter says beside results. None: a candidate's run, of which nothing is quoted, or an older reporter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remarks: Option<Remarks>,
}

/// What a run says beside results: why something failed or did not run. Admission quotes it; no verdict rests on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remarks {
    /// First line of what was raised, or the reason of a skip, by test id or by what could not be collected; of the first 200.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub messages: BTreeMap<String, String>,
    /// Files that were skipped as a whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, FileSkip>,
    /// Files all of whose tests the runner's configuration takes out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub deselected: BTreeSet<String>,
    /// Files of which it takes some tests out, with their number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partly_deselected: BTreeMap<String, u64>,
    /// Files that it, or a plugin of the tree, would leave out if nobody named them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ignored: BTreeSet<String>,
}

/// A file that was skipped as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileSkip {
    pub reason: String,
    /// For want of a module.
    #[serde(default, skip_serializing_if = "is_false")]
    pub missing: bool,
}

/// Bounded output: head and tail of what was printed, and how much there was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputRef {
    /// Blob that holds head and tail.
    pub blob: Option<Digest>,
    /// Bytes that were printed in all.
    pub total_bytes: u64,
}

/// The facts of a trial. Append-only; one record of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    pub format: String,
    pub trial_id: Digest,
    pub trial: Trial,
    /// `cell`, `docker-cell` or `container`.
    pub sandbox: String,
    pub exit: Exit,
    /// Blob of the [`TestReport`]; absent for scripts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Digest>,
    pub output: OutputRef,
    /// Wall clock of the job alone, milliseconds.
    pub wall_ms: u64,
    /// Wall clock of setting the sandbox up and tearing it down, milliseconds.
    pub overhead_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// Trusted files of the tree (tests, fixtures, runner configuration, ...) that the run changed, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tampered: Vec<String>,
    /// Sandbox failures before this outcome, in order. They never count against a candidate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retried: Vec<String>,
    /// Another run had this trial's outcome already; it was taken from there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reused: bool,
    /// The bundle that it came from; none: it was run here, or by an earlier run that shares the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}
