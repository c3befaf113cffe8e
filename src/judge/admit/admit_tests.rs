use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::journal::Failure;
use crate::judge::{lost_as_stored, paper};
use crate::model::test_record::FailureClass;
use crate::model::trial::{Exit, Outcome, Phase, Status, TestReport, TestResult, Trial};
use crate::runner::python::pytest::Pytest;

/// What a test does in a run.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Does {
    Pass,
    Fail(&'static str),
    Skip,
    Absent,
    /// Its file cannot be collected.
    Breaks(&'static str),
    /// It ends the whole run, so that nothing after it is reported.
    Ends(Exit),
}
use Does::*;

pub(super) const FAILS: Does = Fail("AssertionError");
pub(super) const A: &str = "t/test_a.py::a";
pub(super) const B: &str = "t/test_a.py::b";
pub(super) const C: &str = "t/test_a.py::c";
pub(super) const D: &str = "t/test_b.py::d";

type Facts = (Arc<Outcome>, Arc<TestReport>);
pub(super) type Script<'a> = &'a dyn Fn(&Trial, &str) -> Does;

/// Runs trials by a script: what each of the tests does in a trial.
struct Scripted<'a> {
    tests: &'a [&'a str],
    script: Script<'a>,
    known: RefCell<HashMap<Digest, Facts>>,
}

impl Scripted<'_> {
    fn run(&self, trial: &Trial) {
        let mut report = TestReport { finished: true, exit_status: Some(1), ..TestReport::default() };
        let mut exit = Exit::Code(1);
        for id in self.tests {
            let file = id.split("::").next().unwrap_or_default();
            let wanted = trial.plan.only.is_empty() || trial.plan.only.iter().any(|only| only == id);
            if !wanted || !trial.plan.files.iter().any(|planned| planned == file) {
                continue;
            }
            let phases =
                |call| vec![(Phase::Setup, Status::Passed), (Phase::Call, call), (Phase::Teardown, Status::Passed)];
            let result = |call, error: Option<&str>| TestResult {
                phases: phases(call),
                error: error.map(str::to_owned),
                ..TestResult::default()
            };
            let does = (self.script)(trial, id);
            let result = match does {
                Pass => result(Status::Passed, None),
                Fail(error) => result(Status::Failed, Some(error)),
                Skip => result(Status::Skipped, None),
                Absent => continue,
                Breaks(error) => {
                    report.collect_errors.insert(file.to_owned(), error.to_owned());
                    continue;
                }
                Ends(_) => TestResult { phases: vec![(Phase::Setup, Status::Passed)], ..TestResult::default() },
            };
            report.tests.insert((*id).to_owned(), result);
            if let Ends(how) = does {
                (report.finished, report.exit_status, exit) = (false, None, how);
                break;
            }
        }
        let outcome = Outcome { wall_ms: 100, ..paper::outcome(trial, exit) };
        self.known.borrow_mut().insert(trial.id(), (Arc::new(outcome), Arc::new(report)));
    }
}

impl Evidence for Scripted<'_> {
    fn outcome(&self, trial: &Digest) -> Option<Arc<Outcome>> {
        self.known.borrow().get(trial).map(|(outcome, _)| outcome.clone())
    }

    fn failure(&self, _: &Digest) -> Option<Failure> {
        None
    }

    fn report(&self, outcome: &Outcome) -> Option<Arc<TestReport>> {
        self.known.borrow().get(&outcome.trial_id).map(|(_, report)| report.clone())
    }

    fn output(&self, _: &Outcome) -> Option<String> {
        Some("collecting\nE   ImportError: planted\nthe last line\n".to_owned())
    }
}

pub(super) fn on_gold(trial: &Trial) -> bool {
    trial.tree == "gold+tests"
}

/// An instance whose tests do as scripted.
pub(super) struct Case<'a> {
    pub fail_to_pass: &'a [&'a str],
    pub pass_to_pass: &'a [&'a str],
    pub tests: &'a [&'a str],
    pub script: Script<'a>,
    /// What gold changes.
    pub changed: &'a [&'a str],
    pub accept_lost: bool,
    pub full: bool,
    /// Files that one session can load.
    pub groups: &'a [&'a [&'a str]],
}

/// Admits an instance; gold changes both test files.
fn admitted(listed: &[&str], tests: &[&str], script: &dyn Fn(&Trial, &str) -> Does) -> Admission {
    admitted_with(listed, tests, script, &["t/test_a.py", "t/test_b.py"], false)
}

