//! Admission: base and gold are run until the expected tests are known to be stable.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::{Ask, Bench, Evidence, Seen};
use super::{Halt, Step, name_some, suite};
use crate::admission::{Admission, Refusal, Split, Trees};
use crate::digest::Digest;
use crate::format;
use crate::framework::Framework;
use crate::instance::Instance;
use crate::trial::{Limits, Variation};

/// Deadline of a candidate: this many times the slowest gold run, and never below the floor.
const DEADLINE_FACTOR: u64 = 6;
const DEADLINE_FLOOR_MS: u64 = 15_000;

/// What admission starts from.
#[derive(Clone, Debug)]
pub struct AdmissionInput<'a> {
    pub instance: &'a Instance,
    /// Digest of instance, image, adapter and repeats.
    pub key: Digest,
    pub image: Digest,
    pub trees: Trees,
    /// Test files of gold with the trusted tests, as the runner collects them.
    pub test_files: Vec<String>,
    /// Source files that gold changes.
    pub gold_files: Vec<String>,
    pub repeats: u32,
    pub limits: Limits,
}

/// Admits or refuses an instance as far as the evidence goes.
pub fn admit(input: &AdmissionInput, framework: &dyn Framework, evidence: &dyn Evidence) -> Step<Admission> {
    let mut admission = Admission {
        format: format::ADMISSION.to_owned(),
        instance_id: input.instance.instance_id.clone(),
        key: input.key.clone(),
        refusal: None,
        detail: String::new(),
        image: Some(input.image.clone()),
        trees: Some(input.trees.clone()),
        fail_to_pass: Vec::new(),
        pass_to_pass: Vec::new(),
        unstable: BTreeMap::new(),
        disagreements: BTreeMap::new(),
        splits: Vec::new(),
        gold_files: input.gold_files.clone(),
        framework: format!("{}/{}", framework.name(), framework.version()),
        repeats: input.repeats,
        limits: input.limits.clone(),
        trials: Vec::new(),
        canaries: None,
        held_out: None,
        sentinels: None,
        plain: None,
    };
    let mut bench = Bench::new(&admission, evidence);
    let result = derive(input, framework, &mut admission, &mut bench);
    admission.trials = bench.into_trials();
    match result {
        Ok(()) => Step::Done(admission),
        Err(Stopped::Halt(Halt::Needs(trial))) => Step::Needs(trial),
        Err(Stopped::Halt(Halt::Judged(_, detail))) => Step::Done(refused(admission, Refusal::SandboxFailed, detail)),
        Err(Stopped::Refused(refusal, detail)) => Step::Done(refused(admission, refusal, detail)),
    }
}

enum Stopped {
    Halt(Halt),
    Refused(Refusal, String),
}

