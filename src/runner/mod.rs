//! Test runners. In: a test plan. Out: a sealed command, and a report parsed on our side.
//!
//! A runner is one file in the folder of its language here, one reporter in `sandboxes/reporters/`, and one line in
//! [`BUILT_IN`]. It is pure. It alone takes test ids apart, knows what its exit statuses say, and knows which kind of error
//! a name of an error is. `python/` has pytest and unittest, `go/` Go's own.
//!
//! A sealed command starts the reporter before anything of the tree. The reporter gets a nonce and the orders on
//! standard input and writes records to a channel without a path. `docs/threats.md` says in which order things start,
//! and what a report is worth by the kind of its channel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use crate::model::cause::Cause;
use crate::model::channel::Channel;
use crate::model::digest::Digest;
use crate::model::test_id::TestId;
use crate::model::trial::{TestPlan, TestReport, Variation};

mod bounds;
pub mod go;
pub mod python;
pub mod records;

/// The runners that come with the tool.
const BUILT_IN: [&dyn Runner; 3] = [&python::pytest::Pytest, &python::unittest::Unittest, &go::test::GoTest];

static REGISTERED: RwLock<Vec<&'static dyn Runner>> = RwLock::new(Vec::new());

/// Makes a runner of the caller's own known to this process. A name that is taken stays with the runner that has it.
pub fn register(runner: &'static dyn Runner) {
    if by_name(runner.name()).is_none() {
        REGISTERED.write().unwrap_or_else(PoisonError::into_inner).push(runner);
    }
}

/// Names that `environment.framework` may hold.
pub fn names() -> Vec<&'static str> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    BUILT_IN.iter().chain(registered.iter()).map(|runner| runner.name()).collect()
}

/// The runner of a name, or `None` if there is none; [`names`] says which there are.
pub fn by_name(name: &str) -> Option<&'static dyn Runner> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    BUILT_IN.iter().chain(registered.iter()).find(|runner| runner.name() == name).copied()
}

/// The runner of a plan or an admission, whose `framework` holds name and version.
pub fn of(framework: &str) -> Option<&'static dyn Runner> {
    by_name(framework.split('/').next().unwrap_or_default())
}

/// Those of some files that hold a test of these ids, by what the runner is given to run the one and the other. A file of source
/// is left out: a candidate may edit the tests in it with the rest, so nothing is expected of them.
pub fn files_of(runner: &dyn Runner, ids: &[String], files: &[String]) -> Vec<String> {
    let targets: BTreeSet<_> = ids.iter().filter(|id| !runner.in_source(id)).map(|id| runner.target_of(id)).collect();
    let holds = |file: &&String| runner.target_of_file(file).is_some_and(|target| targets.contains(&target));
    files.iter().filter(holds).cloned().collect()
}

/// A sealed command: what a [`crate::sandbox::Job`] needs besides tree and limits.
#[derive(Clone, Debug)]
pub struct Command {
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Trusted files below [`crate::sandbox::SUPPORT_DIR`].
    pub support: BTreeMap<String, Arc<[u8]>>,
    /// Carries the nonce and the orders; read by the reporter before anything of the repository is loaded.
    pub stdin: Vec<u8>,
}

/// One test runner.
pub trait Runner: Send + Sync {
    /// Name in `environment.framework`.
    fn name(&self) -> &'static str;

    /// Raised whenever command, reporter or parser change what a report may say: old admissions then run again. Remarks are no
    /// results; an admission of a report without them is still right.
    fn version(&self) -> u32;

    /// Name of the language whose tests it runs ([`crate::language::by_name`]).
    fn language(&self) -> &'static str;

    /// Where the report comes from. It caps the evidence.
    fn channel(&self) -> Channel;

    /// The sealed command for a plan. `tool` (an interpreter or a tool chain's program) and `workdir` are paths inside the
    /// sandbox; `nonce` is per run.
    fn command(&self, tool: &str, workdir: &str, plan: &TestPlan, nonce: &str) -> Command;

    /// Reads the reporter's channel. Never fails: whatever is wrong is an alarm in the report, or `finished: false`.
    fn parse(&self, channel: &[u8], truncated: bool, nonce: &str) -> TestReport;

