//! The `container` way: one Docker container per trial, with the job as its command, so killing the container kills the
//! job. Files whose names begin with `docker` are the only door to bollard.
//!
//! Limits on time, memory (swap off), processes, cpu and output hold, there is no network, and all capabilities are
//! dropped. The reporter's channel is the attached error stream, and the log driver is `none`. Disk is not capped: the
//! work directory is part of the image, and most storage drivers have no quota. The line at the start says so.

pub mod cells;
pub mod files;
pub mod line;
pub mod probe;
pub mod run;
pub mod touched;
pub mod warm;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bollard::errors::Error;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use tokio::runtime::Runtime;

use super::{Backing, Executed, Job, Sandbox, SandboxError, SealedImage, Slot};
use run as docker_run;
use run::Kept;

/// Label of every container of ours: `<pid>-<start time>` of the process that made it.
pub const OWNER_LABEL: &str = "assay.owner";
/// Label with the machine and pid namespace that the owner's pid belongs to.
pub(crate) const HOST_LABEL: &str = "assay.host";
/// Label with the second (Unix time) after which nobody needs the container any more.
pub(crate) const LEASE_LABEL: &str = "assay.lease";

/// How long the daemon may take over one request; builds and commits of large images are the slow ones.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1800);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an engine that is restarted may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Docker engine. Cloning is cheap and shares the connection.
#[derive(Clone, Debug)]
pub struct Docker {
    pub(crate) engine: bollard::Docker,
    runtime: Arc<Runtime>,
    owner: Owner,
    cancel: Arc<AtomicBool>,
}

/// Who made a container, as its labels say it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    process: String,
    host: String,
}

impl Docker {
    /// Connects to the engine that `DOCKER_HOST` or the default socket names. Fails at once when none answers.
    pub fn connect() -> Result<Self, SandboxError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("docker")
            .enable_all()
            .build()
            .map_err(|error| SandboxError::Failed { doing: "starting the Docker client", why: error.to_string() })?;
        let silent = |why: String| {
            SandboxError::Unavailable(format!(
                "no Docker engine answers ({why}); start it, name another by DOCKER_HOST, or run with --sandbox cell"
            ))
        };
        let mut engine = runtime
            .block_on(async {
                let engine = bollard::Docker::connect_with_defaults()?.with_timeout(CONNECT_TIMEOUT);
                engine.negotiate_version().await
            })
            .map_err(|error| silent(said(&error)))?;
        engine.set_timeout(REQUEST_TIMEOUT);
        Ok(Self { engine, runtime: Arc::new(runtime), owner: Owner::this_process()?, cancel: Arc::default() })
    }

    /// The same engine, with running jobs ended and new ones refused once `cancel` is raised.
    pub fn with_cancel(self, cancel: Arc<AtomicBool>) -> Self {
        Self { cancel, ..self }
    }

    /// What containers are held to, in a line for people.
    pub fn describe(&self) -> String {
        "sandbox: one Docker container per trial; time, memory, processes, cores and output are limited, there is no network; \
         the disk is not limited"
            .to_owned()
    }

    /// Removes the containers of processes that are gone. Gives their ids.
    pub fn sweep(&self) -> Result<Vec<String>, SandboxError> {
        self.wait(async {
            let filters = HashMap::from([("label", vec![OWNER_LABEL])]);
            let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
            let found = self.engine.list_containers(Some(options)).await.map_err(failed("listing containers"))?;
            let mut removed = Vec::new();
            for container in found {
                let (Some(id), Some(labels)) = (container.id, container.labels) else { continue };
                if self.owner.may_sweep(&labels, seconds_now(), is_alive) {
                    self.remove(&id).await?;
                    removed.push(id);
                }
            }
            Ok(removed)
        })
    }

    /// The flag that is raised when somebody asked to stop.
    pub(crate) fn cancel_flag(&self) -> &Arc<AtomicBool> {
        &self.cancel
    }

    /// Does something, and if it fails while no engine answers, waits for the engine to come back and does it again: an
    /// engine that is restarted is gone for seconds, and every attempt of a trial would fall into them.
    pub(crate) fn with_patience<T>(&self, does: impl Fn() -> Result<T, SandboxError>) -> Result<T, SandboxError> {
        let failed = match does() {
            Err(error @ SandboxError::Failed { .. }) => error,
            other => return other,
        };
        let mut absent = false;
        let until = Instant::now() + PATIENCE;
        while self.wait(self.engine.ping()).is_err() {
            absent = true;
            if self.cancel.load(Ordering::SeqCst) {
                return Err(SandboxError::Interrupted);
            }
            if Instant::now() > until {
                return Err(failed);
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        if absent { does() } else { Err(failed) }
    }

    /// Resolves when somebody asked to stop.
    pub(crate) async fn cancelled(&self) {
        while !self.cancel.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Runs a future to its end on the client's own threads.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Stops and removes a container. One that is already gone is fine.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), SandboxError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.engine.remove_container(id, Some(options)).await {
            // 409: a removal is already under way.
            Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) | Ok(()) => Ok(()),
            Err(error) => Err(failed("removing a container")(error)),
        }
    }

    /// The engine's id of an image, if it is here.
    pub(crate) async fn image(&self, name: &str) -> Result<Option<String>, SandboxError> {
        match self.engine.inspect_image(name).await {
            Ok(found) => Ok(found.id),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(failed("inspecting an image")(error)),
        }
    }

    /// Labels of a container that nobody needs after `lifetime`.
    pub(crate) fn labels(&self, lifetime: Duration) -> HashMap<String, String> {
        let lease = seconds_now().saturating_add(lifetime.as_secs()).saturating_add(3600);
        HashMap::from([
            (OWNER_LABEL.to_owned(), self.owner.process.clone()),
            (HOST_LABEL.to_owned(), self.owner.host.clone()),
            (LEASE_LABEL.to_owned(), lease.to_string()),
        ])
    }
}

