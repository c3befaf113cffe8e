//! The project under test as an environment sees it: its metadata and where its code is imported from, never its code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::environment::Environments;
use super::interpreter::PipMode;
use super::recipe::ProjectMode;
use crate::images::environment_error::EnvironmentError;

/// What an environment needs to know of a project. Part of the environment's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectMetadata {
    /// Folder below the work directory that goes on `sys.path`; empty for the work directory itself.
    pub import_root: String,
    /// The project's `*.dist-info`; absent if the tree has no packaging metadata.
    pub dist_info: Option<DistInfo>,
    /// What the project itself requires at run time, as requirement lines.
    pub requires: Vec<String>,
    /// Top-level modules that its tree holds: nothing else in the environment may bring them. Follows from the tree, so it is
    /// no part of the environment's name.
    #[serde(skip)]
    pub modules: Vec<String>,
}

/// A `*.dist-info` folder: what `importlib.metadata` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistInfo {
    /// Folder name, e.g. `jinja2-3.1.6.dist-info`.
    pub folder: String,
    pub files: BTreeMap<String, String>,
}

/// Runs at the start of every Python of the environment; alone, a `.pth` that names a folder would let a `sitecustomize`
/// in that folder run.
const START_UP: &str = include_str!("../../../sandboxes/reporters/assay_site.py");
const START_UP_LINE: &str = "assay-project.pth";

const KEPT: [&str; 4] = ["METADATA", "WHEEL", "entry_points.txt", "top_level.txt"];

impl ProjectMetadata {
    /// The normalised name of the distribution, if the tree has packaging metadata.
    pub fn name(&self) -> Option<String> {
        let folder = &self.dist_info.as_ref()?.folder;
        folder.split('-').next().map(normalised)
    }

    /// Files below `site-packages` that make the project known there: its `*.dist-info`, and what makes its code
    /// importable at start-up.
    pub fn site_files(&self, workdir: &str) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let root =
            if self.import_root.is_empty() { workdir.to_owned() } else { format!("{workdir}/{}", self.import_root) };
        files.insert(START_UP_LINE.to_owned(), "import assay_site\n".to_owned());
        let start_up = START_UP.replace("@WORKDIR@", workdir).replace("@PROJECT@", &root);
        files.insert("assay_site.py".to_owned(), start_up);
        if let Some(info) = &self.dist_info {
            let mut record = format!("{START_UP_LINE},,\nassay_site.py,,\n");
            for (name, text) in &info.files {
                files.insert(format!("{}/{name}", info.folder), text.clone());
                record.push_str(&format!("{}/{name},,\n", info.folder));
            }
            record.push_str(&format!("{}/RECORD,,\n", info.folder));
            files.insert(format!("{}/RECORD", info.folder), record);
            files.insert(format!("{}/INSTALLER", info.folder), "assay\n".to_owned());
        }
        files
    }
}

impl Environments {
    /// What the project in a tree looks like to its environment. `checkout` writes the tree into an empty folder and is
    /// called only if this tree (named by `tree_id`) was not seen before. Building the metadata may need the package index.
    pub fn project(
        &self,
        mode: ProjectMode,
        tree_id: &str,
        checkout: impl FnOnce(&Path) -> anyhow::Result<()>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<ProjectMetadata, EnvironmentError> {
        let name = crate::model::digest::Digest::of_json(&(
            tree_id,
            &self.interpreter.minor,
            mode == ProjectMode::Metadata,
            1,
        ));
        if let Some(bytes) = self.cache.read("projects", name.as_str())?
            && let Ok(known) = serde_json::from_slice(&bytes)
        {
            return Ok(known);
        }
        let scratch = self.cache.scratch()?;
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).map_err(|error| EnvironmentError::io("making", &tree, &error))?;
        checkout(&tree).map_err(|error| EnvironmentError::Failed {
            doing: format!("checking out tree {tree_id}"),
            why: format!("{error:#}"),
        })?;
        let packaged = ["pyproject.toml", "setup.py"].iter().any(|file| tree.join(file).is_file());
        let project = if packaged && mode == ProjectMode::Metadata {
            progress("building the project's metadata");
            self.build_metadata(&tree, scratch.path())?
        } else {
            let import_root = if tree.join("src").is_dir() { "src".to_owned() } else { String::new() };
            ProjectMetadata { import_root, ..ProjectMetadata::default() }
        };
        let text = serde_json::to_vec(&project).map_err(|error| EnvironmentError::Failed {
            doing: "writing metadata".to_owned(),
            why: error.to_string(),
        })?;
        self.cache.write("projects", name.as_str(), &text)?;
        Ok(project)
    }

