//! An environment: a Python with a recipe's packages, named by what is in it. Made once, laid into cells read-only.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::interpreter::{Interpreter, PipMode};
use super::interpreters::choose;
use super::pip_settings::index_settings;
use super::project::{ProjectMetadata, normalised};
use super::resolution::{Question, Settled, Wishes};
use super::runner_version::{refuse_judge, refuse_unknown};
use crate::images::cache::Cache;
use crate::images::environment_error::EnvironmentError;
use crate::images::provisioned::Provisioned;
use crate::language::python::needs::requires_python::RequiresPython;
use crate::model::digest::Digest;
use crate::sandbox::ENVIRONMENT_DIR;

/// Raised when environments are laid out differently, so that old ones are not used.
const LAYOUT: u32 = 3;
/// The same for folders of wheels.
const WHEELS_LAYOUT: u32 = 1;

/// Where environments are made: a cache and an interpreter of the host.
#[derive(Clone, Debug)]
pub struct Environments {
    pub(crate) cache: Cache,
    pub(crate) interpreter: Interpreter,
}

/// A resolved set of requirements: wheels, each named by its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub wheels: Vec<LockedWheel>,
}

/// One wheel of a [`Lock`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LockedWheel {
    pub file: String,
    pub sha256: Digest,
}

/// What an environment is made from: wheels in a folder, and what could not be had.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub lock: Lock,
    pub wheels: PathBuf,
    pub left_out: Vec<String>,
}

/// Fills a folder with the wheels that answer a question; the last argument is a file with its constraints, if there are any.
pub(crate) type Fetch<'f> = dyn Fn(&Path, &Question, Option<&Path>) -> Result<(), EnvironmentError> + 'f;

impl LockedWheel {
    /// `(name, version)` out of the file name, the name normalised.
    fn identity(&self) -> (String, &str) {
        let mut parts = self.file.split('-');
        (normalised(parts.next().unwrap_or_default()), parts.next().unwrap_or_default())
    }
}

impl Lock {
    /// Requirement lines for what is to be installed beside a project: its own distribution is left out, because its code comes
    /// from the work directory.
    pub(crate) fn pins(&self, project: Option<&ProjectMetadata>) -> Vec<String> {
        let own = project.and_then(ProjectMetadata::name);
        let mut pins: Vec<String> = self
            .wheels
            .iter()
            .map(LockedWheel::identity)
            .filter(|(name, _)| Some(name) != own.as_ref())
            .map(|(name, version)| format!("{name}=={version}"))
            .collect();
        pins.sort();
        pins
    }
}

impl Environments {
    /// Environments of this cache, made with the host's Python (or with `python`, a program name or path, or a version).
    pub fn open(cache: Cache, python: Option<&str>) -> Result<Self, EnvironmentError> {
        Self::open_for(cache, python, None)
    }

    /// The same for a project that asks for certain versions of Python. `python` overrules it.
    pub(crate) fn open_for(
        cache: Cache,
        python: Option<&str>,
        requires: Option<&RequiresPython>,
    ) -> Result<Self, EnvironmentError> {
        Ok(Self { cache, interpreter: choose(python, requires)? })
    }

