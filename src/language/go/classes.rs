//! What a path is by its name alone: the rows of Go.

use crate::language::class_table::Kind::{Below, CodeBelow, Name, Path};
use crate::language::class_table::Row;
use crate::model::candidate::PathClass::{BuildConfig, Bytecode, Fixture, Test};

/// Folders of tests and their helpers.
const TEST_FOLDERS: &str = "test tests testing testutil testutils testhelper testhelpers testsupport testenv e2e integration \
                            integration_test integration_tests integrationtest integrationtests";

pub(crate) const ROWS: &[Row] = &[
    // Compiled code: it is linked into a package without being asked for.
    Row(Name, "*.syso", Bytecode),
    // Tests, and what they read. A helper in a folder of any other name, such as `internal/assert`, is taken for source.
    Row(Name, "*_test.go", Test),
    Row(Name, "*.golden", Fixture),
    Row(Below, "testdata test_data golden goldens fixtures", Fixture),
    Row(CodeBelow, TEST_FOLDERS, Test),
    Row(Below, TEST_FOLDERS, Fixture),
    // How the project is built and packaged. The sealed image was made from base's copy.
    Row(Name, "go.mod go.sum go.work go.work.sum", BuildConfig),
    Row(Path, "vendor/*", BuildConfig),
];
