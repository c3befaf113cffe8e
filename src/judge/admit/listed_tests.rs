use super::super::tests::Does::{Breaks, Fail, Pass, Skip};
use super::super::tests::{A, B, C, Case, D, Does, FAILS, Script, admit_case, on_gold};
use super::*;
use crate::judge::admit::lost;
use crate::model::trial::Trial;
use crate::model::verdict::{Evidence as Level, Reason};

const FILE: &str = "t/test_a.py";

fn case<'a>(fail_to_pass: &'a [&'a str], tests: &'a [&'a str], script: Script<'a>) -> Case<'a> {
    Case { fail_to_pass, pass_to_pass: &[], tests, script, changed: &[], accept_lost: false, full: false, groups: &[] }
}

#[test]
fn a_listed_fail_to_pass_test_that_left_refuses_unless_that_is_accepted() {
    // The other listed test is sound. What becomes of this one on gold, and by which words it is told:
    let table: [(Does, &str); 5] = [
        (Fail("ConnectionError"), "needs the network (ConnectionError)"),
        (FAILS, "fails on gold (AssertionError)"),
        (Fail("ModuleNotFoundError"), "fails on gold (ModuleNotFoundError)"),
        (Skip, "skipped or absent on gold"),
        (Breaks("KeyError"), "its file does not load (KeyError)"),
    ];
    for (on_gold_it, words) in table {
        let name = if matches!(on_gold_it, Breaks(_)) { D } else { B };
        let script = |trial: &Trial, id: &str| match id {
            A if !on_gold(trial) => FAILS,
            id if id == name && on_gold(trial) => on_gold_it,
            id if id == name => FAILS,
            _ => Pass,
        };
        let listed = [A, name];
        // Ten files of which one is lost are within the bound; here it is one of two.
        let refused = admit_case(&case(&listed, &[A, B, C, D], &script));
        let by_files = matches!(on_gold_it, Breaks(_));
        let expected = if by_files { Refusal::LostTestFiles } else { Refusal::LostListedTests };
        assert_eq!(refused.refusal, Some(expected), "{words}: {}", refused.detail);
        if !by_files {
            assert!(refused.detail.contains("1 of 2 fail-to-pass tests are lost"), "{}", refused.detail);
            assert!(refused.detail.contains(&format!("{name}: {words}")), "{}", refused.detail);
            assert!(refused.detail.contains("--accept-lost"), "{}", refused.detail);
            assert!(refused.splits.is_empty() && !refused.lost_tests.unwrap().accepted);
        }
        let accepted = admit_case(&Case { accept_lost: true, ..case(&listed, &[A, B, C, D], &script) });
        assert_eq!((accepted.refusal, accepted.fail_to_pass.as_slice()), (None, &[A.to_owned()][..]), "{words}");
        let lost = accepted.lost_tests.as_ref().unwrap();
        assert!(lost.accepted && lost.fail_to_pass[name] == words && lost.unmatched.is_empty(), "{lost:?}");
        let verified = (Reason::Resolved, Level::E3, "passed".to_owned());
        let (_, level, detail) = lost::bounded(&accepted, verified);
        assert!(level == Level::E1 && detail.contains("1 of 2 fail-to-pass tests are lost") && detail.contains(name));
    }
}

#[test]
fn a_listed_test_whose_results_differ_or_that_base_did_not_fail_is_lost_too() {
    let table: [(Script, Standing); 3] = [
        (&|trial, id| if id == B && on_gold(trial) && trial.repeat == 1 { FAILS } else { Pass }, Standing::Flaky),
        (
            &|trial, id| match trial.plan.variation {
                crate::model::trial::Variation::ShuffledFiles if id == B && on_gold(trial) => FAILS,
                _ => Pass,
            },
            Standing::OrderDependent,
        ),
        (&|trial, id| if id == B && !on_gold(trial) { Skip } else { Pass }, Standing::NotFailedOnBase),
    ];
    for (script, standing) in table {
        let script = |trial: &Trial, id: &str| if id == A && !on_gold(trial) { FAILS } else { script(trial, id) };
        let admission = admit_case(&case(&[A, B], &[A, B, C], &script));
        assert_eq!(admission.refusal, Some(Refusal::LostListedTests), "{}", admission.detail);
        assert_eq!(admission.tests[B].standing, standing);
        assert!(admission.detail.contains(standing.words()), "{}", admission.detail);
    }
}