    /// The cache that everything is kept in.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Makes an environment ready for host cells. What was made before is found without running pip. `progress` is told about
    /// every step that takes time. Gives the environment, and what is declared and could not be installed.
    pub fn provision(
        &self,
        wishes: &Wishes<'_>,
        project: Option<&ProjectMetadata>,
        workdir: &str,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(Provisioned, Vec<String>), EnvironmentError> {
        refuse_judge(&wishes.recipe.requirements, project.and_then(ProjectMetadata::name).as_deref())?;
        let Resolved { lock, wheels, left_out } = self.resolve(wishes, project, progress)?;
        self.refuse_answer(&lock, &wheels, project)?;
        let pins = lock.pins(project);
        let digest = Digest::of_json(&(LAYOUT, self.interpreter.identity(), &lock, project, workdir));
        // Two installations of one version differ in where they are, and the links in the environment with them.
        let name = Digest::of_json(&(&digest, &self.interpreter.prefix));
        let directory = self.cache.directory("environments", name.as_str(), |making| {
            progress(&format!(
                "making the environment {} with Python {}",
                wishes.recipe.name, self.interpreter.version
            ));
            self.install(making, &pins, &wheels, project, workdir)
        })?;
        let mut mounts = vec![(directory, ENVIRONMENT_DIR.to_owned())];
        mounts.extend(self.interpreter.mount()?);
        let provisioned = Provisioned {
            digest,
            mounts,
            tool: format!("{ENVIRONMENT_DIR}/bin/python"),
            tool_version: self.interpreter.version.clone(),
            workdir: workdir.to_owned(),
            packages: pins,
        };
        Ok((provisioned, left_out))
    }

    /// Refuses wheels that would put another release, or a fork, of the project beside its own code: answers could be read
    /// off it. The project's own distribution is left out by [`Lock::pins`].
    pub(crate) fn refuse_answer(
        &self,
        lock: &Lock,
        wheels: &Path,
        project: Option<&ProjectMetadata>,
    ) -> Result<(), EnvironmentError> {
        let Some(project) = project.filter(|project| !project.modules.is_empty() && !lock.wheels.is_empty()) else {
            return Ok(());
        };
        let own = project.name();
        let modules = self.wheel_modules(lock, wheels)?;
        for wheel in lock.wheels.iter().filter(|wheel| Some(wheel.identity().0) != own) {
            let brought = modules.get(&wheel.file).map(Vec::as_slice).unwrap_or_default();
            if let Some(module) = brought.iter().find(|module| project.modules.contains(module)) {
                return Err(EnvironmentError::AnswerInImage { path: format!("{module} of {}", wheel.file) });
            }
        }
        Ok(())
    }

    /// Top-level modules of every wheel, by file name. Read once per lock.
    fn wheel_modules(&self, lock: &Lock, wheels: &Path) -> Result<BTreeMap<String, Vec<String>>, EnvironmentError> {
        const QUESTION: &str = "import json, os, sys, zipfile; print(json.dumps({name: sorted({\
            part[:-3] if part.endswith('.py') else part for part in (member.split('/')[0] for member in \
            zipfile.ZipFile(os.path.join(sys.argv[1], name)).namelist()) if not part.endswith(('-info', '.data'))}) \
            for name in os.listdir(sys.argv[1]) if name.endswith('.whl')}))";
        let name = Digest::of_json(lock);
        if let Some(bytes) = self.cache.read("wheel-modules", name.as_str())?
            && let Ok(known) = serde_json::from_slice(&bytes)
        {
            return Ok(known);
        }
        let failed =
            |why: String| EnvironmentError::Failed { doing: "listing the modules of the wheels".to_owned(), why };
        let mut command = self.interpreter.command(["-c", QUESTION]);
        let output = command.arg(wheels).output().map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let modules = serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
        self.cache.write("wheel-modules", name.as_str(), &output.stdout)?;
        Ok(modules)
    }

    /// Resolves requirements into wheels for the host's Python.
    pub(crate) fn resolve(
        &self,
        wishes: &Wishes<'_>,
        project: Option<&ProjectMetadata>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Resolved, EnvironmentError> {
        self.resolve_by(wishes, project, &self.interpreter.identity(), progress, &|making, question, constraints| {
            let mut arguments: Vec<OsString> =
                ["wheel", "--quiet", "--retries", "2", "--wheel-dir"].map(Into::into).into();
            arguments.push(making.into());
            arguments.extend(constraints.iter().flat_map(|file| ["--constraint".into(), file.into()]));
            arguments.extend(question.lines.iter().map(Into::into));
            self.interpreter.pip(
                &self.cache,
                PipMode::Index { env: &[] },
                &format!("resolving {}", question.lines.join(", ")),
                arguments,
            )
        })
    }

    /// Resolves as much as possible by `fetch`, which fills a folder with wheels and may read a file of constraints. What was
    /// settled before is not asked for again, so that an environment stays what it is. A settlement that leaves something out is
    /// told once. What is declared gives way too if it brings an answer of `project`, or a runner that nobody could trust.
    pub(crate) fn resolve_by(
        &self,
        wishes: &Wishes<'_>,
        project: Option<&ProjectMetadata>,
        target: &str,
        progress: &mut dyn FnMut(&str),
        fetch: &Fetch<'_>,
    ) -> Result<Resolved, EnvironmentError> {
        let own = project.map(|project| (project.name(), &project.modules));
        let name = Digest::of_json(&(WHEELS_LAYOUT, wishes.identity(), own, target, index_settings()));
        if let Some(bytes) = self.cache.read("settlements", name.as_str())?
            && let Ok((question, left_out)) = serde_json::from_slice::<(Question, Vec<String>)>(&bytes)
        {
            let (lock, wheels) = self.wheels(&question, target, progress, fetch)?;
            return Ok(Resolved { lock, wheels, left_out });
        }
        let settled = wishes.settle(&mut |question| {
            let (lock, wheels) = self.wheels(question, target, progress, fetch)?;
            refuse_unknown(lock.wheels.iter().map(LockedWheel::identity))?;
            self.refuse_answer(&lock, &wheels, project)?;
            Ok((lock, wheels))
        })?;
        let Settled { question, answer: (lock, wheels), left_out } = settled;
        if !left_out.is_empty() {
            let text = serde_json::to_vec(&(&question, &left_out)).map_err(|error| EnvironmentError::Failed {
                doing: "writing what was settled".to_owned(),
                why: error.to_string(),
            })?;
            self.cache.write("settlements", name.as_str(), &text)?;
            left_out.iter().for_each(|line| progress(&format!("not installed: {line}")));
        }
        Ok(Resolved { lock, wheels, left_out })
    }

    /// The wheels of an answered question, out of the cache or by `fetch`.
    pub(super) fn wheels(
        &self,
        question: &Question,
        target: &str,
        progress: &mut dyn FnMut(&str),
        fetch: &Fetch<'_>,
    ) -> Result<(Lock, PathBuf), EnvironmentError> {
        let Question { lines, constraints } = question;
        let request = match constraints.is_empty() {
            true => Digest::of_json(&(WHEELS_LAYOUT, lines, target)),
            false => Digest::of_json(&(WHEELS_LAYOUT, lines, target, constraints)),
        };
        let folder = self.cache.directory("wheels", request.as_str(), |making| {
            if !lines.is_empty() {
                progress(&format!("resolving {}", lines.join(", ")));
                let scratch = self.cache.scratch()?;
                let file = scratch.path().join("constraints.txt");
                fs::write(&file, constraints.join("\n"))
                    .map_err(|error| EnvironmentError::io("writing", &file, &error))?;
                fetch(making, question, (!constraints.is_empty()).then_some(file.as_path()))?;
            }
            let lock = Lock { wheels: list_wheels(making)? };
            let text = serde_json::to_vec_pretty(&lock).map_err(|error| EnvironmentError::Failed {
                doing: "writing the lock".to_owned(),
                why: error.to_string(),
            })?;
            let path = making.join("lock.json");
            fs::write(&path, text).map_err(|error| EnvironmentError::io("writing", &path, &error))
        })?;
        let path = folder.join("lock.json");
        let text = fs::read(&path).map_err(|error| EnvironmentError::io("reading", &path, &error))?;
        let lock = serde_json::from_slice(&text).map_err(|error| EnvironmentError::Failed {
            doing: format!("reading {}", path.display()),
            why: format!("{error}; delete {} and run again", folder.display()),
        })?;
        Ok((lock, folder))
    }

    /// Makes an environment in an empty folder out of wheels.
    pub(super) fn install(
        &self,
        making: &Path,
        pins: &[String],
        wheels: &Path,
        project: Option<&ProjectMetadata>,
        workdir: &str,
    ) -> Result<(), EnvironmentError> {
        self.interpreter.venv(making)?;
        if !pins.is_empty() {
            let mut arguments: Vec<OsString> =
                ["install", "--quiet", "--no-index", "--no-deps", "--no-cache-dir", "--find-links"]
                    .map(Into::into)
                    .into();
            arguments.push(wheels.into());
            arguments.extend(pins.iter().map(Into::into));
            let python = making.join("bin/python");
            self.interpreter.pip(
                &self.cache,
                PipMode::Offline { python: &python },
                "installing the resolved wheels",
                arguments,
            )?;
        }
        let site = making.join(format!("lib/python{}/site-packages", self.interpreter.minor));
        for (name, text) in project.map(|project| project.site_files(workdir)).unwrap_or_default() {
            write_below(&site, &name, text.as_bytes())?;
        }
        relocate(making)?;
        make_readable(making)
    }
}

fn list_wheels(folder: &Path) -> Result<Vec<LockedWheel>, EnvironmentError> {
    let mut wheels = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| EnvironmentError::io("reading", folder, &error))? {
        let path = entry.map_err(|error| EnvironmentError::io("reading", folder, &error))?.path();
        let bytes = fs::read(&path).map_err(|error| EnvironmentError::io("reading", &path, &error))?;
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        wheels.push(LockedWheel { file, sha256: Digest::of(&bytes) });
    }
    wheels.sort();
    Ok(wheels)
}

pub(crate) fn write_below(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), EnvironmentError> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| EnvironmentError::io("making", parent, &error))?;
    }
    fs::write(&path, bytes).map_err(|error| EnvironmentError::io("writing", &path, &error))
}

