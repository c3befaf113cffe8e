//! What moved and why.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rules, Tally, Visits, Why};
use crate::model::format;
use crate::model::generation::Skill;

/// A row that may stay or leave: the task it is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    pub instance_id: String,
    pub skill: Skill,
}

/// The report of a pruning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Curriculum {
    pub format: String,
    pub rules: Rules,
    /// Rows read, kept and dropped.
    pub rows: u64,
    pub kept: u64,
    pub dropped: u64,
    /// Rows by reason.
    pub reasons: BTreeMap<Why, u64>,
    /// All rollouts that were read.
    pub rollouts: Visits,
    /// Fields of the logs that said the outcomes, each with its number of rollouts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outcome_fields: BTreeMap<String, u64>,
    /// Instances with rollouts and without a row: another data set, or ids that are written another way.
    pub without_row: Vec<String>,
    /// Every task, by instance and skill.
    pub tasks: Vec<Moved>,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    pub instance_id: String,
    pub skill: Skill,
    #[serde(flatten)]
    pub visits: Visits,
    /// Solved of judged; none where nothing was judged.
    pub accuracy: Option<f64>,
    pub stays: bool,
    pub why: Why,
}

/// Decides for every row. `true` if a row stays.
pub fn decide(rules: &Rules, tally: &Tally, rows: &[Task]) -> (Vec<bool>, Curriculum) {
    let mut report = Curriculum {
        format: format::CURRICULUM.to_owned(),
        rules: *rules,
        rows: rows.len() as u64,
        kept: 0,
        dropped: 0,
        reasons: BTreeMap::new(),
        rollouts: tally.total(),
        outcome_fields: BTreeMap::new(),
        without_row: Vec::new(),
        tasks: Vec::new(),
    };
    let mut stay = Vec::with_capacity(rows.len());
    for row in rows {
        let why = rules.decide(tally.of(&row.instance_id, row.skill));
        *report.reasons.entry(why).or_default() += 1;
        match why.stays() {
            true => report.kept += 1,
            false => report.dropped += 1,
        }
        stay.push(why.stays());
    }
    let tasks: BTreeSet<_> = rows.iter().collect();
    let instances: BTreeSet<_> = rows.iter().map(|row| row.instance_id.as_str()).collect();
    let without: BTreeSet<_> = tally.instances().filter(|id| !instances.contains(id)).collect();
    report.without_row = without.into_iter().map(str::to_owned).collect();
    for task in tasks {
        let visits = tally.of(&task.instance_id, task.skill);
        let why = rules.decide(visits);
        report.tasks.push(Moved {
            instance_id: task.instance_id.clone(),
            skill: task.skill,
            visits,
            accuracy: visits.accuracy(),
            stays: why.stays(),
            why,
        });
    }
    (stay, report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curriculum::{Outcome, Rollout};

    #[test]
    fn every_row_is_counted_once_and_rollouts_without_a_row_are_named() {
        let mut tally = Tally::default();
        for (id, outcome) in [("a", Outcome::Solved), ("c", Outcome::Solved), ("c", Outcome::Failed)] {
            tally.add(Rollout { instance_id: id.to_owned(), skill: None, outcome });
        }
        let task = |id: &str, skill| Task { instance_id: id.to_owned(), skill };
        let rows =
            [task("a", Skill::Repair), task("a", Skill::Test), task("b", Skill::Repair), task("a", Skill::Repair)];
        let (stay, report) = decide(&Rules::default(), &tally, &rows);
        assert_eq!(stay, [false, false, true, false]);
        assert_eq!((report.rows, report.kept, report.dropped), (4, 1, 3));
        assert_eq!(report.reasons, BTreeMap::from([(Why::Mastered, 3), (Why::Unvisited, 1)]));
        assert_eq!(report.without_row, ["c"]);
        let tasks: Vec<_> =
            report.tasks.iter().map(|moved| (moved.instance_id.as_str(), moved.skill, moved.stays)).collect();
        assert_eq!(tasks, [("a", Skill::Test, false), ("a", Skill::Repair, false), ("b", Skill::Repair, true)]);
    }
}
