//! What a path is by its name alone: the rows of Python.

use crate::language::class_table::Kind::{Below, CodeBelow, Name, Part, Tail};
use crate::language::class_table::Row;
use crate::model::candidate::PathClass::{BuildConfig, Bytecode, Fixture, Generated, RunnerConfig, Startup, Test};

pub(crate) const ROWS: &[Row] = &[
    // Compiled code: it runs instead of the source that a diff shows.
    Row(Part, "__pycache__", Bytecode),
    Row(Name, "*.pyc *.pyo *.egg *.whl *.pyz *.zipapp", Bytecode),
    // What an interpreter or a tool runs on its own, before any test.
    Row(Part, "sitecustomize sitecustomize.py usercustomize usercustomize.py", Startup),
    Row(Name, "pyvenv.cfg *.pth *.egg-link pyodide.json", Startup),
    // Installed-package metadata beside the code: the runner loads plugins that it names, and the code its version.
    Row(Part, "*.egg-info *.dist-info", Startup),
    // Runners.
    Row(
        Name,
        "conftest.py pytest.ini .pytest.ini pytest.toml .pytest.toml tox.ini setup.cfg pyproject.toml",
        RunnerConfig,
    ),
    Row(Name, "noxfile.py .coveragerc coverage.toml unittest.cfg nose2.cfg .noserc nose.cfg", RunnerConfig),
    // Tests, and what they read.
    Row(Name, "test_*.py *_test.py", Test),
    Row(
        CodeBelow,
        "test tests testing unittests unit_tests unit-tests functional_tests functional-tests integration_tests \
         integration-tests regression_tests e2e_tests test_suite testsuite",
        Test,
    ),
    Row(
        Below,
        "test tests testing unittests unit_tests unit-tests functional_tests functional-tests integration_tests \
         integration-tests regression_tests e2e_tests test_suite testsuite testdata test_data test-data __snapshots__",
        Fixture,
    ),
    // How the project is built and packaged. The sealed image was made from base's copy.
    Row(
        Name,
        "setup.py manifest.in pipfile environment.yml environment.yaml tox.toml pkg-info conda.yaml",
        BuildConfig,
    ),
    Row(Name, "requirements*.txt requirements*.in constraints*.txt", BuildConfig),
    Row(Tail, "requirements/*.txt requirements/*.in", BuildConfig),
    // Written by a program, for a program.
    Row(Name, "*_pb2.py *_pb2_grpc.py parsetab.py lextab.py", Generated),
];
