//! What an admission will take, said at the console once gold's first run tells it.

use crate::console::Expected;
use crate::judge::{AdmissionInput, Cost, Evidence as _};
use crate::lab::Lab;
use crate::model::trial::{Exit, TestResult, Trial};
use crate::model::verdict::Evidence;
use crate::runner::Runner;

/// Runs of `--evidence E3`: gold twice, base, and gold mutated.
const PLAIN: u64 = 4;
/// Most parts that `--minimal-gold` leaves out one by one, in each split.
const MINIMAL: u64 = 16;

/// The bill of one instance.
pub(super) struct Bill<'a> {
    lab: &'a Lab<'a>,
    input: &'a AdmissionInput<'a>,
    runner: &'static dyn Runner,
    /// Whether it was told; the runs count as to come as long as this is here.
    expected: Option<Expected<'a>>,
}

impl<'a> Bill<'a> {
    pub fn new(lab: &'a Lab<'a>, input: &'a AdmissionInput<'a>, runner: &'static dyn Runner) -> Self {
        Self { lab, input, runner, expected: None }
    }

    /// A trial of the admission is done. The first of gold says what the others will take.
    pub fn ran(&mut self, trial: &Trial) -> anyhow::Result<()> {
        let whole = trial.tree == self.input.trees.tested_gold && trial.repeat == 0 && trial.plan.only.is_empty();
        if whole && self.expected.is_none() { self.tell(trial) } else { Ok(()) }
    }

    fn tell(&mut self, trial: &Trial) -> anyhow::Result<()> {
        let Some(outcome) = self.lab.knowledge.read_outcome(&trial.id())? else { return Ok(()) };
        // What an earlier run paid for is not paid again; and a run that did not end is the last.
        let Exit::Code(_) = outcome.exit else { return Ok(()) };
        let report = self.lab.knowledge.report(&outcome).filter(|report| report.finished && !outcome.reused);
        let Some(report) = report else { return Ok(()) };
        // Then it is refused, and nothing follows.
        if !report.tests.values().any(TestResult::passed) {
            return Ok(());
        }
        let settings = &self.lab.settings;
        let plain = if settings.evidence >= Evidence::E3 && self.runner.bare().is_some() { PLAIN } else { 0 };
        let minimal = if settings.minimal_gold { MINIMAL } else { 0 };
        let cost = Cost::of(self.input, self.runner, &report, outcome.wall_ms, plain + minimal);
        self.expected = Some(self.lab.console.expect_runs(&trial.instance_id, cost.runs()));
        self.lab.console.say(format!("{}: {}", trial.instance_id, cost.told()));
        Ok(())
    }
}
