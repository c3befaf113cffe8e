use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::journal::Failure;
use crate::model::trial::{Exit, Limits, Outcome, OutputRef, Phase, TestResult, Trial};
use crate::runner::python::bare;
use crate::runner::python::pytest::Pytest;

const SECOND_ROUND: u32 = 100_000;
const A: &str = "tests/test_a.py::test_a";
const B: &str = "tests/test_a.py::test_b[1-x]";

/// What each trial gave, by tree and repeat. Every trial asked for must be a plain one.
#[derive(Default)]
struct Runs {
    reports: BTreeMap<(String, u32), (Exit, TestReport)>,
    asked: std::sync::Mutex<BTreeMap<Digest, Trial>>,
}

impl Runs {
    fn of(runs: &[(&str, u32, TestReport)]) -> Self {
        let exit = |report: &TestReport| Exit::Code(report.exit_status.unwrap_or(1));
        let reports =
            runs.iter().map(|(tree, repeat, report)| (((*tree).to_owned(), *repeat), (exit(report), report.clone())));
        Self { reports: reports.collect(), asked: Default::default() }
    }

    /// Answers what is asked for until there is a result.
    fn until_done<T>(&self, step: impl Fn(&Self) -> Result<T, Box<Trial>>) -> T {
        loop {
            match step(self) {
                Ok(result) => return result,
                Err(trial) => {
                    let expected = if trial.plan.mode == Mode::Plain { bare::NAME } else { "pytest/1" };
                    assert_eq!(trial.plan.framework, expected);
                    assert_eq!(trial.plan.files, ["tests/test_a.py"]);
                    assert!(self.asked.lock().unwrap().insert(trial.id(), *trial).is_none(), "asked for twice");
                }
            }
        }
    }
}

impl Evidence for Runs {
    fn outcome(&self, id: &Digest) -> Option<Arc<Outcome>> {
        let trial = self.asked.lock().unwrap().get(id)?.clone();
        let (exit, _) = self.reports.get(&name_of(&trial))?;
        Some(Arc::new(Outcome {
            format: crate::model::format::OUTCOME.to_owned(),
            trial_id: id.clone(),
            trial,
            sandbox: "cell".to_owned(),
            exit: *exit,
            report: None,
            output: OutputRef::default(),
            wall_ms: 1,
            overhead_ms: 1,
            peak_memory_bytes: None,
            tampered: Vec::new(),
            retried: Vec::new(),
            reused: false,
            imported: None,
        }))
    }

    fn failure(&self, id: &Digest) -> Option<Failure> {
        self.asked.lock().unwrap().contains_key(id).then(|| Failure { trial_id: id.clone(), attempts: Vec::new() })
    }

    fn report(&self, outcome: &Outcome) -> Option<Arc<TestReport>> {
        let (_, report) = &self.reports[&name_of(&outcome.trial)];
        Some(Arc::new(report.clone()))
    }

    fn output(&self, _: &Outcome) -> Option<String> {
        None
    }
}

/// Tree and repeat; a run under the runner is that of a tree named `... alone`.
fn name_of(trial: &Trial) -> (String, u32) {
    let alone = if trial.plan.mode == Mode::Plain { "" } else { " alone" };
    (format!("{}{alone}", trial.tree), trial.repeat)
}

/// A report of a run in which these tests passed (`+`), failed (`-`) or were skipped (`s`).
fn ran(tests: &[(&str, char)]) -> TestReport {
    let result = |mark: char| {
        let call = match mark {
            '+' => Status::Passed,
            '-' => Status::Failed,
            _ => Status::Skipped,
        };
        let phases = vec![(Phase::Setup, Status::Passed), (Phase::Call, call), (Phase::Teardown, Status::Passed)];
        TestResult { phases, ..TestResult::default() }
    };
    TestReport {
        finished: true,
        exit_status: Some(i32::from(tests.iter().any(|(_, mark)| *mark == '-'))),
        tests: tests.iter().map(|(id, mark)| ((*id).to_owned(), result(*mark))).collect(),
        ..TestReport::default()
    }
}

fn not_loaded(error: &str) -> TestReport {
    TestReport {
        exit_status: Some(1),
        collect_errors: [("tests/test_a.py".to_owned(), error.to_owned())].into(),
        ..ran(&[])
    }
}

fn cut() -> TestReport {
    TestReport { finished: false, exit_status: None, ..ran(&[]) }
}

