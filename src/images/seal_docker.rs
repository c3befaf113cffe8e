//! Sealing for Docker: an image with base tree, environment and warm bytecode, found by its label when it is there.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bollard::errors::Error;
use bollard::models::ContainerConfig;
use bollard::query_parameters::{
    BuildImageOptionsBuilder, CommitContainerOptionsBuilder, CreateImageOptionsBuilder,
    DownloadFromContainerOptionsBuilder, TagImageOptionsBuilder,
};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::python::environment::{Environments, Lock, requirement_lines};
use super::python::interpreter::{EnvironmentError, Interpreter, PipMode};
use super::python::project::ProjectMetadata;
use super::recipe::Recipe;
use super::seal_host::SealError;
use crate::model::digest::Digest;
use crate::model::trial::{Exit, Limits};
use crate::sandbox::docker::files::{context, only_bytecode};
use crate::sandbox::docker::run as docker_run;
use crate::sandbox::docker::run::Kept;
use crate::sandbox::docker::{Docker, HOST_LABEL, LEASE_LABEL, OWNER_LABEL, failed, said};
use crate::sandbox::{Backing, ENVIRONMENT_DIR, Job, SandboxError, SealedImage};

/// Names the Docker base image in place of the recipe's.
pub const BASE_VARIABLE: &str = "ASSAY_DOCKER_BASE";
pub(crate) const DIGEST_LABEL: &str = "assay.digest";
/// Raised when images are laid out differently.
const LAYOUT: u32 = 3;

/// What goes into an image.
#[derive(Clone, Copy, Debug)]
pub struct ImageRequest<'a> {
    pub recipe: &'a Recipe,
    /// The instance's own requirement lines.
    pub requirements: &'a [String],
    pub project: Option<&'a ProjectMetadata>,
    /// Git tree that is checked out into `workdir`.
    pub tree_id: &'a str,
    pub workdir: &'a str,
}

/// The Python of a base image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BasePython {
    version: String,
    platform: String,
}

impl BasePython {
    fn minor(&self) -> String {
        self.version.split('.').take(2).collect::<Vec<_>>().join(".")
    }
}

impl Docker {
    /// Seals a tree and an environment into an image of the engine; found without any work when it was sealed before.
    ///
    /// `checkout` and `warm` as in [`super::seal_host::seal_host`].
    pub fn seal(
        &self,
        environments: &Environments,
        request: &ImageRequest<'_>,
        checkout: impl FnOnce(&Path) -> anyhow::Result<()>,
        warm: impl FnOnce(&SealedImage) -> Result<SealedImage, SandboxError>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<SealedImage, SealError> {
        let ImageRequest { recipe, requirements, project, tree_id, workdir } = *request;
        let cache = environments.cache();
        let base = std::env::var(BASE_VARIABLE).ok().filter(|name| !name.is_empty()).unwrap_or(recipe.base.clone());
        let base_id = self.wait(self.base_image(&base, progress))?;
        let python = self.base_python(environments, &base, &base_id)?;
        let (lock, wheels) = resolve_for(environments, &python, recipe, requirements, project, progress)?;
        environments.refuse_answer(&lock, &wheels, project)?;
        let digest =
            Digest::of_json(&(LAYOUT, tree_id, &base_id, &lock, project, workdir, &recipe.dockerfile, &recipe.name));
        let tag = format!("assay/{}:{}", recipe.name, digest.short());
        let lease = cache.lease(&digest)?;
        let sealed = |image_id: String| SealedImage {
            digest: digest.clone(),
            workdir: workdir.to_owned(),
            python: format!("{ENVIRONMENT_DIR}/bin/python"),
            backing: Backing::Docker { image_id },
            lease: lease.clone(),
        };

        let _lock = cache.lock("docker-images", digest.as_str())?;
        if let Some(image_id) = self.wait(self.labelled(&tag, &digest))? {
            return Ok(sealed(image_id));
        }
        progress(&format!("building the Docker image {tag}"));
        let scratch = cache.scratch()?;
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).map_err(|error| EnvironmentError::io("making", &tree, &error))?;
        checkout(&tree).map_err(|error| SealError::Checkout { tree: tree_id.to_owned(), why: format!("{error:#}") })?;
        let context = context(recipe, &lock, &wheels, project, workdir, &tree)
            .map_err(|error| EnvironmentError::io("packing", &tree, &error))?;
        let arguments = HashMap::from([("BASE", base.as_str()), ("WORKDIR", workdir)]);
        let cold = self.wait(self.build(context, &arguments, &digest))?;
        let warmed = warm(&sealed(cold)).map_err(|source| SealError::Warm { tree: tree_id.to_owned(), source })?;
        let Backing::Docker { image_id } = warmed.backing else {
            return Err(SealError::Warm {
                tree: tree_id.to_owned(),
                source: SandboxError::ImageMissing { image: tag, why: "the warm-up gave a host image".to_owned() },
            });
        };
        // Only a warm image gets the tag, so a build that was cut short is done again.
        let (repository, version) = tag.rsplit_once(':').unwrap_or((&tag, "latest"));
        let options = TagImageOptionsBuilder::default().repo(repository).tag(version).build();
        self.wait(self.engine.tag_image(&image_id, Some(options))).map_err(failed("tagging an image"))?;
        Ok(sealed(image_id))
    }

