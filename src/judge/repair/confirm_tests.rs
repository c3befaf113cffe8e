use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;
use crate::judge::Step;
use crate::judge::paper::{self, Paper};
use crate::model::candidate::Candidate;
use crate::model::digest::Digest;
use crate::model::trial::{Exit, Limits, Outcome, Raised, Trial};
use crate::model::verdict::VerdictStatus;

const FIX: &str = "tests/test_a.py::test_fix";
const OTHER_FIX: &str = "tests/test_a.py::test_other_fix";
const KEEP: &str = "tests/test_a.py::test_keep";

/// What the candidate changes: the second line is its own.
const DIFF: &str = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,3 @@\n one\n+two\n three\n";

/// How a run is scripted to go.
#[derive(Clone, Debug)]
enum Run {
    Failing(Vec<(&'static str, &'static str)>),
    Ends(Exit),
    Alarm,
    Cut,
    /// Passes, and changes these trusted files.
    Tampers(&'static [&'static str]),
    /// Changes these trusted files, and this test fails.
    TampersAndFails(&'static [&'static str], &'static str),
    /// The file is not collected, with this error.
    Uncollected(&'static str),
    /// So, and the report tells of the first what failed there, and where that was raised.
    Told(Box<Run>, &'static str, Origin, (&'static str, u32)),
}

fn told(run: Run, text: &'static str, origin: Origin) -> Run {
    Run::Told(Box::new(run), text, origin, ("a.py", 2))
}

fn pass() -> Run {
    Run::Failing(Vec::new())
}

fn fails(id: &'static str) -> Run {
    Run::Failing(vec![(id, "AssertionError")])
}

/// A lab of paper: every trial that is asked for goes as the script says.
#[derive(Default)]
struct Script {
    ran: Paper,
    log: RefCell<Vec<(String, u32, u64)>>,
}

impl Script {
    fn run(&self, trial: &Trial, run: &Run) {
        let (run, trace) = match run {
            Run::Told(run, text, origin, (file, line)) => {
                let raised = Some(Raised { file: (*file).to_owned(), line: *line });
                (&**run, Some(Trace { digest: Digest::of(text.as_bytes()), origin: *origin, raised }))
            }
            run => (run, None),
        };
        let failing: BTreeMap<_, _> = match run {
            Run::Failing(failing) => failing.iter().copied().collect(),
            Run::TampersAndFails(_, id) => BTreeMap::from([(*id, "AssertionError")]),
            Run::Ends(_) | Run::Alarm | Run::Cut | Run::Tampers(_) | Run::Uncollected(_) | Run::Told(..) => {
                BTreeMap::new()
            }
        };
        let tests = [FIX, OTHER_FIX, KEEP].map(|id| (id.to_owned(), paper::result(failing.get(id).copied())));
        let error = if let Run::Uncollected(error) = run { Some((*error).to_owned()) } else { None };
        let first = failing.keys().next().copied().unwrap_or("tests/test_a.py");
        let code = i32::from(!failing.is_empty() || error.is_some());
        let report = TestReport {
            finished: !matches!(run, Run::Cut),
            exit_status: Some(code),
            tests: if error.is_some() { BTreeMap::new() } else { tests.into() },
            collect_errors: error.map(|error| ("tests/test_a.py".to_owned(), error)).into_iter().collect(),
            traces: trace.map(|trace| (first.to_owned(), trace)).into_iter().collect(),
            alarms: if matches!(run, Run::Alarm) { vec!["record 3: wrong nonce".to_owned()] } else { Vec::new() },
            ..TestReport::default()
        };
        let tampered = match run {
            Run::Tampers(paths) | Run::TampersAndFails(paths, _) => {
                paths.iter().map(|path| (*path).to_owned()).collect()
            }
            Run::Failing(_) | Run::Ends(_) | Run::Alarm | Run::Cut | Run::Uncollected(_) | Run::Told(..) => Vec::new(),
        };
        let exit = if let Run::Ends(exit) = run { *exit } else { Exit::Code(code) };
        self.log.borrow_mut().push((trial.tree.clone(), trial.repeat, trial.limits.deadline_ms));
        self.ran.add(Outcome { tampered, ..paper::outcome(trial, exit) }, report);
    }
}

