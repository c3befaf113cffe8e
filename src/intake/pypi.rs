//! Two source releases of a package in the Python package index, fetched by name and unpacked side by side.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use thiserror::Error;

const FETCH: &str = include_str!("fetch_sdist.py");
/// Exit status of the script when pip is not as it knows it.
const UNKNOWN_PIP: i32 = 3;
/// Bounds of one release: beyond them it is not source code to train on.
const MOST_BYTES: u64 = 1 << 30;
const MOST_FILES: u64 = 100_000;

/// Why a release could not be had.
#[derive(Debug, Error)]
pub enum PypiError {
    #[error("{what} {text:?} holds something other than letters, digits and `.-_+!`")]
    BadName { what: &'static str, text: String },
    #[error("running pip with {python}: {why}; install pip (Debian: python3-pip), or name another interpreter")]
    NoPip { python: String, why: String },
    #[error(
        "pip found no source release of {package} {version} ({why}); check name and version, and that pip reaches its \
         index: `{python} -m pip download --no-deps {package}=={version}`"
    )]
    NotFound { package: String, version: String, python: String, why: String },
    #[error("downloading {package} {version} with pip failed: {why}; try again, or check pip's network settings")]
    Download { package: String, version: String, why: String },
    #[error("{file}: {why}; such a release cannot be imported, use `assay import git` on a checkout of the project")]
    BadArchive { file: String, why: String },
    #[error("{doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

/// An unpacked source release.
#[derive(Debug)]
pub struct Release {
    pub version: String,
    /// The files, without the archive's top folder and without what the packaging tool generated.
    pub directory: PathBuf,
    pub metadata: Metadata,
}

/// What a release says about itself in `PKG-INFO`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// SPDX expression, if the release states one.
    pub license: Option<String>,
    /// Requirement lines, those of extras left out.
    pub requires: Vec<String>,
}

/// Two releases of one package.
#[derive(Debug)]
pub struct ReleasePair {
    pub name: String,
    pub old: Release,
    pub new: Release,
    /// Something the reader of the result should know, e.g. that pip had to run the package's build code.
    pub notes: Vec<String>,
    _scratch: TempDir,
}

/// Fetches two source releases with `python -m pip`'s own index settings and unpacks them below a scratch directory
/// that lives as long as the pair. Nothing of the package runs, unless this pip is one whose inside is unknown here;
/// then `pip download` is used, which runs its build code, and a note says so.
pub fn fetch_pair(name: &str, old: &str, new: &str) -> Result<ReleasePair, PypiError> {
    fetch_pair_with("python3", name, old, new)
}

fn fetch_pair_with(python: &str, name: &str, old: &str, new: &str) -> Result<ReleasePair, PypiError> {
    let scratch = tempfile::tempdir().map_err(|source| PypiError::Io {
        doing: "making a scratch directory in",
        path: std::env::temp_dir(),
        source,
    })?;
    check("package name", name)?;
    let mut notes = Vec::new();
    let mut release = |version: &str| -> Result<Release, PypiError> {
        check("version", version)?;
        let folder = scratch.path().join(version);
        let (downloads, directory) = (folder.join("download"), folder.join("tree"));
        for path in [&downloads, &directory] {
            fs::create_dir_all(path).map_err(io_error("making", path))?;
        }
        let archive = download(python, name, version, &downloads, &mut notes)?;
        let metadata = unpack(&archive, &directory)?;
        Ok(Release { version: version.to_owned(), directory, metadata })
    };
    let (old, new) = (release(old)?, release(new)?);
    notes.dedup();
    Ok(ReleasePair { name: name.to_owned(), old, new, notes, _scratch: scratch })
}

fn check(what: &'static str, text: &str) -> Result<(), PypiError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_+!".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain) {
        return Ok(());
    }
    Err(PypiError::BadName { what, text: text.to_owned() })
}

