//! Which test files of a suite are lost, and what follows. Too many lost files, or one that gold changes, refuse the
//! instance (`lost_test_files`), right after the whole runs. If `--accept-lost` is given, the instance is admitted and
//! nothing of it is worth more than E1. A stored admission is used only if its lost files agree with its runs.
//!
//! - *does not load*: the file, a class of it, a package above it, or a configuration that ends the session;
//! - *not on base*: it loads on gold and not on base, and gold changes neither the file nor the one that raised;
//! - *silent*: it defines tests, and the run says nothing of it;
//! - *none passes*: tests of it fail on gold, none passes, and none is known to come to an expectation. A test that fails for want of a
//!   network is a witness. If tests are listed, the lists say what is lost;
//! - *missing module*: it skips itself for want of a module; this counts only if gold changes the file.
//!
//! A file that gold made to load, a skipped file and a deselected file are named and do not count: a skip is the
//! project's own word that the suite is whole without it. Nor does a file that only the project's configuration or a plugin
//! of it would leave out (*ignored*), unless gold changes it. What a run said beside results is kept for base and gold
//! only.

use std::collections::{BTreeMap, BTreeSet};

use super::listed::ONE_OF;
use super::sessions::{joined, sessions, suite_of};
use super::{AdmissionInput, blank, listed};
use crate::judge::asker::{Ask, Bench, Evidence, Seen};
use crate::judge::{Halt, name_reasons, name_some, run_result};
use crate::model::admission::Admission;
use crate::model::candidate::PathClass;
use crate::model::cause::Cause;
use crate::model::lost::{Loss, Lost, LostFile};
use crate::model::trial::{Status, TestReport, TestResult};
use crate::model::verdict::{Evidence as Level, Reason};
use crate::runner::Runner;

/// Whether a stored admission names what the runs that it rests on say is lost, of its test files and of its listed tests. False if one of them cannot be found or read
/// back: what is not known is not whole, so the admission is derived again. This also tells an admission of a version that did
/// not look.
pub fn lost_as_stored(
    admission: &Admission,
    input: &AdmissionInput,
    runner: &dyn Runner,
    evidence: &dyn Evidence,
) -> bool {
    let stored = admission.lost.as_ref().map(|lost| Lost { accepted: false, ..lost.clone() });
    let (files, _) = input.files_to_run(runner);
    if files.is_empty() {
        return stored.is_none() && !admission.admitted();
    }
    let mut bench = Bench::new(&blank(input, runner), runner, evidence);
    let Ok(joint) = bench.seen(&Ask::suite(&input.trees.tested_gold, &files)) else { return false };
    let groups = sessions(input, runner, &files, &joint.report);
    let (mut gold, mut base) = (Vec::new(), Vec::new());
    for group in &groups {
        let Ok(seen) = bench.seen(&Ask::suite(&input.trees.tested_gold, group)) else { return false };
        gold.push(seen);
    }
    let slowest_ms = gold.iter().chain([&joint]).map(|seen| seen.outcome.wall_ms).max().unwrap_or_default();
    let deadline_ms = Some(input.deadline_after(slowest_ms));
    for group in &groups {
        match bench.seen(&Ask { deadline_ms, ..Ask::suite(&input.trees.tested_base, group) }) {
            Ok(seen) => base.push(seen),
            // An instance that gold's run refuses never ran on base.
            Err(Halt::Needs(_)) if !admission.admitted() => break,
            Err(_) => return false,
        }
    }
    find(input, runner, &gold, &base) == stored
        && suite_of(input, &groups, &gold).stored() == admission.suite
        && joined(&gold).is_some_and(|gold| listed::as_stored(admission, input, runner, &gold))
}

/// What is lost, by the sessions that come to all files on gold, and on base as far as they ran there. A run that did not end
/// says nothing.
pub(crate) fn find(input: &AdmissionInput, runner: &dyn Runner, gold: &[Seen], base: &[Seen]) -> Option<Lost> {
    let bases = base.iter().map(Some).chain(std::iter::repeat(None));
    let sessions = gold.iter().zip(bases).map(|(gold, base)| of_session(input, runner, gold, base));
    let files: BTreeMap<_, _> = sessions.flatten().collect();
    let of = gold.iter().map(|seen| seen.outcome.trial.plan.files.len() as u64).sum();
    (!files.is_empty()).then_some(Lost { of, files, accepted: false })
}