    /// Whether the image that the recipes start from is here, so that nothing has to be pulled.
    pub fn has_base(&self) -> Result<bool, SandboxError> {
        let named = std::env::var(BASE_VARIABLE).ok().filter(|name| !name.is_empty());
        let names = named.map_or_else(Recipe::bases, |name| vec![name]);
        for name in names {
            if self.wait(self.image(&name))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The id of a base image, which is pulled if it is not here.
    pub(crate) async fn base_image(&self, base: &str, progress: &mut dyn FnMut(&str)) -> Result<String, SandboxError> {
        if let Some(id) = self.image(base).await? {
            return Ok(id);
        }
        progress(&format!("pulling the Docker image {base}"));
        let (name, tag) = match base.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (base, "latest"),
        };
        let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
        let pulled = self.engine.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) }).await;
        let missing = |why: String| SandboxError::ImageMissing {
            image: base.to_owned(),
            why: format!(
                "it is not here and cannot be pulled ({why}); set {BASE_VARIABLE} to an image that is here and has python3 \
                 with venv and pip"
            ),
        };
        pulled.map_err(|error| missing(said(&error)))?;
        self.image(base).await?.ok_or_else(|| missing("the pull ended without it".to_owned()))
    }

    pub(crate) async fn image(&self, name: &str) -> Result<Option<String>, SandboxError> {
        match self.engine.inspect_image(name).await {
            Ok(found) => Ok(found.id),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(failed("inspecting an image")(error)),
        }
    }

    /// The image of this tag if it was sealed for this digest.
    pub(crate) async fn labelled(&self, tag: &str, digest: &Digest) -> Result<Option<String>, SandboxError> {
        match self.engine.inspect_image(tag).await {
            Ok(found) => {
                let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
                Ok(found.id.filter(|_| labels.get(DIGEST_LABEL).map(String::as_str) == Some(digest.as_str())))
            }
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(failed("inspecting an image")(error)),
        }
    }

    /// Asks a base image for its Python, once per image.
    fn base_python(&self, environments: &Environments, base: &str, base_id: &str) -> Result<BasePython, SealError> {
        let name = Digest::of_json(&(LAYOUT, base_id));
        if let Some(bytes) = environments.cache().read("docker-python", name.as_str())?
            && let Ok(known) = serde_json::from_slice(&bytes)
        {
            return Ok(known);
        }
        const QUESTION: &str = "import json, platform, sysconfig; \
             print(json.dumps({'version': platform.python_version(), 'platform': sysconfig.get_platform()}))";
        let job = Job {
            argv: vec!["python3".to_owned(), "-c".to_owned(), QUESTION.to_owned()],
            env: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]),
            changes: Vec::new(),
            support: BTreeMap::new(),
            stdin: Vec::new(),
            limits: Limits { deadline_ms: 60_000, ..Limits::default() },
        };
        let (executed, _) = self.wait(docker_run::run(self, base_id, "/", &job, Kept::Nothing))?;
        let words = String::from_utf8_lossy(&executed.output_head);
        let python: BasePython = (executed.exit == Exit::Code(0))
            .then(|| serde_json::from_slice(&executed.output_head).ok())
            .flatten()
            .ok_or_else(|| {
                EnvironmentError::Missing(format!(
                    "Docker image {base} has no working python3 ({}); set {BASE_VARIABLE} to one that has it, with venv and pip",
                    words.trim()
                ))
            })?;
        let text = serde_json::to_vec(&python)
            .map_err(|error| SandboxError::Failed { doing: "writing what a base image has", why: error.to_string() })?;
        environments.cache().write("docker-python", name.as_str(), &text)?;
        Ok(python)
    }

    async fn build(
        &self,
        mut context: File,
        arguments: &HashMap<&str, &str>,
        digest: &Digest,
    ) -> Result<String, SandboxError> {
        let doing = "building an image";
        let fault = |error: io::Error| SandboxError::Failed { doing, why: error.to_string() };
        context.seek(SeekFrom::Start(0)).map_err(fault)?;
        let labels = HashMap::from([(DIGEST_LABEL, digest.as_str())]);
        let options = BuildImageOptionsBuilder::default()
            .dockerfile("Dockerfile")
            .buildargs(arguments)
            .labels(&labels)
            .rm(true)
            .forcerm(true)
            .build();
        let body = bollard::body_try_stream(futures_util::stream::try_unfold(context, |mut file| async move {
            let mut chunk = vec![0; 1 << 20];
            let count = file.read(&mut chunk)?;
            chunk.truncate(count);
            Ok((count > 0).then(|| (chunk.into(), file)))
        }));
        let mut steps = Box::pin(self.engine.build_image(options, None, Some(body)));
        let (mut words, mut image_id) = (String::new(), None);
        while let Some(step) = steps.next().await {
            match step {
                Ok(step) => {
                    words.push_str(step.stream.as_deref().unwrap_or_default());
                    image_id = step.aux.and_then(|aux| aux.id).or(image_id);
                }
                Err(error) => {
                    let lines: Vec<&str> = words.lines().filter(|line| !line.trim().is_empty()).collect();
                    let last = lines[lines.len().saturating_sub(12)..].join("\n");
                    return Err(SandboxError::Failed { doing, why: format!("{}\n{last}", said(&error)) });
                }
            }
        }
        image_id.ok_or_else(|| SandboxError::Failed { doing, why: "the engine names no image at the end".to_owned() })
    }

    /// Runs a job and commits the bytecode that it wrote, and nothing else, onto its image.
    pub(crate) async fn warmed(&self, image_id: &str, workdir: &str, job: &Job) -> Result<String, SandboxError> {
        let (executed, ran) = docker_run::run(self, image_id, workdir, job, Kept::Container).await?;
        let Some(ran) = ran else { return Ok(image_id.to_owned()) };
        let bytecode = match executed.exit {
            Exit::Code(_) => self.bytecode(&ran, workdir).await,
            other => {
                Err(SandboxError::Failed { doing: "running the suite for warm bytecode", why: format!("{other:?}") })
            }
        };
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

/// Wheels for the Python of a base image: those of the host if it is the same version, else of a host's Python of that
/// version, else what pip finds for it without building anything.
fn resolve_for(
    environments: &Environments,
    python: &BasePython,
    recipe: &Recipe,
    requirements: &[String],
    project: Option<&ProjectMetadata>,
    progress: &mut dyn FnMut(&str),
) -> Result<(Lock, PathBuf), EnvironmentError> {
    let minor = python.minor();
    let same = |interpreter: &Interpreter| interpreter.minor == minor && interpreter.platform == python.platform;
    if same(&environments.interpreter) {
        return environments.resolve(recipe, requirements, project, progress);
    }
    if let Ok(other) = Environments::open(environments.cache().clone(), Some(&format!("python{minor}")))
        && same(&other.interpreter)
    {
        return other.resolve(recipe, requirements, project, progress);
    }
    let lines = requirement_lines(recipe, requirements, project)?;
    environments.wheels(&lines, &format!("{minor} {}", python.platform), progress, |making, lines| {
        let options = [
            "download",
            "--quiet",
            "--retries",
            "2",
            "--only-binary=:all:",
            "--implementation",
            "cp",
            "--python-version",
        ];
        let mut arguments: Vec<std::ffi::OsString> = options.map(Into::into).into();
        arguments.extend([minor.clone().into(), "--dest".into(), making.into()]);
        arguments.extend(lines.iter().map(Into::into));
        let doing = format!("resolving {} for Python {minor}", lines.join(", "));
        environments.interpreter.pip(environments.cache(), PipMode::Index { env: &[] }, &doing, arguments)
    })
}
