//! A tool chain: everything about making and finding the environment of a language. In: an instance's environment and
//! trees. Out: what an image is made from, and the variables that its jobs get.
//!
//! A language's tool chain is a folder with its name here and one line in [`BUILT_IN`].

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::built::Built;
use super::cache::Cache;
use super::docker_build::DockerBuild;
use super::environment_error::EnvironmentError;
use super::go::toolchain::GoToolchain;
use super::inspector::Inspector;
use super::order::Order;
use super::provisioned::Provisioned;
use super::python::toolchain::PythonToolchain;
use crate::language::Files;
use crate::language::needs::{Asked, Needs};
use crate::model::instance::Environment;
use crate::model::layout::Layout;
use crate::sandbox::docker::Docker;

/// The tool chains that come with the tool.
const BUILT_IN: [&dyn Toolchain; 2] = [&PythonToolchain, &GoToolchain];

static REGISTERED: RwLock<Vec<&'static dyn Toolchain>> = RwLock::new(Vec::new());

/// Makes a tool chain of the caller's own known to this process. A language that has one keeps it.
pub fn register(toolchain: &'static dyn Toolchain) {
    if of_language(toolchain.language()).is_none() {
        REGISTERED.write().unwrap_or_else(PoisonError::into_inner).push(toolchain);
    }
}

/// The tool chain of a language ([`crate::runner::Runner::language`]), or `None` if there is none.
pub fn of_language(name: &str) -> Option<&'static dyn Toolchain> {
    all().into_iter().find(|toolchain| toolchain.language() == name)
}

/// All that are known.
pub fn all() -> Vec<&'static dyn Toolchain> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    BUILT_IN.iter().chain(registered.iter()).copied().collect()
}

/// A setting of an instance's environment that only some languages have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Recipe,
    Python,
    Requirements,
    /// What the project declares itself: `declared`, `extras` and `locks`.
    Declared,
}

impl Setting {
    const ALL: [Self; 4] = [Self::Recipe, Self::Python, Self::Requirements, Self::Declared];

    /// The name of the field.
    fn name(self) -> &'static str {
        match self {
            Self::Recipe => "recipe",
            Self::Python => "python",
            Self::Requirements => "requirements",
            Self::Declared => "declared",
        }
    }

    fn is_set(self, environment: &Environment) -> bool {
        match self {
            Self::Recipe => environment.recipe.is_some(),
            Self::Python => environment.python.is_some(),
            Self::Requirements => !environment.requirements.is_empty(),
            Self::Declared => {
                !(environment.declared.is_empty() && environment.extras.is_empty() && environment.locks.is_empty())
            }
        }
    }
}

/// How the listed test files are run once to fill caches that later runs profit from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmUp {
    /// What is said of it, as in "running test files once for warm bytecode".
    pub for_what: &'static str,
    /// Variables of the runner's command that would keep the caches from being written.
    pub without: &'static [&'static str],
}

/// Making and finding the environment of one language.
pub trait Toolchain: Send + Sync {
    /// The language ([`crate::runner::Runner::language`]).
    fn language(&self) -> &'static str;

    /// What people call the program that tests are run with.
    fn tool_name(&self) -> &'static str;

    /// Settings of an instance's environment that it honours. An instance that has another one is refused.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// What the tests of a project need beside the project, as its base tree declares it: only what was asked for, or what suits
    /// tests if nothing was. `environment` is what the user says of it.
    ///
    /// # Errors
    /// Something that was asked for is not there, or a fault of whoever keeps the files.
    fn needs(&self, files: &dyn Files, asked: &Asked, environment: &Environment) -> anyhow::Result<Needs> {
        let _ = (files, asked, environment);
        Ok(Needs::default())
    }

    /// What a build of the tree makes and the tree does not hold: compiled modules, generated sources. Built once, then
    /// found. `None`: nothing, and what the tree holds is what runs.
    ///
    /// # Errors
    /// It cannot be built here.
    fn built(&self, cache: &Cache, order: &Order, tree: &str) -> Result<Option<Built>, EnvironmentError> {
        let _ = (cache, order, tree);
        Ok(None)
    }

    /// Makes the environment ready for host cells, or finds it. A language whose tool is part of every host has nothing to
    /// make: its digest then names the tool's version.
    ///
    /// # Errors
    /// The host lacks something, or the environment would hold the answer.
    fn provision(&self, cache: &Cache, order: &Order) -> Result<Provisioned, EnvironmentError>;

