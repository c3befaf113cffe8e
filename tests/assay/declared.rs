//! What the tests of one's own repository need is installed, and the interpreter is one that the project asks for.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Need, Test, skip, tests};
use crate::support::{assay, expect_exit, lines, stderr};

const BASE: &str = "def double(number):\n    return number + number + 1\n";
const GOLD: &str = "def double(number):\n    return number + number\n";
const TESTS_OF_IT: &str = "import pretend\n\nfrom doubling import double\n\n\ndef test_double():\n    stub = pretend.stub(number=2)\n    \
                           assert double(stub.number) == 4\n    assert double(3) == 6\n\n\ndef test_type():\n    assert isinstance(double(1), int)\n";

/// A repository with a fix: the folder of the clone.
fn repository(folder: &Path, pyproject: &str) -> PathBuf {
    let clone = folder.join("doubling");
    std::fs::create_dir_all(clone.join("tests")).unwrap();
    git(&clone, &["init", "-q"]);
    std::fs::write(clone.join("pyproject.toml"), pyproject).unwrap();
    let runner = "import pytest\n\n\ndef test_version():\n    assert pytest.__version__ == \"7.4.4\"\n";
    std::fs::write(clone.join("tests/test_runner.py"), runner).unwrap();
    let lock = "version = 1\n[[package]]\nname = 'pretend'\nversion = '1.0.8'\nsource = { registry = 'https://pypi.org/simple' }\n";
    std::fs::write(clone.join("uv.lock"), lock).unwrap();
    let locked = "from importlib.metadata import version\n\n\ndef test_version():\n    assert version(\"pretend\") == \"1.0.8\"\n";
    std::fs::write(clone.join("tests/test_locked.py"), locked).unwrap();
    for (source, tests) in
        [(BASE, "import pretend\n\n\ndef test_it():\n    assert pretend.stub(a=1).a == 1\n"), (GOLD, TESTS_OF_IT)]
    {
        std::fs::write(clone.join("doubling.py"), source).unwrap();
        std::fs::write(clone.join("tests/test_doubling.py"), tests).unwrap();
        git(&clone, &["add", "-A"]);
        git(&clone, &["commit", "-q", "-m", "change"]);
    }
    clone
}

fn git(clone: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    expect_exit(std::process::Command::new("git").current_dir(clone).args(who).args(arguments), 0);
}

fn pyproject(requires_python: &str, group: &str) -> String {
    format!(
        "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n[project]\nname = 'doubling'\nversion = '1'\n\
         requires-python = '{requires_python}'\n[tool.setuptools]\npy-modules = ['doubling']\n[dependency-groups]\ntest = {group}\n\
         docs = ['no-such-documentation-tool-of-assay']\n"
    )
}

/// The instance, and what was said on the way.
fn imported(clone: &Path, work: &Path, options: &[&str]) -> (Value, String) {
    let mut import = assay();
    import.args(["import", "git"]).arg(clone).args([
        "HEAD~1",
        "HEAD",
        "--problem",
        "double(2) is 5",
        "--license",
        "MIT",
    ]);
    let output = expect_exit(import.args(options).arg("--out").arg(work), 0);
    (lines(&work.join("instances.jsonl")).remove(0), stderr(&output))
}

/// The admission, and what was said.
fn validated(work: &Path, run: &Path) -> (Value, String) {
    let output = assay().arg("validate").arg(work).arg("--run").arg(run).output().unwrap();
    let admission = lines(&run.join("admissions.jsonl")).remove(0);
    let detail = admission["detail"].as_str().unwrap_or_default();
    if detail.contains("cannot reach the package index") {
        skip(Need::PackageIndex, detail);
    }
    (admission, format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output)))
}

fn passes(admission: &Value, test: &str) -> bool {
    admission["pass_to_pass"].as_array().unwrap().contains(&json!(test))
}

fn assertions_of_the_projects_own_plugin_are_rewritten_as_if_it_were_installed() {
    let place = tempfile::tempdir().unwrap();
    let plugin = "[project.entry-points.pytest11]\ndoubling = 'doubling'\n";
    let clone = repository(place.path(), &format!("{}{plugin}", pyproject(">=3.8", "['pretend']")));
    let same = "\n\ndef same(one, other):\n    assert one == other\n";
    let quiet = "\n\ndef test_nothing_is_warned_of():\n    import subprocess\n    import sys\n\n    said = subprocess.run([sys.executable, \
                 '-m', 'pytest', '-q', '--noconftest', 'tests/test_type.py'], stdout=subprocess.PIPE).stdout.decode()\n    \
                 assert '1 passed' in said and 'warning' not in said\n";
    let test = "import pytest\n\n\ndef test_same():\n    from doubling import same\n\n    with pytest.raises(AssertionError, \
                match=\"assert 1 == 2\"):\n        same(1, 2)\n";
    std::fs::write(clone.join("doubling.py"), format!("{GOLD}{same}")).unwrap();
    std::fs::write(clone.join("tests/test_type.py"), "def test_type():\n    pass\n").unwrap();
    std::fs::write(clone.join("tests/test_same.py"), format!("{test}{quiet}")).unwrap();
    git(&clone, &["add", "-A"]);
    git(&clone, &["commit", "-q", "-m", "same"]);
    let (work, run) = (place.path().join("work"), place.path().join("run"));
    imported(&clone, &work, &[]);
    let (admission, _) = validated(&work, &run);
    assert_eq!(admission["fail_to_pass"], json!(["tests/test_same.py::test_same"]), "{admission}");
    assert!(passes(&admission, "tests/test_same.py::test_nothing_is_warned_of"), "{admission}");
}

