//! A look into an image of others: which interpreter, runner and packages it has, and what in it tells the answer. The
//! question is a job for the image's own Python; what comes back is read here.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::interpreter::EnvironmentError;
use crate::images::cache::Cache;
use crate::images::foreign::ReadyImage;
use crate::images::seal_host::SealError;
use crate::model::digest::{Digest, canonical_json};
use crate::model::trial::{Exit, Limits};
use crate::sandbox::docker::files::quoted;
use crate::sandbox::{Executed, Job, SandboxError};

const LOOK: &str = include_str!("../../../sandboxes/reporters/assay_look.py");
/// The exit code of a look that found no interpreter.
const NO_PYTHON: i32 = 64;
/// Where images of the known families keep the Python of the project: a conda environment first, then what the image
/// says of itself, then plain virtual environments.
const CONDA: [&str; 4] = [
    "/opt/miniconda3/envs/testbed/bin/python",
    "/opt/conda/envs/testbed/bin/python",
    "/opt/miniforge3/envs/testbed/bin/python",
    "/root/miniconda3/envs/testbed/bin/python",
];
const VENVS: [&str; 2] = ["/opt/venv/bin/python", "/venv/bin/python"];

/// What is looked for.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Wanted<'a> {
    pub workdir: &'a str,
    /// The only interpreter that will do.
    pub python: Option<&'a str>,
    /// Module of the test runner.
    pub runner: &'a str,
    /// Top-level modules of the project.
    pub modules: &'a [String],
    /// Lines that give the answer away if all of them stand in one file.
    pub lines: &'a [String],
}

/// What an image holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The interpreter that was chosen, and the program behind it.
    pub python: String,
    pub real: String,
    pub version: String,
    /// Module and version of the test runner.
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

impl Found {
    /// Module of the test runner.
    pub fn runner_module(&self) -> &str {
        self.runner.split(' ').next().unwrap_or_default()
    }
}

/// What a look found is kept by what was asked: an image never changes under its id.
const LOOKS: &str = "image-looks";

/// What an earlier look found, or else what `look` finds. `kind` is what holds the image.
pub fn remembered(
    cache: &Cache,
    kind: &str,
    image: &ReadyImage,
    wanted: &Wanted<'_>,
    look: impl FnOnce() -> Result<Found, SealError>,
) -> Result<Found, SealError> {
    let asked = Digest::of_json(&(LOOK, kind, &image.image_id, &image.env, wanted));
    let name = format!("{asked}.json");
    if let Some(bytes) = cache.read(LOOKS, &name)?
        && let Ok(known) = serde_json::from_slice(&bytes)
    {
        return Ok(known);
    }
    let found = look()?;
    cache.write(LOOKS, &name, &canonical_json(&found))?;
    Ok(found)
}

/// The job that looks, and where it looks for a Python.
pub(crate) struct Question {
    pub job: Job,
    candidates: Vec<String>,
    runner: String,
}

impl Question {
    pub fn new(image: &ReadyImage, wanted: &Wanted<'_>) -> Self {
        let Wanted { workdir, python, runner, modules, lines } = *wanted;
        let candidates = pythons(image, workdir, python);
        let choose = format!(
            "for python in {}; do\n  [ -x \"$python\" ] || continue\n  \"$python\" -I -c 'import {runner}' </dev/null >/dev/null 2>&1 \
             || continue\n  exec \"$python\" -I -\ndone\necho \"none of them has {runner}\"; exit {NO_PYTHON}\n",
            candidates.iter().map(|python| quoted(python)).collect::<Vec<_>>().join(" ")
        );
        let orders = json!({"workdir": workdir, "runner": runner, "modules": modules, "lines": lines});
        let script = format!("ORDERS = {}\n{LOOK}", json!(orders.to_string()));
        Self { job: shell_job(&choose, script.into_bytes()), candidates, runner: runner.to_owned() }
    }

    /// Reads what the job said.
    pub fn answer(&self, image: &ReadyImage, executed: &Executed) -> Result<Found, SealError> {
        let words = String::from_utf8_lossy(&executed.output_head);
        let failed = |why: String| SealError::from(SandboxError::Failed { doing: "looking into an image", why });
        match executed.exit {
            Exit::Code(0) => serde_json::from_slice(&executed.output_head).map_err(|error| {
                failed(format!("{}: its answer cannot be read: {error}: {}", image.reference, tail(&words)))
            }),
            Exit::Code(NO_PYTHON) => Err(EnvironmentError::Missing(format!(
                "the image {} has no Python with {} (looked at {}); name one in environment.python",
                image.reference,
                self.runner,
                self.candidates.join(", ")
            ))
            .into()),
            other => Err(failed(format!("{}: {other:?}: {}", image.reference, tail(&words)))),
        }
    }
}

/// Where to look for the project's Python, best first.
fn pythons(image: &ReadyImage, workdir: &str, only: Option<&str>) -> Vec<String> {
    if let Some(only) = only {
        return vec![only.to_owned()];
    }
    let mut found: Vec<String> = CONDA.map(str::to_owned).to_vec();
    found.extend([".venv", "venv"].map(|name| format!("{workdir}/{name}/bin/python")));
    found.extend(image.env.get("VIRTUAL_ENV").map(|path| format!("{path}/bin/python")));
    found.extend(VENVS.map(str::to_owned));
    let path = image.env.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    for folder in path.split(':').filter(|folder| folder.starts_with('/')) {
        found.extend(["python", "python3"].map(|name| format!("{folder}/{name}")));
    }
    let mut seen = BTreeSet::new();
    found.retain(|path| seen.insert(path.clone()));
    found
}

/// A job of ours for the image's shell.
pub(crate) fn shell_job(script: &str, stdin: Vec<u8>) -> Job {
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

/// The last words of an output.
pub(crate) fn tail(words: &str) -> String {
    let lines: Vec<&str> = words.trim().lines().collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::lease::Lease;

    #[test]
    fn a_named_python_is_the_only_one_and_else_a_conda_environment_comes_before_the_path() {
        let env = BTreeMap::from([("PATH".to_owned(), "/opt/venv/bin:/usr/bin".to_owned())]);
        let image = ReadyImage {
            reference: "a:b".to_owned(),
            image_id: "sha256:0".to_owned(),
            env,
            volumes: Vec::new(),
            root: None,
            lease: Lease::default(),
        };
        assert_eq!(pythons(&image, "/testbed", Some("/x/python")), ["/x/python"]);
        let found = pythons(&image, "/testbed", None);
        let place = |path: &str| found.iter().position(|found| found == path).unwrap();
        assert!(place("/opt/miniconda3/envs/testbed/bin/python") < place("/testbed/.venv/bin/python"));
        assert!(place("/testbed/.venv/bin/python") < place("/opt/venv/bin/python"));
        assert!(place("/opt/venv/bin/python") < place("/usr/bin/python3"));
        assert_eq!(found.iter().filter(|path| *path == "/opt/venv/bin/python").count(), 1);
    }
}
