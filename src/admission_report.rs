//! The admission report: what is known about every instance of a run, as JSON and as Markdown. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::leak::Leaks;
use crate::model::admission::{Admission, Refusal};
use crate::model::format;
use crate::model::imported::Imported;
use crate::model::lost::Lost;
use crate::model::lost_tests::LostTests;
use crate::model::part_of_suite::PartOfSuite;
use crate::model::suite::Suite;
use crate::model::test_record::{Standing, TestRecord};

/// Names that the Markdown lists of a kind; the JSON has them all.
const MOST_NAMES: usize = 20;

/// `admission-report.json` of a run directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdmissionReport {
    pub format: String,
    pub admitted: u64,
    pub refused: u64,
    /// Reason -> instances.
    pub refusals: BTreeMap<Refusal, u64>,
    /// By instance id.
    pub instances: Vec<InstanceReport>,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceReport {
    pub instance_id: String,
    pub admitted: bool,
    /// Why it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    pub fail_to_pass: u64,
    pub pass_to_pass: u64,
    /// Those of the pass-to-pass tests that base and gold ran once. All others were repeated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen_once: Vec<String>,
    pub canaries: CanaryCounts,
    /// Held-out tests that its repairs run.
    #[serde(default)]
    pub held_out: u64,
    /// Listed tests that running did not confirm, with what was seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disagreements: BTreeMap<String, String>,
    /// Tests that left the expectations, by the reason, with what was seen of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<Standing, BTreeMap<String, TestRecord>>,
    /// Which test files are not part of the suite, and which run apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<Suite>,
    /// Test files of the suite that nothing can be judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
    /// Listed tests that nothing can be judged by, and listed names that are no test here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_tests: Option<LostTests>,
    /// What the project declares for its tests and the environment does not have, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_installed: Vec<String>,
    /// How much of the suite ran, if not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartOfSuite>,
    /// Tests that gold fails for want of a network, and that repairs must fail as gold does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<String>,
    /// Fail-to-pass tests that gold passes in the order of their files, and fails in another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ordered: Vec<String>,
    /// The bundle that its outcomes came from; none: base and gold ran here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    pub leaks: Leaks,
}

/// Fail-to-pass tests by their canary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CanaryCounts {
    pub strong: u64,
    pub weak: u64,
    pub none: u64,
}

impl Default for AdmissionReport {
    fn default() -> Self {
        Self {
            format: format::ADMISSION_REPORT.to_owned(),
            admitted: 0,
            refused: 0,
            refusals: BTreeMap::new(),
            instances: Vec::new(),
        }
    }
}

impl AdmissionReport {
    /// Takes an instance in. They come by instance id.
    pub fn add(&mut self, admission: &Admission, leaks: Leaks) {
        match admission.refusal {
            None => self.admitted += 1,
            Some(refusal) => {
                self.refused += 1;
                *self.refusals.entry(refusal).or_default() += 1;
            }
        }
        self.instances.push(InstanceReport::of(admission, leaks));
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("# Admission report\n\n{} admitted, {} refused.\n", self.admitted, self.refused);
        if !self.refusals.is_empty() {
            text.push_str("\n| refused because | instances |\n| --- | ---: |\n");
            for (refusal, count) in &self.refusals {
                line(&mut text, format_args!("| {refusal} | {count} |"));
            }
        }
        text.push_str(
            "\n| instance | answer | fail-to-pass | pass-to-pass | canaries strong / weak / none | held-out | left | disagree | leaks |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
        );
        for one in &self.instances {
            let CanaryCounts { strong, weak, none } = one.canaries;
            line(
                &mut text,
                format_args!(
                    "| {} | {} | {} | {} | {strong} / {weak} / {none} | {} | {} | {} | {} |",
                    cell(&one.instance_id),
                    cell(&one.answer()),
                    one.fail_to_pass,
                    one.counted_pass_to_pass(),
                    one.held_out,
                    one.left.values().map(BTreeMap::len).sum::<usize>(),
                    one.disagreements.len(),
                    one.leak_names(),
                ),
            );
        }
        for one in self.instances.iter().filter(|one| one.has_more()) {
            one.details(&mut text);
        }
        text
    }
}