fn admission(fail_to_pass: &[&str]) -> Admission {
    let expected = [fail_to_pass, &[KEEP]].concat();
    serde_json::from_value(serde_json::json!({
        "format": crate::model::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"), "image": Digest::of(b"image"),
        "trees": {"base": "b", "gold": "g", "tested_base": "base", "tested_gold": "gold"},
        "fail_to_pass": fail_to_pass, "pass_to_pass": [KEEP], "gold_files": [], "framework": "pytest/1", "repeats": 3,
        "splits": [{"files": ["tests/test_a.py"], "expected": expected}],
        "limits": Limits { deadline_ms: 60_000, ..Limits::default() }, "trials": [],
    }))
    .unwrap()
}

fn candidate() -> Candidate {
    serde_json::from_value(serde_json::json!({
        "format": crate::model::format::CANDIDATE, "candidate_id": Digest::of(b"c"), "instance_id": "a", "skill": "repair",
        "generation": {"file": "g", "line": 1, "index": 0},
        "prepared": {"tree": "p", "diff": DIFF, "files": ["a.py"]},
        "trees": {"skill": "repair", "policy": "candidate"}, "screen": {},
    }))
    .unwrap()
}

/// Takes the candidate through what `script` says of (tree, how often that tree ran before).
fn judged(admission: &Admission, script: impl Fn(&str, usize) -> Run) -> (Reason, String, Script) {
    let lab = Script::default();
    let runner = crate::runner::by_name("pytest").unwrap();
    let step = || {
        let rules = crate::judge::LocalizationRules::default();
        crate::judge::judge(&candidate(), admission, runner, &crate::judge::Peers::default(), &rules, &lab.ran)
    };
    for _ in 0..40 {
        match step() {
            Step::Done(judgement) => {
                assert_eq!(step(), Step::Done(judgement.clone()), "the same again from the same facts");
                return (judgement.reason, judgement.detail, lab);
            }
            Step::Needs(trial) => {
                let before = lab.log.borrow().iter().filter(|(tree, ..)| *tree == trial.tree).count();
                lab.run(&trial, &script(&trial.tree, before));
            }
        }
    }
    panic!("no end: {:?}", lab.log.borrow())
}

fn runs(lab: &Script, tree: &str) -> usize {
    lab.log.borrow().iter().filter(|(ran, ..)| ran == tree).count()
}

/// What the candidate does, run by run; gold passes, base fails as an unmended tree does.
fn with(fail_to_pass: &[&str], candidate: Vec<Run>, gold: impl Fn(usize) -> Run) -> (Reason, String, Script) {
    judged(&admission(fail_to_pass), |tree, before| match tree {
        "base" => Run::Failing(vec![(FIX, "AssertionError"), (OTHER_FIX, "AssertionError")]),
        "gold" => gold(before),
        _ => candidate[before.min(candidate.len() - 1)].clone(),
    })
}

#[test]
fn what_fails_plainly_as_base_does_costs_one_run_and_what_may_be_chance_three_and_one_of_gold() {
    let both = [FIX, OTHER_FIX];
    let unmended = Run::Failing(vec![(FIX, "AssertionError"), (OTHER_FIX, "AssertionError")]);
    for (what, fail_to_pass, run, reason, expected) in [
        ("as on base", &both[..], unmended, Reason::StillFailing, (1, 0)),
        ("one expectation", &both[..1], fails(FIX), Reason::StillFailing, (3, 1)),
        ("another error", &both[..], Run::Failing(vec![(FIX, "KeyError")]), Reason::StillFailing, (3, 1)),
        ("a regression", &both[..], fails(KEEP), Reason::Regressed, (3, 1)),
    ] {
        let (found, detail, lab) = with(fail_to_pass, vec![run], |_| pass());
        assert_eq!(found, reason, "{what}: {detail}");
        assert_eq!((runs(&lab, "candidate"), runs(&lab, "gold")), expected, "{what}");
    }
}

#[test]
fn source_that_is_no_python_costs_one_run_and_another_error_on_import_three_and_one_of_gold() {
    for (error, file, runs_of_candidate, runs_of_gold) in [
        ("SyntaxError", "a.py", 1, 0),
        ("IndentationError", "a.py", 1, 0),
        // Not the repair's: nobody wrote it so.
        ("SyntaxError", "b.py", 3, 1),
        ("OSError", "a.py", 3, 1),
    ] {
        let run = Run::Told(Box::new(Run::Uncollected(error)), "line 3", Origin::Repository, (file, 1));
        let (reason, detail, lab) = with(&[FIX], vec![run], |_| pass());
        assert_eq!(reason, Reason::StillFailing, "{detail}");
        assert!(detail.contains(error), "{detail}");
        assert_eq!((runs(&lab, "candidate"), runs(&lab, "gold")), (runs_of_candidate, runs_of_gold), "{error}");
    }
    // What passes in the second run was chance, or nobody knows.
    let (reason, ..) = with(&[FIX], vec![Run::Uncollected("OSError"), pass()], |_| pass());
    assert_eq!(reason, Reason::Unsteady);
}

