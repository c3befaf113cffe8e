//! Go: from two folders of a module to exported rows. A panic on base hides tests; a package that does not build and a process that
//! ends with 0 after it printed results are no passes.

use crate::harness::{Need, Test, skip, tests};
use std::path::Path;

use serde_json::{Value, json};
use swe_assay::inside::images::cache::Cache;
use swe_assay::inside::images::environment_error::EnvironmentError;
use swe_assay::inside::images::go::compiler::Compiler;
use swe_assay::inside::images::go::toolchain::GoToolchain;
use swe_assay::inside::images::order::Order;
use swe_assay::inside::images::provisioned::Provisioned;
use swe_assay::inside::images::toolchain::Toolchain as _;
use swe_assay::inside::model::instance::Environment;
use swe_assay::seams::Files;

use crate::export::rows;
use crate::support::{assay, expect_exit, lines, shared_cache};

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

fn write(at: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = at.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn tree(at: &Path, core: &str, tests: &str) {
    let files = [
        ("go.mod", "module example.com/mixer\n\ngo 1.20\n"),
        ("LICENSE", "SPDX-License-Identifier: MIT\n"),
        ("mixer.go", core),
        ("mixer_test.go", tests),
        ("names/names.go", "package names\n\nconst Name = \"mixer\"\n"),
        (
            "names/names_test.go",
            "package names_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/mixer/names\"\n)\n\nfunc TestName(t *testing.T) {\n\tif names.Name != \"mixer\" {\n\t\tt.Fatal(names.Name)\n\t}\n}\n",
        ),
    ];
    write(at, &files);
}

/// Imports two folders by the command.
fn import(base: &Path, fix: &Path, id: &str, out: &Path) {
    let mut import = assay();
    import.args(["import", "folders"]).arg(base).arg(fix).args(["--runner", "go", "--license", "MIT", "--id", id]);
    import.args(["--repo", &format!("worlds/{id}"), "--problem", "Rounds down, and panics for nothing."]);
    expect_exit(import.arg("--out").arg(out), 0);
}

/// An edit of a whole file.
fn edit(path: &str, before: &str, after: &str) -> String {
    format!("### {path}\n<<<<<<< SEARCH\n{before}=======\n{after}>>>>>>> REPLACE\n")
}

/// Verifies repairs, in a folder whose `work` holds the instance, into `run`.
fn verify(folder: &Path, id: &str, edits: &[String]) {
    let generations = edits.iter().enumerate().map(|(index, edits)| {
        let completion = format!("```go\n{edits}```");
        json!({"instance_id": id, "skill": "repair", "completion": completion, "index": index}).to_string() + "\n"
    });
    std::fs::write(folder.join("generations.jsonl"), generations.collect::<String>()).unwrap();
    let mut verify = assay();
    verify.arg("verify").arg(folder.join("work")).arg("--generations").arg(folder.join("generations.jsonl"));
    expect_exit(verify.arg("--run").arg(folder.join("run")), 0);
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
    import(&at("base"), &at("fix"), "mixer", &at("work"));
    let instance = lines(&at("work/instances.jsonl")).remove(0);
    assert_eq!((&instance["language"], &instance["environment"]["framework"]), (&json!("go"), &json!("go")));

    let answers = [
        (GOLD, "resolved"),
        (OTHER_FIX, "resolved"),
        (COMMENT_ONLY, "ended_early"),
        (DOES_NOT_BUILD, "still_failing"),
        (PRINTS_RESULTS, "ended_early"),
    ];
    let edits = answers.map(|(core, _)| edit("mixer.go", BASE, core));
    verify(folder.path(), "mixer", &edits);

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

const HALF: &str = "package pair\n\nfunc Half(n int) int {\n\treturn n\n}\n";
const HALF_RIGHT: &str = "package pair\n\nfunc Half(n int) int {\n\treturn n / 2\n}\n";
const DOUBLE: &str =
    "package double\n\n// Open is how many are open.\nvar Open int\n\nfunc Double(n int) int {\n\treturn n\n}\n";
const DOUBLE_RIGHT: &str =
    "package double\n\n// Open is how many are open.\nvar Open int\n\nfunc Double(n int) int {\n\treturn n * 2\n}\n";
const DOUBLE_LEAKS: &str = "package double\n\n// Open is how many are open.\nvar Open int\n\nfunc Double(n int) int {\n\tOpen++\n\treturn n * 2\n}\n";
/// A test that no tree passes, so that a session always fails.
const HALF_TEST: &str =
    "package pair\n\nimport \"testing\"\n\nfunc TestNever(t *testing.T) {\n\tt.Fatal(\"never\")\n}\n";
const HALF_TEST_OF_FIX: &str =
    "\nfunc TestHalf(t *testing.T) {\n\tif got := Half(6); got != 3 {\n\t\tt.Fatal(got)\n\t}\n}\n";
const DOUBLE_TEST: &str = "package double\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestMain(m *testing.M) {\n\tstatus := m.Run()\n\tif Open != 0 {\n\t\tstatus = 3\n\t}\n\tos.Exit(status)\n}\n";
const DOUBLE_TEST_OF_FIX: &str =
    "\nfunc TestDouble(t *testing.T) {\n\tif got := Double(3); got != 6 {\n\t\tt.Fatal(got)\n\t}\n}\n";

/// What the first package does to the test binaries of the others, in the place of its repair.
fn half_that(does: &str) -> String {
    let start = "package pair\n\nimport (\n\t\"os\"\n\t\"path/filepath\"\n)\n\nfunc init() {\n\tothers, _ := filepath.Glob(filepath.Join(filepath.Dir(os.Args[0]), \"*.test\"))\n\tfor _, other := range others {\n\t\tif other != os.Args[0] {\n";
    format!("{start}{does}\t\t}}\n\t}}\n}}\n{}", HALF_RIGHT.trim_start_matches("package pair\n"))
}

fn what_one_package_does_is_not_hidden_by_another_and_does_not_reach_its_binary() {
    needs_go();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let pair = |name: &str, half: &str, double: &str, tests: [&str; 2]| {
        let tree = [
            ("go.mod", "module example.com/pair\n\ngo 1.20\n"),
            ("LICENSE", "SPDX-License-Identifier: MIT\n"),
            ("half.go", half),
            ("half_test.go", tests[0]),
            ("double/double.go", double),
            ("double/double_test.go", tests[1]),
        ];
        write(&at(name), &tree);
    };
    pair("base", HALF, DOUBLE, [HALF_TEST, DOUBLE_TEST]);
    let tests = [[HALF_TEST, HALF_TEST_OF_FIX].concat(), [DOUBLE_TEST, DOUBLE_TEST_OF_FIX].concat()];
    pair("fix", HALF_RIGHT, DOUBLE_RIGHT, [&tests[0], &tests[1]]);
    import(&at("base"), &at("fix"), "pair", &at("work"));

    let forges = "#!/bin/sh\\nprintf '\\026=== RUN   TestDouble\\n\\026--- PASS: TestDouble (0.00s)\\n\\026PASS\\n'\\n";
    let forges = format!("\t\t\tos.Remove(other)\n\t\t\tos.WriteFile(other, []byte(\"{forges}\"), 0o755)\n");
    let removes = half_that("\t\t\tos.Remove(other)\n");
    let answers: [(String, &str, &str, &str); 4] = [
        (HALF_RIGHT.to_owned(), DOUBLE_RIGHT, "resolved", ""),
        // All tests of the second package pass, and its TestMain then ends with 3.
        (HALF_RIGHT.to_owned(), DOUBLE_LEAKS, "exit_contradicts_report", "double ended with status 3"),
        // The second package stays wrong, and something else runs in place of its binary.
        (half_that(&forges), DOUBLE, "ended_early", "exit status 94"),
        (removes, DOUBLE_RIGHT, "ended_early", "exit status 93"),
    ];
    let edits = answers.each_ref().map(|(half, double, ..)| {
        let edits = [("half.go", HALF, half.as_str()), ("double/double.go", DOUBLE, double)];
        let edits = edits.iter().filter(|(_, before, after)| before != after);
        edits.map(|(path, before, after)| edit(path, before, after)).collect::<String>()
    });
    verify(folder.path(), "pair", &edits);
    let admission = lines(&at("run/admissions.jsonl")).remove(0);
    assert_eq!(names(&admission["fail_to_pass"]), [".::TestHalf", "double::TestDouble"], "{admission}");
    let verdicts = lines(&at("run/verdicts.jsonl"));
    assert_eq!(verdicts.len(), answers.len());
    for (verdict, (_, _, reason, detail)) in verdicts.iter().zip(&answers) {
        assert_eq!(verdict["reason"], *reason, "{verdict}");
        assert!(verdict["detail"].as_str().unwrap().contains(detail), "{verdict}");
    }
}

/// A tree of which nothing is read.
struct NoFiles;

impl Files for NoFiles {
    fn base(&self) -> anyhow::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn trusted(&self) -> anyhow::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn read(&self, _: &str) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

/// What the environment of a module of these files is made from, or why there is none.
fn provisioned(files: &[(&str, &str)]) -> Result<Provisioned, EnvironmentError> {
    let cache = Cache::open(&shared_cache()).unwrap();
    let checkout = |_: &str, folder: &Path| -> anyhow::Result<()> {
        write(folder, files);
        Ok(())
    };
    let environment = Environment { framework: "go".to_owned(), ..Environment::default() };
    let order = Order {
        environment: &environment,
        base_tree: "base",
        base_files: &NoFiles,
        version: None,
        modules: &[],
        layer_tree: "base",
        checkout: &checkout,
        warm: &|image| Ok(image.clone()),
        workshop: None,
        say: &|_| {},
        not_installed: &|_| {},
        phases: &Default::default(),
    };
    GoToolchain.provision(&cache, &order)
}

fn a_go_mod_is_read_as_go_reads_it_and_a_folder_in_place_of_a_module_is_part_of_the_environment() {
    needs_go();
    let refused = |text: &str| provisioned(&[("go.mod", text)]).unwrap_err();
    for nameless in ["go 1.20\n", "module \"\"\n"] {
        let error = refused(nameless);
        assert!(matches!(error, EnvironmentError::Unsupported(_)), "{error:?}");
        assert!(error.to_string().contains("go.mod of base names no module"), "{error}");
    }
    let said = refused("module example.com/a\nfoo bar\n").to_string();
    assert!(said.contains("unknown directive: foo"), "{said}");
    let said = refused("module example.com/a\n\ngo 1.999\n").to_string();
    assert!(said.contains("requires go >= 1.999"), "{said}");

    // There is no `go` line, as in old modules, and blocks and comments stand where Go allows them.
    let module = "module (\n\t\"example.com/a\"\n)\nrequire example.com/part v0.0.0 // ours\nreplace (\n\texample.com/part => ./part\n)\n";
    let digest = |part: &str| provisioned(&[("go.mod", module), ("part/go.mod", part)]).unwrap().digest;
    let plain = digest("module example.com/part\n");
    assert_eq!(plain, digest("module example.com/part\n"));
    assert_ne!(plain, digest("module example.com/part\n\ngo 1.20\n"));
    // Nothing is looked up to read such a file.
    let far = ("go.mod", "module example.com/a\n\nrequire example.com/far v1.0.0\n");
    provisioned(&[far, ("vendor/modules.txt", "# example.com/far v1.0.0\n## explicit\n")]).unwrap();
}

pub const TESTS: &[Test] = tests![
    a_module_goes_from_two_folders_to_rows_at_the_level_of_its_channel,
    what_one_package_does_is_not_hidden_by_another_and_does_not_reach_its_binary,
    a_go_mod_is_read_as_go_reads_it_and_a_folder_in_place_of_a_module_is_part_of_the_environment,
];
