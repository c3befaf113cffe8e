//! A task of the verification: one candidate of one admitted instance.

use anyhow::Context as _;

use crate::lab::Located;
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::runner::{self, Runner};

/// A candidate to take through its trials.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub located: &'a Located,
    pub admission: &'a Admission,
    pub candidate: &'a Candidate,
}

impl Task<'_> {
    /// The runner of the instance's tests.
    pub fn runner(&self) -> anyhow::Result<&'static dyn Runner> {
        let framework = &self.admission.framework;
        runner::of(framework).with_context(|| format!("{}: {framework} is not known", self.admission.instance_id))
    }
}