#[test]
fn the_same_expectation_as_on_base_to_the_letter_is_plain_and_another_one_or_an_error_of_the_system_is_not() {
    let on_base = |origin| told(fails(FIX), "assert 1 == 2", origin);
    for (what, text, origin, expected) in [
        ("the same", "assert 1 == 2", Origin::Repository, (1, 0)),
        ("the same, of pytest.raises", "assert 1 == 2", Origin::Elsewhere, (1, 0)),
        ("another", "assert 1 == 3", Origin::Repository, (3, 1)),
        ("of the system", "assert 1 == 2", Origin::System, (3, 1)),
    ] {
        let (reason, detail, lab) = judged(&admission(&[FIX]), |tree, _| match tree {
            "base" => on_base(origin),
            "gold" => pass(),
            _ => told(fails(FIX), text, origin),
        });
        assert_eq!(reason, Reason::StillFailing, "{what}: {detail}");
        assert_eq!((runs(&lab, "candidate"), runs(&lab, "gold")), expected, "{what}");
    }
}

#[test]
fn code_that_twice_does_not_load_for_the_same_reason_costs_two_runs() {
    let first = || told(Run::Uncollected("TypeError"), "line 3", Origin::Repository);
    let of_base = || Run::Told(Box::new(Run::Uncollected("TypeError")), "line 3", Origin::Repository, ("a.py", 1));
    for (what, runs_of_candidate, expected) in [
        ("the same", vec![first()], (2, 0)),
        ("another reason", vec![first(), told(Run::Uncollected("TypeError"), "line 4", Origin::Repository)], (3, 1)),
        ("not told", vec![first(), Run::Uncollected("TypeError")], (3, 1)),
        ("on a line of base", vec![of_base()], (3, 1)),
    ] {
        let (reason, detail, lab) = with(&[FIX], runs_of_candidate, |_| pass());
        assert_eq!(reason, Reason::StillFailing, "{what}: {detail}");
        assert_eq!((runs(&lab, "candidate"), runs(&lab, "gold")), expected, "{what}");
    }
    // What the machine or the runner may have done is looked at as before.
    for origin in [Origin::System, Origin::Elsewhere] {
        let (_, _, lab) = with(&[FIX], vec![told(Run::Uncollected("TypeError"), "line 3", origin)], |_| pass());
        assert_eq!((runs(&lab, "candidate"), runs(&lab, "gold")), (3, 1));
    }
    let (reason, ..) = with(&[FIX], vec![first(), pass()], |_| pass());
    assert_eq!(reason, Reason::Unsteady);
}

#[test]
fn an_error_of_its_own_is_plain_at_once() {
    let run = || Run::Failing(vec![(FIX, "AttributeError")]);
    let (reason, _, lab) = judged(&admission(&[FIX]), |tree, _| if tree == "gold" { pass() } else { run() });
    assert_eq!((reason, runs(&lab, "candidate")), (Reason::StillFailing, 1));
}

#[test]
fn a_test_that_wobbles_on_gold_too_leaves_the_verdict_and_one_that_does_not_leaves_it_open() {
    let flaky = || vec![fails(KEEP), pass()];
    let (reason, detail, lab) = with(&[FIX], flaky(), |before| if before == 3 { fails(KEEP) } else { pass() });
    assert_eq!(reason, Reason::Resolved, "{detail}");
    assert!(detail.starts_with("1 expected") && detail.contains(KEEP), "{detail}");
    assert_eq!(runs(&lab, "gold"), 4, "no more than needed");

    let (reason, detail, lab) = with(&[FIX], flaky(), |_| pass());
    assert_eq!(reason, Reason::Unsteady, "{detail}");
    assert_eq!(runs(&lab, "gold"), 10);

    // The only test that the change was to mend wobbles: nothing is left that could tell.
    let (reason, detail, _) =
        with(&[FIX], vec![fails(FIX), pass()], |before| if before == 0 { fails(FIX) } else { pass() });
    assert_eq!(reason, Reason::Unsteady, "{detail}");

    // Failing every time, once on gold too: never a rejection.
    // Nor a verification, even if gold fails it every time from now on.
    for more in [pass(), fails(KEEP)] {
        let gold = |before| if before == 0 { fails(KEEP) } else { more.clone() };
        let (reason, detail, _) = with(&[FIX], vec![fails(KEEP)], gold);
        assert_eq!(reason, Reason::Unsteady, "{detail}");
    }

    // A wobbling test beside one that fails every time.
    let two = Run::Failing(vec![(FIX, "KeyError"), (KEEP, "AssertionError")]);
    let once = Run::Failing(vec![(FIX, "KeyError")]);
    let (reason, detail, _) = with(&[FIX], vec![two, once], |_| pass());
    assert_eq!(reason, Reason::StillFailing, "{detail}");
}