impl InstanceReport {
    fn of(admission: &Admission, leaks: Leaks) -> Self {
        let [strong, weak, none] = admission.canary_counts().map(|count| count as u64);
        let mut left: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (id, record) in &admission.tests {
            if record.standing != Standing::FailToPass {
                left.entry(record.standing).or_default().insert(id.clone(), record.clone());
            }
        }
        Self {
            instance_id: admission.instance_id.clone(),
            admitted: admission.admitted(),
            refusal: admission.refusal,
            detail: admission.detail.clone(),
            fail_to_pass: admission.fail_to_pass.len() as u64,
            pass_to_pass: admission.pass_to_pass.len() as u64,
            seen_once: admission.seen_once().cloned().collect(),
            canaries: CanaryCounts { strong, weak, none },
            held_out: admission.held_out_count() as u64,
            disagreements: admission.disagreements.clone(),
            left,
            suite: admission.suite.clone(),
            lost: admission.lost.clone(),
            lost_tests: admission.lost_tests.clone(),
            not_installed: admission.not_installed.clone(),
            part: admission.part,
            witnesses: admission.witnesses(),
            ordered: admission.ordered(),
            imported: admission.imported.clone(),
            leaks,
        }
    }

    /// How many pass-to-pass tests there are, and how many of them ran once.
    fn counted_pass_to_pass(&self) -> String {
        match self.seen_once.len() {
            0 => self.pass_to_pass.to_string(),
            once => format!("{} ({once} seen once)", self.pass_to_pass),
        }
    }

    /// Admitted, or why not, and whose word that is if it was imported.
    pub fn answer(&self) -> String {
        let answer = match (&self.refusal, &self.part) {
            (None, None) => "admitted".to_owned(),
            (None, Some(part)) => format!("admitted, E1 at most, because {}", part.told()),
            (Some(refusal), _) => format!("refused: {refusal} {}", self.detail),
        };
        match &self.imported {
            None => answer,
            Some(from) => format!("{answer}; imported, {}", from.told()),
        }
    }

    /// What a user must know of it in one line each, under a line that names it: what its suite leaves out, its lost test files,
    /// its lost listed tests, listed names without a test file, tests that pass in one order only, and what could not be installed.
    /// None if there is nothing of that.
    pub fn lines(&self) -> Vec<String> {
        let lost = |accepted: bool, count: String| {
            let worth = if accepted { "accepted, so that its rows are E1 at most; " } else { "" };
            format!("{worth}{count} are lost")
        };
        let tests = self.lost_tests.as_ref().filter(|lost| lost.any());
        let nameless = self.lost_tests.iter().map(|lost| &lost.without_file).find(|names| !names.is_empty());
        let kinds = [
            self.lost.as_ref().map(|files| (lost(files.accepted, files.count()), files.lines())),
            tests.map(|tests| (lost(tests.accepted, tests.count()), tests.lines())),
            nameless.map(|names| (without_file(names.len()), names.iter().cloned().collect())),
            (!self.ordered.is_empty()).then(|| (in_one_order(self.ordered.len()), self.ordered.clone())),
            (!self.not_installed.is_empty()).then(|| (NOT_INSTALLED.to_owned(), self.not_installed.clone())),
        ];
        let told = |(heading, items): (String, Vec<String>)| {
            let mut lines = vec![format!("{}: {heading}", self.instance_id)];
            lines.extend(items.iter().take(MOST_NAMES).map(|item| format!("  {item}")));
            if items.len() > MOST_NAMES {
                lines.push(format!("  and {} more, in the report", items.len() - MOST_NAMES));
            }
            lines
        };
        let suite = self.suite.iter().flat_map(Suite::lines).map(|line| format!("{}: {line}", self.instance_id));
        suite.chain(kinds.into_iter().flatten().flat_map(told)).collect()
    }

    /// Tests that left for one of these reasons.
    pub fn left_for(&self, standings: &[Standing]) -> usize {
        standings.iter().filter_map(|standing| self.left.get(standing)).map(BTreeMap::len).sum()
    }

    fn leak_names(&self) -> String {
        let marks = [
            (self.leaks.solution_in_issue, "solution_in_issue"),
            (self.leaks.path_named_in_issue, "path_named_in_issue"),
        ];
        marks.iter().filter(|(there, _)| *there).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    }

    fn has_more(&self) -> bool {
        !self.disagreements.is_empty()
            || !self.left.is_empty()
            || !self.ordered.is_empty()
            || self.suite.is_some()
            || self.lost.is_some()
            || self.lost_tests.is_some()
            || !self.not_installed.is_empty()
    }