fn admitted_with(
    listed: &[&str],
    tests: &[&str],
    script: &dyn Fn(&Trial, &str) -> Does,
    changed: &[&str],
    accept_lost: bool,
) -> Admission {
    admit_case(&Case {
        fail_to_pass: listed,
        pass_to_pass: &[],
        tests,
        script,
        changed,
        accept_lost,
        full: false,
        groups: &[],
    })
}

pub(super) fn admit_case(case: &Case) -> Admission {
    admit_files(case, &["t/test_a.py".to_owned(), "t/test_b.py".to_owned()])
}

fn admit_files(case: &Case, test_files: &[String]) -> Admission {
    let Case { fail_to_pass, pass_to_pass, tests, script, changed, accept_lost, full, groups } = *case;
    let instance: Instance = serde_json::from_value(json!({
        "instance_id": "a", "repo": "a/a", "base_commit": "0", "problem_statement": "", "patch": "",
        "FAIL_TO_PASS": fail_to_pass, "PASS_TO_PASS": pass_to_pass,
    }))
    .unwrap();
    let input = AdmissionInput {
        part: None,
        instance: &instance,
        key: Digest::of(b"key"),
        image: Digest::of(b"image"),
        trees: Trees {
            base: "base".to_owned(),
            gold: "gold".to_owned(),
            tested_base: "base+tests".to_owned(),
            tested_gold: "gold+tests".to_owned(),
            layout: crate::model::layout::Layout::default(),
        },
        test_files: test_files.to_vec(),
        suite: Suite::default(),
        groups: groups.iter().map(|group| group.iter().map(|file| (*file).to_owned()).collect()).collect(),
        with_tests: BTreeSet::new(),
        changed: changed.iter().map(|path| (*path).to_owned()).collect(),
        gold_files: Vec::new(),
        repeats: 3,
        limits: Limits::default(),
        deadline: DeadlineRule::default(),
        accept_lost,
        full,
    };
    let evidence = Scripted { tests, script, known: RefCell::default() };
    for _ in 0..200 {
        match admit(&input, &Pytest, &evidence) {
            Step::Needs(trial) => evidence.run(&trial),
            Step::Done(admission) => {
                stored_admissions_stand_on_readable_runs(&admission, &input, &evidence);
                return admission;
            }
        }
    }
    panic!("admission goes on for ever");
}

/// What was just admitted is used again as it is; not if its runs are gone, and not if only base's are.
fn stored_admissions_stand_on_readable_runs(admission: &Admission, input: &AdmissionInput, evidence: &Scripted) {
    let stands = |keep: &dyn Fn(&Trial) -> bool| {
        let known = evidence.known.borrow();
        let kept = known.iter().filter(|(_, (outcome, _))| keep(&outcome.trial));
        let kept = kept.map(|(id, facts)| (id.clone(), facts.clone())).collect();
        lost_as_stored(admission, input, &Pytest, &Scripted { known: RefCell::new(kept), ..*evidence })
    };
    assert!(stands(&|_| true), "{admission:?}");
    // What no run led to needs none.
    assert_eq!(stands(&|_| false), admission.trials.is_empty());
    assert!(!admission.admitted() || !stands(&on_gold));
    // Nor if an earlier version wrote it, which did not look at listed tests.
    let earlier = Admission { lost_tests: None, ..admission.clone() };
    assert_eq!(lost_as_stored(&earlier, input, &Pytest, evidence), admission.lost_tests.is_none());
}

fn standing(admission: &Admission, id: &str) -> Option<Standing> {
    admission.tests.get(id).map(|record| record.standing)
}

#[test]
fn what_base_fails_and_gold_passes_is_expected_with_the_way_it_fails() {
    let admission = admitted(&[A], &[A, B, C, D], &|trial, id| match id {
        _ if on_gold(trial) => Pass,
        A => FAILS,
        B => Fail("KeyError"),
        D => Breaks("ImportError"),
        _ => Pass,
    });
    assert_eq!(admission.refusal, None);
    // Only the file of the listed test runs.
    assert_eq!(admission.fail_to_pass, [A, B]);
    assert_eq!(admission.pass_to_pass, [C]);
    assert_eq!(admission.tests.keys().collect::<Vec<_>>(), [A, B]);
    assert_eq!(admission.tests[A].base_failure, Some(FailureClass::Assertion));
    assert_eq!(admission.tests[B].base_failure, Some(FailureClass::Exception("KeyError".to_owned())));

    let all = admitted(&[], &[A, D], &|trial, id| match id {
        D if !on_gold(trial) => Breaks("ImportError"),
        _ => Pass,
    });
    assert_eq!((all.fail_to_pass.as_slice(), all.pass_to_pass.as_slice()), (&[D.to_owned()][..], &[A.to_owned()][..]));
    assert_eq!(all.tests[D].base_failure, Some(FailureClass::CollectError("ImportError".to_owned())));
    assert_eq!(all.splits[0].files, ["t/test_b.py"]);
}

