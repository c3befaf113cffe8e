use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::journal::Failure;
use crate::model::candidate::Candidate;
use crate::model::trial::{Exit, Limits, Outcome, OutputRef, Phase, Status, TestReport, TestResult, Trial};

const FIX: &str = "tests/test_fix.py::test_fix";
const KEEP: &str = "tests/test_keep.py::test_keep";

/// What was asked for: the mended tests, the others, the control session, or the last two in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Mended,
    Others,
    Session,
    Joint,
}

type Ran = (Arc<Outcome>, Arc<TestReport>);

#[derive(Default)]
struct Paper {
    ran: RefCell<BTreeMap<Digest, Ran>>,
    log: RefCell<Vec<Kind>>,
}

impl Evidence for Paper {
    fn outcome(&self, trial: &Digest) -> Option<Arc<Outcome>> {
        self.ran.borrow().get(trial).map(|(outcome, _)| outcome.clone())
    }

    fn failure(&self, _: &Digest) -> Option<Failure> {
        None
    }

    fn report(&self, outcome: &Outcome) -> Option<Arc<TestReport>> {
        self.ran.borrow().get(&outcome.trial_id).map(|(_, report)| report.clone())
    }

    fn output(&self, _: &Outcome) -> Option<String> {
        None
    }
}

fn result(passes: bool) -> TestResult {
    let call = if passes { Status::Passed } else { Status::Failed };
    let phases = [(Phase::Setup, Status::Passed), (Phase::Call, call), (Phase::Teardown, Status::Passed)];
    TestResult { phases: phases.to_vec(), error: (!passes).then(|| "AssertionError".to_owned()), frames: Vec::new() }
}

/// How one run goes: what passes, and how it ends.
#[derive(Clone, Copy)]
struct Run {
    fix: bool,
    keep: bool,
    exit: Option<Exit>,
    tampers: bool,
}

/// As of an honest repair: in the session the changed test fails.
fn honest(kind: Kind) -> Run {
    Run { fix: matches!(kind, Kind::Mended), keep: true, exit: None, tampers: false }
}

impl Paper {
    fn run(&self, trial: &Trial, run: Run, kind: Kind) {
        let holds = |file: &str| trial.plan.files.iter().any(|found| found == file);
        let mut tests = BTreeMap::new();
        if holds("tests/test_fix.py") {
            tests.insert(FIX.to_owned(), result(run.fix));
        }
        if holds("tests/test_keep.py") {
            tests.insert(KEEP.to_owned(), result(run.keep));
        }
        let code = i32::from(!tests.values().all(TestResult::passed));
        let report = TestReport { finished: true, exit_status: Some(code), tests, ..TestReport::default() };
        let outcome = Outcome {
            format: crate::model::format::OUTCOME.to_owned(),
            trial_id: trial.id(),
            trial: trial.clone(),
            sandbox: "paper".to_owned(),
            exit: run.exit.unwrap_or(Exit::Code(code)),
            report: Some(Digest::of(b"report")),
            output: OutputRef::default(),
            wall_ms: 1000,
            overhead_ms: 1,
            peak_memory_bytes: None,
            tampered: if run.tampers { vec!["tests/test_keep.py".to_owned()] } else { Vec::new() },
            retried: Vec::new(),
            reused: false,
            imported: None,
        };
        self.log.borrow_mut().push(kind);
        self.ran.borrow_mut().insert(trial.id(), (Arc::new(outcome), Arc::new(report)));
    }
}

fn kind(trial: &Trial) -> Kind {
    match (trial.tree.as_str(), trial.plan.files.as_slice()) {
        ("session", [_]) => Kind::Session,
        ("session", _) => Kind::Joint,
        (_, [file]) if file == "tests/test_fix.py" => Kind::Mended,
        _ => Kind::Others,
    }
}

fn admission(joint: bool) -> Admission {
    serde_json::from_value(serde_json::json!({
        "format": crate::model::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"), "image": Digest::of(b"image"),
        "trees": {"base": "b", "gold": "g", "tested_base": "base", "tested_gold": "gold"},
        "fail_to_pass": [FIX], "pass_to_pass": [KEEP], "gold_files": [], "framework": "pytest/1", "repeats": 3,
        "splits": [
            {"files": ["tests/test_fix.py"], "expected": [FIX]}, {"files": ["tests/test_keep.py"], "expected": [KEEP]},
        ],
        "canaries": {"tree": "c", "files": ["tests/test_fix.py"], "tests": {FIX: "strong"}}, "joint": joint,
        "limits": Limits { deadline_ms: 60_000, ..Limits::default() }, "trials": [],
    }))
    .unwrap()
}

fn candidate() -> Candidate {
    serde_json::from_value(serde_json::json!({
        "format": crate::model::format::CANDIDATE, "candidate_id": Digest::of(b"c"), "instance_id": "a", "skill": "repair",
        "generation": {"file": "g", "line": 1, "index": 0},
        "prepared": {"tree": "p", "diff": "d", "files": ["a.py"]},
        "trees": {"skill": "repair", "policy": "candidate", "canary": "session"}, "screen": {},
    }))
    .unwrap()
}

