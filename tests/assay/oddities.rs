//! Honest oddities of real answers, judged with the real binary: odd file names, another encoding, new links, diffs that a tool
//! trimmed. Beside each stands its sibling that must stay refused.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use swe_assay::inside::intake::{Wanted, import_folders, write_import};
use swe_assay::inside::model::instance::{Environment, Instance};

use crate::harness::{Test, tests};
use crate::support::{assay, lines, stderr};

const BASE: &str = "\"\"\"Tides.\"\"\"\n\n\ndef height(hours):\n    \"\"\"Height after some hours.\"\"\"\n    level = hours * 3\n    \
                    return level\n\n\ndef low():\n    return 0\n";
const SUITE: &str = "import unittest\n\nfrom harbour.tides import height, low\nfrom harbour.names import name\n\n\n\
                     class Tides(unittest.TestCase):\n    def test_height(self):\n        self.assertEqual(height(2), 4)\n\n    \
                     def test_low(self):\n        self.assertEqual(low(), 0)\n        self.assertTrue(name())\n";

/// What else the trees of an instance hold, and the tests that it lists.
#[derive(Clone, Copy, Default)]
struct More<'a> {
    /// Appended to the tests.
    tests: &'a str,
    /// Appended to a source that nobody changes.
    source: &'a str,
    listed: &'a [&'a str],
}

