//! What became of one test, in words, by the record of its runs.

use crate::model::cause::Cause;
use crate::model::lost::raised;
use crate::model::test_record::{FailureClass, Standing, TestRecord};
use crate::runner::Runner;

/// What was raised, and the service that is missing if that tells it.
pub(super) fn with_service(runner: &dyn Runner, error: &str, message: &str) -> String {
    let raised = raised(error, message);
    match runner.missing_service(error, message) {
        Some(service) => format!("{raised}; needs {service}"),
        None => raised,
    }
}

/// What became of a test that did not plainly pass, and what was raised.
pub(super) fn of_record(runner: &dyn Runner, record: &TestRecord, message: &str) -> (&'static str, String) {
    let why = || match &record.gold_failure {
        Some(FailureClass::Exception(error) | FailureClass::CollectError(error)) => {
            with_service(runner, error, message)
        }
        Some(FailureClass::Assertion) => raised(runner.assertion_name(), message),
        Some(class @ FailureClass::DidNotEnd(_)) => class.to_string(),
        None => String::new(),
    };
    match record.standing {
        Standing::NetworkDependent => ("needed the network on gold", why()),
        Standing::FailsOnGold => match &record.gold_failure {
            Some(FailureClass::Exception(error) | FailureClass::CollectError(error))
                if runner.cause(error) == Cause::MissingModule =>
            {
                ("lacked a module on gold", why())
            }
            _ => ("failed on gold", why()),
        },
        Standing::FailToPass => ("failed on base and passed on gold", String::new()),
        Standing::NotFailedOnBase => ("skipped or absent on base", String::new()),
        Standing::UnknownOnBase => ("not reached on base", String::new()),
        Standing::Flaky | Standing::OrderDependent | Standing::SeedOrZoneDependent => ("unsteady", why()),
    }
}
