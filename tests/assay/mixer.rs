//! The instance `mixer`: two trees that a test makes, imported with answers to it, and verified.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use swe_assay::inside::intake::{Wanted, import_folders, write_import};
use swe_assay::inside::model::instance::{Environment, Instance};

use crate::support::{assay, expect_exit, lines};

/// Path -> text.
pub type Tree = BTreeMap<String, String>;

/// The package with one module and one file of tests.
pub fn tree(core: &str, suite: &str) -> Tree {
    let files =
        [("mixer/__init__.py", ""), ("tests/__init__.py", ""), ("mixer/core.py", core), ("tests/test_core.py", suite)];
    Tree::from(files.map(|(path, text)| (path.to_owned(), text.to_owned())))
}

/// Imports the trees; `listed` may name tests. Answers are completions of the repair skill.
pub fn imported(
    folder: &Path,
    framework: &str,
    [base, gold]: &[Tree; 2],
    answers: &[String],
    listed: impl FnOnce(&mut Instance),
) -> PathBuf {
    for (name, tree) in [("base", base), ("gold", gold)] {
        for (path, text) in tree {
            let path = folder.join(name).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let recipe = if framework == "pytest" { "python-pytest" } else { "python-stdlib" };
    let wanted = Wanted {
        problem_statement: "percentages are rounded down".to_owned(),
        instance_id: Some("mixer".to_owned()),
        repo: Some("mixer/mixer".to_owned()),
        license: Some("MIT".to_owned()),
        environment: Environment {
            recipe: Some(recipe.to_owned()),
            framework: framework.to_owned(),
            ..Environment::default()
        },
        ..Wanted::default()
    };
    let work = folder.join("work");
    let mut instance = import_folders(&folder.join("base"), &folder.join("gold"), wanted, &work).unwrap();
    listed(&mut instance);
    write_import(&work, &[instance], &[]).unwrap();
    let rows: String = answers
        .iter()
        .enumerate()
        .map(|(index, completion)| {
            let row = json!({"instance_id": "mixer", "skill": "repair", "completion": completion, "index": index});
            format!("{row}\n")
        })
        .collect();
    fs::write(folder.join("answers.jsonl"), rows).unwrap();
    work
}

/// A completion that replaces text of a file.
pub fn edit(path: &str, old: &str, new: &str) -> String {
    format!("```python\n### {path}\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n```\n")
}

/// Verifies the answers. Gives the run directory, the admission and the verdicts.
pub fn verified(folder: &Path, work: &Path, flags: &[&str], code: i32) -> (PathBuf, Value, Vec<Value>) {
    let run = folder.join(format!("run{}", flags.join("")));
    let mut verify = assay();
    verify.arg("verify").arg(work).arg("--generations").arg(folder.join("answers.jsonl"));
    expect_exit(verify.arg("--run").arg(&run).args(flags), code);
    let admission = lines(&run.join("admissions.jsonl")).remove(0);
    let verdicts = lines(&run.join("verdicts.jsonl"));
    (run, admission, verdicts)
}
