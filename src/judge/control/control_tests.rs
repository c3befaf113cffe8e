use std::collections::BTreeMap;
use std::sync::Arc;

use super::canary::{Forms, prove};
use super::*;
use crate::journal::Failure;
use crate::model::admission::{Canaries, CanaryStrength, Split};
use crate::model::canary_form::Form;
use crate::model::trial::{Exit, Limits, Outcome, OutputRef, Phase, Status, TestReport, Trial};
use crate::runner::python::pytest::Pytest;

const A: &str = "tests/test_a.py::test_a";
const B: &str = "tests/test_a.py::test_b";

/// Answers every trial with one report, or with none.
struct Always {
    report: Option<TestReport>,
    exit: Exit,
}

impl Evidence for Always {
    fn outcome(&self, trial: &Digest) -> Option<Arc<Outcome>> {
        let empty = || Digest::of(b"");
        Some(Arc::new(Outcome {
            format: crate::model::format::OUTCOME.to_owned(),
            trial_id: trial.clone(),
            trial: Trial {
                instance_id: "a".to_owned(),
                tree: "t".to_owned(),
                plan: crate::model::trial::TestPlan {
                    framework: "pytest/1".to_owned(),
                    ..crate::model::trial::TestPlan::default()
                },
                image: empty(),
                limits: Limits::default(),
                repeat: 0,
            },
            sandbox: "cell".to_owned(),
            exit: self.exit,
            report: Some(empty()),
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

    fn failure(&self, _: &Digest) -> Option<Failure> {
        None
    }

    fn report(&self, _: &Outcome) -> Option<Arc<TestReport>> {
        self.report.clone().map(Arc::new)
    }

    fn output(&self, _: &Outcome) -> Option<String> {
        None
    }
}

fn test(call: Status, error: Option<&str>) -> TestResult {
    TestResult {
        phases: vec![(Phase::Setup, Status::Passed), (Phase::Call, call), (Phase::Teardown, Status::Passed)],
        error: error.map(str::to_owned),
        frames: Vec::new(),
    }
}

fn report(tests: &[(&str, TestResult)]) -> TestReport {
    TestReport {
        finished: true,
        exit_status: Some(1),
        tests: tests.iter().map(|(id, test)| ((*id).to_owned(), test.clone())).collect(),
        ..TestReport::default()
    }
}

fn canaries(b: CanaryStrength) -> Canaries {
    Canaries {
        tree: "t".to_owned(),
        files: vec!["tests/test_a.py".to_owned()],
        tests: BTreeMap::from([(A.to_owned(), CanaryStrength::Weak), (B.to_owned(), b)]),
    }
}

fn admission(canaries: Option<Canaries>) -> Admission {
    let record = serde_json::json!({
        "format": crate::model::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"), "image": Digest::of(b"image"),
        "fail_to_pass": [A, B], "pass_to_pass": [], "gold_files": [], "framework": "pytest/1", "repeats": 3,
        "limits": Limits::default(), "trials": [],
    });
    let mut admission: Admission = serde_json::from_value(record).unwrap();
    assert_eq!(admission.canaries, None, "records from before canaries read");
    admission.splits = vec![Split {
        files: vec!["tests/test_a.py".to_owned()],
        expected: vec![A.to_owned(), B.to_owned()],
        once: false,
    }];
    admission.canaries = canaries;
    admission
}

fn judged(tree: Option<&str>, admission: &Admission, evidence: &Always) -> Result<Level, Reason> {
    match session(tree, "policy", admission, &mut Bench::new(admission, &Pytest, evidence)) {
        Ok((level, _)) => Ok(level),
        Err(Halt::Judged(reason, _)) => Err(reason),
        Err(Halt::Needs(_)) => panic!("every trial has its outcome"),
    }
}

#[test]
fn nothing_is_verified_unless_every_canary_failed_and_a_pass_is_a_rejection_however_the_run_ended() {
    let failed = || test(Status::Failed, Some("AssertionError"));
    let passed = || test(Status::Passed, None);
    let whole = || report(&[(A, failed()), (B, failed())]);
    let code = Exit::Code(1);
    let table = [
        ("all failed", Some(whole()), code, Ok(Level::E2)),
        ("one passed", Some(report(&[(A, failed()), (B, passed())])), code, Err(Reason::PassesImpossibleTest)),
        ("passed, then killed", Some(report(&[(B, passed())])), Exit::TimedOut, Err(Reason::PassesImpossibleTest)),
        ("timed out", Some(whole()), Exit::TimedOut, Err(Reason::CanaryUnreadable)),
        ("out of memory", Some(whole()), Exit::OutOfMemory, Err(Reason::CanaryUnreadable)),
        ("unfinished", Some(TestReport { finished: false, ..whole() }), code, Err(Reason::CanaryUnreadable)),
        ("forged", Some(TestReport { alarms: vec!["x".into()], ..whole() }), code, Err(Reason::CanaryUnreadable)),
        ("absent", Some(report(&[(A, failed())])), code, Err(Reason::CanaryUnreadable)),
        (
            "skipped",
            Some(report(&[(A, failed()), (B, test(Status::Skipped, None))])),
            code,
            Err(Reason::CanaryUnreadable),
        ),
        ("other exit", Some(whole()), Exit::Code(0), Err(Reason::CanaryUnreadable)),
        (
            "green exit",
            Some(TestReport { exit_status: Some(0), ..whole() }),
            Exit::Code(0),
            Err(Reason::CanaryUnreadable),
        ),
        ("no report", None, code, Err(Reason::EvidenceUnreadable)),
    ];
    let strong = admission(Some(canaries(CanaryStrength::Strong)));
    for (what, report, exit, expected) in table {
        assert_eq!(judged(Some("c"), &strong, &Always { report, exit }), expected, "{what}");
    }
    let late = Always { report: Some(whole()), exit: Exit::TimedOut };
    match session(Some("c"), "policy", &strong, &mut Bench::new(&strong, &Pytest, &late)) {
        Err(Halt::Judged(_, detail)) => assert!(detail.starts_with("timed_out: "), "{detail}"),
        other => panic!("{other:?}"),
    }
    let fine = Always { report: Some(whole()), exit: code };
    assert_eq!(judged(None, &strong, &fine), Err(Reason::CanaryUnreadable), "made before the admission had canaries");
    let weak = admission(Some(canaries(CanaryStrength::Weak)));
    assert_eq!(judged(Some("c"), &weak, &fine), Ok(Level::E1), "weak canaries alone");
    assert_eq!(judged(None, &admission(None), &fine), Ok(Level::E1), "no canary at all");
}

#[test]
fn a_strong_canary_is_proved_by_an_assertion_or_by_what_it_expected_before_and_a_weak_one_by_any_failure_of_its_body() {
    let planted = canaries(CanaryStrength::Strong);
    let form = |strength, unexpected: &[&str]| Form {
        strength,
        unexpected: unexpected.iter().map(|name| (*name).to_owned()).collect(),
    };
    let proved = |error: Option<&str>, unexpected: &[&str], exit| {
        let failed = || test(Status::Failed, error);
        let evidence = Always { report: Some(report(&[(A, failed()), (B, failed())])), exit };
        let weak = form(CanaryStrength::Weak, &[]);
        let forms = Forms::from([(A.to_owned(), weak), (B.to_owned(), form(CanaryStrength::Strong, unexpected))]);
        let Step::Done(proof) = prove(&admission(None), &Pytest, &planted, &forms, &evidence) else {
            panic!("it has its outcome")
        };
        assert_eq!(proof.sandbox_failed, None);
        proof.failed.into_iter().collect::<Vec<_>>()
    };
    let code = Exit::Code(1);
    let table: [(Option<&str>, &[&str], &[&str]); 8] = [
        (Some("AssertionError"), &[], &[A, B]),
        (Some("ValueError"), &[], &[A]),
        (None, &[], &[A, B]),
        (Some("ValueError"), &["ValueError"], &[A, B]),
        (Some("DerivedError"), &["ValueError"], &[A, B]),
        (Some("TypeError"), &["ValueError"], &[A]),
        (Some("TypeError"), &["TypeError"], &[A, B]),
        (Some("Failed"), &["ValueError"], &[A]),
    ];
    for (error, unexpected, expected) in table {
        assert_eq!(proved(error, unexpected, code), expected, "{error:?} where {unexpected:?} were expected");
    }
    assert!(proved(None, &[], Exit::TimedOut).is_empty());
}

#[test]
fn sentinels_that_pass_where_they_must_fail_are_a_rejection_and_so_are_those_that_fail_where_they_must_pass() {
    let mut admission = admission(Some(canaries(CanaryStrength::Strong)));
    admission.sentinels = Some("tests/test_values_1.py".to_owned());
    let (failing, passing) = sentinels(&Pytest, &admission, &sentinel_seed("policy", &admission));
    assert!(failing.len() >= 2 && passing.len() >= 2);
    let (failed, passed) = (|| test(Status::Failed, Some("AssertionError")), || test(Status::Passed, None));
    let judged_with = |change: &dyn Fn(&mut TestReport)| {
        let mut report = report(&[(A, failed()), (B, failed())]);
        report.tests.extend(failing.iter().map(|id| (id.clone(), failed())));
        report.tests.extend(passing.iter().map(|id| (id.clone(), passed())));
        change(&mut report);
        judged(Some("c"), &admission, &Always { report: Some(report), exit: Exit::Code(1) })
    };
    let set = |id: &String, result: TestResult| {
        let id = id.clone();
        move |report: &mut TestReport| {
            report.tests.insert(id.clone(), result.clone());
        }
    };
    assert_eq!(judged_with(&|_| {}), Ok(Level::E2));
    assert_eq!(judged_with(&set(&failing[0], passed())), Err(Reason::PassesImpossibleTest));
    assert_eq!(judged_with(&set(&passing[0], failed())), Err(Reason::DisturbsTheSession));
    assert_eq!(judged_with(&set(&failing[0], test(Status::Skipped, None))), Err(Reason::CanaryUnreadable));
    let absent = |report: &mut TestReport| {
        report.tests.remove(&passing[0]);
    };
    assert_eq!(judged_with(&absent), Err(Reason::CanaryUnreadable));
    let cut = |report: &mut TestReport| {
        report.tests.insert(passing[0].clone(), failed());
        report.finished = false;
    };
    assert_eq!(judged_with(&cut), Err(Reason::CanaryUnreadable), "a run that did not end tells nothing");
}

/// The first trial that is asked for could not be run; every later one passes.
struct FirstFails {
    first: std::sync::OnceLock<Digest>,
    then: Always,
}

impl Evidence for FirstFails {
    fn outcome(&self, trial: &Digest) -> Option<Arc<Outcome>> {
        if self.first.get_or_init(|| trial.clone()) == trial { None } else { self.then.outcome(trial) }
    }

    fn failure(&self, trial: &Digest) -> Option<Failure> {
        (self.first.get() == Some(trial)).then(|| Failure { trial_id: trial.clone(), attempts: vec!["x".to_owned()] })
    }

    fn report(&self, outcome: &Outcome) -> Option<Arc<TestReport>> {
        self.then.report(outcome)
    }

    fn output(&self, outcome: &Outcome) -> Option<String> {
        self.then.output(outcome)
    }
}

#[test]
fn a_sandbox_that_failed_on_the_policy_tree_rejects_nobody_whatever_the_submitted_tree_does() {
    let passed = || test(Status::Passed, None);
    let whole = TestReport { exit_status: Some(0), ..report(&[(A, passed()), (B, passed())]) };
    let then = Always { report: Some(whole), exit: Exit::Code(0) };
    let evidence = FirstFails { first: std::sync::OnceLock::new(), then };
    let candidate: crate::model::candidate::Candidate = serde_json::from_value(serde_json::json!({
        "format": crate::model::format::CANDIDATE, "candidate_id": Digest::of(b"c"), "instance_id": "a", "skill": "repair",
        "generation": {"file": "g", "line": 1, "index": 0},
        "prepared": {"tree": "p", "diff": "d", "files": ["a.py"]},
        "trees": {"skill": "repair", "policy": "policy", "submitted": "submitted"},
    }))
    .unwrap();
    let admission = admission(None);
    let mut bench = Bench::new(&admission, &Pytest, &evidence);
    match crate::judge::repair::judge(&candidate, &admission, &mut bench) {
        Err(Halt::Judged(reason, _)) => assert_eq!(reason, Reason::SandboxFailed),
        other => panic!("{other:?}"),
    }
}
