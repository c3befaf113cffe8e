//! A session: the sandbox that a run uses, how its trials are run, and the flag that ends it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use clap::ValueEnum;

use super::interrupt::interrupt_flag;
use crate::console::Console;
use crate::exit_code::Stop;
use crate::images::cache::Cache;
use crate::judge::DeadlineRule;
use crate::lab::Settings;
use crate::model::admission::Sessions;
use crate::model::trial::Limits;
use crate::model::verdict::Evidence;
use crate::sandbox::cell::Cell;
use crate::sandbox::docker::Docker;
use crate::sandbox::docker::cells::DockerCells;
use crate::sandbox::{Engine, SandboxError};

/// Which way to run trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SandboxChoice {
    /// Cells in Docker if an engine answers and can make them, and has the recipes' base image if an instance needs it; otherwise
    /// cells on this host; otherwise containers.
    Auto,
    /// Own namespaces on this host; no Docker needed.
    Cell,
    /// Cells inside one long-lived Docker container per worker, or a container per trial if the engine's host forbids them.
    DockerCell,
    /// One Docker container per trial.
    Container,
}

/// How the sandbox of a run is opened, and how its trials are run.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    pub sandbox: SandboxChoice,
    /// Whether an instance needs the base image of the recipes.
    pub needs_recipe: bool,
    /// Whether a run goes on if this host cannot enforce memory, process or network limits.
    pub allow_weak_sandbox: bool,
    /// Where environments and base layers are kept between runs; `None`: in the default place.
    pub cache: Option<PathBuf>,
    /// Whether every trial is run, with no outcome of an earlier run taken and none left.
    pub fresh: bool,
    /// Trials at the same time; `None`: one per core.
    pub workers: Option<usize>,
    pub repeats: u32,
    pub evidence: Evidence,
    pub minimal_gold: bool,
    pub accept_lost: bool,
    pub changed_tests: bool,
    pub sessions: Option<Sessions>,
    pub limits: Limits,
    pub deadline: DeadlineRule,
    /// Bytes that running trials may take together; `None`: four fifths of what is available.
    pub memory_budget: Option<u64>,
    pub image_budget: Option<u64>,
}

/// An opened sandbox, with the flag that Ctrl-C sets.
pub struct Session {
    pub engine: Engine,
    pub settings: Settings,
    pub cancel: Arc<AtomicBool>,
}

impl SessionOptions {
    /// Sweeps what dead owners left, probes the host and opens the sandbox.
    pub fn open(self, console: &Console) -> anyhow::Result<Session> {
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
            Some(workers) => workers,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        // What a weak sandbox let happen is no evidence for a run that asks for a sound one.
        let reuse = !self.fresh && !self.allow_weak_sandbox;
        let settings = Settings {
            workers,
            repeats: self.repeats,
            evidence: self.evidence,
            minimal_gold: self.minimal_gold,
            accept_lost: self.accept_lost,
            changed_tests: self.changed_tests,
            sessions: self.sessions,
            limits: self.limits,
            deadline: self.deadline,
            memory_budget: match self.memory_budget {
                Some(bytes) => bytes,
                None => available_memory()? / 5 * 4,
            },
            repeat_all: false,
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
        let in_docker = match !self.needs_recipe || docker.has_base()? {
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

/// Where environments and base layers are kept if nothing else is said.
pub fn default_cache() -> anyhow::Result<PathBuf> {
    Cache::default_place().map_err(|error| Stop::Usage(error.to_string()).into())
}
