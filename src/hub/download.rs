//! Downloading a dataset repository, each file compared with what the repository says of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::local::stays_below;
use super::plan::RemoteFile;
use super::{Hub, HubError};
use crate::dataset::select::strangers::ATTRIBUTES;
use crate::model::digest::Digest;
use crate::repo::blob_id;

/// A downloaded dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Holds the repository's files, but for `.gitattributes`.
    pub directory: PathBuf,
    pub commit: String,
}

/// Downloads a revision (`None`: the main branch) into a directory below `place` that is named by its commit, and gives that
/// directory. One that is there is used as it is; an interrupted download goes on.
///
/// # Errors
/// A repository or revision that is not there for this token; a path that would leave the directory; a file that is not what
/// the repository says; no network; a place that cannot be written.
pub async fn download(hub: &Hub<'_>, revision: Option<&str>, place: &Path) -> Result<Downloaded, HubError> {
    let name = format!("{}{}", hub.page(), revision.map(|revision| format!("@{revision}")).unwrap_or_default());
    let remote = hub.remote(revision).await.map_err(|fault| match fault {
        Fault::Absent { .. } | Fault::Unknown { .. } => HubError::Usage(format!(
            "there is no dataset {name} for this token; check the name and revision, or log in with `hf auth login` if it is private"
        )),
        fault => HubError::of(fault, &format!("read {name}")),
    })?;
    let Some(commit) = remote.head else {
        return Err(HubError::Usage(format!("{name} is empty")));
    };
    let files: BTreeMap<_, _> = remote.files.into_iter().filter(|(path, _)| path != ATTRIBUTES).collect();
    if let Some(path) = files.keys().find(|path| !stays_below(path)) {
        return Err(HubError::Refused(format!("{name} has a file {path:?}, which is not a path below a directory")));
    }
    let whole = place.join(hub.repo.owner()).join(hub.repo.name()).join(&commit);
    if whole.is_dir() {
        return Ok(Downloaded { directory: whole, commit });
    }
    let partial = whole.with_file_name(format!("{commit}.partial"));
    let unwritable = |error: std::io::Error| HubError::Usage(format!("cannot write {}: {error}", partial.display()));
    fs::create_dir_all(&partial).map_err(unwritable)?;
    let bytes: u64 = files.values().map(|file| file.bytes).sum();
    let stage = hub.console.stage("MB read", bytes.div_ceil(1_000_000));
    let mut done = 0;
    for (path, file) in &files {
        let target = partial.join(path);
        if !holds(&target, file) {
            fetch(hub, &commit, path, file, &partial).await?;
        }
        done += file.bytes;
        stage.advance_to(done / 1_000_000);
    }
    drop(stage);
    match fs::rename(&partial, &whole) {
        Ok(()) => {}
        // Another process was quicker.
        Err(_) if whole.is_dir() => {}
        Err(error) => return Err(unwritable(error)),
    }
    Ok(Downloaded { directory: whole, commit })
}

async fn fetch(hub: &Hub<'_>, commit: &str, path: &str, file: &RemoteFile, partial: &Path) -> Result<(), HubError> {
    let doing = format!("download {path} of {}", hub.page());
    hub.persist(&doing, || async {
        let dataset = hub.dataset();
        let request = dataset.download_file().filename(path).local_dir(partial.to_owned()).revision(commit);
        if let Err(error) = request.send().await {
            return Err(hub.fault_of(error).await);
        }
        match holds(&partial.join(path), file) {
            true => Ok(()),
            // Cut off, or changed on the way: a second try may do better.
            false => Err(hub.not_done(hub.file(commit, path), "what came is not what the repository says").await),
        }
    })
    .await
    .map_err(|fault| HubError::of(fault, &doing))
}

/// Whether a file is there and is what the repository says.
fn holds(path: &Path, file: &RemoteFile) -> bool {
    let whole = fs::symlink_metadata(path).is_ok_and(|about| about.is_file() && about.len() == file.bytes);
    whole
        && match &file.sha256 {
            Some(sha256) => {
                fs::File::open(path).and_then(Digest::of_reader).is_ok_and(|digest| digest.as_str() == sha256)
            }
            None => fs::read(path).is_ok_and(|bytes| blob_id(&bytes) == file.blob),
        }
}