/// Scripts and settings name the folder they were made in; let them name where cells see it.
fn relocate(environment: &Path) -> Result<(), EnvironmentError> {
    let made_in = environment.as_os_str().as_encoded_bytes();
    let mut texts = vec![environment.join("pyvenv.cfg")];
    let bin = environment.join("bin");
    for entry in fs::read_dir(&bin).map_err(|error| EnvironmentError::io("reading", &bin, &error))? {
        let path = entry.map_err(|error| EnvironmentError::io("reading", &bin, &error))?.path();
        if !path.is_symlink() && path.is_file() {
            texts.push(path);
        }
    }
    for path in texts {
        let mut bytes = Vec::new();
        fs::File::open(&path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| EnvironmentError::io("reading", &path, &error))?;
        let moved = replace(&bytes, made_in, ENVIRONMENT_DIR.as_bytes());
        if moved != bytes {
            fs::write(&path, moved).map_err(|error| EnvironmentError::io("writing", &path, &error))?;
        }
    }
    Ok(())
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// Jobs run with ids of their own, so what they read must be readable by all, whatever the caller's umask.
fn make_readable(folder: &Path) -> Result<(), EnvironmentError> {
    let mut modes: BTreeMap<PathBuf, u32> = BTreeMap::new();
    for entry in WalkDir::new(folder) {
        let entry = entry.map_err(|error| EnvironmentError::Failed {
            doing: format!("reading {}", folder.display()),
            why: error.to_string(),
        })?;
        if entry.file_type().is_symlink() {
            continue;
        }
        let mode = entry.metadata().map(|data| data.permissions().mode() & 0o7777).map_err(|error| {
            EnvironmentError::Failed { doing: format!("reading {}", entry.path().display()), why: error.to_string() }
        })?;
        let wanted = mode | if mode & 0o100 != 0 { 0o555 } else { 0o444 };
        if wanted != mode {
            modes.insert(entry.path().to_owned(), wanted);
        }
    }
    for (path, mode) in modes {
        fs::set_permissions(&path, Permissions::from_mode(mode))
            .map_err(|error| EnvironmentError::io("changing the mode of", &path, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::recipe::Recipe;
    use super::*;

    fn wheel(file: &str) -> LockedWheel {
        LockedWheel { file: file.to_owned(), sha256: Digest::of(file.as_bytes()) }
    }

    #[test]
    fn the_project_itself_is_not_installed_beside_its_code() {
        let lock = Lock { wheels: vec![wheel("pytest-8.4.2-py3-none-any.whl"), wheel("Foo_Bar-1.0-py3-none-any.whl")] };
        let project = ProjectMetadata {
            dist_info: Some(super::super::project::DistInfo {
                folder: "foo_bar-0.9.dist-info".to_owned(),
                files: BTreeMap::new(),
            }),
            ..ProjectMetadata::default()
        };
        assert_eq!(lock.pins(None), ["foo-bar==1.0", "pytest==8.4.2"]);
        assert_eq!(lock.pins(Some(&project)), ["pytest==8.4.2"]);
    }

    #[test]
    fn an_environment_of_the_standard_library_needs_no_pip_and_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let environments = Environments::open(Cache::open(folder.path()).unwrap(), None).unwrap();
        let recipe = Recipe::find("python-stdlib").unwrap();
        let project = ProjectMetadata { import_root: "src".to_owned(), ..ProjectMetadata::default() };
        let mut steps = Vec::new();
        let provision = |steps: &mut Vec<String>| {
            let wishes = Wishes::new(&recipe, &[], &[]);
            environments
                .provision(&wishes, Some(&project), "/testbed", &mut |step| steps.push(step.to_owned()))
                .map(|(made, _)| made)
        };
        let first = provision(&mut steps).unwrap();
        assert_eq!(steps.len(), 1, "{steps:?}");
        let again = provision(&mut steps).unwrap();
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert_eq!(first.digest, again.digest);
        let (directory, inside) = &first.mounts[0];
        assert_eq!(inside, ENVIRONMENT_DIR);
        let pth =
            directory.join(format!("lib/python{}/site-packages/assay-project.pth", environments.interpreter.minor));
        assert_eq!(fs::read_to_string(&pth).unwrap(), "import assay_site\n", "no folder of the tree at start-up");
        let start_up = fs::read_to_string(pth.with_file_name("assay_site.py")).unwrap();
        assert!(start_up.contains("PROJECT = \"/testbed/src\""), "{start_up}");
        assert!(!fs::read_to_string(directory.join("pyvenv.cfg")).unwrap().contains(".making"));
        assert!(directory.join("bin/python").exists());
    }
}
