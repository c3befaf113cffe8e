//! What the scripts and settings of a build say, and so which copied files they read too.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use crate::images::environment_error::EnvironmentError;
use crate::language::python::imports::Imports;
use crate::language::{Language, python::Python};

/// Scripts and settings of builds.
const SCRIPTS: [&str; 9] = [
    "setup.py",
    "setup.cfg",
    "pyproject.toml",
    "hatch_build.py",
    "build.py",
    "_custom_build.py",
    "meson.build",
    "CMakeLists.txt",
    "build.rs",
];
/// Modules that a build reads for the version alone, which its metadata says.
pub(super) const VERSIONS: [&str; 7] =
    ["__init__.py", "_version.py", "version.py", "__about__.py", "__version__.py", "_about.py", "about.py"];
/// Scripts that include others of their name, folder by folder. Those of other names are looked for near the top alone.
const IN_EVERY_FOLDER: [&str; 2] = ["meson.build", "CMakeLists.txt"];
const NEAR: usize = 3;
/// Scripts that others name are read up to this number.
const MOST_NAMED: usize = 200;

/// What the scripts of a build say.
pub(super) struct Scripts {
    code: String,
    settings: String,
    /// Whether they are all that the build's scripts name.
    pub whole: bool,
}

impl Scripts {
    /// Those of known names, and those that they name or import in turn. What lies below `packages` is imported for the project's
    /// sake, so its imports are not followed.
    ///
    /// # Errors
    /// A file or folder of the tree cannot be read.
    pub fn read(tree: &Path, packages: &BTreeSet<PathBuf>) -> Result<Self, EnvironmentError> {
        let mut scripts = Self { code: String::new(), settings: String::new(), whole: true };
        let mut waiting = VecDeque::new();
        for path in files_below(tree)? {
            let (name, depth) = (name_of(&path), path.strip_prefix(tree).unwrap_or(&path).components().count());
            let near = depth <= NEAR || IN_EVERY_FOLDER.contains(&name.as_str());
            if near && SCRIPTS.contains(&name.as_str()) {
                waiting.push_back(path);
            }
        }
        let mut known: BTreeSet<_> = waiting.iter().cloned().collect();
        let most = known.len() + MOST_NAMED;
        while let Some(path) = waiting.pop_front() {
            let bytes = fs::read(&path).map_err(|error| EnvironmentError::io("reading", &path, &error))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let settings = matches!(ending(&path), "toml" | "cfg");
            // Settings of other tools name files that no build runs.
            let said = if settings { Python.build_sections(&name_of(&path), &text) } else { None };
            let said = said.as_ref().unwrap_or(&text);
            let mut named = named_scripts(tree, &path, said);
            if ending(&path) == "py" {
                let apart = |script: &PathBuf| !packages.iter().any(|top| script.starts_with(tree.join(top)));
                named.extend(imported_scripts(tree, &path, said).into_iter().filter(apart));
            }
            for script in named {
                scripts.whole &= known.len() < most || known.contains(&script);
                if known.len() < most && known.insert(script.clone()) {
                    waiting.push_back(script);
                }
            }
            let of = if settings { &mut scripts.settings } else { &mut scripts.code };
            of.push_str(&text);
            of.push('\n');
        }
        Ok(scripts)
    }

    /// Whether a script names a file or a folder.
    pub fn name(&self, name: &str) -> bool {
        self.code.contains(name) || self.settings.contains(&format!("{name}/"))
    }

    /// Whether a script reads a file that is copied, or imports it.
    pub fn read_file(&self, path: &Path, inside: &Path) -> bool {
        let name = name_of(path);
        let (path, inside) = (path.to_string_lossy(), inside.to_string_lossy());
        if VERSIONS.contains(&name.as_str()) {
            return false;
        }
        let named = self.code.contains(path.as_ref()) || self.settings.contains(path.as_ref());
        let Some(module) = inside.strip_suffix(".py").map(|module| module.replace('/', ".")) else {
            return named || self.code.contains(&name);
        };
        let imports = [format!("import {module}\n"), format!("import {module} "), format!("from {module} import")];
        named || imports.iter().any(|line| self.code.contains(line.as_str()))
    }
}

/// Python files of the tree that a text names, from the top or from beside itself, and the tree's own backend.
fn named_scripts(tree: &Path, of: &Path, text: &str) -> Vec<PathBuf> {
    let beside = of.parent().unwrap_or(tree);
    let between = |letter: char| !(letter.is_alphanumeric() || "._/-".contains(letter));
    let words = text.split(between).filter(|word| word.ends_with(".py")).map(str::to_owned);
    let found = words.chain(own_backend(of, text)).filter(|word| !is_version(word.rsplit('/').next().unwrap_or(word)));
    let places = found.flat_map(|word| [inside(tree, tree, &word), inside(tree, beside, &word)]);
    places.flatten().filter(|path| path.is_file()).collect()
}

/// Python files of the tree that a script imports, from the top or from beside itself.
fn imported_scripts(tree: &Path, of: &Path, text: &str) -> Vec<PathBuf> {
    let own = of.strip_prefix(tree).unwrap_or(of).to_string_lossy().into_owned();
    let Imports { absolute, relative } = Imports::of(&own, text);
    let beside = of.parent().unwrap_or(tree);
    let absolute = absolute.iter().flat_map(|name| [tree.join(name), beside.join(name)]);
    let stems = absolute.chain(relative.iter().map(|name| tree.join(name)));
    let files = stems.flat_map(|stem| [stem.with_extension("py"), stem.join("__init__.py")]);
    files.filter(|path| path.is_file()).collect()
}

/// A path of the tree that a word of a script in `folder` names. `None`: it leads out of the tree.
fn inside(tree: &Path, folder: &Path, word: &str) -> Option<PathBuf> {
    let mut found = folder.to_owned();
    for part in Path::new(word).components() {
        match part {
            Component::Normal(name) => found.push(name),
            Component::CurDir => {}
            Component::ParentDir if found != tree => drop(found.pop()),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(found)
}

/// Every file of a folder, by name.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn files_below(folder: &Path) -> Result<Vec<PathBuf>, EnvironmentError> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|error| EnvironmentError::Failed {
            doing: format!("reading {}", folder.display()),
            why: error.to_string(),
        })?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

fn is_version(name: &str) -> bool {
    VERSIONS.contains(&name)
}

/// The places where a `pyproject.toml` says that its backend is a module of the tree.
fn own_backend(of: &Path, text: &str) -> Vec<String> {
    let table = if name_of(of) == "pyproject.toml" { text.parse::<toml::Table>().ok() } else { None };
    let system = table.as_ref().and_then(|table| table.get("build-system"));
    let Some(system) = system else { return Vec::new() };
    let folders = system.get("backend-path").and_then(toml::Value::as_array).into_iter().flatten();
    let module = system.get("build-backend").and_then(toml::Value::as_str).unwrap_or_default();
    let file = format!("{}.py", module.split(':').next().unwrap_or_default().replace('.', "/"));
    folders.filter_map(toml::Value::as_str).map(|folder| format!("{folder}/{file}")).collect()
}

pub(super) fn ending(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
