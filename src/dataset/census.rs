//! What an export must know of all instances before it writes the first row. Instances and admissions come one at a time; a
//! line of each stays.

use std::collections::BTreeMap;

use anyhow::Result;

use super::extra_columns::ExtraColumns;
use super::rows::outside_suite;
use super::seal::checks::{CheckOptions, Exclusions};
use super::select::matched::Named;
use super::select::{InstanceState, usable};
use super::source::Source;
use crate::model::admission::{Admission, Refusal};
use crate::model::lost_tests::LostTests;
use crate::model::repository_name::RepositoryName;

/// An instance as the card sees it.
#[derive(Debug)]
pub(crate) struct Line {
    pub id: String,
    pub repo: String,
    pub license: Option<String>,
    /// Why it was not admitted.
    pub refusal: Option<Refusal>,
}

/// All instances of a source, in the order of their ids.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub lines: Vec<Line>,
    /// One per line.
    pub states: Vec<InstanceState>,
    pub named: Named,
    /// Admitted instances that lost test files.
    pub lost: u64,
    pub lost_accepted: u64,
    /// Admitted instances with tests that are not part of their suite.
    pub outside: u64,
    /// Admitted instances that lost listed tests.
    pub lost_tests: u64,
    pub lost_tests_accepted: u64,
    /// Admitted instances with tests that pass in one order only.
    pub ordered: u64,
    /// Admitted instances whose rows must name the channel of their reports.
    pub said: u64,
    /// Admitted instances whose admission was imported.
    pub imported: u64,
    /// Admitted instances that are judged by a part of their suite.
    pub parts: u64,
}

impl Census {
    /// # Errors
    /// An instance or an admission that cannot be read.
    pub fn of(source: &dyn Source, checks: &CheckOptions) -> Result<Self> {
        let mut census = Self::default();
        let mut exclusions = Exclusions::default();
        for id in source.instances() {
            let (instance, admission) = (source.instance(&id)?, source.admission(&id)?);
            census.named.see(&instance, checks);
            census.states.push(InstanceState {
                usable: usable(admission.as_ref()),
                repository: 0,
                excluded: exclusions.why(&instance, checks),
            });
            if let Some(admission) = &admission {
                census.count(admission);
            }
            let refusal = admission.and_then(|admission| admission.refusal);
            census.lines.push(Line { id, repo: instance.repo, license: instance.license, refusal });
        }
        let names: Vec<_> = census.lines.iter().map(|line| RepositoryName::of(&line.repo)).collect();
        let mut numbers: BTreeMap<_, u32> = names.iter().map(|name| (name, 0)).collect();
        numbers.values_mut().zip(0..).for_each(|(number, next)| *number = next);
        for (state, name) in census.states.iter_mut().zip(&names) {
            state.repository = numbers.get(name).copied().unwrap_or_default();
        }
        Ok(census)
    }

    fn count(&mut self, admission: &Admission) {
        self.lost_accepted += u64::from(admission.lost.as_ref().is_some_and(|lost| lost.accepted));
        self.lost_tests_accepted += u64::from(admission.lost_tests.as_ref().is_some_and(|lost| lost.accepted));
        if admission.admitted() {
            self.lost += u64::from(admission.lost.is_some());
            self.outside += u64::from(!outside_suite(admission).is_empty());
            self.lost_tests += u64::from(admission.lost_tests.as_ref().is_some_and(LostTests::any));
            self.ordered += u64::from(!admission.ordered().is_empty());
            self.said += u64::from(admission.channel.is_said());
            self.imported += u64::from(admission.imported.is_some());
            self.parts += u64::from(admission.part.is_some());
        }
    }

    /// Columns that this dataset has and not every one.
    pub fn extra_columns(&self) -> ExtraColumns {
        ExtraColumns {
            lost_files: self.lost > 0,
            outside_suite: self.outside > 0,
            lost_tests: self.lost_tests > 0,
            ordered_tests: self.ordered > 0,
            channel: self.said > 0,
            admission_imported: self.imported > 0,
            test_files_run: self.parts > 0,
        }
    }
}
