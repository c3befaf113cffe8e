//! What a path is by its name alone: the rows of Ruby.

use crate::language::class_table::Kind::{Below, CodeBelow, Name};
use crate::language::class_table::Row;
use crate::model::candidate::PathClass::{BuildConfig, Fixture, RunnerConfig, Test};

pub(crate) const ROWS: &[Row] = &[
    // Runners.
    Row(
        Name,
        ".rspec .rspec-local spec_helper.rb rails_helper.rb test_helper.rb cucumber.yml .simplecov",
        RunnerConfig,
    ),
    // Tests, and what they read.
    Row(Name, "*_spec.rb *_test.rb test_*.rb *.feature", Test),
    Row(CodeBelow, "spec test tests features", Test),
    Row(Below, "spec test tests features", Fixture),
    // How the project is built and packaged. The sealed image was made from base's copy.
    Row(Name, "gemfile rakefile *.gemspec .ruby-version", BuildConfig),
];
