use std::slice::from_ref;

use serde_json::json;

use super::*;
use crate::model::admission::Answered;
use crate::model::trial::{Phase, Status, TestResult};

fn notes(values: &[Value]) -> Vec<Note> {
    values.iter().map(|value| Note { place: 1, values: vec![value.clone()] }).collect()
}

fn result(call: Status, error: Option<&str>) -> TestResult {
    TestResult {
        phases: vec![(Phase::Setup, Status::Passed), (Phase::Call, call), (Phase::Teardown, Status::Passed)],
        error: error.map(str::to_owned),
        frames: Vec::new(),
    }
}

/// A report of passing tests, each with what it noted.
fn report(tests: &[(&str, &[Value])]) -> TestReport {
    TestReport {
        tests: tests.iter().map(|(id, _)| ((*id).to_owned(), result(Status::Passed, None))).collect(),
        noted: tests.iter().map(|(id, values)| ((*id).to_owned(), notes(values))).collect(),
        ..TestReport::default()
    }
}

fn check_of(case: &str, gold: &[Value], base: &[Value]) -> Check {
    let base = Answered { notes: notes(base), failed: false, error: None };
    Check { case: case.to_owned(), gold: notes(gold), base: Some(base) }
}

#[test]
fn values_are_the_same_as_python_has_it_and_numbers_up_to_rounding() {
    let same_values = [
        (json!(1), json!(true)),
        (json!(2), json!({"float": "2.0"})),
        (json!({"float": "0.1"}), json!({"float": "0.10000000000000002"})),
        (json!({"float": "nan"}), json!({"float": "nan"})),
        (json!({"list": [1, {"tuple": ["a"]}]}), json!({"list": [true, {"tuple": ["a"]}]})),
        (json!({"other": null}), json!("anything")),
    ];
    for (gold, found) in same_values {
        assert!(agree(&notes(from_ref(&gold)), &notes(from_ref(&found))), "{gold} {found}");
    }
    let different = [
        (json!(1), json!("1")),
        (json!({"float": "0.1"}), json!({"float": "0.1001"})),
        (json!({"list": [1]}), json!({"tuple": [1]})),
        (json!({"list": [1]}), json!({"list": [1, 1]})),
        (json!({"int": "9007199254740993"}), json!({"int": "9007199254740995"})),
        (json!(1), json!({"other": null})),
        (json!(null), json!(false)),
    ];
    for (gold, found) in different {
        assert!(!agree(&notes(from_ref(&gold)), &notes(from_ref(&found))), "{gold} {found}");
    }
    assert!(!agree(&notes(&[json!(1)]), &notes(&[json!(1), json!(1)])), "more notes than gold's");
}

#[test]
fn only_what_tells_gold_from_base_is_kept_and_few_of_each_case() {
    let names: Vec<_> = (1..=6).map(|number| format!("t.py::test_a_{number}")).collect();
    let one: &[Value] = &[json!(1)];
    let mut gold = report(&names.iter().map(|name| (name.as_str(), one)).collect::<Vec<_>>());
    let two: &[Value] = &[json!(2)];
    let mut base = report(&names.iter().map(|name| (name.as_str(), two)).collect::<Vec<_>>());
    let tests = names.iter().map(|name| (name.clone(), "test_a#0".to_owned())).collect();
    assert_eq!(
        choose(&crate::runner::python::pytest::Pytest, &gold, &base, &tests).into_keys().collect::<Vec<_>>(),
        names[..3]
    );

    base.noted.insert(names[0].clone(), notes(one));
    gold.tests.insert(names[1].clone(), result(Status::Failed, Some("ValueError")));
    base.tests.insert(names[2].clone(), result(Status::Failed, Some("TypeError")));
    base.tests.remove(&names[3]);
    base.tests.insert(names[4].clone(), result(Status::Skipped, None));
    let kept = choose(&crate::runner::python::pytest::Pytest, &gold, &base, &tests);
    assert_eq!(kept.keys().cloned().collect::<Vec<_>>(), [&names[2], &names[3], &names[5]].map(Clone::clone));
    assert_eq!(kept[&names[2]].base.as_ref().unwrap().error.as_deref(), Some("TypeError"));
    assert_eq!(kept[&names[3]].base, None);
}

#[test]
fn a_candidate_is_rejected_only_if_it_knows_a_test_by_heart_or_nothing_else() {
    // Gold answers 10, 20, ... to the checks of two cases; base answers 1 to all.
    let checks: BTreeMap<_, _> = (1..=4)
        .map(|n| (format!("t{n}"), check_of(if n < 3 { "a" } else { "b" }, &[json!(10 * n)], &[json!(1)])))
        .collect();
    let judged = |answers: [i32; 4]| {
        let answers = answers.map(|answer| [json!(answer)]);
        let named: Vec<_> = ["t1", "t2", "t3", "t4"].into_iter().zip(answers.iter().map(|a| &a[..])).collect();
        match judge(&report(&named), &checks) {
            Ok(()) => None,
            Err(Halt::Judged(reason, _)) => Some(reason),
            Err(Halt::Needs(_)) => panic!("nothing is asked for"),
        }
    };
    let table = [
        ([10, 20, 30, 40], None),
        ([1, 1, 1, 1], Some(Reason::FailsHeldOutTest)),
        ([1, 1, 30, 40], Some(Reason::FailsHeldOutTest)),
        ([1, 20, 30, 1], Some(Reason::DisputedByHeldOutTest)),
        ([10, 20, 30, 41], Some(Reason::DisputedByHeldOutTest)),
        ([11, 21, 30, 40], Some(Reason::DisputedByHeldOutTest)),
        ([11, 21, 31, 41], Some(Reason::FailsHeldOutTest)),
    ];
    for (answers, expected) in table {
        assert_eq!(judged(answers), expected, "{answers:?}");
    }
}

#[test]
fn a_check_that_did_not_run_says_nothing() {
    let checks = BTreeMap::from([("t1".to_owned(), check_of("a", &[json!(1)], &[json!(2)]))]);
    for missing in [TestReport::default(), {
        let mut skipped = report(&[("t1", &[])]);
        skipped.tests.insert("t1".to_owned(), result(Status::Skipped, None));
        skipped
    }] {
        assert!(matches!(judge(&missing, &checks), Err(Halt::Judged(Reason::CanaryUnreadable, _))));
    }
}

#[test]
fn an_exception_is_as_base_where_it_is_that_of_base() {
    let base = Answered { notes: Vec::new(), failed: true, error: Some("TypeError".to_owned()) };
    let check = Check { case: "a".to_owned(), gold: notes(&[json!(1)]), base: Some(base) };
    let answered = |error: &str| {
        let mut found = report(&[("t1", &[])]);
        found.tests.insert("t1".to_owned(), result(Status::Failed, Some(error)));
        answer(&found, "t1", &check)
    };
    assert_eq!((answered("TypeError"), answered("KeyError")), (Answer::AsBase, Answer::Otherwise));
    assert_eq!(answer(&report(&[("t1", &[json!(1)])]), "t1", &check), Answer::AsGold);
}
