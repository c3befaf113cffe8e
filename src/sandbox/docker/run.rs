//! One trial in one container: create, lay the files, attach, start, wait, inspect, remove.

use std::time::{Duration, Instant};

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, ResourcesUlimits};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptions, InspectContainerOptions, StartContainerOptions,
    UploadToContainerOptionsBuilder, WaitContainerOptions,
};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::files::archive;
use super::touched;
use super::{Docker, failed};
use crate::model::trial::{Exit, Limits};
use crate::sandbox::{Executed, Job, SandboxError};

/// User and group of jobs inside containers.
pub(crate) const USER: u64 = 1000;
/// Creating and starting a container, however slow the machine.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(180);
/// First bytes on the report channel: the files are laid and the job starts now.
const READY: &[u8] = b"assay: ready\n";

/// Runs before the job, as the job's user: moves the report channel, applies the changes. `$1` is the work directory.
/// The shell stays as pid 1, so that signals hit the job as they do outside a container.
const PROLOGUE: &str = r#"exec 3>&2 2>&1
cd "$1" || exit 125
shift
[ ! -f /opt/assay/stage/remove.sh ] || . /opt/assay/stage/remove.sh || exit 125
[ ! -d /opt/assay/stage/tree ] || cp -a /opt/assay/stage/tree/. . || exit 125
echo 'assay: ready' >&3
"$@"
exit $?"#;

/// What becomes of the container after the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Nothing,
    /// The stopped container stays, for the caller to read and remove.
    Container,
}

/// Runs a job in a fresh container. Gives the container's id too, if it was to be kept.
pub(crate) async fn run(
    docker: &Docker,
    image_id: &str,
    workdir: &str,
    job: &Job,
    kept: Kept,
) -> Result<(Executed, Option<String>), SandboxError> {
    let began = Instant::now();
    let id = create(docker, image_id, workdir, job).await?;
    let ran = tokio::select! {
        ran = run_created(docker, &id, workdir, job) => ran,
        () = docker.cancelled() => Err(SandboxError::Interrupted),
    };
    let keep = kept == Kept::Container && ran.is_ok();
    let removed = if keep { Ok(()) } else { docker.remove(&id).await };
    let mut executed = ran?;
    removed?;
    executed.overhead_ms = millis(began.elapsed()).saturating_sub(executed.wall_ms);
    Ok((executed, keep.then_some(id)))
}

/// Makes a container of an image for a job.
pub(crate) async fn create(docker: &Docker, image_id: &str, workdir: &str, job: &Job) -> Result<String, SandboxError> {
    create_from(docker, image_id, container(docker, image_id, workdir, job)).await
}

/// Makes a container of an image as it is described.
pub(crate) async fn create_from(
    docker: &Docker,
    image_id: &str,
    body: ContainerCreateBody,
) -> Result<String, SandboxError> {
    let created = timeout(START_TIMEOUT, docker.engine.create_container(None::<CreateContainerOptions>, body)).await;
    match created {
        Err(_) => Err(late("creating a container")),
        Ok(Ok(created)) => Ok(created.id),
        Ok(Err(Error::DockerResponseServerError { status_code: 404, message })) => {
            Err(SandboxError::ImageMissing { image: image_id.to_owned(), why: message })
        }
        Ok(Err(error)) => Err(failed("creating a container")(error)),
    }
}

pub(crate) fn container(docker: &Docker, image_id: &str, workdir: &str, job: &Job) -> ContainerCreateBody {
    let mut command = vec![workdir.to_owned(), "/usr/bin/env".to_owned(), "-i".to_owned()];
    command.extend(job.env.iter().map(|(name, value)| format!("{name}={value}")));
    command.extend(job.argv.iter().cloned());
    let Limits { memory_bytes, pids, cpu_millis, deadline_ms, .. } = job.limits;
    let memory = i64::try_from(memory_bytes).unwrap_or(i64::MAX);
    ContainerCreateBody {
        image: Some(image_id.to_owned()),
        user: Some(format!("{USER}:{USER}")),
        entrypoint: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), PROLOGUE.to_owned(), "assay".to_owned()]),
        cmd: Some(command),
        working_dir: Some("/".to_owned()),
        labels: Some(docker.labels(Duration::from_millis(deadline_ms) + START_TIMEOUT)),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true),
        tty: Some(false),
        network_disabled: Some(true),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            memory: Some(memory),
            memory_swap: Some(memory),
            pids_limit: Some(i64::try_from(pids).unwrap_or(i64::MAX)),
            nano_cpus: Some(i64::try_from(cpu_millis.saturating_mul(1_000_000)).unwrap_or(i64::MAX)),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            init: Some(false),
            ulimits: Some(vec![ResourcesUlimits { name: Some("core".to_owned()), soft: Some(0), hard: Some(0) }]),
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

