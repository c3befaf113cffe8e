//! Rows of the SWE-bench family to instances.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::quarantine::Quarantined;
use super::records::{Record, each_record};
use crate::model::format;
use crate::model::instance::{Environment, Instance, Source};

/// What was read of one or more files.
#[derive(Clone, Debug, Default)]
pub struct Intake {
    /// In the order of the input; of rows with one id the first.
    pub instances: Vec<Instance>,
    pub quarantined: Vec<Quarantined>,
    /// Rows left out because an earlier one has their id.
    pub duplicates: u64,
    /// Rows seen in all.
    pub rows: u64,
}

/// Reads instances of one file: ours, or rows of the SWE-bench family (SWE-bench, SWE-Gym, SWE-rebench, Multi-SWE-bench
/// and their like) as json, jsonl or parquet, plain or with `.gz` or `.zst`. A row that cannot be used is quarantined
/// and the rest go on.
///
/// # Errors
/// The file cannot be opened or read, or its name tells no format.
pub fn read_instances(path: &Path) -> Result<Intake> {
    let mut intake = Intake::default();
    intake.read(path)?;
    Ok(intake)
}

impl Intake {
    /// Reads one more file into this intake; see [`read_instances`].
    pub fn read(&mut self, path: &Path) -> Result<()> {
        let file = path.display().to_string();
        let mut known: BTreeSet<_> = self.instances.iter().map(|instance| instance.instance_id.clone()).collect();
        each_record(path, &mut |Record { line, row }| {
            self.rows += 1;
            match row.and_then(|row| instance_of(row, &file, line)) {
                Ok(instance) if known.insert(instance.instance_id.clone()) => self.instances.push(instance),
                Ok(_) => self.duplicates += 1,
                Err(why) => self.quarantined.push(Quarantined::new(&*file, line, why)),
            }
        })
    }
}

/// Other names of our fields, in order of preference.
const OTHER_NAMES: [(&str, &[&str]); 8] = [
    ("repo", &["repo_name", "repository"]),
    ("base_commit", &["base_sha", "base_commit_hash"]),
    ("patch", &["fix_patch", "gold_patch"]),
    ("problem_statement", &["issue_text", "issue"]),
    ("language", &["repo_language", "lang", "programming_language"]),
    ("license", &["license_name", "repo_license", "license_spdx"]),
    ("FAIL_TO_PASS", &["fail_to_pass", "F2P"]),
    ("PASS_TO_PASS", &["pass_to_pass", "P2P"]),
];

/// Names under which datasets keep the Docker reference of the instance's image.
const IMAGE_NAMES: [&str; 6] =
    ["image_name", "docker_image", "instance_image", "image", "image_uri", "docker_image_name"];

/// Fields that hold text or nothing.
const TEXTS: [&str; 9] = [
    "instance_id",
    "repo",
    "base_commit",
    "problem_statement",
    "hints_text",
    "patch",
    "test_patch",
    "version",
    "created_at",
];

fn instance_of(mut row: Map<String, Value>, file: &str, line: u64) -> Result<Instance, String> {
    let found = row.get("format").and_then(Value::as_str);
    if found.is_some_and(|found| found.contains(".v")) {
        format::check(found, format::INSTANCE).map_err(|error| format!("the row {error}"))?;
    }
    rename(&mut row);
    settle_types(&mut row);
    environment(&mut row);
    if row.get("source").is_none_or(|source| serde_json::from_value::<Source>(source.clone()).is_err()) {
        set_aside(&mut row, "source");
        row.insert("source".to_owned(), json!({"kind": "row", "file": file, "line": line}));
    }
    require(&row)?;
    row.insert("format".to_owned(), json!(format::INSTANCE));
    serde_json::from_value(Value::Object(row)).map_err(|error| error.to_string())
}

/// A row with other datasets' names brought to ours, and the rest as it is.
pub fn settled(mut row: Map<String, Value>) -> Map<String, Value> {
    rename(&mut row);
    row
}

/// Brings other datasets' names to ours. What a row has under our name always wins.
fn rename(row: &mut Map<String, Value>) {
    multi_swe_bench(row);
    for (ours, theirs) in OTHER_NAMES {
        if present(row, ours) {
            continue;
        }
        if let Some(name) = theirs.iter().find(|name| present(row, name))
            && let Some(value) = row.remove(*name)
        {
            row.insert(ours.to_owned(), value);
        }
    }
}

