//! Whether an engine's host lets a container make cells, found out by doing it, and what the engine can limit.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;

use super::cells::{AGENT, DockerCells};
use super::files::program_beside;
use super::{Docker, failed};
use crate::model::digest::Digest;
use crate::model::trial::{Exit, Limits};
use crate::sandbox::{Backing, Job, Lease, Sandbox, SandboxError, SealedImage};

const REPOSITORY: &str = "assay/probe";
const PROGRAM: &str = "/probe";
const WORKDIR: &str = "/testbed";

impl DockerCells {
    /// Looks what the engine and its host can do. Refuses if no cell can be had and, unless `allow_weak`, if memory
    /// and processes are not bounded. A file in the folder `known` remembers a host that could, until it starts anew.
    pub fn open(docker: Docker, known: Option<&Path>, allow_weak: bool) -> Result<Self, SandboxError> {
        let cells = Self::new(docker)?;
        let info =
            cells.docker().wait(cells.docker().engine.info()).map_err(failed("asking the engine what it can"))?;
        let limits = [("memory", info.memory_limit), ("processes", info.pids_limit)];
        for (what, limited) in limits {
            if limited == Some(false) && !allow_weak {
                return Err(SandboxError::Unavailable(format!(
                    "this Docker engine cannot limit {what}; give it a cgroup that can, or accept it with --allow-weak-sandbox"
                )));
            }
        }
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let host = Digest::of_json(&(
            info.id,
            info.server_version,
            info.kernel_version,
            info.security_options,
            boot,
            Digest::of(AGENT),
        ));
        let note = known.map(|known| known.join(host.as_str()));
        if !note.as_ref().is_some_and(|note| note.is_file()) {
            cells.try_one()?;
            if let (Some(folder), Some(note)) = (known, note) {
                let remember =
                    fs::create_dir_all(folder).and_then(|()| fs::write(&note, "a cell could be made here\n"));
                let why = |error| format!("{}: {error}", note.display());
                remember.map_err(|error| SandboxError::Failed { doing: "remembering a host", why: why(error) })?;
            }
        }
        Ok(cells)
    }

    fn try_one(&self) -> Result<(), SandboxError> {
        let tag = Digest::of(AGENT).short().to_owned();
        let image_id = self.docker().wait(self.probe_image(&tag))?;
        let image = SealedImage {
            digest: Digest::of(b"probe"),
            workdir: WORKDIR.to_owned(),
            tool: String::new(),
            backing: Backing::Docker { image_id },
            lease: Lease::default(),
        };
        let job = Job {
            argv: vec![PROGRAM.to_owned(), "probe".to_owned()],
            env: BTreeMap::new(),
            changes: Vec::new(),
            support: BTreeMap::new(),
            stdin: Vec::new(),
            limits: Limits { deadline_ms: 20_000, ..Limits::default() },
        };
        let refused = |why: String| SandboxError::Unavailable(format!("a container cannot make cells here: {why}"));
        let executed = match self.slot(&image)?.run(&job) {
            Err(SandboxError::Failed { doing, why }) => return Err(refused(format!("{doing} failed: {why}"))),
            other => other?,
        };
        match executed.exit {
            Exit::Code(0) => Ok(()),
            other => Err(refused(format!("{other:?}: {}", String::from_utf8_lossy(&executed.output_head).trim()))),
        }
    }

    /// An image with one program and a directory, made once per agent.
    async fn probe_image(&self, tag: &str) -> Result<String, SandboxError> {
        let name = format!("{REPOSITORY}:{tag}");
        if let Some(id) = self.docker().image(&name).await? {
            return Ok(id);
        }
        let packing =
            |error: std::io::Error| SandboxError::Failed { doing: "packing an image", why: error.to_string() };
        let tar = program_beside(PROGRAM, AGENT, &format!("{WORKDIR}/old")).map_err(packing)?;
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(REPOSITORY).tag(tag).build();
        let body = bollard::body_full(tar.into());
        let made = self.docker().engine.create_image(Some(options), Some(body), None);
        made.try_for_each(|_| async { Ok(()) }).await.map_err(failed("importing an image"))?;
        self.docker().image(&name).await?.ok_or_else(|| SandboxError::Failed {
            doing: "importing an image",
            why: "the engine ended without it".to_owned(),
        })
    }
}
