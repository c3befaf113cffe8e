//! Every repair under the regression tests and under every generated test that fails on base: what selection may use. Made
//! after the verdicts, for all repairs alike, so that nothing follows from which ones were tried.

use std::collections::{BTreeMap, BTreeSet};

use super::file_names::MATRIX;
use super::identity::Identity;
use super::task::Task;
use super::worker_state::WorkerState;
use crate::judge::{OnBase, on_base, on_repair, regression};
use crate::lab::run::pool;
use crate::lab::{Admissions, Lab, Located};
use crate::model::candidate::Candidate;
use crate::model::contest::Joined;
use crate::model::format;
use crate::model::generation::Skill;
use crate::model::matrix::Matrix;

impl Lab<'_> {
    /// Runs what is missing and writes `matrix.jsonl`, one line per instance with repairs.
    pub fn matrix(
        &self,
        instances: &[Located],
        admissions: &Admissions,
        candidates: &[Candidate],
    ) -> anyhow::Result<Vec<Matrix>> {
        let admissions = admissions.read_some(candidates.iter().map(|candidate| candidate.instance_id.as_str()))?;
        let mut taken = BTreeSet::new();
        let mut work = Vec::new();
        for located in instances {
            let id = &located.instance_id;
            let Some(admission) = admissions.get(id).filter(|admission| admission.admitted()) else { continue };
            let tasks: Vec<_> = candidates
                .iter()
                .filter(|candidate| candidate.instance_id == *id && candidate.prepared.is_some())
                .filter(|candidate| Identity::of(candidate).is_some_and(|same| taken.insert(same)))
                .map(|candidate| Task { located, admission, candidate })
                .collect();
            work.push(tasks);
        }
        let tasks: Vec<Task> = work.iter().flatten().copied().collect();
        let tests: Vec<_> = tasks.iter().copied().filter(|task| task.candidate.skill == Skill::Test).collect();
        // Of a repair of what the project is built from, its policy tree holds what base's build made: no run says anything of it.
        let built = |task: &Task| {
            let anew = task.admission.trees.as_ref().is_some_and(|trees| task.candidate.is_built_anew(&trees.layout));
            task.candidate.unbuilt.is_empty() && !anew
        };
        let repairs: Vec<_> =
            tasks.into_iter().filter(|task| task.candidate.skill == Skill::Repair && built(task)).collect();
        let stage = self.console.stage("matrix", (tests.len() + repairs.len()) as u64);

        let found = pool::each(self.settings.workers, &tests, WorkerState::default, |kept, task| {
            let runner = task.runner()?;
            let found = self.settle(
                |known| on_base(task.candidate, task.admission, runner, known),
                |trial| kept.run(self, task.located, trial),
            )?;
            stage.step();
            Ok(found.map(|test| (task.candidate.instance_id.as_str(), task.candidate, test)))
        })?;
        let mut by_instance: BTreeMap<&str, Vec<(&Candidate, OnBase)>> = BTreeMap::new();
        for (id, candidate, test) in found.into_iter().flatten() {
            by_instance.entry(id).or_default().push((candidate, test));
        }
        let none = Vec::new();
        let rows = pool::each(self.settings.workers, &repairs, WorkerState::default, |kept, task| {
            let id = task.candidate.instance_id.as_str();
            let runner = task.runner()?;
            self.settle(
                |known| regression(task.candidate, task.admission, runner, known),
                |trial| kept.run(self, task.located, trial),
            )?;
            let repair = task.candidate.prepared.as_ref();
            let mut joined = Vec::new();
            for (candidate, test) in by_instance.get(id).unwrap_or(&none) {
                let Some((repair, files)) = repair.zip(candidate.prepared.as_ref().map(|prepared| &prepared.files))
                else {
                    continue;
                };
                let over = repair.tree.clone();
                let tree = kept.at(self, task.located)?.0.repository.take_paths(&over, &test.tree, files)?;
                self.settle(
                    |known| on_repair(test, &tree, task.admission, runner, known),
                    |trial| kept.run(self, task.located, trial),
                )?;
                joined.push(Joined { test: test.tree.clone(), over, tree });
            }
            stage.step();
            Ok((id, joined))
        })?;
        let mut matrices: BTreeMap<&str, Matrix> = BTreeMap::new();
        for (id, joined) in rows {
            let matrix = matrices.entry(id).or_insert_with(|| Matrix {
                format: format::MATRIX.to_owned(),
                instance_id: id.to_owned(),
                joined: Vec::new(),
            });
            matrix.joined.extend(joined);
        }
        matrices.values_mut().for_each(|matrix| matrix.joined.sort());
        self.run.write_lines(MATRIX, matrices.values())?;
        Ok(matrices.into_values().collect())
    }
}
