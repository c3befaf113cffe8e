//! Which listed tests are lost, and what follows. An instance that loses a listed fail-to-pass test, or more than a tenth of
//! its listed pass-to-pass tests, is refused (`lost_listed_tests`). If `--accept-lost` is given, it is admitted and nothing
//! of it is worth more than E1.
//!
//! - *lost*: the listed name is exactly one test of gold's run, and that test left the expectations, for whatever reason. A
//!   name is also lost if its file or class cannot be loaded on gold, or if its file gave no test there.
//! - *unmatched*: the name is none or several of gold's tests. Published lists hold names that were cut at a blank and
//!   words that a log parser took for tests. They are counted apart, and refuse only if they are all of the listed
//!   fail-to-pass tests. Those of them whose file is not there are named, and nothing is run for them.
//! - *not lost*: a listed fail-to-pass test that passes on base too, and a listed pass-to-pass test that fails there.
//!   Candidates are still held to it, on the other list; `disagreements` names it.
//!
//! If no fail-to-pass test is listed, the tests of changed test files that fail on base, and on gold for want of a network,
//! count as listed: with a network they might show the change.

use std::collections::{BTreeMap, BTreeSet};

use super::AdmissionInput;
use super::record_fate::{of_record, with_service};
use crate::judge::asker::Seen;
use crate::judge::{name_reasons, name_some};
use crate::model::admission::{Admission, Refusal};
use crate::model::instance::Instance;
use crate::model::lost::{Loss, Lost};
use crate::model::lost_tests::LostTests;
use crate::model::test_record::{Sightings, Standing};
use crate::model::trial::TestReport;
use crate::runner::Runner;

/// An instance may lose one test file of this many, and one listed pass-to-pass test of this many.
pub(in crate::judge) const ONE_OF: usize = 10;

/// What an admission whose tests are settled loses of its listed tests, by gold's run of all files.
pub(crate) fn find(
    input: &AdmissionInput,
    runner: &dyn Runner,
    gold: &Seen,
    admission: &Admission,
) -> Option<LostTests> {
    let expected = admission.fail_to_pass.iter().chain(&admission.pass_to_pass).map(String::as_str).collect();
    let run = GoldsRun::of(&gold.report, runner, admission.lost.as_ref());
    let mut lost = LostTests::default();
    for (listed, of, gone) in [
        (&input.instance.fail_to_pass, &mut lost.of_fail_to_pass, &mut lost.fail_to_pass),
        (&input.instance.pass_to_pass, &mut lost.of_pass_to_pass, &mut lost.pass_to_pass),
    ] {
        for name in listed.iter().filter(|name| !input.leaves_out(runner, name)).collect::<BTreeSet<_>>() {
            match run.test(name) {
                Named::One(id) => {
                    *of += 1;
                    gone.extend(run.why(id, &expected, admission).map(|why| (name.clone(), why)));
                }
                Named::NotLoaded(why) => {
                    *of += 1;
                    gone.insert(name.clone(), why);
                }
                Named::NoneOrSeveral => {
                    lost.unmatched.insert(name.clone());
                    if !input.test_files.contains(&runner.target_of(name)) {
                        lost.without_file.insert(name.clone());
                    }
                }
            }
        }
    }
    if input.instance.fail_to_pass.is_empty() {
        let unseen = as_if_listed(input, runner, admission);
        lost.of_fail_to_pass = (admission.fail_to_pass.len() + unseen.len()) as u64;
        lost.fail_to_pass =
            unseen.into_iter().filter_map(|id| Some((id.clone(), run.why(id, &expected, admission)?))).collect();
    }
    (lost.any() || !lost.unmatched.is_empty()).then_some(lost)
}

/// Tests of an instance without a list that might show the change if there were a network.
fn as_if_listed<'a>(input: &AdmissionInput, runner: &dyn Runner, admission: &'a Admission) -> Vec<&'a String> {
    let tests = admission.tests.iter().filter(|(id, record)| {
        let base = Sightings::total(&record.base);
        let fails_on_base = base.failed > 0 && base.passed == 0;
        record.standing == Standing::NetworkDependent && fails_on_base && input.changed.contains(&runner.target_of(id))
    });
    tests.map(|(id, _)| id).collect()
}

/// Whether a stored admission says of its listed tests what gold's run of all files says. An earlier version did not look;
/// then it is derived again, from the same trials. A refusal for another reason says nothing of them.
pub(super) fn as_stored(admission: &Admission, input: &AdmissionInput, runner: &dyn Runner, gold: &Seen) -> bool {
    match admission.refusal {
        None | Some(Refusal::LostListedTests) => {
            let stored = admission.lost_tests.as_ref().map(|lost| LostTests { accepted: false, ..lost.clone() });
            find(input, runner, gold, admission) == stored
        }
        Some(_) => true,
    }
}

