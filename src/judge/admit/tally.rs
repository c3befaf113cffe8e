//! The runs of an admission, and what they say about each test. In: runs of base and gold. Out: what stays, what leaves
//! and why.
//!
//! A test whose results differ leaves, whatever the reason.
//! - If two runs of the same kind differ, the reason is `flaky`.
//! - Otherwise its split runs four more times on the side that differs, and the test itself (of the first eight) runs
//!   twice alone. If only the shuffled, the whole or the lone run differs, the reason is `order_dependent`. If only the
//!   run with the other seed and zone differs, it is `seed_or_zone_dependent`.
//! - A fail-to-pass test that gold fails in every shuffled run, and in no other, stays: candidates run in the order of the
//!   files. Its record shows the shuffled runs, and admission report and rows name it.
//! - If gold fails by an exception of name resolution or of an unreachable network, the reason is `network_dependent`:
//!   there is no network, and no retry. A refused connection is not one of these, because the sandbox has a loopback.
//!
//! Every test that does not plainly pass on both sides has a record with counts per side and way of running.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::sessions;
use crate::judge::asker::Seen;
use crate::judge::{Halt, run_result};
use crate::model::cause::Cause;
use crate::model::test_record::{
    Condition, FailureClass, Sightings, Standing, TestRecord, fails_in_another_order_only,
};
use crate::model::trial::{Phase, Status, TestResult};
use crate::runner::Runner;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Base,
    Gold,
}

struct Run {
    side: Side,
    condition: Condition,
    /// Part of the side's first look at everything.
    whole: bool,
    seen: Seen,
    /// Files and, if not all of their tests ran, the tests.
    files: HashSet<String>,
    only: HashSet<String>,
    /// Why it did not come to its own end.
    cut: Option<String>,
}

/// Every run so far.
pub(crate) struct Tally<'a> {
    runner: &'a dyn Runner,
    runs: Vec<Run>,
    ids: BTreeSet<String>,
}

/// What one run says about one test.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sighting {
    Passed,
    Failed(FailureClass),
    Skipped,
    Absent,
    Unknown,
}

/// Where a test stands: the record of a test that is to be kept, or one that passes on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    PassToPass,
    Record(Box<TestRecord>),
    /// Not expected, and nothing is to be told of it; for example, it was skipped on gold.
    Idle,
}

impl<'a> Tally<'a> {
    pub fn new(runner: &'a dyn Runner) -> Self {
        Self { runner, runs: Vec::new(), ids: BTreeSet::new() }
    }

    pub fn add(&mut self, side: Side, condition: Condition, seen: Seen) {
        self.ids.extend(seen.report.tests.keys().cloned());
        let cut = match run_result::ended(&seen) {
            Ok(_) => None,
            Err(Halt::Judged(_, detail)) => Some(detail),
            Err(Halt::Needs(_)) => Some("not run".to_owned()),
        };
        let plan = &seen.outcome.trial.plan;
        let (files, only) = (plan.files.iter().cloned().collect(), plan.only.iter().cloned().collect());
        let whole = condition == Condition::Whole;
        self.runs.push(Run { side, condition, whole, seen, files, only, cut });
    }

    /// Candidates get all files in one run too: what was seen so far was in their order.
    pub fn one_split(&mut self) {
        for run in self.runs.iter_mut().filter(|run| run.condition == Condition::Whole) {
            run.condition = Condition::InOrder;
        }
    }

    /// The sessions of a side that come to all files, once each.
    pub fn whole(&self, side: Side) -> Vec<Seen> {
        self.runs.iter().filter(|run| run.side == side && run.whole).map(|run| run.seen.clone()).collect()
    }

    /// The same as if it were one session.
    pub fn first(&self, side: Side) -> Option<Seen> {
        sessions::joined(&self.whole(side))
    }

    /// What a side said of a test that did not pass.
    pub fn message(&self, id: &str, side: Side) -> Option<&str> {
        self.runs.iter().filter(|run| run.side == side).find_map(|run| {
            let messages = &run.seen.report.remarks.as_ref()?.messages;
            let place = || run.seen.report.collect_errors.keys().find(|place| self.runner.takes_along(place, id));
            messages.get(id).or_else(|| messages.get(place()?)).map(String::as_str)
        })
    }

    /// Tests that any run reported.
    pub fn ids(&self) -> &BTreeSet<String> {
        &self.ids
    }

