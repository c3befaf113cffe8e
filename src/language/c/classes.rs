//! What a path is by its name alone: the rows of C and C++ with CMake.

use crate::language::class_table::Kind::{Below, CodeBelow, Name};
use crate::language::class_table::Row;
use crate::model::candidate::PathClass::{BuildConfig, Fixture, RunnerConfig, Test};

pub(crate) const ROWS: &[Row] = &[
    // Runners.
    Row(Name, "ctesttestfile.cmake ctestcustom.cmake ctestconfig.cmake dartconfiguration.tcl", RunnerConfig),
    // Tests, and what they read.
    Row(Name, "*_test.c *_test.cc *_test.cpp *_unittest.cc *_unittest.cpp test_*.c test_*.cc test_*.cpp", Test),
    Row(CodeBelow, "test tests unittests unittest testing gtest", Test),
    Row(Below, "test tests unittests unittest testing testdata", Fixture),
    // How the project is built and packaged. The sealed image was made from base's copy.
    Row(Name, "*.cmake makefile.* configure configure.ac cmakepresets.json conanfile.*", BuildConfig),
];
