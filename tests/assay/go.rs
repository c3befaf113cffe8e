//! Go: from two folders of a module to exported rows. A panic on base hides tests; a package that does not build and a process that
//! ends with 0 after it printed results are no passes.

use crate::harness::{Need, Test, skip, tests};
use std::path::Path;

use serde_json::{Value, json};
use swe_assay::inside::images::go::compiler::Compiler;

use crate::export::rows;
use crate::support::{assay, expect_exit, lines};

const BASE: &str = "package mixer\n\nfunc Ratio(part, whole int) int {\n\treturn part * 100 / whole\n}\n";
const GOLD: &str = "package mixer\n\nfunc Ratio(part, whole int) int {\n\tif whole == 0 {\n\t\treturn 0\n\t}\n\treturn (200*part + whole) / (2 * whole)\n}\n";
const OTHER_FIX: &str = "package mixer\n\nimport \"math\"\n\nfunc Ratio(part, whole int) int {\n\tif whole != 0 {\n\t\treturn int(math.Round(float64(part) * 100 / float64(whole)))\n\t}\n\treturn 0\n}\n";
const COMMENT_ONLY: &str =
    "package mixer\n\n// Ratio in percent.\nfunc Ratio(part, whole int) int {\n\treturn part * 100 / whole\n}\n";
const DOES_NOT_BUILD: &str = "package mixer\n\nfunc Ratio(part, whole int) int {\n\treturn missing(part, whole)\n}\n";
/// Prints what a test runner prints, and ends the process before any test runs.
const PRINTS_RESULTS: &str = "package mixer\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"strings\"\n)\n\nfunc init() {\n\tif !strings.HasSuffix(os.Args[0], \".test\") {\n\t\treturn\n\t}\n\tfor _, name := range []string{\"TestHalf\", \"TestZero\", \"TestSixths\", \"TestSixths/1_of_6\", \"TestSixths/3_of_6\"} {\n\t\tfmt.Printf(\"=== RUN   %s\\n--- PASS: %s (0.00s)\\n\", name, name)\n\t}\n\tfmt.Println(\"PASS\")\n\tos.Exit(0)\n}\n\nfunc Ratio(part, whole int) int {\n\treturn part * 100 / whole\n}\n";

const TEST_OF_BASE: &str = "package mixer\n\nimport \"testing\"\n\nfunc TestHalf(t *testing.T) {\n\tif got := Ratio(1, 2); got != 50 {\n\t\tt.Errorf(\"got %d\", got)\n\t}\n}\n";
const TESTS_OF_FIX: &str = "\nfunc TestZero(t *testing.T) {\n\tif got := Ratio(1, 0); got != 0 {\n\t\tt.Errorf(\"got %d\", got)\n\t}\n}\n\nfunc TestSixths(t *testing.T) {\n\tfor name, c := range map[string][2]int{\"1 of 6\": {1, 17}, \"3 of 6\": {3, 50}} {\n\t\tt.Run(name, func(t *testing.T) {\n\t\t\tif got := Ratio(c[0], 6); got != c[1] {\n\t\t\t\tt.Errorf(\"got %d, want %d\", got, c[1])\n\t\t\t}\n\t\t})\n\t}\n}\n";

fn needs_go() {
    if let Err(why) = Compiler::find() {
        skip(Need::Go, why.to_string());
    }
}

fn tree(at: &Path, core: &str, tests: &str) {
    std::fs::create_dir_all(at.join("names")).unwrap();
    for (path, text) in [
        ("go.mod", "module example.com/mixer\n\ngo 1.20\n"),
        ("LICENSE", "SPDX-License-Identifier: MIT\n"),
        ("mixer.go", core),
        ("mixer_test.go", tests),
        ("names/names.go", "package names\n\nconst Name = \"mixer\"\n"),
        (
            "names/names_test.go",
            "package names_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/mixer/names\"\n)\n\nfunc TestName(t *testing.T) {\n\tif names.Name != \"mixer\" {\n\t\tt.Fatal(names.Name)\n\t}\n}\n",
        ),
    ] {
        std::fs::write(at.join(path), text).unwrap();
    }
}

/// Imports two folders by the command.
fn import(base: &Path, fix: &Path, out: &Path) {
    let mut import = assay();
    import.args(["import", "folders"]).arg(base).arg(fix).args(["--runner", "go", "--license", "MIT"]);
    import.args(["--id", "mixer", "--repo", "worlds/mixer", "--problem", "Rounds down, and panics for nothing."]);
    expect_exit(import.arg("--out").arg(out), 0);
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect()
}

fn a_module_goes_from_two_folders_to_rows_at_the_level_of_its_channel() {
    needs_go();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    tree(&at("base"), BASE, TEST_OF_BASE);
    tree(&at("fix"), GOLD, &[TEST_OF_BASE, TESTS_OF_FIX].concat());
    import(&at("base"), &at("fix"), &at("work"));
    let instance = lines(&at("work/instances.jsonl")).remove(0);
    assert_eq!((&instance["language"], &instance["environment"]["framework"]), (&json!("go"), &json!("go")));

    let answers = [
        (GOLD, "resolved"),
        (OTHER_FIX, "resolved"),
        (COMMENT_ONLY, "ended_early"),
        (DOES_NOT_BUILD, "still_failing"),
        (PRINTS_RESULTS, "ended_early"),
    ];
    let generations = answers.iter().enumerate().map(|(index, (core, _))| {
        let edit = format!("```go\n### mixer.go\n<<<<<<< SEARCH\n{BASE}=======\n{core}>>>>>>> REPLACE\n```");
        json!({"instance_id": "mixer", "skill": "repair", "completion": edit, "index": index}).to_string() + "\n"
    });
    std::fs::write(at("generations.jsonl"), generations.collect::<String>()).unwrap();
    let mut verify = assay();
    verify.arg("verify").arg(at("work")).arg("--generations").arg(at("generations.jsonl"));
    expect_exit(verify.arg("--run").arg(at("run")), 0);

    let admission = lines(&at("run/admissions.jsonl")).remove(0);
    // The panic of TestZero hides the tests behind it on base; each of them ran there by itself.
    let expected = [".::TestSixths", ".::TestSixths/1_of_6", ".::TestZero"];
    assert_eq!(names(&admission["fail_to_pass"]), expected, "{admission}");
    assert_eq!(names(&admission["pass_to_pass"]), [".::TestHalf", ".::TestSixths/3_of_6", "names::TestName"]);

    let verdicts = lines(&at("run/verdicts.jsonl"));
    assert_eq!(verdicts.len(), answers.len());
    for (verdict, (core, reason)) in verdicts.iter().zip(answers) {
        assert_eq!(verdict["reason"], reason, "{core}\n{verdict}");
        if reason == "resolved" {
            assert_eq!(verdict["evidence"], "E1", "{verdict}");
        }
    }

    expect_exit(assay().arg("export").arg(at("run")).arg("--out").arg(at("dataset")), 0);
    let rows = rows(&at("dataset"), "sft-repair");
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!((&row["evidence"], &row["channel"]), (&json!("E1"), &json!("marked_text")));
    }
}

pub const TESTS: &[Test] = tests![a_module_goes_from_two_folders_to_rows_at_the_level_of_its_channel];
