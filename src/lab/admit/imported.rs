//! Admissions that others made: computed again by the judge from the outcomes of a bundle, and used only if it says the
//! very same. In: a bundle, laid out apart from the run. Out: its outcomes and the admission in the run's journal, or what
//! differs.

use anyhow::Context as _;

use super::difference::differences;
use crate::console::plain;
use crate::exit_code::Stop;
use crate::journal::{Record, Unpacked};
use crate::lab::Lab;
use crate::model::admission::{Admission, Refusal};
use crate::model::digest::Digest;
use crate::model::instance::Instance;

/// A bundle, with a lab over what it holds, in which nothing runs.
pub struct Offer<'a> {
    lab: Lab<'a>,
    unpacked: &'a Unpacked,
}

impl std::fmt::Debug for Offer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offer").field("from", &self.unpacked.from).finish_non_exhaustive()
    }
}

impl<'a> Offer<'a> {
    /// `lab` is over the run directory that the bundle was laid out in.
    pub fn new(lab: Lab<'a>, unpacked: &'a Unpacked) -> Self {
        Self { lab: lab.closed(), unpacked }
    }

    /// Brings the admission of an instance into a run. None: the bundle has none, or one that is not what the judge says of
    /// its outcomes, or one of something else; that is said.
    pub(crate) fn take(
        &self,
        to: &Lab,
        instance: &Instance,
        image: &Digest,
        key: &Digest,
        derive: impl FnOnce(&Lab) -> anyhow::Result<Admission>,
    ) -> anyhow::Result<Option<Admission>> {
        let differs = match self.computed(to, instance, image, key, derive)? {
            None => return Ok(None),
            Some(Ok(admission)) => return self.bring(to, admission).map(Some),
            Some(Err(differs)) => differs,
        };
        let (id, from) = (&instance.instance_id, &self.unpacked.from);
        to.console
            .say(format!("{id}: the admission of bundle {} is not used; the rest goes on as without it", from.bundle));
        differs.iter().for_each(|line| to.console.say(format!("{id}: {}", plain(line))));
        Ok(None)
    }

    /// The admission that follows from the bundle's outcomes, or what speaks against it.
    fn computed(
        &self,
        to: &Lab,
        instance: &Instance,
        image: &Digest,
        key: &Digest,
        derive: impl FnOnce(&Lab) -> anyhow::Result<Admission>,
    ) -> anyhow::Result<Option<Result<Admission, Vec<String>>>> {
        let Some(packed) = self.unpacked.manifest.instances.get(&instance.instance_id) else { return Ok(None) };
        let of = [("instance", &packed.instance, &instance.digest()), ("image", &packed.image, image)];
        let mut differs: Vec<_> = of
            .into_iter()
            .filter(|(_, theirs, ours)| theirs != ours)
            .map(|(what, theirs, ours)| format!("{what}: {} in the bundle, {} here", theirs.short(), ours.short()))
            .collect();
        if differs.is_empty() && packed.key != *key {
            let options = "--repeats, --full, --sessions, --memory, --evidence, --minimal-gold, --accept-lost, --changed-tests and the deadline options";
            differs.push(format!("key: it was made with other options or by another version; compare {options}"));
        }
        if !differs.is_empty() {
            return Ok(Some(Err(differs)));
        }
        let Some(stated) = self.lab.knowledge.read_admission(key)? else {
            return Ok(Some(Err(vec!["its record is missing or damaged".to_owned()])));
        };
        for trial in &stated.trials {
            let known = to.knowledge.read_outcome(trial)?;
            if known.is_some_and(|known| known.imported.as_ref() != Some(&self.unpacked.from)) {
                let why = format!("trial {trial} ran here, or its outcome came from elsewhere, and that counts");
                return Ok(Some(Err(vec![why])));
            }
        }
        let computed = match derive(&self.lab) {
            Ok(computed) => computed,
            Err(error) if matches!(error.downcast_ref::<Stop>(), Some(Stop::Interrupted)) => return Err(error),
            // What others wrote must not end the run. If it is our disk that fails, the run of base says so too.
            Err(error) => return Ok(Some(Err(vec![format!("it cannot be computed again: {error:#}")]))),
        };
        if computed.refusal == Some(Refusal::SandboxFailed) {
            return Ok(Some(Err(vec![format!("it cannot be computed again: {}", computed.detail)])));
        }
        let differs = differences(&stated, &computed)?;
        Ok(Some(if differs.is_empty() { Ok(computed) } else { Err(differs) }))
    }

    /// Records the outcomes that the admission rests on, and no others, and then the admission.
    fn bring(&self, to: &Lab, admission: Admission) -> anyhow::Result<Admission> {
        let imported = Some(self.unpacked.from.clone());
        for trial in &admission.trials {
            // Brought before: the run was ended in the middle.
            if to.knowledge.read_outcome(trial)?.is_some() {
                continue;
            }
            let outcome = self.lab.knowledge.read_outcome(trial)?;
            let outcome = outcome.with_context(|| format!("trial {trial} was judged and has no outcome"))?;
            let from = self.lab.run.blobs();
            for blob in outcome.report.iter().chain(&outcome.output.blob).filter(|blob| from.holds(blob)) {
                from.copy_to(blob, to.run.blobs())?;
            }
            let mut outcome = (*outcome).clone();
            outcome.imported.clone_from(&imported);
            to.record(Record::Outcome(Box::new(outcome)))?;
        }
        let admission = Admission { imported, ..admission };
        to.record(Record::Admission(Box::new(admission.clone())))?;
        Ok(admission)
    }
}
