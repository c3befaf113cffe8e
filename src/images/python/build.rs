//! The wheel of a project, built as its `pyproject.toml` asks for: once per tree.
//!
//! What the build needs is resolved by pip on this host, as every requirement is, and laid into an environment of its own. The build
//! itself runs code of the project, so it runs in a cell: it sees that environment, the tree and the host's programs, has a
//! network, and nothing of the caller's. Where the sandbox in use has no such place (Docker), pip builds on this host with a
//! clean set of variables.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::build_failure::told;
use super::environment::Environments;
use super::interpreter::PipMode;
use super::resolution::Question;
use super::scm_version::version_variables;
use super::unpack::BOUNDS;
use crate::images::built::Workshop;
use crate::images::environment_error::EnvironmentError;
use crate::language::python::needs::requirement::is_address;
use crate::language::python::needs::resources;
use crate::model::digest::Digest;
use crate::model::trial::{Exit, Limits};
use crate::sandbox::{Backing, ENVIRONMENT_DIR, Executed, Job, Lease, SUPPORT_DIR, SealedImage};

const DRIVER: &str = include_str!("../../../sandboxes/builders/assay_build.py");
const DRIVER_NAME: &str = "assay_build.py";
/// Where the tree appears in a cell. Compilers write the name into what they make, so it is always the same.
const BUILD_DIR: &str = "/build";
/// A backend may ask for more requirements when it is asked the first time; after this many rounds it never ends.
const MOST_ROUNDS: usize = 4;
const DEADLINE_MS: u64 = 20 * 60_000;
const MEMORY_BYTES: u64 = 4 << 30;

/// What is known of a project before it is built.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// Its version, where the tree does not say it.
    pub version: Option<&'a str>,
    pub workshop: Option<&'a Workshop<'a>>,
}

impl std::fmt::Debug for Ground<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The table `build-system` of a `pyproject.toml`, with what holds without one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct BuildSystem {
    requires: Vec<String>,
    build_backend: String,
    backend_path: Vec<String>,
}