    /// What an image of the Docker engine is built from.
    ///
    /// # Errors
    /// As [`Toolchain::provision`]. A tool chain that has no recipe for Docker says so.
    fn docker_build(&self, docker: &Docker, cache: &Cache, order: &Order) -> anyhow::Result<DockerBuild> {
        let _ = (docker, cache, order);
        Err(EnvironmentError::Unsupported(format!(
            "images of {} projects cannot be made in Docker; run with --sandbox cell",
            self.language()
        ))
        .into())
    }

    /// Docker images that [`Toolchain::docker_build`] starts from unless another one is named.
    fn docker_bases(&self) -> Vec<String> {
        Vec::new()
    }

    /// How images of others are looked into, if they can be.
    fn inspector(&self) -> Option<&dyn Inspector> {
        None
    }

    /// How test files are run once while an image is sealed; `None` if nothing would be kept of it.
    fn warm_up(&self) -> Option<WarmUp> {
        None
    }

    /// Names of folders that hold compiled files. They could stand for files that a candidate changes, so none of them is
    /// taken out of the work directory of an image of others.
    fn cache_folders(&self) -> &'static [&'static str] {
        &[]
    }

    /// Variables that follow from the paths of the base tree: a candidate's files must not decide them. An instance may set
    /// them otherwise.
    fn variables(&self, base_paths: &[String]) -> BTreeMap<String, String> {
        let _ = base_paths;
        BTreeMap::new()
    }

    /// Changes an instance's variables into what jobs get: those that a tool would read before anything of ours are taken
    /// out or get another name. The runner's own variables are laid over them later.
    fn translate(&self, env: &mut BTreeMap<String, String>);

    /// Top-level modules of the project among the paths of its tree: if a package of the environment brought one of them,
    /// answers could be read off it.
    fn modules(&self, paths: &[String], layout: &Layout) -> Vec<String> {
        let _ = (paths, layout);
        Vec::new()
    }
}

/// Refuses an environment with settings that the tool chain does not honour.
///
/// # Errors
/// Names the first such setting.
pub fn check_settings(toolchain: &dyn Toolchain, environment: &Environment) -> Result<(), String> {
    let unknown = |setting: &Setting| setting.is_set(environment) && !toolchain.settings().contains(setting);
    match Setting::ALL.into_iter().find(unknown) {
        None => Ok(()),
        Some(setting) => Err(format!(
            "environment.{} is not supported for {} projects, so the tests would not run as it says; remove it",
            setting.name(),
            toolchain.language()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;
    use crate::runner;

    struct Shell;

    impl Toolchain for Shell {
        fn language(&self) -> &'static str {
            "shell of a test"
        }

        fn tool_name(&self) -> &'static str {
            "sh"
        }

        fn provision(&self, _: &Cache, order: &Order) -> Result<Provisioned, EnvironmentError> {
            Ok(Provisioned {
                digest: Digest::of(b"sh 1"),
                mounts: Vec::new(),
                tool: "/bin/sh".to_owned(),
                tool_version: "1".to_owned(),
                workdir: order.environment.workdir.clone(),
                packages: Vec::new(),
            })
        }

        fn translate(&self, env: &mut BTreeMap<String, String>) {
            env.remove("ENV");
        }
    }

    #[test]
    fn every_runner_has_a_tool_chain() {
        for name in runner::names() {
            let language = runner::by_name(name).unwrap().language();
            assert_eq!(of_language(language).map(Toolchain::language), Some(language), "{name}");
        }
    }

    #[test]
    fn a_registered_tool_chain_is_found_and_never_takes_the_place_of_another() {
        register(&Shell);
        register(&Shell);
        assert_eq!(all().iter().filter(|known| known.language() == "shell of a test").count(), 1);
        assert_eq!(of_language("shell of a test").map(|known| known.tool_name()), Some("sh"));
    }

    #[test]
    fn a_setting_that_a_tool_chain_does_not_honour_is_refused() {
        let plain = Environment::default();
        assert_eq!(check_settings(&Shell, &plain), Ok(()));
        let environment = Environment { requirements: vec!["x==1".to_owned()], ..plain };
        let said = check_settings(&Shell, &environment).unwrap_err();
        assert!(said.contains("environment.requirements") && said.contains("shell of a test"), "{said}");
        assert_eq!(check_settings(&PythonToolchain, &environment), Ok(()));
    }
}
