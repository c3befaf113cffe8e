//! The standard library's unittest, on Python 3.5 and newer.

use super::bare::BareRun;
use super::{reporter_command, sentinel};
use crate::model::cause::Cause;
use crate::model::channel::Channel;
use crate::model::test_id::TestId;
use crate::model::trial::{TestPlan, TestReport, Variation};
use crate::runner::{Bare, Command, Runner, Sentinels, ordered, records};

/// The unittest adapter.
#[derive(Clone, Copy, Debug)]
pub struct Unittest;

const SUPPORT: [(&str, &[u8]); 2] = [
    ("assay_channel.py", include_bytes!("../../../sandboxes/reporters/assay_channel.py")),
    ("assay_unittest.py", include_bytes!("../../../sandboxes/reporters/assay_unittest.py")),
];

impl Runner for Unittest {
    fn name(&self) -> &'static str {
        "unittest"
    }

    fn language(&self) -> &'static str {
        "python"
    }

    fn channel(&self) -> Channel {
        Channel::Reporter
    }

    fn version(&self) -> u32 {
        10
    }

    fn command(&self, python: &str, workdir: &str, plan: &TestPlan, nonce: &str) -> Command {
        let mut arguments = vec![workdir.to_owned()];
        arguments.extend(ordered(plan));
        reporter_command(python, "assay_unittest.py", arguments, &SUPPORT, plan, nonce)
    }

    fn parse(&self, channel: &[u8], truncated: bool, nonce: &str) -> TestReport {
        records::parse(channel, truncated, nonce)
    }

    fn parse_id<'i>(&self, id: &'i str) -> TestId<'i> {
        super::parse_id(id)
    }

    fn is_test_file(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.starts_with("test") && name.ends_with(".py")
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
        Some(&sentinel::Methods)
    }

    fn bare(&self) -> Option<&'static dyn Bare> {
        Some(&BareRun { runner: "unittest" })
    }

    fn script_command(&self, tool: &str, workdir: &str, path: &str, variation: Variation) -> Option<Command> {
        Some(super::script_command(tool, workdir, path, variation))
    }
}
