//! Images that others made ready: looked into, their work directory read out, and sealed. A sealed one holds no history at
//! all: every git object store in it is removed, so no commit, tag, stash or reflog entry can be reached, whatever its date.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bollard::models::{ContainerConfig, ContainerCreateBody};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateContainerOptions, DownloadFromContainerOptionsBuilder,
    RemoveImageOptionsBuilder, TagImageOptionsBuilder, UploadToContainerOptionsBuilder,
};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use walkdir::WalkDir;

use super::cache::Cache;
use super::docker::{Docker, HOST_LABEL, LEASE_LABEL, OWNER_LABEL, failed};
use super::docker_files::{CHANGED_MTIME, quoted};
use super::docker_image::DIGEST_LABEL;
use super::docker_run::{self, USER};
use super::image::SealError;
use super::interpreter::EnvironmentError;
use super::project::ProjectMetadata;
use super::unpack::unpack;
use super::{Backing, Executed, Job, LAYER_MTIME, SandboxError, SealedImage};
use crate::digest::Digest;
use crate::trial::{Exit, Limits};

/// Raised when images of others are sealed differently.
const LAYOUT: u32 = 1;
const LOOK: &str = include_str!("../../sandboxes/reporters/assay_look.py");
/// Sorts ahead of whatever puts the work directory on the path at start-up.
const START_UP_LINE: &str = "000-assay-project.pth";
/// The exit code of a look that found no interpreter.
const NO_PYTHON: i32 = 64;
/// Where images of the known families keep the Python of the project, ahead of what their PATH says.
const PYTHONS: [&str; 6] = [
    "/opt/miniconda3/envs/testbed/bin/python",
    "/opt/conda/envs/testbed/bin/python",
    "/opt/miniforge3/envs/testbed/bin/python",
    "/root/miniconda3/envs/testbed/bin/python",
    "/opt/venv/bin/python",
    "/venv/bin/python",
];

/// An image as its maker left it.
#[derive(Clone, Debug)]
pub struct ReadyImage {
    pub reference: String,
    pub image_id: String,
    /// Variables that the image sets.
    pub env: BTreeMap<String, String>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub workdir: &'a str,
    /// The only interpreter that will do.
    pub python: Option<&'a str>,
    /// Module of the test runner.
    pub runner: &'a str,
    /// Top-level modules of the project.
    pub modules: &'a [String],
    /// Lines that give the answer away where all of them stand in one file.
    pub lines: &'a [String],
}

/// What an image holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The interpreter that was chosen, and the program behind it.
    pub python: String,
    pub real: String,
    pub version: String,
    pub runner: String,
    /// Folder of its packages.
    pub site: String,
    /// Files of installed copies of the project, with git's id of their content.
    pub copies: BTreeMap<String, String>,
    /// Git object stores, packs and bundles.
    pub histories: Vec<String>,
    /// Files that hold gold.
    pub answers: Vec<String>,
}

/// What a sealed image is made from.
#[derive(Clone, Copy, Debug)]
pub struct ReadyRequest<'a> {
    pub image: &'a ReadyImage,
    pub found: &'a Found,
    pub workdir: &'a str,
    /// Where the project is imported from, below the work directory.
    pub import_root: &'a str,
    pub tree_id: &'a str,
    /// Names the files of the work directory that are not in the tree.
    pub rest: &'a Path,
}

/// What is known of a sealed image, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SealedRecord {
    pub digest: Digest,
    pub tag: String,
    pub reference: String,
    pub image_id: String,
    pub sealed_id: String,
    pub workdir: String,
    pub tree: String,
    pub python: String,
    pub python_version: String,
    pub runner: String,
    /// What was taken out of the image: histories and files that hold gold.
    pub removed: Vec<String>,
}

impl Docker {
    /// An image by its reference; pulled if it is not here.
    pub fn ready_image(&self, reference: &str, progress: &mut dyn FnMut(&str)) -> Result<ReadyImage, SandboxError> {
        self.wait(async {
            let image_id = self.base_image(reference, progress).await?;
            let inspected = self.engine.inspect_image(&image_id).await.map_err(failed("inspecting an image"))?;
            let env = inspected.config.and_then(|config| config.env).unwrap_or_default();
            let env = env.iter().filter_map(|line| line.split_once('='));
            let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            Ok(ReadyImage { reference: reference.to_owned(), image_id, env })
        })
    }

