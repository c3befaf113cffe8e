//! Test bodies without their runner: what is reported, what is not, and that nothing gives the run away.

use crate::harness::{Test, tests};
use swe_assay::inside::model::trial::{Mode, TestPlan};
use swe_assay::inside::runner::python::bare::RUNNER_LOADED;
use swe_assay::inside::runner::python::pytest::Pytest;
use swe_assay::inside::runner::{self, Runner};

use crate::framework::{NONCE, Ran, World, execute, phases, pythons};

const FORMS: &str = "tests/test_forms.py";
const CASES: &str = "tests/test_cases.py";

impl World {
    /// Runs these tests of a file without their runner.
    fn run_plainly(&self, framework: &str, python: &str, file: &str, tests: &[&str]) -> Ran {
        let only = tests.iter().map(|test| format!("{file}::{test}")).collect();
        let plan = TestPlan { files: vec![file.to_owned()], only, mode: Mode::Plain, ..TestPlan::default() };
        let workdir = self.path();
        let command = runner::by_name(framework).unwrap().bare().unwrap().command(
            python,
            workdir.to_str().unwrap(),
            &plan,
            NONCE,
        );
        let (output, channel) = execute(&command, &workdir);
        Ran { report: Pytest.parse(&channel, false, NONCE), output }
    }
}

/// Runs each test with its expected phases; those with none must not be reported.
fn hold(framework: &str, python: &str, file: &str, table: &[(&str, &str)]) {
    let world = World::of("tests-of-many-forms");
    let tests: Vec<_> = table.iter().map(|(test, _)| *test).collect();
    let Ran { report, output } = world.run_plainly(framework, python, file, &tests);
    assert!(report.finished && report.alarms.is_empty(), "{:?} {output:?}", report.alarms);
    assert_eq!(report.exit_status, output.status.code());
    assert!(report.collect_errors.is_empty(), "{:?} {output:?}", report.collect_errors);
    for (test, expected) in table {
        let id = format!("{file}::{test}");
        match *expected {
            "" => assert!(!report.tests.contains_key(&id), "{id} takes more than there is"),
            expected => assert_eq!(phases(&report, &id), expected, "{id}: {output:?}"),
        }
    }
}

fn bodies_of_pytest_tests_run_without_pytest() {
    let table = [
        ("test_passes", "S+C+T+"),
        ("test_fails", "S+C-T+"),
        ("test_breaks", "S+C-T+"),
        ("test_raises", "S+C+T+"),
        ("test_shares", "S+C+T+"),
        ("test_shares_in_vain", "S+C-T+"),
        ("test_raises_in_vain", "S+C-T+"),
        ("test_raises_another", "S+C-T+"),
        ("test_nearly", "S+C+T+"),
        ("test_not_nearly", "S+C-T+"),
        ("test_values[1-3]", "S+C+T+"),
        ("test_values[-0.5-None]", "S+C+T+"),
        ("test_values[9-9]", ""),
        ("test_names[int]", "S+C+T+"),
        ("test_names[a b]", "S+C+T+"),
        ("test_names[\\x00]", "S+C+T+"),
        ("test_names[None]", "S+C+T+"),
        ("test_names[True]", "S+C+T+"),
        ("test_names[x+]", "S+C+T+"),
        ("test_names[\\xfc\\n]", "S+C+T+"),
        ("test_names[]", "S+C+T+"),
        ("test_two_sets[three-one]", "S+C+T+"),
        ("test_two_sets[4-two]", "S+C+T+"),
        ("test_two_sets[one-three]", ""),
        ("test_same_names[10]", ""),
        ("test_same_names[1]", ""),
        ("test_makers[kg]", "S+C+T+"),
        ("test_makers[g]", "S+C+T+"),
        ("test_built_in", "S+C+T+"),
        ("test_built_in_was_undone", "S+C+T+"),
        ("test_log", ""),
        ("test_warns", "S+C+T+"),
        ("test_skipped", "Ss"),
        ("test_skips", "S+CsT+"),
        ("test_expected", ""),
        ("test_no_signs", "S+C+T+"),
        ("test_unknown", ""),
        ("TestGroup::test_method", "S+C+T+"),
        ("TestGroup::test_values[2]", "S+C+T+"),
        ("TestGroup::TestInner::test_inner", "S+C+T+"),
    ];
    hold("pytest", "python3", FORMS, &table);
    // Where there is a pytest it must not be loaded either, and its own ids are those that are understood.
    for (major, python) in pythons() {
        hold("pytest", &python, FORMS, &table);
        let world = World::of("tests-of-many-forms");
        let collected = world.run("pytest", &python, &[FORMS]).report.tests;
        for (test, _) in table.iter().filter(|(_, expected)| !expected.is_empty()) {
            assert!(collected.contains_key(&format!("{FORMS}::{test}")), "pytest {major} has no {test}");
        }
    }
}

