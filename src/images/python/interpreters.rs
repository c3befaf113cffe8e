//! The Pythons of this host, and which of them a project gets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::interpreter::Interpreter;
use crate::images::environment_error::EnvironmentError;
use crate::language::python::needs::requires_python::RequiresPython;

/// The Python that the instance names, or the first on PATH if it can be used and satisfies what the project asks for, or else the oldest
/// of this host that does. `wanted` is a program or a version such as `3.12`.
pub(crate) fn choose(wanted: Option<&str>, requires: Option<&RequiresPython>) -> Result<Interpreter, EnvironmentError> {
    match wanted {
        None => suitable(Interpreter::find(None), requires, everywhere),
        Some(wanted) if is_version(wanted) => of_version(wanted, everywhere()),
        Some(wanted) => Interpreter::find(Some(wanted)),
    }
}

/// `first`, or one of `everywhere` if `first` is none or does not suit.
fn suitable(
    first: Result<Interpreter, EnvironmentError>,
    requires: Option<&RequiresPython>,
    everywhere: impl FnOnce() -> Vec<Interpreter>,
) -> Result<Interpreter, EnvironmentError> {
    let fits = |one: &Interpreter| requires.is_none_or(|requires| requires.fits(&one.version));
    match (first, requires) {
        (Ok(first), _) if fits(&first) && !first.is_free_threaded() => Ok(first),
        (Ok(first), Some(requires)) => match fitting(&first, requires, everywhere()) {
            // Without the lock it will do if there is no other.
            Err(_) if fits(&first) => Ok(first),
            found => found,
        },
        (Ok(first), None) => Ok(everywhere().into_iter().next().unwrap_or(first)),
        (Err(none), _) => everywhere().into_iter().find(fits).ok_or(none),
    }
}

