//! The host's Python: found once, asked what it is, and the only place that runs it or its pip.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;

use super::pip_failure::{self, Cause};
use super::pip_settings::a_build_may_see;
use crate::images::cache::Cache;
use crate::images::environment_error::EnvironmentError;

const OLDEST: (u32, u32) = (3, 8);

/// Stands behind the name of an implementation.
const FREE_THREADED: &str = "-free-threaded";

/// A Python of the host that environments are made with.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// The real program; never a shim, never inside a virtual environment.
    program: PathBuf,
    /// Full version, e.g. `3.11.7`.
    pub version: String,
    /// `3.11`.
    pub minor: String,
    implementation: String,
    pub(crate) platform: String,
    /// Where the installation lives, standard library included.
    pub prefix: PathBuf,
    pip: Option<PathBuf>,
}

/// What a pip run works with.
#[derive(Clone, Copy)]
pub(crate) enum PipMode<'a> {
    /// The interpreter itself, the caller's pip settings (which name the index) and more environment variables.
    Index { env: &'a [(&'a str, &'a str)] },
    /// The interpreter itself with the caller's pip settings, but for a build of the project's own code: of the caller's
    /// variables only those that say where programs and the index are, and a home that holds nothing.
    Build { home: &'a Path, env: &'a BTreeMap<String, String> },
    /// Another environment's interpreter, and neither index nor settings.
    Offline { python: &'a Path },
}

#[derive(Deserialize)]
struct Answer {
    version: (u32, u32, u32),
    implementation: String,
    executable: Option<PathBuf>,
    base_executable: Option<PathBuf>,
    base_prefix: PathBuf,
    platform: String,
    venv: bool,
    free_threaded: bool,
    pip: Option<PathBuf>,
}

const QUESTION: &str = r#"
import json, os, sys, sysconfig
def has(name):
    try:
        return __import__(name)
    except Exception:
        return None
pip = has("pip")
pip = pip and getattr(pip, "__file__", None)
print(json.dumps({
    "version": list(sys.version_info[:3]), "implementation": sys.implementation.name,
    "executable": sys.executable, "base_executable": getattr(sys, "_base_executable", None),
    "base_prefix": sys.base_prefix, "platform": sysconfig.get_platform(),
    "venv": has("venv") is not None, "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")), "pip": pip and os.path.dirname(os.path.realpath(pip)),
}))
"#;

impl Interpreter {
    /// The first of `wanted`, or else `python3` on PATH and `/usr/bin/python3`, that is Python 3.8 or newer and can make a
    /// virtual environment.
    pub fn find(wanted: Option<&str>) -> Result<Self, EnvironmentError> {
        let candidates: Vec<&str> = wanted.map_or_else(|| vec!["python3", "/usr/bin/python3"], |one| vec![one]);
        let mut tried = Vec::new();
        for candidate in candidates {
            match ask(candidate) {
                Ok(found) => return Ok(found),
                Err(why) => tried.push(format!("{candidate}: {why}")),
            }
        }
        Err(EnvironmentError::Missing(format!(
            "no usable Python ({}); install Python 3.8 or newer with venv, on Debian: apt-get install python3 python3-venv \
             python3-pip",
            tried.join("; ")
        )))
    }

    /// The program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Whether it is the usual implementation, with its usual lock.
    pub(crate) fn is_cpython(&self) -> bool {
        self.implementation == "cpython"
    }

    /// Whether it is one without the lock: most packages have no wheels for it.
    pub(crate) fn is_free_threaded(&self) -> bool {
        self.implementation.ends_with(FREE_THREADED)
    }

    /// Names what decides which wheels fit: implementation, version and platform.
    pub fn identity(&self) -> String {
        format!("{} {} {}", self.implementation, self.version, self.platform)
    }

    /// A command that runs this Python free of the caller's Python settings.
    pub(crate) fn command<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Command {
        let mut command = clean(&self.program);
        command.args(arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect::<Vec<OsString>>());
        command
    }

    /// Makes a virtual environment without pip in `path`.
    pub(crate) fn venv(&self, path: &Path) -> Result<(), EnvironmentError> {
        let mut command = self.command(["-m", "venv", "--without-pip", "--symlinks"]);
        let output =
            command.arg(path).output().map_err(|error| EnvironmentError::io("running", &self.program, &error))?;
        if output.status.success() {
            return Ok(());
        }
        Err(EnvironmentError::Failed {
            doing: format!("making a virtual environment with {}", self.program.display()),
            why: tail(&output.stderr, &output.stdout),
        })
    }