fn download(
    python: &str,
    name: &str,
    version: &str,
    into: &Path,
    notes: &mut Vec<String>,
) -> Result<PathBuf, PypiError> {
    let run = |command: &mut Command| {
        command.output().map_err(|error| PypiError::NoPip { python: python.to_owned(), why: error.to_string() })
    };
    let output = run(Command::new(python).args(["-c", FETCH, name, version]).arg(into))?;
    if output.status.code() == Some(UNKNOWN_PIP) {
        let wanted = format!("{name}=={version}");
        let fallback = run(Command::new(python)
            .args(["-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "-d"])
            .arg(into)
            .arg(wanted))?;
        let why = format!("{}{}", last_line(&output), last_line(&fallback));
        if why.contains("No module named pip") {
            return Err(PypiError::NoPip { python: python.to_owned(), why: "it has no module pip".to_owned() });
        }
        notes
            .push(format!("pip is unknown to this assay ({}), so it ran the build code of {name}", last_line(&output)));
        return downloaded(&fallback, python, name, version, into);
    }
    downloaded(&output, python, name, version, into)
}

fn downloaded(output: &Output, python: &str, name: &str, version: &str, into: &Path) -> Result<PathBuf, PypiError> {
    let (package, version, why) = (name.to_owned(), version.to_owned(), last_line(output));
    if output.status.code() == Some(4) || why.contains("No matching distribution") {
        return Err(PypiError::NotFound { package, version, python: python.to_owned(), why });
    }
    if !output.status.success() {
        return Err(PypiError::Download { package, version, why });
    }
    let mut files = fs::read_dir(into).map_err(io_error("reading", into))?;
    match files.next() {
        Some(file) => Ok(file.map_err(io_error("reading", into))?.path()),
        None => Err(PypiError::Download { package, version, why: "pip left no file".to_owned() }),
    }
}

/// The last line of standard error: of a Python trace the line that says what happened.
fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason given").trim().to_owned()
}

/// Unpacks a `.tar.gz` without its top folder. Refuses links, devices and paths that leave the folder; leaves out
/// `PKG-INFO` and `*.egg-info`, which every release differs in.
fn unpack(archive: &Path, into: &Path) -> Result<Metadata, PypiError> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bad = |why: String| PypiError::BadArchive { file: name.clone(), why };
    if !(name.ends_with(".tar.gz") || name.ends_with(".tgz")) {
        return Err(bad("is no .tar.gz".to_owned()));
    }
    let file = File::open(archive).map_err(io_error("opening", archive))?;
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut metadata = Metadata::default();
    let mut top: Option<String> = None;
    let (mut bytes, mut files) = (0, 0);
    for entry in tar.entries().map_err(|error| bad(error.to_string()))? {
        let mut entry = entry.map_err(|error| bad(error.to_string()))?;
        let path = entry.path().map_err(|error| bad(error.to_string()))?.into_owned();
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() || kind.is_dir() {
            continue;
        }
        if !kind.is_file() && !kind.is_contiguous() {
            return Err(bad(format!("holds {}, which is a link or a device", path.display())));
        }
        let (folder, inner) =
            inside(&path).ok_or_else(|| bad(format!("holds {}, which leaves its folder", path.display())))?;
        if top.get_or_insert_with(|| folder.clone()) != &folder {
            return Err(bad("holds more than one top folder".to_owned()));
        }
        bytes += entry.size();
        files += 1;
        if bytes > MOST_BYTES || files > MOST_FILES {
            return Err(bad(format!("is larger than {MOST_BYTES} bytes or {MOST_FILES} files")));
        }
        if inner == Path::new("PKG-INFO") {
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(|error| bad(error.to_string()))?;
            metadata = metadata_of(&String::from_utf8_lossy(&text));
            continue;
        }
        if inner.iter().any(|part| part.to_string_lossy().ends_with(".egg-info")) {
            continue;
        }
        let executable = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
        write(&mut entry, &into.join(inner), executable)?;
    }
    if files == 0 {
        return Err(bad("holds no files".to_owned()));
    }
    Ok(metadata)
}

/// The top folder and the path below it; `None` if the path does not lie below a folder.
fn inside(path: &Path) -> Option<(String, PathBuf)> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    let (folder, inner) = parts.split_first()?;
    if inner.is_empty() {
        return None;
    }
    Some((folder.to_string_lossy().into_owned(), inner.iter().collect()))
}