#[test]
fn a_test_that_wobbles_on_gold_is_given_back_only_if_the_run_that_passed_it_touched_no_trusted_file() {
    let tampers = Run::Tampers(&["tests/test_a.py"]);
    let (reason, detail, _) =
        with(&[FIX], vec![fails(KEEP), tampers], |before| if before == 3 { fails(KEEP) } else { pass() });
    assert_ne!(reason.status(), VerdictStatus::Verified, "{detail}");
}

#[test]
fn a_bad_end_rejects_only_if_it_comes_again_and_gold_ends_well_between() {
    let ends = [
        (Run::Ends(Exit::TimedOut), Reason::TimedOut),
        (Run::Ends(Exit::OutOfMemory), Reason::OutOfMemory),
        (Run::Ends(Exit::Signal(9)), Reason::EndedEarly),
        (Run::Ends(Exit::Code(3)), Reason::ExitContradictsReport),
        (Run::Alarm, Reason::ForgedReport),
        (Run::Cut, Reason::EndedEarly),
    ];
    for (end, reason) in ends {
        let (found, detail, lab) = with(&[FIX], vec![end.clone()], |_| pass());
        assert_eq!(found, reason, "{detail}");
        let order: Vec<_> = lab.log.borrow().iter().map(|(tree, ..)| tree.clone()).collect();
        assert_eq!(order, ["candidate", "gold", "candidate"]);

        let (found, detail, _) = with(&[FIX], vec![end.clone(), pass()], |_| pass());
        assert_eq!(found, Reason::Unsteady, "{detail}");
        for (what, bad) in
            [("ends so too", end.clone()), ("passes nothing", Run::Failing(vec![(FIX, "OSError"), (KEEP, "OSError")]))]
        {
            let (found, detail, lab) = with(&[FIX], vec![end.clone()], |_| bad.clone());
            assert_eq!(found, Reason::ControlFailed, "gold {what}: {detail}");
            assert_eq!(runs(&lab, "candidate"), 1);
        }
        // The second run ends well and fails: judged by that, confirmed on its own.
        let (found, detail, lab) = with(&[FIX], vec![end, fails(KEEP)], |_| pass());
        assert_eq!(found, Reason::Regressed, "{detail}");
        assert_eq!(runs(&lab, "candidate"), 4);
    }
}

#[test]
fn every_candidate_has_its_own_control_and_a_second_timeout_is_measured_by_it() {
    let (_, _, lab) = with(&[FIX], vec![Run::Ends(Exit::TimedOut)], |_| pass());
    let log = lab.log.borrow();
    assert_eq!(log.iter().map(|(.., deadline)| *deadline).collect::<Vec<_>>(), [60_000, 60_000, 20_000]);
    let mut number = Vec::new();
    for tree in ["aaaa", "aaab"] {
        let (paper, admission) = (Paper::default(), admission(&[FIX]));
        let mut bench = Bench::new(&admission, &crate::runner::python::pytest::Pytest, &paper);
        match control_run(tree, &admission.splits[0], &admission, &mut bench) {
            Err(Halt::Needs(trial)) => number.push(trial.repeat),
            Ok(_) | Err(Halt::Judged(..)) => panic!("nothing ran yet"),
        }
    }
    assert_ne!(number[0], number[1]);
    assert!(number.iter().all(|number| *number >= FIRST_CONTROL));
}

#[test]
fn a_fault_that_hits_every_run_after_admission_judges_nobody() {
    for fault in [Run::Ends(Exit::Signal(9)), Run::Cut, Run::Alarm, Run::Ends(Exit::OutOfMemory)] {
        let (reason, detail, _) = judged(&admission(&[FIX]), |_, _| fault.clone());
        assert_eq!(reason.status(), VerdictStatus::Inconclusive, "{fault:?}: {detail}");
    }
}

