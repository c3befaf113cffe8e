//! The standard library's unittest, on Python 3.5 and newer.

use super::{Command, Framework, file_part, ordered, records, reporter_command};
use crate::trial::{TestPlan, TestReport};

/// The unittest adapter.
#[derive(Clone, Copy, Debug)]
pub struct Unittest;

const SUPPORT: [(&str, &[u8]); 2] = [
    ("assay_channel.py", include_bytes!("../../sandboxes/reporters/assay_channel.py")),
    ("assay_unittest.py", include_bytes!("../../sandboxes/reporters/assay_unittest.py")),
];

impl Framework for Unittest {
    fn name(&self) -> &'static str {
        "unittest"
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

    fn file_of(&self, test_id: &str) -> String {
        file_part(test_id)
    }

    fn is_test_file(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.starts_with("test") && name.ends_with(".py")
    }
}