/// Multi-SWE-bench keeps owner and name apart, the commit in `base`, and the issue as a list of issues.
fn multi_swe_bench(row: &mut Map<String, Value>) {
    if let (Some(org), Some(name)) = (text(row, "org"), text(row, "repo")) {
        let number = row.get("number").and_then(Value::as_u64);
        if let (false, Some(number)) = (present(row, "instance_id"), number) {
            row.insert("instance_id".to_owned(), json!(format!("{org}__{name}-{number}")));
        }
        if !name.contains('/') {
            row.insert("repo".to_owned(), json!(format!("{org}/{name}")));
        }
    }
    if let (false, Some(sha)) = (present(row, "base_commit"), row.get("base").and_then(|base| base.get("sha")).cloned())
    {
        row.insert("base_commit".to_owned(), sha);
    }
    if !present(row, "problem_statement") {
        let issues = row.get("resolved_issues").and_then(Value::as_array).into_iter().flatten();
        let parts = issues.flat_map(|issue| [issue.get("title"), issue.get("body")]);
        let words: Vec<_> =
            parts.filter_map(|part| part.and_then(Value::as_str)).filter(|part| !part.is_empty()).collect();
        if !words.is_empty() {
            let statement = words.join("\n\n");
            row.insert("problem_statement".to_owned(), json!(statement));
        }
    }
    // Tests that were skipped or not there before the change are fixed by it like those that failed.
    for (ours, theirs) in
        [("FAIL_TO_PASS", &["f2p_tests", "s2p_tests", "n2p_tests"][..]), ("PASS_TO_PASS", &["p2p_tests"])]
    {
        let tests: Vec<_> = theirs.iter().filter_map(|name| test_names(row.get(*name)?)).collect();
        if !present(row, ours) && !tests.is_empty() {
            let names: BTreeSet<_> = tests.concat().into_iter().collect();
            row.insert(ours.to_owned(), json!(names));
        }
    }
}

/// Names of an object of tests: its keys or, as tables keep it, its column `name`.
fn test_names(tests: &Value) -> Option<Vec<String>> {
    let tests = tests.as_object()?;
    match tests.get("name").and_then(Value::as_array) {
        Some(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        None => Some(tests.keys().cloned().collect()),
    }
}

/// Numbers become text if text is meant; values of any other kind keep their content under `row_NAME`.
fn settle_types(row: &mut Map<String, Value>) {
    for name in TEXTS.into_iter().chain(["language", "license"]) {
        match row.get(name) {
            Some(Value::Number(number)) => {
                let number = number.to_string();
                row.insert(name.to_owned(), json!(number));
            }
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => set_aside(row, name),
            _ => {}
        }
    }
}

/// Keeps `environment` if it has our form; otherwise fills it from the names that other datasets use.
fn environment(row: &mut Map<String, Value>) {
    if row.get("environment").is_some_and(|value| serde_json::from_value::<Environment>(value.clone()).is_ok()) {
        return;
    }
    set_aside(row, "environment");
    let image = IMAGE_NAMES.iter().find_map(|name| text(row, name));
    let workdir = text(row, "workdir").filter(|path| path.starts_with('/'));
    let mut environment = Environment { image, ..Environment::default() };
    if let Some(workdir) = workdir {
        environment.workdir = workdir;
    }
    row.insert("environment".to_owned(), json!(environment));
}

fn require(row: &Map<String, Value>) -> Result<(), String> {
    for name in ["instance_id", "repo"] {
        if text(row, name).is_none() {
            return Err(missing(name));
        }
    }
    let id = text(row, "instance_id").unwrap_or_default();
    if id.chars().any(char::is_control) || id.len() > 300 {
        return Err("instance_id holds control characters or is longer than 300 bytes".to_owned());
    }
    if text(row, "base_commit").is_none() && !present(row, "test_patch") && present(row, "image_name") {
        return Err(
            "missing field `base_commit`; in rows of this kind (SWE-smith) `patch` introduces the bug instead of \
                    mending it, which import does not turn around yet"
                .to_owned(),
        );
    }
    for name in ["base_commit", "problem_statement", "patch"] {
        if text(row, name).is_none() {
            return Err(missing(name));
        }
    }
    let commit = text(row, "base_commit").unwrap_or_default();
    if commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("base_commit {commit:?} is not a commit id of 40 hex digits"));
    }
    Ok(())
}

fn missing(name: &str) -> String {
    format!("missing field `{name}`")
}

fn present(row: &Map<String, Value>, name: &str) -> bool {
    row.get(name).is_some_and(|value| !value.is_null())
}

