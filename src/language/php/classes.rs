//! What a path is by its name alone: the rows of PHP.

use crate::language::class_table::Kind::{Below, CodeBelow, Name};
use crate::language::class_table::Row;
use crate::model::candidate::PathClass::{BuildConfig, Fixture, RunnerConfig, Startup, Test};

pub(crate) const ROWS: &[Row] = &[
    // What an interpreter or a tool runs on its own, before any test.
    Row(Below, "vendor", Startup),
    // Runners.
    Row(Name, "phpunit.xml phpunit.xml.dist phpunit.dist.xml phpunit.php pest.php behat.yml", RunnerConfig),
    // Tests, and what they read.
    Row(Name, "*test.php *.phpt *cest.php", Test),
    Row(CodeBelow, "test tests spec", Test),
    Row(Below, "test tests spec", Fixture),
    // How the project is built and packaged. The sealed image was made from base's copy.
    Row(Name, "composer.json", BuildConfig),
];
