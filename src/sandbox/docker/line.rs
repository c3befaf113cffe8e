//! The connection to an agent in a container: its attached standard streams.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{AttachContainerOptionsBuilder, StartContainerOptions};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::cells::AGENT_PATH;
use super::files::program;
use super::run::{START_TIMEOUT, late, upload};
use super::{Docker, failed, said};
use crate::sandbox::SandboxError;
use crate::sandbox::cell::talk::Carrier;

/// How often the cancel flag is looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// How long the engine may take to pass bytes on.
const WRITING: Duration = Duration::from_secs(60);
/// Bytes of an agent's error stream that are kept.
const WORDS: usize = 4096;

/// The streams of a started container.
pub(crate) struct Line {
    docker: Docker,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    /// What has arrived and was not read yet, from `read` on.
    arrived: Vec<u8>,
    read: usize,
    words: Vec<u8>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("arrived", &(self.arrived.len() - self.read)).finish_non_exhaustive()
    }
}

impl Line {
    /// Lays the agent's program into a created container, attaches to it and starts it.
    pub fn attach(docker: &Docker, id: &str, agent: &[u8]) -> Result<Self, SandboxError> {
        let tar = program(AGENT_PATH, agent)
            .map_err(|error| SandboxError::Failed { doing: "packing the agent", why: error.to_string() })?;
        docker.wait(async {
            upload(docker, id, "/", tar).await?;
            let options =
                AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true).build();
            let attached =
                docker.engine.attach_container(id, Some(options)).await.map_err(failed("attaching to a container"))?;
            timeout(START_TIMEOUT, docker.engine.start_container(id, None::<StartContainerOptions>))
                .await
                .map_err(|_| late("starting a container"))?
                .map_err(failed("starting a container"))?;
            Ok(Self {
                docker: docker.clone(),
                input: attached.input,
                output: attached.output,
                arrived: Vec::new(),
                read: 0,
                words: Vec::new(),
            })
        })
    }

    fn take(&mut self, message: LogOutput) {
        match message {
            LogOutput::StdErr { message } => {
                let room = WORDS - self.words.len().min(WORDS);
                self.words.extend_from_slice(&message[..message.len().min(room)]);
            }
            LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message } => {
                self.arrived.clear();
                self.arrived.extend_from_slice(&message);
                self.read = 0;
            }
        }
    }
}

impl Carrier for Line {
    fn read(&mut self, buffer: &mut [u8], cancel: &AtomicBool, until: Instant) -> io::Result<usize> {
        while self.read == self.arrived.len() {
            if cancel.load(Ordering::Relaxed) {
                return Err(io::Error::other("cancelled"));
            }
            if Instant::now() > until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // Made inside the future, because a timer needs the client's own threads.
            let next = self.docker.wait(async { timeout(GLANCE, self.output.next()).await });
            match next {
                Err(_) => {}
                Ok(None) => return Ok(0),
                Ok(Some(Ok(message))) => self.take(message),
                Ok(Some(Err(error))) => return Err(io::Error::other(said(&error))),
            }
        }
        let count = buffer.len().min(self.arrived.len() - self.read);
        buffer[..count].copy_from_slice(&self.arrived[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let input = &mut self.input;
        let written = self.docker.wait(async {
            timeout(WRITING, async {
                input.write_all(bytes).await?;
                input.flush().await
            })
            .await
        });
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    fn last_words(&mut self) -> String {
        match String::from_utf8_lossy(&self.words).trim() {
            "" => "its container ended".to_owned(),
            words => words.to_owned(),
        }
    }
}
