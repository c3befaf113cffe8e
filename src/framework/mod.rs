//! Test-runner adapters. In: a test plan. Out: a sealed command, and a report parsed on our side.
//!
//! A runner is one file here and one reporter in `sandboxes/reporters/`. Adapters are pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::trial::{TestPlan, TestReport};

/// A sealed command: what a [`crate::sandbox::Job`] needs besides tree and limits.
#[derive(Clone, Debug)]
pub struct Command {
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Trusted files below [`crate::sandbox::SUPPORT_DIR`].
    pub support: BTreeMap<String, Arc<[u8]>>,
    /// Carries the nonce; read by the reporter before anything of the repository is imported.
    pub stdin: Vec<u8>,
}

/// One test runner.
pub trait Framework: Send + Sync {
    /// Name in `environment.framework`.
    fn name(&self) -> &'static str;

    /// Raised whenever command, reporter or parser change what a report may say: old admissions then run again.
    fn version(&self) -> u32;

    /// The sealed command for a plan. `python` and `workdir` are paths inside the sandbox; `nonce` is per run.
    fn command(&self, python: &str, workdir: &str, plan: &TestPlan, nonce: &str) -> Command;

    /// Reads the reporter's channel. Never fails: whatever is wrong is an alarm in the report, or `finished: false`.
    fn parse(&self, channel: &[u8], truncated: bool, nonce: &str) -> TestReport;

    /// Repository path of the file that a test id belongs to.
    fn file_of(&self, test_id: &str) -> String;

    /// Whether the runner collects tests from this path by convention.
    fn is_test_file(&self, path: &str) -> bool;
}
