//! What a worker keeps from one candidate to the next.

use crate::lab::run::trials::KeptSlot;
use crate::lab::site::Site;
use crate::lab::{Lab, Located, SiteBuilder};
use crate::model::digest::Digest;
use crate::model::trial::Trial;

/// The last instance's site, and the slot that is open for it.
#[derive(Default)]
pub(crate) struct WorkerState {
    site: Option<(String, Site)>,
    slot: KeptSlot,
}

impl WorkerState {
    /// The site of an instance, made if the last one was that of another, and the slot.
    pub fn at(&mut self, lab: &Lab, located: &Located) -> anyhow::Result<(&Site, &mut KeptSlot)> {
        let id = &located.instance_id;
        let (_, site) = match self.site.take().filter(|(made_for, _)| made_for == id) {
            Some(site) => self.site.insert(site),
            None => self.site.insert((id.clone(), SiteBuilder::new(lab, located)?.site()?)),
        };
        Ok((site, &mut self.slot))
    }

    /// Runs a trial of an instance.
    pub fn run(&mut self, lab: &Lab, located: &Located, trial: &Trial) -> anyhow::Result<()> {
        let (site, slot) = self.at(lab, located)?;
        lab.run_trial(site, slot, trial)
    }

    /// The image that the slot is open for.
    pub fn image(&self) -> Option<&Digest> {
        self.slot.as_ref().map(|(image, _)| image)
    }
}
