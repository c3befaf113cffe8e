//! Which tasks stay in training once a model has been seen at them. As in SWE-Swiss, stage 2 drops what the policy of stage 1
//! solves more than nine times in ten. In: visits per instance. Out: what stays, what leaves, and why. Pure but
//! for [`rows`], which copies files.

pub mod report;
pub mod rows;

use std::collections::BTreeMap;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::generation::Skill;

/// One rollout of a policy at a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    pub instance_id: String,
    /// None where the log does not say: it counts for every skill of the instance.
    pub skill: Option<Skill>,
    pub outcome: Outcome,
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Solved,
    Failed,
    /// The machine failed, or nobody knows: no attempt of the policy.
    Infrastructure,
}

/// Rollouts of one task, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Visits {
    pub solved: u64,
    pub failed: u64,
    /// In no rate.
    pub infrastructure: u64,
}

impl Visits {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Solved => self.solved += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Infrastructure => self.infrastructure += 1,
        }
    }

    /// Attempts whose result is known.
    pub fn judged(self) -> u64 {
        self.solved + self.failed
    }

    /// Solved of judged, 0 to 1; none where nothing was judged.
    pub fn accuracy(self) -> Option<f64> {
        (self.judged() > 0).then(|| self.solved as f64 / self.judged() as f64)
    }
}

/// Visits of every task.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<(String, Option<Skill>), Visits>);

impl Tally {
    pub fn add(&mut self, rollout: Rollout) {
        self.0.entry((rollout.instance_id, rollout.skill)).or_default().add(rollout.outcome);
    }

    /// Visits of a task: those that name its skill and those that name none.
    pub fn of(&self, instance_id: &str, skill: Skill) -> Visits {
        let mut sum = Visits::default();
        for said in [Some(skill), None] {
            if let Some(visits) = self.0.get(&(instance_id.to_owned(), said)) {
                sum.solved += visits.solved;
                sum.failed += visits.failed;
                sum.infrastructure += visits.infrastructure;
            }
        }
        sum
    }

    /// All rollouts together.
    pub fn total(&self) -> Visits {
        self.0.values().fold(Visits::default(), |sum, visits| Visits {
            solved: sum.solved + visits.solved,
            failed: sum.failed + visits.failed,
            infrastructure: sum.infrastructure + visits.infrastructure,
        })
    }

    /// Instances with a rollout.
    pub fn instances(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|(id, _)| id.as_str())
    }
}

/// Which side of the threshold leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What is solved more often leaves.
    #[default]
    Above,
    /// What is solved less often leaves.
    Below,
}

/// When a task leaves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rules {
    /// 1 keeps everything.
    pub stage: u8,
    /// An accuracy strictly beyond it leaves.
    pub threshold: f64,
    pub direction: Direction,
    /// Judged visits below which a task stays.
    pub min_visits: u64,
    /// Whether what was never solved leaves.
    pub drop_unsolved: bool,
}

impl Default for Rules {
    /// Those of SWE-Swiss' second stage.
    fn default() -> Self {
        Self { stage: 2, threshold: 0.9, direction: Direction::Above, min_visits: 1, drop_unsolved: false }
    }
}

/// Why a task stays or leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Stays: the first stage has everything.
    FirstStage,
    /// Stays: no rollout was judged.
    Unvisited,
    /// Stays: fewer judged rollouts than asked for.
    TooFewVisits,
    /// Stays: its accuracy is not beyond the threshold.
    WithinThreshold,
    /// Leaves: solved more often than the threshold.
    Mastered,
    /// Leaves: solved less often than the threshold.
    TooHard,
    /// Leaves: never solved.
    NeverSolved,
}

impl Why {
    pub fn stays(self) -> bool {
        match self {
            Self::FirstStage | Self::Unvisited | Self::TooFewVisits | Self::WithinThreshold => true,
            Self::Mastered | Self::TooHard | Self::NeverSolved => false,
        }
    }
}

impl Rules {
    /// What becomes of a task.
    pub fn decide(&self, visits: Visits) -> Why {
        if self.stage <= 1 {
            return Why::FirstStage;
        }
        let Some(accuracy) = visits.accuracy() else { return Why::Unvisited };
        if visits.judged() < self.min_visits {
            Why::TooFewVisits
        } else if self.drop_unsolved && visits.solved == 0 {
            Why::NeverSolved
        } else if self.direction == Direction::Above && accuracy > self.threshold {
            Why::Mastered
        } else if self.direction == Direction::Below && accuracy < self.threshold {
            Why::TooHard
        } else {
            Why::WithinThreshold
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visits(solved: u64, failed: u64, infrastructure: u64) -> Visits {
        Visits { solved, failed, infrastructure }
    }

    #[test]
    fn tasks_leave_strictly_beyond_the_threshold_and_what_is_not_known_keeps_them() {
        let rules = Rules::default();
        let hard = Rules { direction: Direction::Below, threshold: 0.1, ..rules };
        let unsolved = Rules { drop_unsolved: true, ..rules };
        let table = [
            (rules, visits(10, 0, 0), Why::Mastered),
            (rules, visits(9, 1, 0), Why::WithinThreshold),
            (rules, visits(91, 9, 0), Why::Mastered),
            (rules, visits(0, 8, 0), Why::WithinThreshold),
            (rules, visits(0, 0, 0), Why::Unvisited),
            // Only the machine failed.
            (rules, visits(0, 0, 7), Why::Unvisited),
            // The machine's failures are in no rate.
            (rules, visits(10, 0, 90), Why::Mastered),
            (rules, visits(9, 1, 90), Why::WithinThreshold),
            (Rules { min_visits: 4, ..rules }, visits(3, 0, 9), Why::TooFewVisits),
            (Rules { min_visits: 3, ..rules }, visits(3, 0, 0), Why::Mastered),
            (Rules { stage: 1, ..rules }, visits(9, 0, 0), Why::FirstStage),
            (unsolved, visits(0, 8, 1), Why::NeverSolved),
            (unsolved, visits(0, 0, 1), Why::Unvisited),
            (unsolved, visits(8, 0, 0), Why::Mastered),
            (hard, visits(0, 8, 0), Why::TooHard),
            (hard, visits(1, 9, 0), Why::WithinThreshold),
            (hard, visits(9, 0, 0), Why::WithinThreshold),
        ];
        for (rules, visits, why) in table {
            assert_eq!(rules.decide(visits), why, "{rules:?} {visits:?}");
        }
    }

    #[test]
    fn rollouts_that_name_no_skill_count_for_every_skill() {
        let mut tally = Tally::default();
        let mut add = |skill, outcome| tally.add(Rollout { instance_id: "a".to_owned(), skill, outcome });
        add(Some(Skill::Repair), Outcome::Solved);
        add(None, Outcome::Failed);
        add(Some(Skill::Test), Outcome::Infrastructure);
        assert_eq!(tally.of("a", Skill::Repair), visits(1, 1, 0));
        assert_eq!(tally.of("a", Skill::Test), visits(0, 1, 1));
        assert_eq!(tally.of("b", Skill::Test), visits(0, 0, 0));
        assert_eq!(tally.total(), visits(1, 1, 1));
    }
}