/// The lost files of one session.
fn of_session(
    input: &AdmissionInput,
    runner: &dyn Runner,
    gold: &Seen,
    base: Option<&Seen>,
) -> BTreeMap<String, LostFile> {
    if run_result::ended(gold).is_err() {
        return BTreeMap::new();
    }
    let on_gold = Loaded::of(&gold.report, runner);
    let on_base = base.filter(|seen| run_result::ended(seen).is_ok()).map(|seen| Loaded::of(&seen.report, runner));
    let (suite, layout) = (&gold.outcome.trial.plan.files, &input.trees.layout);
    let ignored: BTreeSet<_> = gold.report.remarks.iter().flat_map(|remarks| &remarks.ignored).collect();
    let lost = |path: &String| {
        let changed = input.changed.contains(path);
        let not_on_base = || {
            let trouble = on_base.as_ref().filter(|_| !changed)?.trouble(path)?;
            let by_gold = match (&trouble.place, &trouble.raised) {
                // No file is named where the runner did not begin: its configuration is at fault.
                (None, None) => input.changed.iter().any(|path| layout.class(path) == PathClass::RunnerConfig),
                (place, raised) => place.iter().chain(raised).any(|file| input.changed.contains(file)),
            };
            Some((if by_gold { Loss::MadeToLoad } else { Loss::NotOnBase }, trouble))
        };
        let on_gold = match on_gold.trouble(path) {
            Some(trouble) => Some((Loss::DoesNotLoad, trouble)),
            None => on_gold
                .unrun(path, input.with_tests.contains(path))
                .or_else(|| on_gold.none_passes(path).filter(|_| super::listed(input.instance).next().is_none())),
        };
        let (why, Trouble { error, message, place, raised: _ }) = on_gold.or_else(not_on_base)?;
        let why = match why {
            Loss::DoesNotLoad | Loss::NotOnBase | Loss::Silent | Loss::NonePasses
                if ignored.contains(path) && !changed =>
            {
                Loss::Ignored
            }
            why => why,
        };
        let place = place.filter(|place| place != path);
        let needs = runner.missing_service(&error, &message);
        Some((path.clone(), LostFile { why, error, message, needs, place, changed }))
    };
    suite.iter().filter_map(lost).collect()
}

/// Why an instance that loses this is refused; none where it may.
pub(crate) fn too_much(lost: &Lost) -> Option<String> {
    let counted: Vec<_> = lost.files.iter().filter(|(_, file)| file.counts()).collect();
    let changed: Vec<_> = counted.iter().filter(|(_, file)| file.changed).copied().collect();
    let (what, named) = if !changed.is_empty() {
        (format!("{} of the test files that gold changes cannot be judged by", changed.len()), changed)
    } else if counted.len() * ONE_OF > lost.of as usize {
        (format!("{} of {} test files are lost, more than a tenth", counted.len(), lost.of), counted)
    } else {
        return None;
    };
    let named: Vec<_> = named.into_iter().map(|(path, file)| format!("{path}: {}", file.reason())).collect();
    let next = "install what is missing (`--with` at import, `requirements` of the environment), or use --accept-lost, which leaves its rows at E1";
    Some(format!("{what}: {}; {next}", name_reasons(&named)))
}

/// A verified answer as it counts: of an instance that lost too much and was accepted, never more than E1.
pub(crate) fn bounded(
    admission: &Admission,
    (reason, level, detail): (Reason, Level, String),
) -> (Reason, Level, String) {
    let files = admission.lost.as_ref().filter(|lost| lost.accepted).map(|lost| {
        let named = name_some(lost.files.keys().map(String::as_str));
        format!("{} are lost: {named}", lost.count())
    });
    let tests = admission.lost_tests.as_ref().filter(|lost| lost.accepted).map(listed::told);
    let told: Vec<_> = files.into_iter().chain(tests).collect();
    if told.is_empty() {
        return (reason, level, detail);
    }
    (reason, level.min(Level::E1), format!("{detail}; E1 at most, for {}", told.join("; ")))
}