    /// Takes a test id apart.
    fn parse_id<'i>(&self, id: &'i str) -> TestId<'i>;

    /// What the runner is given to run the test of this id.
    fn target_of(&self, id: &str) -> String {
        self.parse_id(id).target.to_owned()
    }

    /// Whether the runner collects tests from this path by convention.
    fn is_test_file(&self, path: &str) -> bool;

    /// Whether the text of a test file defines tests. Helpers with the name of a test file do not.
    fn defines_tests(&self, source: &str) -> bool;

    /// What the runner is given to run the tests of a file. `None` if the file is not part of anything that it can be given.
    fn target_of_file(&self, path: &str) -> Option<String> {
        Some(path.to_owned())
    }

    /// Whether the test of this id stands in a file of source, which a candidate may edit.
    fn in_source(&self, id: &str) -> bool {
        let _ = id;
        false
    }

    /// What kind of error an error of the report is.
    fn cause(&self, error: &str) -> Cause;

    /// The service or program whose absence an error and the first line of its message tell of, e.g. `PostgreSQL`. For
    /// people: nothing is decided by it.
    fn missing_service(&self, error: &str, message: &str) -> Option<String> {
        let _ = (error, message);
        None
    }

    /// The name that an error of this kind has in the runner's own words, to tell people of it.
    fn assertion_name(&self) -> &'static str;

    /// Whether a collection error at this place (a file, a package, the fixtures of a folder, or a class of a file) takes
    /// the test with it.
    fn takes_along(&self, place: &str, id: &str) -> bool;

    /// Whether the exit status of a session fits a report with or without failures.
    fn agrees(&self, status: i32, failures: bool) -> bool {
        (status == 0) != failures
    }

    /// Whether a session that ended with this status and reported nothing failed before it collected anything. It did not
    /// fail if there was nothing to collect.
    fn failed_to_start(&self, status: i32) -> bool;

    /// The sentinels of this runner, if it has any.
    fn sentinels(&self) -> Option<&'static dyn Sentinels> {
        None
    }

    /// How test bodies run without this runner, if they can.
    fn bare(&self) -> Option<&'static dyn Bare> {
        None
    }

    /// The command of a reproduction script, if the language has such scripts: no report; what it prints and how it ends are
    /// the result. Modules of the repository can be imported.
    fn script_command(&self, tool: &str, workdir: &str, path: &str, variation: Variation) -> Option<Command> {
        let _ = (tool, workdir, path, variation);
        None
    }
}

/// Sentinels: a test file of ours, of which some tests must fail and the others pass. Which of them must fail follows from
/// the candidate's tree.
pub trait Sentinels: Send + Sync {
    /// Raised whenever the sentinels change: old admissions then prove them again.
    fn version(&self) -> u32;

    /// The path of the file, in the folder of a target. `tag` makes it free.
    fn path(&self, beside: &str, tag: &str) -> String;

    /// The file of a seed.
    fn write(&self, seed: &Digest) -> SentinelFile;

    /// Test ids in the file at `path`, in the order of [`SentinelFile::must_pass`], the same for every seed.
    fn ids(&self, path: &str) -> Vec<String>;
}

/// A sentinel file, and which of its tests must pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelFile {
    pub source: String,
    pub must_pass: Vec<bool>,
}

/// Test bodies without their runner, under neutral names.
pub trait Bare: Send + Sync {
    /// In place of a runner's name and version in a plan.
    fn name(&self) -> &'static str;

    /// The sealed command.
    fn command(&self, tool: &str, workdir: &str, plan: &TestPlan, nonce: &str) -> Command;

    /// Whether this error of a file says that the project itself loads a test runner, so its code may well see one.
    fn runner_loaded(&self, error: &str) -> bool;
}

/// Variables that every run has, whatever its language. An instance's own variables are merged by the caller.
pub fn base_env(tool: &str, variation: Variation) -> BTreeMap<String, String> {
    let bin = tool.rsplit_once('/').map_or("", |(bin, _)| bin);
    let path = match bin {
        "" | "/usr/bin" | "/bin" => "/usr/bin:/bin".to_owned(),
        bin => format!("{bin}:/usr/bin:/bin"),
    };
    let (zone, locale) = match variation {
        Variation::OtherSeedAndZone => ("Asia/Kathmandu", "POSIX"),
        Variation::None | Variation::ShuffledFiles => ("UTC", "C.UTF-8"),
    };
    [("HOME", "/tmp/home"), ("LANG", locale), ("LC_ALL", locale), ("PATH", &path), ("TZ", zone)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The plan's targets in the order of its variation: as planned, or in one fixed other order.
pub fn ordered(plan: &TestPlan) -> Vec<String> {
    let mut files = plan.files.clone();
    if plan.variation == Variation::ShuffledFiles {
        files.sort_by_key(|file| Digest::of(file.as_bytes()));
        if files == plan.files {
            files.reverse();
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_runner() {
        for name in names() {
            assert_eq!(by_name(name).map(Runner::name), Some(name));
        }
        assert!(by_name("nose").is_none());
    }

    #[test]
    fn the_files_of_tests_are_files_whatever_their_runner_is_given() {
        let of = |runner: &dyn Runner, ids: &[&str], files: &[&str]| {
            let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            files_of(runner, &own(ids), &own(files))
        };
        let go =
            ["query/core.go", "query/core_test.go", "query/more_test.go", "query/testdata/x_test.go", "top_test.go"];
        assert_eq!(of(&go::test::GoTest, &["query::TestA/b"], &go), ["query/core_test.go", "query/more_test.go"]);
        let files = ["docs/usage.rst", "pkg/core.py", "tests/test_a.py"];
        let ids = ["docs/usage.rst::usage.rst", "tests/test_gone.py::test_a"];
        assert_eq!(of(&python::pytest::Pytest, &ids, &files), ["docs/usage.rst"]);
    }

    #[test]
    fn shuffling_keeps_the_targets_and_changes_their_order_always_the_same_way() {
        let plan = |variation| {
            let files = ["tests/a", "tests/b", "tests/c"].map(str::to_owned).to_vec();
            TestPlan { files, variation, ..TestPlan::default() }
        };
        let planned = plan(Variation::ShuffledFiles);
        let mut shuffled = ordered(&planned);
        assert_ne!(shuffled, planned.files);
        assert_eq!(shuffled, ordered(&planned));
        shuffled.sort();
        assert_eq!(shuffled, planned.files);
        assert_eq!(ordered(&plan(Variation::OtherSeedAndZone)), planned.files);
    }
}
