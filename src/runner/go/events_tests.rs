//! What was recorded of a small module with Go 1.23, read back.

use super::*;

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/testdata/go/", $name, ".stream"))
    };
}

fn read(stream: &[u8]) -> TestReport {
    parse(stream, false, "n0nce")
}

fn results(report: &TestReport, status: Status) -> Vec<&str> {
    let with = report.tests.iter().filter(|(_, test)| test.phases == [(Phase::Whole, status)]);
    with.map(|(id, _)| id.as_str()).collect()
}

fn without_results(report: &TestReport) -> Vec<&str> {
    report.tests.iter().filter(|(_, test)| test.phases.is_empty()).map(|(id, _)| id.as_str()).collect()
}

/// A session of the lines of one package, each marked.
fn session(lines: &[&str]) -> Vec<u8> {
    let ours = ["assay n0nce start", "assay n0nce run p"];
    let ends = ["assay n0nce ended 0", "assay n0nce end 0"];
    let lines = ours.iter().chain(lines).chain(&ends);
    lines.map(|line| format!("\u{16}{line}\n")).collect::<String>().into_bytes()
}

#[test]
fn tests_sub_tests_examples_and_seeds_of_several_packages_each_have_their_result() {
    let report = read(recorded!("outcomes"));
    assert_eq!(report.alarms, Vec::<String>::new());
    assert!(report.finished);
    assert_eq!(report.exit_status, Some(1));
    assert_eq!(results(&report, Status::Failed), [".::TestDouble", ".::TestDouble/#00"]);
    assert_eq!(results(&report, Status::Skipped), [".::TestSkipped"]);
    let passed = [
        ".::ExampleDouble",
        ".::FuzzDouble",
        ".::FuzzDouble/seed#0",
        ".::TestDouble/one",
        ".::TestDouble/one#01",
        ".::TestDouble/two_words",
        ".::TestParallelA",
        ".::TestParallelB",
        ".::TestParallelB/deep",
        ".::TestParallelB/deep/er",
        ".::TestPrints",
        "query::TestQuery",
    ];
    assert_eq!(results(&report, Status::Passed), passed);
    let messages = report.remarks.unwrap().messages;
    assert_eq!(messages[".::TestDouble/#00"], "Double(3) = 6, want 7");
    assert_eq!(messages[".::TestSkipped"], "not here");
}

#[test]
fn a_panic_leaves_the_tests_behind_it_without_a_result_and_the_session_without_a_proper_end() {
    let report = read(recorded!("panics"));
    assert_eq!(report.alarms, Vec::<String>::new());
    assert!(!report.finished);
    assert_eq!(results(&report, Status::Passed), ["panics::TestBefore", "query::TestQuery"]);
    let failed = results(&report, Status::Failed);
    assert_eq!(failed, ["panics::TestPanics", "panics::TestPanics/sub"]);
    assert!(failed.iter().all(|id| report.tests[*id].error.as_deref() == Some(PANIC)));
    assert!(!report.tests.contains_key("panics::TestAfter"));
}

#[test]
fn a_package_that_does_not_build_is_an_error_of_its_folder_and_the_others_run() {
    let report = read(recorded!("unbuilt"));
    assert_eq!(report.alarms, Vec::<String>::new());
    assert!(report.finished);
    assert_eq!(report.collect_errors, BTreeMap::from([("broken".to_owned(), UNDEFINED.to_owned())]));
    let raised = report.traces["broken"].raised.as_ref().unwrap();
    assert_eq!((raised.file.as_str(), raised.line), ("broken/b_test.go", 5));
    assert_eq!(report.remarks.as_ref().unwrap().messages["broken"], "undefined: undefined");
    assert_eq!(results(&report, Status::Passed), ["query::TestQuery"]);
}

#[test]
fn results_that_a_test_prints_before_it_ends_the_process_are_no_results() {
    let report = read(recorded!("forges"));
    assert_eq!(report.exit_status, Some(0));
    assert!(!report.finished, "the binary did not say its last word");
    assert_eq!(results(&report, Status::Passed), ["exits::TestRight"]);
    assert_eq!(without_results(&report), ["exits::TestForges"]);
    assert!(!report.tests.contains_key("exits::TestWrong"));
}

#[test]
fn a_failure_stays_one_if_the_process_ends_with_0() {
    let report = read(recorded!("exit_hidden"));
    assert_eq!(results(&report, Status::Failed), ["main::TestFails"]);
    assert_eq!(report.exit_status, Some(0));
}