/// The field's text, if there is any.
fn text(row: &Map<String, Value>, name: &str) -> Option<String> {
    row.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// Moves a value that does not fit our field of the name out of its way.
fn set_aside(row: &mut Map<String, Value>, name: &str) {
    if let Some(value) = row.remove(name).filter(|value| !value.is_null()) {
        row.insert(format!("row_{name}"), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(row: Value) -> Result<Instance, String> {
        let Value::Object(row) = row else { panic!("a row is an object") };
        instance_of(row, "rows.jsonl", 3)
    }

    fn plain() -> Value {
        json!({
            "instance_id": "a__a-1", "repo": "a/a", "base_commit": "0".repeat(40), "problem_statement": "It breaks.",
            "patch": "diff", "test_patch": "diff", "FAIL_TO_PASS": "[\"t::a\"]", "PASS_TO_PASS": []
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut row = plain();
        row[name] = value;
        row
    }

    #[test]
    fn a_plain_row_knows_where_it_came_from() {
        let instance = read(plain()).unwrap();
        assert_eq!(instance.source, Some(Source::Row { file: "rows.jsonl".to_owned(), line: 3 }));
        assert_eq!(instance.fail_to_pass, ["t::a"]);
        assert_eq!(instance.environment, Environment::default());
    }

    #[test]
    fn our_own_rows_keep_source_and_environment() {
        let mut ours = read(with("image_name", json!("docker.io/a/b:1"))).unwrap();
        ours.source = Some(Source::Pypi { name: "a".to_owned(), old: "1".to_owned(), new: "2".to_owned() });
        assert_eq!(read(serde_json::to_value(&ours).unwrap()).unwrap(), ours);
    }

    #[test]
    fn names_of_other_datasets_are_known() {
        for name in IMAGE_NAMES {
            assert_eq!(read(with(name, json!("a/b:1"))).unwrap().environment.image.as_deref(), Some("a/b:1"), "{name}");
        }
        assert_eq!(read(with("license_name", json!("MIT"))).unwrap().license.as_deref(), Some("MIT"));
        assert_eq!(read(with("repo_language", json!("python"))).unwrap().language.as_deref(), Some("python"));
        assert_eq!(read(with("version", json!(1.5))).unwrap().version.as_deref(), Some("1.5"));
    }

    #[test]
    fn a_multi_swe_bench_row_reads() {
        let row = json!({
            "org": "cli", "repo": "cli", "number": 10388, "base": {"label": "x", "sha": "a".repeat(40)},
            "resolved_issues": [{"number": 1, "title": "Broken", "body": "Really."}], "fix_patch": "diff",
            "test_patch": "diff", "f2p_tests": {"TestA": {"run": "FAIL"}}, "lang": "go"
        });
        let instance = read(row).unwrap();
        assert_eq!((&*instance.instance_id, &*instance.repo), ("cli__cli-10388", "cli/cli"));
        assert_eq!(instance.problem_statement, "Broken\n\nReally.");
        assert_eq!(instance.patch, "diff");
        assert_eq!(instance.fail_to_pass, ["TestA"]);
        assert_eq!(instance.language.as_deref(), Some("go"));

        let fixed = |lists: Value| {
            let mut row = plain();
            row.as_object_mut().unwrap().remove("FAIL_TO_PASS");
            row.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
            read(row).unwrap().fail_to_pass
        };
        let lists = json!({"f2p_tests": {"B": {}}, "s2p_tests": {"S": {}, "B": {}}, "n2p_tests": {"N": {}}, "p2p_tests": {"P": {}}});
        assert_eq!(fixed(lists), ["B", "N", "S"], "skipped and new tests are fixed too");
        assert_eq!(fixed(json!({"f2p_tests": {}, "n2p_tests": {"N": {"fix": "PASS"}}})), ["N"]);
        assert_eq!(fixed(json!({"n2p_tests": {"name": ["N", "M"], "fix": ["PASS", "PASS"]}})), ["M", "N"]);
    }

    #[test]
    fn test_lists_of_swe_bench_pro_read() {
        let mut row = plain();
        row.as_object_mut().unwrap().remove("FAIL_TO_PASS");
        row["fail_to_pass"] = json!("[\"tests/t.py | it doesn't break\", 'tests/t.py | it works']");
        let instance = read(row).unwrap();
        assert_eq!(instance.fail_to_pass, ["tests/t.py | it doesn't break", "tests/t.py | it works"]);
    }

    #[test]
    fn foreign_values_under_our_names_are_kept_aside() {
        let instance = read(with("source", json!("github"))).unwrap();
        assert_eq!(instance.extra["row_source"], "github");
        let instance = read(with("environment", json!("conda"))).unwrap();
        assert_eq!(instance.extra["row_environment"], "conda");
        assert_eq!(read(with("license", json!(["MIT"]))).unwrap().extra["row_license"], json!(["MIT"]));
    }

    #[test]
    fn rows_that_cannot_be_used_say_why() {
        let smith =
            json!({"instance_id": "a", "repo": "a/a", "patch": "d", "problem_statement": "p", "image_name": "i"});
        let table = [
            (with("instance_id", Value::Null), "missing field `instance_id`"),
            (with("problem_statement", json!("")), "missing field `problem_statement`"),
            (with("patch", json!({"a": 1})), "missing field `patch`"),
            (with("base_commit", json!("main")), "40 hex digits"),
            (with("FAIL_TO_PASS", json!("oops")), "not a JSON list"),
            (with("instance_id", json!("a\nb")), "control characters"),
            (with("format", json!("instance.v9")), "upgrade assay"),
            (with("format", json!("verdict.v1")), "expected"),
            (smith, "SWE-smith"),
        ];
        for (row, why) in table {
            let error = read(row.clone()).unwrap_err();
            assert!(error.contains(why), "{row}: {error}");
        }
    }
}