pub(crate) async fn run_created(docker: &Docker, id: &str, workdir: &str, job: &Job) -> Result<Executed, SandboxError> {
    let files = archive(job)
        .map_err(|error| SandboxError::Failed { doing: "packing the job's files", why: error.to_string() })?;
    if let Some(files) = files {
        upload(docker, id, "/", files).await?;
    }
    let options = AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true).build();
    let attached =
        docker.engine.attach_container(id, Some(options)).await.map_err(failed("attaching to a container"))?;
    timeout(START_TIMEOUT, docker.engine.start_container(id, None::<StartContainerOptions>))
        .await
        .map_err(|_| late("starting a container"))?
        .map_err(failed("starting a container"))?;

    let (mut output, mut input) = (attached.output, attached.input);
    let stdin = job.stdin.clone();
    let feeding = tokio::spawn(async move {
        // A job that does not read its input closes the pipe, which is its right.
        let _ = input.write_all(&stdin).await;
        let _ = input.shutdown().await;
    });
    let mut heard = Heard::new(&job.limits);
    let mut start_by = Instant::now() + START_TIMEOUT;
    let mut job_began = None;
    let timed_out = loop {
        let now = Instant::now();
        match timeout(start_by.saturating_duration_since(now), output.next()).await {
            Err(_) => break true,
            Ok(None) => break false,
            Ok(Some(Err(error))) => {
                feeding.abort();
                return Err(failed("reading a container's output")(error));
            }
            Ok(Some(Ok(message))) => heard.take(message),
        }
        if job_began.is_none() && heard.ready() {
            let began = Instant::now();
            job_began = Some(began);
            start_by = began + Duration::from_millis(job.limits.deadline_ms);
        }
    };
    let wall_ms = job_began.map_or(0, |began| millis(began.elapsed()));
    feeding.abort();
    if timed_out && job_began.is_none() {
        return Err(late("starting the job in a container"));
    }
    if timed_out {
        // Removing the container kills everything in it; the caller does that next.
        return Ok(heard.executed(Exit::TimedOut, wall_ms));
    }
    let state = ended(docker, id).await?;
    if job_began.is_none() {
        let why = format!("exit code {}: {}", state.code, String::from_utf8_lossy(&heard.output.head));
        return Err(SandboxError::Failed { doing: "laying the changes in a container", why });
    }
    let exit = match state.code {
        _ if state.out_of_memory => Exit::OutOfMemory,
        // The shell reports a signal as 128 plus its number.
        code @ 129..=192 => Exit::Signal(code - 128),
        code => Exit::Code(code),
    };
    let touched = touched::touched(docker, id, workdir, job).await?;
    Ok(Executed { touched, ..heard.executed(exit, wall_ms) })
}

struct Ended {
    code: i32,
    out_of_memory: bool,
}

/// How a container ended, once it has.
async fn ended(docker: &Docker, id: &str) -> Result<Ended, SandboxError> {
    let mut waiting = Box::pin(docker.engine.wait_container(id, None::<WaitContainerOptions>));
    match timeout(START_TIMEOUT, waiting.next()).await {
        Err(_) => return Err(late("waiting for a container's end")),
        Ok(None | Some(Ok(_) | Err(Error::DockerContainerWaitError { .. }))) => {}
        Ok(Some(Err(error))) => return Err(failed("waiting for a container's end")(error)),
    }
    let inspected = docker
        .engine
        .inspect_container(id, None::<InspectContainerOptions>)
        .await
        .map_err(failed("inspecting a container"))?;
    let state = inspected.state.unwrap_or_default();
    let code = state.exit_code.and_then(|code| i32::try_from(code).ok());
    match (state.running, code) {
        (Some(false), Some(code)) => Ok(Ended { code, out_of_memory: state.oom_killed == Some(true) }),
        _ => Err(SandboxError::Failed {
            doing: "inspecting a container",
            why: "the engine does not say how it ended".to_owned(),
        }),
    }
}

