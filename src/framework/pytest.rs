//! pytest 3 to 9, on Python 3.5 and newer.

use super::{Command, Framework, file_part, ordered, records, reporter_command};
use crate::trial::{TestPlan, TestReport};

/// The pytest adapter.
#[derive(Clone, Copy, Debug)]
pub struct Pytest;

const SUPPORT: [(&str, &[u8]); 2] = [
    ("assay_channel.py", include_bytes!("../../sandboxes/reporters/assay_channel.py")),
    ("assay_pytest.py", include_bytes!("../../sandboxes/reporters/assay_pytest.py")),
];

impl Framework for Pytest {
    fn name(&self) -> &'static str {
        "pytest"
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

    fn file_of(&self, test_id: &str) -> String {
        file_part(test_id)
    }

    fn is_test_file(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.strip_suffix(".py").is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
    }
}
