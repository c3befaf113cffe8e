//! Where an export gets what it writes: everything per instance in memory, everything per candidate one at a time.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::journal::Record;
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::model::contest::Contest;
use crate::model::digest::Digest;
use crate::model::generation::{Generation, Message, Skill};
use crate::model::instance::Instance;
use crate::model::lost_tests::LostTests;
use crate::model::receipt::Receipt;
use crate::model::verdict::Verdict;

/// What a dataset is made from. The order of verdicts does not matter to what is written.
pub trait Source {
    /// By instance id.
    fn instances(&self) -> &BTreeMap<String, Instance>;

    /// By instance id.
    fn admissions(&self) -> &BTreeMap<String, Admission>;

    fn contests(&self) -> &[Contest];

    /// Name -> digest of what the run was given. Names must not depend on the machine.
    fn inputs(&self) -> &BTreeMap<String, Digest>;

    /// Number of verdicts.
    fn verdicts(&self) -> usize;

    /// The verdict at a position below [`Self::verdicts`].
    ///
    /// # Errors
    /// A verdict that cannot be read; the message says where it stands.
    fn verdict(&self, position: usize) -> Result<Verdict>;

    /// The candidate of a verdict, if the run has it.
    fn candidate(&self, id: &Digest) -> Result<Option<Candidate>>;

    /// The receipt of a candidate, if the run has it.
    fn receipt(&self, candidate: &Digest) -> Result<Option<Receipt>>;

    /// The generation that a candidate came from.
    fn generation(&self, candidate: &Digest) -> Result<Generation>;

    /// The prompt of an instance for a skill, as this tool renders it.
    fn prompt(&self, instance: &Instance, skill: Skill) -> Result<Vec<Message>>;

    /// Outcomes and failures of the journal, each once, sorted by trial.
    fn journal(&self, each: &mut dyn FnMut(&Record) -> Result<()>) -> Result<()>;

    /// Bytes of a report or an output.
    fn blob(&self, id: &Digest) -> Result<Vec<u8>>;

    /// A candidate is written or left out: for those who show how far it is.
    fn done(&self) {}
}

/// Admitted instances that lost test files.
pub(super) fn lost_instances(source: &dyn Source) -> u64 {
    source.admissions().values().filter(|admission| admission.admitted() && admission.lost.is_some()).count() as u64
}

/// Admitted instances that lost listed tests.
pub(super) fn instances_without_tests(source: &dyn Source) -> u64 {
    let lost = |admission: &&Admission| admission.lost_tests.as_ref().is_some_and(LostTests::any);
    source.admissions().values().filter(|admission| admission.admitted()).filter(lost).count() as u64
}

/// Admitted instances with tests that pass in one order only.
pub(super) fn ordered_instances(source: &dyn Source) -> u64 {
    let admitted = source.admissions().values().filter(|admission| admission.admitted());
    admitted.filter(|admission| !admission.ordered().is_empty()).count() as u64
}

/// Admitted instances whose rows must name the channel of their reports.
pub(super) fn said_instances(source: &dyn Source) -> u64 {
    let admitted = source.admissions().values().filter(|admission| admission.admitted());
    admitted.filter(|admission| admission.channel.is_said()).count() as u64
}

/// Admitted instances whose admission was imported.
pub(super) fn imported_instances(source: &dyn Source) -> u64 {
    let admitted = source.admissions().values().filter(|admission| admission.admitted());
    admitted.filter(|admission| admission.imported.is_some()).count() as u64
}
