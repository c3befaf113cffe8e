//! pytest 3 to 9, on Python 3.5 and newer.

use super::bare::BareRun;
use super::{reporter_command, sentinel};
use crate::model::cause::Cause;
use crate::model::channel::Channel;
use crate::model::test_id::TestId;
use crate::model::trial::{TestPlan, TestReport, Variation};
use crate::runner::{Bare, Command, Runner, Sentinels, ordered, records};

/// The pytest adapter.
#[derive(Clone, Copy, Debug)]
pub struct Pytest;

const SUPPORT: [(&str, &[u8]); 2] = [
    ("assay_channel.py", include_bytes!("../../../sandboxes/reporters/assay_channel.py")),
    ("assay_pytest.py", include_bytes!("../../../sandboxes/reporters/assay_pytest.py")),
];

impl Runner for Pytest {
    fn name(&self) -> &'static str {
        "pytest"
    }

    fn language(&self) -> &'static str {
        "python"
    }

    fn channel(&self) -> Channel {
        Channel::Reporter
    }

    fn version(&self) -> u32 {
        11
    }

    fn command(&self, python: &str, workdir: &str, plan: &TestPlan, nonce: &str) -> Command {
        let mut arguments = vec![workdir.to_owned(), format!("--rootdir={workdir}")];
        // Absolute, so that no file name reads as an option.
        arguments.extend(ordered(plan).iter().map(|file| format!("{workdir}/{file}")));
        reporter_command(python, "assay_pytest.py", arguments, &SUPPORT, plan, nonce)
    }

    fn parse(&self, channel: &[u8], truncated: bool, nonce: &str) -> TestReport {
        records::parse(channel, truncated, nonce)
    }

    fn parse_id<'i>(&self, id: &'i str) -> TestId<'i> {
        super::parse_id(id)
    }

    fn is_test_file(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.strip_suffix(".py").is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
    }

    fn defines_tests(&self, source: &str) -> bool {
        super::defines_tests(source)
    }

    fn in_source(&self, id: &str) -> bool {
        super::in_source(id)
    }

    fn cause(&self, error: &str) -> Cause {
        super::cause(error)
    }

    fn assertion_name(&self) -> &'static str {
        "AssertionError"
    }

    fn takes_along(&self, place: &str, id: &str) -> bool {
        super::takes_along(place, id)
    }

    fn agrees(&self, status: i32, failures: bool) -> bool {
        super::agrees(status, failures)
    }

    fn failed_to_start(&self, status: i32) -> bool {
        super::failed_to_start(status)
    }

    fn sentinels(&self) -> Option<&'static dyn Sentinels> {
        Some(&sentinel::Functions)
    }

    fn bare(&self) -> Option<&'static dyn Bare> {
        Some(&BareRun { runner: "pytest" })
    }

    fn script_command(&self, tool: &str, workdir: &str, path: &str, variation: Variation) -> Option<Command> {
        Some(super::script_command(tool, workdir, path, variation))
    }
}
