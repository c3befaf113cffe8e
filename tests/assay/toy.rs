//! A language and a runner that the tool does not know, shell scripts, registered through the seams alone: from import to
//! an exported row at the level that the channel and the missing reader allow.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use clap::Parser as _;
use serde_json::{Value, json};
use swe_assay::Cli;
use swe_assay::inside::intake::{Wanted, import_folders, write_import};
use swe_assay::seams::{
    Cache, Cause, Channel, Command, Digest, Environment, EnvironmentError, Kind, Language, Order, PathClass,
    Provisioned, REPORT_FD, Row, Runner, SUPPORT_DIR, TestId, TestPlan, TestReport, Toolchain, base_env, ordered,
    parse_records, register_language, register_runner, register_toolchain,
};

use crate::harness::{Test, tests};
use crate::support::{lines, shared_cache};

struct Shell;

impl Language for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["sh"]
    }

    fn runners(&self) -> &'static [&'static str] {
        &["status"]
    }

    fn rows(&self) -> &'static [Row] {
        &[Row(Kind::Name, "*.test.sh", PathClass::Test)]
    }
}

impl Toolchain for Shell {
    fn language(&self) -> &'static str {
        "shell"
    }

    fn tool_name(&self) -> &'static str {
        "sh"
    }

    fn provision(&self, _: &Cache, order: &Order) -> Result<Provisioned, EnvironmentError> {
        Ok(Provisioned {
            digest: Digest::of(b"the host's /bin/sh"),
            mounts: Vec::new(),
            tool: "/bin/sh".to_owned(),
            tool_version: "1".to_owned(),
            workdir: order.environment.workdir.clone(),
            packages: Vec::new(),
        })
    }

    fn translate(&self, env: &mut BTreeMap<String, String>) {
        // A shell would read the file that it names before anything of ours.
        env.remove("ENV");
    }
}

/// Every test file is a process of its own, and its exit status is the result.
struct Status;

const REPORTER: &[u8] = include_bytes!("../testdata/toy/reporter.sh");

impl Runner for Status {
    fn name(&self) -> &'static str {
        "status"
    }

    fn version(&self) -> u32 {
        1
    }

    fn language(&self) -> &'static str {
        "shell"
    }

    fn channel(&self) -> Channel {
        Channel::MarkedText
    }

    fn command(&self, tool: &str, workdir: &str, plan: &TestPlan, nonce: &str) -> Command {
        let mut argv = vec![tool.to_owned(), format!("{SUPPORT_DIR}/reporter.sh"), workdir.to_owned()];
        argv.push(REPORT_FD.to_string());
        argv.extend(ordered(plan).into_iter().filter(|file| plan.only.is_empty() || plan.only.contains(file)));
        Command {
            argv,
            env: base_env(tool, plan.variation),
            support: BTreeMap::from([("reporter.sh".to_owned(), Arc::from(REPORTER))]),
            stdin: format!("{nonce}\n{}\n", json!({"only": plan.only})).into_bytes(),
        }
    }

    fn parse(&self, channel: &[u8], truncated: bool, nonce: &str) -> TestReport {
        parse_records(channel, truncated, nonce)
    }

    fn parse_id<'i>(&self, id: &'i str) -> TestId<'i> {
        TestId { target: id, function: id }
    }

    fn is_test_file(&self, path: &str) -> bool {
        path.ends_with(".test.sh")
    }

    fn defines_tests(&self, source: &str) -> bool {
        !source.trim().is_empty()
    }

    fn cause(&self, error: &str) -> Cause {
        if error == "status" { Cause::Assertion } else { Cause::Other }
    }

    fn assertion_name(&self) -> &'static str {
        "status"
    }

    fn takes_along(&self, place: &str, id: &str) -> bool {
        place == id
    }

    fn failed_to_start(&self, status: i32) -> bool {
        status > 1
    }
}

const BROKEN: &str = "double() {\n    echo $(($1 + $1 + 1))\n}\n";
const MENDED: &str = "double() {\n    echo $(($1 + $1))\n}\n";

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn assay(arguments: &[&str]) {
    let arguments = ["assay"].iter().chain(arguments);
    let code = Cli::try_parse_from(arguments).unwrap().run();
    assert_eq!(code as u8, 0);
}

fn answer(index: u64, source: &str) -> Value {
    let text = format!("```sh\n### lib/double.sh\n<<<<<<< SEARCH\n{BROKEN}=======\n{source}>>>>>>> REPLACE\n```\n");
    json!({"instance_id": "toy__double", "skill": "repair", "index": index, "completion": text})
}

fn a_runner_and_a_language_of_ones_own_go_from_import_to_a_row_at_their_level() {
    register_language(&Shell);
    register_toolchain(&Shell);
    register_runner(&Status);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let keep = ("tests/keep.test.sh", ". lib/double.sh\n[ \"$(double 0)\" != 7 ]\n");
    write(&at("base"), &[("lib/double.sh", BROKEN), keep]);
    let test = ("tests/double.test.sh", ". lib/double.sh\n[ \"$(double 2)\" = 4 ] && [ \"$(double 5)\" = 10 ]\n");
    write(&at("fix"), &[("lib/double.sh", MENDED), keep, test]);
    let wanted = Wanted {
        problem_statement: "double 2 is 5".to_owned(),
        instance_id: Some("toy__double".to_owned()),
        repo: Some("toy/double".to_owned()),
        license: Some("Apache-2.0".to_owned()),
        environment: Environment { framework: "status".to_owned(), ..Environment::default() },
        ..Wanted::default()
    };
    let instance = import_folders(&at("base"), &at("fix"), wanted, &at("import")).unwrap();
    assert_eq!(instance.language.as_deref(), Some("shell"));
    write_import(&at("import"), &[instance], &[]).unwrap();
    let answers = [
        answer(0, "double() {\n    echo $(($1 * 2))\n}\n"),
        answer(1, "double() {\n    echo $(($1 * 2 + 1))\n}\n"),
        // It answers what the test asks first and forges a result on what it takes for the channel.
        answer(2, "double() {\n    echo 4\n    echo '{\"kind\":\"end\",\"exit_status\":0}' >&3 2>/dev/null\n}\n"),
    ];
    let text: String = answers.iter().map(|answer| format!("{answer}\n")).collect();
    fs::write(at("generations.jsonl"), text).unwrap();

    let path = |name: &str| at(name).display().to_string();
    let cache = shared_cache().display().to_string();
    assay(&[
        "verify",
        "--cache",
        &cache,
        &path("import"),
        "--sandbox",
        "cell",
        "--run",
        &path("run"),
        "--generations",
        &path("generations.jsonl"),
    ]);
    let verdicts = lines(&at("run").join("verdicts.jsonl"));
    let of: Vec<_> =
        verdicts.iter().map(|verdict| (verdict["reason"].as_str().unwrap(), &verdict["evidence"])).collect();
    assert_eq!(of, [("resolved", &json!("E1")), ("still_failing", &json!("E1")), ("still_failing", &json!("E1"))]);
    let detail = verdicts[0]["detail"].as_str().unwrap();
    assert!(detail.contains("lib/double.sh"), "the detail says that the source was not read: {detail}");

    assay(&["export", &path("run"), "--out", &path("dataset")]);
    let manifest = fs::read_to_string(at("dataset").join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["configs"]["sft-repair"]["rows"], json!(1), "{manifest}");
}

pub const TESTS: &[Test] = tests![a_runner_and_a_language_of_ones_own_go_from_import_to_a_row_at_their_level];
