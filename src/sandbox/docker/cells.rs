//! The `docker-cell` way: one long-lived container per worker and image, our agent alone in it, a fresh cell per trial.
//! It is the default if an engine answers, its host allows cells, and it has the recipes' base image if that is needed.
//!
//! ```text
//!  driver ──frames over the attached streams──► container: agent (pid 1) ─ per job: pid 1 of a cell ─► job
//! ```
//! The agent is a static program. It is laid into the created container as a tar before the start, and it unlinks
//! itself, so a remote `DOCKER_HOST` works and any image will do. The container's cgroup bounds memory, processes and
//! cores; other limits get another container. The cell bounds time, disk, output and everything that a cell bounds on
//! the host.
//!
//! - The container has few capabilities, no network, no new privileges, Docker's default seccomp profile and its masked
//!   `/proc`, and log driver `none`. Jobs have no capability, an id of their own in a user namespace, and our filter
//!   and Landlock on top. Docker's profile refuses `pivot_root`, so the new root is moved over the old one and entered
//!   by `chroot`. A user namespace gets a `/proc` only if one is fully visible, so the agent mounts one that no job
//!   sees.
//! - Jobs see the whole image read-only. The work directory, `/tmp`, `/var/tmp`, `/dev/shm` and the home are theirs, on
//!   a tmpfs with the trial's disk limit. An overlay over Docker's overlay cannot be id-mapped, so jobs get the id that
//!   owns the work directory, which is 1000 in our own images and what `container` uses too. A work directory of root's
//!   is copied once per container and given to an unused id, because a job must never be the host's root.
//! - The agent reads the container's memory counters to tell the trial's limit from a machine without memory.
//! - The container is made anew after any failure, after a kill for want of memory, after many jobs or a long time. The
//!   end of the driver's connection ends the agent and the container. An engine that is restarted is waited for, so
//!   that the attempts of a trial do not all fall into its absence.
//! - A host that forbids all this is found by the probe and told in one line. Then `auto` takes cells on the host, and
//!   `docker-cell` takes a container per trial. AppArmor's default profile and rootless engines are expected to forbid
//!   it; neither was tried. A host that passed is remembered until it starts anew.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use assay_agent::protocol::{OpenSlot, Root};
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, ResourcesUlimits};

use super::line::Line;
use super::run as docker_run;
use super::{Docker, image_id};
use crate::model::trial::{Exit, Limits};
use crate::sandbox::cell::talk::{Harvest, Talk};
use crate::sandbox::{Executed, Job, Sandbox, SandboxError, SealedImage, Slot};

/// The agent, or nothing if it could not be linked statically when this program was built.
pub(crate) static AGENT: &[u8] = include_bytes!(env!("ASSAY_AGENT"));
const WHY_NOT: &str = env!("ASSAY_AGENT_WHY_NOT");
/// Where the agent is laid. It takes itself out of sight when it starts.
pub(crate) const AGENT_PATH: &str = "/.assay-agent";

/// What the agent needs to make namespaces and mounts, to write id maps, and to give a copied tree away. Jobs have none.
const CAPABILITIES: [&str; 7] = ["SYS_ADMIN", "SYS_CHROOT", "SETUID", "SETGID", "CHOWN", "DAC_OVERRIDE", "FOWNER"];
/// A container is left behind after this many jobs or this much time, whichever comes first.
const JOBS: u32 = 2000;
const LIFETIME: Duration = Duration::from_secs(6 * 3600);
/// The agent and pid 1 of a cell count in the container, too.
const OURS: u64 = 2;

/// Cells inside containers.
#[derive(Clone, Debug)]
pub struct DockerCells {
    docker: Docker,
}

impl DockerCells {
    /// Without looking whether the engine's host can do it; see [`DockerCells::open`].
    pub fn new(docker: Docker) -> Result<Self, SandboxError> {
        if AGENT.is_empty() {
            return Err(SandboxError::Unavailable(format!(
                "this program was built without the agent for containers ({WHY_NOT}); install the static C library and build again"
            )));
        }
        Ok(Self { docker })
    }

    /// The same, with running jobs ended and new ones refused once `cancel` is raised.
    pub fn with_cancel(self, cancel: Arc<AtomicBool>) -> Self {
        Self { docker: self.docker.with_cancel(cancel) }
    }

    /// What jobs are held to, in a line for people.
    pub fn describe(&self) -> String {
        "sandbox: cells in one Docker container per worker; time, memory, processes, cores, disk and output are limited, \
         there is no network"
            .to_owned()
    }

    /// The engine, for images.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    fn open_slot(&self, image: &SealedImage) -> Result<ContainerCells, SandboxError> {
        Ok(ContainerCells {
            docker: self.docker.clone(),
            image_id: image_id(image)?.to_owned(),
            workdir: image.workdir.clone(),
            live: None,
        })
    }
}

impl Sandbox for DockerCells {
    fn name(&self) -> &'static str {
        "docker-cell"
    }

    /// Bytecode is committed to the image, which a container of the job's own does as well as any.
    fn warm(&self, image: &SealedImage, job: &Job) -> Result<SealedImage, SandboxError> {
        self.docker.warm(image, job)
    }

    fn slot(&self, image: &SealedImage) -> Result<Box<dyn Slot>, SandboxError> {
        Ok(Box::new(self.open_slot(image)?))
    }
}

