//! Where an export gets what it writes, one thing at a time.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::journal::Record;
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::model::contest::Contest;
use crate::model::digest::Digest;
use crate::model::generation::{Generation, Message, Skill};
use crate::model::instance::Instance;
use crate::model::receipt::Receipt;
use crate::model::verdict::Verdict;

/// What a dataset is made from. The order of verdicts does not matter to what is written.
pub trait Source {
    /// Ids of the instances, sorted.
    fn instances(&self) -> Vec<String>;

    /// # Errors
    /// An instance that cannot be read; the message says where it stands.
    fn instance(&self, id: &str) -> Result<Instance>;

    /// The admission of an instance, if the run has it.
    fn admission(&self, id: &str) -> Result<Option<Admission>>;

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
