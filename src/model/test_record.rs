//! What admission saw of one test: how often it did what, on base and on gold, and where that leaves it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One test. Kept for those that do not plainly pass on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestRecord {
    pub standing: Standing,
    /// What was seen on base, by how it was run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub base: BTreeMap<Condition, Sightings>,
    /// What was seen on gold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gold: BTreeMap<Condition, Sightings>,
    /// How it first failed on base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_failure: Option<FailureClass>,
    /// How it first failed on gold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold_failure: Option<FailureClass>,
}

impl TestRecord {
    /// Whether candidates are held to it although gold fails it in another order.
    pub fn ordered(&self) -> bool {
        self.standing == Standing::FailToPass && fails_in_another_order_only(&self.base, &self.gold)
    }

    /// Whether it left for a reason that it would not leave for today.
    pub fn left_too_early(&self) -> bool {
        self.standing == Standing::OrderDependent && fails_in_another_order_only(&self.base, &self.gold)
    }

    /// Counts by side and condition, and how it fails, for people.
    pub fn seen(&self) -> String {
        let mut parts = Vec::new();
        for (side, counts) in [("base", &self.base), ("gold", &self.gold)] {
            parts.extend(counts.iter().map(|(condition, counts)| format!("{side} {} {counts}", condition.name())));
        }
        for (side, failure) in [("base", &self.base_failure), ("gold", &self.gold_failure)] {
            parts.extend(failure.iter().map(|class| format!("{side} fails by {class}")));
        }
        parts.join("; ")
    }
}

/// Whether base failed a test every time, and gold failed it in another order of the tests every time and never otherwise.
/// Candidates run the tests in the order of their files, in which such a test is steady.
pub fn fails_in_another_order_only(
    base: &BTreeMap<Condition, Sightings>,
    gold: &BTreeMap<Condition, Sightings>,
) -> bool {
    let always = |seen: Sightings, count: u32| count > 0 && count == seen.known() + seen.unknown;
    let (shuffled, steady): (BTreeMap<_, _>, BTreeMap<_, _>) =
        gold.iter().partition(|(condition, _)| **condition == Condition::Shuffled);
    let total = |side: &BTreeMap<&Condition, &Sightings>| {
        side.values().fold(Sightings::default(), |sum, more| sum.plus(**more))
    };
    let (shuffled, in_order) = (total(&shuffled), total(&steady));
    let on_base = Sightings::total(base);
    always(shuffled, shuffled.failed)
        && steady.contains_key(&Condition::InOrder)
        && always(in_order, in_order.passed)
        && always(on_base, on_base.failed)
}

/// Where a test ended up. Only the first is expected of candidates; the others left the expectations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Failed on base whenever it was reached, passed on gold every time; or gold fails it in another order of the tests and in
    /// nothing else ([`TestRecord::ordered`]).
    FailToPass,
    /// Its result follows from which tests ran before it.
    OrderDependent,
    /// Its result follows from hash seed, time zone or locale.
    SeedOrZoneDependent,
    /// Its result differs between runs that are the same.
    Flaky,
    /// It needs the network, which no sandbox has.
    NetworkDependent,
    /// Base never came to it, not even by itself.
    UnknownOnBase,
    /// It passes on gold and is skipped, absent or expected to fail on base: base did not fail it.
    NotFailedOnBase,
    /// It fails on gold, for a reason that is not the network.
    FailsOnGold,
}

impl Standing {
    /// Whether it left because its results differ from run to run.
    pub fn unstable(self) -> bool {
        match self {
            Self::OrderDependent | Self::SeedOrZoneDependent | Self::Flaky => true,
            Self::FailToPass
            | Self::NetworkDependent
            | Self::UnknownOnBase
            | Self::NotFailedOnBase
            | Self::FailsOnGold => false,
        }
    }

    /// In plain words.
    pub fn words(self) -> &'static str {
        match self {
            Self::FailToPass => "fail to pass",
            Self::OrderDependent => "order-dependent",
            Self::SeedOrZoneDependent => "depends on hash seed, time zone or locale",
            Self::Flaky => "flaky",
            Self::NetworkDependent => "needs the network",
            Self::UnknownOnBase => "base never came to it",
            Self::NotFailedOnBase => "base did not fail it",
            Self::FailsOnGold => "fails on gold",
        }
    }
}

/// How a run was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// All test files in one run.
    Whole,
    /// The split of files that candidates get.
    InOrder,
    /// That split with files, and the tests of each file, in another order.
    Shuffled,
    /// That split with another hash seed, time zone and locale.
    OtherSeedAndZone,
    /// The test by itself, or with the other missing tests of its file.
    Alone,
}

impl Condition {
    /// As it stands in the files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::InOrder => "in_order",
            Self::Shuffled => "shuffled",
            Self::OtherSeedAndZone => "other_seed_and_zone",
            Self::Alone => "alone",
        }
    }
}

/// How often a test did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sightings {
    #[serde(skip_serializing_if = "is_zero")]
    pub passed: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: u32,
    /// Skipped, or expected to fail.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: u32,
    /// The run ended and the test was not in it.
    #[serde(skip_serializing_if = "is_zero")]
    pub absent: u32,
    /// The run ended before it came to the test.
    #[serde(skip_serializing_if = "is_zero")]
    pub unknown: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Sightings {
    /// Runs that came to the test.
    pub fn known(self) -> u32 {
        self.passed + self.failed + self.skipped + self.absent
    }

    /// More than one kind of result.
    pub fn mixed(self) -> bool {
        [self.passed, self.failed, self.skipped, self.absent].iter().filter(|count| **count > 0).count() > 1
    }

    /// All conditions together.
    pub fn total(by_condition: &BTreeMap<Condition, Self>) -> Self {
        by_condition.values().fold(Self::default(), |sum, more| sum.plus(*more))
    }

    fn plus(self, more: Self) -> Self {
        Self {
            passed: self.passed + more.passed,
            failed: self.failed + more.failed,
            skipped: self.skipped + more.skipped,
            absent: self.absent + more.absent,
            unknown: self.unknown + more.unknown,
        }
    }
}

impl std::fmt::Display for Sightings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "passed {} of {}", self.passed, self.known() + self.unknown)?;
        let counts = [(self.skipped, "skipped"), (self.absent, "absent"), (self.unknown, "not reached")];
        counts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, what)| write!(f, ", {what} {count}"))
    }
}

/// How a test failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "error", rename_all = "snake_case")]
pub enum FailureClass {
    /// An assertion of its own.
    Assertion,
    /// Another exception, by type; empty where the runner did not say.
    Exception(String),
    /// Its file could not be collected, with the exception type.
    CollectError(String),
    /// It ran by itself and the run did not end: hang, crash or memory.
    DidNotEnd(String),
}

impl std::fmt::Display for FailureClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Assertion => f.write_str("an assertion"),
            Self::Exception(name) if name.is_empty() => f.write_str("an exception"),
            Self::Exception(name) => f.write_str(name),
            Self::CollectError(name) => write!(f, "{name} at collection"),
            Self::DidNotEnd(how) => write!(f, "did not end ({how})"),
        }
    }
}
