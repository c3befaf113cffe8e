//! Go's own test runner, on Go 1.20 and newer. A target is the folder of a package, `.` for the top; an id is
//! `folder::TestName/sub_test`.
//!
//! The launcher in `sandboxes/reporters/assay_go.sh` builds every package, then runs the test binaries. A package that does
//! not build is an error of collection of its folder, so a build has no outcome of its own. Tests of one package share a
//! process: if it ends before Go's last word, the session has not ended properly, and what it did not come to is unknown.
//! Nothing limits a test but the deadline of the trial.

use std::collections::BTreeSet;

use super::events;
use super::variables::{ALWAYS, IN_JOBS};
use crate::model::cause::Cause;
use crate::model::channel::Channel;
use crate::model::test_id::TestId;
use crate::model::trial::{TestPlan, TestReport, Variation};
use crate::runner::{Command, Runner, base_env, ordered};
use crate::sandbox::{ENVIRONMENT_DIR, SUPPORT_DIR};

/// The adapter of `go test`.
#[derive(Clone, Copy, Debug)]
pub struct GoTest;

const LAUNCHER: (&str, &[u8]) = ("assay_go.sh", include_bytes!("../../../sandboxes/reporters/assay_go.sh"));
/// Seed of the other order of the tests of a package.
const OTHER_ORDER: &str = "4242";

/// The folder of an environment that holds what was built of the standard library.
pub const BUILD_CACHE: &str = "build-cache";
/// The folder of an environment that holds modules.
pub const MODULE_CACHE: &str = "modules";

impl Runner for GoTest {
    fn name(&self) -> &'static str {
        "go"
    }

    fn version(&self) -> u32 {
        2
    }

    fn language(&self) -> &'static str {
        "go"
    }

    fn channel(&self) -> Channel {
        Channel::MarkedText
    }

    fn command(&self, go: &str, workdir: &str, plan: &TestPlan, nonce: &str) -> Command {
        let mut env = base_env(go, plan.variation);
        let warm = format!("{ENVIRONMENT_DIR}/{BUILD_CACHE}");
        let modules = format!("{ENVIRONMENT_DIR}/{MODULE_CACHE}");
        let places = [("ASSAY_GO_WARM", warm.as_str()), ("GOMODCACHE", &modules)];
        for (name, value) in ALWAYS.into_iter().chain(IN_JOBS).chain(places) {
            env.insert(name.to_owned(), value.to_owned());
        }
        let order = match plan.variation {
            Variation::ShuffledFiles => OTHER_ORDER,
            Variation::None | Variation::OtherSeedAndZone => "",
        };
        let mut stdin = format!("{nonce}\n{order}\n");
        for target in ordered(plan) {
            stdin += &format!("{target}\n{}\n", pattern(&target, &plan.only));
        }
        let (name, content) = LAUNCHER;
        Command {
            argv: ["/bin/sh", &format!("{SUPPORT_DIR}/{name}"), go, workdir].map(str::to_owned).to_vec(),
            env,
            support: [(name.to_owned(), content.into())].into(),
            stdin: stdin.into_bytes(),
        }
    }

    fn parse(&self, channel: &[u8], truncated: bool, nonce: &str) -> TestReport {
        events::parse(channel, truncated, nonce)
    }

    fn parse_id<'i>(&self, id: &'i str) -> TestId<'i> {
        let (target, name) = parts(id);
        let case = name.find('/').map_or(0, |at| name.len() - at);
        TestId { target, function: &id[..id.len() - case] }
    }

    fn is_test_file(&self, path: &str) -> bool {
        // The go tool passes over these folders and files.
        let ignored = |part: &str| part.starts_with(['_', '.']);
        let mut parts = path.rsplit('/');
        let name = parts.next().unwrap_or(path);
        name.ends_with("_test.go")
            && !ignored(name)
            && !parts.any(|folder| ignored(folder) || folder == "testdata" || folder == "vendor")
    }

    fn defines_tests(&self, source: &str) -> bool {
        source
            .lines()
            .any(|line| ["func Test", "func Example", "func Fuzz"].iter().any(|start| line.starts_with(start)))
    }

    fn target_of_file(&self, path: &str) -> Option<String> {
        self.is_test_file(path).then(|| path.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned())
    }

    fn cause(&self, error: &str) -> Cause {
        match error {
            events::FAIL => Cause::Assertion,
            events::MISSING_MODULE => Cause::MissingModule,
            events::UNDEFINED => Cause::MissingName,
            events::UNBUILT => Cause::Unreadable,
            // A panic, and whatever a later version calls by another name.
            _ => Cause::Other,
        }
    }

    fn assertion_name(&self) -> &'static str {
        events::FAIL
    }

    fn takes_along(&self, place: &str, id: &str) -> bool {
        parts(id).0 == place
    }

    /// The launcher itself ends with 90 and above; a shell that is not there ends with 126 or 127.
    fn failed_to_start(&self, status: i32) -> bool {
        status >= 90
    }
}

