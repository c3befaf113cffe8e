//! Honest oddities of real answers, judged with the real binary: odd file names, another encoding, new links, diffs that a tool
//! trimmed. Beside each stands its sibling that must stay refused.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use swe_assay::intake::{Wanted, import_folders, write_import};
use swe_assay::model::instance::{Environment, Instance};

use crate::harness::{Test, tests};
use crate::support::{assay, lines, stderr};

const BASE: &str = "\"\"\"Tides.\"\"\"\n\n\ndef height(hours):\n    \"\"\"Height after some hours.\"\"\"\n    level = hours * 3\n    \
                    return level\n\n\ndef low():\n    return 0\n";
const SUITE: &str = "import unittest\n\nfrom harbour.tides import height, low\nfrom harbour.names import name\n\n\n\
                     class Tides(unittest.TestCase):\n    def test_height(self):\n        self.assertEqual(height(2), 4)\n\n    \
                     def test_low(self):\n        self.assertEqual(low(), 0)\n        self.assertTrue(name())\n";

fn imported(folder: &Path, listed: &[&str]) -> Instance {
    let (base, fix) = (folder.join("base"), folder.join("fix"));
    for (tree, source) in [(&base, BASE.to_owned()), (&fix, BASE.replace("hours * 3", "hours * 2"))] {
        fs::create_dir_all(tree.join("harbour/odd \"files\"")).unwrap();
        fs::create_dir_all(tree.join("tests")).unwrap();
        fs::write(tree.join("harbour/__init__.py"), "").unwrap();
        fs::write(tree.join("harbour/tides.py"), source).unwrap();
        fs::write(tree.join("harbour/odd \"files\"/a\tb.txt"), "one\n").unwrap();
        fs::write(tree.join("harbour/names.py"), b"# coding: latin-1\n\n\ndef name():\n    return 'K\xfcste'\n")
            .unwrap();
        fs::write(tree.join("tests/__init__.py"), "").unwrap();
    }
    fs::write(base.join("tests/test_tides.py"), "import unittest\n").unwrap();
    fs::write(fix.join("tests/test_tides.py"), SUITE).unwrap();
    let wanted = Wanted {
        problem_statement: "height(2) is 6".to_owned(),
        instance_id: Some("harbour".to_owned()),
        repo: Some("small/harbour".to_owned()),
        license: Some("Apache-2.0".to_owned()),
        environment: Environment {
            recipe: Some("python-stdlib".to_owned()),
            framework: "unittest".to_owned(),
            ..Environment::default()
        },
        ..Wanted::default()
    };
    let import = folder.join("import");
    let mut instance = import_folders(&base, &fix, wanted, &import).unwrap();
    instance.fail_to_pass = listed.iter().map(|id| (*id).to_owned()).collect();
    write_import(&import, std::slice::from_ref(&instance), &[]).unwrap();
    instance
}

const FIX: &str = "diff --git a/harbour/tides.py b/harbour/tides.py\n--- a/harbour/tides.py\n+++ b/harbour/tides.py\n\
                   @@ -4,6 +4,6 @@\n def height(hours):\n     \"\"\"Height after some hours.\"\"\"\n-    level = hours * 3\n\
                   +    level = hours * 2\n     return level\n";

/// A diff that mends the instance, with something more.
fn fix_and(more: &str) -> String {
    format!("{FIX} \n \n{more}")
}

fn link(path: &str, target: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\nnew file mode 120000\nindex 0000000..1111111\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n\
         +{target}\n\\ No newline at end of file\n"
    )
}

/// What became of diffs about the harbour: verdict and prepared candidate of each, in their order.
fn judged(diffs: &[String]) -> Vec<(Value, Value)> {
    let folder = tempfile::tempdir().unwrap();
    imported(folder.path(), &[]);
    let rows = diffs.iter().enumerate().map(|(index, diff)| {
        let row =
            json!({"instance_id": "harbour", "skill": "repair", "completion": diff, "model": "m", "index": index});
        // Half pairs as Python's `json` writes them.
        format!("{row}\n").replace("<fc>", "\\udcfc").replace("<half>", "\\udcaf")
    });
    let (file, run) = (folder.path().join("generations.jsonl"), folder.path().join("run"));
    fs::write(&file, rows.collect::<String>()).unwrap();
    let mut command = assay();
    command.arg("verify").arg(folder.path().join("import")).args(["--sandbox", "cell", "--run"]).arg(&run);
    let output = command.arg("--generations").arg(&file).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}", stderr(&output));
    let by_index = |name: &str| {
        let mut rows = lines(&run.join(name));
        rows.sort_by_key(|row| row["generation"]["index"].as_u64());
        rows
    };
    let (verdicts, candidates) = (by_index("verdicts.jsonl"), by_index("candidates.jsonl"));
    assert_eq!(verdicts.len(), diffs.len(), "{}", stderr(&output));
    verdicts.into_iter().zip(candidates).collect()
}