impl Sandbox for Docker {
    fn name(&self) -> &'static str {
        "container"
    }

    fn warm(&self, image: &SealedImage, job: &Job) -> Result<SealedImage, SandboxError> {
        let image_id = self.wait(self.warmed(image_id(image)?, &image.workdir, job))?;
        Ok(SealedImage { backing: Backing::Docker { image_id }, ..image.clone() })
    }

    fn slot(&self, image: &SealedImage) -> Result<Box<dyn Slot>, SandboxError> {
        Ok(Box::new(ContainerSlot {
            docker: self.clone(),
            image_id: image_id(image)?.to_owned(),
            workdir: image.workdir.clone(),
        }))
    }
}

struct ContainerSlot {
    docker: Docker,
    image_id: String,
    workdir: String,
}

impl Slot for ContainerSlot {
    fn run(&mut self, job: &Job) -> Result<Executed, SandboxError> {
        let ran = docker_run::run(&self.docker, &self.image_id, &self.workdir, job, Kept::Nothing);
        self.docker.wait(ran).map(|(executed, _)| executed)
    }
}

/// The engine's name for a sealed image.
pub(crate) fn image_id(image: &SealedImage) -> Result<&str, SandboxError> {
    match &image.backing {
        Backing::Docker { image_id } => Ok(image_id),
        Backing::Host { base_layer, .. } | Backing::Unpacked { base_layer, .. } => Err(SandboxError::ImageMissing {
            image: image.digest.short().to_owned(),
            why: format!("it was sealed for host cells ({}), not for Docker; seal it again", base_layer.display()),
        }),
    }
}

/// Turns the engine's error into ours.
pub(crate) fn failed(doing: &'static str) -> impl Fn(Error) -> SandboxError {
    move |error| SandboxError::Failed { doing, why: said(&error) }
}

/// The engine's own words.
pub(crate) fn said(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { status_code, message } => format!("{message} (status {status_code})"),
        other => {
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text = format!("{text}: {cause_text}");
                }
                source = cause.source();
            }
            text
        }
    }
}

impl Owner {
    fn this_process() -> Result<Self, SandboxError> {
        let doing = "reading the identity of this process";
        let pid = std::process::id();
        let started = start_time(pid)
            .ok_or_else(|| SandboxError::Failed { doing, why: format!("/proc/{pid}/stat cannot be read") })?;
        let fault = |error: std::io::Error| SandboxError::Failed { doing, why: error.to_string() };
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(fault)?;
        let namespace = std::fs::read_link("/proc/self/ns/pid").map_err(fault)?;
        Ok(Self { process: format!("{pid}-{started}"), host: format!("{} {}", boot.trim(), namespace.display()) })
    }

    /// Whether a container with these labels has been left behind. A pid says something only if it was given, so
    /// containers of other machines that share the engine live until their lease is over.
    fn may_sweep(&self, labels: &HashMap<String, String>, now: u64, is_alive: impl Fn(&str) -> bool) -> bool {
        let lease_is_over =
            labels.get(LEASE_LABEL).and_then(|lease| lease.parse().ok()).is_some_and(|lease: u64| lease < now);
        let ours = labels.get(HOST_LABEL) == Some(&self.host);
        let owner_is_gone = ours && labels.get(OWNER_LABEL).is_some_and(|owner| !is_alive(owner));
        lease_is_over || owner_is_gone
    }
}

/// Whether `<pid>-<start time>` still runs: the start time tells a process from a later one with the same pid.
fn is_alive(owner: &str) -> bool {
    owner
        .split_once('-')
        .and_then(|(pid, started)| Some((pid.parse().ok()?, started)))
        .is_some_and(|(pid, started)| start_time(pid).as_deref() == Some(started))
}

/// Start time of a process in clock ticks since boot: field 22 of `/proc/<pid>/stat`.
fn start_time(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_containers_of_dead_owners_or_with_an_old_lease_are_swept() {
        let owner = Owner { process: "10-5".to_owned(), host: "here".to_owned() };
        let labels = |host: &str, process: &str, lease: u64| {
            HashMap::from([
                (HOST_LABEL.to_owned(), host.to_owned()),
                (OWNER_LABEL.to_owned(), process.to_owned()),
                (LEASE_LABEL.to_owned(), lease.to_string()),
            ])
        };
        let alive = |process: &str| process == "10-5";
        for (host, process, lease, swept) in [
            ("here", "10-5", 200, false),
            ("here", "11-5", 200, true),
            ("there", "11-5", 200, false),
            ("there", "11-5", 50, true),
            ("here", "10-5", 50, true),
        ] {
            assert_eq!(owner.may_sweep(&labels(host, process, lease), 100, alive), swept, "{host} {process} {lease}");
        }
    }

    #[test]
    fn this_process_is_alive_and_one_with_its_pid_but_another_start_is_not() {
        let owner = Owner::this_process().unwrap();
        assert!(is_alive(&owner.process));
        assert!(!is_alive(&format!("{}-1", std::process::id())));
        assert!(!is_alive("4194305-1") && !is_alive("junk"));
    }
}
