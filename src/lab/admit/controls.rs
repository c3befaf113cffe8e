//! The control session of an admitted instance: canaries, held-out tests and sentinels, proved on gold together in one
//! session.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;

use crate::judge::{LEAST_CHECKS, Planned, Rehearsed, observe, one_session, rehearse, sentinel_seed};
use crate::lab::Lab;
use crate::lab::run::facts::Knowledge;
use crate::lab::run::trials::KeptSlot;
use crate::lab::site::Site;
use crate::language;
use crate::model::admission::{Admission, HeldOut};
use crate::repo::Repository;
use crate::runner::{self, Runner};
use crate::sandbox::FileChange;

impl Lab<'_> {
    /// The admission with everything that its candidates meet in the control session. A control that does not hold on gold is
    /// left out; the instance stays admitted.
    pub(crate) fn with_controls(
        &self,
        site: &Site,
        kept: &mut KeptSlot,
        admission: Admission,
    ) -> anyhow::Result<Admission> {
        let mut admission = self.with_canaries(site, kept, admission)?;
        if !admission.admitted() {
            return Ok(admission);
        }
        if let Some((planned, mut held_out)) = plan(site, &admission)? {
            let ask = |known: &Knowledge| observe(&admission, site.framework, &planned, known);
            let observed = self.settle(ask, |trial| self.run_trial(site, kept, trial))?;
            if let Some(detail) = observed.sandbox_failed {
                return Ok(admission.sandbox_failed(detail));
            }
            admission.trials.extend(observed.trials);
            held_out.checks = observed.checks;
            admission.held_out = Some(held_out).filter(|held_out| held_out.checks.len() >= LEAST_CHECKS);
        }
        admission.sentinels = sentinel_file(site, &admission)?;
        // If the runner cannot take a file of ours, the whole session ends. Then it is tried without that file.
        while admission.has_controls() {
            let tree = &site.trees.tested_gold;
            let seed = sentinel_seed(tree, &admission);
            let Some(session) = control_tree(&site.repository, tree, &admission)? else { break };
            let ask = |known: &Knowledge| rehearse(&admission, site.framework, &session, &seed, known);
            let rehearsed = self.settle(ask, |trial| self.run_trial(site, kept, trial))?;
            if let Some(detail) = rehearsed.sandbox_failed {
                return Ok(admission.sandbox_failed(detail));
            }
            admission.trials.extend(rehearsed.trials.iter().cloned());
            if rehearsed.ended && (rehearsed.sentinels || admission.sentinels.is_none()) {
                keep_proved(site, &mut admission, &rehearsed);
                if one_session(&admission, self.settings.sessions, &self.knowledge) {
                    admission.one_session = control_tree(&site.repository, tree, &admission)?;
                }
                return Ok(admission);
            }
            if admission.sentinels.take().is_none() && admission.held_out.take().is_none() {
                admission.canaries = None;
            }
        }
        Ok(admission)
    }
}

/// Keeps only what held in the rehearsal.
fn keep_proved(site: &Site, admission: &mut Admission, rehearsed: &Rehearsed) {
    if let Some(canaries) = &mut admission.canaries {
        canaries.tests.retain(|id, _| rehearsed.failed.contains(id));
        canaries.files.retain(|file| canaries.tests.keys().any(|id| site.framework.target_of(id) == *file));
    }
    if let Some(held_out) = &mut admission.held_out {
        held_out.checks.retain(|id, _| rehearsed.steady.contains(id));
        held_out.files.retain(|file| held_out.checks.keys().any(|id| site.framework.target_of(id) == *file));
    }
    admission.canaries = admission.canaries.take().filter(|canaries| !canaries.tests.is_empty());
    admission.held_out = admission.held_out.take().filter(|held_out| held_out.checks.len() >= LEAST_CHECKS);
}

/// Derives held-out tests from the fail-to-pass tests of gold and writes their trees. Nothing is proved yet.
fn plan(site: &Site, admission: &Admission) -> anyhow::Result<Option<(Planned, HeldOut)>> {
    let Some(reader) = language::of(site.framework).reader() else { return Ok(None) };
    let mut by_file: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in &admission.fail_to_pass {
        by_file.entry(site.framework.target_of(id)).or_default().push(id.clone());
    }
    let mut tests = BTreeMap::new();
    let mut changes = Vec::new();
    let mut files = Vec::new();
    for (file, ids) in by_file {
        let source = site.repository.read(&site.trees.tested_gold, &file)?;
        let Some(source) = source.and_then(|bytes| String::from_utf8(bytes).ok()) else { continue };
        let path = free_path(site, admission, |tag| reader.held_out_path(&file, tag))?;
        let Some(derived) = reader.held_out(&source, &path, &ids) else { continue };
        tests.extend(derived.tests);
        files.push(path.clone());
        changes.push(FileChange::Write { path, content: Arc::from(derived.source.into_bytes()), executable: false });
    }
    if files.is_empty() {
        return Ok(None);
    }
    let gold_tree = site.repository.with(&site.trees.tested_gold, &changes)?;
    let base_tree = site.repository.with(&site.trees.tested_base, &changes)?;
    let held_out = HeldOut { tree: gold_tree.clone(), files: files.clone(), checks: BTreeMap::new() };
    Ok(Some((Planned { gold_tree, base_tree, files, tests }, held_out)))
}

/// The place of the sentinels, beside the first fail-to-pass file.
fn sentinel_file(site: &Site, admission: &Admission) -> anyhow::Result<Option<String>> {
    let Some(first) = admission.fail_to_pass.first().map(|id| site.framework.target_of(id)) else { return Ok(None) };
    let Some(sentinels) = site.framework.sentinels() else { return Ok(None) };
    Ok(Some(free_path(site, admission, |tag| sentinels.path(&first, tag))?))
}

/// The first path that neither base nor gold has.
fn free_path(site: &Site, admission: &Admission, path: impl Fn(&str) -> String) -> anyhow::Result<String> {
    let key = admission.key.as_str();
    for length in 4..key.len() {
        let path = path(&key[..length]);
        let trees = [&site.trees.tested_gold, &site.trees.tested_base];
        let taken = trees.map(|tree| site.repository.read(tree, &path).map(|found| found.is_some()));
        if !taken.into_iter().collect::<Result<Vec<_>, _>>()?.contains(&true) {
            return Ok(path);
        }
    }
    anyhow::bail!("every name beside the tests of {} is taken", admission.instance_id)
}

/// A tree under the files of the control session; `None` if the admission has no session. The sentinels follow from
/// the tree, so that different trees meet different ones.
pub(crate) fn control_tree(
    repository: &Repository,
    policy: &str,
    admission: &Admission,
) -> anyhow::Result<Option<String>> {
    if !admission.has_controls() {
        return Ok(None);
    }
    let mut tree = policy.to_owned();
    if let Some(canaries) = &admission.canaries {
        tree = repository.take_paths(&tree, &canaries.tree, &canaries.files)?;
    }
    if let Some(held_out) = &admission.held_out {
        tree = repository.take_paths(&tree, &held_out.tree, &held_out.files)?;
    }
    if let Some(path) = admission.sentinels.clone() {
        let sentinels = runner::of(&admission.framework).and_then(Runner::sentinels);
        let sentinels = sentinels
            .with_context(|| format!("{}: {} has no sentinels", admission.instance_id, admission.framework))?;
        let written = sentinels.write(&sentinel_seed(policy, admission));
        let content = Arc::from(written.source.into_bytes());
        tree = repository.with(&tree, &[FileChange::Write { path, content, executable: false }])?;
    }
    Ok(Some(tree))
}
