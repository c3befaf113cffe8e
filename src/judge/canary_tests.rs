use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::admission::Split;
use crate::journal::Failure;
use crate::trial::{Exit, Limits, Outcome, OutputRef, TestReport, Trial};

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
            format: crate::format::OUTCOME.to_owned(),
            trial_id: trial.clone(),
            trial: Trial {
                instance_id: "a".to_owned(),
                tree: "t".to_owned(),
                plan: crate::trial::TestPlan { framework: "pytest/1".to_owned(), ..crate::trial::TestPlan::default() },
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
        "format": crate::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"), "image": Digest::of(b"image"),
        "fail_to_pass": [A, B], "pass_to_pass": [], "gold_files": [], "framework": "pytest/1", "repeats": 3,
        "limits": Limits::default(), "trials": [],
    });
    let mut admission: Admission = serde_json::from_value(record).unwrap();
    assert_eq!(admission.canaries, None, "records from before canaries read");
    admission.splits =
        vec![Split { files: vec!["tests/test_a.py".to_owned()], expected: vec![A.to_owned(), B.to_owned()] }];
    admission.canaries = canaries;
    admission
}

fn judged(tree: Option<&str>, admission: &Admission, evidence: &Always) -> Result<Level, Reason> {
    match must_fail(tree, admission, &mut Bench::new(admission, evidence)) {
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
    let fine = Always { report: Some(whole()), exit: code };
    assert_eq!(judged(None, &strong, &fine), Err(Reason::CanaryUnreadable), "made before the admission had canaries");
    let weak = admission(Some(canaries(CanaryStrength::Weak)));
    assert_eq!(judged(Some("c"), &weak, &fine), Ok(Level::E1), "weak canaries alone");
    assert_eq!(judged(None, &admission(None), &fine), Ok(Level::E1), "no canary at all");
}

#[test]
fn a_strong_canary_is_proved_by_an_assertion_and_a_weak_one_by_any_failure_of_its_body() {
    let other = || test(Status::Failed, Some("TypeError"));
    let evidence = Always { report: Some(report(&[(A, other()), (B, other())])), exit: Exit::Code(1) };
    let planted = canaries(CanaryStrength::Strong);
    let Step::Done(proof) = prove(&admission(None), &planted, &evidence) else { panic!("it has its outcome") };
    assert_eq!(proof.failed, BTreeSet::from([A.to_owned()]));

    let unnamed = report(&[(B, test(Status::Failed, None))]);
    let Step::Done(proof) = prove(&admission(None), &planted, &Always { report: Some(unnamed), exit: Exit::Code(1) })
    else {
        panic!("it has its outcome")
    };
    assert_eq!(proof.failed, BTreeSet::from([B.to_owned()]));

    let evidence = Always { exit: Exit::TimedOut, ..evidence };
    let Step::Done(proof) = prove(&admission(None), &planted, &evidence) else { panic!("it has its outcome") };
    assert!(proof.failed.is_empty() && proof.sandbox_failed.is_none());
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
    let candidate: crate::candidate::Candidate = serde_json::from_value(serde_json::json!({
        "format": crate::format::CANDIDATE, "candidate_id": Digest::of(b"c"), "instance_id": "a", "skill": "repair",
        "generation": {"file": "g", "line": 1, "index": 0},
        "prepared": {"tree": "p", "diff": "d", "files": ["a.py"]},
        "trees": {"skill": "repair", "policy": "policy", "submitted": "submitted"},
    }))
    .unwrap();
    let admission = admission(None);
    let mut bench = Bench::new(&admission, &evidence);
    match crate::judge::repair::judge(&candidate, &admission, &mut bench) {
        Err(Halt::Judged(reason, _)) => assert_eq!(reason, Reason::SandboxFailed),
        other => panic!("{other:?}"),
    }
}