/// `3.12` and `3.12.1`, which are no programs.
fn is_version(text: &str) -> bool {
    text.contains('.') && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn of_version(wanted: &str, found: Vec<Interpreter>) -> Result<Interpreter, EnvironmentError> {
    let is_it = |one: &Interpreter| one.version == wanted || one.version.starts_with(&format!("{wanted}."));
    match found.iter().position(is_it) {
        Some(place) => Ok(found[place].clone()),
        None => Err(EnvironmentError::Missing(format!(
            "Python {wanted} is wanted, and it is not here: {}; install it, for example with pyenv or uv, or name the program of \
             another one with --python (environment.python)",
            told(&found)
        ))),
    }
}

fn fitting(
    first: &Interpreter,
    requires: &RequiresPython,
    found: Vec<Interpreter>,
) -> Result<Interpreter, EnvironmentError> {
    match found.iter().find(|one| requires.fits(&one.version)) {
        Some(oldest) => Ok(oldest.clone()),
        None => {
            let found = if found.is_empty() { vec![first.clone()] } else { found };
            Err(EnvironmentError::Missing(format!(
                "the project needs {requires}, and none of these is one: {}; install one, for example with pyenv or uv, or name one \
                 with --python (environment.python)",
                told(&found)
            )))
        }
    }
}

fn told(found: &[Interpreter]) -> String {
    let one = |one: &Interpreter| format!("{} ({})", one.version, one.program().display());
    found.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Every Python of this host that can be used, the oldest first; one per version, those on PATH before others.
fn everywhere() -> Vec<Interpreter> {
    let mut by_version: BTreeMap<Vec<u64>, Interpreter> = BTreeMap::new();
    for candidate in candidates(&Host::of_process()) {
        let Some(found) = candidate.to_str().and_then(|path| Interpreter::find(Some(path)).ok()) else { continue };
        if found.is_cpython() {
            let version = found.version.split('.').filter_map(|part| part.parse().ok()).collect();
            by_version.entry(version).or_insert(found);
        }
    }
    by_version.into_values().collect()
}

/// Where Pythons may be.
struct Host {
    /// Folders of programs.
    path: Vec<PathBuf>,
    /// Folders that hold an installation each.
    installations: Vec<PathBuf>,
}

impl Host {
    fn of_process() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = set("HOME");
        let mut path: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
        path.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
        let below = |home: &Option<PathBuf>, inside: &str| home.as_ref().map(|home| home.join(inside));
        let installations = [
            set("PYENV_ROOT").map(|root| root.join("versions")),
            below(&home, ".pyenv/versions"),
            set("UV_PYTHON_INSTALL_DIR"),
            set("XDG_DATA_HOME").map(|data| data.join("uv/python")),
            below(&home, ".local/share/uv/python"),
        ];
        Self { path, installations: installations.into_iter().flatten().collect() }
    }
}

/// Programs that may be a Python 3, without asking them. A program that two names lead to is there once.
fn candidates(host: &Host) -> Vec<PathBuf> {
    let listed = |folder: &Path| {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        entries.sort();
        entries
    };
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let minor = name.strip_prefix("python3");
        minor.is_some_and(|rest| rest.is_empty() || is_version(&format!("3{rest}")))
    };
    let on_path = host.path.iter().flat_map(|folder| listed(folder)).filter(named);
    let installed = host.installations.iter().flat_map(|folder| listed(folder)).map(|one| one.join("bin/python3"));
    let mut seen = std::collections::BTreeSet::new();
    let programs = on_path.chain(installed).filter(|path| path.is_file());
    programs.filter(|path| seen.insert(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pythons(versions: &[&str]) -> Vec<Interpreter> {
        versions.iter().map(|version| Interpreter::made_up(version)).collect()
    }

    #[test]
    fn the_oldest_that_fits_is_taken_and_the_refusal_names_what_is_here() {
        let requires = |text: &str| RequiresPython::new(text, "requires-python in pyproject.toml").unwrap();
        let found = pythons(&["3.8.18", "3.11.7", "3.12.1", "3.13.0"]);
        let first = Interpreter::made_up("3.11.7");
        assert_eq!(fitting(&first, &requires(">=3.12"), found.clone()).unwrap().version, "3.12.1");
        assert_eq!(fitting(&first, &requires("<3.10"), found.clone()).unwrap().version, "3.8.18");
        let refused = fitting(&first, &requires(">=3.14"), pythons(&["3.11.7", "3.12.1"])).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the project needs Python >=3.14 (requires-python in pyproject.toml), and none of these is one: 3.11.7 \
             (/made/up/3.11.7/bin/python3), 3.12.1 (/made/up/3.12.1/bin/python3); install one, for example with pyenv or uv, or name one \
             with --python (environment.python)"
        );
        assert_eq!(of_version("3.12", found.clone()).unwrap().version, "3.12.1");
        assert_eq!(
            of_version("3.1", pythons(&["3.11.7"])).unwrap_err().to_string(),
            "Python 3.1 is wanted, and it is not here: 3.11.7 (/made/up/3.11.7/bin/python3); install it, for example with pyenv or uv, \
             or name the program of another one with --python (environment.python)"
        );
    }

    #[test]
    fn a_first_one_that_cannot_be_used_is_not_the_last_word() {
        let none = || Err(EnvironmentError::Missing("no usable Python".to_owned()));
        let requires = RequiresPython::new(">=3.12", "x").unwrap();
        let found = || pythons(&["3.11.7", "3.12.1", "3.13.0"]);
        let version = |chosen: Result<Interpreter, _>| {
            chosen.map(|one| one.version).map_err(|error: EnvironmentError| error.to_string())
        };
        assert_eq!(version(suitable(none(), Some(&requires), found)).unwrap(), "3.12.1");
        assert_eq!(version(suitable(none(), None, found)).unwrap(), "3.11.7");
        assert_eq!(version(suitable(none(), None, Vec::new)).unwrap_err(), "no usable Python");
        assert_eq!(version(suitable(Ok(Interpreter::made_up("3.13.0")), Some(&requires), found)).unwrap(), "3.13.0");
        let free = || Ok(Interpreter::made_up("3.14.0").free_threaded());
        assert_eq!(version(suitable(free(), Some(&requires), found)).unwrap(), "3.12.1");
        assert_eq!(version(suitable(free(), None, found)).unwrap(), "3.11.7");
        for requires in [None, Some(&requires)] {
            assert_eq!(version(suitable(free(), requires, Vec::new)).unwrap(), "3.14.0");
        }
        assert!(!Interpreter::made_up("3.14.0").free_threaded().is_cpython());
        assert_ne!(
            Interpreter::made_up("3.14.0").free_threaded().identity(),
            Interpreter::made_up("3.14.0").identity()
        );
    }

    #[test]
    fn pythons_are_looked_for_on_the_path_and_among_installations_and_each_program_once() {
        let home = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, path.display().to_string()).unwrap();
            path
        };
        let expected = [
            file("bin/python3"),
            file("bin/python3.12"),
            file("versions/3.13.0/bin/python3"),
            file("uv/cpython-3.14/bin/python3"),
        ];
        for other in ["bin/python2", "bin/python3-config", "bin/python3.12-config", "versions/3.9/bin/pypy3"] {
            file(other);
        }
        std::os::unix::fs::symlink("python3.12", home.path().join("bin/python3.9")).unwrap();
        let inside = |names: &[&str]| names.iter().map(|name| home.path().join(name)).collect();
        let host = Host { path: inside(&["bin", "none"]), installations: inside(&["versions", "uv"]) };
        assert_eq!(candidates(&host), expected);
    }

    #[test]
    fn a_version_is_told_from_a_program() {
        assert!(is_version("3.12") && is_version("3.12.1"));
        for program in ["python3.12", "/usr/bin/python3", "3", "3.x", "."] {
            assert!(!is_version(program), "{program}");
        }
    }
}