#[test]
fn a_test_that_wobbles_leaves_with_counts_and_the_cause() {
    let wobbling = |fails: &'static dyn Fn(&Trial) -> bool| {
        move |trial: &Trial, id: &str| match id {
            A if !on_gold(trial) => FAILS,
            B if fails(trial) => FAILS,
            _ => Pass,
        }
    };
    let alone = |trial: &Trial| !trial.plan.only.is_empty();
    type Fails = &'static dyn Fn(&Trial) -> bool;
    let table: [(Fails, Standing); 5] = [
        (&|trial| on_gold(trial) && trial.repeat == 4, Standing::Flaky),
        (&|trial| !on_gold(trial) && trial.repeat == 1 && trial.plan.only.is_empty(), Standing::Flaky),
        (&|trial| trial.plan.variation == Variation::ShuffledFiles, Standing::OrderDependent),
        (&|trial| trial.plan.variation == Variation::OtherSeedAndZone, Standing::SeedOrZoneDependent),
        (&|trial| on_gold(trial) && trial.repeat == 2, Standing::Flaky),
    ];
    for (fails, expected) in table {
        // The first one shows only in the runs that another test's wobbling asks for.
        let other = |trial: &Trial, id: &str| match id {
            C if on_gold(trial) && trial.plan.variation == Variation::ShuffledFiles => FAILS,
            _ => wobbling(fails)(trial, id),
        };
        let admission = admitted(&[A], &[A, B, C], &other);
        assert_eq!(admission.refusal, None);
        assert_eq!(admission.fail_to_pass, [A]);
        assert_eq!(standing(&admission, B), Some(expected), "{:?}", admission.tests[B]);
        assert!(admission.unstable[B].contains(" of "), "{}", admission.unstable[B]);
        assert_eq!(standing(&admission, C), Some(Standing::OrderDependent));
        assert!(admission.splits.iter().all(|split| split.expected == [A]));
    }
    // It passes after its predecessor only.
    let needs_company = admitted(&[A], &[A, B], &|trial, id| match id {
        A if !on_gold(trial) => FAILS,
        B if alone(trial) || trial.plan.variation == Variation::ShuffledFiles => FAILS,
        _ => Pass,
    });
    assert_eq!(standing(&needs_company, B), Some(Standing::OrderDependent));
    let counts = &needs_company.tests[B].gold;
    assert_eq!((counts[&Condition::Shuffled].failed, counts[&Condition::Alone].failed), (2, 2));
    assert_eq!(Sightings::total(counts).known(), 10);
}

#[test]
fn an_instance_without_a_fail_to_pass_test_is_refused_with_the_reason() {
    let gold = |does: Does| {
        move |trial: &Trial, id: &str| match id {
            A if on_gold(trial) => does,
            A => FAILS,
            _ => Pass,
        }
    };
    type Row<'a> = (&'a str, &'a [&'a str], Script<'a>, Refusal);
    let table: [Row; 12] = [
        ("base passes", &[A], &|_, _| Pass, Refusal::BasePasses),
        ("nothing listed or derived", &[], &|_, _| Pass, Refusal::EmptyFailToPass),
        ("the listed one fails on gold", &[A], &gold(FAILS), Refusal::GoldFails),
        ("nothing passes on gold", &[], &|_, _| FAILS, Refusal::GoldFails),
        ("the listed one is not there", &["t/test_a.py::z"], &|_, _| Pass, Refusal::GoldFails),
        ("gold hangs", &[A], &gold(Ends(Exit::TimedOut)), Refusal::GoldFails),
        ("no network", &[A], &gold(Fail("gaierror")), Refusal::NetworkDependent),
        ("no network, nothing else", &[], &|_, _| Fail("NetworkUnreachable"), Refusal::NetworkDependent),
        ("refused connections are no network", &[A], &gold(Fail("ConnectionRefusedError")), Refusal::GoldFails),
        (
            "order",
            &[A],
            &|trial, id| match id {
                // It needs those before it.
                A if on_gold(trial) && trial.plan.variation != Variation::ShuffledFiles => {
                    if trial.plan.only.is_empty() { Pass } else { FAILS }
                }
                A => FAILS,
                _ => Pass,
            },
            Refusal::OrderDependent,
        ),
        (
            "flaky",
            &[A],
            &|trial, id| match id {
                A if on_gold(trial) && trial.repeat != 1 => Pass,
                A => FAILS,
                _ => Pass,
            },
            Refusal::NoStableFailToPass,
        ),
        (
            "skipped on base",
            &[A],
            &|trial, id| if id == A && !on_gold(trial) { Skip } else { Pass },
            Refusal::EmptyFailToPass,
        ),
    ];
    for (what, listed, script, expected) in table {
        let admission = admitted(listed, &[A, B], script);
        assert_eq!(admission.refusal, Some(expected), "{what}: {}", admission.detail);
        assert!(!admission.detail.is_empty() && admission.splits.is_empty(), "{what}");
    }
}