    /// Runs `python -m pip` with `arguments`. `doing` says what for, in an error.
    pub(crate) fn pip<I: AsRef<OsStr>>(
        &self,
        cache: &Cache,
        mode: PipMode<'_>,
        doing: &str,
        arguments: impl IntoIterator<Item = I>,
    ) -> Result<(), EnvironmentError> {
        let package = match &self.pip {
            Some(package) => package.clone(),
            None => self.bundled_pip(cache)?,
        };
        // A folder with nothing but pip in it: pip must see no package but those it is about.
        let alone = cache.scratch()?;
        std::os::unix::fs::symlink(&package, alone.path().join("pip"))
            .map_err(|error| EnvironmentError::io("linking", &package, &error))?;
        let program = match mode {
            PipMode::Index { .. } | PipMode::Build { .. } => &self.program,
            PipMode::Offline { python } => python,
        };
        let mut command = clean(program);
        command.env("PYTHONPATH", alone.path()).env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("PIP_NO_INPUT", "1");
        command.env("PIP_USER", "0").env("PIP_REQUIRE_VIRTUALENV", "0").env("SOURCE_DATE_EPOCH", "1000000000");
        match mode {
            PipMode::Index { env } => {
                command.envs(env.iter().copied());
            }
            PipMode::Build { home, env } => {
                for (name, _) in std::env::vars_os().filter(|(name, _)| !a_build_may_see(name)) {
                    command.env_remove(name);
                }
                let settings = std::env::home_dir().map(|home| home.join(".config/pip/pip.conf"));
                if let Some(settings) =
                    settings.filter(|path| path.is_file() && std::env::var_os("PIP_CONFIG_FILE").is_none())
                {
                    command.env("PIP_CONFIG_FILE", settings);
                }
                command.env("HOME", home).envs(env);
            }
            PipMode::Offline { .. } => {
                for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PIP_")) {
                    command.env_remove(name);
                }
                command.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
            }
        }
        command.args(["-m", "pip"]);
        command.args(arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect::<Vec<OsString>>());
        let mut output = command.output().map_err(|error| EnvironmentError::io("running", program, &error))?;
        if output.status.success() {
            return Ok(());
        }
        let mut unread = None;
        if pip_failure::cause(&String::from_utf8_lossy(&output.stderr)) == Cause::Unsolved
            && !matches!(mode, PipMode::Offline { .. })
        {
            // Only its log tells whether a page could not be read, and with a log it shows nothing of builds. So it is asked again. The
            // variable reaches also those that it starts itself.
            let log = alone.path().join("log");
            command.env("PIP_LOG", &log);
            let again = command.output().map_err(|error| EnvironmentError::io("running", program, &error))?;
            if again.status.success() {
                return Ok(());
            }
            unread = first_unread_page(&log)?;
            if pip_failure::cause(&String::from_utf8_lossy(&again.stderr)) != Cause::Unsolved {
                output = again;
            }
        }
        Err(failure(&output, unread, doing))
    }

    /// What a cell must mount to see this installation, if it is not below `/usr`: host path and path inside.
    pub(crate) fn mount(&self) -> Result<Option<(PathBuf, String)>, EnvironmentError> {
        if self.prefix.starts_with("/usr") {
            return Ok(None);
        }
        let inside = self.prefix.to_str().ok_or_else(|| EnvironmentError::Failed {
            doing: format!("mounting {}", self.prefix.display()),
            why: "the path is not UTF-8".to_owned(),
        })?;
        Ok(Some((self.prefix.clone(), inside.to_owned())))
    }

    /// The pip that comes inside Python, for installations that do not unpack it.
    fn bundled_pip(&self, cache: &Cache) -> Result<PathBuf, EnvironmentError> {
        let name = crate::model::digest::Digest::of_json(&(self.identity(), &self.program));
        let folder = cache.directory("pip", name.short(), |making| {
            let mut command = self.command(["-m", "venv", "--symlinks"]);
            let output =
                command.arg(making).output().map_err(|error| EnvironmentError::io("running", &self.program, &error))?;
            if output.status.success() {
                return Ok(());
            }
            Err(EnvironmentError::Missing(format!(
                "{} has no pip, which is needed to install requirements; on Debian: apt-get install python3-venv python3-pip",
                self.program.display()
            )))
        })?;
        let package = folder.join(format!("lib/python{}/site-packages/pip", self.minor));
        fs::metadata(&package).map_err(|error| EnvironmentError::io("finding pip in", &package, &error))?;
        Ok(package)
    }
}

