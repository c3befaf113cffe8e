//! The reporters with real interpreters: little trees in, reports out.

use crate::harness::{Need, Test, skip, tests};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use swe_assay::inside::model::trial::{Phase, Status, TestPlan, TestReport, TestResult, Variation};
use swe_assay::inside::runner;
use swe_assay::inside::sandbox::SUPPORT_DIR;

pub(crate) const NONCE: &str = "a nonce of this run";
/// 7.1 loads less on its own than what came later.
const PYTEST_VERSIONS: [&str; 3] = ["7.1", "8", "9"];

/// An interpreter with pytest of a major version, made once per test run; the reason where there is none.
fn python_with_pytest(major: &str) -> Result<String, String> {
    type Made = Result<(tempfile::TempDir, BTreeMap<String, String>), String>;
    static MADE: OnceLock<Made> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut pythons = BTreeMap::new();
        for major in PYTEST_VERSIONS {
            let environment = home.path().join(major);
            run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
            let python = environment.join("bin/python").display().to_string();
            let wanted = format!("pytest=={major}.*");
            run(Command::new(&python).args(["-m", "pip", "install", "-q", "--disable-pip-version-check", &wanted]))?;
            pythons.insert(major.to_owned(), python);
        }
        Ok((home, pythons))
    });
    match made {
        Ok((_, pythons)) => Ok(pythons[major].clone()),
        Err(why) => Err(why.clone()),
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The interpreters to test with, or none, said plainly.
pub(crate) fn pythons() -> Vec<(&'static str, String)> {
    let found: Result<Vec<_>, _> =
        PYTEST_VERSIONS.into_iter().map(|major| python_with_pytest(major).map(|python| (major, python))).collect();
    found.unwrap_or_else(|why| skip(Need::PackageIndex, why.to_string()))
}

pub(crate) struct World {
    tree: tempfile::TempDir,
}

pub(crate) struct Ran {
    pub(crate) report: TestReport,
    pub(crate) output: Output,
}

impl World {
    /// A copy of a tree of `tests/testdata`.
    pub(crate) fn of(name: &str) -> Self {
        let tree = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata").join(name), tree.path());
        Self { tree }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.tree.path().canonicalize().unwrap()
    }

    pub(crate) fn run(&self, framework: &str, python: &str, files: &[&str]) -> Ran {
        let files = files.iter().map(|file| (*file).to_owned()).collect();
        self.run_plan(framework, python, &TestPlan { files, ..TestPlan::default() })
    }

    fn run_plan(&self, framework: &str, python: &str, plan: &TestPlan) -> Ran {
        let framework = runner::by_name(framework).unwrap();
        let workdir = self.path();
        let command = framework.command(python, workdir.to_str().unwrap(), plan, NONCE);
        let (output, channel) = execute(&command, &workdir);
        Ran { report: framework.parse(&channel, false, NONCE), output }
    }
}

/// Runs a sealed command as a sandbox would, without one: support files laid down, descriptor 3 open.
pub(crate) fn execute(command: &runner::Command, workdir: &Path) -> (Output, Vec<u8>) {
    let outside = tempfile::tempdir().unwrap();
    let support = outside.path().join("support");
    fs::create_dir(&support).unwrap();
    for (name, content) in &command.support {
        fs::write(support.join(name), content).unwrap();
    }
    fs::write(outside.path().join("stdin"), &command.stdin).unwrap();
    let channel = outside.path().join("channel");
    let argv = command.argv.iter().map(|word| word.replace(SUPPORT_DIR, support.to_str().unwrap()));
    let output = Command::new("/bin/sh")
        .args(["-c", "channel=$1; shift; exec \"$@\" 3>>\"$channel\"", "sh"])
        .arg(&channel)
        .args(argv)
        .env_clear()
        .envs(&command.env)
        .current_dir(workdir)
        .stdin(fs::File::open(outside.path().join("stdin")).unwrap())
        .output()
        .unwrap();
    let written = fs::read(&channel).unwrap();
    (output, written)
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).min_depth(1) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// `S+C+T+` for set-up, call and tear-down passed; `-` failed, `s` skipped, `x` xfailed, `X` xpassed.
pub(crate) fn phases(report: &TestReport, id: &str) -> String {
    let result = report.tests.get(id).unwrap_or_else(|| panic!("no {id} in {:?}", report.tests.keys()));
    let letters = result.phases.iter().map(|(phase, status)| {
        let phase = match phase {
            Phase::Setup => 'S',
            Phase::Call => 'C',
            Phase::Teardown => 'T',
            Phase::Whole => 'W',
        };
        let status = match status {
            Status::Passed => '+',
            Status::Failed => '-',
            Status::Skipped => 's',
            Status::Xfailed => 'x',
            Status::Xpassed => 'X',
        };
        format!("{phase}{status}")
    });
    letters.collect()
}

fn every_outcome_of_pytest_is_told_apart() {
    let table = [
        ("test_passes", "S+C+T+"),
        ("test_fails", "S+C-T+"),
        ("test_fails_below_source", "S+C-T+"),
        ("test_skips", "SsT+"),
        ("test_skips_inside", "S+CsT+"),
        ("test_xfails", "S+CxT+"),
        ("test_xfails_without_running", "SxT+"),
        ("test_xpasses", "S+CXT+"),
        ("test_xpasses_strictly", "S+C-T+"),
        ("test_setup_error", "S-T+"),
        ("test_teardown_error", "S+C+T-"),
        ("test_ids[a b]", "S+C+T+"),
        ("test_ids[x::y[0]]", "S+C+T+"),
        ("test_ids[\\xfc]", "S+C+T+"),
        ("test_ids[new\\nline]", "S+C+T+"),
        ("test_ids[tests/other.py::test_z]", "S+C+T+"),
        ("TestGroup::test_method", "S+C+T+"),
        ("Old::test_method", "S+C+T+"),
        ("Old::test_expected", "S+CxT+"),
        ("Old::test_unexpected", "S+C-T+"),
        ("OldSetUp::test_method", "S-T+"),
        ("OldTearDown::test_method", "S+T-"),
        ("OldTearDown::test_fails_too", "S+C-T-"),
        ("OldTearDown::test_late", "S+T-"),
        ("CallsItsSetUp::test_calls_it_again", "S+C-T+"),
        ("CallsItsSetUp::test_skips_inside", "S+CsT+"),
    ];
    for (major, python) in pythons() {
        let world = World::of("every-outcome");
        let Ran { report, output } = world.run("pytest", &python, &["tests/test_outcomes.py"]);
        assert_eq!(report.alarms, Vec::<String>::new(), "pytest {major}");
        assert!(report.finished, "pytest {major}: {output:?}");
        assert_eq!((report.exit_status, output.status.code()), (Some(1), Some(1)));
        for (id, expected) in table {
            assert_eq!(phases(&report, &format!("tests/test_outcomes.py::{id}")), expected, "pytest {major}: {id}");
        }
        assert_eq!(report.tests.len(), table.len());
        let below = &report.tests["tests/test_outcomes.py::test_fails_below_source"];
        assert_eq!(below.error.as_deref(), Some("KeyError"));
        assert_eq!(below.frames, ["tests/test_outcomes.py", "src/shop.py"]);
        assert!(!world.path().join(".pytest_cache").exists());
    }
}

fn files_that_cannot_be_collected_are_named_with_what_went_wrong() {
    for (major, python) in pythons() {
        let files = ["tests/test_broken.py", "tests/test_no_syntax.py", "tests/test_outcomes.py"];
        let Ran { report, .. } = World::of("every-outcome").run("pytest", &python, &files);
        let expected = [("tests/test_broken.py", "ModuleNotFoundError"), ("tests/test_no_syntax.py", "SyntaxError")];
        assert_eq!(
            report.collect_errors,
            expected.map(|(file, error)| (file.to_owned(), error.to_owned())).into(),
            "pytest {major}"
        );
        assert!(report.finished);
        assert_eq!(report.exit_status, Some(1));
        assert!(report.tests.values().any(TestResult::passed), "the other file's tests run all the same");
    }
}

fn printed_passes_change_nothing_in_the_report() {
    for (_, python) in pythons() {
        let Ran { report, .. } = World::of("prints-fake-passed").run("pytest", &python, &["tests/test_liar.py"]);
        assert_eq!(phases(&report, "tests/test_liar.py::test_answer"), "S+C-T+");
        assert_eq!(report.alarms, Vec::<String>::new());
        assert!(report.finished);
    }
}

fn a_forged_record_on_the_channel_raises_an_alarm() {
    for (_, python) in pythons() {
        let Ran { report, .. } = World::of("writes-to-descriptors").run("pytest", &python, &["tests/test_liar.py"]);
        assert!(report.alarms.iter().any(|alarm| alarm.contains("wrong nonce")), "{:?}", report.alarms);
        assert_eq!(phases(&report, "tests/test_liar.py::test_answer"), "S+C-T+");
    }
}

fn a_process_that_ends_early_with_success_has_not_finished() {
    for (_, python) in pythons() {
        let Ran { report, output } = World::of("exits-early").run("pytest", &python, &["tests/test_liar.py"]);
        assert_eq!(output.status.code(), Some(0));
        assert!(!report.finished);
        assert_eq!(report.exit_status, None);
        // It was collected; what it had reported by then may still have been waiting to be written.
        assert!(!report.tests["tests/test_liar.py::test_answer"].passed());
    }
}

fn leaving_at_import_is_never_success() {
    for (major, python) in pythons() {
        let Ran { report, output } = World::of("exits-at-import").run("pytest", &python, &["tests/test_liar.py"]);
        assert_ne!(output.status.code(), Some(0), "pytest {major}");
        assert!(report.tests.is_empty());
    }
}

fn a_forging_conftest_wins_inside_the_process_which_is_why_it_must_be_trusted() {
    for (_, python) in pythons() {
        let Ran { report, .. } = World::of("conftest-forges-report").run("pytest", &python, &["tests/test_liar.py"]);
        assert!(report.tests["tests/test_liar.py::test_answer"].passed());
    }
}

fn threads_forks_and_exit_handlers_add_nothing_after_the_end() {
    for (major, python) in pythons() {
        let Ran { report, output } = World::of("daemon-thread").run("pytest", &python, &["tests/test_lingers.py"]);
        assert_eq!(report.alarms, Vec::<String>::new(), "pytest {major}");
        assert!(report.finished, "{output:?}");
        assert!(report.tests.values().all(|test| test.passed()));
    }
}

fn modules_of_the_repository_never_stand_in_for_the_runner() {
    for (_, python) in pythons() {
        let Ran { report, output } = World::of("shadows-the-runner").run("pytest", &python, &["tests/test_plain.py"]);
        assert!(report.tests["tests/test_plain.py::test_json"].passed(), "{output:?}");
        assert!(report.finished);
    }
}

fn nothing_is_loaded_that_pytest_does_not_load_so_sessions_in_a_session_share_no_more_than_without_the_reporter() {
    for (major, python) in pythons() {
        let world = World::of("sessions-in-a-session");
        let loaded = || -> BTreeSet<String> {
            let text = fs::read_to_string(world.path().join("loaded.txt")).unwrap();
            text.lines().map(str::to_owned).collect()
        };
        let bare = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_sessions.py"];
        let passes_without = run(Command::new(&python).args(bare).current_dir(world.path())).is_ok();
        let without = loaded();
        let Ran { report, output } = world.run("pytest", &python, &["test_sessions.py"]);
        let more: Vec<_> = loaded().difference(&without).cloned().collect();
        assert_eq!(more, Vec::<String>::new(), "pytest {major}");
        assert!(report.finished && report.alarms.is_empty(), "{output:?}");
        assert_eq!(report.tests.len(), 2);
        // Some versions load `unittest` themselves, so their sessions share it.
        let passes = report.tests.values().all(TestResult::passed);
        assert_eq!(passes, passes_without, "pytest {major}: {output:?}");
        assert!(passes || without.contains("unittest"), "pytest {major}");
    }
}

fn a_tree_brings_no_plugin_by_entry_point_and_the_environment_does() {
    let plugin =
        "import pytest\n\n@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem):\n    return True\n";
    let metadata = |folder: &Path, module: &str| {
        let info = folder.join(format!("{module}-1.dist-info"));
        fs::create_dir_all(&info).unwrap();
        fs::write(info.join("METADATA"), format!("Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")).unwrap();
        fs::write(info.join("entry_points.txt"), format!("[pytest11]\n{module} = {module}\n")).unwrap();
        fs::write(folder.join(format!("{module}.py")), plugin).unwrap();
    };
    let verdict = |python: &str, world: &World| {
        let Ran { report, output } = world.run("pytest", python, &["tests/test_liar.py"]);
        assert!(report.finished && report.alarms.is_empty(), "{output:?}");
        phases(&report, "tests/test_liar.py::test_answer")
    };
    for (major, python) in pythons() {
        let world = World::of("prints-fake-passed");
        metadata(&world.path(), "obliging");
        metadata(&world.path().join("src"), "obliging_too");
        assert_eq!(verdict(&python, &world), "S+C-T+", "pytest {major}");

        let world = World::of("prints-fake-passed");
        let outside = tempfile::tempdir().unwrap();
        let copy_of = outside.path().join("copy");
        run(Command::new("cp").arg("-a").arg(Path::new(&python).ancestors().nth(2).unwrap()).arg(&copy_of)).unwrap();
        let site = walkdir::WalkDir::new(copy_of.join("lib")).into_iter().flatten();
        let site = site.into_iter().find(|entry| entry.file_name() == "site-packages").expect("a site folder");
        metadata(site.path(), "obliging");
        // The name is the environment's; that the tree has it too takes nothing away.
        metadata(&world.path(), "obliging");
        assert_eq!(verdict(copy_of.join("bin/python").to_str().unwrap(), &world), "S+C+T+", "pytest {major}");
    }
}

fn every_outcome_of_unittest_is_told_apart() {
    let table = [
        ("Plain::test_passes", "S+C+T+"),
        ("Plain::test_fails", "S+C-T+"),
        ("Plain::test_errs_below_source", "S+C-T+"),
        ("Plain::test_skips", "S+CsT+"),
        ("Plain::test_skips_inside", "S+CsT+"),
        ("Plain::test_expected", "S+CxT+"),
        ("Plain::test_unexpected", "S+CXT+"),
        ("Plain::test_sub_tests", "S+C-T+"),
        ("Plain::test_late", "S+T-"),
        ("BrokenSetUp::test_a", "S-T+"),
        ("BrokenTearDown::test_a", "S+T-"),
        ("BrokenSetUpClass::test_a", "S-"),
        ("BrokenSetUpClass::test_b", "S-"),
        ("SkippedSetUpClass::test_a", "Ss"),
        ("BrokenTearDownClass::test_a", "S+C+T+"),
        ("BrokenTearDownClass::test_b", "S+C+T-"),
        ("Waits::test_passes", "S+C+T+"),
        ("Waits::test_fails", "S+C-T+"),
    ];
    let world = World::of("unittest-outcomes");
    let Ran { report, output } = world.run("unittest", "python3", &["tests/test_broken.py", "tests/test_outcomes.py"]);
    assert_eq!(report.alarms, Vec::<String>::new());
    assert!(report.finished, "{output:?}");
    assert_eq!((report.exit_status, output.status.code()), (Some(1), Some(1)));
    for (id, expected) in table {
        assert_eq!(phases(&report, &format!("tests/test_outcomes.py::{id}")), expected, "{id}");
    }
    assert_eq!(report.tests.len(), table.len());
    assert_eq!(report.collect_errors["tests/test_broken.py"], "ModuleNotFoundError");
    let below = &report.tests["tests/test_outcomes.py::Plain::test_errs_below_source"];
    assert_eq!(below.error.as_deref(), Some("KeyError"));
    assert_eq!(below.frames, ["tests/test_outcomes.py", "src/shop.py"]);
}

fn a_script_imports_the_repository_and_speaks_through_its_output() {
    let world = World::of("every-outcome");
    fs::write(world.path().join("reproduce.py"), "import shop\nprint('price', shop.price('apple'))\n").unwrap();
    let workdir = world.path();
    let pytest = runner::by_name("pytest").unwrap();
    let command = pytest.script_command("python3", workdir.to_str().unwrap(), "reproduce.py", Variation::None).unwrap();
    let (output, channel) = execute(&command, &workdir);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "price 3\n");
    assert!(channel.is_empty());
}