fn imported(folder: &Path, more: More<'_>) -> Instance {
    let (base, fix) = (folder.join("base"), folder.join("fix"));
    for (tree, source) in [(&base, BASE.to_owned()), (&fix, BASE.replace("hours * 3", "hours * 2"))] {
        fs::create_dir_all(tree.join("harbour/odd \"files\"")).unwrap();
        fs::create_dir_all(tree.join("tests")).unwrap();
        fs::write(tree.join("harbour/__init__.py"), more.source).unwrap();
        fs::write(tree.join("harbour/tides.py"), source).unwrap();
        fs::write(tree.join("harbour/odd \"files\"/a\tb.txt"), "one\n").unwrap();
        fs::write(tree.join("harbour/names.py"), b"# coding: latin-1\n\n\ndef name():\n    return 'K\xfcste'\n")
            .unwrap();
        fs::write(tree.join("harbour/logo.png"), [0, 159, 146, 150]).unwrap();
        fs::write(tree.join("harbour/log.txt"), "one\r\ntwo\r\n\r\n\r\nfour\r\n").unwrap();
        fs::write(tree.join("tests/__init__.py"), "").unwrap();
    }
    fs::write(base.join("tests/test_tides.py"), "import unittest\n").unwrap();
    fs::write(fix.join("tests/test_tides.py"), format!("{SUITE}{}", more.tests)).unwrap();
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
    instance.fail_to_pass = more.listed.iter().map(|id| (*id).to_owned()).collect();
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

/// A new program.
fn program(body: &str) -> String {
    let count = body.lines().count();
    let added: String = body.lines().map(|line| format!("+{line}\n")).collect();
    format!("--- /dev/null\n+++ b/harbour/cli.py\n@@ -0,0 +1,{count} @@\n{added}")
}

/// What became of diffs about the harbour: verdict and prepared candidate of each, in their order. The folder gets
/// `generations.jsonl` and `run`.
fn judged(folder: &Path, more: More<'_>, diffs: &[String]) -> Vec<(Value, Value)> {
    imported(folder, more);
    let rows = diffs.iter().enumerate().map(|(index, diff)| {
        let row =
            json!({"instance_id": "harbour", "skill": "repair", "completion": diff, "model": "m", "index": index});
        // Half pairs as Python's `json` writes them.
        format!("{row}\n").replace("<fc>", "\\udcfc").replace("<half>", "\\udcaf")
    });
    let (file, run) = (folder.join("generations.jsonl"), folder.join("run"));
    fs::write(&file, rows.collect::<String>()).unwrap();
    let mut command = assay();
    command.arg("verify").arg(folder.join("import")).args(["--sandbox", "cell", "--run"]).arg(&run);
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
    let deleted = "diff --git a/harbour/logo.png b/harbour/logo.png\ndeleted file mode 100644\nindex 1111111..0000000\n\
                   Binary files a/harbour/logo.png and /dev/null differ\n";
    // Only blank context is missing at its end.
    let crlf = "--- a/harbour/log.txt\n+++ b/harbour/log.txt\n@@ -1,4 +1,4 @@\n one\r\n-two\r\n+three\r\n";
    let hard_exit = "import os\n\nif __name__ == '__main__':\n    os._exit(0)\n";
    let sets_name = "--- /dev/null\n+++ b/harbour/go.py\n@@ -0,0 +1,4 @@\n+import harbour.tides\n+\n+\n+vars(harbour.tides)[KEY] = NAME\n";
    let beside = |path: &str| format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x = 1\n");
    let experiment = beside("scratch/test_try.py");
    let edit = "```python:harbour/tides.py\n<<<<<<< SEARCH\n    level = hours * 3\n=======\n    level = hours * 2\n>>>>>>> REPLACE\n```\n";
    let discarded =
        "```python\n### harbour/debug.py\n<<<<<<< SEARCH\n=======\nDISCARDED = True\n>>>>>>> REPLACE\n```\n";
    let kept = "```python\n### harbour/tides.py\n<<<<<<< SEARCH\n\"\"\"Tides.\"\"\"\n=======\n\"\"\"Tides.\"\"\"\n\nKEPT = \"</think>\"\n>>>>>>> REPLACE\n```\n";
    let harmony = "<|end|><|start|>assistant<|channel|>final<|message|>";
    let table: Vec<(String, &str, Value)> = vec![
        (edit.to_owned(), "resolved", json!(null)),
        (format!("◁think▷\n{discarded}No.\n◁/think▷\n\n{edit}"), "resolved", json!(null)),
        (format!("<|channel|>analysis<|message|>{discarded}{harmony}{edit}<|return|>"), "resolved", json!(null)),
        (format!("<think>\n{discarded}</think>\n\n{kept}{edit}"), "resolved", json!(null)),
        (format!("{kept}{edit}"), "resolved", json!(null)),
        (format!("{edit}<think>\n{discarded}"), "malformed", json!(null)),
        (format!("{edit}1. Also:\n   {}", discarded.replace('\n', "\n   ")), "malformed", json!(null)),
        (FIX.replace("a/harbour", "i/harbour").replace("b/harbour", "w/harbour") + " \n \n", "resolved", json!(null)),
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
        (
            fix_and(&stub.lines().skip(3).map(|line| format!("{line}\n")).collect::<String>()),
            "resolved",
            json!(["binary_left_out"]),
        ),
        (fix_and(deleted), "resolved", json!(["binary_deleted"])),
        (fix_and(&deleted.replace("/logo", "/none")), "does_not_apply", json!(null)),
        (
            fix_and(&deleted.replace("deleted file mode 100644", "old mode 100644\nnew mode 100755")),
            "malformed",
            json!(null),
        ),
        (fix_and(crlf), "resolved", json!(["trailing_context"])),
        (fix_and(&format!("{}{}", program(hard_exit), sets_name)), "suspicious_source", json!(null)),
    ];
    let diffs: Vec<_> = table.iter().map(|(diff, ..)| diff.clone()).collect();
    let folder = tempfile::tempdir().unwrap();
    for ((diff, reason, notes), (verdict, candidate)) in
        table.iter().zip(judged(folder.path(), More::default(), &diffs))
    {
        assert_eq!(verdict["reason"], *reason, "{diff}\n{verdict}");
        assert_eq!(candidate["prepared"]["normalised"], *notes, "{diff}\n{candidate}");
        let changes = candidate["prepared"]["diff"].as_str().unwrap_or_default();
        assert!(!changes.contains("DISCARDED"), "{changes}");
        assert_eq!(changes.contains("KEPT"), diff.contains("KEPT"), "{changes}");
    }
}

fn a_hard_exit_of_the_main_program_counts_where_the_tests_themselves_run_modules_as_it() {
    let program = fix_and(&program("import os\n\nif __name__ == '__main__':\n    os._exit(0)\n"));
    let test = |body: &str| format!("\n    def test_program(self):\n        {body}\n");
    let inside = test("import runpy; runpy.run_module('harbour.names', run_name='__main__')");
    let apart = test("import subprocess, sys; subprocess.run([sys.executable, '-m', 'harbour.names'], check=True)");
    for (more, reason) in [
        (More { tests: &inside, ..More::default() }, "suspicious_source"),
        (More { tests: &apart, ..More::default() }, "resolved"),
        (More { source: "import runpy\n", ..More::default() }, "suspicious_source"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let judged = judged(folder.path(), more, std::slice::from_ref(&program));
        assert_eq!(judged[0].0["reason"], reason, "{}{}: {}", more.tests, more.source, judged[0].0);
    }
}

fn what_cannot_be_written_as_it_was_read_is_left_out_or_written_in_its_own_escapes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let latin = "--- a/harbour/names.py\n+++ b/harbour/names.py\n@@ -5 +5 @@\n-    return 'K<fc>ste'\n+    return 'K<fc>stenort'\n";
    let trimmed = FIX.trim_end().to_owned();
    for (verdict, _) in judged(folder.path(), More::default(), &[fix_and(latin), trimmed.clone()]) {
        assert_eq!(verdict["reason"], "resolved", "{verdict}");
    }
    let mut export = assay();
    export.arg("export").arg(at("run")).args(["--json", "--view", "trl", "--pairs", "1", "--out"]).arg(at("dataset"));
    let output = export.output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    assert_eq!(summary["left_out"], json!({"surrogate_escapes": 1}));
    assert_eq!(summary["rows"]["sft-repair"], 1);

    // The halves stand in what is chosen, and so does the context that the other lacked.
    let chosen = |rows: &[&str]| {
        let generations = fs::read_to_string(at("generations.jsonl")).unwrap();
        let wanted = generations.lines().filter(|line| rows.iter().all(|row| line.contains(row)));
        fs::write(at("some.jsonl"), wanted.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let output = assay().arg("select").arg(at("some.jsonl")).arg("--out").arg(at("chosen")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        fs::read_to_string(at("chosen/predictions.jsonl")).unwrap()
    };
    let row = chosen(&["\"index\":0"]);
    assert!(row.contains("+    return 'K\\udcfcstenort'") && !row.contains('\u{10f7fc}'), "{row}");
    let row: Value = serde_json::from_str(&chosen(&["\"index\":1"])).unwrap();
    assert_eq!(row["model_patch"], json!(format!("{trimmed}\n \n \n")));
}

fn a_list_of_tests_that_names_no_file_is_refused_and_does_not_mean_every_file() {
    let folder = tempfile::tempdir().unwrap();
    imported(folder.path(), More { listed: &["test_height"], ..More::default() });
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
    a_hard_exit_of_the_main_program_counts_where_the_tests_themselves_run_modules_as_it,
    what_cannot_be_written_as_it_was_read_is_left_out_or_written_in_its_own_escapes,
    a_list_of_tests_that_names_no_file_is_refused_and_does_not_mean_every_file,
];
