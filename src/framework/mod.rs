//! Test-runner adapters, and what reads Python tests. In: a test plan. Out: a sealed command, and a report parsed on
//! our side.
//!
//! Adapters are pure. pytest and unittest have one. An adapter is one file here and one reporter in
//! `sandboxes/reporters/`. Names of runners also stand in the tables of `repo/` and in the recipes.
//!
//! A sealed command starts the reporter before anything of the tree. The reporter gets a nonce and the orders on
//! standard input and writes records to a channel without a path. `docs/threats.md` says in which order things start.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::sandbox::SUPPORT_DIR;
use crate::trial::{TestPlan, TestReport, Variation};

pub mod canary;
mod canary_edits;
pub mod held_out;
pub mod lines;
pub mod logs;
pub mod mutants;
mod notes;
pub mod oracle;
mod perturb;
pub mod plain;
mod pytest;
mod records;
pub mod sentinel;
mod syntax;
mod unittest;

pub use pytest::Pytest;
pub use unittest::Unittest;

/// Names that `environment.framework` may hold.
pub const NAMES: [&str; 2] = ["pytest", "unittest"];

/// The adapter of a name, or `None` if this version has no such adapter; [`NAMES`] says which there are.
pub fn by_name(name: &str) -> Option<&'static dyn Framework> {
    match name {
        "pytest" => Some(&Pytest),
        "unittest" => Some(&Unittest),
        _ => None,
    }
}

/// A sealed command: what a [`crate::sandbox::Job`] needs besides tree and limits.
#[derive(Clone, Debug)]
pub struct Command {
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Trusted files below [`crate::sandbox::SUPPORT_DIR`].
    pub support: BTreeMap<String, Arc<[u8]>>,
    /// Carries the nonce and the orders; read by the reporter before anything of the repository is imported.
    pub stdin: Vec<u8>,
}

/// One test runner.
pub trait Framework: Send + Sync {
    /// Name in `environment.framework`.
    fn name(&self) -> &'static str;

    /// Raised whenever command, reporter or parser change what a report may say: old admissions then run again. Remarks are no
    /// results; an admission of a report without them is still right.
    fn version(&self) -> u32;

    /// The sealed command for a plan. `python` and `workdir` are paths inside the sandbox; `nonce` is per run.
    fn command(&self, python: &str, workdir: &str, plan: &TestPlan, nonce: &str) -> Command;

    /// Reads the reporter's channel. Never fails: whatever is wrong is an alarm in the report, or `finished: false`.
    fn parse(&self, channel: &[u8], truncated: bool, nonce: &str) -> TestReport;

    /// Repository path of the file that a test id belongs to.
    fn file_of(&self, test_id: &str) -> String;

    /// Whether the runner collects tests from this path by convention.
    fn is_test_file(&self, path: &str) -> bool;
}

/// The command of a reproduction script: the interpreter and the script's repository path, no report. Repository
/// modules are importable; the script's output and exit are the result.
pub fn script_command(python: &str, workdir: &str, path: &str, variation: Variation) -> Command {
    let mut env = sealed_env(python, variation);
    env.insert("PYTHONPATH".to_owned(), format!("{workdir}/src:{workdir}"));
    Command {
        argv: vec![python.to_owned(), "-s".to_owned(), format!("{workdir}/{path}")],
        env,
        support: BTreeMap::new(),
        stdin: Vec::new(),
    }
}