/// An instance of thirty listed pass-to-pass tests of which gold fails so many.
fn of_thirty(failing: usize) -> Admission {
    let names: Vec<_> = (0..30).map(|n| format!("{FILE}::n{n:02}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let tests = [&names[..], &[A]].concat();
    let script = |trial: &Trial, id: &str| match id {
        A if !on_gold(trial) => FAILS,
        _ if names[..failing].contains(&id) => FAILS,
        _ => Pass,
    };
    admit_case(&Case { pass_to_pass: &names, ..case(&[A], &tests, &script) })
}

#[test]
fn a_tenth_of_the_listed_pass_to_pass_tests_may_be_lost_and_no_more() {
    let whole = of_thirty(0);
    assert_eq!((whole.refusal, &whole.lost_tests), (None, &None));
    for (failing, admitted) in [(1, true), (3, true), (4, false)] {
        let admission = of_thirty(failing);
        assert_eq!(admission.refusal.is_none(), admitted, "{failing}: {}", admission.detail);
        let lost = admission.lost_tests.as_ref().unwrap();
        assert_eq!((lost.pass_to_pass.len(), lost.of_pass_to_pass, lost.accepted), (failing, 30, false));
        assert_eq!((lost.fail_to_pass.len(), lost.of_fail_to_pass), (0, 1));
        if admitted {
            // As before: nothing is worth less for it.
            assert_eq!(
                admission.splits,
                [crate::model::admission::Split {
                    files: vec![FILE.to_owned()],
                    expected: admission.fail_to_pass.iter().chain(&admission.pass_to_pass).cloned().collect(),
                    once: false,
                }]
            );
            let verified = || (Reason::Resolved, Level::E3, "passed".to_owned());
            assert_eq!(lost::bounded(&admission, verified()), verified());
        } else {
            assert!(admission.detail.contains("4 of 30 pass-to-pass tests are lost"), "{}", admission.detail);
        }
    }
}

#[test]
fn a_name_that_is_no_test_of_gold_is_unmatched_and_refuses_only_if_all_listed_fail_to_pass_tests_are() {
    let cut = "t/test_a.py::cut[one";
    let (whole, one, two) = ("t/test_a.py::cut[one two]", "t/test_a.py::twin[a b]", "t/test_a.py::twin[a c]");
    let tests = [A, whole, one, two];
    let script = |trial: &Trial, id: &str| if [A, whole].contains(&id) && !on_gold(trial) { FAILS } else { Pass };
    let of = |listed: &[&str]| admit_case(&case(listed, &tests, &script));

    // A name that was cut at a blank is that test, if it is the only one; a blank behind a name says nothing.
    assert_eq!(of(&[cut, "t/test_a.py::a "]).lost_tests, None);
    let beside = of(&[A, "t/test_a.py::twin[a", "[100%]", "t/test_a.py::gone"]);
    assert_eq!(beside.refusal, None, "{}", beside.detail);
    let lost = beside.lost_tests.unwrap();
    let unmatched: Vec<_> = lost.unmatched.iter().map(String::as_str).collect();
    assert_eq!(unmatched, ["[100%]", "t/test_a.py::gone", "t/test_a.py::twin[a"]);
    assert!(!lost.any() && lost.of_fail_to_pass == 1 && !lost.accepted, "{lost:?}");
    // A name goes on after a blank only, so this is no shorter form of the other.
    assert_eq!(of(&["t/test_a.py::cu", A]).lost_tests.unwrap().unmatched.len(), 1);

    let none = of(&["t/test_a.py::gone"]);
    assert_eq!(none.refusal, Some(Refusal::LostListedTests), "{}", none.detail);
    assert!(none.detail.contains("t/test_a.py::gone") && none.detail.contains("FAIL_TO_PASS"), "{}", none.detail);
    let accepted = admit_case(&Case { accept_lost: true, ..case(&["t/test_a.py::gone"], &tests, &script) });
    assert!(accepted.admitted() && accepted.lost_tests.as_ref().unwrap().accepted);
    let (_, level, detail) = lost::bounded(&accepted, (Reason::Resolved, Level::E2, String::new()));
    assert!(level == Level::E1 && detail.contains("t/test_a.py::gone"), "{detail}");
}

#[test]
fn a_listed_test_that_is_expected_after_all_is_not_lost_on_whichever_list_it_stands() {
    let script = |trial: &Trial, id: &str| if [A, C].contains(&id) && !on_gold(trial) { FAILS } else { Pass };
    let case = Case { pass_to_pass: &[C], ..case(&[A, B], &[A, B, C], &script) };
    let admission = admit_case(&case);
    assert_eq!((admission.refusal, &admission.lost_tests), (None, &None), "{}", admission.detail);
    assert_eq!(admission.disagreements.keys().collect::<Vec<_>>(), [B, C]);
}

#[test]
fn without_a_list_the_tests_of_changed_files_that_gold_fails_for_want_of_a_network_count_as_listed() {
    let script = |trial: &Trial, id: &str| match id {
        A if !on_gold(trial) => FAILS,
        B if !on_gold(trial) => Fail("AttributeError"),
        B => Fail("gaierror"),
        _ => Pass,
    };
    let changed = [FILE];
    let refused = admit_case(&Case { changed: &changed, ..case(&[], &[A, B, C, D], &script) });
    assert_eq!(refused.refusal, Some(Refusal::LostListedTests), "{}", refused.detail);
    assert!(refused.detail.contains("1 of 2 fail-to-pass tests are lost"), "{}", refused.detail);
    assert!(refused.detail.contains("t/test_a.py::b: needs the network (gaierror)"), "{}", refused.detail);
    // A file that gold does not change says nothing of the change.
    let other = admit_case(&Case { changed: &["t/test_b.py"], ..case(&[], &[A, B, C, D], &script) });
    assert_eq!((other.refusal, other.lost_tests.clone()), (None, None), "{}", other.detail);
    assert_eq!(other.witnesses(), [B]);
    // Nor does one that fails on gold for another reason: nobody listed it.
    let fails = |trial: &Trial, id: &str| match id {
        A if !on_gold(trial) => FAILS,
        B => FAILS,
        _ => Pass,
    };
    let fails = admit_case(&Case { changed: &changed, ..case(&[], &[A, B, C, D], &fails) });
    assert_eq!((fails.refusal, fails.lost_tests.clone(), fails.witnesses()), (None, None, Vec::new()));
}

#[test]
fn a_listed_name_of_no_test_file_is_named_and_runs_nothing() {
    let ran = std::cell::RefCell::new(BTreeSet::new());
    let script = |trial: &Trial, id: &str| {
        ran.borrow_mut().extend(trial.plan.files.clone());
        if id == A && !on_gold(trial) { FAILS } else { Pass }
    };
    let admission = admit_case(&case(&[A, "t/gone.py::x", "bare_name"], &[A, B, D], &script));
    assert_eq!(admission.refusal, None, "{}", admission.detail);
    let lost = admission.lost_tests.unwrap();
    assert_eq!(lost.without_file.iter().collect::<Vec<_>>(), ["bare_name", "t/gone.py::x"]);
    assert_eq!(lost.unmatched, lost.without_file);
    assert_eq!(ran.take().into_iter().collect::<Vec<_>>(), [FILE], "the other file is not listed");
    // A name whose file is there is only no test of it.
    let cut = admit_case(&case(&[A, "t/test_a.py::gone"], &[A, B, D], &script)).lost_tests.unwrap();
    assert!(cut.without_file.is_empty() && cut.unmatched.len() == 1, "{cut:?}");

    ran.take();
    let admission = admit_case(&case(&["t/gone.py::x", "bare_name"], &[A, B, D], &script));
    assert_eq!(admission.refusal, Some(Refusal::NoTestFiles));
    assert!(admission.detail.contains("t/gone.py::x, bare_name"), "{}", admission.detail);
    assert!(ran.take().is_empty() && admission.trials.is_empty());
}
