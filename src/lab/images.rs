//! From an instance's environment to a sealed image, for the sandbox in use.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::instance::Environment;
use crate::sandbox::cache::Cache;
use crate::sandbox::docker::ImageRequest;
use crate::sandbox::environment::Environments;
use crate::sandbox::image::seal_host;
use crate::sandbox::recipe::Recipe;
use crate::sandbox::{Engine, Job, SandboxError, SealedImage};

/// What an image is made from.
pub(super) struct Order<'a> {
    pub environment: &'a Environment,
    /// Tree whose packaging metadata describes the project.
    pub base_tree: &'a str,
    /// Top-level modules of the project.
    pub modules: Vec<String>,
    /// Tree that the image holds at the work directory.
    pub layer_tree: &'a str,
    /// Writes a tree into an empty directory.
    pub checkout: &'a dyn Fn(&str, &Path) -> anyhow::Result<()>,
    /// The suite, run once so that bytecode is warm.
    pub warm_job: &'a dyn Fn(&SealedImage) -> anyhow::Result<Job>,
    pub say: &'a dyn Fn(&str),
}

/// Makes the image, or finds it in the cache.
pub(super) fn seal(engine: &Engine, cache: &Path, order: &Order) -> anyhow::Result<SealedImage> {
    let environment = order.environment;
    if let Some(image) = &environment.image {
        bail!(
            "it names the image {image}, and images of others are not supported yet; import it with a recipe instead"
        );
    }
    let recipe = Recipe::find(recipe_name(environment), None)?;
    let environments = Environments::open(Cache::open(cache)?, environment.python.as_deref())?;
    let mut progress = |message: &str| (order.say)(message);
    let base = |folder: &Path| (order.checkout)(order.base_tree, folder);
    let mut project = environments.project(recipe.project, order.base_tree, base, &mut progress)?;
    project.modules.clone_from(&order.modules);
    let layer = |folder: &Path| (order.checkout)(order.layer_tree, folder);
    let warm = |image: &SealedImage| -> Result<SealedImage, SandboxError> {
        (order.say)("running the suite once for warm bytecode");
        let job = (order.warm_job)(image)
            .map_err(|error| SandboxError::Failed { doing: "preparing the warm-up run", why: format!("{error:#}") })?;
        engine.sandbox().warm(image, &job)
    };
    let docker = match engine {
        Engine::Cell(_) => None,
        Engine::DockerCell(cells) => Some(cells.docker()),
        Engine::Container(docker) => Some(docker.as_ref()),
    };
    match docker {
        None => {
            let made = environments.provision(
                &recipe,
                &environment.requirements,
                Some(&project),
                &environment.workdir,
                &mut progress,
            )?;
            seal_host(environments.cache(), &made, order.layer_tree, layer, warm).context("cannot seal the image")
        }
        Some(docker) => {
            let request = ImageRequest {
                recipe: &recipe,
                requirements: &environment.requirements,
                project: Some(&project),
                tree_id: order.layer_tree,
                workdir: &environment.workdir,
            };
            docker
                .seal(&environments, &request, layer, warm, &mut |message: &str| (order.say)(message))
                .context("cannot seal the image")
        }
    }
}

fn recipe_name(environment: &Environment) -> &str {
    match (&environment.recipe, environment.framework.as_str()) {
        (Some(recipe), _) => recipe,
        (None, "unittest") => "python-stdlib",
        (None, _) => "python-pytest",
    }
}
