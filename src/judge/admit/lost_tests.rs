use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::judge::DeadlineRule;
use crate::model::admission::Trees;
use crate::model::digest::Digest;
use crate::model::instance::Instance;
use crate::model::suite::Suite;
use crate::model::trial::{Limits, Outcome, TestPlan, Trial};
use crate::runner::python::pytest::Pytest;

const FILES: [&str; 4] = ["t/test_a.py", "t/test_b.py", "t/deep/test_c.py", "t/test_d.py"];

/// A run of the four files that gave this report.
fn seen(tree: &str, report: &Value) -> Seen {
    let mut whole = json!({"format": crate::model::format::REPORT, "finished": true, "exit_status": 1, "tests": {}});
    whole.as_object_mut().unwrap().extend(report.as_object().unwrap().clone());
    let report: TestReport = serde_json::from_value(whole).unwrap();
    let trial = Trial {
        instance_id: "a".to_owned(),
        tree: tree.to_owned(),
        plan: TestPlan { files: FILES.map(str::to_owned).to_vec(), ..TestPlan::default() },
        image: Digest::of(b"image"),
        limits: Limits::default(),
        repeat: 0,
    };
    let outcome: Outcome = serde_json::from_value(json!({
        "format": crate::model::format::OUTCOME, "trial_id": trial.id(), "trial": trial, "sandbox": "cell", "wall_ms": 1,
        "exit": {"kind": "code", "value": report.exit_status}, "overhead_ms": 1, "output": {"blob": null, "total_bytes": 0},
    }))
    .unwrap();
    Seen { outcome: Arc::new(outcome), report: Arc::new(report) }
}

