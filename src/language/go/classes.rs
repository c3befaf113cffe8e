//! What a path is by its name alone: the rows of Go.

use crate::language::class_table::Kind::{Below, Name, Path};
use crate::language::class_table::Row;
use crate::model::candidate::PathClass::{BuildConfig, Fixture, Test};

pub(crate) const ROWS: &[Row] = &[
    // Tests, and what they read.
    Row(Name, "*_test.go", Test),
    Row(Below, "testdata", Fixture),
    // How the project is built and packaged. The sealed image was made from base's copy.
    Row(Name, "go.mod go.sum go.work go.work.sum", BuildConfig),
    Row(Path, "vendor/*", BuildConfig),
];
