//! The project under test as an environment sees it: its metadata and where its code is imported from, never its code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::built::{Found, built_part, contents};
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
            // What is ours is not the project's: pytest would take a module that stands here for a part of the project's plugin.
            let mut record = String::new();
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

/// Metadata out of an unpacked wheel, the folder of `tree` that its modules came from, and what the tree does not hold of it.
pub(super) fn read_wheel(unpacked: &Path, tree: &Path) -> Result<(ProjectMetadata, Found), EnvironmentError> {
    let failed = |why: String| EnvironmentError::Failed { doing: "reading the project's wheel".to_owned(), why };
    let tops = fs::read_dir(unpacked).map_err(|error| failed(error.to_string()))?.filter_map(Result::ok);
    let info = tops
        .map(|entry| entry.path())
        .find(|path| path.is_dir() && path.extension().is_some_and(|ending| ending == "dist-info"))
        .ok_or_else(|| failed("it has no .dist-info".to_owned()))?;
    let dist_info = read_dist_info(&info)?;
    let requires = dist_info.files.get("METADATA").map(|text| required_lines(text)).unwrap_or_default();
    let contents = contents(unpacked)?;
    let import_root = match import_root(tree, &contents.modules()) {
        // Nothing of it is the tree's, as of a module that is Rust alone. It is imported from the top.
        Err(_) if contents.is_made_whole(tree) => String::new(),
        root => root?,
    };
    let found = built_part(&contents, tree, &import_root)?;
    Ok((ProjectMetadata { import_root, dist_info: Some(dist_info), requires, ..ProjectMetadata::default() }, found))
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
}
