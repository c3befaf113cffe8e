//! Canaries of an admitted instance: test files with changed expectations, proved on gold. They are kept as a git tree,
//! from which candidates take them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::judge::{Forms, prove};
use crate::lab::Lab;
use crate::lab::run::facts::Knowledge;
use crate::lab::run::trials::KeptSlot;
use crate::lab::site::Site;
use crate::language;
use crate::model::admission::{Admission, Canaries, CanaryStrength};
use crate::runner::Runner;
use crate::sandbox::FileChange;

impl Lab<'_> {
    /// The admission with its proved canaries. If gold passes a test with changed constants, the test gets the weak form and
    /// is tried once more. If gold passes that too, the test has no canary.
    pub(crate) fn with_canaries(
        &self,
        site: &Site,
        kept: &mut KeptSlot,
        admission: Admission,
    ) -> anyhow::Result<Admission> {
        let mut admission = admission;
        let mut weak = BTreeSet::new();
        loop {
            let (canaries, forms) = plant(site, &admission, &weak)?;
            if canaries.tests.is_empty() {
                return Ok(admission);
            }
            let ask = |known: &Knowledge| prove(&admission, site.framework, &canaries, &forms, known);
            let proof = self.settle(ask, |trial| self.run_trial(site, kept, trial))?;
            if let Some(detail) = proof.sandbox_failed {
                return Ok(admission.sandbox_failed(detail));
            }
            admission.trials.extend(proof.trials);
            let demoted = demoted(site.framework, &canaries.tests, &proof.failed);
            if weak.is_empty() && !demoted.is_empty() {
                weak = demoted;
                continue;
            }
            let tests: BTreeMap<_, _> =
                canaries.tests.into_iter().filter(|(id, _)| proof.failed.contains(id)).collect();
            let held: BTreeSet<_> = tests.keys().map(|id| site.framework.target_of(id)).collect();
            let files = canaries.files.into_iter().filter(|file| held.contains(file)).collect();
            admission.canaries = (!tests.is_empty()).then_some(Canaries { tests, files, ..canaries });
            return Ok(admission);
        }
    }
}

/// Mutates the fail-to-pass tests of gold and writes the tree. Nothing is proved yet.
fn plant(site: &Site, admission: &Admission, weak: &BTreeSet<String>) -> anyhow::Result<(Canaries, Forms)> {
    let mut by_file: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in &admission.fail_to_pass {
        by_file.entry(site.framework.target_of(id)).or_default().push(id.clone());
    }
    let gold = &site.trees.tested_gold;
    let mut forms = Forms::new();
    let mut changes = Vec::new();
    let mut files = Vec::new();
    let reader = language::of(site.framework).reader();
    // Without a reader, no test has a canary.
    for (path, ids) in by_file {
        let Some(reader) = reader else { break };
        let Some(source) = site.repository.read(gold, &path)?.and_then(|bytes| String::from_utf8(bytes).ok()) else {
            continue;
        };
        let mutated = reader.canaries(&source, &ids, weak);
        if mutated.tests.is_empty() {
            continue;
        }
        forms.extend(mutated.tests);
        files.push(path.clone());
        changes.push(FileChange::Write { path, content: Arc::from(mutated.source.into_bytes()), executable: false });
    }
    let tests = forms.iter().map(|(id, form)| (id.clone(), form.strength)).collect();
    Ok((Canaries { tree: site.repository.with(gold, &changes)?, files, tests }, forms))
}

/// Tests to try in the weak form: the tests of a function of which no strong canary failed.
fn demoted(
    runner: &dyn Runner,
    tests: &BTreeMap<String, CanaryStrength>,
    failed: &BTreeSet<String>,
) -> BTreeSet<String> {
    let function = |id: &str| runner.parse_id(id).function.to_owned();
    let proven: BTreeSet<_> = failed.iter().map(|id| function(id)).collect();
    tests
        .iter()
        .filter(|(id, strength)| **strength == CanaryStrength::Strong && !proven.contains(&function(id)))
        .map(|(id, _)| id.clone())
        .collect()
}
