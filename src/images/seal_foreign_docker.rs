//! Images that others made ready, in Docker: looked into, their work directory read out, and sealed. The sealed image
//! is a layer over the other's, under `assay/ready:DIGEST`, with our entry point. It holds no git object store at all,
//! so no commit, tag, stash or reflog entry can be reached, whatever its date. An image that declares a volume at the
//! work directory is refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bollard::errors::Error;
use bollard::models::{ContainerConfig, ContainerCreateBody};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateContainerOptions, DownloadFromContainerOptionsBuilder, TagImageOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use futures_util::StreamExt as _;
use walkdir::WalkDir;

use super::cache::Cache;
use super::environment_error::EnvironmentError;
use super::foreign::{Holder, ReadyImage, ReadyRequest};
use super::inspector::{Found, Inspector, Wanted, shell_job, tail};
use super::order::Order;
use super::seal_host::SealError;
use super::unpack::unpack;
use crate::model::digest::Digest;
use crate::model::trial::Exit;
use crate::sandbox::docker::files::{CHANGED_MTIME, quoted};
use crate::sandbox::docker::run as docker_run;
use crate::sandbox::docker::run::USER;
use crate::sandbox::docker::warm::settings;
use crate::sandbox::docker::{Docker, failed};
use crate::sandbox::{Backing, Executed, Job, LAYER_MTIME, Lease, SandboxError, SealedImage};

/// What the engine knows of an image. Its id follows from how the engine stores images; layers and variables do not.
pub(crate) struct MadeOf {
    /// sha256 of the configuration, or of the manifest, in hex.
    pub id: String,
    /// sha256 of the layers' tars in hex, lowest first.
    pub layers: Vec<String>,
    pub env: BTreeMap<String, String>,
}

