//! Warm images of the engine: a job of trusted code is run once, and the bytecode that it wrote is committed onto its image.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use bollard::models::ContainerConfig;
use bollard::query_parameters::{CommitContainerOptionsBuilder, DownloadFromContainerOptionsBuilder};
use futures_util::StreamExt;

use super::files::only_bytecode;
use super::run as docker_run;
use super::run::Kept;
use super::{Docker, HOST_LABEL, LEASE_LABEL, OWNER_LABEL, failed};
use crate::model::digest::Digest;
use crate::sandbox::{Job, SandboxError};

/// Label of a sealed image: its digest.
pub(crate) const DIGEST_LABEL: &str = "assay.digest";

impl Docker {
    /// Runs a job and commits the bytecode that it wrote, and nothing else, onto its image.
    pub(super) async fn warmed(&self, image_id: &str, workdir: &str, job: &Job) -> Result<String, SandboxError> {
        let (_, ran) = docker_run::run(self, image_id, workdir, job, Kept::Container).await?;
        let Some(ran) = ran else { return Ok(image_id.to_owned()) };
        // An interpreter gives a compiled file its name only when it is whole, so a job that was cut short leaves none in part.
        let bytecode = self.bytecode(&ran, workdir).await;
        self.remove(&ran).await?;
        let Some(bytecode) = bytecode? else { return Ok(image_id.to_owned()) };
        let fresh = docker_run::create(self, image_id, workdir, job).await?;
        let committed = self.commit_with(&fresh, bytecode).await;
        self.remove(&fresh).await?;
        committed
    }

    async fn commit_with(&self, container: &str, bytecode: Vec<u8>) -> Result<String, SandboxError> {
        docker_run::upload(self, container, "/", bytecode).await?;
        let settings = settings(None);
        let options =
            CommitContainerOptionsBuilder::default().container(container).pause(false).changes(&settings).build();
        let committed = self.engine.commit_container(options, ContainerConfig::default()).await;
        Ok(committed.map_err(failed("committing an image"))?.id)
    }

    /// A tar of the bytecode below the work directory of a stopped container; `None` if there is none.
    async fn bytecode(&self, container: &str, workdir: &str) -> Result<Option<Vec<u8>>, SandboxError> {
        let doing = "reading bytecode out of a container";
        let options = DownloadFromContainerOptionsBuilder::default().path(workdir).build();
        let mut archive = Box::pin(self.engine.download_from_container(container, Some(options)));
        let fault = |error: io::Error| SandboxError::Failed { doing, why: error.to_string() };
        let mut file = tempfile::tempfile().map_err(fault)?;
        while let Some(chunk) = archive.next().await {
            file.write_all(&chunk.map_err(failed(doing))?).map_err(fault)?;
        }
        file.seek(SeekFrom::Start(0)).map_err(fault)?;
        let parent = Path::new(workdir).parent().unwrap_or(Path::new("/"));
        only_bytecode(file, parent.strip_prefix("/").unwrap_or(parent)).map_err(fault)
    }
}

/// What a committed image says of itself, as Dockerfile lines. It would keep its container's labels, and hand them to every
/// container made of it, whoever makes it; and its container's command, or an entry point of whoever made the image.
pub(crate) fn settings(digest: Option<&Digest>) -> String {
    let digest = digest.map(|digest| format!(" {DIGEST_LABEL}=\"{digest}\"")).unwrap_or_default();
    format!(
        "LABEL {OWNER_LABEL}=\"\" {HOST_LABEL}=\"\" {LEASE_LABEL}=\"\"{digest}\nENTRYPOINT [\"/bin/sh\"]\n\
         WORKDIR /\nHEALTHCHECK NONE"
    )
}
