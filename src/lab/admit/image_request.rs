//! From an instance's environment to a sealed image, for the sandbox in use.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::site_builder::SiteBuilder;
use crate::images::cache::Cache;
use crate::images::inventory;
use crate::images::python::environment::Environments;
use crate::images::recipe::Recipe;
use crate::images::seal_docker::ImageRequest;
use crate::images::seal_host::seal_host;
use crate::lab::run::pool;
use crate::lab::{Lab, Located};
use crate::model::digest::Digest;
use crate::model::instance::Environment;
use crate::sandbox::docker::Docker;
use crate::sandbox::{Engine, Job, SandboxError, SealedImage};

/// What an image is made from.
pub(crate) struct Order<'a> {
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

/// The sealed image of an instance, or why there is none.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    pub instance_id: String,
    pub image: Option<Digest>,
    pub refusal: Option<String>,
}

impl Lab<'_> {
    /// Makes the sealed images of instances without running anything but their warm-up.
    pub fn make_images(&self, instances: &[Located]) -> anyhow::Result<Vec<Made>> {
        let stage = self.console.stage("images", instances.len() as u64);
        pool::map(self.settings.workers, instances, |located| {
            self.check_interrupt()?;
            let made = SiteBuilder::new(self, located).make_image()?;
            stage.step();
            Ok(made)
        })
    }
}

/// Remembers who used an image, and makes room for it if there is a budget.
pub(crate) fn used(lab: &Lab, image: &SealedImage, instance_id: &str) -> anyhow::Result<()> {
    let cache = Cache::open(&lab.settings.cache)?;
    cache.add_user(&image.digest, instance_id)?;
    let Some(budget) = lab.settings.image_budget else { return Ok(()) };
    let (gone, left) =
        inventory::keep_to(&cache, docker_of(&lab.engine), budget).context("cannot make room for images")?;
    for image in gone {
        lab.console.say(format!("removed the image {} to keep to the budget", image.name));
    }
    if left > budget {
        lab.console.say(format!(
            "images take {} MiB, {} MiB more than --image-budget; the rest is in use",
            left >> 20,
            (left - budget).div_ceil(1 << 20)
        ));
    }
    Ok(())
}

/// The engine of images; `None` if cells run on this host.
pub(crate) fn docker_of(engine: &Engine) -> Option<&Docker> {
    match engine {
        Engine::Cell(_) => None,
        Engine::DockerCell(cells) => Some(cells.docker()),
        Engine::Container(docker) => Some(docker),
    }
}

/// Makes the image, or finds it in the cache.
pub(crate) fn seal(engine: &Engine, cache: &Path, order: &Order) -> anyhow::Result<SealedImage> {
    let environment = order.environment;
    let recipe = Recipe::find(recipe_name(environment))?;
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
    match docker_of(engine) {
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
