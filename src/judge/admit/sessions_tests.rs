use super::super::tests::Does::{Breaks, Pass};
use super::super::tests::{A, C, Case, D, Does, FAILS, admit_case, on_gold};
use crate::model::admission::Admission;
use crate::model::trial::Trial;

const GROUPS: &[&[&str]] = &[&["t/test_a.py"], &["t/test_b.py"]];

/// The admission of two files that one session cannot load: in it, the second has this error.
fn admitted(error: &'static str, groups: &[&[&str]], script: &dyn Fn(&Trial, &str) -> Does) -> Admission {
    let clashing = |trial: &Trial, id: &str| match trial.plan.files.len() {
        2 if id == D => Breaks(error),
        _ => script(trial, id),
    };
    admit_case(&Case {
        fail_to_pass: &[],
        pass_to_pass: &[],
        tests: &[A, C, D],
        script: &clashing,
        changed: &["t/test_a.py"],
        accept_lost: false,
        full: false,
        groups,
    })
}

fn files(admission: &Admission) -> Vec<(&str, bool)> {
    admission.splits.iter().map(|split| (split.files[0].as_str(), split.once)).collect()
}

#[test]
fn files_whose_names_clash_in_one_session_run_apart_and_are_not_lost() {
    let script = |trial: &Trial, id: &str| if id == A && !on_gold(trial) { FAILS } else { Pass };
    for error in ["ImportPathMismatchError", "ModuleNotFoundError"] {
        let admission = admitted(error, GROUPS, &script);
        assert_eq!((&admission.refusal, &admission.lost), (&None, &None), "{}", admission.detail);
        assert_eq!(admission.suite.as_ref().unwrap().apart, GROUPS);
        assert_eq!(admission.pass_to_pass, [C, D]);
        assert_eq!(files(&admission), [("t/test_a.py", false), ("t/test_b.py", true)]);
    }
    // Another error says nothing of names, and with one group there is nothing to part.
    for (error, groups) in [("KeyError", GROUPS), ("ImportPathMismatchError", &[&["t/test_a.py", "t/test_b.py"][..]])] {
        let admission = admitted(error, groups, &script);
        assert_eq!(admission.suite, None);
        assert_eq!(admission.lost.unwrap().files.keys().collect::<Vec<_>>(), ["t/test_b.py"]);
    }
    // Names that clash on base and not on gold change nothing.
    let base_only = |trial: &Trial, id: &str| match id {
        D if !on_gold(trial) && trial.plan.files.len() == 2 => Breaks("ImportPathMismatchError"),
        _ => script(trial, id),
    };
    let case = Case {
        fail_to_pass: &[],
        pass_to_pass: &[],
        tests: &[A, C, D],
        script: &base_only,
        changed: &["t/test_a.py"],
        accept_lost: false,
        full: false,
        groups: GROUPS,
    };
    assert_eq!(admit_case(&case).suite, None);
}

#[test]
fn fail_to_pass_tests_of_two_sessions_have_a_split_in_each() {
    let script = |trial: &Trial, id: &str| if id != C && !on_gold(trial) { FAILS } else { Pass };
    let admission = admitted("ImportPathMismatchError", GROUPS, &script);
    assert_eq!(admission.fail_to_pass, [A, D], "{}", admission.detail);
    assert_eq!(files(&admission), [("t/test_a.py", false), ("t/test_b.py", false)]);
    assert_eq!(admission.splits_of_change().count(), 2);
}
