//! Python environments in images of the Docker engine: the base image's own Python, and the wheels that fit it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::environment::{Environments, Resolved};
use super::interpreter::{Interpreter, PipMode};
use super::project::ProjectMetadata;
use super::resolution::Wishes;
use super::runner_version::refuse_judge;
use crate::images::docker_build::{Content, DockerBuild};
use crate::images::environment_error::EnvironmentError;
use crate::images::seal_docker::{BASE_VARIABLE, named_base};
use crate::images::seal_host::SealError;
use crate::model::digest::Digest;
use crate::model::trial::{Exit, Limits};
use crate::sandbox::docker::Docker;
use crate::sandbox::docker::run as docker_run;
use crate::sandbox::docker::run::Kept;
use crate::sandbox::{ENVIRONMENT_DIR, Job, SandboxError};

/// Raised when images are laid out differently.
const LAYOUT: u32 = 4;

/// What goes into an image.
#[derive(Clone, Copy, Debug)]
pub struct ImageRequest<'a> {
    pub wishes: &'a Wishes<'a>,
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

/// What an image is built from: the wheels are resolved, and nothing is built yet.
///
/// Gives also what is declared and could not be resolved.
///
/// # Errors
/// The base image cannot be had, or its Python is none for the project, or the requirements cannot be resolved or hold the answer.
pub fn docker_build(
    docker: &Docker,
    environments: &Environments,
    request: &ImageRequest<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<(DockerBuild, Vec<String>), SealError> {
    let ImageRequest { wishes, project, tree_id, workdir } = *request;
    let recipe = wishes.recipe;
    refuse_judge(&recipe.requirements, project.and_then(ProjectMetadata::name).as_deref())?;
    let base = named_base().unwrap_or_else(|| recipe.base.clone());
    let base_id = docker.wait(docker.base_image(&base, progress))?;
    let python = base_python(docker, environments, &base, &base_id)?;
    if let Some(requires) = project.and_then(ProjectMetadata::requires_python)
        && !requires.fits(&python.version)
    {
        return Err(EnvironmentError::Missing(format!(
            "the project needs {requires}, and the Docker image {base} has {}; set {BASE_VARIABLE} to one that has it, or run with \
             --sandbox cell",
            python.version
        ))
        .into());
    }
    let Resolved { lock, wheels, left_out } = resolve_for(environments, &python, wishes, project, progress)?;
    environments.refuse_answer(&lock, &wheels, project)?;
    let digest =
        Digest::of_json(&(LAYOUT, tree_id, &base_id, &lock, project, workdir, &recipe.dockerfile, &recipe.name));
    let mut context: Vec<(String, Content)> = ["environment", "environment/wheels", "environment/site"]
        .map(|folder| (folder.to_owned(), Content::Folder))
        .into();
    let pins = lock.pins(project).join("\n");
    context.push(("environment/requirements.lock".to_owned(), Content::Text(format!("{pins}\n"))));
    for wheel in &lock.wheels {
        let path = format!("environment/wheels/{}", wheel.file);
        context.push((path, Content::File(wheels.join(&wheel.file))));
    }
    for (name, text) in project.map(|project| project.site_files(workdir)).unwrap_or_default() {
        context.push((format!("environment/site/{name}"), Content::Text(text)));
    }
    let build = DockerBuild {
        digest,
        name: recipe.name.clone(),
        dockerfile: recipe.dockerfile.clone(),
        base,
        context,
        tool: format!("{ENVIRONMENT_DIR}/bin/python"),
        workdir: workdir.to_owned(),
    };
    Ok((build, left_out))
}

/// Asks a base image for its Python, once per image.
fn base_python(
    docker: &Docker,
    environments: &Environments,
    base: &str,
    base_id: &str,
) -> Result<BasePython, SealError> {
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
    let (executed, _) = docker.wait(docker_run::run(docker, base_id, "/", &job, Kept::Nothing))?;
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

/// Wheels for the Python of a base image: those of the host if it is the same version, else of a host's Python of that
/// version, else what pip finds for it without building anything.
fn resolve_for(
    environments: &Environments,
    python: &BasePython,
    wishes: &Wishes<'_>,
    project: Option<&ProjectMetadata>,
    progress: &mut dyn FnMut(&str),
) -> Result<Resolved, EnvironmentError> {
    let minor = python.minor();
    let same = |interpreter: &Interpreter| interpreter.minor == minor && interpreter.platform == python.platform;
    if same(&environments.interpreter) {
        return environments.resolve(wishes, project, progress);
    }
    if let Ok(other) = Environments::open(environments.cache().clone(), Some(&format!("python{minor}")))
        && same(&other.interpreter)
    {
        return other.resolve(wishes, project, progress);
    }
    let target = format!("{minor} {}", python.platform);
    environments.resolve_by(wishes, project, &target, progress, &|making, question, constraints| {
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
        arguments.extend(constraints.iter().flat_map(|file| ["--constraint".into(), file.into()]));
        arguments.extend(question.lines.iter().map(Into::into));
        let doing = format!("resolving {} for Python {minor}", question.lines.join(", "));
        environments.interpreter.pip(environments.cache(), PipMode::Index { env: &[] }, &doing, arguments)
    })
}
