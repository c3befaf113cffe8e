//! What the commands that run trials share: sandbox choice, limits, interruption, start-up sweep.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::console::Console;
use crate::exit_code::Stop;
use crate::images::cache::Cache;
use crate::judge::DeadlineRule;
use crate::lab::Settings;
use crate::model::trial::Limits;
use crate::model::verdict::Evidence;
use crate::sandbox::cell::Cell;
use crate::sandbox::docker::Docker;
use crate::sandbox::docker::cells::DockerCells;
use crate::sandbox::{Engine, SandboxError};

/// Which way to run trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SandboxChoice {
    /// Cells in Docker if an engine answers, has the recipes' base image and can make them; otherwise cells on this host;
    /// otherwise containers.
    Auto,
    /// Own namespaces on this host; no Docker needed.
    Cell,
    /// Cells inside one long-lived Docker container per worker, or a container per trial if the engine's host forbids them.
    DockerCell,
    /// One Docker container per trial.
    Container,
}

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

/// Options of every command that runs trials.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct SandboxOptions {
    /// Admit instances of which more than a tenth of the test files, or one that gold changes, do not load; nothing of them
    /// is worth more than evidence E1, and their rows name the files
    #[arg(long)]
    pub accept_lost: bool,
    /// Run even if this host cannot enforce memory, process or network limits
    #[arg(long)]
    pub allow_weak_sandbox: bool,
    /// Where environments and base layers are kept between runs [default: ~/.cache/assay]
    #[arg(long, env = "ASSAY_CACHE", value_name = "DIR")]
    pub cache: Option<PathBuf>,
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
    #[arg(long, value_name = "SIZE", value_parser = super::image::size)]
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
    /// Longest time for one trial in seconds; the deadline itself follows from how fast gold is
    #[arg(long, default_value_t = 1800, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// Trials at the same time [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: Option<u16>,
}

/// An opened sandbox, with the flag that Ctrl-C sets.
pub struct Session {
    pub engine: Engine,
    pub settings: Settings,
    pub cancel: Arc<AtomicBool>,
}