fn admission(plain: Option<Plain>) -> Admission {
    let record = serde_json::json!({
        "format": crate::model::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"), "image": Digest::of(b"image"),
        "trees": {"base": "b", "gold": "g", "tested_base": "base", "tested_gold": "gold"},
        "fail_to_pass": [A, B], "pass_to_pass": [], "gold_files": [], "framework": "pytest/1", "repeats": 3,
        "limits": Limits::default(), "trials": [],
        "canaries": {"tree": "mutated", "files": ["tests/test_a.py"], "tests": {A: "strong", B: "strong"}},
    });
    let mut admission: Admission = serde_json::from_value(record).unwrap();
    assert_eq!(admission.plain, None, "records from before the plain run read");
    admission.plain = plain;
    admission
}

fn proved(runs: &Runs) -> (Vec<String>, Vec<String>, String) {
    let admission = admission(None);
    let proof = runs.until_done(|runs| match prove_plain(&admission, &Pytest, runs) {
        Step::Done(proof) => Ok(proof),
        Step::Needs(trial) => Err(trial),
    });
    assert_eq!(proof.sandbox_failed, None);
    assert_eq!(proof.trials.len(), runs.asked.lock().unwrap().len());
    (proof.plain.tests, proof.plain.canaries, proof.plain.note)
}

#[test]
fn the_plain_set_is_what_gold_passes_twice_and_base_fails() {
    let both = || ran(&[(A, '+'), (B, '+')]);
    let neither = || ran(&[(A, '-'), (B, '-')]);
    let table = [
        ("all hold", both(), both(), neither(), neither(), vec![A, B], vec![A, B]),
        ("base cannot load the file", both(), both(), not_loaded("ImportError"), neither(), vec![A, B], vec![A, B]),
        ("base passes one", both(), both(), ran(&[(A, '+'), (B, '-')]), ran(&[(B, '-')]), vec![B], vec![B]),
        ("one depends on the seed", both(), ran(&[(A, '+'), (B, '-')]), neither(), ran(&[(A, '-')]), vec![A], vec![A]),
        ("one is not suited", ran(&[(A, '+')]), ran(&[(A, '+')]), ran(&[(A, '-')]), ran(&[(A, '-')]), vec![A], vec![A]),
        ("base skips one", both(), both(), ran(&[(A, '-'), (B, 's')]), ran(&[(A, '-')]), vec![A], vec![A]),
        ("a canary passes", both(), both(), neither(), ran(&[(A, '-'), (B, '+')]), vec![A, B], vec![A]),
        ("the canaries do not end", both(), both(), neither(), cut(), vec![A, B], vec![]),
        ("gold does not end", cut(), both(), neither(), neither(), vec![], vec![]),
        ("the other gold does not end", both(), cut(), neither(), neither(), vec![], vec![]),
        ("gold passes none", neither(), both(), neither(), neither(), vec![], vec![]),
    ];
    for (what, gold, varied, base, mutated, tests, canaries) in table {
        let runs = Runs::of(&[("gold", 0, gold), ("gold", 1, varied), ("base", 0, base), ("mutated", 0, mutated)]);
        let (found, planted, note) = proved(&runs);
        assert_eq!(
            (found, planted),
            (tests.iter().map(ToString::to_string).collect(), canaries.iter().map(ToString::to_string).collect()),
            "{what}"
        );
        assert_eq!(note.is_empty(), !tests.is_empty(), "{what}: {note}");
    }
}

#[test]
fn where_gold_loads_a_runner_by_itself_there_is_no_plain_set() {
    let mut gold = ran(&[(A, '+'), (B, '+')]);
    gold.collect_errors = not_loaded(bare::RUNNER_LOADED).collect_errors;
    gold.exit_status = Some(1);
    let base = ran(&[(A, '-'), (B, '-')]);
    let (tests, _, note) = proved(&Runs::of(&[("gold", 0, gold.clone()), ("gold", 1, gold), ("base", 0, base)]));
    assert!(tests.is_empty());
    assert_eq!(note, "importing the project or its tests loads one");
}

fn judged(runs: &Runs, plain: Option<Plain>, canary: Option<&str>) -> Result<Option<bool>, Reason> {
    let admission = admission(plain);
    runs.until_done(|runs| match must_hold("policy", canary, &admission, &mut Bench::new(&admission, &Pytest, runs)) {
        Ok(held) => Ok(Ok(held.map(|(adds, _)| adds))),
        Err(Halt::Judged(reason, _)) => Ok(Err(reason)),
        Err(Halt::Needs(trial)) => Err(trial),
    })
}

fn set(tests: &[&str], canaries: &[&str]) -> Option<Plain> {
    let owned = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
    let files = vec!["tests/test_a.py".to_owned()];
    Some(Plain { files, tests: owned(tests), canaries: owned(canaries), note: String::new() })
}

