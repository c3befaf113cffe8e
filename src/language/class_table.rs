//! The table of path classes: what a path is by its name alone, per language. Rows only; [`super::classes`] reads them.
//!
//! The classes are test, fixture, runner configuration, build configuration, start-up, bytecode, VCS, CI, docs,
//! generated and binary. A path without a row is source. The rows for Cargo, Go, Maven and Gradle, Node, Ruby, PHP and
//! CTest wait for adapters of their runners.
//!
//! The first row that fits decides. Patterns stand in small letters, separated by blanks; `*` is any text.

use crate::model::candidate::PathClass;

/// Whose rows they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Any,
    Python,
    Rust,
    Go,
    Jvm,
    Node,
    Ruby,
    Php,
    Cmake,
}

/// What a pattern is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
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

pub(crate) struct Row(pub Scope, pub Kind, pub &'static str, pub PathClass);

use Kind::{Below, CodeBelow, Name, Part, Path, Tail};
use PathClass::{Binary, BuildConfig, Bytecode, Ci, Docs, Fixture, Generated, RunnerConfig, Startup, Test, Vcs};
use Scope::{Any, Cmake, Go, Jvm, Node, Php, Python, Ruby, Rust};

/// Endings of source code, for [`Kind::CodeBelow`].
pub(crate) const CODE: &str = "py pyi pyx pxd rs go java kt kts groovy scala js jsx ts tsx mjs cjs mts cts vue rb php \
                               phpt c cc cpp cxx h hh hpp hxx";

pub(crate) const ROWS: &[Row] = &[
    // Compiled code: it runs instead of the source that a diff shows.
    Row(Python, Part, "__pycache__", Bytecode),
    Row(Python, Name, "*.pyc *.pyo *.egg *.whl *.pyz *.zipapp", Bytecode),
    Row(Any, Name, "*.so *.so.* *.pyd *.dll *.dylib *.o *.a *.exe", Bytecode),
    Row(Jvm, Name, "*.class *.jar *.war *.ear", Bytecode),
    Row(Node, Name, "*.node *.wasm", Bytecode),
    // Services that build and check.
    Row(Any, Part, ".github .circleci .gitlab .azure-pipelines .buildkite .woodpecker", Ci),
    Row(
        Any,
        Name,
        ".travis.yml .gitlab-ci.yml appveyor.yml .appveyor.yml azure-pipelines.yml .pre-commit-config.yaml",
        Ci,
    ),
    Row(
        Any,
        Name,
        ".readthedocs.yml .readthedocs.yaml codecov.yml .codecov.yml jenkinsfile .drone.yml .cirrus.yml",
        Ci,
    ),
    Row(Any, Part, ".git* .hg .hgignore .hgtags .svn .bzr", Vcs),
    // What an interpreter or a tool runs on its own, before any test.
    Row(Python, Part, "sitecustomize sitecustomize.py usercustomize usercustomize.py", Startup),
    Row(Python, Name, "pyvenv.cfg *.pth *.egg-link pyodide.json", Startup),
    // Installed-package metadata beside the code: the runner loads plugins that it names, and the code its version.
    Row(Python, Part, "*.egg-info *.dist-info", Startup),
    Row(Node, Below, "node_modules", Startup),
    Row(Php, Below, "vendor", Startup),
    // Runners.
    Row(
        Python,
        Name,
        "conftest.py pytest.ini .pytest.ini pytest.toml .pytest.toml tox.ini setup.cfg pyproject.toml",
        RunnerConfig,
    ),
    Row(Python, Name, "noxfile.py .coveragerc coverage.toml unittest.cfg nose2.cfg .noserc nose.cfg", RunnerConfig),
    Row(Rust, Tail, ".cargo/config .cargo/config.toml .config/nextest.toml", RunnerConfig),
    Row(Rust, Name, "rust-toolchain rust-toolchain.toml nextest.toml tarpaulin.toml", RunnerConfig),
    Row(Jvm, Below, ".mvn", RunnerConfig),
    Row(Jvm, Name, "junit-platform.properties testng.xml testng.yaml arquillian.xml", RunnerConfig),
    Row(
        Node,
        Name,
        "jest.config.* jest.setup.* jest-*.config.* vitest.config.* vitest.workspace.* vitest.setup.*",
        RunnerConfig,
    ),
    Row(
        Node,
        Name,
        ".mocharc .mocharc.* mocha.opts karma.conf.* ava.config.* playwright.config.* cypress.config.*",
        RunnerConfig,
    ),
    Row(
        Node,
        Name,
        "vite.config.* babel.config.* .babelrc .babelrc.* .swcrc .npmrc .yarnrc .yarnrc.yml .nycrc .nycrc.* .taprc",
        RunnerConfig,
    ),
    Row(
        Ruby,
        Name,
        ".rspec .rspec-local spec_helper.rb rails_helper.rb test_helper.rb cucumber.yml .simplecov",
        RunnerConfig,
    ),
    Row(Php, Name, "phpunit.xml phpunit.xml.dist phpunit.dist.xml phpunit.php pest.php behat.yml", RunnerConfig),
    Row(Cmake, Name, "ctesttestfile.cmake ctestcustom.cmake ctestconfig.cmake dartconfiguration.tcl", RunnerConfig),
    // Tests, and what they read.
    Row(Python, Name, "test_*.py *_test.py", Test),
    Row(
        Python,
        CodeBelow,
        "test tests testing unittests unit_tests unit-tests functional_tests functional-tests integration_tests \
         integration-tests regression_tests e2e_tests test_suite testsuite",
        Test,
    ),
    Row(
        Python,
        Below,
        "test tests testing unittests unit_tests unit-tests functional_tests functional-tests integration_tests \
         integration-tests regression_tests e2e_tests test_suite testsuite testdata test_data test-data __snapshots__",
        Fixture,
    ),
    Row(Rust, CodeBelow, "tests benches", Test),
    Row(Rust, Below, "tests benches testdata snapshots", Fixture),
    Row(Rust, Name, "*.snap", Fixture),
    Row(Go, Name, "*_test.go", Test),
    Row(Go, Below, "testdata", Fixture),
    Row(Jvm, CodeBelow, "src/test src/it src/integrationtest src/androidtest src/testfixtures", Test),
    Row(Jvm, Below, "src/test src/it src/integrationtest src/androidtest src/testfixtures", Fixture),
    Row(
        Jvm,
        Name,
        "*test.java *tests.java *testcase.java *it.java *test.kt *tests.kt *spec.groovy *spec.scala *test.scala",
        Test,
    ),
    Row(Node, Name, "*.test.* *.spec.* *.e2e.* *.test-d.ts", Test),
    Row(Node, CodeBelow, "__tests__ __test__ __mocks__ test tests spec specs e2e cypress", Test),
    Row(
        Node,
        Below,
        "__tests__ __test__ __mocks__ __snapshots__ __fixtures__ test tests spec specs e2e cypress",
        Fixture,
    ),
    Row(Node, Name, "*.snap", Fixture),
    Row(Ruby, Name, "*_spec.rb *_test.rb test_*.rb *.feature", Test),
    Row(Ruby, CodeBelow, "spec test tests features", Test),
    Row(Ruby, Below, "spec test tests features", Fixture),
    Row(Php, Name, "*test.php *.phpt *cest.php", Test),
    Row(Php, CodeBelow, "test tests spec", Test),
    Row(Php, Below, "test tests spec", Fixture),
    Row(Cmake, Name, "*_test.c *_test.cc *_test.cpp *_unittest.cc *_unittest.cpp test_*.c test_*.cc test_*.cpp", Test),
    Row(Cmake, CodeBelow, "test tests unittests unittest testing gtest", Test),
    Row(Cmake, Below, "test tests unittests unittest testing testdata", Fixture),
    // How the project is built and packaged. The sealed image was made from base's copy.
    Row(
        Python,
        Name,
        "setup.py manifest.in pipfile environment.yml environment.yaml tox.toml pkg-info conda.yaml",
        BuildConfig,
    ),
    Row(Python, Name, "requirements*.txt requirements*.in constraints*.txt", BuildConfig),
    Row(Python, Tail, "requirements/*.txt requirements/*.in", BuildConfig),
    Row(Any, Name, "makefile gnumakefile meson.build meson_options.txt cmakelists.txt dockerfile *.lock", BuildConfig),
    Row(Rust, Name, "cargo.toml build.rs .rustfmt.toml rustfmt.toml clippy.toml", BuildConfig),
    Row(Go, Name, "go.mod go.sum go.work go.work.sum", BuildConfig),
    Row(Go, Path, "vendor/*", BuildConfig),
    Row(
        Jvm,
        Name,
        "pom.xml build.gradle build.gradle.kts settings.gradle settings.gradle.kts gradle.properties",
        BuildConfig,
    ),
    Row(
        Jvm,
        Name,
        "init.gradle libs.versions.toml mvnw mvnw.cmd gradlew gradlew.bat build.sbt build.xml ivy.xml",
        BuildConfig,
    ),
    Row(Jvm, Path, "gradle/* buildsrc/*", BuildConfig),
    Row(
        Node,
        Name,
        "package.json package-lock.json npm-shrinkwrap.json pnpm-lock.yaml pnpm-workspace.yaml",
        BuildConfig,
    ),
    Row(
        Node,
        Name,
        "tsconfig*.json jsconfig.json webpack.config.* rollup.config.* lerna.json nx.json turbo.json",
        BuildConfig,
    ),
    Row(Ruby, Name, "gemfile rakefile *.gemspec .ruby-version", BuildConfig),
    Row(Php, Name, "composer.json", BuildConfig),
    Row(Cmake, Name, "*.cmake makefile.* configure configure.ac cmakepresets.json conanfile.*", BuildConfig),
    // Written by a program, for a program.
    Row(
        Any,
        Name,
        "*_pb2.py *_pb2_grpc.py *.pb.go *.pb.cc *.pb.h *.min.js *.min.css *.map *.generated.* *_generated.*",
        Generated,
    ),
    Row(Any, Name, "parsetab.py lextab.py", Generated),
    Row(
        Any,
        Name,
        "*.png *.jpg *.jpeg *.gif *.ico *.webp *.bmp *.pdf *.woff *.woff2 *.ttf *.otf *.eot *.mp3 *.mp4",
        Binary,
    ),
    Row(
        Any,
        Name,
        "*.zip *.gz *.tgz *.bz2 *.xz *.zst *.tar *.7z *.npy *.npz *.pkl *.pickle *.parquet *.h5 *.sqlite *.db *.bin",
        Binary,
    ),
    Row(Any, Below, "docs doc", Docs),
    Row(Any, Name, "*.rst *.md *.adoc license license.* copying notice authors authors.*", Docs),
];
