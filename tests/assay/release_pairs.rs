//! Release pairs of well-known packages, imported with no options: what their tests need is installed. `tests/release_pairs` tries more of
//! them by hand.

use serde_json::{Value, json};

use crate::harness::{Need, Test, skip, tests};
use crate::support::{assay, expect_exit, lines, stderr};

/// Imports a pair and runs its suite. Gives its instance and its admission.
fn tried(name: &str, old: &str, new: &str, refused: bool) -> (Value, Value) {
    let place = tempfile::tempdir().unwrap();
    let (work, run) = (place.path().join("work"), place.path().join("run"));
    let mut import = assay();
    import
        .args(["import", "pypi", name, old, new, "--problem", "It is wrong.", "--license", "MIT", "--out"])
        .arg(&work);
    let output = import.output().unwrap();
    if output.status.code() == Some(4) {
        skip(Need::PackageIndex, stderr(&output));
    }
    let code = if refused { 2 } else { 0 };
    expect_exit(assay().arg("validate").arg(&work).arg("--run").arg(&run), code);
    (lines(&work.join("instances.jsonl")).remove(0), lines(&run.join("admissions.jsonl")).remove(0))
}

fn sources(instance: &Value) -> Vec<&str> {
    let declared = instance["environment"]["declared"].as_array().unwrap();
    declared.iter().map(|list| list["source"].as_str().unwrap()).collect()
}

/// Lost test files that do not load on gold.
fn missing(admission: &Value) -> Vec<String> {
    let files = admission["lost"]["files"].as_object();
    let unloaded = files.into_iter().flatten().filter(|(_, file)| file.to_string().contains("ModuleNotFoundError"));
    unloaded.map(|(path, _)| path.clone()).collect()
}

fn packaging_has_its_requirement_file_and_loses_nothing() {
    let (instance, admission) = tried("packaging", "23.2", "24.0", false);
    assert_eq!(sources(&instance), ["tests/requirements.txt"]);
    assert_eq!(admission["lost"], Value::Null, "{}", admission["lost"]);
    assert!(admission["pass_to_pass"].as_array().unwrap().len() > 20_000);
}

fn itsdangerous_has_its_own_version_of_the_runner_and_every_file_loads_on_gold() {
    let (instance, admission) = tried("itsdangerous", "2.1.2", "2.2.0", false);
    let declared = &instance["environment"]["declared"][0];
    assert_eq!(declared["source"], "requirements/tests.txt");
    let lines = declared["requirements"].as_array().unwrap();
    assert!(lines.contains(&json!("pytest==7.0.1")) && lines.contains(&json!("freezegun==1.1.0")), "{lines:?}");
    assert_eq!(missing(&admission), Vec::<String>::new(), "{}", admission["lost"]);
}

fn marshmallow_has_its_extra_without_which_no_test_runs() {
    let (instance, admission) = tried("marshmallow", "3.21.1", "3.21.2", true);
    assert_eq!(sources(&instance), ["extra tests of pyproject.toml"]);
    // Its release has no test of what it mends. Everything else runs.
    assert_eq!(admission["refusal"], "empty_fail_to_pass", "{admission}");
    assert!(admission["pass_to_pass"].as_array().unwrap().len() > 1000);
    assert_eq!(missing(&admission), Vec::<String>::new(), "{}", admission["lost"]);
}

pub const TESTS: &[Test] = tests![
    packaging_has_its_requirement_file_and_loses_nothing,
    itsdangerous_has_its_own_version_of_the_runner_and_every_file_loads_on_gold,
    marshmallow_has_its_extra_without_which_no_test_runs,
];