impl Default for BuildSystem {
    fn default() -> Self {
        Self {
            requires: vec!["setuptools>=40.8.0".to_owned()],
            build_backend: "setuptools.build_meta:__legacy__".to_owned(),
            backend_path: Vec::new(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct PyProject {
    build_system: BuildSystem,
}

/// The first line of what the driver hands over.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Requires(Vec<String>),
    Wheel(String),
}

#[derive(Serialize)]
struct DriverInput<'a> {
    backend: &'a str,
    paths: &'a [String],
    installed: &'a BTreeSet<String>,
}

impl Environments {
    /// Builds the wheel of a tree and unpacks it. Gives the folder.
    pub(super) fn build(
        &self,
        tree: &Path,
        scratch: &Path,
        ground: Ground<'_>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, EnvironmentError> {
        let variables = version_variables(tree, ground.version);
        let wheel = match ground.workshop {
            Some(workshop) => self.in_a_cell(tree, scratch, workshop, &variables, progress)?,
            None => self.by_pip(tree, scratch, &variables)?,
        };
        self.unpack(&wheel, scratch, BOUNDS)
    }

    fn in_a_cell(
        &self,
        tree: &Path,
        scratch: &Path,
        workshop: &Workshop<'_>,
        variables: &BTreeMap<String, String>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, EnvironmentError> {
        let system = build_system(tree)?;
        let mut installed: BTreeSet<String> = system.requires.iter().cloned().collect();
        if fs::read_to_string(tree.join("setup.py")).is_ok_and(|text| resources::imports_it(&text)) {
            installed.insert(resources::BROUGHT_BY.to_owned());
        }
        let cargo = needs_cargo(tree).then(cargo_home).flatten();
        for _ in 0..MOST_ROUNDS {
            let input =
                DriverInput { backend: &system.build_backend, paths: &system.backend_path, installed: &installed };
            let job = job(variables, &input, cargo.as_deref())?;
            let mut mounts = vec![(self.builder(&installed, progress)?, ENVIRONMENT_DIR.to_owned())];
            mounts.extend(self.interpreter.mount()?);
            mounts.extend(cargo.iter().map(|home| (home.clone(), home.display().to_string())));
            let image = SealedImage {
                digest: Digest::of(b"a build"),
                workdir: BUILD_DIR.to_owned(),
                tool: format!("{ENVIRONMENT_DIR}/bin/python"),
                backing: Backing::Host { base_layer: tree.to_owned(), mounts },
                lease: Lease::default(),
            };
            progress("building the project in a cell");
            let executed = workshop(&image, &job).map_err(|error| EnvironmentError::Failed {
                doing: "building the project in a cell".to_owned(),
                why: error.to_string(),
            })?;
            match answer(&executed)? {
                (Answer::Requires(lines), _) => installed.extend(lines),
                (Answer::Wheel(name), bytes) => {
                    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
                    let wheel = scratch.join(if name.is_empty() { "built.whl".to_owned() } else { name });
                    fs::write(&wheel, bytes).map_err(|error| EnvironmentError::io("writing", &wheel, &error))?;
                    return Ok(wheel);
                }
            }
        }
        Err(EnvironmentError::NotBuilt {
            why: format!("its backend {} asks for more requirements each time it is asked", system.build_backend),
        })
    }

    /// The environment that a build runs in.
    fn builder(
        &self,
        installed: &BTreeSet<String>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, EnvironmentError> {
        let lines: Vec<String> = installed.iter().cloned().collect();
        if let Some(option) = lines.iter().find(|line| line.trim_start().starts_with('-')) {
            let why = format!("its build requirement {option:?} is an option of pip");
            return Err(EnvironmentError::NotBuilt { why });
        }
        if let Some(address) = lines.iter().find(|line| is_address(line)) {
            let why = format!(
                "its build requirement {address:?} is an address, and only what an index has is fetched; name a ready Docker image in \
                 environment.image"
            );
            return Err(EnvironmentError::NotBuilt { why });
        }
        let question = Question { lines, constraints: Vec::new() };
        let target = self.interpreter.identity();
        let (lock, wheels) = self.wheels(&question, &target, progress, &|making, question, _| {
            let mut arguments: Vec<OsString> =
                ["wheel", "--quiet", "--retries", "2", "--wheel-dir"].map(Into::into).into();
            arguments.push(making.into());
            arguments.extend(question.lines.iter().map(Into::into));
            let doing = format!("resolving what the project's build needs: {}", question.lines.join(", "));
            self.interpreter.pip(&self.cache, PipMode::Index { env: &[] }, &doing, arguments)
        })?;
        let pins = lock.pins(None);
        let name = Digest::of_json(&("builder", 1, self.interpreter.identity(), &lock, &self.interpreter.prefix));
        self.cache.directory("builders", name.as_str(), |making| self.install(making, &pins, &wheels, None, BUILD_DIR))
    }

    /// The wheel as pip builds it on this host, in a copy of the tree: what the build leaves there must not be mistaken for the
    /// project's code.
    fn by_pip(
        &self,
        tree: &Path,
        scratch: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Result<PathBuf, EnvironmentError> {
        let (copy, home, wheels) = (scratch.join("build"), scratch.join("home"), scratch.join("wheels"));
        copy_tree(tree, &copy)?;
        fs::create_dir(&home).map_err(|error| EnvironmentError::io("making", &home, &error))?;
        // Which Python the project asks for is held against its metadata afterwards.
        let mut arguments: Vec<OsString> =
            ["wheel", "--quiet", "--no-deps", "--ignore-requires-python", "--wheel-dir"].map(Into::into).into();
        arguments.extend([wheels.clone().into(), copy.into()]);
        let mode = PipMode::Build { home: &home, env: variables };
        self.interpreter.pip(&self.cache, mode, "building the project", arguments).map_err(|error| match error {
            EnvironmentError::Refused { why, .. } => EnvironmentError::NotBuilt { why: told(&why) },
            other => other,
        })?;
        let entries = fs::read_dir(&wheels).map_err(|error| EnvironmentError::io("reading", &wheels, &error))?;
        let wheel = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"));
        wheel.ok_or_else(|| EnvironmentError::NotBuilt { why: "pip made no wheel".to_owned() })
    }
}

fn build_system(tree: &Path) -> Result<BuildSystem, EnvironmentError> {
    let path = tree.join("pyproject.toml");
    let Ok(text) = fs::read_to_string(&path) else { return Ok(BuildSystem::default()) };
    let read: PyProject = toml::from_str(&text)
        .map_err(|error| EnvironmentError::NotBuilt { why: format!("its pyproject.toml cannot be read: {error}") })?;
    Ok(read.build_system)
}

fn job(
    variables: &BTreeMap<String, String>,
    input: &DriverInput<'_>,
    cargo: Option<&Path>,
) -> Result<Job, EnvironmentError> {
    let cargo_bin = cargo.map(|home| format!("{}/bin:", home.display())).unwrap_or_default();
    let path = format!("{ENVIRONMENT_DIR}/bin:{cargo_bin}/usr/local/bin:/usr/bin:/bin");
    let fixed = [
        ("PATH", path.as_str()),
        ("HOME", "/tmp/home"),
        ("CARGO_HOME", "/tmp/cargo"),
        ("LC_ALL", "C.UTF-8"),
        ("PYTHONNOUSERSITE", "1"),
        ("PYTHONHASHSEED", "0"),
        ("SOURCE_DATE_EPOCH", "1000000000"),
        // Names of folders and lines of sources are of no use to a test, and make two builds differ.
        ("CFLAGS", "-g0"),
        ("CXXFLAGS", "-g0"),
    ];
    let mut env: BTreeMap<String, String> = fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    env.extend(variables.clone());
    let stdin = serde_json::to_vec(input).map_err(|error| EnvironmentError::Failed {
        doing: "writing the order of a build".to_owned(),
        why: error.to_string(),
    })?;
    let program = format!("{ENVIRONMENT_DIR}/bin/python");
    Ok(Job {
        argv: vec![program, format!("{SUPPORT_DIR}/{DRIVER_NAME}")],
        env,
        changes: Vec::new(),
        support: [(DRIVER_NAME.to_owned(), Arc::from(DRIVER.as_bytes()))].into(),
        stdin,
        limits: Limits {
            deadline_ms: DEADLINE_MS,
            memory_bytes: MEMORY_BYTES,
            pids: 1024,
            disk_bytes: 3 << 30,
            inodes: 500_000,
            keep_output_bytes: 256 << 10,
            report_bytes: 512 << 20,
            ..Limits::default()
        },
    })
}

/// What the driver handed over, or why there is nothing.
fn answer(executed: &Executed) -> Result<(Answer, &[u8]), EnvironmentError> {
    let output = [executed.output_head.as_slice(), executed.output_tail.as_slice()].concat();
    let output = String::from_utf8_lossy(&output);
    let not_built = |why: String| EnvironmentError::NotBuilt { why };
    match executed.exit {
        Exit::Code(0) => {}
        Exit::TimedOut => {
            return Err(not_built(format!("the build did not end within {} minutes", DEADLINE_MS / 60_000)));
        }
        Exit::OutOfMemory => {
            return Err(not_built(format!("the build needs more than {} GiB of memory", MEMORY_BYTES >> 30)));
        }
        Exit::Code(_) | Exit::Signal(_) => return Err(not_built(told(&output))),
    }
    if executed.report_truncated {
        return Err(not_built("its wheel is larger than 512 MiB".to_owned()));
    }
    let end = executed.report.iter().position(|byte| *byte == b'\n');
    let (line, rest) = end.map_or((&[] as &[u8], &[] as &[u8]), |end| {
        let (line, rest) = executed.report.split_at(end);
        (line, &rest[1..])
    });
    let answer = serde_json::from_slice(line).map_err(|_| {
        not_built(format!("the build ended well and handed no wheel over; it printed: {}", told(&output)))
    })?;
    Ok((answer, rest))
}

/// Whether a part of the project is built by cargo.
fn needs_cargo(tree: &Path) -> bool {
    WalkDir::new(tree).max_depth(3).into_iter().filter_map(Result::ok).any(|entry| entry.file_name() == "Cargo.toml")
}

/// The tool chain of this host's Rust: the programs themselves, because what stands on PATH may be a switch that needs the
/// caller's home.
fn cargo_home() -> Option<PathBuf> {
    let mut command = Command::new("rustc");
    let output = command.args(["--print", "sysroot"]).current_dir("/").stdin(Stdio::null()).output().ok()?;
    let home = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    (output.status.success() && home.join("bin/cargo").is_file()).then_some(home)
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), EnvironmentError> {
    for entry in WalkDir::new(from) {
        let entry = entry.map_err(|error| EnvironmentError::Failed {
            doing: format!("reading {}", from.display()),
            why: error.to_string(),
        })?;
        let target = to.join(entry.path().strip_prefix(from).unwrap_or(entry.path()));
        let kind = entry.file_type();
        let result = if kind.is_dir() {
            fs::create_dir(&target)
        } else if kind.is_symlink() {
            fs::read_link(entry.path()).and_then(|link| std::os::unix::fs::symlink(link, &target))
        } else {
            fs::copy(entry.path(), &target).map(|_| ())
        };
        result.map_err(|error| EnvironmentError::io("copying to", &target, &error))?;
    }
    Ok(())
}
