//! A project made ready: built once per tree, then found. In: a tree. Out: its metadata, and what its build adds to the tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::build::Ground;
use super::built::is_compiled;
use super::environment::{Environments, write_below};
use super::project::{ProjectMetadata, read_wheel};
use super::recipe::ProjectMode;
use crate::images::built::Built;
use crate::images::environment_error::EnvironmentError;
use crate::model::built_part::BuiltPart;
use crate::model::digest::Digest;
use crate::sandbox::FileChange;

/// A project: what its environment needs to know, and what its build adds to its tree.
#[derive(Clone, Debug, Default)]
pub struct Project {
    pub metadata: ProjectMetadata,
    pub built: Option<BuiltPart>,
    /// Where the files of the built part are, by their paths in the tree.
    folder: PathBuf,
}

/// What is kept of a project.
#[derive(Serialize, Deserialize)]
struct Kept {
    metadata: ProjectMetadata,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    built: Option<BuiltPart>,
}

/// Raised when projects are built or kept differently, or when other files count as what they are built from.
const LAYOUT: u32 = 3;
const KEPT_NAME: &str = "project.json";
const FILES: &str = "files";

impl Project {
    /// A compiled file of the built part, if it has one.
    pub fn compiled(&self) -> Option<&str> {
        let mut files = self.built.iter().flat_map(|part| &part.files).map(String::as_str);
        files.find(|path| is_compiled(Path::new(path)))
    }

    /// The built part with its files.
    pub fn built(&self) -> Result<Option<Built>, EnvironmentError> {
        let Some(part) = &self.built else { return Ok(None) };
        let mut files = Vec::new();
        for path in &part.files {
            let from = self.folder.join(FILES).join(path);
            let content = fs::read(&from).map_err(|error| EnvironmentError::io("reading", &from, &error))?;
            files.push(FileChange::Write { path: path.clone(), content: Arc::from(content), executable: false });
        }
        Ok(Some(Built { part: part.clone(), files }))
    }
}

impl Environments {
    /// What the project in a tree looks like to its environment, and what its build makes. `checkout` writes the tree into
    /// an empty folder and is called only if this tree (named by `tree_id`) was not built before. Building may need the package index.
    ///
    /// # Errors
    /// It cannot be built here, or read back.
    pub fn project(
        &self,
        mode: ProjectMode,
        tree_id: &str,
        ground: Ground<'_>,
        checkout: impl FnOnce(&Path) -> anyhow::Result<()>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Project, EnvironmentError> {
        let name = Digest::of_json(&(
            LAYOUT,
            tree_id,
            self.interpreter.identity(),
            mode == ProjectMode::Metadata,
            ground.version,
            ground.workshop.is_some(),
        ));
        let folder = self.cache.directory("built", name.as_str(), |making| {
            let scratch = self.cache.scratch()?;
            let tree = scratch.path().join("tree");
            fs::create_dir(&tree).map_err(|error| EnvironmentError::io("making", &tree, &error))?;
            checkout(&tree).map_err(|error| EnvironmentError::Failed {
                doing: format!("checking out tree {tree_id}"),
                why: format!("{error:#}"),
            })?;
            let packaged = ["pyproject.toml", "setup.py"].iter().any(|file| tree.join(file).is_file());
            let kept = if packaged && mode == ProjectMode::Metadata {
                progress("building the project's metadata");
                let unpacked = self.build(&tree, scratch.path(), ground, progress)?;
                let (metadata, found) = read_wheel(&unpacked, &tree)?;
                if let Some(left_out) = found.left_out.first() {
                    progress(&format!("leaves {left_out} and its like out, because the tree holds their source"));
                }
                for (path, from) in &found.files {
                    let bytes = fs::read(from).map_err(|error| EnvironmentError::io("reading", from, &error))?;
                    write_below(&making.join(FILES), path, &bytes)?;
                }
                Kept { metadata, built: (!found.files.is_empty()).then_some(found.part) }
            } else {
                let import_root = if tree.join("src").is_dir() { "src".to_owned() } else { String::new() };
                Kept { metadata: ProjectMetadata { import_root, ..ProjectMetadata::default() }, built: None }
            };
            let text = serde_json::to_vec(&kept).map_err(|error| EnvironmentError::Failed {
                doing: "writing metadata".to_owned(),
                why: error.to_string(),
            })?;
            write_below(making, KEPT_NAME, &text)
        })?;
        let path = folder.join(KEPT_NAME);
        let text = fs::read(&path).map_err(|error| EnvironmentError::io("reading", &path, &error))?;
        let Kept { metadata, built } = serde_json::from_slice(&text).map_err(|error| EnvironmentError::Failed {
            doing: format!("reading {}", path.display()),
            why: format!("{error}; delete {} and run again", folder.display()),
        })?;
        Ok(Project { metadata, built, folder })
    }
}
