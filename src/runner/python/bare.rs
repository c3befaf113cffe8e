//! Test bodies without their runner, under neutral names: what code does that cannot tell that it is tested.
//!
//! The launcher (`sandboxes/reporters/assay_plain.py`) reads pytest and unittest files and reports in the records of
//! the other reporters. A test that uses more than the launcher has stand-ins for is not reported, so nothing is said
//! about it. `docs/threats.md` describes its two processes.

use super::reporter_command;
use crate::model::trial::TestPlan;
use crate::runner::{Bare, Command, ordered};

/// In place of an adapter's name and version in a plan; raised whenever the launcher changes what a report may say.
pub const NAME: &str = "plain/2";
/// Error of a file in [`crate::model::trial::TestReport::collect_errors`]: importing the project loads a test runner, so its code may
/// well see one.
pub const RUNNER_LOADED: &str = "RunnerLoaded";

const SUPPORT: [(&str, &[u8]); 7] = [
    ("assay_channel.py", include_bytes!("../../../sandboxes/reporters/assay_channel.py")),
    ("assay_neutral.py", include_bytes!("../../../sandboxes/reporters/assay_neutral.py")),
    ("assay_plain.py", include_bytes!("../../../sandboxes/reporters/assay_plain.py")),
    ("assay_plain_run.py", include_bytes!("../../../sandboxes/reporters/assay_plain_run.py")),
    ("assay_plain_stand_ins.py", include_bytes!("../../../sandboxes/reporters/assay_plain_stand_ins.py")),
    ("assay_plain_work.py", include_bytes!("../../../sandboxes/reporters/assay_plain_work.py")),
    ("assay_plain_values.py", include_bytes!("../../../sandboxes/reporters/assay_plain_values.py")),
];

/// The bare run of the tests that a runner would take.
#[derive(Clone, Copy, Debug)]
pub struct BareRun {
    /// Name of the runner that is left out.
    pub runner: &'static str,
}

impl Bare for BareRun {
    fn name(&self) -> &'static str {
        NAME
    }

    fn command(&self, tool: &str, workdir: &str, plan: &TestPlan, nonce: &str) -> Command {
        let mut arguments = vec![workdir.to_owned(), self.runner.to_owned()];
        arguments.extend(ordered(plan));
        reporter_command(tool, "assay_plain.py", arguments, &SUPPORT, plan, nonce)
    }

    fn runner_loaded(&self, error: &str) -> bool {
        error == RUNNER_LOADED
    }
}