#[cfg(test)]
impl Interpreter {
    /// One that is nowhere.
    pub(crate) fn made_up(version: &str) -> Self {
        let prefix = PathBuf::from(format!("/made/up/{version}"));
        Self {
            program: prefix.join("bin/python3"),
            version: version.to_owned(),
            minor: version.rsplit_once('.').map_or(version, |(minor, _)| minor).to_owned(),
            implementation: "cpython".to_owned(),
            platform: "linux-x86_64".to_owned(),
            prefix,
            pip: None,
        }
    }

    /// The same without the lock.
    pub(crate) fn free_threaded(mut self) -> Self {
        self.implementation.push_str(FREE_THREADED);
        self
    }
}

fn ask(candidate: &str) -> Result<Interpreter, String> {
    let output = clean(Path::new(candidate)).args(["-c", QUESTION]).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(tail(&output.stderr, &output.stdout));
    }
    let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|_| "answers strangely".to_owned())?;
    let (major, minor, patch) = answer.version;
    if (major, minor) < OLDEST {
        return Err(format!("is Python {major}.{minor}.{patch}, older than {}.{}", OLDEST.0, OLDEST.1));
    }
    if !answer.venv {
        return Err("has no venv module".to_owned());
    }
    let minor = format!("{major}.{minor}");
    let prefix = fs::canonicalize(&answer.base_prefix).map_err(|error| error.to_string())?;
    let program = [Some(prefix.join(format!("bin/python{minor}"))), answer.base_executable, answer.executable]
        .into_iter()
        .flatten()
        .find(|program| program.is_file())
        .ok_or("does not know its own program")?;
    Ok(Interpreter {
        program,
        version: format!("{minor}.{patch}"),
        minor,
        // It takes other wheels than one of the same version with a lock.
        implementation: answer.implementation + if answer.free_threaded { FREE_THREADED } else { "" },
        platform: answer.platform,
        prefix,
        pip: answer.pip,
    })
}

fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PYTHON")) {
        command.env_remove(name);
    }
    command.env_remove("VIRTUAL_ENV").env_remove("__PYVENV_LAUNCHER__");
    command.env("PYTHONNOUSERSITE", "1").env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null());
    command
}

/// Why a run of pip failed. `unread` is a page of the index that could not be read.
fn failure(output: &Output, unread: Option<String>, doing: &str) -> EnvironmentError {
    let why = tail(&output.stderr, &output.stdout);
    let doing = doing.to_owned();
    if let Some(page) = unread {
        return EnvironmentError::Unreachable { tool: "pip", doing, why: format!("{why}\n{page}") };
    }
    if let Some(signal) = output.status.signal() {
        return EnvironmentError::Failed { doing, why: format!("pip was ended by signal {signal}; run again\n{why}") };
    }
    match pip_failure::cause(&String::from_utf8_lossy(&output.stderr)) {
        Cause::Index => EnvironmentError::Unreachable { tool: "pip", doing, why },
        Cause::Disk => EnvironmentError::Failed {
            doing,
            why: format!("the disk of the cache or of the temporary folder is full; make room and run again\n{why}"),
        },
        Cause::Unsolved | Cause::Answer => EnvironmentError::Refused { tool: "pip", doing, why },
    }
}

/// The first page in pip's log that could not be read.
fn first_unread_page(log: &Path) -> Result<Option<String>, EnvironmentError> {
    let failed = |error: std::io::Error| EnvironmentError::io("reading", log, &error);
    let mut lines = BufReader::new(fs::File::open(log).map_err(failed)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(None);
        }
        if let Some(page) = pip_failure::unread_page(&String::from_utf8_lossy(&line)) {
            return Ok(Some(page.to_owned()));
        }
    }
}

/// The last lines of a failed program's words.
fn tail(stderr: &[u8], stdout: &[u8]) -> String {
    let text = if stderr.trim_ascii().is_empty() { stdout } else { stderr };
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_python_is_refused_with_what_to_install() {
        let error = Interpreter::find(Some("/nonexistent/python3")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/python3") && error.contains("apt-get install"), "{error}");
    }

    #[test]
    fn the_hosts_python_is_found_behind_any_shim() {
        let found = Interpreter::find(None).unwrap();
        assert!(found.program.starts_with(&found.prefix), "{found:?}");
        assert!(found.version.starts_with(&found.minor));
    }
}
