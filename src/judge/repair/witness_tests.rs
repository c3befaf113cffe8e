use std::cell::RefCell;
use std::sync::Arc;

use super::*;
use crate::journal::Failure;
use crate::judge::{Evidence, LocalizationRules, Peers, Step};
use crate::model::candidate::Candidate;
use crate::model::digest::Digest;
use crate::model::trial::{Exit, Limits, Outcome, OutputRef, TestResult, Trace, Trial};
use crate::model::verdict::VerdictStatus;

const FIX: &str = "tests/test_a.py::test_fix";
const NET: &str = "tests/test_web.py::test_get";
const MORE: &str = "tests/test_web.py::test_post";

/// The second line of `a.py` is the repair's.
const DIFF: &str = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,3 @@\n one\n+two\n three\n";

/// How a run of the witnesses goes.
#[derive(Clone, Copy)]
enum Run {
    /// Both fail with this error, raised there.
    Fails(&'static str, Origin, Option<(&'static str, u32)>),
    /// The second one does, and the first one fails as on gold.
    SecondFails(&'static str, Origin, Option<(&'static str, u32)>),
    Passes,
    /// Their file cannot be collected.
    Uncollected(&'static str),
    Ends(Exit),
}
use Run::{Ends, Fails, Passes, SecondFails, Uncollected};

const NETWORK: Run = Fails("ConnectionError", Origin::System, Some(("net.py", 9)));
/// An exception of the repair's own.
const OWN: Run = Fails("ValueError", Origin::Repository, Some(("a.py", 2)));

type Ran = (Arc<Outcome>, Arc<TestReport>);