/// What a run says of the files that it was given.
struct Loaded<'a> {
    runner: &'a dyn Runner,
    report: &'a TestReport,
    /// Files of which a test was collected, with what is known of them by it.
    files: BTreeMap<String, Passing<'a>>,
}

/// What the results of a file's tests come to.
#[derive(Default)]
struct Passing<'a> {
    /// A test passes, comes to an expectation that fails, or fails for want of a network.
    says: bool,
    /// The first test that fails.
    fails: Option<(&'a str, &'a TestResult)>,
}

/// Why a file is lost.
struct Trouble {
    error: String,
    message: String,
    place: Option<String>,
    /// File of the line that raised it.
    raised: Option<String>,
}

impl Trouble {
    fn said(message: &str) -> Self {
        Self { error: String::new(), message: message.to_owned(), place: None, raised: None }
    }
}

impl<'a> Loaded<'a> {
    fn of(report: &'a TestReport, runner: &'a dyn Runner) -> Self {
        let mut files = BTreeMap::<_, Passing>::new();
        for (id, result) in &report.tests {
            let file = files.entry(runner.target_of(id)).or_default();
            let cause = result.error.as_deref().map(|error| runner.cause(error));
            let came_to_something =
                |cause: Cause| cause.is_network() || matches!(cause, Cause::Assertion | Cause::ExplicitFailure);
            file.says |= result.passed() || cause.is_some_and(came_to_something);
            if file.fails.is_none() && result.phases.iter().any(|(_, status)| *status == Status::Failed) {
                file.fails = Some((id, result));
            }
        }
        Self { runner, report, files }
    }

    /// Why a file, or a class of it, could not be collected.
    fn trouble(&self, path: &str) -> Option<Trouble> {
        let errors = &self.report.collect_errors;
        let own = |place: &String| self.runner.target_of(place) == path;
        let above = |place: &String| !self.files.contains_key(path) && self.runner.takes_along(place, path);
        let found = errors.iter().find(|(place, _)| own(place));
        let found = found.or_else(|| errors.iter().find(|(place, _)| above(place)));
        // An error in the configuration anywhere ends the whole session before it begins.
        let status = self.report.exit_status.filter(|status| self.runner.failed_to_start(*status));
        let found = found.or_else(|| errors.iter().next().filter(|_| status.is_some() && self.report.tests.is_empty()));
        match (found, status) {
            (Some((place, error)), _) => Some(Trouble {
                error: error.clone(),
                message: self.message(place).to_owned(),
                place: Some(place.clone()),
                raised: self.report.traces.get(place).and_then(|trace| Some(trace.raised.as_ref()?.file.clone())),
            }),
            (None, Some(status)) if self.report.tests.is_empty() => {
                Some(Trouble::said(&format!("the session ended with status {status} before it collected anything")))
            }
            (None, _) => None,
        }
    }

    /// Why nothing was collected from a file that loads. An older reporter does not say whether such a file was skipped.
    fn unrun(&self, path: &str, with_tests: bool) -> Option<(Loss, Trouble)> {
        let remarks = self.report.remarks.as_ref().filter(|_| !self.files.contains_key(path))?;
        if let Some((_, skip)) = remarks.skipped.iter().find(|(place, _)| self.runner.takes_along(place, path)) {
            return Some((if skip.missing { Loss::MissingModule } else { Loss::Skipped }, Trouble::said(&skip.reason)));
        }
        if remarks.deselected.contains(path) {
            return Some((Loss::Deselected, Trouble::said("")));
        }
        with_tests.then(|| (Loss::Silent, Trouble::said("")))
    }

    /// Why no test of a file passes.
    fn none_passes(&self, path: &str) -> Option<(Loss, Trouble)> {
        let (id, result) = self.files.get(path).filter(|file| !file.says)?.fails?;
        let error = result.error.clone().unwrap_or_default();
        Some((Loss::NonePasses, Trouble { error, ..Trouble::said(self.message(id)) }))
    }

    fn message(&self, place: &str) -> &str {
        let remarks = self.report.remarks.as_ref();
        remarks.and_then(|remarks| remarks.messages.get(place)).map_or("", String::as_str)
    }
}

#[cfg(test)]
#[path = "lost_tests.rs"]
mod tests;
