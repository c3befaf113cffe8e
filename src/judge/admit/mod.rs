//! Admission: base and gold are run until the expected tests are known to be stable. In: an instance with its trees.
//! Out: the splits, the expected tests and the deadline, or a refusal.
//!
//! 1. Gold and base run once over all test files. Base gets the deadline that candidates get, which follows from the
//!    slowest run of gold ([`DeadlineRule`]; another rule makes another admission).
//! 2. The files that hold fail-to-pass tests are the first split. The other files with passing tests are the second.
//! 3. Both sides run the first split `--repeats` times: the second time with the files, and the tests of each file, in
//!    another order, the third time with another hash seed, time zone and locale. The second split is repeated with
//!    `--full`, or if base's run of everything did not come to all tests. Otherwise gold repeats it if a verdict would rest
//!    on a test of it that failed (`judge/steady.rs`).
//! 4. Tests that base never came to, because its run died or hung, run there by themselves, first per file, then one by
//!    one.
//!
//! A test is fail-to-pass only if base failed it: in a phase, because its file could not be collected, or because it
//! ends the run even alone. A test that base skips or does not have leaves. `tally` says when other tests leave.
//!
//! An instance without a fail-to-pass test is refused, by what became of the tests that might have been one:
//! `no_stable_fail_to_pass`, `order_dependent`, `network_dependent`, `base_does_not_end`, `empty_fail_to_pass`,
//! `base_passes`, `gold_fails`. It is refused too if it loses too much of its suite (`lost`) or of its lists (`listed`). It is also refused if another release or a fork of the project would be in its
//! environment (`answer_in_image`); the modules that the wheels bring tell that.
//!
//! If gold runs to the time limit, nothing is repeated: the instance is refused at once (`still_running`). After gold's first
//! run it is known what the rest takes (`cost`). With `--changed-tests` a part of the suite runs (`part`).

pub mod cost;
pub mod fate;
pub mod listed;
pub mod lost;
pub mod part;
mod record_fate;
mod sessions;
mod still_running;
pub mod tally;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::asker::{Ask, Bench, Evidence, Seen};
use super::{Halt, Step, name_some, run_result};
use crate::model::admission::{Admission, Refusal, Split, Trees};
use crate::model::digest::Digest;
use crate::model::instance::Instance;
use crate::model::suite::Suite;
use crate::model::test_record::{Condition, Sightings, Standing};
use crate::model::trial::{Exit, Limits, Variation};
use crate::runner::Runner;
use sessions::suite_of;
use tally::{Side, Stand, Tally};

/// If tests are missing on base, at most this many files run by themselves there, and then at most this many single tests.
const MOST_SOLO_RUNS: usize = 12;
/// At most this many tests with differing results run alone, to tell why. The others are judged by the runs of their files.
const MOST_LONE_TESTS: usize = 8;
/// How often such a test runs alone.
const LONE_RUNS: u32 = 2;

/// How the deadline of a candidate's trial follows from the slowest run of gold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DeadlineRule {
    /// The deadline is never shorter than this, milliseconds.
    pub floor_ms: u64,
    /// The deadline is this many times what gold took.
    pub multiplier: u64,
}

impl Default for DeadlineRule {
    fn default() -> Self {
        Self { floor_ms: 15_000, multiplier: 6 }
    }
}

impl DeadlineRule {
    /// The deadline that follows from the slowest run of gold, milliseconds.
    fn after(self, slowest_ms: u64) -> u64 {
        slowest_ms.saturating_mul(self.multiplier).max(self.floor_ms)
    }
}

impl AdmissionInput<'_> {
    /// The deadline of base's first run, which follows from gold's, milliseconds.
    pub(super) fn deadline_after(&self, gold_ms: u64) -> u64 {
        self.deadline.after(gold_ms).min(self.limits.deadline_ms)
    }
}

