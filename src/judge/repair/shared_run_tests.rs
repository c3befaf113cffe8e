use std::collections::BTreeMap;

use super::*;
use crate::judge::paper::{self, Paper};
use crate::model::candidate::Candidate;
use crate::model::digest::Digest;
use crate::model::trial::{Exit, Limits, Outcome, TestReport, TestResult, Trial};

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

fn ran(trial: &Trial, run: Run) -> (Outcome, TestReport) {
    let holds = |file: &str| trial.plan.files.iter().any(|found| found == file);
    let result = |passes: bool| paper::result((!passes).then_some("AssertionError"));
    let mut tests = BTreeMap::new();
    if holds("tests/test_fix.py") {
        tests.insert(FIX.to_owned(), result(run.fix));
    }
    if holds("tests/test_keep.py") {
        tests.insert(KEEP.to_owned(), result(run.keep));
    }
    let code = i32::from(!tests.values().all(TestResult::passed));
    let report = TestReport { finished: true, exit_status: Some(code), tests, ..TestReport::default() };
    let tampered = if run.tampers { vec!["tests/test_keep.py".to_owned()] } else { Vec::new() };
    (Outcome { tampered, ..paper::outcome(trial, run.exit.unwrap_or(Exit::Code(code))) }, report)
}

fn kind(trial: &Trial) -> Kind {
    match (trial.tree.as_str(), trial.plan.files.as_slice()) {
        ("session" | "gold-session", [_]) => Kind::Session,
        ("session" | "gold-session", _) => Kind::Joint,
        (_, [file]) if file == "tests/test_fix.py" => Kind::Mended,
        _ => Kind::Others,
    }
}

fn admission(one_session: bool) -> Admission {
    serde_json::from_value(serde_json::json!({
        "format": crate::model::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"), "image": Digest::of(b"image"),
        "trees": {"base": "b", "gold": "g", "tested_base": "base", "tested_gold": "gold"},
        "fail_to_pass": [FIX], "pass_to_pass": [KEEP], "gold_files": [], "framework": "pytest/1", "repeats": 3,
        "splits": [
            {"files": ["tests/test_fix.py"], "expected": [FIX]}, {"files": ["tests/test_keep.py"], "expected": [KEEP]},
        ],
        "canaries": {"tree": "c", "files": ["tests/test_fix.py"], "tests": {FIX: "strong"}}, 
        "one_session": one_session.then_some("gold-session"),
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
fn judged(one_session: bool, script: impl Fn(Kind, usize) -> Run) -> (Reason, Level, Vec<Kind>) {
    judged_by(&admission(one_session), honest, script)
}

fn judged_by(
    admission: &Admission,
    gold: impl Fn(Kind) -> Run,
    script: impl Fn(Kind, usize) -> Run,
) -> (Reason, Level, Vec<Kind>) {
    let paper = Paper::default();
    let runner = crate::runner::by_name("pytest").unwrap();
    let mut own = Vec::new();
    for _ in 0..40 {
        let rules = crate::judge::LocalizationRules::default();
        let peers = crate::judge::Peers::default();
        match crate::judge::judge(&candidate(), admission, runner, &peers, &rules, &paper) {
            crate::judge::Step::Done(judgement) => return (judgement.reason, judgement.evidence, own),
            crate::judge::Step::Needs(trial) => {
                let kind = kind(&trial);
                let run = if trial.tree.starts_with("gold") {
                    gold(kind)
                } else {
                    own.push(kind);
                    script(kind, own.iter().filter(|found| **found == kind).count() - 1)
                };
                let (outcome, report) = ran(&trial, run);
                paper.add(outcome, report);
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
    let (outcome, report) = ran(&trial, honest(Kind::Others));
    paper.add(Outcome { wall_ms, ..outcome }, report);
    trial.id()
}

#[test]
fn gold_decides_in_a_run_of_its_own_whether_the_two_go_together_and_only_for_a_repair_that_comes_so_far() {
    let admission = admission(true);
    let apart = [Kind::Mended, Kind::Others, Kind::Session];
    let spoilt: [&dyn Fn(Run) -> Run; 4] = [
        &|run| Run { keep: false, ..run },
        &|run| Run { fix: true, ..run },
        &|run| Run { tampers: true, ..run },
        &|run| Run { exit: Some(Exit::TimedOut), ..run },
    ];
    for spoil in spoilt {
        let gold = |kind| if kind == Kind::Joint { spoil(honest(kind)) } else { honest(kind) };
        let (reason, level, runs) = judged_by(&admission, gold, |kind, _| honest(kind));
        assert_eq!((reason, level), (Reason::Resolved, Level::E2));
        assert_eq!(runs, apart);
    }

    let never = |kind| match kind {
        Kind::Joint => panic!("gold runs in one session for a repair that fails before"),
        Kind::Mended | Kind::Others | Kind::Session => honest(kind),
    };
    let (reason, ..) = judged_by(&admission, never, |kind, _| Run { fix: false, ..honest(kind) });
    assert_eq!(reason, Reason::StillFailing);
}

#[test]
fn a_record_that_says_that_gold_held_is_believed() {
    let admission = Admission { joint: true, ..admission(false) };
    let (reason, _, runs) = judged_by(&admission, honest, |kind, _| honest(kind));
    assert_eq!((reason, runs), (Reason::Resolved, vec![Kind::Mended, Kind::Joint]));
}

#[test]
fn the_two_may_go_together_if_the_suite_is_short_or_if_it_is_chosen() {
    for (wall_ms, chosen, expected) in [
        (10_000, None, true),
        (10_001, None, false),
        (10_001, Some(Sessions::One), true),
        (10_000, Some(Sessions::Split), false),
    ] {
        let paper = Paper::default();
        let admission = Admission { trials: vec![whole(&paper, wall_ms)], ..admission(false) };
        assert_eq!(one_session(&admission, chosen, &paper), expected);
    }
    let paper = Paper::default();
    let mut alone = Admission { trials: vec![whole(&paper, 1)], ..admission(false) };
    alone.splits.pop();
    assert!(!one_session(&alone, Some(Sessions::One), &paper), "there is nothing to share a run with");
}