/// Writes a new file; a second entry of one path replaces the first, as unpacking does.
fn write(content: &mut impl Read, path: &Path, executable: bool) -> Result<(), PypiError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io_error("making", parent))?;
    }
    let mode = if executable { 0o755 } else { 0o644 };
    let mut options = File::options();
    let mut file =
        options.write(true).create(true).truncate(true).mode(mode).open(path).map_err(io_error("writing", path))?;
    io::copy(content, &mut file).map_err(io_error("writing", path))?;
    Ok(())
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PypiError {
    let path = path.to_owned();
    move |source| PypiError::Io { doing, path, source }
}

/// Reads the header of a `PKG-INFO` file.
fn metadata_of(text: &str) -> Metadata {
    let mut metadata = Metadata::default();
    for line in text.lines().take_while(|line| !line.is_empty()) {
        match line.split_once(": ") {
            Some(("License-Expression", value)) => metadata.license = Some(value.trim().to_owned()),
            Some(("Requires-Dist", value)) => {
                let marker = value.split_once(';').map_or("", |(_, marker)| marker);
                if !marker.contains("extra") {
                    metadata.requires.push(value.trim().to_owned());
                }
            }
            _ => {}
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, tar::EntryType)]) -> (TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x-1.tar.gz");
        let packer = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        let mut builder = tar::Builder::new(packer);
        for (name, kind) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(if name.ends_with(".sh") { 0o755 } else { 0o644 });
            header.set_size(if kind.is_file() { 4 } else { 0 });
            if kind.is_symlink() {
                header.set_link_name("../../etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, if kind.is_file() { &b"text"[..] } else { &b""[..] }).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        (home, path)
    }

    #[test]
    fn a_release_unpacks_without_top_folder_and_generated_metadata() {
        let file = tar::EntryType::Regular;
        let (home, path) = archive(&[
            ("x-1", tar::EntryType::Directory),
            ("x-1/PKG-INFO", file),
            ("x-1/src/x.egg-info/PKG-INFO", file),
            ("x-1/src/x.py", file),
            ("x-1/run.sh", file),
        ]);
        let tree = home.path().join("tree");
        unpack(&path, &tree).unwrap();
        let mut found: Vec<_> = walkdir::WalkDir::new(&tree)
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| entry.path().strip_prefix(&tree).unwrap().display().to_string())
            .collect();
        found.sort();
        assert_eq!(found, ["run.sh", "src/x.py"]);
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(tree.join("run.sh")).unwrap().permissions());
        assert_eq!(mode & 0o100, 0o100);
    }

    #[test]
    fn archives_that_reach_outside_are_refused() {
        let file = tar::EntryType::Regular;
        let table: [(&[(&str, tar::EntryType)], &str); 6] = [
            (&[("x-1/../../evil", file)], "leaves its folder"),
            (&[("/etc/evil", file)], "leaves its folder"),
            (&[("x-1/link", tar::EntryType::Symlink)], "a link"),
            (&[("x-1/dev", tar::EntryType::Char)], "a device"),
            (&[("x-1/a", file), ("y-1/a", file)], "more than one top folder"),
            (&[], "no files"),
        ];
        for (entries, why) in table {
            let (home, path) = archive(entries);
            let error = unpack(&path, &home.path().join("tree")).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("x-1.tar.gz"), "{error}");
            assert!(!home.path().join("evil").exists());
        }
    }

    #[test]
    fn metadata_says_licence_and_requirements_without_extras() {
        let text = "Name: x\nLicense-Expression: BSD-3-Clause\nRequires-Dist: markupsafe>=2.0\n\
                    Requires-Dist: babel>=2.7; extra == \"i18n\"\n\nRequires-Dist: not a header\n";
        let metadata = metadata_of(text);
        assert_eq!(metadata.license.as_deref(), Some("BSD-3-Clause"));
        assert_eq!(metadata.requires, ["markupsafe>=2.0"]);
    }

    #[test]
    fn names_that_pip_could_read_as_options_are_refused() {
        for name in ["-r", "", "a b", "a;b", "../x"] {
            assert!(matches!(check("package name", name), Err(PypiError::BadName { .. })), "{name}");
        }
        check("version", "1!2.0.post1+local").unwrap();
    }

    #[test]
    fn an_interpreter_without_pip_is_an_error_with_the_next_step() {
        let error = fetch_pair_with("/no/such/python", "x", "1", "2").unwrap_err().to_string();
        assert!(error.contains("/no/such/python") && error.contains("install pip"), "{error}");
    }
}