    /// Unpacks the image's work directory, its `.git` included, into an empty folder. Nothing of the image is run.
    pub fn read_workdir(&self, image: &ReadyImage, workdir: &str, into: &Path) -> Result<(), SandboxError> {
        let doing = "reading the work directory out of an image";
        let fault = |error: io::Error| SandboxError::Failed { doing, why: error.to_string() };
        let body = as_root(docker_run::container(self, &image.image_id, "/", &root_job("true", Vec::new())));
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

    /// Chooses the image's interpreter and asks it what else the image holds.
    pub fn look(&self, image: &ReadyImage, wanted: &Wanted<'_>) -> Result<Found, SealError> {
        let Wanted { workdir, python, runner, modules, lines } = *wanted;
        let candidates = pythons(image, workdir, python);
        let choose = format!(
            "for python in {}; do\n  [ -x \"$python\" ] || continue\n  \"$python\" -I -c 'import {runner}' </dev/null >/dev/null 2>&1 \
             || continue\n  exec \"$python\" -I -\ndone\necho \"none of them has {runner}\"; exit {NO_PYTHON}\n",
            candidates.iter().map(|python| quoted(python)).collect::<Vec<_>>().join(" ")
        );
        let orders = json!({"workdir": workdir, "python": null, "runner": runner, "modules": modules, "lines": lines});
        let script = format!("ORDERS = {}\n{LOOK}", json!(orders.to_string()));
        let (executed, _) = self.run_as_root(&image.image_id, &root_job(&choose, script.into_bytes()), false)?;
        let words = String::from_utf8_lossy(&executed.output_head).into_owned();
        match executed.exit {
            Exit::Code(0) => serde_json::from_slice(&executed.output_head).map_err(|error| {
                let why = format!("{}: its answer cannot be read: {error}: {}", image.reference, tail(&words));
                SandboxError::Failed { doing: "looking into an image", why }.into()
            }),
            Exit::Code(NO_PYTHON) => Err(EnvironmentError::Missing(format!(
                "the image {} has no Python with {runner} (looked at {}); name one in environment.python",
                image.reference,
                candidates.join(", ")
            ))
            .into()),
            other => {
                let why = format!("{}: {other:?}: {}", image.reference, tail(&words));
                Err(SandboxError::Failed { doing: "looking into an image", why }.into())
            }
        }
    }

    /// Seals a tree into an image of others; found without any work when it was sealed before. `checkout` and `warm` as in
    /// [`super::image::seal_host`].
    pub fn seal_ready(
        &self,
        cache: &Cache,
        request: &ReadyRequest<'_>,
        checkout: impl FnOnce(&Path) -> anyhow::Result<()>,
        warm: impl FnOnce(&SealedImage) -> Result<SealedImage, SandboxError>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<SealedImage, SealError> {
        let ReadyRequest { image, found, workdir, import_root, tree_id, rest } = *request;
        let project = ProjectMetadata { import_root: import_root.to_owned(), ..ProjectMetadata::default() };
        let site = project.site_files(workdir);
        let rest_name = rest.display().to_string();
        let rest_name = rest_name.strip_prefix(&cache.root().display().to_string()).unwrap_or(&rest_name);
        let removed: BTreeSet<&String> = found.histories.iter().chain(&found.answers).collect();
        let digest = Digest::of_json(&(
            LAYOUT,
            (&image.image_id, &image.env),
            (tree_id, rest_name, workdir),
            (&found.python, &found.version, &found.runner, &found.site),
            (&removed, &site),
        ));
        let tag = format!("assay/ready:{}", digest.short());
        let sealed = |image_id: String| SealedImage {
            digest: digest.clone(),
            workdir: workdir.to_owned(),
            python: found.python.clone(),
            backing: Backing::Docker { image_id },
        };
        let _lock = cache.lock("docker-images", digest.as_str())?;
        if let Some(image_id) = self.wait(self.labelled(&tag, &digest))? {
            return Ok(sealed(image_id));
        }
        progress(&format!("sealing {} as {tag}", image.reference));
        let scratch = cache.scratch()?;
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).map_err(|error| EnvironmentError::io("making", &tree, &error))?;
        checkout(&tree).map_err(|error| SealError::Checkout { tree: tree_id.to_owned(), why: format!("{error:#}") })?;
        let layer = layer(&tree, rest, workdir, &found.site, &site)
            .map_err(|error| EnvironmentError::io("packing", &tree, &error))?;

        let clear = root_job(&clearing(workdir, &removed, found), Vec::new());
        let (executed, emptied) = self.run_as_root(&image.image_id, &clear, true)?;
        let emptied = emptied.unwrap_or_default();
        let cold = match executed.exit {
            Exit::Code(0) => self.wait(self.commit_layer(&emptied, layer, &digest)),
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
            Wanted { workdir, python: Some(&found.python), runner: runner_module(found), modules: &[], lines: &[] };
        if let Some(left) = self.look(&again, &check)?.histories.first() {
            return Err(EnvironmentError::AnswerInImage { path: left.clone() }.into());
        }
        let warmed = warm(&sealed(cold)).map_err(|source| SealError::Warm { tree: tree_id.to_owned(), source })?;
        let Backing::Docker { image_id } = warmed.backing else {
            let source = SandboxError::ImageMissing { image: tag, why: "the warm-up gave a host image".to_owned() };
            return Err(SealError::Warm { tree: tree_id.to_owned(), source });
        };
        let (repository, version) = tag.rsplit_once(':').unwrap_or((&tag, "latest"));
        let options = TagImageOptionsBuilder::default().repo(repository).tag(version).build();
        self.wait(self.engine.tag_image(&image_id, Some(options))).map_err(failed("tagging an image"))?;
        let record = SealedRecord {
            digest: digest.clone(),
            tag: tag.clone(),
            reference: image.reference.clone(),
            image_id: image.image_id.clone(),
            sealed_id: image_id.clone(),
            workdir: workdir.to_owned(),
            tree: tree_id.to_owned(),
            python: found.python.clone(),
            python_version: found.version.clone(),
            runner: found.runner.clone(),
            removed: removed.into_iter().cloned().collect(),
        };
        let text = serde_json::to_vec(&record)
            .map_err(|error| SandboxError::Failed { doing: "writing what was sealed", why: error.to_string() })?;
        cache.write("sealed-images", &format!("{}.json", digest.as_str()), &text)?;
        Ok(sealed(image_id))
    }

    /// What was sealed and is still in the engine.
    pub fn sealed_images(&self, cache: &Cache) -> Result<Vec<SealedRecord>, SealError> {
        let mut sealed = Vec::new();
        for name in cache.names("sealed-images")? {
            let Some(bytes) = cache.read("sealed-images", &name)? else { continue };
            let record: SealedRecord = serde_json::from_slice(&bytes).map_err(|error| SandboxError::Failed {
                doing: "reading what was sealed",
                why: format!("{}: {error}; delete it", cache.path("sealed-images", &name).display()),
            })?;
            if self.wait(self.labelled(&record.tag, &record.digest))?.is_some() {
                sealed.push(record);
            }
        }
        Ok(sealed)
    }

    /// Removes a sealed image; layers that others share stay.
    pub fn forget(&self, cache: &Cache, record: &SealedRecord) -> Result<(), SealError> {
        let _lock = cache.lock("docker-images", record.digest.as_str())?;
        let options = RemoveImageOptionsBuilder::default().build();
        self.wait(self.engine.remove_image(&record.tag, Some(options), None)).map_err(failed("removing an image"))?;
        Ok(())
    }

    async fn create_as(&self, body: ContainerCreateBody) -> Result<String, SandboxError> {
        let created = self.engine.create_container(None::<CreateContainerOptions>, body).await;
        Ok(created.map_err(failed("creating a container"))?.id)
    }

    /// Runs a job of ours as root in an image that nobody has sealed yet: there is no candidate near.
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
        let label = format!(
            "LABEL {DIGEST_LABEL}=\"{}\" {OWNER_LABEL}=\"\" {HOST_LABEL}=\"\" {LEASE_LABEL}=\"\"",
            digest.as_str()
        );
        let options =
            CommitContainerOptionsBuilder::default().container(container).pause(false).changes(&label).build();
        let committed = self.engine.commit_container(options, ContainerConfig::default()).await;
        Ok(committed.map_err(failed("committing an image"))?.id)
    }
}

fn runner_module(found: &Found) -> &str {
    found.runner.split(' ').next().unwrap_or_default()
}

/// Where to look for the project's Python, best first.
fn pythons(image: &ReadyImage, workdir: &str, only: Option<&str>) -> Vec<String> {
    if let Some(only) = only {
        return vec![only.to_owned()];
    }
    let mut found: Vec<String> = PYTHONS[..4].iter().map(|path| (*path).to_owned()).collect();
    found.extend([".venv", "venv"].map(|name| format!("{workdir}/{name}/bin/python")));
    found.extend(image.env.get("VIRTUAL_ENV").map(|path| format!("{path}/bin/python")));
    found.extend(PYTHONS[4..].iter().map(|path| (*path).to_owned()));
    let path = image.env.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    for folder in path.split(':').filter(|folder| folder.starts_with('/')) {
        found.extend(["python", "python3"].map(|name| format!("{folder}/{name}")));
    }
    let mut seen = BTreeSet::new();
    found.retain(|path| seen.insert(path.clone()));
    found
}

fn root_job(script: &str, stdin: Vec<u8>) -> Job {
    Job {
        argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
        env: BTreeMap::from([
            ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
            ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
            ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        ]),
        changes: Vec::new(),
        support: BTreeMap::new(),
        stdin,
        limits: Limits { deadline_ms: 1_800_000, keep_output_bytes: 32 << 20, ..Limits::default() },
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

/// Empties the work directory, removes what tells the answer, and lets everybody reach the interpreter.
fn clearing(workdir: &str, removed: &BTreeSet<&String>, found: &Found) -> String {
    let quote = quoted(workdir);
    let mut script = format!("set -e\ncd {quote}\nfor entry in * .[!.]* ..?*; do rm -rf -- \"$entry\"; done\ncd /\n");
    for path in removed {
        script.push_str(&format!("rm -rf -- {}\n", quoted(path)));
    }
    let mut reached = BTreeSet::new();
    for path in [workdir, found.python.as_str(), found.real.as_str(), found.site.as_str()] {
        reached.extend(Path::new(path).ancestors().skip(1).map(|folder| folder.display().to_string()));
    }
    for folder in reached.iter().filter(|folder| folder.as_str() != "/" && !folder.starts_with(workdir)) {
        let folder = quoted(folder);
        script.push_str(&format!("[ ! -d {folder} ] || chmod a+x {folder}\n"));
    }
    script
}

/// The last words of an output.
fn tail(words: &str) -> String {
    let lines: Vec<&str> = words.trim().lines().collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}

/// The new work directory as a tar to unpack in `/`: the tree, and around it the rest that the image had there; and the
/// start-up files of the interpreter.
fn layer(
    tree: &Path,
    rest: &Path,
    workdir: &str,
    site: &str,
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
            // The tree wins, also where it has a file in the place of a folder of the rest.
            let covered = inside.ancestors().any(|path| held.get(path).is_some_and(|folder| !folder));
            if covered || (!first && held.contains_key(&inside)) {
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
    for (name, text) in site_files {
        let name = if name.ends_with(".pth") { START_UP_LINE } else { name };
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_mtime(CHANGED_MTIME);
        header.set_size(text.len() as u64);
        tar.append_data(
            &mut header,
            Path::new(site).strip_prefix("/").unwrap_or(Path::new(site)).join(name),
            text.as_bytes(),
        )?;
    }
    let mut file = tar.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}