    fn details(&self, text: &mut String) {
        line(text, format_args!("\n## {}\n\n{}", self.instance_id, self.answer()));
        let mut list = |title: String, lines: Vec<String>| {
            if lines.is_empty() {
                return;
            }
            line(text, format_args!("\n{title}:\n"));
            for item in lines.iter().take(MOST_NAMES) {
                line(text, format_args!("- {item}"));
            }
            if lines.len() > MOST_NAMES {
                line(text, format_args!("- and {} more", lines.len() - MOST_NAMES));
            }
        };
        if let Some(suite) = &self.suite {
            list("The suite".to_owned(), suite.lines());
            for (why, files) in &suite.outside {
                list(format!("Not part of the suite: {why}"), files.iter().map(|path| format!("`{path}`")).collect());
            }
            for (number, files) in suite.apart.iter().enumerate() {
                let files = files.iter().map(|path| format!("`{path}`")).collect();
                list(format!("Session {} of {}", number + 1, suite.apart.len()), files);
            }
        }
        if let Some(lost) = &self.lost {
            let lines = lost.files.iter().map(|(path, file)| format!("`{path}`: {}", file.reason()));
            let worth = if lost.accepted { "; accepted, so that its rows are E1 at most" } else { "" };
            list(format!("Lost, {}{worth}", lost.count()), lines.collect());
        }
        if let Some(lost) = &self.lost_tests {
            let worth = if lost.accepted { "; accepted, so that its rows are E1 at most" } else { "" };
            let tests = lost.fail_to_pass.iter().chain(&lost.pass_to_pass);
            let lines = tests.map(|(name, why)| format!("`{name}`: {why}")).collect();
            list(format!("Lost, {}{worth}", lost.count()), lines);
            let names = lost.without_file.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            list(without_file(names.len()), names);
            let names = lost.unmatched.iter().map(|name| format!("`{name}`")).collect();
            list("Listed names that are not exactly one test of gold's run".to_owned(), names);
        }
        let witnesses = self.witnesses.iter().map(|id| format!("`{id}`")).collect();
        list("Witnesses: repairs must fail them as gold does, for want of a network".to_owned(), witnesses);
        let ordered = self.ordered.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>();
        list(in_one_order(ordered.len()), ordered);
        list(NOT_INSTALLED.to_owned(), self.not_installed.clone());
        let disagreements = self.disagreements.iter().map(|(id, what)| format!("`{id}`: {what}"));
        list("Listed, and not what ran".to_owned(), disagreements.collect());
        for (standing, tests) in &self.left {
            let lines = tests.iter().map(|(id, record)| format!("`{id}`: {}", record.seen())).collect();
            list(format!("Left the expectations: {}", standing.words()), lines);
        }
    }
}

const NOT_INSTALLED: &str = "the project declares this for its tests, and it is not installed";

fn without_file(count: usize) -> String {
    format!("{count} listed name(s) are of no test file of the tree, and nothing was run for them")
}

fn in_one_order(count: usize) -> String {
    format!(
        "{count} fail-to-pass test(s) pass on gold in the order of their files only; they stay, and no other order counts"
    )
}