fn the_group_for_tests_is_installed_and_what_cannot_be_had_is_told_and_loses_nothing() {
    let place = tempfile::tempdir().unwrap();
    let group = "['pytest', 'pretend', 'no-such-distribution-of-assay==9']";
    let clone = repository(place.path(), &pyproject(">=3.8", group));
    let (work, run) = (place.path().join("work"), place.path().join("run"));
    let (instance, said) = imported(&clone, &work, &[]);
    let requirements = json!(["pytest", "pretend", "no-such-distribution-of-assay==9"]);
    assert_eq!(
        instance["environment"]["declared"],
        json!([{"source": "group test of pyproject.toml", "requirements": requirements}])
    );
    let line = "for the tests, from group test of pyproject.toml: pytest, pretend, no-such-distribution-of-assay==9";
    assert!(said.contains(line), "{said}");

    let (admission, said) = validated(&work, &run);
    assert_eq!(admission["refusal"], Value::Null, "{admission}");
    assert_eq!(admission["lost"], Value::Null, "{admission}");
    assert!(passes(&admission, "tests/test_locked.py::test_version"), "the version of the lock file: {admission}");
    let missing = "no-such-distribution-of-assay==9 (group test of pyproject.toml): No matching distribution found for \
                   no-such-distribution-of-assay==9";
    assert_eq!(admission["not_installed"], json!([missing]));
    assert!(said.contains(missing), "{said}");
    let report = std::fs::read_to_string(run.join("admission-report.md")).unwrap();
    assert!(report.contains(missing), "{report}");

    // Without it the test file does not load.
    let (work, run) = (place.path().join("bare"), place.path().join("bare-run"));
    let (instance, _) = imported(&clone, &work, &["--no-declared"]);
    assert_eq!(instance["environment"].get("declared"), None);
    let (admission, _) = validated(&work, &run);
    assert_ne!(admission["refusal"], Value::Null, "{admission}");
}

fn a_pin_of_the_runner_wins_over_the_recipe_and_an_unknown_version_is_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let clone = repository(place.path(), &pyproject(">=3.8", "['pretend', 'pytest==7.4.4']"));
    let (work, run) = (place.path().join("work"), place.path().join("run"));
    imported(&clone, &work, &[]);
    let (admission, _) = validated(&work, &run);
    assert_eq!(admission["refusal"], Value::Null, "{admission}");
    assert!(passes(&admission, "tests/test_runner.py::test_version"), "{admission}");

    let (work, run) = (place.path().join("old"), place.path().join("old-run"));
    imported(&clone, &work, &["--with", "pytest==2.9.2"]);
    let (admission, _) = validated(&work, &run);
    assert_eq!(admission["refusal"], "no_environment", "{admission}");
    let detail = admission["detail"].as_str().unwrap();
    assert!(
        detail.contains("pytest 2.9.2 would be installed") && detail.contains("the reporter knows 3 to 9"),
        "{detail}"
    );
}

fn an_interpreter_that_the_project_does_not_want_is_not_taken_and_the_refusal_names_those_that_are_here() {
    let place = tempfile::tempdir().unwrap();
    let clone = repository(place.path(), &pyproject(">=3.99", "[]"));
    let (work, run) = (place.path().join("work"), place.path().join("run"));
    imported(&clone, &work, &[]);
    let (admission, _) = validated(&work, &run);
    assert_eq!(admission["refusal"], "no_environment", "{admission}");
    let detail = admission["detail"].as_str().unwrap();
    let start = "the project needs Python >=3.99 (requires-python in pyproject.toml), and none of these is one: 3.";
    assert!(detail.contains(start), "{detail}");
    assert!(detail.contains("install one, for example with pyenv or uv, or name one with --python"), "{detail}");
}

fn options_that_another_language_does_not_have_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let clone = repository(place.path(), &pyproject(">=3.8", "[]"));
    for (options, setting) in [(["--group", "test"], "declared"), (["--python", "3.12"], "python")] {
        let mut import = assay();
        import
            .args(["import", "git"])
            .arg(&clone)
            .args(["HEAD~1", "HEAD", "--problem", "p", "--runner", "go"])
            .args(options);
        let output = expect_exit(import.arg("--out").arg(place.path().join("work")), 1);
        let said = stderr(&output);
        assert!(said.contains(&format!("environment.{setting} is not supported for go projects")), "{said}");
    }
}

pub const TESTS: &[Test] = tests![
    assertions_of_the_projects_own_plugin_are_rewritten_as_if_it_were_installed,
    the_group_for_tests_is_installed_and_what_cannot_be_had_is_told_and_loses_nothing,
    a_pin_of_the_runner_wins_over_the_recipe_and_an_unknown_version_is_refused_by_name,
    an_interpreter_that_the_project_does_not_want_is_not_taken_and_the_refusal_names_those_that_are_here,
    options_that_another_language_does_not_have_are_refused,
];
