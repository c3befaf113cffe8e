//! Sealing an unpacked image for cells on this host: a root without histories and answers, and a base layer with warm
//! caches that appears at the work directory. A sealed root holds further names of the unpacked files, so it takes
//! room for folders only. A cell sees the sealed root alone and nothing of the host's `/usr` or libraries, so an image
//! with another C library, or with one static program, will do.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::cache::Cache;
use super::environment_error::EnvironmentError;
use super::foreign::{Holder, ReadyImage, ReadyRequest};
use super::inspector::{Found, Inspector, Wanted};
use super::order::Order;
use super::seal_host::SealError;
use super::unpacked::folders::{copy_tree, inside, link_tree, place, set_times, write_anew};
use crate::sandbox::docker::files::CHANGED_MTIME;
use crate::sandbox::{Backing, LAYER_MTIME, Sandbox, SandboxError, SealedImage};

pub(crate) const SEALED: &str = "host-images";

/// Puts the image's work directory, its `.git` included, into an empty folder. The files are further names of the image's.
pub fn read_workdir(image: &ReadyImage, workdir: &str, into: &Path) -> Result<(), SandboxError> {
    link_tree(&own_workdir(image, workdir)?, into, |_| true).map_err(|error| fault(error.to_string()))
}

/// Where the image's own work directory was unpacked.
pub fn own_workdir(image: &ReadyImage, workdir: &str) -> Result<PathBuf, SandboxError> {
    let root = image.root.as_deref().ok_or_else(|| fault("the image was not unpacked".to_owned()))?;
    let own = place(root, Path::new(workdir)).map_err(|error| fault(error.to_string()))?;
    let own = own.filter(|path| fs::symlink_metadata(path).is_ok_and(|data| data.is_dir()));
    own.ok_or_else(|| fault(format!("{} has no folder {workdir}", image.reference)))
}

fn fault(why: String) -> SandboxError {
    SandboxError::Failed { doing: "reading the work directory out of an image", why }
}

/// Chooses the image's tool and asks, in a cell, what else the image holds. `layer` stands at the work directory meanwhile:
/// the tool may be there, or the runner may be installed from there, as in images of the runner itself.
pub fn look(
    sandbox: &dyn Sandbox,
    inspector: &dyn Inspector,
    image: &ReadyImage,
    layer: &Path,
    wanted: &Wanted<'_>,
) -> Result<Found, SealError> {
    let root = image.root.clone().ok_or_else(|| SandboxError::ImageMissing {
        image: image.reference.clone(),
        why: "it was not unpacked".to_owned(),
    })?;
    let looked = SealedImage {
        digest: super::unpacked::lease_name(&crate::model::digest::Digest::of(image.image_id.as_bytes())),
        workdir: wanted.workdir.to_owned(),
        tool: String::new(),
        backing: Backing::Unpacked { root: root.clone(), base_layer: layer.to_owned() },
        lease: image.lease.clone(),
    };
    let git = format!("{}/.git", wanted.workdir);
    let own = place(&root, Path::new(&git));
    let executed = sandbox.slot(&looked)?.run(&inspector.job(image, wanted))?;
    let mut found = inspector.read(image, wanted, &executed)?;
    // Out of sight of the job if another layer stands there, or if the job may not read it.
    let there = own.is_ok_and(|path| path.is_some_and(|path| fs::symlink_metadata(path).is_ok()));
    if there && !found.histories.contains(&git) {
        found.histories.push(git);
    }
    Ok(found)
}

/// Seals a tree into an unpacked image; found without any work when it was sealed before. Its tree and its warm-up are
/// those of the order.
pub fn seal(
    cache: &Cache,
    sandbox: &dyn Sandbox,
    inspector: &dyn Inspector,
    request: &ReadyRequest<'_>,
    order: &Order,
) -> Result<SealedImage, SealError> {
    let ReadyRequest { image, found, workdir, tree_id, .. } = *request;
    let digest = request.digest("unpacked", cache);
    let lease = cache.lease(&digest)?;
    let sealed = |folder: &Path| SealedImage {
        digest: digest.clone(),
        workdir: workdir.to_owned(),
        tool: found.tool.clone(),
        backing: Backing::Unpacked { root: folder.join("root"), base_layer: folder.join("tree") },
        lease: lease.clone(),
    };
    let folder = cache.directory(SEALED, digest.as_str(), |making| {
        (order.say)(&format!("sealing {} for cells on this host", image.reference));
        let tree = making.join("tree");
        fs::create_dir(&tree).map_err(|error| EnvironmentError::io("making", &tree, &error))?;
        (order.checkout)(tree_id, &tree)
            .map_err(|error| SealError::Checkout { tree: tree_id.to_owned(), why: format!("{error:#}") })?;
        let filled = order.phases.time("linking the image's files", || fill(making, request));
        filled.map_err(|error| EnvironmentError::io("sealing an image in", making, &error))?;
        // What was removed must be gone, and nothing like it may have come in.
        let again = ReadyImage { root: Some(making.join("root")), ..image.clone() };
        let runner = found.runner_module();
        let check = Wanted { workdir, tool: Some(&found.tool), runner, modules: &[], lines: &[] };
        let looked = || look(sandbox, inspector, &again, &tree, &check);
        if let Some(left) = order.phases.time("looking again", looked)?.histories.first() {
            return Err(EnvironmentError::AnswerInImage { path: left.clone() }.into());
        }
        (order.warm)(&sealed(making)).map_err(|source| SealError::Warm { tree: tree_id.to_owned(), source })?;
        Ok::<(), SealError>(())
    })?;
    cache.keep_record(&request.record(&digest, Holder::Cache))?;
    Ok(sealed(&folder))
}

/// Makes the root beside the tree that was checked out, and lays around the tree what the image had there.
fn fill(making: &Path, request: &ReadyRequest<'_>) -> io::Result<()> {
    let ReadyRequest { image, workdir, rest, .. } = *request;
    let (root, tree) = (making.join("root"), making.join("tree"));
    let from = image.root.as_deref().ok_or_else(|| io::Error::other("the image was not unpacked"))?;
    fs::create_dir(&root)?;
    let removed = request.removed();
    let gone = removed.iter().map(String::as_str).chain([workdir]).map(|path| inside(Path::new(path)));
    let gone: BTreeSet<PathBuf> = gone.collect::<io::Result<_>>()?;
    link_tree(from, &root, |inside| !gone.contains(inside))?;
    // The tree wins, also if it has a file in the place of a folder of the rest.
    let held: BTreeSet<PathBuf> = walkdir::WalkDir::new(&tree)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| !entry.file_type().is_dir())
        .filter_map(|entry| Some(entry.path().strip_prefix(&tree).ok()?.to_owned()))
        .collect();
    let folders = |inside: &Path| tree.join(inside).is_dir();
    copy_tree(rest, &tree, |inside| {
        let tells = removed.contains(&format!("{workdir}/{}", inside.display()));
        let in_place_of_a_folder = folders(inside) && !rest.join(inside).is_dir();
        !tells && !held.contains(inside) && !in_place_of_a_folder
    })?;
    set_times(&tree, LAYER_MTIME)?;
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(CHANGED_MTIME);
    for (path, text) in request.start_up {
        let inside = Path::new(path).strip_prefix(workdir).ok();
        let at = match inside {
            Some(inside) => place(&tree, inside)?,
            None => place(&root, Path::new(path))?,
        };
        let at = at.ok_or_else(|| io::Error::other(format!("{path} lies behind a link")))?;
        write_anew(&at, text.as_bytes(), changed)?;
    }
    assay_agent::etc::complete(&root.join("etc"))
}