fn line(text: &mut String, what: std::fmt::Arguments) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(what);
    text.push('\n');
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_that_was_found_is_missing_from_the_report() {
        let limits = crate::model::trial::Limits::default();
        let admission = |id: &str, more: serde_json::Value| -> Admission {
            let mut record = json!({
                "format": format::ADMISSION, "instance_id": id, "key": crate::model::digest::Digest::of(b"key"),
                "fail_to_pass": [], "pass_to_pass": [], "gold_files": [], "framework": "pytest/4", "repeats": 3,
                "limits": limits, "trials": [], "image": null,
            });
            record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(record).unwrap()
        };
        let admissions = [
            admission(
                "two",
                json!({"refusal": "network_dependent", "detail": "need the | network",
                    "tests": {"t.py::net": {"standing": "network_dependent", "gold": {"whole": {"failed": 1}},
                        "gold_failure": {"kind": "exception", "error": "gaierror"}}}}),
            ),
            admission(
                "one",
                json!({"fail_to_pass": ["t.py::a", "t.py::o"], "pass_to_pass": ["t.py::b", "t.py::c"],
                    "disagreements": {"t.py::z": "listed in PASS_TO_PASS; passed 0 of 4"},
                    "suite": {"outside": {"a rule": ["e2e/u.py", "e2e/v.py"]}, "apart": [["t.py"], ["w.py"]]},
                    "lost": {"of": 12, "files": {"u.py": {"why": "does_not_load", "error": "ModuleNotFoundError",
                        "message": "No module named 'x'"}}},
                    "lost_tests": {"of_fail_to_pass": 1, "of_pass_to_pass": 30, "unmatched": ["t.py::cut[", "v.py::cut["],
                        "without_file": ["v.py::cut["],
                        "pass_to_pass": {"t.py::z": "needs the network (gaierror)"}},
                    "tests": {"t.py::a": {"standing": "fail_to_pass"},
                        "t.py::o": {"standing": "fail_to_pass", "base": {"in_order": {"failed": 3}},
                            "gold": {"in_order": {"passed": 3}, "shuffled": {"failed": 2}}},
                        "t.py::z": {"standing": "network_dependent", "gold": {"whole": {"failed": 1}},
                            "gold_failure": {"kind": "exception", "error": "gaierror"}},
                        "t.py::coin": {"standing": "flaky", "gold": {"in_order": {"passed": 3, "failed": 1}}},
                        "t.py::order": {"standing": "order_dependent", "base": {"shuffled": {"failed": 2}}}}}),
            ),
        ];
        let instance: crate::model::instance::Instance = serde_json::from_value(json!({
            "instance_id": "one", "repo": "a/a", "base_commit": "0", "problem_statement": "broken: core.py",
            "patch": "--- a/core.py\n+++ b/core.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n",
        }))
        .unwrap();
        let [two, one] = &admissions;
        let mut report = AdmissionReport::default();
        report.add(one, Leaks::of(&instance));
        report.add(two, Leaks::default());
        assert_eq!((report.admitted, report.refused), (1, 1));
        assert_eq!(report.refusals, BTreeMap::from([(Refusal::NetworkDependent, 1)]));
        assert_eq!(report.instances[0].instance_id, "one");
        assert_eq!(report.instances[0].canaries, CanaryCounts { strong: 0, weak: 0, none: 2 });
        assert_eq!(report.instances[0].left_for(&[Standing::Flaky, Standing::OrderDependent]), 2);
        assert_eq!(
            report.instances[0].lines(),
            [
                "one: 2 test files are not part of the suite (a rule): e2e/u.py, e2e/v.py",
                "one: the test files run in 2 sessions, because one session cannot load them all",
                "one: 1 of 12 test files are lost",
                "  u.py: ModuleNotFoundError: No module named 'x'",
                "one: 1 of 30 pass-to-pass tests are lost",
                "  t.py::z: needs the network (gaierror)",
                "one: 1 listed name(s) are of no test file of the tree, and nothing was run for them",
                "  v.py::cut[",
                "one: 1 fail-to-pass test(s) pass on gold in the order of their files only; they stay, and no other order counts",
                "  t.py::o",
            ]
        );
        let text = report.markdown();
        for found in [
            "1 admitted, 1 refused",
            "| network_dependent | 1 |",
            "| one | admitted | 2 | 2 | 0 / 0 / 2 | 0 | 3 | 1 | path_named_in_issue |",
            "need the \\| network",
            "Not part of the suite: a rule:\n\n- `e2e/u.py`\n- `e2e/v.py`",
            "Session 2 of 2:\n\n- `w.py`",
            "Lost, 1 of 12 test files:\n\n- `u.py`: ModuleNotFoundError: No module named 'x'",
            "Lost, 1 of 30 pass-to-pass tests:\n\n- `t.py::z`: needs the network (gaierror)",
            "not exactly one test of gold's run:\n\n- `t.py::cut[`",
            "for want of a network:\n\n- `t.py::z`",
            "nothing was run for them:\n\n- `v.py::cut[`",
            "no other order counts:\n\n- `t.py::o`",
            "- `t.py::z`: listed in PASS_TO_PASS",
            "Left the expectations: flaky:\n\n- `t.py::coin`: gold in_order passed 3 of 4",
            "- `t.py::order`: base shuffled passed 0 of 2",
            "- `t.py::net`: gold whole passed 0 of 1; gold fails by gaierror",
        ] {
            assert!(text.contains(found), "{found} is not in\n{text}");
        }
        assert!(!text.contains("`t.py::a`"));
    }
}