#[test]
fn a_package_that_ends_badly_though_none_of_its_tests_failed_is_named_whatever_failed_elsewhere() {
    let (run, pass, fail) = ("=== RUN   TestA", "--- PASS: TestA (0.00s)", "--- FAIL: TestA (0.00s)");
    let end = |status: &str| format!("assay n0nce ended {status}");
    let of = |last_word: &str, result: &str, status: &str| {
        let failing = ["assay n0nce run q", run, fail, "FAIL", "assay n0nce ended 1", "assay n0nce end 1"];
        let lines = ["assay n0nce start", "assay n0nce run p", run, result, last_word, &end(status)].map(str::to_owned);
        let lines = lines.into_iter().chain(failing.map(str::to_owned));
        read(lines.map(|line| format!("\u{16}{line}\n")).collect::<String>().as_bytes())
    };
    for (last_word, result, status) in [("PASS", pass, "1"), ("FAIL", pass, "1"), ("PASS", pass, "137")] {
        let report = of(last_word, result, status);
        let said = format!("p ended with status {status}, and none of its tests failed");
        assert_eq!((report.contradictions, report.alarms.len()), (vec![said], 0));
    }
    for (last_word, result, status) in [("PASS", pass, "0"), ("FAIL", fail, "1"), ("FAIL", fail, "0")] {
        assert_eq!(of(last_word, result, status).contradictions, Vec::<String>::new(), "{result} {status}");
    }
}

#[test]
fn a_run_of_chosen_tests_in_another_order_reports_those_alone() {
    let report = read(recorded!("only"));
    assert!(report.finished && report.alarms.is_empty());
    let passed = [".::TestDouble", ".::TestDouble/one#01", "panics::TestAfter", "panics::TestBefore"];
    assert_eq!(results(&report, Status::Passed), passed);
}

#[test]
fn a_session_that_is_stopped_anywhere_is_unfinished_and_no_alarm() {
    let bytes = recorded!("outcomes");
    for length in 0..bytes.len() {
        let report = read(&bytes[..length]);
        assert!(!report.finished, "{length}");
        assert_eq!(report.alarms, Vec::<String>::new(), "{length}");
    }
    assert!(!parse(bytes, true, "n0nce").finished, "the sandbox cut the channel");
}

#[test]
fn whatever_neither_go_nor_our_launcher_writes_raises_an_alarm() {
    let (run, pass) = ("=== RUN   TestA", "--- PASS: TestA (0.00s)");
    let table: [(&[&str], &str); 8] = [
        (&["assay guess run q", "PASS"], "wrong nonce"),
        (&[pass, "PASS"], "was not started"),
        (&[run, pass, pass, "PASS"], "or has one"),
        (&[run, "PASS", pass], "after its last word"),
        (&[run, pass, "PASS", "PASS"], "after its last word"),
        (&["assay n0nce start"], "start out of order"),
        (&["assay n0nce run q"], "run out of order"),
        (&["assay n0nce ended 0", run, "assay n0nce run p"], "while none runs"),
    ];
    for (lines, alarm) in table {
        let report = read(&session(lines));
        assert!(report.alarms.iter().any(|text| text.contains(alarm)), "{alarm}: {:?}", report.alarms);
    }
    let late = [session(&["PASS"]), b"\x16assay n0nce run q\n".to_vec()].concat();
    assert_eq!(read(&late).alarms, ["line 6: after the end"]);
}

#[test]
fn a_test_of_a_name_that_two_packages_of_a_folder_have_has_not_passed() {
    let (run, pass) = ("=== RUN   TestA", "--- PASS: TestA (0.00s)");
    let report = read(&session(&[run, pass, run, pass, "PASS"]));
    assert_eq!(report.alarms, Vec::<String>::new());
    assert!(!report.tests["p::TestA"].passed());
}

#[test]
fn bytes_that_tests_print_are_no_lines_of_go_though_they_hold_the_mark() {
    let report = read(&session(&["=== RUN   TestA", "binary \u{16}\u{16}junk", "--- PASS: TestA (0.00s)", "PASS"]));
    assert_eq!(report.alarms, Vec::<String>::new());
    assert!(report.finished && report.tests["p::TestA"].passed());
}

#[test]
fn a_missing_module_has_a_kind_of_its_own_and_no_line_of_the_tree() {
    let said = "assay n0nce said b_test.go:7:2: no required module provides package gopkg.in/yaml.v3; to add it:";
    let lines = ["assay n0nce start", "assay n0nce unbuilt cmd/b", said, "assay n0nce end 1"];
    let stream: String = lines.iter().map(|line| format!("\n\u{16}{line}\n")).collect();
    let report = read(stream.as_bytes());
    assert_eq!(report.collect_errors["cmd/b"], MISSING_MODULE);
    assert!(report.finished);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_fail(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        proptest::prop_assert!(!read(&bytes).finished);
    }
}
