//! What a path is by its name alone: the rows of Rust.

use crate::language::class_table::Kind::{Below, CodeBelow, Name, Tail};
use crate::language::class_table::Row;
use crate::model::candidate::PathClass::{BuildConfig, Fixture, RunnerConfig, Test};

pub(crate) const ROWS: &[Row] = &[
    // Runners.
    Row(Tail, ".cargo/config .cargo/config.toml .config/nextest.toml", RunnerConfig),
    Row(Name, "rust-toolchain rust-toolchain.toml nextest.toml tarpaulin.toml", RunnerConfig),
    // Tests, and what they read.
    Row(CodeBelow, "tests benches", Test),
    Row(Below, "tests benches testdata snapshots", Fixture),
    Row(Name, "*.snap", Fixture),
    // How the project is built and packaged. The sealed image was made from base's copy.
    Row(Name, "cargo.toml build.rs .rustfmt.toml rustfmt.toml clippy.toml", BuildConfig),
];