#[test]
fn passing_by_changed_trusted_files_is_a_rejection_unless_gold_changes_them_too() {
    let one = Run::Tampers(&["tests/data.json"]);
    let more = Run::Tampers(&["tests/data.json", "tests/test_a.py"]);
    let (reason, detail, _) = with(&[FIX], vec![one.clone()], |_| one.clone());
    assert_eq!(reason, Reason::Resolved, "{detail}");
    let (reason, detail, _) = with(&[FIX], vec![more.clone()], |_| one.clone());
    assert_eq!((reason, detail.as_str()), (Reason::TampersWithTests, "tests/test_a.py"));
    let (reason, _, _) = with(&[FIX], vec![more.clone(), pass()], |_| one.clone());
    assert_eq!(reason, Reason::Unsteady);
    let (reason, _, _) = with(&[FIX], vec![more], |before| if before == 0 { pass() } else { fails(FIX) });
    assert_eq!(reason, Reason::TampersWithTests, "a wobbling test on gold is no excuse");
}

/// An admission that repeated the first split only, with a test that ran once and some others.
fn admitted_once(others: usize) -> Admission {
    let mut admission = Admission { lists_pass_to_pass: true, ..admission(&[FIX]) };
    admission.pass_to_pass.extend((0..others).map(|number| format!("tests/test_a.py::test_other_{number}")));
    let split =
        |file: &str, id: &str, once| Split { files: vec![file.to_owned()], expected: vec![id.to_owned()], once };
    admission.splits = vec![split("tests/test_a.py", FIX, false), split("tests/test_b.py", KEEP, true)];
    admission
}

#[test]
fn a_test_that_ran_once_at_admission_counts_only_if_gold_passes_it_in_every_repeat() {
    // The first split passes; this is how the second one goes.
    let judged_by = |others: usize, candidate: Run, gold: &dyn Fn(usize) -> Run| {
        judged(&admitted_once(others), |tree, before| match tree {
            "gold" => gold(before),
            _ if before == 0 => pass(),
            _ => candidate.clone(),
        })
    };
    let with = |gold: &dyn Fn(usize) -> Run| judged_by(9, fails(KEEP), gold);
    // In the second repeat gold fails it too: it leaves the verdict, and the candidate is not run again.
    let (reason, detail, lab) = with(&|before| if before == 1 { fails(KEEP) } else { pass() });
    assert_eq!(reason, Reason::Resolved, "{detail}");
    assert!(detail.starts_with("1 expected") && detail.contains(KEEP), "{detail}");
    assert_eq!((runs(&lab, "candidate"), runs(&lab, "gold")), (2, 2));
    // Gold is steady: three repeats, which all candidates share, and the run that is made for this one.
    let (reason, detail, lab) = with(&|_| pass());
    assert_eq!(reason, Reason::Regressed, "{detail}");
    assert_eq!((runs(&lab, "candidate"), runs(&lab, "gold")), (4, 4));
    let (reason, detail, _) = with(&|_| Run::Cut);
    assert_eq!(reason, Reason::ControlFailed, "{detail}");
    // What else the run did counts as in a run in which no test failed.
    let touching = Run::TampersAndFails(&["tests/test_a.py"], KEEP);
    let wobbles = |before| if before == 0 { fails(KEEP) } else { pass() };
    let (reason, detail, lab) = judged_by(9, touching, &wobbles);
    assert_eq!((reason, detail.as_str()), (Reason::TampersWithTests, "tests/test_a.py"));
    assert_eq!(runs(&lab, "candidate"), 3, "a bad end is confirmed");
    // More than a tenth of listed pass-to-pass tests may not leave so.
    let (reason, detail, _) = judged_by(8, fails(KEEP), &wobbles);
    assert_eq!(reason, Reason::Unsteady, "{detail}");
    assert!(detail.contains("1 of 9") && detail.contains("--full"), "{detail}");
    // What passes asks nothing of gold.
    // After a bad end, a run that passes all that counts leaves it open, whatever else failed in it.
    let (reason, detail, _) = judged(&admitted_once(9), |tree, before| match (tree, before) {
        ("gold", 2) => fails(KEEP),
        ("gold", _) | (_, 0) => pass(),
        (_, 1) => Run::Tampers(&["tests/test_a.py"]),
        _ => fails(KEEP),
    });
    assert_eq!(reason, Reason::Unsteady, "{detail}");
    let (reason, _, lab) = judged(&admitted_once(9), |_, _| pass());
    assert_eq!((reason, runs(&lab, "gold")), (Reason::Resolved, 0));
}