fn bodies_of_unittest_tests_run_without_unittest() {
    let table = [
        ("ShopTests::test_passes", "S+C+T+"),
        ("ShopTests::test_fails", "S+C-T+"),
        ("ShopTests::test_shares", "S+C+T+"),
        ("ShopTests::test_parts", "S+C+T+"),
        ("ShopTests::test_a_part_fails", "S+C-T+"),
        ("ShopTests::test_raises", "S+C+T+"),
        ("ShopTests::test_raises_in_vain", "S+C-T+"),
        ("ShopTests::test_compares", "S+C+T+"),
        ("ShopTests::test_counts_wrongly", "S+C-T+"),
        ("ShopTests::test_cleans_up", "S+C+T+"),
        ("ShopTests::test_mocks", "S+C+T+"),
        ("ShopTests::test_skipped", "Ss"),
        ("ShopTests::test_expected", ""),
        ("ShopTests::test_no_signs", "S+C+T+"),
        ("Broken::test_never_runs", "S-T+"),
        ("Unlucky::test_never_runs", "S-"),
    ];
    for framework in ["unittest", "pytest"] {
        hold(framework, "python3", CASES, &table);
    }
}

fn a_suite_shows_the_signs_that_a_plain_run_does_not() {
    let world = World::of("tests-of-many-forms");
    let report = world.run("unittest", "python3", &[CASES]).report;
    assert_eq!(phases(&report, &format!("{CASES}::ShopTests::test_no_signs")), "S+C-T+");
}

fn a_project_that_loads_a_runner_is_named() {
    let world = World::of("tests-of-many-forms");
    let shop = world.path().join("src/shop.py");
    let text = std::fs::read_to_string(&shop).unwrap();
    std::fs::write(&shop, format!("import unittest\n{text}")).unwrap();
    let report = world.run_plainly("pytest", "python3", FORMS, &["test_passes"]).report;
    assert_eq!(report.collect_errors[FORMS], RUNNER_LOADED);
    assert!(report.tests[&format!("{FORMS}::test_passes")].passed(), "it is told what passed there nevertheless");
}

fn a_file_that_cannot_be_loaded_and_a_session_that_ends_early_report_no_pass() {
    let world = World::of("tests-of-many-forms");
    let shop = world.path().join("src/shop.py");
    let text = std::fs::read_to_string(&shop).unwrap();
    std::fs::write(&shop, format!("{text}\nraise KeyError(1)\n")).unwrap();
    let report = world.run_plainly("pytest", "python3", FORMS, &["test_passes"]).report;
    assert!(report.finished && report.tests.is_empty());
    assert_eq!(report.collect_errors[FORMS], "KeyError");

    std::fs::write(&shop, text.replace("    return number * 3", "    os._exit(0)")).unwrap();
    let Ran { report, output } = world.run_plainly("pytest", "python3", FORMS, &["test_passes"]);
    assert!(!report.finished && report.tests.is_empty(), "{report:?}");
    assert_eq!(output.status.code(), Some(1));
}

pub const TESTS: &[Test] = tests![
    bodies_of_pytest_tests_run_without_pytest,
    bodies_of_unittest_tests_run_without_unittest,
    a_suite_shows_the_signs_that_a_plain_run_does_not,
    a_project_that_loads_a_runner_is_named,
    a_file_that_cannot_be_loaded_and_a_session_that_ends_early_report_no_pass,
];