/// Why an instance that loses this is refused; none where it may.
pub(crate) fn too_much(instance: &Instance, lost: &LostTests) -> Option<String> {
    if !instance.fail_to_pass.is_empty() && lost.of_fail_to_pass == 0 {
        let named = name_some(instance.fail_to_pass.iter().map(String::as_str));
        let next = "correct the names in FAIL_TO_PASS, or use --accept-lost, which leaves its rows at E1";
        return Some(format!("no listed fail-to-pass test is exactly one test of gold's run: {named}; {next}"));
    }
    let many = lost.pass_to_pass.len() * ONE_OF > lost.of_pass_to_pass as usize;
    if lost.fail_to_pass.is_empty() && !many {
        return None;
    }
    let what = if instance.fail_to_pass.is_empty() && !lost.fail_to_pass.is_empty() {
        "are lost (tests of changed test files that fail on base, and on gold for want of a network, count)"
    } else {
        "are lost"
    };
    let next = "give the environment what they need (no sandbox has a network), or use --accept-lost, which leaves its rows at E1";
    Some(format!("{} {what}: {}; {next}", lost.count(), name_reasons(&lost.lines())))
}

/// What the words of a verdict add for an instance that lost too much and was accepted.
pub(super) fn told(lost: &LostTests) -> String {
    if lost.any() {
        return format!("{} are lost: {}", lost.count(), name_some(lost.names()));
    }
    let named = name_some(lost.unmatched.iter().map(String::as_str));
    format!("no listed fail-to-pass test is exactly one test of gold's run: {named}")
}

/// What gold's run of all files says of listed names.
struct GoldsRun<'a> {
    report: &'a TestReport,
    runner: &'a dyn Runner,
    /// Files that gave no test, and why.
    silent: BTreeMap<&'a str, String>,
}

/// What a listed name stands for.
enum Named<'a> {
    One(&'a str),
    /// Its file or class gave no test on gold, for this reason.
    NotLoaded(String),
    NoneOrSeveral,
}

impl<'a> GoldsRun<'a> {
    fn of(report: &'a TestReport, runner: &'a dyn Runner, lost: Option<&'a Lost>) -> Self {
        let with_tests: BTreeSet<_> = report.tests.keys().map(|id| runner.target_of(id)).collect();
        let on_gold = |why| match why {
            Loss::DoesNotLoad
            | Loss::MissingModule
            | Loss::Skipped
            | Loss::Deselected
            | Loss::Ignored
            | Loss::Silent => true,
            Loss::NotOnBase | Loss::MadeToLoad | Loss::NonePasses => false,
        };
        let files = lost.into_iter().flat_map(|lost| &lost.files);
        let silent = files
            .filter(|(path, file)| on_gold(file.why) && !with_tests.contains(*path))
            .map(|(path, file)| (path.as_str(), format!("its file gave no test ({})", file.reason())))
            .collect();
        Self { report, runner, silent }
    }

    fn test(&self, name: &str) -> Named<'a> {
        if let Some((id, _)) = self.report.tests.get_key_value(name) {
            return Named::One(id);
        }
        let error = self.report.collect_errors.iter().find(|(place, _)| self.runner.takes_along(place, name));
        if let Some((place, error)) = error {
            return Named::NotLoaded(format!(
                "its file does not load ({})",
                with_service(self.runner, error, self.message(place))
            ));
        }
        if let Some(why) = self.silent.get(self.runner.target_of(name).as_str()) {
            return Named::NotLoaded(why.clone());
        }
        // Parsers of logs cut names at a blank, or take a blank along.
        let (name, tests) = (name.trim_end(), &self.report.tests);
        let goes_on = |id: &str| id.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        let from = std::ops::Bound::Included(name);
        let beginning = tests.range::<str, _>((from, std::ops::Bound::Unbounded)).map(|(id, _)| id.as_str());
        let mut found = beginning.take_while(|id| id.starts_with(name)).filter(|id| goes_on(id));
        match (found.next(), found.next()) {
            (Some(id), None) if !name.is_empty() => Named::One(id),
            (Some(_), _) | (None, _) => Named::NoneOrSeveral,
        }
    }

    /// Why a test of gold's run is not expected of candidates; none where it is.
    fn why(&self, id: &str, expected: &BTreeSet<&str>, admission: &Admission) -> Option<String> {
        if expected.contains(id) {
            return None;
        }
        let (words, raised) = match admission.tests.get(id) {
            Some(record) => (record.standing.words(), of_record(self.runner, record, self.message(id)).1),
            None => ("skipped or absent on gold", self.message(id).to_owned()),
        };
        Some(if raised.is_empty() { words.to_owned() } else { format!("{words} ({raised})") })
    }

    fn message(&self, place: &str) -> &'a str {
        let remarks = self.report.remarks.as_ref();
        remarks.and_then(|remarks| remarks.messages.get(place)).map_or("", String::as_str)
    }
}

#[cfg(test)]
#[path = "listed_tests.rs"]
mod tests;
