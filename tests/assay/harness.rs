//! Runs the tests, and says at the end which of them did not run and why. A test that ends by [`skip`] did not pass.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::support::docker_answers;

/// A test by its name.
#[derive(Clone, Copy)]
pub struct Test {
    pub name: &'static str,
    pub run: fn(),
}

/// The tests of a module: `pub const TESTS: &[Test] = tests![first, second];`. One that is left out is dead code, which is an
/// error under `-D warnings`.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        &[$($crate::harness::Test { name: concat!(module_path!(), "::", stringify!($name)), run: $name }),*]
    };
}
pub(crate) use tests;

/// What a test needs of the machine, by the word that `ASSAY_TESTS_MUST_USE` has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A Docker engine with the base image.
    Docker,
    /// The user who runs the tests is root.
    Root,
    /// pip reaches a package index.
    PackageIndex,
    /// A static busybox.
    Busybox,
    /// Headless Chromium.
    Chromium,
    /// The Hub's own client, `hf`.
    HubClient,
    /// Control groups of version 1.
    CgroupV1,
    /// Go 1.20 or newer.
    Go,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::Root => "root",
            Self::PackageIndex => "package-index",
            Self::Busybox => "busybox",
            Self::Chromium => "chromium",
            Self::HubClient => "hub-client",
            Self::CgroupV1 => "cgroup-v1",
            Self::Go => "go",
        })
    }
}

/// What a test that did not run ends with.
struct Skipped {
    need: Need,
    why: String,
}

/// Variable with the needs, separated by blanks, that the machine is known to meet.
pub const MUST_USE: &str = "ASSAY_TESTS_MUST_USE";

/// Ends a test that cannot run here. The test fails if [`MUST_USE`] says that the machine has what it needs.
pub fn skip(need: Need, why: impl Into<String>) -> ! {
    let why = why.into();
    let must = std::env::var(MUST_USE).unwrap_or_default();
    assert!(
        !must.split_whitespace().any(|word| word == need.to_string()),
        "{MUST_USE} names {need}, and this test cannot use it: {why}"
    );
    panic::panic_any(Skipped { need, why })
}

/// Ends a test if no Docker engine answers, or if it lacks the base image.
pub fn needs_docker() {
    if !docker_answers() {
        skip(Need::Docker, "no Docker engine answers that has the base image");
    }
}

static SKIPPED: Mutex<Vec<(&str, String)>> = Mutex::new(Vec::new());

/// Runs the tests that the arguments choose, as libtest does, and lists what did not run.
pub fn run(modules: &[&'static [Test]]) -> ExitCode {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Skipped>() {
            hook(info);
        }
    }));
    let trials = modules.iter().copied().flatten().map(|test| {
        let name = test.name.split_once("::").map_or(test.name, |(_, name)| name);
        Trial::ignorable_test(name, move || one(name, test.run))
    });
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials.collect());
    let skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    if !skipped.is_empty() {
        println!("{} test(s) did not run here:", skipped.len());
    }
    for (name, why) in skipped.iter() {
        println!("    {name}: {why}");
    }
    conclusion.exit_code()
}

fn one(name: &'static str, run: fn()) -> Result<Completion, Failed> {
    let Err(payload) = panic::catch_unwind(AssertUnwindSafe(run)) else { return Ok(Completion::Completed) };
    match payload.downcast::<Skipped>() {
        Ok(skipped) => {
            let why = format!("needs {}: {}", skipped.need, skipped.why);
            SKIPPED.lock().unwrap_or_else(PoisonError::into_inner).push((name, why.clone()));
            Ok(Completion::ignored_with(why))
        }
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(text.unwrap_or_else(|| "it panicked".to_owned()).into())
        }
    }
}