#[test]
fn tests_that_need_the_network_leave_and_the_others_stay() {
    let script = |trial: &Trial, id: &str| match id {
        A => Fail("URLError"),
        B if !on_gold(trial) => FAILS,
        _ => Pass,
    };
    let admission = admitted_with(&[A, B], &[A, B, C], &script, &[], true);
    assert_eq!(admission.refusal, None);
    assert_eq!(admission.fail_to_pass, [B]);
    assert_eq!(standing(&admission, A), Some(Standing::NetworkDependent));
    assert!(admission.disagreements[A].contains("needs the network"), "{}", admission.disagreements[A]);
}

#[test]
fn what_base_never_came_to_runs_there_by_itself_and_counts_as_what_it_then_does() {
    for how in [Exit::TimedOut, Exit::Signal(11), Exit::Code(3)] {
        // `b` ends every run of base that it is in; `c` and `d` come after it.
        let script = |trial: &Trial, id: &str| match id {
            _ if on_gold(trial) => Pass,
            A | D => FAILS,
            B => Ends(how),
            _ => Pass,
        };
        let admission = admitted(&[], &[A, B, C, D], &script);
        assert_eq!(admission.refusal, None, "{}", admission.detail);
        assert_eq!(admission.fail_to_pass, [A, B, D]);
        assert_eq!(admission.pass_to_pass, [C], "it passes on base when it gets the chance");
        assert!(matches!(admission.tests[B].base_failure, Some(FailureClass::DidNotEnd(_))));
    }
    // More than are tried one by one: what base does with the rest stays unknown, and they leave.
    let many: Vec<_> = (0..40).map(|n| format!("t/test_a.py::n{n:02}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let admission = admitted(&[], &many, &|trial, _| if on_gold(trial) { Pass } else { Ends(Exit::TimedOut) });
    assert_eq!(admission.fail_to_pass.len(), MOST_SOLO_RUNS);
    assert_eq!(standing(&admission, many[39]), Some(Standing::UnknownOnBase));
}

#[test]
fn a_base_run_gets_the_deadline_of_a_candidate_and_not_the_longest_there_is() {
    let seen = RefCell::new(Vec::new());
    let script = |trial: &Trial, id: &str| {
        seen.borrow_mut().push((on_gold(trial), trial.limits.deadline_ms));
        if id == A && !on_gold(trial) { FAILS } else { Pass }
    };
    admitted(&[A], &[A], &script);
    let seen = seen.into_inner();
    assert!(
        seen.iter().all(|(gold, deadline)| *deadline == if *gold { 600_000 } else { DeadlineRule::default().floor_ms })
    );
    assert!(seen.iter().any(|(gold, _)| !gold));
}

#[test]
fn a_test_that_is_absent_on_base_is_not_expected() {
    let admission = admitted(&[A], &[A, B], &|trial, id| match id {
        _ if on_gold(trial) => Pass,
        A => FAILS,
        _ => Absent,
    });
    assert_eq!(admission.fail_to_pass, [A]);
    assert_eq!(standing(&admission, B), Some(Standing::NotFailedOnBase));
    assert_eq!(Sightings::total(&admission.tests[B].base).absent, 4);
}

#[test]
fn an_instance_that_loses_a_file_is_refused_unless_that_is_accepted() {
    let script = |trial: &Trial, id: &str| match id {
        D => Breaks("ModuleNotFoundError"),
        A if !on_gold(trial) => FAILS,
        _ => Pass,
    };
    let refused = admitted_with(&[], &[A, B, D], &script, &["t/test_a.py"], false);
    assert_eq!(refused.refusal, Some(Refusal::LostTestFiles), "{}", refused.detail);
    assert!(refused.detail.contains("t/test_b.py: ModuleNotFoundError"), "{}", refused.detail);
    assert!(refused.splits.is_empty() && !refused.lost.unwrap().accepted);
    let accepted = admitted_with(&[], &[A, B, D], &script, &["t/test_a.py"], true);
    assert_eq!(accepted.refusal, None, "{}", accepted.detail);
    let lost = accepted.lost.as_ref().unwrap();
    assert!(lost.accepted && lost.of == 2 && lost.files.contains_key("t/test_b.py"), "{lost:?}");
    // Whose listed tests are all in the other file loses nothing.
    assert_eq!(admitted_with(&[A], &[A, B, D], &script, &["t/test_a.py"], false).lost, None);

    let verified =
        || (crate::model::verdict::Reason::Resolved, crate::model::verdict::Evidence::E3, "passed".to_owned());
    let (_, level, detail) = lost::bounded(&accepted, verified());
    assert_eq!(level, crate::model::verdict::Evidence::E1);
    assert!(detail.contains("t/test_b.py"), "{detail}");
    let whole = Admission { lost: None, ..accepted };
    assert_eq!(lost::bounded(&whole, verified()), verified());
}

#[test]
fn a_refusal_for_want_of_a_test_says_what_became_of_those_in_the_changed_files() {
    let detail = |script: Script| admitted(&[], &[A, B, C, D], script).detail;
    let all = detail(&|trial, id| match id {
        A if on_gold(trial) => Fail("ModuleNotFoundError"),
        B => Skip,
        C => FAILS,
        D => Breaks("ImportError"),
        _ => Pass,
    });
    for told in [
        "1 failed on gold (t/test_a.py::c: AssertionError)",
        "1 lacked a module on gold (t/test_a.py::a: ModuleNotFoundError)",
        "1 skipped or absent on gold (t/test_a.py::b)",
        "1 gave no test (t/test_b.py: ImportError)",
    ] {
        assert!(all.contains(told), "{told} is not in {all}");
    }
    let passing = detail(&|_, _| Pass);
    assert!(
        passing.contains("4 passed on base too (t/test_a.py::a; t/test_a.py::b; t/test_a.py::c; and 1 more)"),
        "{passing}"
    );
    let nothing = detail(&|_, _| Breaks("ModuleNotFoundError"));
    assert!(nothing.contains("nothing could be collected on gold (t/test_a.py: ModuleNotFoundError"), "{nothing}");
}

#[test]
fn files_without_fail_to_pass_tests_run_once_unless_all_is_to_be_repeated() {
    let script = |trial: &Trial, id: &str| if id == A && !on_gold(trial) { FAILS } else { Pass };
    let case = |full| Case {
        fail_to_pass: &[],
        pass_to_pass: &[],
        tests: &[A, B, D],
        script: &script,
        changed: &["t/test_a.py", "t/test_b.py"],
        accept_lost: false,
        full,
        groups: &[],
    };
    // Both sides once over everything, then three times over the first file.
    let once = admit_case(&case(false));
    assert_eq!(
        (once.fail_to_pass.as_slice(), once.pass_to_pass.as_slice()),
        (&[A.to_owned()][..], &[B.to_owned(), D.to_owned()][..])
    );
    assert_eq!(once.trials.len(), 2 + 2 * 3);
    assert_eq!(once.seen_once().collect::<Vec<_>>(), [D]);
    let full = admit_case(&case(true));
    assert_eq!(full.trials.len(), 2 + 2 * 2 * 3);
    assert_eq!(full.seen_once().count(), 0);
}

#[test]
fn a_fail_to_pass_test_that_gold_fails_in_another_order_only_stays_and_is_named() {
    let shuffled = |trial: &Trial| trial.plan.variation == Variation::ShuffledFiles;
    let script = |trial: &Trial, id: &str| match id {
        A if !on_gold(trial) || shuffled(trial) => FAILS,
        B if shuffled(trial) => FAILS,
        _ => Pass,
    };
    for listed in [&[A][..], &[]] {
        let admission = admitted(listed, &[A, B, C], &script);
        assert_eq!(admission.refusal, None, "{}", admission.detail);
        assert_eq!((admission.fail_to_pass.as_slice(), admission.ordered()), (&[A.to_owned()][..], vec![A.to_owned()]));
        let seen = &admission.tests[A].gold;
        assert_eq!((seen[&Condition::Shuffled].failed, seen[&Condition::Alone].passed), (2, 2));
        assert!(!admission.unstable.contains_key(A) && admission.lost_tests.is_none());
        assert!(admission.splits[0].expected.contains(&A.to_owned()));
        // A test that base passes too is held to every order.
        assert_eq!(standing(&admission, B), Some(Standing::OrderDependent));
        assert_eq!(admission.pass_to_pass, [C]);

        // What an earlier version wrote of it is derived again.
        let mut record = admission.tests[A].clone();
        assert!(record.ordered() && !record.left_too_early() && !admission.tests[B].left_too_early());
        record.standing = Standing::OrderDependent;
        assert!(record.left_too_early() && !record.ordered());
    }
    assert_eq!(admitted(&[A], &[A, C], &|trial, _| if on_gold(trial) { Pass } else { FAILS }).ordered(), [""; 0]);
}

#[test]
fn a_test_whose_failure_on_base_or_alone_or_now_and_then_in_another_order_leaves() {
    let shuffled = |trial: &Trial| trial.plan.variation == Variation::ShuffledFiles;
    let table: [(Script, Standing); 3] = [
        (&|trial, _| if on_gold(trial) != shuffled(trial) { Pass } else { FAILS }, Standing::OrderDependent),
        (
            &|trial, _| match trial.plan.only.as_slice() {
                [] if on_gold(trial) && !shuffled(trial) => Pass,
                _ => FAILS,
            },
            Standing::OrderDependent,
        ),
        (
            &|trial, _| if on_gold(trial) && !(shuffled(trial) && trial.repeat == 2) { Pass } else { FAILS },
            Standing::Flaky,
        ),
    ];
    for (script, expected) in table {
        let script = |trial: &Trial, id: &str| match id {
            A => script(trial, id),
            B if !on_gold(trial) => FAILS,
            _ => Pass,
        };
        let admission = admitted(&[], &[A, B], &script);
        assert_eq!((standing(&admission, A), admission.ordered()), (Some(expected), Vec::new()));
        assert_eq!(admission.fail_to_pass, [B]);
    }
}

#[test]
fn a_refusal_says_what_was_raised_where_no_listed_test_was_collected() {
    // Nothing is collected, and nothing but the output says why.
    let silent = admitted(&[A], &[A], &|_, _| Absent);
    assert_eq!(silent.refusal, Some(Refusal::GoldFails));
    assert!(silent.detail.contains("E   ImportError: planted"), "{}", silent.detail);
    // Its file does not load, though gold does not change it; another listed file does.
    let script = |_: &Trial, id: &str| if id == A { Breaks("KeyError") } else { Pass };
    let broken = admit_case(&Case {
        fail_to_pass: &[A],
        pass_to_pass: &[D],
        tests: &[A, D],
        script: &script,
        changed: &[],
        accept_lost: false,
        full: false,
        groups: &[],
    });
    assert_eq!(broken.refusal, Some(Refusal::GoldFails));
    let told = format!("1 in a file that gold does not load ({A}: KeyError)");
    assert!(broken.detail.contains(&told), "{}", broken.detail);
}

#[test]
fn what_base_never_came_to_is_looked_for_in_repeats_of_its_own_split() {
    // The run of the first file dies on base; more files come after it than run there by themselves.
    let names: Vec<String> = (0..30).map(|number| format!("t/test_z{number:02}.py::z")).collect();
    let mut tests = vec![A];
    tests.extend(names.iter().map(String::as_str));
    let files: Vec<String> = tests.iter().map(|id| id.split("::").next().unwrap().to_owned()).collect();
    let script = |trial: &Trial, id: &str| if id == A && !on_gold(trial) { Ends(Exit::Signal(11)) } else { Pass };
    let changed = [files[0].as_str()];
    let admission = admit_files(
        &Case {
            fail_to_pass: &[],
            pass_to_pass: &[],
            tests: &tests,
            script: &script,
            changed: &changed,
            accept_lost: false,
            full: false,
            groups: &[],
        },
        &files,
    );
    assert_eq!(admission.refusal, None, "{}", admission.detail);
    assert_eq!((admission.fail_to_pass.len(), admission.pass_to_pass.len()), (1, 30), "{:?}", admission.tests);
    assert_eq!(admission.seen_once().count(), 0);
}
