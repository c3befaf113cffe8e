//! Options of every command that runs trials.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::console::Console;
use crate::judge::DeadlineRule;
use crate::model::admission::Sessions;
use crate::model::trial::Limits;
use crate::model::verdict::Evidence;
use crate::pipeline::{SandboxChoice, Session, SessionOptions};

/// How much is asked of a verified repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EvidenceChoice {
    /// Sealed runs, exact ids, and canaries that fail as they must.
    #[value(name = "E2", alias = "e2")]
    E2,
    /// The same, and the tests once more without their runner, if their form allows it.
    #[value(name = "E3", alias = "e3")]
    E3,
}

/// In how many sessions of the test runner a repair's last tests and its control session run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SessionsChoice {
    /// In one, if gold holds in it.
    One,
    /// Each in its own.
    Split,
}

/// The options.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct SandboxOptions {
    /// Admit instances that lose more than a tenth of their test files, or one that gold changes, because they do not load; or
    /// a listed fail-to-pass test, or more than a tenth of the listed pass-to-pass tests. Nothing of them is worth more than
    /// evidence E1, and their rows name files and tests
    #[arg(long)]
    pub accept_lost: bool,
    /// Run even if this host cannot enforce memory, process or network limits
    #[arg(long)]
    pub allow_weak_sandbox: bool,
    /// Where environments and base layers are kept between runs [default: ~/.cache/assay]
    #[arg(long, env = "ASSAY_CACHE", value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Run only the test files that gold or the test patch changes, and those that import what they change. This is for suites
    /// that take hours. A repair may break what the other files test, so nothing is worth more than evidence E1, and
    /// rows say how many files ran
    #[arg(long)]
    pub changed_tests: bool,
    /// Shortest deadline of a candidate's trial in seconds
    #[arg(long, default_value_t = 15, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub deadline_floor: u64,
    /// Deadline of a candidate's trial, as a multiple of what gold took
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    pub deadline_multiplier: u64,
    /// Evidence that is asked of repairs; E3 also runs the tests' bodies without the test runner
    #[arg(long, value_enum, default_value_t = EvidenceChoice::E2, value_name = "LEVEL")]
    pub evidence: EvidenceChoice,
    /// Run every trial; take no outcome of an earlier run from the cache, and leave none there
    #[arg(long, env = "ASSAY_FRESH")]
    pub fresh: bool,
    /// Room that prepared images may take, e.g. 40G; the least recently used are removed, and made again if they are needed
    #[arg(long, value_name = "SIZE", value_parser = super::size::size)]
    pub image_budget: Option<u64>,
    /// Memory of one trial in MiB; swap is off
    #[arg(long, default_value_t = 2048, value_name = "MIB")]
    pub memory: u64,
    /// Memory in MiB that trials may take together, counted by what trials of their image took before; a trial that does
    /// not fit waits [default: four fifths of what is available]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    pub memory_budget: Option<u64>,
    /// Find the parts of gold that no expected test needs, by leaving them out; an answer need not name a file that holds
    /// only such parts
    #[arg(long)]
    pub minimal_gold: bool,
    /// How often base and gold each run when an instance is admitted
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeats: u32,
    /// How trials are isolated
    #[arg(long, env = "ASSAY_SANDBOX", value_enum, default_value_t = SandboxChoice::Auto)]
    pub sandbox: SandboxChoice,
    /// Run a repair's last tests and its control session in one session of the test runner, or in two [default: in one if gold
    /// runs its whole suite in 10 s and holds in such a session]
    #[arg(long, value_enum, value_name = "HOW")]
    pub sessions: Option<SessionsChoice>,
    /// Longest time for one trial in seconds; the deadline itself follows from how fast gold is
    #[arg(long, default_value_t = 1800, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// Trials at the same time [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: Option<u16>,
}

impl SandboxOptions {
    /// Sweeps what dead owners left, probes the host and opens the sandbox. `needs_recipe`: an instance needs the base image of
    /// the recipes.
    pub fn open(&self, console: &Console, needs_recipe: bool) -> anyhow::Result<Session> {
        let evidence = match self.evidence {
            EvidenceChoice::E2 => Evidence::E2,
            EvidenceChoice::E3 => Evidence::E3,
        };
        let options = SessionOptions {
            sandbox: self.sandbox,
            needs_recipe,
            allow_weak_sandbox: self.allow_weak_sandbox,
            cache: self.cache.clone(),
            fresh: self.fresh,
            workers: self.workers.map(usize::from),
            repeats: self.repeats,
            evidence,
            minimal_gold: self.minimal_gold,
            accept_lost: self.accept_lost,
            changed_tests: self.changed_tests,
            sessions: self.sessions.map(|sessions| match sessions {
                SessionsChoice::One => Sessions::One,
                SessionsChoice::Split => Sessions::Split,
            }),
            limits: Limits { deadline_ms: self.timeout * 1000, memory_bytes: self.memory << 20, ..Limits::default() },
            deadline: DeadlineRule { floor_ms: self.deadline_floor * 1000, multiplier: self.deadline_multiplier },
            memory_budget: self.memory_budget.map(|mib| mib << 20),
            image_budget: self.image_budget,
        };
        options.open(console)
    }
}