impl From<Halt> for Stopped {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

fn refused(admission: Admission, refusal: Refusal, detail: String) -> Admission {
    Admission { refusal: Some(refusal), detail, splits: Vec::new(), ..admission }
}

fn derive(
    input: &AdmissionInput,
    framework: &dyn Framework,
    admission: &mut Admission,
    bench: &mut Bench,
) -> Result<(), Stopped> {
    let files = files_to_run(input, framework);
    if files.is_empty() {
        return Err(Stopped::Refused(Refusal::NoTestFiles, "the runner collects no file of the tree".to_owned()));
    }
    // Once over everything, to find which files hold fail-to-pass tests.
    let base = bench.seen(&Ask::suite(&input.trees.tested_base, &files))?;
    let gold = gold_run(bench, &Ask::suite(&input.trees.tested_gold, &files))?;
    let mut tally = Tally::default();
    tally.add(&base, Side::Base);
    tally.add(&gold, Side::Gold);
    let (first, rest) = tally.split_files(framework);
    if first.is_empty() {
        return Err(Stopped::Refused(
            Refusal::NoStableFailToPass,
            "no test fails on base and passes on gold".to_owned(),
        ));
    }
    let splits: Vec<_> = [first, rest].into_iter().filter(|files| !files.is_empty()).collect();

    // Then in the split that candidates get, with the perturbations that find tests which wobble.
    let mut slowest_ms = 0;
    for repeat in 1..=input.repeats.max(1) {
        let variation = match repeat {
            2 => Variation::ShuffledFiles,
            3 => Variation::OtherSeedAndZone,
            _ => Variation::None,
        };
        for files in &splits {
            let ask = |tree| Ask { variation, repeat, ..Ask::suite(tree, files) };
            tally.add(&bench.seen(&ask(&input.trees.tested_base))?, Side::Base);
            let gold = gold_run(bench, &ask(&input.trees.tested_gold))?;
            slowest_ms = slowest_ms.max(gold.outcome.wall_ms);
            tally.add(&gold, Side::Gold);
        }
    }
    tally.settle(admission, input.instance, framework, splits);
    if admission.fail_to_pass.is_empty() {
        let wobbling = name_some(admission.unstable.keys().map(String::as_str));
        return Err(Stopped::Refused(
            Refusal::NoStableFailToPass,
            format!("no test fails on base and passes on gold every time; unstable: {wobbling}"),
        ));
    }
    let ceiling = input.limits.deadline_ms;
    admission.limits.deadline_ms = (slowest_ms * DEADLINE_FACTOR).max(DEADLINE_FLOOR_MS).min(ceiling);
    Ok(())
}

/// The files of the listed tests; without a list, every file that the runner collects.
fn files_to_run(input: &AdmissionInput, framework: &dyn Framework) -> Vec<String> {
    let listed: BTreeSet<_> = input
        .instance
        .fail_to_pass
        .iter()
        .chain(&input.instance.pass_to_pass)
        .map(|id| framework.file_of(id))
        .filter(|file| input.test_files.contains(file))
        .collect();
    if listed.is_empty() { input.test_files.clone() } else { listed.into_iter().collect() }
}

fn gold_run(bench: &mut Bench, ask: &Ask) -> Result<Seen, Stopped> {
    let seen = bench.seen(ask)?;
    match suite::ended(&seen) {
        Ok(_) => Ok(seen),
        Err(Halt::Judged(_, detail)) => Err(Stopped::Refused(Refusal::GoldFails, detail)),
        Err(needs @ Halt::Needs(_)) => Err(needs.into()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Base,
    Gold,
}

/// How often each test passed, per side, out of the runs that could have run it.
#[derive(Default)]
struct Tally {
    passed: BTreeMap<(String, Side), u32>,
    /// Runs per side and file; a test's file decides in how many runs it should have been.
    runs: BTreeMap<(String, Side), u32>,
    seen: BTreeSet<String>,
}

impl Tally {
    fn add(&mut self, seen: &Seen, side: Side) {
        for file in &seen.outcome.trial.plan.files {
            *self.runs.entry((file.clone(), side)).or_default() += 1;
        }
        for (id, test) in &seen.report.tests {
            self.seen.insert(id.clone());
            *self.passed.entry((id.clone(), side)).or_default() += u32::from(test.passed());
        }
    }

    fn counts(&self, id: &str, side: Side, framework: &dyn Framework) -> (u32, u32) {
        let passed = self.passed.get(&(id.to_owned(), side)).copied().unwrap_or(0);
        let runs = self.runs.get(&(framework.file_of(id), side)).copied().unwrap_or(0);
        (passed, runs)
    }

    /// Files with a test that passed on gold and not on base, and the other files with tests that passed on gold.
    fn split_files(&self, framework: &dyn Framework) -> (Vec<String>, Vec<String>) {
        let mut first = BTreeSet::new();
        let mut rest = BTreeSet::new();
        for id in &self.seen {
            let on_gold = self.counts(id, Side::Gold, framework).0 > 0;
            let on_base = self.counts(id, Side::Base, framework).0 > 0;
            match (on_gold, on_base) {
                (true, false) => first.insert(framework.file_of(id)),
                (true, true) => rest.insert(framework.file_of(id)),
                (false, _) => false,
            };
        }
        let rest = rest.difference(&first).cloned().collect();
        (first.into_iter().collect(), rest)
    }

    fn settle(
        &self,
        admission: &mut Admission,
        instance: &Instance,
        framework: &dyn Framework,
        splits: Vec<Vec<String>>,
    ) {
        for id in &self.seen {
            let (gold, gold_runs) = self.counts(id, Side::Gold, framework);
            let (base, base_runs) = self.counts(id, Side::Base, framework);
            let steady = (gold == 0 || gold == gold_runs) && (base == 0 || base == base_runs);
            if !steady {
                let what = format!("passed {base} of {base_runs} on base, {gold} of {gold_runs} on gold");
                admission.unstable.insert(id.clone(), what);
            } else if gold > 0 && base == 0 {
                admission.fail_to_pass.push(id.clone());
            } else if gold > 0 {
                admission.pass_to_pass.push(id.clone());
            }
        }
        for (listed, derived, name) in [
            (&instance.fail_to_pass, &admission.fail_to_pass, "FAIL_TO_PASS"),
            (&instance.pass_to_pass, &admission.pass_to_pass, "PASS_TO_PASS"),
        ] {
            for id in listed.iter().filter(|id| !derived.contains(id)) {
                let (gold, gold_runs) = self.counts(id, Side::Gold, framework);
                let (base, base_runs) = self.counts(id, Side::Base, framework);
                let what =
                    format!("listed in {name}; passed {base} of {base_runs} on base, {gold} of {gold_runs} on gold");
                admission.disagreements.insert(id.clone(), what);
            }
        }
        let expected: Vec<_> = admission.fail_to_pass.iter().chain(&admission.pass_to_pass).cloned().collect();
        admission.splits = splits
            .into_iter()
            .map(|files| {
                let held = expected.iter().filter(|id| files.contains(&framework.file_of(id))).cloned().collect();
                Split { files, expected: held }
            })
            .filter(|split: &Split| !split.expected.is_empty())
            .collect();
    }
}
