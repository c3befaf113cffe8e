//! Generated tests of every kind get the verdict and the tier that they earn, with both runners and in every sandbox way.

use crate::harness::{Need, Test, needs_docker, skip, tests};
use std::path::Path;

use serde_json::{Value, json};
use swe_assay::inside::intake::{Wanted, import_folders, write_import};
use swe_assay::inside::model::instance::Environment;

use crate::support::{assay, expect_exit, lines, stderr};

/// Verdicts over the world, in the order of the answers; none where the environment cannot be made.
fn verdicts(folder: &Path, recipe: &str, framework: &str, sandbox: &str) -> Vec<Value> {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata");
    let world = testdata.join("worlds/gauge");
    let (import, run) = (folder.join("import"), folder.join("run"));
    let wanted = Wanted {
        problem_statement: std::fs::read_to_string(world.join("problem.md")).unwrap(),
        instance_id: Some("worlds__gauge".to_owned()),
        repo: Some("worlds/gauge".to_owned()),
        license: Some("Apache-2.0".to_owned()),
        environment: Environment {
            recipe: Some(recipe.to_owned()),
            framework: framework.to_owned(),
            ..Environment::default()
        },
        ..Wanted::default()
    };
    let instance = import_folders(&world.join("base"), &world.join("fix"), wanted, &import).unwrap();
    write_import(&import, &[instance], &[]).unwrap();
    let mut verify = assay();
    verify.arg("verify").arg(&import).args(["--sandbox", sandbox, "--run"]).arg(&run);
    verify.arg("--generations").arg(testdata.join("generated_tests/gauge.jsonl"));
    let output = verify.output().unwrap();
    if output.status.code() == Some(4) && stderr(&output).contains("pip reaches its index") {
        skip(Need::PackageIndex, stderr(&output));
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let written = std::fs::read(run.join("verdicts.jsonl")).unwrap();
    expect_exit(assay().arg("judge").arg(&run), 0);
    assert_eq!(std::fs::read(run.join("verdicts.jsonl")).unwrap(), written, "judged again without a sandbox");
    let mut verdicts = lines(&run.join("verdicts.jsonl"));
    verdicts.sort_by_key(|verdict| verdict["generation"]["index"].as_u64());
    verdicts
}

/// Checks every verdict and tier, and gives (name, verdict).
fn checked(recipe: &str, framework: &str, sandbox: &str) -> Vec<(String, Value)> {
    let answers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/generated_tests/gauge.jsonl");
    let folder = tempfile::tempdir().unwrap();
    let verdicts = verdicts(folder.path(), recipe, framework, sandbox);
    let answers = lines(&answers);
    assert_eq!(verdicts.len(), answers.len());
    let mut differences = Vec::new();
    for (answer, verdict) in answers.iter().zip(&verdicts) {
        let wanted = json!([answer["expected_status"], answer["expected_reason"], answer["expected_tier"]]);
        let found = json!([verdict["status"], verdict["reason"], verdict["strength"]["tier"]]);
        if wanted != found {
            differences.push(format!("{}: expected {wanted}, found {found}: {verdict}", answer["name"]));
        }
    }
    assert!(differences.is_empty(), "{framework} {sandbox}:\n{}", differences.join("\n"));
    let names = answers.iter().map(|answer| answer["name"].as_str().unwrap_or_default().to_owned());
    names.zip(verdicts).collect()
}

fn named<'v>(verdicts: &'v [(String, Value)], name: &str) -> &'v Value {
    &verdicts.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn generated_tests_get_the_verdict_and_the_tier_they_earn_under_unittest() {
    let verdicts = checked("python-stdlib", "unittest", "cell");
    let exact = &named(&verdicts, "exact")["strength"];
    assert_eq!(exact["failure_class"], "assertion");
    assert_eq!(exact["changed_line_cov"], json!({"count": 2, "total": 2}));
    assert_eq!(exact["wrong_patches_rejected"], json!({"count": 2, "total": 2}));
    assert_eq!(exact["correct_alternatives_passed"], json!({"count": 1, "total": 1}));
    assert_eq!(exact["repeats"], 3);
    assert!(exact["mutants_killed"]["count"].as_u64() >= Some(1), "{exact}");
    assert_eq!(named(&verdicts, "exact")["evidence"], "E3");
    assert_eq!(named(&verdicts, "script")["evidence"], "E1");
    assert_eq!(named(&verdicts, "type-of-gold")["strength"]["doubts"], json!(["fails_on_alternative"]));
    assert_eq!(named(&verdicts, "in-a-child")["strength"]["changed_line_cov"]["count"], 0);
}

fn generated_tests_get_the_verdict_and_the_tier_they_earn_under_pytest() {
    checked("python-pytest", "pytest", "cell");
}

fn generated_tests_get_the_verdict_and_the_tier_they_earn_in_containers() {
    needs_docker();
    checked("python-stdlib", "unittest", "container");
}

pub const TESTS: &[Test] = tests![
    generated_tests_get_the_verdict_and_the_tier_they_earn_under_unittest,
    generated_tests_get_the_verdict_and_the_tier_they_earn_under_pytest,
    generated_tests_get_the_verdict_and_the_tier_they_earn_in_containers,
];
