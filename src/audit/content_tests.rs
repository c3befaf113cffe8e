//! What rows show by themselves, row by row.

use serde_json::{Value, json};

use super::super::benchmarks::Benchmarks;
use super::super::finding::{Findings, Rule};
use super::super::shape::facts;
use super::{Content, Measures};

fn look(rows: &[Value]) -> (Measures, Findings) {
    let benchmarks = Benchmarks::default();
    let mut content = Content::new(&benchmarks);
    let mut findings = Findings::default();
    for (row, value) in (1..).zip(rows) {
        let Value::Object(value) = value.clone() else { panic!("a row is an object") };
        content.add("rows.jsonl", row, &facts(value), &mut findings);
    }
    (content.finish(), findings)
}

fn diff(path: &str, added: &str) -> String {
    format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-old line\n+{added}\n")
}

fn task(id: &str, patch: &str) -> Value {
    json!({"instance_id": id, "repo": "a/a", "base_commit": "0", "patch": patch, "test_patch": "", "license": "MIT",
        "problem_statement": "It is too slow.", "FAIL_TO_PASS": ["t.py::a"], "PASS_TO_PASS": []})
}

fn with(mut row: Value, name: &str, value: Value) -> Value {
    row[name] = value;
    row
}

fn rules(findings: &Findings) -> Vec<Rule> {
    findings.counts().keys().copied().collect()
}

#[test]
fn a_good_task_has_no_finding_and_every_fault_has_its_own() {
    let good = task("a-1", &diff("src/a.py", "value = compute_faster(items)"));
    assert_eq!(rules(&look(std::slice::from_ref(&good)).1), []);
    let titles = with(good.clone(), "PASS_TO_PASS", json!(["adder > adds none", "parses a (b.c)", "t.py::a"]));
    assert_eq!(rules(&look(&[titles]).1), [], "titles of tests hold blanks");
    let table = [
        (with(good.clone(), "patch", json!("")), Rule::EmptyPatch),
        (with(good.clone(), "patch", json!("change a.py, please")), Rule::UnreadablePatch),
        (with(good.clone(), "patch", json!(diff("tests/test_a.py", "assert True"))), Rule::OnlyTests),
        (with(good.clone(), "FAIL_TO_PASS", json!([])), Rule::NoFailToPass),
        (with(good.clone(), "FAIL_TO_PASS", json!(["t.py::a[1", "t.py::b"])), Rule::CutTestName),
        (with(good.clone(), "PASS_TO_PASS", json!(["[100%]"])), Rule::CutTestName),
        (with(good.clone(), "PASS_TO_PASS", json!(["adder > adds none "])), Rule::CutTestName),
        (
            with(good.clone(), "PASS_TO_PASS", json!(["test_a (m.C)", "Grouping keeps it.", "test_b (m.C)"])),
            Rule::CutTestName,
        ),
        (
            with(with(good.clone(), "repo", json!("django/django")), "FAIL_TO_PASS", json!(["Grouping keeps it."])),
            Rule::CutTestName,
        ),
        (with(good.clone(), "license", json!("NOASSERTION")), Rule::LicenceUnknown),
        (
            with(good.clone(), "problem_statement", json!("Write `value = compute_faster(items)` there.")),
            Rule::SolutionInIssue,
        ),
    ];
    for (row, rule) in table {
        assert_eq!(rules(&look(std::slice::from_ref(&row)).1), [rule], "{row}");
    }
}

#[test]
fn tasks_with_one_change_are_duplicates_and_almost_one_change_is_near() {
    let long = |last: &str| {
        let lines: Vec<_> = (0..40).map(|n| format!("+    step_{n} = advance(state, {n})")).collect();
        format!("--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1,41 @@\n-old\n{}\n+{last}\n", lines.join("\n"))
    };
    let rows = [task("a-1", &long("x = 1")), task("b-7", &long("x = 1")), task("c-3", &long("x = 2"))];
    let (measures, findings) = look(&rows);
    assert_eq!((measures.duplicates, measures.near_duplicates), (1, 1));
    assert_eq!(rules(&findings), [Rule::Duplicate, Rule::NearDuplicate]);
    assert!(findings.kept()[0].message.contains("rows.jsonl:1 (a-1)"));
}

#[test]
fn one_patch_with_two_labels_is_found_and_equal_predictions_are_no_fault() {
    let row = |label: bool| json!({"instance_id": "a", "model_patch": diff("src/a.py", "x"), "resolved": label});
    let (measures, findings) = look(&[row(true), row(true), row(false)]);
    assert_eq!(measures.duplicates, 2);
    assert_eq!(measures.labels["right"], 2);
    assert_eq!(rules(&findings), [Rule::TwoLabels, Rule::WeakEvidence]);
}

#[test]
fn an_answer_that_belongs_to_another_patch_is_found() {
    let row = |answer: &str| {
        json!({"instance_id": "a", "skill": "repair", "receipt": "r", "candidate_id": "c", "evidence": "E2", "license": "MIT",
            "patch": diff("src/a.py", "value = compute_faster(items)"), "files": ["src/a.py"],
            "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": answer}]})
    };
    let own = "### src/a.py\n<<<<<<< SEARCH\nold line\n=======\nvalue = compute_faster(items)\n>>>>>>> REPLACE\n";
    assert_eq!(rules(&look(&[row(own)]).1), []);
    assert_eq!(rules(&look(&[row(&own.replace("compute_faster", "compute"))]).1), [Rule::AnswerDiffers]);
    let files = with(with(row("```\nsrc/b.py\n```"), "skill", json!("localization")), "patch", json!(""));
    assert_eq!(rules(&look(&[files]).1), [Rule::AnswerDiffers]);
}