/// The whole environment of a run; an instance's own variables are merged by the caller.
fn sealed_env(python: &str, variation: Variation) -> BTreeMap<String, String> {
    let bin = python.rsplit_once('/').map_or("", |(bin, _)| bin);
    let path = match bin {
        "" | "/usr/bin" | "/bin" => "/usr/bin:/bin".to_owned(),
        bin => format!("{bin}:/usr/bin:/bin"),
    };
    let (seed, zone, locale) = match variation {
        Variation::OtherSeedAndZone => ("4242", "Asia/Kathmandu", "POSIX"),
        Variation::None | Variation::ShuffledFiles => ("0", "UTC", "C.UTF-8"),
    };
    [
        ("HOME", "/tmp/home"),
        ("LANG", locale),
        ("LC_ALL", locale),
        ("PATH", &path),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONHASHSEED", seed),
        ("PYTHONNOUSERSITE", "1"),
        ("TZ", zone),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// A reporter's command. The arguments follow the launcher's path: work directory, options of the runner, test files.
fn reporter_command(
    python: &str,
    launcher: &str,
    arguments: Vec<String>,
    support: &[(&str, &'static [u8])],
    plan: &TestPlan,
    nonce: &str,
) -> Command {
    let mut argv = vec![python.to_owned(), "-s".to_owned(), format!("{SUPPORT_DIR}/{launcher}")];
    argv.extend(arguments);
    let mut env = sealed_env(python, plan.variation);
    // The reporter itself puts the repository on the import path, once the runner is loaded (assay_site.py).
    env.insert("ASSAY_LAUNCHER".to_owned(), "1".to_owned());
    Command {
        argv,
        env,
        support: support.iter().map(|(name, content)| ((*name).to_owned(), Arc::from(*content))).collect(),
        stdin: format!(
            "{nonce}\n{}\n",
            json!({
                "note": plan.note,
                "only": plan.only,
                "reverse": plan.variation == Variation::ShuffledFiles,
                "watch": plan.watch,
            })
        )
        .into_bytes(),
    }
}

/// The plan's files in the order of its variation: as planned, or in one fixed other order.
fn ordered(plan: &TestPlan) -> Vec<String> {
    let mut files = plan.files.clone();
    if plan.variation == Variation::ShuffledFiles {
        files.sort_by_key(|file| crate::digest::Digest::of(file.as_bytes()));
        if files == plan.files {
            files.reverse();
        }
    }
    files
}

/// Whether the text of a test file defines tests, in a line of its own. Helpers with the name of a test file do not.
pub fn defines_tests(source: &str) -> bool {
    source.lines().map(str::trim_start).any(|line| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.starts_with("def test") || line.starts_with("def runTest")
    })
}

/// The part of a test id before the first `::`.
fn file_part(test_id: &str) -> String {
    test_id.split_once("::").map_or(test_id, |(file, _)| file).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(variation: Variation) -> TestPlan {
        let files = ["tests/test_a.py", "tests/test_b.py", "tests/test_c.py"].map(str::to_owned).to_vec();
        TestPlan { framework: "pytest/1".to_owned(), files, variation, ..TestPlan::default() }
    }

    #[test]
    fn every_name_has_its_adapter() {
        for name in NAMES {
            assert_eq!(by_name(name).map(Framework::name), Some(name));
        }
        assert!(by_name("nose").is_none());
    }

    #[test]
    fn shuffling_keeps_the_files_and_changes_their_order_always_the_same_way() {
        let planned = plan(Variation::ShuffledFiles);
        let mut shuffled = ordered(&planned);
        assert_ne!(shuffled, planned.files);
        assert_eq!(shuffled, ordered(&planned));
        shuffled.sort();
        assert_eq!(shuffled, planned.files);
        assert_eq!(ordered(&plan(Variation::OtherSeedAndZone)), planned.files);
    }

    #[test]
    fn the_nonce_is_on_standard_input_only() {
        for name in NAMES {
            let command = by_name(name).unwrap().command("/e/bin/python", "/testbed", &plan(Variation::None), "n0nce");
            assert_eq!(command.stdin, b"n0nce\n{\"note\":false,\"only\":[],\"reverse\":false,\"watch\":{}}\n");
            assert!(!command.argv.iter().chain(command.env.values()).any(|text| text.contains("n0nce")));
            assert_eq!(command.env["PATH"], "/e/bin:/usr/bin:/bin");
        }
    }

    #[test]
    fn the_other_seed_and_zone_change_nothing_but_environment() {
        let plain = Pytest.command("/usr/bin/python3", "/testbed", &plan(Variation::None), "n");
        let other = Pytest.command("/usr/bin/python3", "/testbed", &plan(Variation::OtherSeedAndZone), "n");
        assert_eq!(plain.argv, other.argv);
        for name in ["PYTHONHASHSEED", "TZ", "LC_ALL"] {
            assert_ne!(plain.env[name], other.env[name]);
        }
    }

    #[test]
    fn a_file_of_helpers_defines_no_tests_though_its_name_is_that_of_a_test_file() {
        for (source, defines) in [
            ("import x\n\n\ndef test_a():\n    pass\n", true),
            ("class TestA:\n    async def test_a(self):\n        pass\n", true),
            ("class A(TestCase):\n    def runTest(self):\n        pass\n", true),
            ("ANSWER = 42\n\n\ndef helper_test():\n    return ANSWER\n", false),
            ("# def test_a():\n", false),
            ("", false),
        ] {
            assert_eq!(defines_tests(source), defines, "{source}");
        }
    }

    #[test]
    fn the_file_of_a_test_id_is_what_stands_before_the_first_double_colon() {
        assert_eq!(Pytest.file_of("tests/test_a.py::X::y[1::2]"), "tests/test_a.py");
        assert_eq!(Unittest.file_of("tests/test_a.py"), "tests/test_a.py");
    }

    #[test]
    fn test_files_are_known_by_name() {
        let table = [
            ("tests/test_a.py", true, true),
            ("a_test.py", true, false),
            ("tests/testing.py", false, true),
            ("tests/conftest.py", false, false),
            ("tests/test_a.txt", false, false),
            ("test_.py/x.py", false, false),
        ];
        for (path, pytest, unittest) in table {
            assert_eq!((Pytest.is_test_file(path), Unittest.is_test_file(path)), (pytest, unittest), "{path}");
        }
    }
}
