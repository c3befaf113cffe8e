//! A recipe: how an environment is made. One folder of `sandboxes/` each; two come with the tool.

use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

use crate::trial::Limits;

/// A folder of `sandboxes/`: `recipe.toml` and `Dockerfile`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    pub name: String,
    pub description: String,
    /// Docker base image, unless `ASSAY_DOCKER_BASE` names another.
    pub base: String,
    /// Adapter that runs suites in this environment unless an instance names one.
    pub framework: String,
    /// pip requirement lines.
    pub requirements: Vec<String>,
    pub project: ProjectMode,
    pub limits: Limits,
    /// Text of the Dockerfile.
    pub dockerfile: String,
}

/// How the project under test becomes importable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectMode {
    /// Its `*.dist-info` is installed, its code is imported from the work directory.
    Metadata,
    /// Its code is imported from the work directory; nothing is built.
    Path,
}

/// A recipe that cannot be used.
#[derive(Debug, Error)]
pub enum RecipeError {
    #[error("recipe {name:?} is not known; known are {known}; `--recipes DIR` reads others from DIR/NAME/recipe.toml")]
    Unknown { name: String, known: String },
    #[error("cannot read {path}: {why}")]
    Unreadable { path: String, why: String },
    #[error("{path}: {why}")]
    Invalid { path: String, why: String },
}

const EMBEDDED: [(&str, &str, &str); 2] = [
    (
        "python-pytest",
        include_str!("../../sandboxes/python-pytest/recipe.toml"),
        include_str!("../../sandboxes/python-pytest/Dockerfile"),
    ),
    (
        "python-stdlib",
        include_str!("../../sandboxes/python-stdlib/recipe.toml"),
        include_str!("../../sandboxes/python-stdlib/Dockerfile"),
    ),
];

impl Recipe {
    /// Base images of the recipes that come with the tool.
    pub fn bases() -> Vec<String> {
        let mut bases: Vec<String> =
            EMBEDDED.iter().filter_map(|(name, ..)| Self::find(name, None).ok()).map(|recipe| recipe.base).collect();
        bases.sort();
        bases.dedup();
        bases
    }

    /// The recipe of this name: from `folder` (`--recipes`) if it is there, else one that comes with the tool.
    pub fn find(name: &str, folder: Option<&Path>) -> Result<Self, RecipeError> {
        if let Some(own) = folder.map(|folder| folder.join(name)).filter(|own| own.join("recipe.toml").is_file()) {
            let recipe = read(&own.join("recipe.toml"))?;
            let dockerfile = read(&own.join("Dockerfile"))?;
            return parse(&own.join("recipe.toml").display().to_string(), &recipe, dockerfile);
        }
        let Some((_, recipe, dockerfile)) = EMBEDDED.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<&str> = EMBEDDED.iter().map(|(known, ..)| *known).collect();
            return Err(RecipeError::Unknown { name: name.to_owned(), known: known.join(", ") });
        };
        parse(&format!("sandboxes/{name}/recipe.toml"), recipe, (*dockerfile).to_owned())
    }
}

fn read(path: &Path) -> Result<String, RecipeError> {
    std::fs::read_to_string(path)
        .map_err(|error| RecipeError::Unreadable { path: path.display().to_string(), why: error.to_string() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeFile {
    name: String,
    description: String,
    base: String,
    framework: String,
    requirements: Vec<String>,
    project: ProjectMode,
    #[serde(default)]
    limits: LimitsTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsTable {
    deadline_s: Option<u64>,
    memory_mib: Option<u64>,
    pids: Option<u64>,
    cpus: Option<f64>,
    disk_mib: Option<u64>,
}

fn parse(path: &str, text: &str, dockerfile: String) -> Result<Recipe, RecipeError> {
    let invalid = |why: String| RecipeError::Invalid { path: path.to_owned(), why };
    let file: RecipeFile = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let default = Limits::default();
    let cpu_millis = match file.limits.cpus {
        None => default.cpu_millis,
        Some(cpus) if (0.05..=1024.0).contains(&cpus) => (cpus * 1000.0).round() as u64,
        Some(cpus) => return Err(invalid(format!("limits.cpus is {cpus}; give between 0.05 and 1024"))),
    };
    for (name, value) in [
        ("deadline_s", file.limits.deadline_s),
        ("memory_mib", file.limits.memory_mib),
        ("pids", file.limits.pids),
        ("disk_mib", file.limits.disk_mib),
    ] {
        if value.is_some_and(|value| value == 0 || value > 1 << 40) {
            return Err(invalid(format!("limits.{name} is {}; give a positive number", value.unwrap_or(0))));
        }
    }
    Ok(Recipe {
        name: file.name,
        description: file.description,
        base: file.base,
        framework: file.framework,
        requirements: file.requirements,
        project: file.project,
        limits: Limits {
            deadline_ms: file.limits.deadline_s.map_or(default.deadline_ms, |seconds| seconds * 1000),
            memory_bytes: file.limits.memory_mib.map_or(default.memory_bytes, |mib| mib << 20),
            pids: file.limits.pids.unwrap_or(default.pids),
            cpu_millis,
            disk_bytes: file.limits.disk_mib.map_or(default.disk_bytes, |mib| mib << 20),
            ..default
        },
        dockerfile,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_recipes_read_and_bear_their_folder_names() {
        for (name, ..) in EMBEDDED {
            let recipe = Recipe::find(name, None).unwrap();
            assert_eq!(recipe.name, name);
            assert!(recipe.dockerfile.contains("ARG BASE"));
        }
        assert_eq!(Recipe::find("python-pytest", None).unwrap().limits, Limits::default());
    }

    #[test]
    fn an_unknown_recipe_is_refused_with_the_known_ones() {
        let error = Recipe::find("nope", None).unwrap_err().to_string();
        assert!(error.contains("nope") && error.contains("python-stdlib"), "{error}");
    }

    #[test]
    fn a_folder_of_recipes_goes_before_the_embedded_ones_and_a_mistake_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("python-pytest");
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("Dockerfile"), "ARG BASE\nFROM ${BASE}\n").unwrap();
        std::fs::write(own.join("recipe.toml"), "name = 'python-pytest'\nspeed = 9\n").unwrap();
        let error = Recipe::find("python-pytest", Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("recipe.toml") && error.contains("speed"), "{error}");
        assert!(Recipe::find("python-stdlib", Some(folder.path())).is_ok());
    }
}
