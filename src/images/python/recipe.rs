//! A recipe: how a Python environment is made. One folder of `sandboxes/` each; two come with the tool.

use serde::Deserialize;
use thiserror::Error;

use crate::images::environment_error::EnvironmentError;

/// A folder of `sandboxes/`: `recipe.toml` and `Dockerfile`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    pub name: String,
    /// Docker base image, unless `ASSAY_DOCKER_BASE` names another.
    pub base: String,
    /// pip requirement lines.
    pub requirements: Vec<String>,
    /// Lines for older versions that will do where `requirements` contradict what a project declares for its tests.
    pub older: Vec<String>,
    pub project: ProjectMode,
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
    #[error("recipe {name:?} is not known; set `environment.recipe` to one of {known}, or name an image")]
    Unknown { name: String, known: String },
    #[error("{path}: {why}")]
    Invalid { path: String, why: String },
}

impl From<RecipeError> for EnvironmentError {
    fn from(error: RecipeError) -> Self {
        Self::Unsupported(error.to_string())
    }
}

const EMBEDDED: [(&str, &str, &str); 2] = [
    (
        "python-pytest",
        include_str!("../../../sandboxes/python-pytest/recipe.toml"),
        include_str!("../../../sandboxes/python-pytest/Dockerfile"),
    ),
    (
        "python-stdlib",
        include_str!("../../../sandboxes/python-stdlib/recipe.toml"),
        include_str!("../../../sandboxes/python-stdlib/Dockerfile"),
    ),
];

impl Recipe {
    /// Base images of the recipes that come with the tool.
    pub fn bases() -> Vec<String> {
        let mut bases: Vec<String> =
            EMBEDDED.iter().filter_map(|(name, ..)| Self::find(name).ok()).map(|recipe| recipe.base).collect();
        bases.sort();
        bases.dedup();
        bases
    }

    /// The recipe of this name among those that come with the tool.
    pub fn find(name: &str) -> Result<Self, RecipeError> {
        let Some((_, recipe, dockerfile)) = EMBEDDED.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<&str> = EMBEDDED.iter().map(|(known, ..)| *known).collect();
            return Err(RecipeError::Unknown { name: name.to_owned(), known: known.join(", ") });
        };
        parse(&format!("sandboxes/{name}/recipe.toml"), recipe, (*dockerfile).to_owned())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeFile {
    name: String,
    base: String,
    requirements: Vec<String>,
    #[serde(default)]
    older: Vec<String>,
    project: ProjectMode,
}

fn parse(path: &str, text: &str, dockerfile: String) -> Result<Recipe, RecipeError> {
    let invalid = |why: String| RecipeError::Invalid { path: path.to_owned(), why };
    let RecipeFile { name, base, requirements, older, project } =
        toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
    Ok(Recipe { name, base, requirements, older, project, dockerfile })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_recipes_read_and_bear_their_folder_names() {
        for (name, ..) in EMBEDDED {
            let recipe = Recipe::find(name).unwrap();
            assert_eq!(recipe.name, name);
            assert!(recipe.dockerfile.contains("ARG BASE"));
        }
    }

    #[test]
    fn an_unknown_recipe_is_refused_with_the_known_ones() {
        let error = Recipe::find("nope").unwrap_err().to_string();
        assert!(error.contains("nope") && error.contains("python-stdlib"), "{error}");
    }

    #[test]
    fn a_setting_that_nothing_reads_is_refused_with_the_name_of_the_file() {
        let recipe = "name = 'quick'\nbase = 'b'\nrequirements = []\nproject = 'path'\n[limits]\ncpus = 2.0\n";
        let error = parse("quick/recipe.toml", recipe, String::new()).unwrap_err().to_string();
        assert!(error.contains("quick/recipe.toml") && error.contains("limits"), "{error}");
    }
}