#[test]
fn a_candidate_must_pass_plainly_and_fail_the_canaries_plainly() {
    let both = || ran(&[(A, '+'), (B, '+')]);
    let neither = || ran(&[(A, '-'), (B, '-')]);
    let one = || ran(&[(A, '+'), (B, '-')]);
    let table = [
        ("as gold", both(), both(), neither(), Ok(Some(true))),
        ("fails every time", neither(), neither(), neither(), Err(Reason::BehavesOnlyUnderRunner)),
        ("fails one every time", one(), one(), neither(), Err(Reason::BehavesOnlyUnderRunner)),
        ("fails once", one(), both(), neither(), Err(Reason::PlainRunUnreadable)),
        (
            "cannot be loaded",
            not_loaded("KeyError"),
            not_loaded("KeyError"),
            both(),
            Err(Reason::BehavesOnlyUnderRunner),
        ),
        ("leaves", cut(), cut(), neither(), Err(Reason::PlainRunUnreadable)),
        ("leaves when repeated", one(), cut(), neither(), Err(Reason::PlainRunUnreadable)),
        ("reports one test less", ran(&[(A, '+')]), both(), neither(), Err(Reason::PlainRunUnreadable)),
        ("skips", ran(&[(A, '+'), (B, 's')]), both(), neither(), Err(Reason::PlainRunUnreadable)),
        ("passes a canary", both(), both(), one(), Err(Reason::PassesImpossibleTest)),
        ("leaves in the canaries", both(), both(), cut(), Err(Reason::PlainRunUnreadable)),
        ("skips a canary", both(), both(), ran(&[(A, '-'), (B, 's')]), Err(Reason::PlainRunUnreadable)),
    ];
    for (what, first, again, mutated, expected) in table {
        let runs = Runs::of(&[
            ("policy", 0, first),
            ("policy", 1, again),
            ("changed", 0, mutated.clone()),
            ("changed", SECOND_ROUND, mutated),
            ("policy alone", 0, both()),
        ]);
        assert_eq!(judged(&runs, set(&[A, B], &[A, B]), Some("changed")), expected, "{what}");
    }
}

#[test]
fn a_canary_that_passes_in_one_run_only_leaves_the_candidate_open() {
    let both = || ran(&[(A, '+'), (B, '+')]);
    for (second, expected) in [
        (ran(&[(A, '+'), (B, '-')]), Reason::PassesImpossibleTest),
        (ran(&[(A, '-'), (B, '-')]), Reason::Unsteady),
        (cut(), Reason::Unsteady),
    ] {
        let first = ran(&[(A, '+'), (B, '-')]);
        let runs = Runs::of(&[("policy", 0, both()), ("changed", 0, first), ("changed", SECOND_ROUND, second)]);
        assert_eq!(judged(&runs, set(&[A, B], &[A, B]), Some("changed")), Err(expected));
    }
}

#[test]
fn what_fails_by_itself_under_the_runner_too_is_not_held_against_the_candidate() {
    let neither = || ran(&[(A, '-'), (B, '-')]);
    let table = [
        ("both pass there", ran(&[(A, '+'), (B, '+')]), Reason::BehavesOnlyUnderRunner),
        ("one passes there", ran(&[(A, '+'), (B, '-')]), Reason::BehavesOnlyUnderRunner),
        ("both fail there", neither(), Reason::PlainRunUnreadable),
        ("it does not end there", cut(), Reason::PlainRunUnreadable),
    ];
    for (what, alone, expected) in table {
        let runs = Runs::of(&[("policy", 0, neither()), ("policy", 1, neither()), ("policy alone", 0, alone)]);
        assert_eq!(judged(&runs, set(&[A, B], &[]), None), Err(expected), "{what}");
    }
}

#[test]
fn nothing_is_asked_where_no_plain_run_was_asked_for_or_none_is_possible() {
    let nothing = Runs::default();
    assert_eq!(judged(&nothing, None, Some("changed")), Ok(None));
    assert_eq!(judged(&nothing, set(&[], &[]), Some("changed")), Ok(Some(false)));
    let passes = Runs::of(&[("policy", 0, ran(&[(A, '+')]))]);
    assert_eq!(judged(&passes, set(&[A], &[]), None), Ok(Some(true)), "without a plain canary the tests alone count");
    let passes = Runs::of(&[("policy", 0, ran(&[(A, '+')]))]);
    assert_eq!(judged(&passes, set(&[A], &[A]), None), Err(Reason::PlainRunUnreadable));
    let silent = Runs::default();
    assert_eq!(judged(&silent, set(&[A], &[A]), Some("changed")), Err(Reason::SandboxFailed));
}
