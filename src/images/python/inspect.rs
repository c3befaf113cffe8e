//! A look into an image of others with the image's own Python: which interpreter, runner and packages it has, and what in
//! it tells the answer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::project::ProjectMetadata;
use super::toolchain::import_root;
use crate::images::environment_error::EnvironmentError;
use crate::images::foreign::ReadyImage;
use crate::images::inspector::{Found, Inspector, Wanted, shell_job, tail};
use crate::images::seal_host::SealError;
use crate::model::trial::Exit;
use crate::sandbox::docker::files::quoted;
use crate::sandbox::{Executed, Job, SandboxError};

const LOOK: &str = include_str!("../../../sandboxes/reporters/assay_look.py");
/// Sorts ahead of whatever puts the work directory on the path at start-up.
const START_UP_LINE: &str = "000-assay-project.pth";
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

/// Looks with the image's own Python.
#[derive(Debug)]
pub struct PythonInspector;

impl Inspector for PythonInspector {
    fn question(&self) -> &str {
        LOOK
    }

    fn job(&self, image: &ReadyImage, wanted: &Wanted<'_>) -> Job {
        let Wanted { workdir, tool, runner, modules, lines } = *wanted;
        let candidates = pythons(image, workdir, tool);
        let choose = format!(
            "for python in {}; do\n  [ -x \"$python\" ] || continue\n  \"$python\" -I -c 'import {runner}' </dev/null >/dev/null 2>&1 \
             || continue\n  exec \"$python\" -I -\ndone\necho \"none of them has {runner}\"; exit {NO_PYTHON}\n",
            candidates.iter().map(|python| quoted(python)).collect::<Vec<_>>().join(" ")
        );
        let orders = json!({"workdir": workdir, "runner": runner, "modules": modules, "lines": lines});
        let script = format!("ORDERS = {}\n{LOOK}", json!(orders.to_string()));
        let mut job = shell_job(&choose, script.into_bytes());
        job.env.insert("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned());
        job
    }

    fn read(&self, image: &ReadyImage, wanted: &Wanted<'_>, executed: &Executed) -> Result<Found, SealError> {
        let words = String::from_utf8_lossy(&executed.output_head);
        let failed = |why: String| SealError::from(SandboxError::Failed { doing: "looking into an image", why });
        match executed.exit {
            Exit::Code(0) => serde_json::from_slice(&executed.output_head).map_err(|error| {
                failed(format!("{}: its answer cannot be read: {error}: {}", image.reference, tail(&words)))
            }),
            Exit::Code(NO_PYTHON) => Err(EnvironmentError::Missing(format!(
                "the image {} has no Python with {} (looked at {}); name one in environment.python",
                image.reference,
                wanted.runner,
                pythons(image, wanted.workdir, wanted.tool).join(", ")
            ))
            .into()),
            other => Err(failed(format!("{}: {other:?}: {}", image.reference, tail(&words)))),
        }
    }

    /// The same start-up files as in environments of ours.
    fn start_up(&self, found: &Found, workdir: &str, env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let project = ProjectMetadata { import_root: import_root(env).to_owned(), ..ProjectMetadata::default() };
        let name = |name: &str| if name.ends_with(".pth") { START_UP_LINE.to_owned() } else { name.to_owned() };
        let files = project.site_files(workdir).into_iter();
        files.map(|(file, text)| (format!("{}/{}", found.site, name(&file)), text)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Lease;

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
