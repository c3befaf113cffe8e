//! What a job did to files that were there before it, asked of the Docker engine once the container has ended.
//!
//! The engine lists what differs from the image. What we laid differs too, so its content is compared. A laid file that
//! was changed and put back goes unseen here; a cell sees it.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use bollard::errors::Error;
use bollard::models::ChangeType;
use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures_util::StreamExt;

use super::{Docker, failed};
use crate::sandbox::{FileChange, Job, SandboxError};

/// What stands at a path that we laid.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Laid {
    File(Arc<[u8]>),
    Link(String),
    Nothing,
}

/// Paths below the work directory that the job changed, replaced or removed; with a slash at the end, all below.
pub(crate) async fn touched(docker: &Docker, id: &str, workdir: &str, job: &Job) -> Result<Vec<String>, SandboxError> {
    let listed = docker.engine.container_changes(id).await.map_err(failed("listing a container's changes"))?;
    let laid: BTreeMap<_, _> = job
        .changes
        .iter()
        .map(|change| match change {
            FileChange::Write { path, content, .. } => (path.as_str(), Laid::File(content.clone())),
            FileChange::Link { path, target } => (path.as_str(), Laid::Link(target.clone())),
            FileChange::Remove { path } => (path.as_str(), Laid::Nothing),
        })
        .collect();
    let prefix = format!("{workdir}/");
    let mut touched = Vec::new();
    for change in listed.unwrap_or_default() {
        let Some(path) = change.path.strip_prefix(&prefix).filter(|path| !laid.contains_key(*path)) else { continue };
        match change.kind {
            // A directory is listed for what changed in it; of trusted files there are none by its own name.
            ChangeType::_0 => touched.push(path.to_owned()),
            ChangeType::_1 => {}
            ChangeType::_2 => touched.extend([path.to_owned(), format!("{path}/")]),
        }
    }
    for (path, was) in laid {
        if was != Laid::Nothing && found(docker, id, &format!("{prefix}{path}"), &was).await? != was {
            touched.push(path.to_owned());
        }
    }
    Ok(touched)
}

/// What the stopped container has at a path, as far as it can be what was laid there.
async fn found(docker: &Docker, id: &str, path: &str, was: &Laid) -> Result<Laid, SandboxError> {
    let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
    let mut archive = Box::pin(docker.engine.download_from_container(id, Some(options)));
    let mut tar = Vec::new();
    let room = if let Laid::File(content) = was { content.len() } else { 0 } + (64 << 10);
    while let Some(chunk) = archive.next().await {
        match chunk {
            Ok(chunk) => tar.extend_from_slice(&chunk),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(Laid::Nothing),
            Err(error) => return Err(failed("reading a file out of a container")(error)),
        }
        if tar.len() > room {
            return Ok(Laid::Nothing);
        }
    }
    only_entry(&tar).map_err(|error| SandboxError::Failed {
        doing: "reading a file out of a container",
        why: format!("{path}: {error}"),
    })
}

fn only_entry(tar: &[u8]) -> std::io::Result<Laid> {
    let mut archive = tar::Archive::new(tar);
    let Some(entry) = archive.entries()?.next() else { return Ok(Laid::Nothing) };
    let mut entry = entry?;
    match entry.header().entry_type() {
        tar::EntryType::Regular => {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            Ok(Laid::File(content.into()))
        }
        tar::EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default();
            Ok(Laid::Link(String::from_utf8_lossy(&target).into_owned()))
        }
        _ => Ok(Laid::Nothing),
    }
}