    fn build_metadata(&self, tree: &Path, scratch: &Path) -> Result<ProjectMetadata, EnvironmentError> {
        // Which Python the project asks for is held against its metadata afterwards. The build works on a copy: what it leaves in the tree must not be mistaken for the project's code.
        let built_in = scratch.join("build");
        copy_tree(tree, &built_in)?;
        let wheels = scratch.join("wheels");
        let env: &[(&str, &str)] = if version_is_in_git(tree) { &SOME_VERSION } else { &[] };
        let mut arguments: Vec<std::ffi::OsString> =
            ["wheel", "--quiet", "--no-deps", "--ignore-requires-python", "--wheel-dir"].map(Into::into).into();
        arguments.push(wheels.clone().into());
        arguments.push(built_in.clone().into());
        self.interpreter.pip(&self.cache, PipMode::Index { env }, "building the project's metadata", arguments)?;
        let wheel = fs::read_dir(&wheels)
            .map_err(|error| EnvironmentError::io("reading", &wheels, &error))?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
            .ok_or_else(|| EnvironmentError::Failed {
                doing: "building the project's metadata".to_owned(),
                why: "pip made no wheel".to_owned(),
            })?;
        let unpacked = scratch.join("unpacked");
        let output = self
            .interpreter
            .command(["-m", "zipfile", "-e"])
            .args([&wheel, &unpacked])
            .output()
            .map_err(|error| EnvironmentError::io("unpacking", &wheel, &error))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(EnvironmentError::Failed { doing: "unpacking the project's wheel".to_owned(), why });
        }
        read_wheel(&unpacked, tree)
    }
}

/// Without the history, a version that is read from git tags cannot be found; any serves.
const SOME_VERSION: [(&str, &str); 2] = [("SETUPTOOLS_SCM_PRETEND_VERSION", "0.0.0"), ("PBR_VERSION", "0.0.0")];

fn version_is_in_git(tree: &Path) -> bool {
    !tree.join("PKG-INFO").is_file()
        && ["pyproject.toml", "setup.cfg", "setup.py"].iter().any(|file| {
            fs::read_to_string(tree.join(file)).is_ok_and(|text| {
                ["setuptools_scm", "setuptools-scm", "hatch-vcs", "pbr"].iter().any(|tool| text.contains(tool))
            })
        })
}

/// Metadata out of an unpacked wheel, and the folder of `tree` that its modules came from.
fn read_wheel(unpacked: &Path, tree: &Path) -> Result<ProjectMetadata, EnvironmentError> {
    let mut modules = BTreeSet::new();
    let mut info = None;
    for entry in WalkDir::new(unpacked).sort_by_file_name() {
        let entry = entry.map_err(|error| EnvironmentError::Failed {
            doing: "reading the project's wheel".to_owned(),
            why: error.to_string(),
        })?;
        let inside = entry.path().strip_prefix(unpacked).unwrap_or(entry.path()).to_owned();
        let top =
            inside.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned()).unwrap_or_default();
        if entry.file_type().is_dir() {
            if inside.components().count() == 1 && top.ends_with(".dist-info") {
                info = Some(entry.path().to_owned());
            }
            continue;
        }
        if top.ends_with(".dist-info") {
            continue;
        }
        let inside: PathBuf = if top.ends_with(".data") { inside.components().skip(2).collect() } else { inside };
        match inside.extension().and_then(|extension| extension.to_str()) {
            Some("so" | "pyd" | "dylib") => {
                return Err(EnvironmentError::Unsupported(format!(
                    "the project has a compiled module ({}), so its code cannot be imported from the work directory; name a \
                     ready Docker image in the instance's environment.image",
                    inside.display()
                )));
            }
            Some("py") => {
                modules.insert(inside);
            }
            _ => {}
        }
    }
    let info = info.ok_or_else(|| EnvironmentError::Failed {
        doing: "reading the project's wheel".to_owned(),
        why: "it has no .dist-info".to_owned(),
    })?;
    let dist_info = read_dist_info(&info)?;
    let requires = dist_info.files.get("METADATA").map(|text| required_lines(text)).unwrap_or_default();
    let import_root = import_root(tree, &modules)?;
    Ok(ProjectMetadata { import_root, dist_info: Some(dist_info), requires, ..ProjectMetadata::default() })
}

