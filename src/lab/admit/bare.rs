//! The plain set of an admitted instance: proved if evidence E3 is asked for.

use super::site::Site;
use crate::judge::{Step, prove_plain};
use crate::lab::Lab;
use crate::lab::run::trials::KeptSlot;
use crate::model::admission::{Admission, Refusal};
use crate::model::verdict::Evidence;

impl Lab<'_> {
    /// The admission with its plain set, or as it is if no run without the runner was asked for.
    pub(crate) fn with_plain(
        &self,
        site: &Site,
        kept: &mut KeptSlot,
        admission: Admission,
    ) -> anyhow::Result<Admission> {
        if self.settings.evidence < Evidence::E3 || !admission.admitted() {
            return Ok(admission);
        }
        let proof = loop {
            self.check_interrupt()?;
            match prove_plain(&admission, site.framework, &self.knowledge) {
                Step::Needs(trial) => self.run_trial(site, kept, &trial)?,
                Step::Done(proof) => break proof,
            }
        };
        if let Some(detail) = proof.sandbox_failed {
            let refusal = Some(Refusal::SandboxFailed);
            return Ok(Admission { refusal, detail, splits: Vec::new(), ..admission });
        }
        let mut admission = admission;
        admission.trials.extend(proof.trials);
        admission.plain = Some(proof.plain);
        Ok(admission)
    }
}
