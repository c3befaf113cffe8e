//! Why a test fails on base: an assertion, the code under test, or itself.

use super::subject::Subject;
use crate::model::candidate::PathClass;
use crate::model::cause::Cause;
use crate::model::strength::FailureClass;
use crate::model::trial::TestResult;
use crate::runner::Runner;

/// A failure, classed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Right(FailureClass),
    /// The test is broken, not the code.
    Wrong,
    /// The report names no exception.
    Unknown,
}

/// Classes the failure of a test in its own body.
pub(crate) fn class(id: &str, test: &TestResult, subject: &Subject, runner: &dyn Runner) -> Class {
    let Some(error) = test.error.as_deref() else { return Class::Unknown };
    let file = runner.target_of(id);
    let in_tests = |path: &String| {
        *path == file || !matches!(subject.admission.class_of(path), PathClass::Source | PathClass::BuildConfig)
    };
    let in_gold = test.frames.iter().any(|frame| subject.admission.gold_files.contains(frame));
    if !test.frames.last().is_none_or(in_tests) {
        return Class::Right(if in_gold { FailureClass::ChangedCode } else { FailureClass::OtherCode });
    }
    let wants_new_names = !subject.oracle.new_names.is_empty();
    let own = if in_gold { FailureClass::ChangedCode } else { FailureClass::OwnStatement };
    match runner.cause(error) {
        Cause::Assertion | Cause::ExplicitFailure => Class::Right(FailureClass::Assertion),
        // The test's own deadline passed, what the runner gives is not there, or the network is not.
        Cause::Deadline | Cause::MissingFixture | Cause::NoNetwork => Class::Wrong,
        Cause::MissingModule | Cause::MissingName if wants_new_names => Class::Right(FailureClass::ApiMissing),
        Cause::MissingModule | Cause::MissingName | Cause::Unreadable => Class::Wrong,
        Cause::MissingAttribute | Cause::WrongType if wants_new_names => Class::Right(FailureClass::ApiMissing),
        Cause::MissingAttribute
        | Cause::WrongType
        | Cause::UnboundName
        | Cause::NameClash
        | Cause::Network
        | Cause::Unnamed
        | Cause::Other => Class::Right(own),
    }
}
