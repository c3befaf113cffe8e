//! The standard library's unittest, on Python 3.5 and newer.

use super::adapter::Adapter;
use super::sentinel;
use crate::model::trial::TestPlan;
use crate::runner::{Sentinels, ordered};

/// The unittest adapter.
#[derive(Clone, Copy, Debug)]
pub struct Unittest;

impl Adapter for Unittest {
    const NAME: &'static str = "unittest";
    const VERSION: u32 = 10;
    const LAUNCHER: &'static str = "assay_unittest.py";
    const SUPPORT: &'static [(&'static str, &'static [u8])] = &[
        ("assay_channel.py", include_bytes!("../../../sandboxes/reporters/assay_channel.py")),
        ("assay_unittest.py", include_bytes!("../../../sandboxes/reporters/assay_unittest.py")),
    ];
    const SENTINELS: &'static dyn Sentinels = &sentinel::Methods;

    fn arguments(workdir: &str, plan: &TestPlan) -> Vec<String> {
        let mut arguments = vec![workdir.to_owned()];
        arguments.extend(ordered(plan));
        arguments
    }

    fn collects(name: &str) -> bool {
        name.starts_with("test") && name.ends_with(".py")
    }
}
