//! Why a test fails on base: an assertion, the code under test, or itself.

use super::test::Subject;
use crate::candidate::PathClass;
use crate::strength::FailureClass;
use crate::trial::TestResult;

/// A failure, classed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Right(FailureClass),
    /// The test is broken, not the code.
    Wrong,
    /// The report names no exception.
    Unknown,
}

/// What a test raises that cannot be imported, read or resolved.
const BROKEN: [&str; 6] =
    ["ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError", "TabError", "NameError"];
/// What the use of a name that is not there raises.
const MISSING: [&str; 5] = ["ImportError", "ModuleNotFoundError", "NameError", "AttributeError", "TypeError"];
/// `Failed` is what pytest raises for `pytest.fail` and for a `raises` that saw nothing.
const ASSERTIONS: [&str; 2] = ["AssertionError", "Failed"];

/// Classes the failure of a test in its own body. `file` is the test's.
pub(super) fn class(test: &TestResult, file: &str, subject: &Subject) -> Class {
    let Some(kind) = test.error.as_deref() else { return Class::Unknown };
    let in_tests = |path: &String| {
        path == file || !matches!(subject.admission.class_of(path), PathClass::Source | PathClass::BuildConfig)
    };
    let raised_in_test = test.frames.last().is_none_or(in_tests);
    if raised_in_test {
        return match kind {
            kind if ASSERTIONS.contains(&kind) => Class::Right(FailureClass::Assertion),
            // The test's own deadline passed, a fixture is not there, or the network is not.
            "Timeout" | "TimeoutError" | "FixtureLookupError" | "NetworkUnreachable" => Class::Wrong,
            kind if MISSING.contains(&kind) && !subject.oracle.new_names.is_empty() => {
                Class::Right(FailureClass::ApiMissing)
            }
            kind if BROKEN.contains(&kind) => Class::Wrong,
            _ if test.frames.iter().any(|frame| subject.admission.gold_files.contains(frame)) => {
                Class::Right(FailureClass::ChangedCode)
            }
            _ => Class::Right(FailureClass::OwnStatement),
        };
    }
    match test.frames.iter().any(|frame| subject.admission.gold_files.contains(frame)) {
        true => Class::Right(FailureClass::ChangedCode),
        false => Class::Right(FailureClass::OtherCode),
    }
}