/// Variables as an image's configuration has them, `NAME=value` each.
fn variables(lines: Option<Vec<String>>) -> BTreeMap<String, String> {
    let lines = lines.unwrap_or_default();
    let pairs = lines.iter().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl Docker {
    /// An image by its reference; pulled if it is not here.
    pub fn ready_image(
        &self,
        cache: &Cache,
        reference: &str,
        progress: &mut dyn FnMut(&str),
    ) -> Result<ReadyImage, SandboxError> {
        let known = self.wait(self.image(reference))?.is_some();
        let mut image = self.wait(async {
            let image_id = self.base_image(reference, progress).await?;
            let inspected = self.engine.inspect_image(&image_id).await.map_err(failed("inspecting an image"))?;
            let config = inspected.config.unwrap_or_default();
            let volumes = config.volumes.unwrap_or_default().into_iter().collect();
            let env = variables(config.env);
            let reference = reference.to_owned();
            Ok::<_, SandboxError>(ReadyImage { reference, image_id, env, volumes, root: None, lease: Lease::default() })
        })?;
        image.lease = self.lease(cache, reference, &image.image_id, !known)?;
        Ok(image)
    }

    /// Whether the engine has an image.
    pub fn has(&self, reference: &str) -> Result<bool, SandboxError> {
        Ok(self.wait(self.image(reference))?.is_some())
    }

    /// What an image of the engine is made of, if it is there.
    pub(crate) fn made_of(&self, reference: &str) -> Result<Option<MadeOf>, SandboxError> {
        let found = match self.wait(self.engine.inspect_image(reference)) {
            Ok(found) => found,
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(None),
            Err(error) => return Err(failed("inspecting an image")(error)),
        };
        let hex = |id: String| id.strip_prefix("sha256:").map_or_else(|| id.clone(), str::to_owned);
        let layers = found.root_fs.and_then(|root| root.layers).unwrap_or_default();
        Ok(Some(MadeOf {
            id: hex(found.id.unwrap_or_default()),
            layers: layers.into_iter().map(hex).collect(),
            env: variables(found.config.and_then(|config| config.env)),
        }))
    }

    /// An image as `docker save` writes it, in a file without a name.
    pub fn save_image(&self, reference: &str) -> Result<File, SandboxError> {
        let doing = "saving an image of the engine";
        let fault = |error: io::Error| SandboxError::Failed { doing, why: error.to_string() };
        let mut file = tempfile::tempfile().map_err(fault)?;
        self.wait(async {
            let mut archive = Box::pin(self.engine.export_image(reference));
            while let Some(chunk) = archive.next().await {
                file.write_all(&chunk.map_err(failed(doing))?).map_err(fault)?;
            }
            Ok::<_, SandboxError>(())
        })?;
        file.seek(SeekFrom::Start(0)).map_err(fault)?;
        Ok(file)
    }

    /// Unpacks the image's work directory, its `.git` included, into an empty folder. Nothing of the image is run.
    pub fn read_workdir(&self, image: &ReadyImage, workdir: &str, into: &Path) -> Result<(), SandboxError> {
        let doing = "reading the work directory out of an image";
        let fault = |error: io::Error| SandboxError::Failed { doing, why: error.to_string() };
        let body = as_root(docker_run::container(self, &image.image_id, "/", &shell_job("true", Vec::new())));
        let file = self.wait(async {
            let id = self.create_as(body).await?;
            let read = async {
                let mut file = tempfile::tempfile().map_err(fault)?;
                let options = DownloadFromContainerOptionsBuilder::default().path(workdir).build();
                let mut archive = Box::pin(self.engine.download_from_container(&id, Some(options)));
                while let Some(chunk) = archive.next().await {
                    file.write_all(&chunk.map_err(failed(doing))?).map_err(fault)?;
                }
                file.seek(SeekFrom::Start(0)).map_err(fault)?;
                Ok::<_, SandboxError>(file)
            };
            let read = read.await;
            self.remove(&id).await?;
            read
        })?;
        let top = Path::new(workdir).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        unpack(io::BufReader::new(file), top, into).map_err(fault)
    }

    /// Chooses the image's tool and asks what else the image holds.
    pub fn look(&self, inspector: &dyn Inspector, image: &ReadyImage, wanted: &Wanted<'_>) -> Result<Found, SealError> {
        let (executed, _) = self.run_as_root(&image.image_id, &inspector.job(image, wanted), false)?;
        inspector.read(image, wanted, &executed)
    }

    /// Seals a tree into an image of others; found without any work when it was sealed before. Its tree and its warm-up
    /// are those of the order.
    pub fn seal_ready(
        &self,
        cache: &Cache,
        inspector: &dyn Inspector,
        request: &ReadyRequest<'_>,
        order: &Order,
    ) -> Result<SealedImage, SealError> {
        let ReadyRequest { image, found, workdir, tree_id, rest, start_up } = *request;
        let removed = request.removed();
        let digest = request.digest("docker", cache);
        let tag = format!("assay/ready:{}", digest.short());
        let lease = cache.lease(&digest)?;
        let sealed = |image_id: String| SealedImage {
            digest: digest.clone(),
            workdir: workdir.to_owned(),
            tool: found.tool.clone(),
            backing: Backing::Docker { image_id },
            lease: lease.clone(),
        };
        let _lock = cache.lock("docker-images", digest.as_str())?;
        if let Some(image_id) = self.wait(self.labelled(&tag, &digest))? {
            return Ok(sealed(image_id));
        }
        (order.say)(&format!("sealing {} as {tag}", image.reference));
        let scratch = cache.scratch()?;
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).map_err(|error| EnvironmentError::io("making", &tree, &error))?;
        (order.checkout)(tree_id, &tree)
            .map_err(|error| SealError::Checkout { tree: tree_id.to_owned(), why: format!("{error:#}") })?;
        let packed = || layer(&tree, rest, workdir, &removed, start_up);
        let layer = (order.phases.time("packing the base tree", packed))
            .map_err(|error| EnvironmentError::io("packing", &tree, &error))?;

        let clear = shell_job(&clearing(workdir, &removed, found), Vec::new());
        let cleared = || self.run_as_root(&image.image_id, &clear, true);
        let (executed, emptied) = order.phases.time("clearing the image", cleared)?;
        let emptied = emptied.unwrap_or_default();
        let cold = match executed.exit {
            Exit::Code(0) => {
                let committed = || self.wait(self.commit_layer(&emptied, layer, &digest));
                order.phases.time("adding the base tree", committed)
            }
            other => Err(SandboxError::Failed {
                doing: "clearing an image",
                why: format!("{other:?}: {}", tail(&String::from_utf8_lossy(&executed.output_head))),
            }),
        };
        self.wait(self.remove(&emptied))?;
        let cold = cold?;
        // What was removed must be gone, and nothing like it may have come in.
        let again = ReadyImage { image_id: cold.clone(), ..image.clone() };
        let check =
            Wanted { workdir, tool: Some(&found.tool), runner: found.runner_module(), modules: &[], lines: &[] };
        let looked = || self.look(inspector, &again, &check);
        if let Some(left) = order.phases.time("looking again", looked)?.histories.first() {
            return Err(EnvironmentError::AnswerInImage { path: left.clone() }.into());
        }
        let warmed =
            (order.warm)(&sealed(cold)).map_err(|source| SealError::Warm { tree: tree_id.to_owned(), source })?;
        let Backing::Docker { image_id } = warmed.backing else {
            let source = SandboxError::ImageMissing { image: tag, why: "the warm-up gave a host image".to_owned() };
            return Err(SealError::Warm { tree: tree_id.to_owned(), source });
        };
        let (repository, version) = tag.rsplit_once(':').unwrap_or((&tag, "latest"));
        let options = TagImageOptionsBuilder::default().repo(repository).tag(version).build();
        self.wait(self.engine.tag_image(&image_id, Some(options))).map_err(failed("tagging an image"))?;
        cache.keep_record(&request.record(&digest, Holder::Docker(tag)))?;
        Ok(sealed(image_id))
    }

    async fn create_as(&self, body: ContainerCreateBody) -> Result<String, SandboxError> {
        let created = self.engine.create_container(None::<CreateContainerOptions>, body).await;
        Ok(created.map_err(failed("creating a container"))?.id)
    }

    /// Runs a job of ours as root in an image that nobody has sealed yet: no candidate runs there.
    fn run_as_root(&self, image_id: &str, job: &Job, keep: bool) -> Result<(Executed, Option<String>), SandboxError> {
        let body = as_root(docker_run::container(self, image_id, "/", job));
        self.wait(async {
            let id = self.create_as(body).await?;
            let ran = tokio::select! {
                ran = docker_run::run_created(self, &id, "/", job) => ran,
                () = self.cancelled() => Err(SandboxError::Interrupted),
            };
            if !keep || ran.is_err() {
                self.remove(&id).await?;
            }
            Ok((ran?, keep.then_some(id)))
        })
    }

    async fn commit_layer(&self, container: &str, layer: File, digest: &Digest) -> Result<String, SandboxError> {
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        let body = bollard::body_try_stream(futures_util::stream::try_unfold(layer, |mut file| async move {
            let mut chunk = vec![0; 1 << 20];
            let count = file.read(&mut chunk)?;
            chunk.truncate(count);
            Ok((count > 0).then(|| (chunk.into(), file)))
        }));
        let uploaded = self.engine.upload_to_container(container, Some(options), body).await;
        uploaded.map_err(failed("uploading files to a container"))?;
        let settings = settings(Some(digest));
        let options =
            CommitContainerOptionsBuilder::default().container(container).pause(false).changes(&settings).build();
        let committed = self.engine.commit_container(options, ContainerConfig::default()).await;
        Ok(committed.map_err(failed("committing an image"))?.id)
    }
}