/// What is lost by these two reports, where gold changes these paths.
fn lost(changed: &[&str], gold: &Value, base: &Value) -> Option<Lost> {
    let instance: Instance = serde_json::from_value(json!({
        "instance_id": "a", "repo": "a/a", "base_commit": "0", "problem_statement": "", "patch": "",
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
        test_files: FILES.map(str::to_owned).to_vec(),
        suite: Suite::default(),
        groups: Vec::new(),
        with_tests: FILES[..3].iter().map(|path| (*path).to_owned()).collect(),
        changed: changed.iter().map(|path| (*path).to_owned()).collect(),
        gold_files: Vec::new(),
        repeats: 3,
        limits: Limits::default(),
        deadline: DeadlineRule::default(),
        accept_lost: false,
        full: false,
    };
    find(&input, &Pytest, &[seen("gold+tests", gold)], &[seen("base+tests", base)])
}

/// A test of each of these files.
fn tests(files: &[&str]) -> Value {
    files.iter().map(|file| (format!("{file}::test"), json!({"phases": []}))).collect::<serde_json::Map<_, _>>().into()
}

fn whys(lost: Option<Lost>) -> Vec<(String, Loss, String)> {
    let files = lost.map(|lost| lost.files).unwrap_or_default();
    files.into_iter().map(|(path, file)| (path, file.why, file.reason())).collect()
}

fn all() -> Value {
    json!({"tests": tests(&FILES), "remarks": {}})
}

#[test]
fn a_file_that_gold_cannot_load_is_lost_with_what_was_raised() {
    let gold = json!({
        "tests": tests(&[FILES[1], FILES[3]]), "collect_errors": {"t/test_a.py": "ModuleNotFoundError", "t/deep": "ImportError"},
        "remarks": {"messages": {"t/test_a.py": "No module named 'x'"}},
    });
    let expected = [
        (FILES[2].to_owned(), Loss::DoesNotLoad, "ImportError (in t/deep)".to_owned()),
        (FILES[0].to_owned(), Loss::DoesNotLoad, "ModuleNotFoundError: No module named 'x'".to_owned()),
    ];
    assert_eq!(whys(lost(&[], &gold, &all())), expected);
    assert_eq!(lost(&[], &all(), &all()), None);
    // A class that cannot be collected takes its tests along, though others of the file ran.
    let class = json!({"tests": tests(&FILES), "collect_errors": {"t/test_b.py::Case": "KeyError"}, "remarks": {}});
    assert_eq!(whys(lost(&[], &class, &all()))[0].2, "KeyError (in t/test_b.py::Case)");
}

#[test]
fn a_session_that_never_began_loses_every_file() {
    let conftest = json!({
        "exit_status": 4, "collect_errors": {"t/deep/conftest.py": "ImportError"},
        "remarks": {"messages": {"t/deep/conftest.py": "cannot import name 'y'"}},
    });
    let found = whys(lost(&[], &conftest, &all()));
    assert_eq!(found.len(), FILES.len());
    assert!(found.iter().all(|(.., reason)| reason == "ImportError: cannot import name 'y' (in t/deep/conftest.py)"));
    let silent = whys(lost(&[], &json!({"exit_status": 4, "remarks": {}}), &all()));
    assert!(silent.len() == FILES.len() && silent[0].2.contains("status 4"), "{silent:?}");
}

#[test]
fn a_file_that_gives_nothing_is_told_by_what_the_reporter_says_of_it() {
    let gold = json!({"tests": {}, "exit_status": 5, "remarks": {
        "skipped": {"t/test_a.py": {"reason": "could not import 'x'", "missing": true}, "t/deep": {"reason": "only here"}},
    }});
    let expected = [
        (FILES[2].to_owned(), Loss::Skipped, "skips itself: only here".to_owned()),
        (
            FILES[0].to_owned(),
            Loss::MissingModule,
            "skips itself because a module is missing: could not import 'x'".to_owned(),
        ),
        (FILES[1].to_owned(), Loss::Silent, "neither a test nor an error came of it".to_owned()),
    ];
    // The last one defines no test, so nothing is lost by it.
    assert_eq!(whys(lost(&[], &gold, &all())), expected);
    let deselected = json!({"tests": tests(&FILES[1..]), "remarks": {"deselected": ["t/test_a.py"]}});
    assert_eq!(whys(lost(&[], &deselected, &all()))[0].1, Loss::Deselected);
    // An older reporter says nothing of skips.
    assert_eq!(lost(&[], &json!({"tests": tests(&FILES[1..])}), &all()), None);
}

#[test]
fn a_file_that_loads_on_gold_alone_is_lost_unless_gold_changes_it() {
    let base = json!({
        "tests": tests(&FILES[1..]), "collect_errors": {"t/test_a.py": "ImportError"}, "remarks": {},
        "traces": {"t/test_a.py": {"digest": Digest::of(b""), "origin": "system", "raised": {"file": "pkg/core.py", "line": 1}}},
    });
    assert_eq!(whys(lost(&[], &all(), &base))[0].1, Loss::NotOnBase);
    assert_eq!(whys(lost(&["pkg/core.py"], &all(), &base))[0].1, Loss::MadeToLoad);
    assert_eq!(lost(&["t/test_a.py"], &all(), &base), None);
    // Options that only gold's package knows, say.
    let unbegun = json!({"exit_status": 4, "remarks": {}});
    assert_eq!(whys(lost(&[], &all(), &unbegun))[0].1, Loss::NotOnBase);
    let configured = whys(lost(&["pytest.ini"], &all(), &unbegun));
    assert!(configured.len() == FILES.len() && configured[0].1 == Loss::MadeToLoad, "{configured:?}");
}

#[test]
fn more_than_a_tenth_or_one_that_gold_changes_is_too_much() {
    let of = |of: u64, files: &[(Loss, bool)]| {
        let file = |(why, changed): &(Loss, bool)| LostFile {
            why: *why,
            error: "KeyError".to_owned(),
            message: String::new(),
            needs: None,
            place: None,
            changed: *changed,
        };
        let files = files.iter().enumerate().map(|(n, one)| (format!("t/test_{n}.py"), file(one))).collect();
        too_much(&Lost { of, files, accepted: false })
    };
    let gone = (Loss::DoesNotLoad, false);
    assert_eq!(of(10, &[gone]), None);
    assert_eq!(of(20, &[gone, gone]), None);
    let refused = of(9, &[gone]).unwrap();
    assert!(refused.contains("1 of 9 test files") && refused.contains("t/test_0.py: KeyError"), "{refused}");
    assert!(refused.contains("--accept-lost"), "{refused}");
    assert!(of(19, &[gone, gone]).is_some());
    assert!(of(100, &[(Loss::DoesNotLoad, true)]).unwrap().contains("that gold changes"));
    assert_eq!(of(4, &[(Loss::Skipped, true), (Loss::Deselected, true), (Loss::MissingModule, false)]), None);
    assert!(of(100, &[(Loss::MissingModule, true)]).is_some());
}

#[test]
fn a_file_of_which_no_test_passes_on_gold_is_lost() {
    let whole = |status: &str, error: Option<&str>| json!({"phases": [["whole", status]], "error": error});
    let gold = |first: Value| {
        let tests = json!({
            "t/test_a.py::one": first, "t/test_a.py::two": whole("skipped", None),
            "t/test_b.py::one": whole("failed", Some("SystemExit")), "t/test_b.py::two": whole("passed", None),
            "t/test_d.py::one": whole("skipped", None), "t/deep/test_c.py::one": whole("failed", Some("NetworkUnreachable")),
        });
        json!({"tests": tests, "remarks": {"messages": {"t/test_a.py::one": "act is not installed"}}})
    };
    let found = lost(&[], &gold(whole("failed", Some("SystemExit"))), &all()).unwrap();
    assert!(found.files[FILES[0]].counts());
    let reason = "no test of it passes on gold: SystemExit: act is not installed".to_owned();
    assert_eq!(whys(Some(found)), [(FILES[0].to_owned(), Loss::NonePasses, reason)]);
    assert_eq!(lost(&[], &gold(whole("passed", None)), &all()), None);
    assert_eq!(lost(&[], &gold(whole("skipped", None)), &all()), None);
    assert_eq!(lost(&[], &gold(whole("failed", Some("AssertionError"))), &all()), None, "the code ran");
    for unknown in [Some("Exception"), None] {
        assert!(
            lost(&[], &gold(whole("failed", unknown)), &all()).is_some(),
            "{unknown:?} may be raised before anything is tried"
        );
    }
}