/// What admission starts from.
#[derive(Clone, Debug)]
pub struct AdmissionInput<'a> {
    pub instance: &'a Instance,
    /// Digest of instance, image, adapter and repeats.
    pub key: Digest,
    pub image: Digest,
    pub trees: Trees,
    /// Test files of gold with the trusted tests that make the suite, as the runner collects them.
    pub test_files: Vec<String>,
    /// Which test files of the tree do not belong to them.
    pub suite: Suite,
    /// Groups of test files whose names are unique in each; at most one: all names are.
    pub groups: Vec<Vec<String>>,
    /// Those of them that run if only a part of the suite does (`part`); none: all of them.
    pub part: Option<BTreeSet<String>>,
    /// Those of them in whose text tests are defined.
    pub with_tests: BTreeSet<String>,
    /// Every path that gold and its tests change.
    pub changed: BTreeSet<String>,
    /// Source files that gold changes.
    pub gold_files: Vec<String>,
    pub repeats: u32,
    pub limits: Limits,
    pub deadline: DeadlineRule,
    /// Whether an instance that loses too much of its suite is admitted all the same.
    pub accept_lost: bool,
    /// Whether the files without fail-to-pass tests are repeated too.
    pub full: bool,
}

/// Admits or refuses an instance as far as the evidence goes.
pub fn admit(input: &AdmissionInput, runner: &dyn Runner, evidence: &dyn Evidence) -> Step<Admission> {
    let mut admission = blank(input, runner);
    let mut bench = Bench::new(&admission, runner, evidence);
    let result = derive(input, runner, &mut admission, &mut bench);
    admission.trials = bench.into_trials();
    match result {
        Ok(()) => Step::Done(admission),
        Err(Stopped::Halt(Halt::Needs(trial))) => Step::Needs(trial),
        Err(Stopped::Halt(Halt::Judged(_, detail))) => Step::Done(refused(admission, Refusal::SandboxFailed, detail)),
        Err(Stopped::Refused(refusal, detail)) => Step::Done(refused(admission, refusal, detail)),
    }
}