/// The same container with root's own rights over files. Network, memory and processes stay bounded.
fn as_root(mut body: ContainerCreateBody) -> ContainerCreateBody {
    body.user = Some("0:0".to_owned());
    if let Some(host) = body.host_config.as_mut() {
        host.cap_add = Some(["CHOWN", "DAC_OVERRIDE", "FOWNER"].map(str::to_owned).to_vec());
    }
    body
}

/// Empties the work directory, removes what tells the answer, and lets everybody reach the tool.
fn clearing(workdir: &str, removed: &BTreeSet<String>, found: &Found) -> String {
    let quote = quoted(workdir);
    let mut script = format!("set -e\ncd {quote}\nfor entry in * .[!.]* ..?*; do rm -rf -- \"$entry\"; done\ncd /\n");
    for path in removed {
        script.push_str(&format!("rm -rf -- {}\n", quoted(path)));
    }
    let mut reached = BTreeSet::new();
    for path in [workdir, found.tool.as_str(), found.real.as_str(), found.site.as_str()] {
        reached.extend(Path::new(path).ancestors().skip(1).map(|folder| folder.display().to_string()));
    }
    for folder in reached.iter().filter(|folder| folder.as_str() != "/" && !folder.starts_with(workdir)) {
        let folder = quoted(folder);
        script.push_str(&format!("[ ! -d {folder} ] || chmod a+x {folder}\n"));
    }
    script
}

/// The new work directory as a tar to unpack in `/`: the tree, and around it the rest that the image had there; and the
/// start-up files.
fn layer(
    tree: &Path,
    rest: &Path,
    workdir: &str,
    removed: &BTreeSet<String>,
    site_files: &BTreeMap<String, String>,
) -> io::Result<File> {
    let mut tar = tar::Builder::new(io::BufWriter::new(tempfile::tempfile()?));
    tar.follow_symlinks(false);
    let mut held = HashMap::new();
    for (top, first) in [(tree, true), (rest, false)] {
        for entry in WalkDir::new(top).sort_by_file_name() {
            let entry = entry?;
            let inside = entry.path().strip_prefix(top).unwrap_or(entry.path()).to_owned();
            let kind = entry.file_type();
            // The tree wins, also if it has a file in the place of a folder of the rest.
            let covered = inside.ancestors().any(|path| held.get(path).is_some_and(|folder| !folder));
            let tells = removed.contains(&format!("{workdir}/{}", inside.display()));
            if covered || tells || (!first && held.contains_key(&inside)) {
                continue;
            }
            held.insert(inside.clone(), kind.is_dir());
            let mut path = Path::new(workdir).strip_prefix("/").unwrap_or(Path::new(workdir)).join(&inside);
            if inside.as_os_str().is_empty() {
                path = Path::new(workdir).strip_prefix("/").unwrap_or(Path::new(workdir)).to_owned();
            }
            let data = entry.metadata()?;
            let mut header = tar::Header::new_gnu();
            header.set_uid(USER);
            header.set_gid(USER);
            header.set_mtime(LAYER_MTIME.unsigned_abs());
            header.set_mode(data.permissions().mode() & 0o777);
            header.set_size(0);
            if kind.is_dir() {
                header.set_entry_type(tar::EntryType::Directory);
                tar.append_data(&mut header, &path, io::empty())?;
            } else if kind.is_symlink() {
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, &path, fs::read_link(entry.path())?)?;
            } else {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(data.len());
                tar.append_data(&mut header, &path, File::open(entry.path())?)?;
            }
        }
    }
    for (path, text) in site_files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_mtime(CHANGED_MTIME);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, path.trim_start_matches('/'), text.as_bytes())?;
    }
    let mut file = tar.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}
