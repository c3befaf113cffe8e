//! The table of path classes: what a row is, and the rows that hold whatever the language. A language has its own rows.
//!
//! The classes are test, fixture, runner configuration, build configuration, start-up, bytecode, VCS, CI, docs,
//! generated and binary. A path without a row is source. [`super::classes`] reads the rows in stages: a row of an
//! earlier stage decides before one of a later stage, and inside a stage the rows of the language come first.
//!
//! Patterns stand in small letters, separated by blanks; `*` is any text.

use crate::model::candidate::PathClass;

/// What a pattern is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The file's name.
    Name,
    /// Any part of the path: a folder on the way, or the name.
    Part,
    /// A folder on the way, or several after each other (`src/test`).
    Below,
    /// The same, for files of source code only.
    CodeBelow,
    /// The end of the path, whole parts.
    Tail,
    /// The path from the top on.
    Path,
}

/// Patterns, and the class of a path that one of them fits.
#[derive(Clone, Copy, Debug)]
pub struct Row(pub Kind, pub &'static str, pub PathClass);

use Kind::{Below, Name, Part};
use PathClass::{Binary, BuildConfig, Bytecode, Ci, Docs, Generated, Vcs};

/// Stages of the table.
pub(crate) const STAGES: u8 = 7;

/// The stage in which the rows of a class are read. What runs without being asked comes first, and what only says what a
/// file holds comes last.
pub(crate) fn stage(class: PathClass) -> u8 {
    match class {
        PathClass::Bytecode => 0,
        PathClass::Ci | PathClass::Vcs => 1,
        PathClass::Startup => 2,
        PathClass::RunnerConfig => 3,
        PathClass::Test | PathClass::Fixture => 4,
        PathClass::BuildConfig => 5,
        PathClass::Generated | PathClass::Binary | PathClass::Docs | PathClass::Source => 6,
    }
}

/// The rows of every language.
pub(crate) const ROWS: &[Row] = &[
    // Compiled code: it runs instead of the source that a diff shows.
    Row(Name, "*.so *.so.* *.pyd *.dll *.dylib *.o *.a *.exe", Bytecode),
    // Services that build and check.
    Row(Part, ".github .circleci .gitlab .azure-pipelines .buildkite .woodpecker", Ci),
    Row(Name, ".travis.yml .gitlab-ci.yml appveyor.yml .appveyor.yml azure-pipelines.yml .pre-commit-config.yaml", Ci),
    Row(Name, ".readthedocs.yml .readthedocs.yaml codecov.yml .codecov.yml jenkinsfile .drone.yml .cirrus.yml", Ci),
    Row(Part, ".git* .hg .hgignore .hgtags .svn .bzr", Vcs),
    // How the project is built and packaged. The sealed image was made from base's copy.
    Row(Name, "makefile gnumakefile meson.build meson_options.txt cmakelists.txt dockerfile *.lock", BuildConfig),
    // Written by a program, for a program.
    Row(Name, "*.pb.go *.pb.cc *.pb.h *.min.js *.min.css *.map *.generated.* *_generated.*", Generated),
    Row(Name, "*.png *.jpg *.jpeg *.gif *.ico *.webp *.bmp *.pdf *.woff *.woff2 *.ttf *.otf *.eot *.mp3 *.mp4", Binary),
    Row(
        Name,
        "*.zip *.gz *.tgz *.bz2 *.xz *.zst *.tar *.7z *.npy *.npz *.pkl *.pickle *.parquet *.h5 *.sqlite *.db *.bin",
        Binary,
    ),
    Row(Below, "docs doc", Docs),
    Row(Name, "*.rst *.md *.adoc license license.* copying notice authors authors.*", Docs),
];