/// A worker's place. Its container is started with the first job, whose limits it gets, and again after a failure.
#[derive(Debug)]
struct ContainerCells {
    docker: Docker,
    image_id: String,
    workdir: String,
    live: Option<Live>,
}

impl Slot for ContainerCells {
    fn run(&mut self, job: &Job) -> Result<Executed, SandboxError> {
        let begun = Instant::now();
        let mut live = match self.live.take().filter(|live| live.fits(job)) {
            Some(live) => live,
            None => Live::start(&self.docker, &self.image_id, &self.workdir, job)?,
        };
        let (mut executed, _) = live.run(job)?;
        // After a kill for want of memory nobody knows what else the kernel has ended.
        if executed.exit != Exit::OutOfMemory {
            self.live = Some(live);
        }
        let total = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        executed.overhead_ms = total.saturating_sub(executed.wall_ms);
        Ok(executed)
    }
}

/// A container and the conversation with its agent. Removed when dropped; the end of the conversation, however it comes,
/// ends the container.
#[derive(Debug)]
struct Live {
    talk: Talk<Line>,
    container: Container,
    limits: Limits,
    homes: Vec<String>,
    begun: Instant,
    jobs: u32,
}

impl Live {
    fn start(docker: &Docker, image_id: &str, workdir: &str, job: &Job) -> Result<Self, SandboxError> {
        let body = container(docker, image_id, &job.limits);
        let container = docker.with_patience(|| {
            let id = docker.wait(docker_run::create_from(docker, image_id, body.clone()))?;
            Ok(Container { docker: docker.clone(), id })
        })?;
        let line = Line::attach(docker, &container.id, AGENT)?;
        let homes: Vec<String> = job.env.get("HOME").into_iter().cloned().collect();
        let root = Root::Container { homes: homes.clone() };
        let mut talk = Talk::new(line, Arc::clone(docker.cancel_flag()));
        talk.greet()?;
        talk.open(&OpenSlot { workdir: workdir.to_owned(), root, copies: false, network: false })?;
        Ok(Self { talk, container, limits: job.limits.clone(), homes, begun: Instant::now(), jobs: 0 })
    }

    /// Whether the container has the job's limits and is not to be left behind.
    fn fits(&self, job: &Job) -> bool {
        let bounds = |limits: &Limits| (limits.memory_bytes, limits.pids, limits.cpu_millis);
        bounds(&self.limits) == bounds(&job.limits)
            && job.env.get("HOME").is_none_or(|home| self.homes.contains(home))
            && self.jobs < JOBS
            && self.begun.elapsed() < LIFETIME
    }

    fn run(&mut self, job: &Job) -> Result<Harvest, SandboxError> {
        self.jobs += 1;
        let told = self.talk.run(job, false, false).map_err(|error| self.container.explain(error))?;
        told.harvest(Ok(None), None)
    }
}

/// Removes the container when it is dropped.
#[derive(Debug)]
struct Container {
    docker: Docker,
    id: String,
}

impl Container {
    /// Adds what the engine knows of a container that ended.
    fn explain(&self, error: SandboxError) -> SandboxError {
        match error {
            SandboxError::Failed { doing, why } => {
                SandboxError::Failed { doing, why: format!("{why} (container {})", &self.id[..self.id.len().min(12)]) }
            }
            other => other,
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // One that stays behind is swept: its labels say whose it was.
        let _ = self.docker.wait(self.docker.remove(&self.id));
    }
}

fn container(docker: &Docker, image_id: &str, limits: &Limits) -> ContainerCreateBody {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let longest = LIFETIME + Duration::from_millis(limits.deadline_ms);
    ContainerCreateBody {
        image: Some(image_id.to_owned()),
        user: Some("0:0".to_owned()),
        entrypoint: Some(vec![AGENT_PATH.to_owned()]),
        cmd: Some(vec!["cell-agent".to_owned()]),
        working_dir: Some("/".to_owned()),
        labels: Some(docker.labels(longest)),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // The end of the driver's connection ends the agent's input, and so the agent and the container.
        stdin_once: Some(true),
        tty: Some(false),
        network_disabled: Some(true),
        // As pid 1 the agent would not hear a gentler one.
        stop_signal: Some("SIGKILL".to_owned()),
        healthcheck: Some(bollard::models::HealthConfig { test: Some(vec!["NONE".to_owned()]), ..Default::default() }),
        host_config: Some(HostConfig {
            auto_remove: Some(true),
            network_mode: Some("none".to_owned()),
            memory: Some(signed(limits.memory_bytes)),
            memory_swap: Some(signed(limits.memory_bytes)),
            pids_limit: Some(signed(limits.pids.saturating_add(OURS))),
            nano_cpus: Some(signed(limits.cpu_millis.saturating_mul(1_000_000))),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(CAPABILITIES.map(str::to_owned).to_vec()),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            init: Some(false),
            ulimits: Some(vec![ResourcesUlimits { name: Some("core".to_owned()), soft: Some(0), hard: Some(0) }]),
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
