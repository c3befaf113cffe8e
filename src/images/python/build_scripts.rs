//! What the scripts and settings of a build say, and so which copied files they read too.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

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
/// Scripts that others name are read up to this number.
const MOST_NAMED: usize = 200;

/// What the scripts of a build say.
pub(super) struct Scripts {
    code: String,
    settings: String,
}

impl Scripts {
    /// Those of known names, and those that they name in turn.
    pub fn read(tree: &Path) -> Self {
        let mut scripts = Self { code: String::new(), settings: String::new() };
        let mut waiting = Vec::new();
        for entry in WalkDir::new(tree).max_depth(3).into_iter().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if SCRIPTS.contains(&name.as_str()) && entry.file_type().is_file() {
                waiting.push(entry.into_path());
            }
        }
        let mut known: BTreeSet<_> = waiting.iter().cloned().collect();
        let most = known.len() + MOST_NAMED;
        while let Some(path) = waiting.pop() {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
            let settings = matches!(ending(&path), "toml" | "cfg");
            // Settings of other tools name files that no build runs.
            let said = if settings { Python.build_sections(&name_of(&path), &text) } else { None };
            for script in named_scripts(tree, &path, said.as_ref().unwrap_or(&text)) {
                if known.len() < most && known.insert(script.clone()) {
                    waiting.push(script);
                }
            }
            let of = if settings { &mut scripts.settings } else { &mut scripts.code };
            of.push_str(&text);
            of.push('\n');
        }
        scripts
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
    let inside = |word: &String| {
        let mut parts = word.trim_start_matches("./").split('/');
        !word.starts_with('/') && parts.clone().all(|part| part != "..") && !parts.next_back().is_some_and(is_version)
    };
    let found = words.chain(own_backend(of, text)).filter(inside);
    found.flat_map(|word| [tree.join(&word), beside.join(&word)]).filter(|path| path.is_file()).collect()
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
