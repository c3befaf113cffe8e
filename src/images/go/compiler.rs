//! Go of the host: where it is, which version it has, and how it is called.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::images::environment_error::EnvironmentError;
use crate::runner::go::variables::{ALWAYS, is_kept_from_go};

/// The oldest Go whose tests mark their own lines, as minor version of Go 1.
const OLDEST_MINOR: u32 = 20;
/// What to do if there is none.
const NEXT: &str =
    "install Go 1.20 or newer (on Debian 12: golang-1.23-go from bookworm-backports), or put its go on PATH";

/// A Go that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// Absolute folder of the installation.
    pub root: PathBuf,
    /// For example `1.23.5`.
    pub version: String,
}

impl Compiler {
    /// The first Go of this host that is new enough: the one on PATH, then those that Debian and Go's own archive install,
    /// newest first.
    ///
    /// # Errors
    /// There is none, or all are too old.
    pub fn find() -> Result<Self, EnvironmentError> {
        let on_path = std::env::var_os("PATH");
        let on_path = on_path.iter().flat_map(std::env::split_paths).map(|folder| folder.join("go"));
        let mut installed: Vec<_> = fs::read_dir("/usr/lib")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                Some((minor(name.strip_prefix("go-")?)?, entry.path().join("bin/go")))
            })
            .collect();
        installed.sort_by(|one, other| other.cmp(one));
        let installed = installed.into_iter().map(|(_, go)| go);
        let places = on_path.chain(installed).chain([PathBuf::from("/usr/local/go/bin/go")]);
        Self::first(places.filter(|go| go.is_file()))
    }

    fn first(places: impl Iterator<Item = PathBuf>) -> Result<Self, EnvironmentError> {
        let mut others = Vec::new();
        for go in places {
            match Self::at(&go) {
                Ok(found) if minor(&found.version).is_some_and(|minor| minor >= OLDEST_MINOR) => return Ok(found),
                Ok(old) => others.push(format!("{} is Go {}", go.display(), old.version)),
                Err(why) => others.push(format!("{} does not say its version: {why}", go.display())),
            }
        }
        Err(EnvironmentError::Missing(match others.as_slice() {
            [] => format!("there is no Go on this machine; {NEXT}"),
            others => format!("no Go of this machine can be used ({}); {NEXT}", others.join(", ")),
        }))
    }

    fn at(go: &Path) -> Result<Self, String> {
        let mut command = Command::new(go);
        command.args(["env", "GOROOT", "GOVERSION"]).current_dir("/");
        sealed(&mut command, names());
        let output = command.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout);
        match said.lines().collect::<Vec<_>>().as_slice() {
            [root, version] if root.starts_with('/') && version.starts_with("go") => {
                // Versions of developers have words behind a blank.
                let version = version["go".len()..].split(' ').next().unwrap_or_default();
                Ok(Self { root: PathBuf::from(root), version: version.to_owned() })
            }
            _ => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    /// The program.
    pub fn program(&self) -> PathBuf {
        self.root.join("bin/go")
    }

    /// Runs Go in a folder, with caches of ours, and gives what it prints. Where modules come from is the caller's setting.
    ///
    /// # Errors
    /// Go does not start, or answers no.
    pub fn run(
        &self,
        doing: &str,
        arguments: &[&str],
        folder: &Path,
        env: &[(&str, OsString)],
    ) -> Result<String, EnvironmentError> {
        let mut command = Command::new(self.program());
        command.args(arguments).current_dir(folder);
        sealed(&mut command, names());
        command.envs(env.iter().map(|(name, value)| (name, value)));
        let output = command.output().map_err(|error| EnvironmentError::Failed {
            doing: doing.to_owned(),
            why: format!("{}: {error}", self.program().display()),
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let unreachable = ["dial tcp", "no such host", "i/o timeout", "TLS handshake"];
        Err(match unreachable.iter().any(|sign| why.contains(sign)) {
            true => EnvironmentError::Unreachable { tool: "go", doing: doing.to_owned(), why },
            false => EnvironmentError::Refused { tool: "go", doing: doing.to_owned(), why },
        })
    }
}

/// Takes out what the user's settings, of which these are the names, would change of a build.
fn sealed(command: &mut Command, names: impl Iterator<Item = OsString>) {
    for name in names.filter(|name| name.to_str().is_some_and(is_kept_from_go)) {
        command.env_remove(name);
    }
    command.envs(ALWAYS);
}

/// Names of the variables of this process.
fn names() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name)
}

/// The minor version of Go 1.
fn minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("1.")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |at| &rest[..at]);
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn stand_in(folder: &Path, name: &str, version: &str) -> PathBuf {
        let go = folder.join(name);
        fs::write(&go, format!("#!/bin/sh\nprintf '%s\\n%s\\n' /opt/{name} '{version}'\n")).unwrap();
        fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
        go
    }

    #[test]
    fn an_old_go_is_passed_over_for_one_that_marks_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let old = stand_in(folder.path(), "old", "go1.19.8");
        let new = stand_in(folder.path(), "new", "go1.23.5 X:rangefunc");
        let found = Compiler::first([old, new].into_iter()).unwrap();
        assert_eq!(found, Compiler { root: PathBuf::from("/opt/new"), version: "1.23.5".to_owned() });
    }

    #[test]
    fn without_a_go_that_can_be_used_it_is_said_what_is_there_and_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let said = Compiler::first([stand_in(folder.path(), "old", "go1.19.8")].into_iter()).unwrap_err().to_string();
        assert!(said.contains("is Go 1.19.8") && said.contains("bookworm-backports"), "{said}");
        let said = Compiler::first(std::iter::empty()).unwrap_err().to_string();
        assert!(said.contains("no Go on this machine"), "{said}");
    }

    #[test]
    fn settings_of_the_user_change_no_build_and_say_where_modules_come_from() {
        let mut command = Command::new("go");
        let names = ["GOFLAGS", "GOAMD64", "GOCACHEPROG", "CGO_LDFLAGS", "GOPROXY", "PATH"];
        sealed(&mut command, names.into_iter().map(OsString::from));
        let set: BTreeMap<_, _> = command.get_envs().collect();
        let of = |name: &str| set.get(OsStr::new(name)).map(|value| value.map(OsStr::to_os_string));
        for gone in ["GOAMD64", "GOCACHEPROG", "CGO_LDFLAGS"] {
            assert_eq!(of(gone), Some(None), "{gone}");
        }
        assert_eq!((of("GOPROXY"), of("PATH")), (None, None));
        assert_eq!((of("GOFLAGS"), of("CGO_ENABLED")), (Some(Some("".into())), Some(Some("0".into()))));
    }

    #[test]
    fn minor_versions_are_numbers() {
        let versions = ["1.9", "1.23.5", "1.24rc1", "2.0", "tip"];
        assert_eq!(versions.map(minor), [Some(9), Some(23), Some(24), None, None]);
    }
}