fn read_dist_info(info: &Path) -> Result<DistInfo, EnvironmentError> {
    let mut files = BTreeMap::new();
    for name in KEPT {
        let path = info.join(name);
        if path.is_file() {
            let text = fs::read_to_string(&path).map_err(|error| EnvironmentError::io("reading", &path, &error))?;
            files.insert(name.to_owned(), text);
        }
    }
    let folder = info.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(DistInfo { folder, files })
}

/// The folder under which the tree holds most of the wheel's modules; `src` and the top go first.
fn import_root(tree: &Path, modules: &BTreeSet<PathBuf>) -> Result<String, EnvironmentError> {
    let mut roots = vec![PathBuf::from("src"), PathBuf::new()];
    for entry in WalkDir::new(tree).min_depth(1).max_depth(2).sort_by_file_name().into_iter().filter_map(Result::ok) {
        if entry.file_type().is_dir()
            && let Ok(inside) = entry.path().strip_prefix(tree)
            && !inside.starts_with(".git")
            && inside != Path::new("src")
        {
            roots.push(inside.to_owned());
        }
    }
    let held = |root: &Path| modules.iter().filter(|module| tree.join(root).join(module).is_file()).count();
    let mut best: Option<(usize, PathBuf)> = None;
    for root in roots {
        let count = held(&root);
        if count > best.as_ref().map_or(0, |(most, _)| *most) {
            best = Some((count, root));
        }
    }
    match best {
        Some((_, root)) => Ok(root.display().to_string()),
        None if modules.is_empty() => Ok(String::new()),
        None => Err(EnvironmentError::Unsupported(
            "no folder of the tree holds the modules of the project's wheel, so it cannot be imported from the work \
             directory; name a ready Docker image in the instance's environment.image"
                .to_owned(),
        )),
    }
}

/// `Requires-Dist` of a METADATA file, without what only extras need.
fn required_lines(metadata: &str) -> Vec<String> {
    metadata
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("Requires-Dist:"))
        .filter(|line| !line.split_once(';').is_some_and(|(_, marker)| marker.contains("extra")))
        .map(|line| line.trim().to_owned())
        .collect()
}

/// A distribution name in the form in which two spellings are equal.
pub(crate) fn normalised(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for letter in name.chars() {
        let letter = if matches!(letter, '.' | '_' | '-') { '-' } else { letter.to_ascii_lowercase() };
        if letter != '-' || !normal.ends_with('-') {
            normal.push(letter);
        }
    }
    normal
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_of_extras_are_left_out() {
        let text = "Name: x\nRequires-Dist: MarkupSafe>=2.0\nRequires-Dist: Babel>=2.7 ; extra == 'i18n'\n\
                    Requires-Dist: tomli; python_version < '3.11'\n\nRequires-Dist: body\n";
        assert_eq!(required_lines(text), ["MarkupSafe>=2.0", "tomli; python_version < '3.11'"]);
    }

    #[test]
    fn spellings_of_a_name_are_equal() {
        for spelling in ["Foo.Bar_baz", "foo-bar-baz", "foo__bar..BAZ"] {
            assert_eq!(normalised(spelling), "foo-bar-baz");
        }
    }

    #[test]
    fn the_import_root_is_where_the_wheels_modules_live() {
        for (root, expected) in [("src", "src"), (".", ""), ("python/lib", "python/lib")] {
            let tree = tempfile::tempdir().unwrap();
            let package = tree.path().join(root).join("p");
            fs::create_dir_all(&package).unwrap();
            fs::write(package.join("__init__.py"), "").unwrap();
            fs::write(tree.path().join("setup.py"), "").unwrap();
            let modules = BTreeSet::from([PathBuf::from("p/__init__.py"), PathBuf::from("p/_version.py")]);
            assert_eq!(import_root(tree.path(), &modules).unwrap(), expected);
        }
        let empty = tempfile::tempdir().unwrap();
        let error = import_root(empty.path(), &BTreeSet::from([PathBuf::from("p.py")])).unwrap_err();
        assert!(error.to_string().contains("environment.image"));
    }

    #[test]
    fn a_compiled_project_is_refused_with_what_to_do() {
        let wheel = tempfile::tempdir().unwrap();
        fs::create_dir(wheel.path().join("p-1.dist-info")).unwrap();
        fs::write(wheel.path().join("p.cpython-311-x86_64-linux-gnu.so"), "").unwrap();
        let error = read_wheel(wheel.path(), wheel.path()).unwrap_err();
        assert!(matches!(error, EnvironmentError::Unsupported(_)), "{error}");
    }
}
