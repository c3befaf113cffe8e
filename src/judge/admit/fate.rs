//! What became of the tests that might have shown the change: the tests of the changed test files, and the listed
//! tests. A refusal for want of such tests says it.

use std::collections::BTreeMap;

use super::AdmissionInput;
use super::lost::find;
use super::record_fate::{of_record, with_service};
use super::tally::{Side, Stand, Tally};
use crate::judge::asker::Seen;
use crate::judge::{name_reasons, name_some};
use crate::runner::Runner;

/// Longest line that is quoted of what a runner printed, in characters.
const LONGEST_LINE: usize = 200;

/// In words, to stand behind the reason of a refusal.
pub(crate) fn told(input: &AdmissionInput, runner: &dyn Runner, tally: &Tally, printed: Option<&str>) -> String {
    let Some(gold) = tally.first(Side::Gold) else { return String::new() };
    let mut parts = Vec::new();
    let suite = &gold.outcome.trial.plan.files;
    let lost = find(input, runner, &tally.whole(Side::Gold), &tally.whole(Side::Base));
    let lost = lost.map(|lost| lost.files).unwrap_or_default();
    if gold.report.tests.is_empty() {
        parts.push(nothing_ran(runner, &gold, printed));
    } else {
        let changed: Vec<_> = suite.iter().filter(|path| input.changed.contains(*path)).map(String::as_str).collect();
        match changed.as_slice() {
            [] => parts.push("gold changes none of the test files that ran".to_owned()),
            changed => parts.push(format!("of the changed test files ({})", name_some(changed.iter().copied()))),
        }
        let gone =
            lost.iter().filter(|(_, file)| file.changed).map(|(path, file)| format!("{path}: {}", file.reason()));
        let gone: Vec<_> = gone.collect();
        if !gone.is_empty() {
            parts.push(format!("{} gave no test ({})", gone.len(), name_reasons(&gone)));
        }
        parts.extend(
            by_fate(input, runner, tally)
                .into_iter()
                .map(|(fate, tests)| format!("{} {} ({})", tests.len(), fate, name_reasons(&tests))),
        );
    }
    parts.join("; ")
}

/// Fate -> tests with what was raised, in the order of the fates' names.
fn by_fate(input: &AdmissionInput, runner: &dyn Runner, tally: &Tally) -> BTreeMap<&'static str, Vec<String>> {
    let instance = input.instance;
    let mut fates: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for id in tally.ids() {
        if !input.changed.contains(&runner.target_of(id)) && !instance.fail_to_pass.contains(id) {
            continue;
        }
        let message = tally.message(id, Side::Gold).unwrap_or_default();
        let (fate, why) = match tally.stand(id) {
            Stand::PassToPass => ("passed on base too", String::new()),
            Stand::Idle => ("skipped or absent on gold", message.to_owned()),
            Stand::Record(record) => of_record(runner, &record, message),
        };
        fates.entry(fate).or_default().push(if why.is_empty() { id.clone() } else { format!("{id}: {why}") });
    }
    for id in instance.fail_to_pass.iter().filter(|id| !tally.ids().contains(*id)) {
        let (fate, told) = match tally.first(Side::Gold).and_then(|gold| uncollected(&gold, runner, id)) {
            Some(why) => ("in a file that gold does not load", format!("{id}: {why}")),
            None => ("listed and not among the tests that ran", id.clone()),
        };
        fates.entry(fate).or_default().push(told);
    }
    fates
}

/// What was raised when the file of a test, or what stands above it, was to be collected.
fn uncollected(gold: &Seen, runner: &dyn Runner, id: &str) -> Option<String> {
    let (place, error) = gold.report.collect_errors.iter().find(|(place, _)| runner.takes_along(place, id))?;
    let messages = gold.report.remarks.as_ref().map(|remarks| &remarks.messages);
    let message = messages.and_then(|messages| messages.get(place)).map_or("", String::as_str);
    Some(with_service(runner, error, message))
}

/// Why a session collected nothing at all.
fn nothing_ran(runner: &dyn Runner, gold: &Seen, printed: Option<&str>) -> String {
    let report = &gold.report;
    let messages = report.remarks.as_ref().map(|remarks| &remarks.messages);
    let message = |place: &String| messages.and_then(|messages| messages.get(place)).map_or("", String::as_str);
    let errors: Vec<_> = report
        .collect_errors
        .iter()
        .map(|(place, error)| format!("{place}: {}", with_service(runner, error, message(place))))
        .collect();
    if !errors.is_empty() {
        return format!("nothing could be collected on gold ({})", name_reasons(&errors));
    }
    let status = report.exit_status.unwrap_or_default();
    let said = printed.and_then(telling_line).map(|line| format!(": {line}")).unwrap_or_default();
    format!("the session on gold ended with status {status} and had collected no test{said}")
}

/// The line of an output that says most of why it ended: the first that names an error, else the last. Where that one only
/// introduces others, the last that names an error stands behind it.
pub(crate) fn telling_line(printed: &str) -> Option<String> {
    let lines = || printed.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = |line: &&str| {
        let line = line.to_lowercase();
        line.starts_with("error") || line.contains("error:")
    };
    let line = lines().find(error).or_else(|| lines().next_back())?;
    let behind = lines().rfind(error).filter(|last| line.ends_with(':') && *last != line);
    let line = behind.map_or_else(|| line.to_owned(), |last| format!("{line} {last}"));
    Some(line.chars().filter(|c| !c.is_control()).take(LONGEST_LINE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_introduces_others_is_told_with_the_last_error_behind_it() {
        let filters = "start\nERROR: while parsing the following warning configuration:\n\n  ignore::trio.Warn\n\nThis error occurred:\n\n\
                       Traceback:\nModuleNotFoundError: No module named 'trio'\n\n";
        let told =
            "ERROR: while parsing the following warning configuration: ModuleNotFoundError: No module named 'trio'";
        assert_eq!(telling_line(filters).as_deref(), Some(told));
        assert_eq!(telling_line("a\nERROR: one\nValueError: two\n").as_deref(), Some("ERROR: one"));
        assert_eq!(telling_line("a\nthe last\n\n").as_deref(), Some("the last"));
    }
}