impl SandboxOptions {
    /// Sweeps what dead owners left, probes the host and opens the sandbox.
    pub fn open(&self, console: &Console) -> anyhow::Result<Session> {
        let cache = match &self.cache {
            Some(cache) => cache.clone(),
            None => default_cache()?,
        };
        let cancel = interrupt_flag()?;
        for swept in crate::sandbox::cell::sweep().context("cannot sweep what an earlier run left")? {
            console.say(format!("swept {swept}"));
        }
        let engine = self.choose(console, &cancel, &cache)?;
        let workers = match self.workers {
            Some(workers) => usize::from(workers),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let limits = Limits { deadline_ms: self.timeout * 1000, memory_bytes: self.memory << 20, ..Limits::default() };
        let evidence = match self.evidence {
            EvidenceChoice::E2 => Evidence::E2,
            EvidenceChoice::E3 => Evidence::E3,
        };
        // What a weak sandbox let happen is no evidence for a run that asks for a sound one.
        let reuse = !self.fresh && !self.allow_weak_sandbox;
        let settings = Settings {
            workers,
            repeats: self.repeats,
            evidence,
            minimal_gold: self.minimal_gold,
            accept_lost: self.accept_lost,
            limits,
            deadline: DeadlineRule { floor_ms: self.deadline_floor * 1000, multiplier: self.deadline_multiplier },
            memory_budget: match self.memory_budget {
                Some(mib) => mib << 20,
                None => available_memory()? / 5 * 4,
            },
            full: false,
            attempts: 3,
            cache,
            reuse,
            image_budget: self.image_budget,
        };
        Ok(Session { engine, settings, cancel })
    }

    fn choose(&self, console: &Console, cancel: &Arc<AtomicBool>, cache: &Path) -> anyhow::Result<Engine> {
        let opened = match self.sandbox {
            SandboxChoice::Auto => self.best(console, cancel, cache),
            SandboxChoice::Cell => self.cell(console, cancel),
            SandboxChoice::DockerCell => engine(console, cancel).and_then(|docker| {
                self.docker_cell(console, docker.clone(), cache).map_err(|error| (docker, error)).or_else(
                    // The same verdicts, at a higher price.
                    |(docker, why)| instead(console, &why, "a container per trial", || Ok(container(console, docker))),
                )
            }),
            SandboxChoice::Container => engine(console, cancel).map(|docker| container(console, docker)),
        };
        opened.map_err(|error| match error {
            SandboxError::Interrupted => Stop::Interrupted.into(),
            error => Stop::Environment(error.to_string()).into(),
        })
    }

    /// Cells in Docker where an engine answers and has what images are made from; else cells on the host; else containers.
    fn best(&self, console: &Console, cancel: &Arc<AtomicBool>, cache: &Path) -> Result<Engine, SandboxError> {
        let docker = match engine(console, cancel) {
            Ok(docker) => docker,
            Err(no_docker) => {
                return self.cell(console, cancel).map_err(|no_cell| {
                    SandboxError::Unavailable(format!("no cell ({no_cell}) and no container ({no_docker})"))
                });
            }
        };
        let in_docker = match docker.has_base()? {
            true => self.docker_cell(console, docker.clone(), cache),
            false => Err(SandboxError::Unavailable("the base image of the recipes is not here".to_owned())),
        };
        in_docker.or_else(|why| {
            instead(console, &why, "cells on this host", || {
                self.cell(console, cancel)
                    .or_else(|why| instead(console, &why, "a container per trial", || Ok(container(console, docker))))
            })
        })
    }

    fn cell(&self, console: &Console, cancel: &Arc<AtomicBool>) -> Result<Engine, SandboxError> {
        let agent = std::env::current_exe()
            .map_err(|error| SandboxError::Unavailable(format!("this program's own path is unknown: {error}")))?;
        let (cell, enforcement) = Cell::open(agent, cancel.clone(), self.allow_weak_sandbox)?;
        console.say(enforcement.to_string());
        Ok(Engine::Cell(Arc::new(cell)))
    }

    fn docker_cell(&self, console: &Console, docker: Docker, cache: &Path) -> Result<Engine, SandboxError> {
        let cache = Cache::open(cache)
            .map_err(|error| SandboxError::Failed { doing: "opening the cache", why: error.to_string() })?;
        let cells = DockerCells::open(docker, Some(&cache.root().join("docker-cells")), self.allow_weak_sandbox)?;
        console.say(cells.describe());
        Ok(Engine::DockerCell(Arc::new(cells)))
    }
}

/// The engine, swept.
fn engine(console: &Console, cancel: &Arc<AtomicBool>) -> Result<Docker, SandboxError> {
    let docker = Docker::connect()?.with_cancel(cancel.clone());
    for swept in docker.sweep()? {
        console.say(format!("swept container {swept}"));
    }
    Ok(docker)
}

fn container(console: &Console, docker: Docker) -> Engine {
    console.say(docker.describe());
    Engine::Container(Arc::new(docker))
}

/// Says why another way is taken, and takes it. Ctrl-C is no reason to.
fn instead(
    console: &Console,
    why: &SandboxError,
    what: &str,
    other: impl FnOnce() -> Result<Engine, SandboxError>,
) -> Result<Engine, SandboxError> {
    let why = match why {
        SandboxError::Interrupted => return Err(SandboxError::Interrupted),
        SandboxError::Unavailable(why) => why.clone(),
        other => other.to_string(),
    };
    console.say(format!("sandbox: {what} instead, because {why}"));
    other()
}

/// Bytes that the host has for new programs without swapping, as the kernel estimates it.
fn available_memory() -> anyhow::Result<u64> {
    let path = "/proc/meminfo";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}; use --memory-budget"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")).and_then(|kib| kib.trim().parse::<u64>().ok());
    Ok(kib.with_context(|| format!("{path} says nothing of MemAvailable; use --memory-budget"))? << 10)
}

pub(super) fn default_cache() -> anyhow::Result<PathBuf> {
    Cache::default_place().map_err(|error| Stop::Usage(error.to_string()).into())
}

/// A flag that the first Ctrl-C (or SIGTERM) sets; the second one ends the process at once.
pub(super) fn interrupt_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let cancel = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the thread that waits for Ctrl-C")?;
    let flag = cancel.clone();
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                use tokio::signal::unix::{SignalKind, signal};
                let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
                loop {
                    tokio::select! {
                        result = tokio::signal::ctrl_c() => if result.is_err() { return },
                        _ = terminate.recv() => {}
                    }
                    if flag.swap(true, Ordering::SeqCst) {
                        std::process::exit(crate::exit_code::ExitCode::Interrupted as i32);
                    }
                }
            });
        })
        .context("cannot start the thread that waits for Ctrl-C")?;
    Ok(cancel)
}