    /// Whether any run of gold passed any of these tests; of all tests, if none are given.
    pub fn gold_passes_any<'b>(&self, ids: impl IntoIterator<Item = &'b String>) -> bool {
        let mut ids = ids.into_iter().peekable();
        let passes = |id: &String| self.sightings(id, Side::Gold).values().any(|seen| seen.passed > 0);
        if ids.peek().is_none() { self.ids.iter().any(passes) } else { ids.any(passes) }
    }

    /// What was seen of a test on one side.
    pub fn sightings(&self, id: &str, side: Side) -> BTreeMap<Condition, Sightings> {
        let mut all: BTreeMap<Condition, Sightings> = BTreeMap::new();
        for (condition, sighting) in self.of(id, side) {
            let counts = all.entry(condition).or_default();
            match sighting {
                Sighting::Passed => counts.passed += 1,
                Sighting::Failed(_) => counts.failed += 1,
                Sighting::Skipped => counts.skipped += 1,
                Sighting::Absent => counts.absent += 1,
                Sighting::Unknown => counts.unknown += 1,
            }
        }
        all
    }

    fn of(&self, id: &str, side: Side) -> Vec<(Condition, Sighting)> {
        let file = self.runner.target_of(id);
        let covers = |run: &&Run| {
            run.side == side && run.files.contains(&file) && (run.only.is_empty() || run.only.contains(id))
        };
        self.runs.iter().filter(covers).map(|run| (run.condition, sighting(self.runner, run, id))).collect()
    }

    fn failure(&self, id: &str, side: Side) -> Option<FailureClass> {
        self.of(id, side).into_iter().find_map(|(_, sighting)| match sighting {
            Sighting::Failed(class) => Some(class),
            Sighting::Passed | Sighting::Skipped | Sighting::Absent | Sighting::Unknown => None,
        })
    }

    /// Where a test stands after the runs so far.
    pub fn stand(&self, id: &str) -> Stand {
        let (base, gold) = (self.sightings(id, Side::Base), self.sightings(id, Side::Gold));
        let (on_base, on_gold) = (Sightings::total(&base), Sightings::total(&gold));
        let gold_failure = self.failure(id, Side::Gold);
        let standing = if on_gold.passed == 0 {
            match &gold_failure {
                Some(class) if is_network(self.runner, class) => Standing::NetworkDependent,
                Some(_) => Standing::FailsOnGold,
                None => return Stand::Idle,
            }
        } else if fails_in_another_order_only(&base, &gold) {
            Standing::FailToPass
        } else if on_gold.mixed() || on_gold.unknown > 0 {
            cause(&gold)
        } else if on_base.mixed() {
            cause(&base)
        } else if on_base.known() == 0 {
            Standing::UnknownOnBase
        } else if on_base.passed > 0 {
            return Stand::PassToPass;
        } else if on_base.failed > 0 {
            Standing::FailToPass
        } else {
            Standing::NotFailedOnBase
        };
        let base_failure = self.failure(id, Side::Base);
        Stand::Record(Box::new(TestRecord { standing, base, gold, base_failure, gold_failure }))
    }

    /// Tests that passed on gold and that no run of base came to.
    pub fn unknown_on_base(&self) -> BTreeSet<String> {
        let unknown = |id: &&String| {
            let gold = Sightings::total(&self.sightings(id, Side::Gold));
            gold.passed > 0 && Sightings::total(&self.sightings(id, Side::Base)).known() == 0
        };
        self.ids.iter().filter(unknown).cloned().collect()
    }
}

/// Why the results of a test on one side differ. If equal runs differ, the test is flaky. Otherwise the condition that
/// differs from the rest names the cause; if more than one could, the order.
fn cause(by_condition: &BTreeMap<Condition, Sightings>) -> Standing {
    if by_condition.values().any(|counts| counts.mixed() || counts.unknown > 0) {
        return Standing::Flaky;
    }
    let passes = |condition| by_condition.get(&condition).map(|counts: &Sightings| counts.passed > 0);
    let in_order = passes(Condition::InOrder);
    let differs = |condition| in_order.is_some() && passes(condition).is_some_and(|result| Some(result) != in_order);
    let seed = differs(Condition::OtherSeedAndZone);
    let order = [Condition::Whole, Condition::Shuffled, Condition::Alone].into_iter().any(differs);
    match (order, seed) {
        (false, true) => Standing::SeedOrZoneDependent,
        (true, false) => Standing::OrderDependent,
        (true, true) | (false, false) => Standing::Flaky,
    }
}

fn sighting(runner: &dyn Runner, run: &Run, id: &str) -> Sighting {
    let report = &run.seen.report;
    let test = report.tests.get(id);
    if let Some(test) = test {
        if test.passed() {
            return Sighting::Passed;
        }
        if let Some(class) = failure_class(runner, test) {
            return Sighting::Failed(class);
        }
    }
    let uncollected = report.collect_errors.iter().find(|(place, _)| runner.takes_along(place, id));
    if let Some((_, error)) = uncollected {
        return Sighting::Failed(FailureClass::CollectError(error.clone()));
    }
    if let Some(why) = &run.cut {
        // Nothing else ran, so it is this test that did not end.
        return match run.seen.outcome.trial.plan.only.as_slice() {
            [_] => Sighting::Failed(FailureClass::DidNotEnd(why.clone())),
            _ => Sighting::Unknown,
        };
    }
    let status = report.exit_status.filter(|status| runner.failed_to_start(*status));
    if let Some(status) = status.filter(|_| report.tests.is_empty() && report.collect_errors.is_empty()) {
        // For example, a plugin cannot be loaded, and the session ends before it collects anything.
        return Sighting::Failed(FailureClass::CollectError(format!("session status {status}")));
    }
    if test.is_some() { Sighting::Skipped } else { Sighting::Absent }
}

fn failure_class(runner: &dyn Runner, test: &TestResult) -> Option<FailureClass> {
    let failed = test.phases.iter().find(|(_, status)| *status == Status::Failed)?;
    let cause = test.error.as_deref().map(|error| runner.cause(error));
    Some(match (failed.0, cause) {
        (Phase::Call | Phase::Whole, Some(Cause::Assertion | Cause::ExplicitFailure)) => FailureClass::Assertion,
        _ => FailureClass::Exception(test.error.clone().unwrap_or_default()),
    })
}

/// Whether the failure is what comes of having no network.
fn is_network(runner: &dyn Runner, class: &FailureClass) -> bool {
    match class {
        FailureClass::Exception(name) | FailureClass::CollectError(name) => runner.cause(name).is_network(),
        FailureClass::Assertion | FailureClass::DidNotEnd(_) => false,
    }
}
