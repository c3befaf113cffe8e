//! The parts of gold that an instance's tests do not need, found if that was asked for.

use std::collections::BTreeSet;

use crate::judge::{Reduced, Reduction, reduce};
use crate::lab::Lab;
use crate::lab::run::trials::KeptSlot;
use crate::lab::site::Site;
use crate::model::admission::Admission;
use crate::repo::{self, GoldParts};

/// Most parts that gold is taken apart into: each costs at least one run.
const MOST_PARTS: usize = 8;

impl Lab<'_> {
    /// The admission with the unneeded parts of gold, or as it is if they were not asked for. A file all of whose parts
    /// are unneeded is not a location that an answer must name.
    pub(crate) fn with_minimal_gold(
        &self,
        site: &Site,
        kept: &mut KeptSlot,
        admission: Admission,
    ) -> anyhow::Result<Admission> {
        if !self.settings.minimal_gold || !admission.admitted() {
            return Ok(admission);
        }
        // A part of gold without its sources would run with what gold's build made of them, or of which nothing was built.
        if let Some(path) = not_taken_apart(site)? {
            let id = &admission.instance_id;
            self.console.say(format!(
                "{id}: --minimal-gold is not done for it, because gold changes {path}, which the project is built from or which \
                 its build makes, and parts of gold are not built"
            ));
            return Ok(admission);
        }
        let gold = GoldParts::of(&site.repository, &site.trees, MOST_PARTS)?;
        let mut trees = Reduced::new();
        let (unneeded, trials) = loop {
            self.check_interrupt()?;
            match reduce(&admission, site.framework, gold.parts().len(), &trees, &self.knowledge) {
                Reduction::Tree(left_out) => {
                    let tree = gold.without(&left_out)?;
                    trees.insert(left_out, tree);
                }
                Reduction::Trial(trial) => self.run_trial(site, kept, &trial)?,
                Reduction::Done { unneeded, trials } => break (unneeded, trials),
                Reduction::Failed(detail) => return Ok(admission.sandbox_failed(detail)),
            }
        };
        let mut admission = admission;
        admission.trials.extend(trials);
        let needed: BTreeSet<_> = gold
            .parts()
            .iter()
            .enumerate()
            .filter(|(number, _)| !unneeded.contains(number))
            .map(|(_, part)| part.path.as_str())
            .collect();
        let idle: BTreeSet<_> =
            unneeded.iter().map(|number| gold.parts()[*number].path.as_str()).filter(|p| !needed.contains(p)).collect();
        // Without any location there would be nothing to hold an answer against.
        if admission.gold_files.iter().any(|file| !idle.contains(file.as_str())) {
            admission.gold_files.retain(|file| !idle.contains(file.as_str()));
        }
        admission.unneeded = Some(unneeded.into_iter().map(|number| gold.parts()[number].clone()).collect());
        Ok(admission)
    }
}

/// A path by which gold is built otherwise than base.
fn not_taken_apart(site: &Site) -> anyhow::Result<Option<String>> {
    let Site { repository, trees, .. } = site;
    let changed = repo::input_changes(repository, &trees.layout, &trees.base, &trees.gold)?;
    let made = repo::built_otherwise(repository, trees)?;
    Ok(changed.into_iter().chain(made).next())
}
