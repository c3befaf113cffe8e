//! pytest 3 to 9, on Python 3.5 and newer.

use super::adapter::Adapter;
use super::sentinel;
use crate::model::trial::TestPlan;
use crate::runner::{Sentinels, ordered};

/// Its distribution, and the major versions that the reporter knows.
pub const KNOWN: (&str, std::ops::RangeInclusive<u64>) = ("pytest", 3..=9);

/// The pytest adapter.
#[derive(Clone, Copy, Debug)]
pub struct Pytest;

impl Adapter for Pytest {
    const NAME: &'static str = "pytest";
    const VERSION: u32 = 13;
    const LAUNCHER: &'static str = "assay_pytest.py";
    const SUPPORT: &'static [(&'static str, &'static [u8])] = &[
        ("assay_channel.py", include_bytes!("../../../sandboxes/reporters/assay_channel.py")),
        ("assay_pytest.py", include_bytes!("../../../sandboxes/reporters/assay_pytest.py")),
    ];
    const SENTINELS: &'static dyn Sentinels = &sentinel::Functions;

    fn arguments(workdir: &str, plan: &TestPlan) -> Vec<String> {
        let mut arguments = vec![workdir.to_owned(), format!("--rootdir={workdir}")];
        // Absolute, so that no file name reads as an option.
        arguments.extend(ordered(plan).iter().map(|file| format!("{workdir}/{file}")));
        arguments
    }

    fn collects(name: &str) -> bool {
        name.strip_suffix(".py").is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
    }
}