/// Target and test name of an id. A target alone is one without a name.
fn parts(id: &str) -> (&str, &str) {
    id.split_once("::").unwrap_or((id, ""))
}

/// The pattern that selects these tests of a target; empty for all. A sub test is selected alone if it is the only one;
/// otherwise a function runs with all of its sub tests.
fn pattern(target: &str, only: &[String]) -> String {
    if only.is_empty() {
        return String::new();
    }
    let names: Vec<_> = only.iter().map(|id| parts(id)).filter(|(of, _)| *of == target).map(|(_, name)| name).collect();
    match names.as_slice() {
        [name] => {
            let levels: Vec<_> = name.split('/').map(|level| format!("^{}$", literal(level))).collect();
            levels.join("/")
        }
        names => {
            let functions: BTreeSet<_> =
                names.iter().map(|name| literal(name.split('/').next().unwrap_or(name))).collect();
            format!("^({})$", functions.into_iter().collect::<Vec<_>>().join("|"))
        }
    }
}

/// A pattern of Go that fits this text alone.
fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(only: &[&str]) -> TestPlan {
        let files = [".", "query"].map(str::to_owned).to_vec();
        TestPlan { files, only: only.iter().map(|id| (*id).to_owned()).collect(), ..TestPlan::default() }
    }

    fn stdin(plan: &TestPlan) -> String {
        String::from_utf8(GoTest.command("/go/bin/go", "/testbed", plan, "n0nce").stdin).unwrap()
    }

    #[test]
    fn an_id_is_a_package_folder_and_a_test_and_all_sub_tests_are_one_function() {
        for (id, target, function) in [
            (".::TestA", ".", ".::TestA"),
            ("query::TestA/b_c/d#01", "query", "query::TestA"),
            ("cmd/tool::TestA/x::y", "cmd/tool", "cmd/tool::TestA"),
            ("cmd/tool", "cmd/tool", "cmd/tool"),
        ] {
            assert_eq!(GoTest.parse_id(id), TestId { target, function }, "{id}");
        }
    }

    #[test]
    fn the_target_of_a_test_file_is_its_folder() {
        for (path, target) in [
            ("a_test.go", Some(".")),
            ("query/parser_test.go", Some("query")),
            ("query/parser.go", None),
            ("query/testdata/a_test.go", None),
            ("vendor/x/a_test.go", None),
            ("_old/a_test.go", None),
            ("_a_test.go", None),
        ] {
            assert_eq!(GoTest.target_of_file(path).as_deref(), target, "{path}");
        }
    }

    #[test]
    fn the_nonce_and_the_orders_are_on_standard_input_only() {
        let command = GoTest.command("/usr/lib/go-1.23/bin/go", "/testbed", &plan(&[]), "n0nce");
        assert_eq!(command.stdin, b"n0nce\n\n.\n\nquery\n\n");
        assert!(!command.argv.iter().chain(command.env.values()).any(|text| text.contains("n0nce")));
        assert_eq!(command.env["PATH"], "/usr/lib/go-1.23/bin:/usr/bin:/bin");
        assert_eq!(command.env["GOPROXY"], "off");
    }

    #[test]
    fn one_sub_test_runs_alone_and_several_tests_run_with_their_functions() {
        assert_eq!(stdin(&plan(&[".::TestA/one_(x)/y"])), "n0nce\n\n.\n^TestA$/^one_\\(x\\)$/^y$\nquery\n^()$\n");
        let several = plan(&[".::TestB/x", ".::TestA", ".::TestB/y", "query::TestQ"]);
        assert_eq!(stdin(&several), "n0nce\n\n.\n^(TestA|TestB)$\nquery\n^TestQ$\n");
    }

    #[test]
    fn the_other_order_concerns_packages_and_the_tests_of_each() {
        let shuffled = TestPlan { variation: Variation::ShuffledFiles, ..plan(&[]) };
        assert_eq!(stdin(&shuffled), format!("n0nce\n{OTHER_ORDER}\nquery\n\n.\n\n"));
        let zone = TestPlan { variation: Variation::OtherSeedAndZone, ..plan(&[]) };
        assert_eq!(stdin(&zone), stdin(&plan(&[])));
    }

    #[test]
    fn a_package_that_does_not_build_takes_its_own_tests_along_and_no_others() {
        assert!(GoTest.takes_along("query", "query::TestA/b"));
        assert!(!GoTest.takes_along(".", "query::TestA"));
        assert!(!GoTest.takes_along("query", "query/deep::TestA"));
    }
}