fn honest_oddities_are_verified_and_noted_and_their_siblings_stay_refused() {
    let stub = "diff --git a/harbour/p.png b/harbour/p.png\nnew file mode 100644\nindex 0000000..1111111\n\
                Binary files /dev/null and b/harbour/p.png differ\n";
    let odd = "harbour/odd \\\"files\\\"/a\\tb.txt";
    let named = |name: &str| {
        format!("diff --git \"a/{name}\" \"b/{name}\"\n--- \"a/{name}\"\n+++ \"b/{name}\"\n@@ -1 +1 @@\n-one\n+two\n")
    };
    let latin = "--- a/harbour/names.py\n+++ b/harbour/names.py\n@@ -5 +5 @@\n-    return 'K<fc>ste'\n+    return 'K<fc>stenort'\n";
    let program = |body: &str| {
        let count = body.lines().count();
        let added: String = body.lines().map(|line| format!("+{line}\n")).collect();
        format!("--- /dev/null\n+++ b/harbour/cli.py\n@@ -0,0 +1,{count} @@\n{added}")
    };
    let beside = |path: &str| format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x = 1\n");
    let experiment = beside("scratch/test_try.py");
    let table: Vec<(String, &str, Value)> = vec![
        (fix_and(&link("current", "harbour")), "resolved", json!(null)),
        (fix_and(&link("harbour/alias.py", "tides.py")), "resolved", json!(null)),
        (fix_and(&link("harbour/gone.py", "left/of/an/experiment.py")), "resolved", json!(["dangling_link"])),
        (fix_and(&link("harbour/out", "../../etc")), "resolved", json!(["link_left_out"])),
        (fix_and(&link("scratch/repo", "/testbed")), "resolved", json!(["link_left_out"])),
        (fix_and(&link("scratch/python", "/usr/bin/python")), "resolved", json!(["link_left_out"])),
        (fix_and(&(experiment.clone() + &link("scratch/latest.py", "test_try.py"))), "resolved", json!(null)),
        (fix_and(&link("harbour/out", "../.git/config")), "unsafe", json!(null)),
        (fix_and(&(link("current", "harbour") + &beside("current/new.py"))), "unsafe", json!(null)),
        (fix_and(&(link("current", "/etc") + &beside("current/new.py"))), "unsafe", json!(null)),
        // The repair itself stands in what is left out or taken back.
        (link("harbour/out", "/etc/passwd"), "no_change", json!(["link_left_out"])),
        (experiment.clone() + &link("scratch/latest.py", "test_try.py"), "no_change", json!(null)),
        (fix_and(&named(odd)), "resolved", json!(null)),
        (fix_and(&named("harbour/a\\nb.txt")), "unsafe", json!(null)),
        (fix_and(latin), "resolved", json!(["surrogate_escapes"])),
        (fix_and(&latin.replace("K<fc>ste'", "K<half>ste'")), "does_not_apply", json!(null)),
        (fix_and(&program("import os\n\nif __name__ == '__main__':\n    os._exit(0)\n")), "resolved", json!(null)),
        (fix_and(&program("import os\n\nos._exit(0)\n")), "suspicious_source", json!(null)),
        (FIX.trim_end().to_owned(), "resolved", json!(["trailing_context"])),
        (FIX.replace("-4,6 +4,6", "-4,6 +4,7"), "malformed", json!(null)),
        (fix_and(stub), "resolved", json!(["binary_left_out"])),
        (stub.to_owned(), "malformed", json!(null)),
    ];
    let diffs: Vec<_> = table.iter().map(|(diff, ..)| diff.clone()).collect();
    for ((diff, reason, notes), (verdict, candidate)) in table.iter().zip(judged(&diffs)) {
        assert_eq!(verdict["reason"], *reason, "{diff}\n{verdict}");
        assert_eq!(candidate["prepared"]["normalised"], *notes, "{diff}\n{candidate}");
    }
}

fn a_list_of_tests_that_names_no_file_is_refused_and_does_not_mean_every_file() {
    let folder = tempfile::tempdir().unwrap();
    imported(folder.path(), &["test_height"]);
    let run = folder.path().join("run");
    let mut command = assay();
    command.arg("validate").arg(folder.path().join("import")).args(["--sandbox", "cell", "--run"]).arg(&run);
    let output = command.output().unwrap();
    let report = lines(&run.join("admissions.jsonl"));
    assert_eq!(report[0]["refusal"], "no_test_files", "{}", stderr(&output));
    let detail = report[0]["detail"].as_str().unwrap();
    assert!(detail.contains("test_height") && detail.contains("unittest"), "{detail}");
    assert_eq!(report[0]["trials"], json!([]), "nothing was run for it");
}

pub const TESTS: &[Test] = tests![
    honest_oddities_are_verified_and_noted_and_their_siblings_stay_refused,
    a_list_of_tests_that_names_no_file_is_refused_and_does_not_mean_every_file,
];