/// Unpacks a tar into a container's directory.
pub(crate) async fn upload(docker: &Docker, id: &str, path: &str, tar: Vec<u8>) -> Result<(), SandboxError> {
    let options = UploadToContainerOptionsBuilder::default().path(path).build();
    let body = bollard::body_full(tar.into());
    docker.engine.upload_to_container(id, Some(options), body).await.map_err(failed("uploading files to a container"))
}

/// What a job has said so far, bounded.
struct Heard {
    output: HeadAndTail,
    report: Vec<u8>,
    report_limit: usize,
    report_truncated: bool,
}

impl Heard {
    fn new(limits: &Limits) -> Self {
        let bounded = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            output: HeadAndTail::new(bounded(limits.keep_output_bytes)),
            report: Vec::new(),
            report_limit: bounded(limits.report_bytes).saturating_add(READY.len()),
            report_truncated: false,
        }
    }

    fn take(&mut self, message: LogOutput) {
        match message {
            LogOutput::StdErr { message } => {
                let room = self.report_limit - self.report.len();
                self.report_truncated |= message.len() > room;
                self.report.extend_from_slice(&message[..message.len().min(room)]);
            }
            LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message } => {
                self.output.take(&message);
            }
        }
    }

    fn ready(&self) -> bool {
        self.report.starts_with(READY)
    }

    fn executed(mut self, exit: Exit, wall_ms: u64) -> Executed {
        self.report.drain(..READY.len());
        let (output_head, output_tail, output_total) = self.output.into_parts();
        Executed {
            exit,
            report: self.report,
            report_truncated: self.report_truncated,
            output_head,
            output_tail,
            output_total,
            wall_ms,
            overhead_ms: 0,
            peak_memory_bytes: None,
            touched: Vec::new(),
        }
    }
}

/// The first and last bytes of a stream, and its length.
struct HeadAndTail {
    keep: usize,
    head: Vec<u8>,
    tail: Vec<u8>,
    total: u64,
}

impl HeadAndTail {
    fn new(keep: usize) -> Self {
        Self { keep, head: Vec::new(), tail: Vec::new(), total: 0 }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (to_head, rest) = bytes.split_at(bytes.len().min(self.keep - self.head.len()));
        self.head.extend_from_slice(to_head);
        self.tail.extend_from_slice(rest);
        // Cut seldom, so that a flood of small pieces stays cheap.
        if self.tail.len() > self.keep.saturating_mul(4) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.tail.drain(..self.tail.len().saturating_sub(self.keep));
    }

    fn into_parts(mut self) -> (Vec<u8>, Vec<u8>, u64) {
        self.cut();
        (self.head, self.tail, self.total)
    }
}

pub(crate) fn late(doing: &'static str) -> SandboxError {
    SandboxError::Failed { doing, why: format!("nothing happened for {} s", START_TIMEOUT.as_secs()) }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_keeps_its_first_and_last_bytes_and_counts_all() {
        for pieces in [1, 3, 7, 1000] {
            let text: Vec<u8> = (0..1000_u32).map(|n| b'a' + (n % 26) as u8).collect();
            let mut output = HeadAndTail::new(10);
            text.chunks(pieces).for_each(|piece| output.take(piece));
            let (head, tail, total) = output.into_parts();
            assert_eq!((head.as_slice(), tail.as_slice(), total), (&text[..10], &text[990..], 1000));
        }
        let mut short = HeadAndTail::new(10);
        short.take(b"hello");
        assert_eq!(short.into_parts(), (b"hello".to_vec(), Vec::new(), 5));
    }
}