/// The verdict where runs go as the script says of their kind and how many of that kind were before; and the candidate's
/// own runs.
fn judged(joint: bool, script: impl Fn(Kind, usize) -> Run) -> (Reason, Level, Vec<Kind>) {
    let paper = Paper::default();
    let runner = crate::runner::by_name("pytest").unwrap();
    let admission = admission(joint);
    let mut own = Vec::new();
    for _ in 0..40 {
        let rules = crate::judge::LocalizationRules::default();
        let peers = crate::judge::Peers::default();
        match crate::judge::judge(&candidate(), &admission, runner, &peers, &rules, &paper) {
            Step::Done(judgement) => return (judgement.reason, judgement.evidence, own),
            Step::Needs(trial) => {
                let kind = kind(&trial);
                let gold = trial.tree == "gold";
                let before = own.iter().filter(|found| **found == kind).count();
                paper.run(&trial, if gold { honest(kind) } else { script(kind, before) }, kind);
                if !gold {
                    own.push(kind);
                }
            }
        }
    }
    panic!("no end: {own:?}")
}

#[test]
fn a_clean_repair_takes_one_run_less_and_earns_the_same() {
    let (reason, level, runs) = judged(true, |kind, _| honest(kind));
    assert_eq!((reason, level), (Reason::Resolved, Level::E2));
    assert_eq!(runs, [Kind::Mended, Kind::Joint]);

    let (reason, level, runs) = judged(false, |kind, _| honest(kind));
    assert_eq!((reason, level), (Reason::Resolved, Level::E2));
    assert_eq!(runs, [Kind::Mended, Kind::Others, Kind::Session]);
}

#[test]
fn what_fails_the_mended_tests_never_meets_the_session() {
    let (reason, _, runs) = judged(true, |kind, _| Run { fix: false, ..honest(kind) });
    assert_eq!(reason, Reason::StillFailing);
    assert!(runs.iter().all(|kind| *kind == Kind::Mended), "{runs:?}");
}

#[test]
fn a_regression_is_one_only_if_it_shows_apart_from_the_session_too() {
    let (reason, _, runs) = judged(true, |kind, _| Run { keep: false, ..honest(kind) });
    assert_eq!(reason, Reason::Regressed);
    assert_eq!(runs, [Kind::Mended, Kind::Joint, Kind::Others, Kind::Others], "no more runs than without the session");

    let (reason, _, _) = judged(true, |kind, _| Run { keep: kind != Kind::Joint, ..honest(kind) });
    assert_eq!(reason, Reason::Unsteady);
}

#[test]
fn a_run_that_ends_badly_or_changes_trusted_files_says_nothing_and_both_are_run_apart() {
    let timed_out = |run: Run| Run { exit: Some(Exit::TimedOut), ..run };
    let tampers = |run: Run| Run { tampers: true, ..run };
    for spoilt in [&timed_out as &dyn Fn(Run) -> Run, &tampers] {
        let (reason, level, runs) =
            judged(true, |kind, _| if kind == Kind::Joint { spoilt(honest(kind)) } else { honest(kind) });
        assert_eq!((reason, level), (Reason::Resolved, Level::E2));
        assert_eq!(runs, [Kind::Mended, Kind::Joint, Kind::Others, Kind::Session]);
    }
}

#[test]
fn a_canary_that_passes_is_a_rejection_only_if_it_passes_apart_too_and_never_a_pass() {
    let (reason, _, runs) = judged(true, |kind, _| Run { fix: true, ..honest(kind) });
    assert_eq!(reason, Reason::PassesImpossibleTest);
    assert_eq!(runs, [Kind::Mended, Kind::Joint, Kind::Session]);

    let (reason, _, _) = judged(true, |kind, _| Run { fix: kind != Kind::Session, ..honest(kind) });
    assert_eq!(reason, Reason::Unsteady);
}

/// Gold's run of everything, and its length.
fn whole(paper: &Paper, wall_ms: u64) -> Digest {
    let admission = admission(false);
    let mut bench = Bench::new(&admission, &crate::runner::python::pytest::Pytest, paper);
    let files = ["tests/test_fix.py".to_owned(), "tests/test_keep.py".to_owned()];
    let Err(Halt::Needs(trial)) = bench.seen(&Ask::suite("gold", &files)) else { panic!("nothing ran yet") };
    paper.run(&trial, honest(Kind::Others), Kind::Others);
    let mut ran = paper.ran.borrow_mut();
    let (outcome, report) = ran[&trial.id()].clone();
    ran.insert(trial.id(), (Arc::new(Outcome { wall_ms, ..(*outcome).clone() }), report));
    trial.id()
}

#[test]
fn gold_decides_whether_the_two_go_together_if_the_suite_is_short() {
    for (keeps, wall_ms, expected) in
        [(true, 10_000, (true, 1)), (false, 10_000, (false, 1)), (true, 10_001, (false, 0))]
    {
        let paper = Paper::default();
        let admission = Admission { trials: vec![whole(&paper, wall_ms)], ..admission(false) };
        let found = loop {
            match rehearse_joint(&admission, &crate::runner::python::pytest::Pytest, "gold", "session", &paper) {
                Step::Done((clean, trials)) => break (clean, trials.len()),
                Step::Needs(trial) => paper.run(&trial, Run { keep: keeps, ..honest(Kind::Joint) }, Kind::Joint),
            }
        };
        assert_eq!(found, expected);
    }
}
