//! How failures are told by the reporters: equal texts for equal failures, whatever moved around them.

use crate::harness::{Test, tests};
use std::fs;

use swe_assay::inside::model::trial::{Origin, TestReport, Trace};

use crate::framework::{World, pythons};

const TEST: &str = "tests/test_case.py";
const CASE: &str = "
import unittest
import shop


class Case(unittest.TestCase):
    def test_price(self):
        assert shop.price() == 2

    def test_absent(self):
        with self.assertRaises(ValueError):
            shop.price()

    def test_disk(self):
        shop.disk()

    def test_text(self):
        shop.text()

    def test_odd(self):
        shop.odd()

    def test_both(self):
        shop.both()
";
const SHOP: &str = "
def price():
    return object and 1


def disk():
    try:
        open('/no/such/file')
    except OSError:
        raise ValueError('no disk')


def text():
    raise ValueError('at {} \\ud800'.format(object()))

def odd():
    exec(compile('raise ValueError()', __file__[:-3] + '\\udcff.py', 'exec'))


def both():
    try:
        open('/no/such/file')
    except OSError:
        raise ValueError('no disk') from KeyError('disk')
";

/// The report of the case over a shop, by each reporter.
fn reports(shop: &str) -> Vec<(String, TestReport)> {
    let world = World::of("every-outcome");
    fs::remove_dir_all(world.path().join("tests")).unwrap();
    fs::create_dir(world.path().join("tests")).unwrap();
    fs::write(world.path().join(TEST), CASE).unwrap();
    fs::write(world.path().join("src/shop.py"), shop).unwrap();
    let mut ways = vec![("unittest".to_owned(), "unittest", "python3".to_owned())];
    ways.extend(pythons().into_iter().map(|(major, python)| (format!("pytest {major}"), "pytest", python)));
    ways.into_iter().map(|(name, framework, python)| (name, world.run(framework, &python, &[TEST]).report)).collect()
}

/// Code without lines, which pytest 7 itself stumbles over.
const NOWHERE: &str = "
import unittest


class Case(unittest.TestCase):
    def test_nowhere(self):
        code = compile('raise ValueError()', __file__, 'exec')
        exec(code.replace(co_linetable=b'') if hasattr(code, 'co_linetable') else code.replace(co_lnotab=b''))
";

fn trace<'a>(report: &'a TestReport, test: &str) -> &'a Trace {
    &report.traces[&format!("{TEST}::Case::{test}")]
}

fn a_failure_reads_the_same_where_only_lines_around_it_moved_and_another_one_does_not() {
    let moved = format!("# Looked into it.\n\n{SHOP}");
    let other = SHOP.replace("and 1", "and 3");
    for (((name, first), (_, moved)), (_, other)) in reports(SHOP).into_iter().zip(reports(&moved)).zip(reports(&other))
    {
        assert_eq!(first.alarms, Vec::<String>::new(), "{name}");
        assert_eq!(first.traces.len(), 6, "{name}");
        let told =
            |report: &TestReport| report.traces.iter().map(|(id, trace)| (id.clone(), trace.digest.clone())).collect();
        let (one, two): (Vec<_>, Vec<_>) = (told(&first), told(&moved));
        assert_eq!(one, two, "{name}: addresses and lines of the code say nothing");
        assert_eq!(trace(&first, "test_disk").origin, Origin::System, "{name}: raised over an error of the system");
        assert_eq!(trace(&first, "test_both").origin, Origin::System, "{name}: beside another cause too");
        assert_eq!(trace(&first, "test_odd").origin, Origin::Repository, "{name}: a file of no sound name");
        assert_eq!(trace(&first, "test_text").origin, Origin::Repository, "{name}");
        let line = |report: &TestReport| trace(report, "test_text").raised.as_ref().map(|place| place.line);
        assert_eq!(line(&first).map(|line| line + 2), line(&moved), "{name}: where it was raised is said apart");
        assert_eq!(trace(&first, "test_absent").origin, Origin::Elsewhere, "{name}: raised by unittest");
        let told = name != "unittest";
        assert_eq!(trace(&first, "test_price") != trace(&other, "test_price"), told, "{name}: the values that differ");
    }
}

fn a_failure_on_no_line_is_reported_like_any_other() {
    let world = World::of("every-outcome");
    fs::write(world.path().join(TEST), NOWHERE).unwrap();
    let report = world.run("unittest", "python3", &[TEST]).report;
    assert!(report.finished);
    assert_eq!(report.alarms, Vec::<String>::new());
    assert_eq!(trace(&report, "test_nowhere").raised, None);
}

fn code_that_does_not_load_is_told_for_the_file_that_needs_it_and_for_its_fixtures() {
    let broken = format!("{SHOP}\nraise RuntimeError('attempt 1')\n");
    for (name, report) in reports(&broken) {
        assert_eq!(report.collect_errors[TEST], "RuntimeError", "{name}");
        assert_eq!(report.traces[TEST].origin, Origin::Repository, "{name}");
    }
    for (major, python) in pythons() {
        let world = World::of("every-outcome");
        fs::write(world.path().join("src/shop.py"), &broken).unwrap();
        fs::write(world.path().join("tests/conftest.py"), "import shop\n").unwrap();
        let report = world.run("pytest", &python, &["tests/test_outcomes.py"]).report;
        assert_eq!(report.alarms, Vec::<String>::new(), "pytest {major}");
        assert!(report.finished && report.tests.is_empty() && report.exit_status == Some(4), "pytest {major}");
        assert_eq!(report.collect_errors["tests/conftest.py"], "RuntimeError", "pytest {major}");
        assert_eq!(report.traces["tests/conftest.py"].origin, Origin::Repository, "pytest {major}");
    }
}

pub const TESTS: &[Test] = tests![
    a_failure_reads_the_same_where_only_lines_around_it_moved_and_another_one_does_not,
    a_failure_on_no_line_is_reported_like_any_other,
    code_that_does_not_load_is_told_for_the_file_that_needs_it_and_for_its_fixtures,
];