/// An admission before anything was run.
pub(super) fn blank(input: &AdmissionInput, runner: &dyn Runner) -> Admission {
    let framework = format!("{}/{}", runner.name(), runner.version());
    Admission {
        image: Some(input.image.clone()),
        trees: Some(input.trees.clone()),
        suite: input.suite.clone().stored(),
        gold_files: input.gold_files.clone(),
        channel: runner.channel(),
        ..Admission::new(input.instance, input.key.clone(), framework, input.repeats, input.limits.clone())
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
    runner: &dyn Runner,
    admission: &mut Admission,
    bench: &mut Bench,
) -> Result<(), Stopped> {
    let (files, part) = input.files_to_run(runner);
    admission.part = part;
    if files.is_empty() {
        return Err(Stopped::Refused(Refusal::NoTestFiles, no_files(input, runner)));
    }
    let mut tally = Tally::new(runner);
    let mut pace = Pace {
        slowest_ms: 0,
        ceiling_ms: input.limits.deadline_ms,
        rule: input.deadline,
        modules: BTreeSet::new(),
        shadows: BTreeSet::new(),
    };
    let mut groups = vec![files.clone()];
    let ran = whole(input, &mut groups, runner, bench, &mut tally, &mut pace);
    admission.lost = lost::find(input, runner, &tally.whole(Side::Gold), &tally.whole(Side::Base));
    admission.suite = suite_of(input, &groups, &tally.whole(Side::Gold)).stored();
    ran?;
    let Some((splits, first)) = split_files(&tally, input.instance, runner, &groups) else {
        settle(&tally, admission, input, runner, &[]);
        return Err(none_left(input, runner, admission, &tally, bench, &files));
    };
    if let Some(lost) = &mut admission.lost
        && let Some(why) = lost::too_much(lost)
    {
        lost.accepted = input.accept_lost;
        if !lost.accepted {
            settle(&tally, admission, input, runner, &[]);
            return Err(Stopped::Refused(Refusal::LostTestFiles, why));
        }
    }
    if splits == groups {
        tally.one_split();
    }
    // What base never came to, it may reach without the files of the first split.
    let repeated = if input.full || !tally.unknown_on_base().is_empty() { splits.len() } else { first };
    let (repeated, once) = splits.split_at(repeated);
    repeat(input, repeated, bench, &mut tally, &mut pace)?;
    look_again(input, &splits, runner, bench, &mut tally, &mut pace)?;
    settle(&tally, admission, input, runner, &splits);
    for split in &mut admission.splits {
        split.once = once.contains(&split.files);
    }
    if admission.fail_to_pass.is_empty() {
        return Err(none_left(input, runner, admission, &tally, bench, &files));
    }
    admission.lost_tests = tally.first(Side::Gold).and_then(|gold| listed::find(input, runner, &gold, admission));
    if let Some(lost) = &mut admission.lost_tests
        && let Some(why) = listed::too_much(input.instance, lost)
    {
        lost.accepted = input.accept_lost;
        if !lost.accepted {
            return Err(Stopped::Refused(Refusal::LostListedTests, why));
        }
    }
    admission.limits.deadline_ms = pace.deadline_ms();
    admission.shadows = pace.shadows;
    if let Some(trees) = &mut admission.trees {
        trees.layout.installed = pace.modules;
    }
    Ok(())
}

/// How fast gold is, with the deadline that follows, and what its runs saw of the environment.
struct Pace {
    slowest_ms: u64,
    ceiling_ms: u64,
    rule: DeadlineRule,
    modules: BTreeSet<String>,
    shadows: BTreeSet<String>,
}

impl Pace {
    fn deadline_ms(&self) -> u64 {
        self.rule.after(self.slowest_ms).min(self.ceiling_ms)
    }

    fn gold(&mut self, input: &AdmissionInput, bench: &mut Bench, ask: &Ask) -> Result<Seen, Stopped> {
        let seen = bench.seen(ask)?;
        if seen.outcome.exit == Exit::TimedOut {
            return Err(Stopped::Refused(Refusal::GoldFails, still_running::told(input, bench.runner, &seen)));
        }
        match run_result::ended(&seen) {
            Ok(_) => {
                self.slowest_ms = self.slowest_ms.max(seen.outcome.wall_ms);
                self.modules.extend(seen.report.modules.iter().cloned());
                self.shadows.extend(seen.report.shadows.keys().cloned());
                Ok(seen)
            }
            Err(Halt::Judged(_, detail)) => {
                let printed = bench.printed(ask).ok().and_then(|(_, printed)| fate::telling_line(&printed));
                let said = printed.map(|line| format!("; it printed: {line}")).unwrap_or_default();
                Err(Stopped::Refused(Refusal::GoldFails, format!("the run on gold did not end well: {detail}{said}")))
            }
            Err(needs @ Halt::Needs(_)) => Err(needs.into()),
        }
    }

    /// Base may hang although gold does not, so it gets the deadline of a candidate.
    fn base(&self, bench: &mut Bench, ask: Ask) -> Result<Seen, Stopped> {
        Ok(bench.seen(&Ask { deadline_ms: Some(self.deadline_ms()), ..ask })?)
    }
}

/// Of the files that the runner collects, those of the listed tests; without a list, all. A list that names no such file is
/// not a missing list: nothing is run for it.
pub fn listed_among(instance: &Instance, runner: &dyn Runner, collected: Vec<String>) -> Vec<String> {
    if listed(instance).next().is_none() {
        return collected;
    }
    let files = listed(instance).map(|id| runner.target_of(id)).filter(|file| collected.contains(file));
    files.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Why there is nothing to run.
fn no_files(input: &AdmissionInput, runner: &dyn Runner) -> String {
    if !listed_among(input.instance, runner, input.test_files.clone()).is_empty() {
        return "gold and the test patch change no test file, and none uses what they change; run without --changed-tests"
            .to_owned();
    }
    match listed(input.instance).next() {
        Some(_) if !input.test_files.is_empty() => {
            let (count, runner) = (listed(input.instance).count(), runner.name());
            let named = name_some(listed(input.instance).map(String::as_str));
            format!(
                "none of the {count} listed tests names a file that {runner} collects from the tree, so nothing was run for \
                 them: {named}; write them as {runner} does, or set environment.framework to the runner that writes them so"
            )
        }
        Some(_) | None => format!(
            "{} collects no file of the tree; if another runner runs the tests, name it at import (`--runner`), and if only their \
             names are unusual, name the files (`--tests`)",
            runner.name()
        ),
    }
}

fn listed(instance: &Instance) -> impl Iterator<Item = &String> {
    instance.fail_to_pass.iter().chain(&instance.pass_to_pass)
}

/// Runs both sides once over everything, to find which files hold fail-to-pass tests. If base's run ended early, what it did
/// not come to runs there by itself: the missing tests of a file first, then one by one.
fn whole(
    input: &AdmissionInput,
    groups: &mut Vec<Vec<String>>,
    runner: &dyn Runner,
    bench: &mut Bench,
    tally: &mut Tally,
    pace: &mut Pace,
) -> Result<(), Stopped> {
    let files = groups.concat();
    let on_gold = Ask::suite(&input.trees.tested_gold, &files);
    let joint = pace.gold(input, bench, &on_gold)?;
    *groups = sessions::sessions(input, runner, &files, &joint.report);
    if let [_] = groups.as_slice() {
        tally.add(Side::Gold, Condition::Whole, joint);
    } else {
        for group in &*groups {
            let seen = pace.gold(input, bench, &Ask::suite(&input.trees.tested_gold, group))?;
            tally.add(Side::Gold, Condition::Whole, seen);
        }
    }
    if input.instance.fail_to_pass.is_empty() && !tally.gold_passes_any(listed(input.instance)) {
        let needs_network = |id: &&String| match tally.stand(id) {
            Stand::Record(record) => record.standing == Standing::NetworkDependent,
            Stand::PassToPass | Stand::Idle => false,
        };
        return Err(match tally.ids().iter().find(needs_network) {
            Some(id) => Stopped::Refused(Refusal::NetworkDependent, format!("need the network: {id}")),
            None => {
                let printed = bench.printed(&on_gold).ok().map(|(_, printed)| printed);
                let fate = fate::told(input, runner, tally, printed.as_deref());
                Stopped::Refused(Refusal::GoldFails, format!("no test passes on gold; {fate}"))
            }
        });
    }
    let base = &input.trees.tested_base;
    for group in &*groups {
        let seen = pace.base(bench, Ask::suite(base, group))?;
        tally.add(Side::Base, Condition::Whole, seen);
    }
    let mut by_file: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in tally.unknown_on_base() {
        by_file.entry(runner.target_of(&id)).or_default().push(id);
    }
    for (file, only) in by_file.into_iter().take(MOST_SOLO_RUNS) {
        let files = [file];
        let seen = pace.base(bench, Ask { only, ..Ask::suite(base, &files) })?;
        tally.add(Side::Base, Condition::Alone, seen);
    }
    for id in tally.unknown_on_base().into_iter().take(MOST_SOLO_RUNS) {
        let files = [runner.target_of(&id)];
        let seen = pace.base(bench, Ask { only: vec![id], ..Ask::suite(base, &files) })?;
        tally.add(Side::Base, Condition::Alone, seen);
    }
    Ok(())
}

/// Files with fail-to-pass tests, and the other files with tests that pass on gold, each by session; and how many splits hold the
/// former. Without the former there are none. Files of listed tests that fail on gold are kept, because the tests may fail
/// there only now and then.
fn split_files(
    tally: &Tally,
    instance: &Instance,
    runner: &dyn Runner,
    groups: &[Vec<String>],
) -> Option<(Vec<Vec<String>>, usize)> {
    let mut first = BTreeSet::new();
    let mut rest = BTreeSet::new();
    for id in tally.ids() {
        match tally.stand(id) {
            Stand::Record(record) => match record.standing {
                Standing::FailToPass => first.insert(runner.target_of(id)),
                Standing::FailsOnGold if instance.fail_to_pass.contains(id) => first.insert(runner.target_of(id)),
                Standing::FailsOnGold | Standing::NetworkDependent => false,
                Standing::Flaky
                | Standing::OrderDependent
                | Standing::SeedOrZoneDependent
                | Standing::UnknownOnBase
                | Standing::NotFailedOnBase => rest.insert(runner.target_of(id)),
            },
            Stand::PassToPass => rest.insert(runner.target_of(id)),
            Stand::Idle => false,
        };
    }
    let of = |wanted: &dyn Fn(&String) -> bool| {
        let own = |group: &Vec<String>| group.iter().filter(|file| wanted(file)).cloned().collect::<Vec<_>>();
        groups.iter().map(own).filter(|files| !files.is_empty()).collect::<Vec<_>>()
    };
    let mut splits = of(&|file| first.contains(file));
    let count = splits.len();
    splits.extend(of(&|file| rest.contains(file) && !first.contains(file)));
    (count > 0).then_some((splits, count))
}

fn condition(variation: Variation) -> Condition {
    match variation {
        Variation::None => Condition::InOrder,
        Variation::ShuffledFiles => Condition::Shuffled,
        Variation::OtherSeedAndZone => Condition::OtherSeedAndZone,
    }
}

/// How a repeat differs from the run as it stands.
pub(super) fn variation(repeat: u32) -> Variation {
    match repeat {
        2 => Variation::ShuffledFiles,
        3 => Variation::OtherSeedAndZone,
        _ => Variation::None,
    }
}

/// Runs both sides in the splits that candidates get, with the perturbations that find tests which wobble.
fn repeat(
    input: &AdmissionInput,
    splits: &[Vec<String>],
    bench: &mut Bench,
    tally: &mut Tally,
    pace: &mut Pace,
) -> Result<(), Stopped> {
    for repeat in 1..=input.repeats.max(1) {
        let variation = variation(repeat);
        for files in splits {
            let ask = |tree| Ask { variation, repeat, ..Ask::suite(tree, files) };
            let gold = pace.gold(input, bench, &ask(&input.trees.tested_gold))?;
            tally.add(Side::Gold, condition(variation), gold);
            let base = pace.base(bench, ask(&input.trees.tested_base))?;
            tally.add(Side::Base, condition(variation), base);
        }
    }
    Ok(())
}

/// Tests whose results differ are dropped in any case; more runs, up to ten of a side, tell why they differ.
fn look_again(
    input: &AdmissionInput,
    splits: &[Vec<String>],
    runner: &dyn Runner,
    bench: &mut Bench,
    tally: &mut Tally,
    pace: &mut Pace,
) -> Result<(), Stopped> {
    for side in [Side::Gold, Side::Base] {
        let differs = |id: &&String| {
            // If equal runs differ, nothing is left to ask. What gold answered, base is not asked.
            let seen = tally.sightings(id, side);
            let open = Sightings::total(&seen).mixed() && !seen.values().any(|counts| counts.mixed());
            let by_gold = side == Side::Base && Sightings::total(&tally.sightings(id, Side::Gold)).mixed();
            open && !by_gold && tally.gold_passes_any([*id])
        };
        let wobbling: Vec<_> = tally.ids().iter().filter(differs).cloned().collect();
        if wobbling.is_empty() {
            continue;
        }
        let held: BTreeSet<_> = wobbling.iter().map(|id| runner.target_of(id)).collect();
        let more = [Variation::None, Variation::ShuffledFiles, Variation::OtherSeedAndZone, Variation::None];
        let first = input.repeats.max(1) + 1;
        for (variation, repeat) in more.into_iter().zip(first..) {
            for files in splits.iter().filter(|files| files.iter().any(|file| held.contains(file))) {
                run(input, side, Ask { variation, repeat, ..Ask::suite("", files) }, bench, tally, pace)?;
            }
        }
        for id in wobbling.iter().take(MOST_LONE_TESTS) {
            let files = [runner.target_of(id)];
            for repeat in 0..LONE_RUNS {
                run(input, side, Ask { only: vec![id.clone()], repeat, ..Ask::suite("", &files) }, bench, tally, pace)?;
            }
        }
    }
    Ok(())
}

/// One more run on a side; the tree of `ask` is the side's.
fn run<'a>(
    input: &'a AdmissionInput,
    side: Side,
    ask: Ask<'a>,
    bench: &mut Bench,
    tally: &mut Tally,
    pace: &mut Pace,
) -> Result<(), Stopped> {
    let condition = if ask.only.is_empty() { condition(ask.variation) } else { Condition::Alone };
    let seen = match side {
        Side::Gold if ask.only.is_empty() => pace.gold(input, bench, &Ask { tree: &input.trees.tested_gold, ..ask })?,
        // A test that hangs only when alone says something about the test, not about gold.
        Side::Gold => {
            let deadline_ms = Some(pace.deadline_ms());
            bench.seen(&Ask { tree: &input.trees.tested_gold, deadline_ms, ..ask })?
        }
        Side::Base => pace.base(bench, Ask { tree: &input.trees.tested_base, ..ask })?,
    };
    tally.add(side, condition, seen);
    Ok(())
}

fn settle(
    tally: &Tally,
    admission: &mut Admission,
    input: &AdmissionInput,
    runner: &dyn Runner,
    splits: &[Vec<String>],
) {
    let instance = input.instance;
    let seen = |id: &str| {
        let [base, gold] = [Side::Base, Side::Gold].map(|side| Sightings::total(&tally.sightings(id, side)));
        format!("{base} on base, {gold} on gold")
    };
    for id in tally.ids() {
        match tally.stand(id) {
            Stand::Idle => {}
            Stand::PassToPass => admission.pass_to_pass.push(id.clone()),
            Stand::Record(record) => {
                if record.standing == Standing::FailToPass {
                    admission.fail_to_pass.push(id.clone());
                } else if record.standing.unstable() {
                    admission.unstable.insert(id.clone(), format!("{}; {}", record.standing.words(), seen(id)));
                }
                admission.tests.insert(id.clone(), *record);
            }
        }
    }
    for (listed, derived, name) in [
        (&instance.fail_to_pass, &admission.fail_to_pass, "FAIL_TO_PASS"),
        (&instance.pass_to_pass, &admission.pass_to_pass, "PASS_TO_PASS"),
    ] {
        for id in listed.iter().filter(|id| !derived.contains(id) && !input.leaves_out(runner, id)) {
            let why = admission.tests.get(id).map_or(String::new(), |record| format!("{}; ", record.standing.words()));
            admission.disagreements.insert(id.clone(), format!("listed in {name}; {why}{}", seen(id)));
        }
    }
    let expected: Vec<_> = admission.fail_to_pass.iter().chain(&admission.pass_to_pass).cloned().collect();
    admission.splits = splits
        .iter()
        .map(|files| {
            let held = expected.iter().filter(|id| files.contains(&runner.target_of(id))).cloned().collect();
            Split { files: files.clone(), expected: held, once: false }
        })
        .filter(|split: &Split| !split.expected.is_empty())
        .collect();
}

/// The refusal of an instance that has no fail-to-pass test. It is told by what became of the tests that might have been one:
/// the listed tests or, without a list, all tests that left the expectations.
fn none_left(
    input: &AdmissionInput,
    runner: &dyn Runner,
    admission: &Admission,
    tally: &Tally,
    bench: &mut Bench,
    files: &[String],
) -> Stopped {
    let instance = input.instance;
    let printed = bench.printed(&Ask::suite(&input.trees.tested_gold, files)).ok().map(|(_, printed)| printed);
    let fate = || fate::told(input, runner, tally, printed.as_deref());
    let wanted = |id: &&String| instance.fail_to_pass.is_empty() || instance.fail_to_pass.contains(*id);
    let left = |standings: &[Standing]| {
        let records = admission.tests.iter().filter(|(id, record)| wanted(id) && standings.contains(&record.standing));
        records.map(|(id, _)| id.as_str()).collect::<Vec<_>>()
    };
    let table = [
        (&[Standing::Flaky, Standing::SeedOrZoneDependent][..], Refusal::NoStableFailToPass, "unstable"),
        (&[Standing::OrderDependent], Refusal::OrderDependent, "pass only in some orders"),
        (&[Standing::NetworkDependent], Refusal::NetworkDependent, "need the network"),
        (&[Standing::UnknownOnBase], Refusal::BaseDoesNotEnd, "base never came to"),
    ];
    for (standings, refusal, words) in table {
        let ids = left(standings);
        if !ids.is_empty() {
            return Stopped::Refused(refusal, format!("{words}: {}", name_some(ids)));
        }
    }
    if instance.fail_to_pass.is_empty() {
        let what = format!("no test is listed, and none fails on base and passes on gold; {}", fate());
        return Stopped::Refused(Refusal::EmptyFailToPass, what);
    }
    let listed = || instance.fail_to_pass.iter();
    if listed().all(|id| tally.stand(id) == Stand::PassToPass) {
        let names = name_some(listed().map(String::as_str));
        return Stopped::Refused(Refusal::BasePasses, format!("base passes: {names}"));
    }
    let failing: Vec<_> = listed().filter(|id| !tally.gold_passes_any([*id])).map(|id| id.as_str()).collect();
    if !failing.is_empty() {
        let what = format!("do not pass on gold: {}; {}", name_some(failing), fate());
        return Stopped::Refused(Refusal::GoldFails, what);
    }
    let names = name_some(listed().map(String::as_str));
    Stopped::Refused(Refusal::EmptyFailToPass, format!("base does not fail, though listed: {names}; {}", fate()))
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
