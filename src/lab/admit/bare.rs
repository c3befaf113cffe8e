//! The plain set of an admitted instance: proved if evidence E3 is asked for.

use crate::judge::prove_plain;
use crate::lab::Lab;
use crate::lab::run::facts::Knowledge;
use crate::lab::run::trials::KeptSlot;
use crate::lab::site::Site;
use crate::model::admission::Admission;
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
        let ask = |known: &Knowledge| prove_plain(&admission, site.framework, known);
        let proof = self.settle(ask, |trial| self.run_trial(site, kept, trial))?;
        if let Some(detail) = proof.sandbox_failed {
            return Ok(admission.sandbox_failed(detail));
        }
        let mut admission = admission;
        admission.trials.extend(proof.trials);
        admission.plain = Some(proof.plain);
        Ok(admission)
    }
}