fn a_plan_may_name_single_tests_and_watch_lines() {
    let file = "tests/test_outcomes.py";
    let mut ways = vec![("unittest", "unittest-outcomes", "python3".to_owned())];
    ways.extend(pythons().into_iter().map(|(_, python)| ("pytest", "every-outcome", python)));
    for (framework, world, python) in ways {
        let world = World::of(world);
        let all = world.run(framework, &python, &[file]).report;
        let passing = all.tests.keys().find(|id| id.ends_with("::test_passes")).expect("a passing test");
        let watch = [("src/shop.py".to_owned(), vec![1, 2, 3])].into();
        let (files, only) = (vec![file.to_owned()], vec![passing.clone()]);
        let report = world.run_plan(framework, &python, &TestPlan { files, only, watch, ..TestPlan::default() }).report;
        assert_eq!(report.tests.keys().collect::<Vec<_>>(), [passing], "{framework}");
        assert!(report.tests[passing].passed());
        assert!(report.finished && report.alarms.is_empty(), "{:?}", report.alarms);
        assert_eq!(report.ran["src/shop.py"], [1, 2], "{framework}: there is no third line");
        assert!(all.ran.is_empty(), "nothing was watched");
    }
}

pub const TESTS: &[Test] = tests![
    every_outcome_of_pytest_is_told_apart,
    files_that_cannot_be_collected_are_named_with_what_went_wrong,
    printed_passes_change_nothing_in_the_report,
    a_forged_record_on_the_channel_raises_an_alarm,
    a_process_that_ends_early_with_success_has_not_finished,
    leaving_at_import_is_never_success,
    a_forging_conftest_wins_inside_the_process_which_is_why_it_must_be_trusted,
    threads_forks_and_exit_handlers_add_nothing_after_the_end,
    modules_of_the_repository_never_stand_in_for_the_runner,
    nothing_is_loaded_that_pytest_does_not_load_so_sessions_in_a_session_share_no_more_than_without_the_reporter,
    a_tree_brings_no_plugin_by_entry_point_and_the_environment_does,
    every_outcome_of_unittest_is_told_apart,
    a_script_imports_the_repository_and_speaks_through_its_output,
    a_plan_may_name_single_tests_and_watch_lines,
];