#[derive(Default)]
struct Paper {
    ran: RefCell<BTreeMap<Digest, Ran>>,
    /// Runs of witnesses.
    log: RefCell<Vec<Trial>>,
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

fn result(error: Option<&str>) -> TestResult {
    let call = if error.is_some() { Status::Failed } else { Status::Passed };
    let phases = vec![(Phase::Setup, Status::Passed), (Phase::Call, call), (Phase::Teardown, Status::Passed)];
    TestResult { phases, error: error.map(str::to_owned), frames: Vec::new() }
}

impl Paper {
    fn run(&self, trial: &Trial, run: Run) {
        let mut report = TestReport { finished: true, ..TestReport::default() };
        let mut exit = Exit::Code(1);
        let mut fail = |id: &str, (error, origin, raised): (&str, Origin, Option<(&str, u32)>)| {
            let raised = raised.map(|(file, line)| Raised { file: file.to_owned(), line });
            report.traces.insert(id.to_owned(), Trace { digest: Digest::of(error.as_bytes()), origin, raised });
            report.tests.insert(id.to_owned(), result(Some(error)));
        };
        if trial.plan.only.is_empty() {
            report.tests.insert(FIX.to_owned(), result(None));
            exit = Exit::Code(0);
        } else {
            self.log.borrow_mut().push(trial.clone());
            match run {
                Fails(error, origin, raised) => [NET, MORE].iter().for_each(|id| fail(id, (error, origin, raised))),
                SecondFails(error, origin, raised) => {
                    fail(NET, ("ConnectionError", Origin::System, Some(("net.py", 9))));
                    fail(MORE, (error, origin, raised));
                }
                Passes => {
                    report.tests.extend([NET, MORE].map(|id| (id.to_owned(), result(None))));
                    exit = Exit::Code(0);
                }
                Uncollected(error) => {
                    report.collect_errors.insert("tests/test_web.py".to_owned(), error.to_owned());
                }
                Ends(how) => (report.finished, exit) = (false, how),
            }
        }
        if let Exit::Code(code) = exit {
            report.exit_status = Some(code);
        }
        let outcome = Outcome {
            format: crate::model::format::OUTCOME.to_owned(),
            trial_id: trial.id(),
            trial: trial.clone(),
            sandbox: "paper".to_owned(),
            exit,
            report: Some(Digest::of(b"report")),
            output: OutputRef::default(),
            wall_ms: 1000,
            overhead_ms: 1,
            peak_memory_bytes: None,
            tampered: Vec::new(),
            retried: Vec::new(),
            reused: false,
            imported: None,
        };
        self.ran.borrow_mut().insert(trial.id(), (Arc::new(outcome), Arc::new(report)));
    }
}

/// A repair that passes its test and then runs the witnesses: how gold's run of them goes, and how the repair's.
fn judged(gold: Run, repair: &[Run]) -> (Reason, String, Paper) {
    let admission: Admission = serde_json::from_value(serde_json::json!({
        "format": crate::model::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"), "image": Digest::of(b"image"),
        "trees": {"base": "b", "gold": "g", "tested_base": "base", "tested_gold": "gold"},
        "fail_to_pass": [FIX], "pass_to_pass": [], "gold_files": [], "framework": "pytest/1", "repeats": 3,
        "splits": [{"files": ["tests/test_a.py"], "expected": [FIX]}], "tests": {NET: {"standing": "network_dependent"}, MORE: {"standing": "network_dependent"}},
        "limits": Limits::default(), "trials": [],
    }))
    .unwrap();
    let candidate: Candidate = serde_json::from_value(serde_json::json!({
        "format": crate::model::format::CANDIDATE, "candidate_id": Digest::of(b"c"), "instance_id": "a", "skill": "repair",
        "generation": {"file": "g", "line": 1, "index": 0}, "prepared": {"tree": "p", "diff": DIFF, "files": ["a.py"]},
        "trees": {"skill": "repair", "policy": "candidate"}, "screen": {},
    }))
    .unwrap();
    let (paper, runner) = (Paper::default(), crate::runner::by_name("pytest").unwrap());
    for _ in 0..10 {
        let rules = LocalizationRules::default();
        match crate::judge::judge(&candidate, &admission, runner, &Peers::default(), &rules, &paper) {
            Step::Done(judgement) => return (judgement.reason, judgement.detail, paper),
            Step::Needs(trial) => {
                let of_repair = trial.tree == "candidate";
                let number = (trial.repeat as usize).min(repair.len().saturating_sub(1));
                paper.run(&trial, if of_repair { repair[number] } else { gold });
            }
        }
    }
    panic!("no end")
}

#[test]
fn a_repair_that_gets_as_far_as_the_network_runs_the_witnesses_once_and_is_verified() {
    let (reason, detail, paper) = judged(NETWORK, &[NETWORK]);
    assert_eq!(reason, Reason::Resolved, "{detail}");
    assert!(detail.contains("2 tests that need the network fail as on gold"), "{detail}");
    let runs = paper.log.borrow();
    let trees: Vec<_> = runs.iter().map(|trial| (trial.tree.as_str(), trial.repeat)).collect();
    assert_eq!(trees, [("gold", 0), ("candidate", 0)]);
    for trial in runs.iter() {
        assert_eq!(trial.plan.files, ["tests/test_web.py"]);
        assert_eq!(trial.plan.only, [NET, MORE]);
    }
    // The same error from another unchanged line is the network's too.
    let (reason, detail, _) = judged(NETWORK, &[Fails("ConnectionError", Origin::System, Some(("other.py", 3)))]);
    assert_eq!(reason, Reason::Resolved, "{detail}");
}

#[test]
fn an_exception_that_a_line_of_the_repair_raises_twice_before_the_network_rejects() {
    let own = [
        OWN,
        // What reporters count among the errors of the system, for a file may be gone; a name in a loaded file is not.
        Fails("AttributeError", Origin::System, Some(("a.py", 2))),
        Fails("UnboundLocalError", Origin::System, Some(("a.py", 2))),
        SecondFails("ValueError", Origin::Repository, Some(("a.py", 2))),
    ];
    for run in own {
        let (reason, detail, paper) = judged(NETWORK, &[run]);
        assert_eq!(reason, Reason::BreaksNetworkTest, "{detail}");
        assert!(detail.contains(MORE) && detail.contains("Error raised by a line of the repair"), "{detail}");
        assert_eq!(paper.log.borrow().len(), 3);
    }
    assert_eq!(Reason::BreaksNetworkTest.status(), VerdictStatus::Rejected);
}

#[test]
fn whatever_else_differs_from_gold_is_open() {
    let runs = [
        Passes,
        Ends(Exit::TimedOut),
        Ends(Exit::Signal(9)),
        Uncollected("ImportError"),
        // On a line of base, on none, and on a line that the repair only changes the file of.
        Fails("ValueError", Origin::Repository, Some(("a.py", 1))),
        Fails("ValueError", Origin::Elsewhere, None),
        Fails("AttributeError", Origin::System, Some(("net.py", 9))),
        Fails("AssertionError", Origin::Repository, Some(("tests/test_web.py", 4))),
        // The repair's own words for the network's error, and the network's from a line of the repair's.
        Fails("ValueError", Origin::System, Some(("a.py", 2))),
        Fails("gaierror", Origin::System, Some(("a.py", 2))),
        Fails("ConnectionError", Origin::System, Some(("a.py", 2))),
        // Not raised over the network's: anybody can raise an error of that name.
        Fails("ConnectionError", Origin::Repository, Some(("net.py", 9))),
    ];
    for (number, run) in runs.into_iter().enumerate() {
        let (reason, detail, paper) = judged(NETWORK, &[run]);
        assert_eq!(reason, Reason::DisputedByNetworkTest, "{number}: {detail}");
        assert_eq!(paper.log.borrow().len(), 3, "{number}");
    }
    assert_eq!(Reason::DisputedByNetworkTest.status(), VerdictStatus::Inconclusive);
    let other = Fails("ValueError", Origin::Repository, Some(("a.py", 1)));
    for (second, expected) in [(NETWORK, Reason::Unsteady), (other, Reason::DisputedByNetworkTest)] {
        let (reason, detail, _) = judged(NETWORK, &[OWN, second]);
        assert_eq!(reason, expected, "once is not twice: {detail}");
    }
}

#[test]
fn a_witness_that_gold_does_not_fail_for_the_network_beside_it_says_nothing() {
    for gold in [Passes, Fails("ValueError", Origin::Repository, None)] {
        let (reason, detail, paper) = judged(gold, &[OWN]);
        assert_eq!(reason, Reason::Resolved, "{detail}");
        assert_eq!(paper.log.borrow().len(), 1, "only gold ran");
    }
    // A file that gold cannot load for want of a network is a witness as well.
    let (reason, detail, _) = judged(Uncollected("gaierror"), &[Uncollected("gaierror")]);
    assert_eq!(reason, Reason::Resolved, "{detail}");
    // What was not learned from gold is not known.
    let (reason, detail, _) = judged(Ends(Exit::Signal(9)), &[NETWORK]);
    assert_eq!(reason, Reason::ControlFailed, "{detail}");
}
