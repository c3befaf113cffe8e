//! What pytest and unittest have in common as runners. They differ in what an [`Adapter`] says.

use super::bare::BareRun;
use super::services::missing_service;
use super::{
    cause, defines_tests, failed_to_start, in_source, parse_id, reporter_command, script_command, takes_along,
};
use crate::model::cause::Cause;
use crate::model::channel::Channel;
use crate::model::test_id::TestId;
use crate::model::trial::{TestPlan, TestReport, Variation};
use crate::runner::{Bare, Command, Runner, Sentinels, records};

/// One runner of Python.
pub trait Adapter: Send + Sync {
    const NAME: &'static str;
    const VERSION: u32;
    /// The reporter that is started, one of the trusted files.
    const LAUNCHER: &'static str;
    const SUPPORT: &'static [(&'static str, &'static [u8])];
    const SENTINELS: &'static dyn Sentinels;
    const BARE: &'static BareRun = &BareRun { runner: Self::NAME };

    /// What follows the launcher's path.
    fn arguments(workdir: &str, plan: &TestPlan) -> Vec<String>;

    /// Whether the runner collects tests from a file of this name.
    fn collects(name: &str) -> bool;
}

impl<T: Adapter> Runner for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn version(&self) -> u32 {
        T::VERSION
    }

    fn language(&self) -> &'static str {
        "python"
    }

    fn channel(&self) -> Channel {
        Channel::Reporter
    }

    fn command(&self, tool: &str, workdir: &str, plan: &TestPlan, nonce: &str) -> Command {
        reporter_command(tool, T::LAUNCHER, T::arguments(workdir, plan), T::SUPPORT, plan, nonce)
    }

    fn parse(&self, channel: &[u8], truncated: bool, nonce: &str) -> TestReport {
        records::parse(channel, truncated, nonce)
    }

    fn parse_id<'i>(&self, id: &'i str) -> TestId<'i> {
        parse_id(id)
    }

    fn is_test_file(&self, path: &str) -> bool {
        T::collects(path.rsplit('/').next().unwrap_or(path))
    }

    fn defines_tests(&self, source: &str) -> bool {
        defines_tests(source)
    }

    fn in_source(&self, id: &str) -> bool {
        in_source(id)
    }

    fn cause(&self, error: &str) -> Cause {
        cause(error)
    }

    fn missing_service(&self, error: &str, message: &str) -> Option<String> {
        missing_service(error, message)
    }

    fn assertion_name(&self) -> &'static str {
        "AssertionError"
    }

    fn takes_along(&self, place: &str, id: &str) -> bool {
        takes_along(place, id)
    }

    fn failed_to_start(&self, status: i32) -> bool {
        failed_to_start(status)
    }

    fn sentinels(&self) -> Option<&'static dyn Sentinels> {
        Some(T::SENTINELS)
    }

    fn bare(&self) -> Option<&'static dyn Bare> {
        Some(T::BARE)
    }

    fn script_command(&self, tool: &str, workdir: &str, path: &str, variation: Variation) -> Option<Command> {
        Some(script_command(tool, workdir, path, variation))
    }
}
