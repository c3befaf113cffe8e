//! The runners of Python. In: a test plan. Out: the sealed command of pytest or unittest, and of the run without a runner.
//! What the two share stands here: the launcher, the kinds of errors, and what an id and an exit status say.

mod adapter;
pub mod bare;
pub mod pytest;
pub mod sentinel;
mod services;
pub mod unittest;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::{Command, base_env};
use crate::model::cause::Cause;
use crate::model::test_id::TestId;
use crate::model::trial::{TestPlan, Variation};
use crate::sandbox::SUPPORT_DIR;

/// The whole environment of a run; an instance's own variables are merged by the caller.
fn sealed_env(python: &str, variation: Variation) -> BTreeMap<String, String> {
    let seed = match variation {
        Variation::OtherSeedAndZone => "4242",
        Variation::None | Variation::ShuffledFiles => "0",
    };
    let mut env = base_env(python, variation);
    for (name, value) in [("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONHASHSEED", seed), ("PYTHONNOUSERSITE", "1")] {
        env.insert(name.to_owned(), value.to_owned());
    }
    env
}

/// The command of a reproduction script: the interpreter and the script's repository path. Repository modules can be
/// imported.
fn script_command(python: &str, workdir: &str, path: &str, variation: Variation) -> Command {
    let mut env = sealed_env(python, variation);
    env.insert("PYTHONPATH".to_owned(), format!("{workdir}/src:{workdir}"));
    Command {
        argv: vec![python.to_owned(), "-s".to_owned(), format!("{workdir}/{path}")],
        env,
        support: BTreeMap::new(),
        stdin: Vec::new(),
    }
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

/// An id is `path::Class::test[case]`; the path alone is given to the runner.
fn parse_id(id: &str) -> TestId<'_> {
    TestId { target: id.split_once("::").map_or(id, |(file, _)| file), function: id.split('[').next().unwrap_or(id) }
}

/// Whether an id is that of a doctest in a module: its name is the dotted name of what it documents.
fn in_source(id: &str) -> bool {
    let name = id.split("::").nth(1).unwrap_or_default();
    let doctest = name.split('[').next().is_some_and(|name| name.contains('.'));
    doctest && parse_id(id).target.ends_with(".py")
}

/// Whether the text of a test file defines tests, in a line of its own.
fn defines_tests(source: &str) -> bool {
    source.lines().map(str::trim_start).any(|line| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.starts_with("def test") || line.starts_with("def runTest")
    })
}

/// The kind of an exception, by the name of its type.
fn cause(error: &str) -> Cause {
    match error {
        "AssertionError" => Cause::Assertion,
        // What pytest raises for `pytest.fail`, and for a `raises` that saw nothing.
        "Failed" => Cause::ExplicitFailure,
        // pytest hands errors of unittest methods on too late to name them.
        "Exception" => Cause::Unnamed,
        "ImportError" | "ModuleNotFoundError" => Cause::MissingModule,
        // Another file of this name is loaded already; the second is what pytest called it before version 6.
        "ImportPathMismatchError" | "ImportMismatchError" => Cause::NameClash,
        "NameError" => Cause::MissingName,
        "UnboundLocalError" => Cause::UnboundName,
        "AttributeError" => Cause::MissingAttribute,
        "TypeError" => Cause::WrongType,
        "SyntaxError" | "IndentationError" | "TabError" => Cause::Unreadable,
        "Timeout" | "TimeoutError" => Cause::Deadline,
        "FixtureLookupError" => Cause::MissingFixture,
        // What our reporters call a system error of an unreachable network or host.
        "NetworkUnreachable" => Cause::NoNetwork,
        "gaierror"
        | "herror"
        | "URLError"
        | "ConnectionError"
        | "ConnectTimeout"
        | "ConnectTimeoutError"
        | "MaxRetryError"
        | "NewConnectionError"
        | "NameResolutionError"
        | "ClientConnectorError"
        | "ClientConnectorDNSError"
        | "ConnectError"
        | "ServerNotFoundError"
        | "EndpointConnectionError" => Cause::Network,
        _ => Cause::Other,
    }
}

/// Whether a collection error at this place takes the test with it.
fn takes_along(place: &str, id: &str) -> bool {
    let file = parse_id(id).target;
    let folder = ["/__init__.py", "/conftest.py"].iter().find_map(|name| place.strip_suffix(name)).unwrap_or(place);
    place == file
        || place == "conftest.py"
        || id.strip_prefix(place).is_some_and(|rest| rest.starts_with("::"))
        || file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// 0 and 1 are the ends of a session that ran tests, and 5 is the end of one that found none.
fn failed_to_start(status: i32) -> bool {
    status > 1 && status != 5
}

#[cfg(test)]
mod tests {
    use super::pytest::Pytest;
    use super::unittest::Unittest;
    use super::*;
    use crate::runner::Runner;

    fn plan(variation: Variation) -> TestPlan {
        let files = ["tests/test_a.py", "tests/test_b.py", "tests/test_c.py"].map(str::to_owned).to_vec();
        TestPlan { framework: "pytest/1".to_owned(), files, variation, ..TestPlan::default() }
    }

    #[test]
    fn an_error_of_collection_takes_the_tests_with_it_that_need_what_could_not_be_imported() {
        let id = "tests/unit/test_a.py::Case::test";
        let places = ["tests/unit/test_a.py", "tests/unit/test_a.py::Case", "tests/unit", "tests/__init__.py"];
        let fixtures = ["conftest.py", "tests/conftest.py", "tests/unit/conftest.py"];
        assert!(places.iter().chain(&fixtures).all(|place| takes_along(place, id)));
        let others = ["tests/unit/test_b.py", "tests/unit/test_a.py::Cas", "tests/un", "tests/other/conftest.py"];
        assert!(!others.iter().any(|place| takes_along(place, id)));
    }

    #[test]
    fn the_nonce_is_on_standard_input_only() {
        for runner in [&Pytest as &dyn Runner, &Unittest] {
            let command = runner.command("/e/bin/python", "/testbed", &plan(Variation::None), "n0nce");
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
        assert_eq!(Pytest.target_of("tests/test_a.py::X::y[1::2]"), "tests/test_a.py");
        assert_eq!(Unittest.target_of("tests/test_a.py"), "tests/test_a.py");
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
