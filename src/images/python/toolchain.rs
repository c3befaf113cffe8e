//! Python's tool chain.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

use super::build::Ground;
use super::docker;
use super::docker::ImageRequest;
use super::environment::Environments;
use super::inspect::PythonInspector;
use super::prepared::Project;
use super::project::ProjectMetadata;
use super::recipe::Recipe;
use super::resolution::{Line, Wishes};
use crate::images::built::Built;
use crate::images::cache::Cache;
use crate::images::docker_build::DockerBuild;
use crate::images::environment_error::EnvironmentError;
use crate::images::inspector::Inspector;
use crate::images::order::Order;
use crate::images::provisioned::Provisioned;
use crate::images::toolchain::{Setting, Toolchain, WarmUp};
use crate::language::Files;
use crate::language::needs::{Asked, Needs};
use crate::language::python::needs;
use crate::language::python::needs::requires_python::RequiresPython;
use crate::language::python::needs::tree::Tree;
use crate::model::candidate::PathClass;
use crate::model::instance::Environment;
use crate::model::layout::Layout;
use crate::sandbox::docker::Docker;

/// Names the folders below the work directory that the project is imported from, with a colon between them.
const IMPORT_PATH: &str = "ASSAY_IMPORT_PATH";

/// An interpreter of the host or of a base image, with packages by pip.
#[derive(Debug)]
pub struct PythonToolchain;

impl Toolchain for PythonToolchain {
    fn language(&self) -> &'static str {
        "python"
    }

    fn tool_name(&self) -> &'static str {
        "Python"
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::Recipe, Setting::Python, Setting::Requirements, Setting::Declared]
    }

    /// A recipe that installs nothing gets nothing that was not asked for.
    fn needs(&self, files: &dyn Files, asked: &Asked, environment: &Environment) -> anyhow::Result<Needs> {
        let recipe = Recipe::find(recipe_name(environment))?;
        if asked.nothing() && recipe.requirements.is_empty() {
            return Ok(Needs::default());
        }
        needs::read(&Tree::new(files)?, asked, &environment.requirements)
    }

    fn built(&self, cache: &Cache, order: &Order, tree: &str) -> Result<Option<Built>, EnvironmentError> {
        let base = Ingredients::of(cache, order)?;
        if tree == order.base_tree {
            return base.project.built();
        }
        // The interpreter of the environment: what another one compiles is not imported there.
        let project = base.build(order, tree)?;
        if order.workshop.is_none()
            && let Some(compiled) = project.compiled()
        {
            return Err(not_in_docker(compiled));
        }
        project.built()
    }

    fn provision(&self, cache: &Cache, order: &Order) -> Result<Provisioned, EnvironmentError> {
        let Ingredients { recipe, environments, project } = Ingredients::of(cache, order)?;
        let (wishes, mut told) = wishes(order, &recipe, &project.metadata)?;
        let say = &mut |message: &str| (order.say)(message);
        let (provisioned, left_out) =
            environments.provision(&wishes, Some(&project.metadata), &order.environment.workdir, say)?;
        told.extend(left_out);
        (order.not_installed)(told);
        Ok(provisioned)
    }

    fn docker_build(&self, docker: &Docker, cache: &Cache, order: &Order) -> anyhow::Result<DockerBuild> {
        let Ingredients { recipe, environments, project } = Ingredients::of(cache, order)?;
        if let Some(compiled) = project.compiled() {
            return Err(not_in_docker(compiled).into());
        }
        let (wishes, mut told) = wishes(order, &recipe, &project.metadata)?;
        let request = ImageRequest {
            wishes: &wishes,
            project: Some(&project.metadata),
            tree_id: order.layer_tree,
            workdir: &order.environment.workdir,
        };
        let say = &mut |message: &str| (order.say)(message);
        let (build, left_out) =
            docker::docker_build(docker, &environments, &request, say).context("cannot seal the image")?;
        told.extend(left_out);
        (order.not_installed)(told);
        Ok(build)
    }

    fn docker_bases(&self) -> Vec<String> {
        Recipe::bases()
    }

    fn inspector(&self) -> Option<&dyn Inspector> {
        Some(&PythonInspector)
    }

    fn warm_up(&self) -> Option<WarmUp> {
        Some(WarmUp { for_what: "warm bytecode", without: &["PYTHONDONTWRITEBYTECODE"] })
    }

    fn cache_folders(&self) -> &'static [&'static str] {
        &["__pycache__"]
    }

    /// The import roots that base has: a candidate that plants a `src` folder must not decide where the project is imported
    /// from.
    fn variables(&self, base_paths: &[String]) -> BTreeMap<String, String> {
        let has_source_root = base_paths.iter().any(|path| path.starts_with("src/"))
            && base_paths.binary_search_by(|path| path.as_str().cmp("src/__init__.py")).is_err();
        let roots = if has_source_root { "src:." } else { "." };
        [(IMPORT_PATH.to_owned(), roots.to_owned())].into()
    }

    /// An interpreter would read `PYTHONPATH` before anything else. The environment's own start-up puts it behind the
    /// standard library.
    fn translate(&self, env: &mut BTreeMap<String, String>) {
        if let Some(path) = env.remove("PYTHONPATH") {
            env.insert("ASSAY_PYTHONPATH".to_owned(), path);
        }
    }

    /// Modules at the root and in `src`.
    fn modules(&self, paths: &[String], layout: &Layout) -> Vec<String> {
        // Folders of these names are not packages of a project.
        const SHARED: [&str; 5] = ["docs", "examples", "scripts", "tools", "benchmarks"];
        let of = |path: &String| {
            let inside = path.strip_prefix("src/").unwrap_or(path);
            let name = match inside.split_once('/') {
                Some((package, "__init__.py")) => package,
                Some(_) => return None,
                None => inside.strip_suffix(".py")?,
            };
            let source = layout.class(path) == PathClass::Source && !SHARED.contains(&name);
            source.then(|| name.to_owned())
        };
        paths.iter().filter_map(of).collect()
    }
}

/// Where the project is imported from first, below the work directory; empty for the work directory itself.
pub(super) fn import_root(env: &BTreeMap<String, String>) -> &str {
    let roots = env.get(IMPORT_PATH).map_or(".", String::as_str);
    match roots.split(':').next().unwrap_or_default() {
        "." => "",
        root => root,
    }
}

/// What an environment is made from.
struct Ingredients {
    recipe: Recipe,
    environments: Environments,
    project: Project,
}

impl Ingredients {
    /// Those of base.
    fn of(cache: &Cache, order: &Order) -> Result<Self, EnvironmentError> {
        let recipe = Recipe::find(recipe_name(order.environment))?;
        let python = order.environment.python.as_deref();
        let requires = RequiresPython::of_tree(&tree(order)?).map_err(|error| unread(&error))?;
        let environments = Environments::open_for(cache.clone(), python, requires.as_ref())?;
        let mut of = Self { recipe, environments, project: Project::default() };
        of.project = of.build(order, order.base_tree)?;
        // What only a build tells.
        if let Some(requires) = of.project.metadata.requires_python().filter(|_| python.is_none())
            && !requires.fits(&of.environments.interpreter.version)
        {
            of.environments = Environments::open_for(cache.clone(), None, Some(&requires))?;
            of.project = of.build(order, order.base_tree)?;
        }
        of.project.metadata.modules = order.modules.to_vec();
        Ok(of)
    }

    /// The project as a tree has it.
    fn build(&self, order: &Order, tree: &str) -> Result<Project, EnvironmentError> {
        let checkout = |folder: &Path| (order.checkout)(tree, folder);
        let ground = Ground { version: order.version, workshop: order.workshop };
        let say = &mut |message: &str| (order.say)(message);
        self.environments.project(self.recipe.project, tree, ground, checkout, say)
    }
}

fn not_in_docker(compiled: &str) -> EnvironmentError {
    EnvironmentError::Unsupported(format!(
        "the project has a compiled part ({compiled}), which is built for this host and cannot be laid into a Docker image; run \
         with --sandbox cell, or name a ready Docker image in the instance's environment.image"
    ))
}

fn tree<'o>(order: &Order<'o>) -> Result<Tree<'o>, EnvironmentError> {
    Tree::new(order.base_files).map_err(|error| unread(&error))
}

fn unread(error: &anyhow::Error) -> EnvironmentError {
    EnvironmentError::Failed { doing: "reading the base tree".to_owned(), why: format!("{error:#}") }
}

/// What is to be installed, and what of it can be told before anything is: extras that the project does not have.
fn wishes<'w>(
    order: &'w Order,
    recipe: &'w Recipe,
    project: &'w ProjectMetadata,
) -> Result<(Wishes<'w>, Vec<String>), EnvironmentError> {
    let Environment { requirements, declared, extras, locks, .. } = order.environment;
    let mut wishes = Wishes::new(recipe, requirements, &project.requires);
    let stated = declared.iter().flat_map(|one| one.requirements.iter().map(|line| (line.clone(), one.source.clone())));
    let of_extras = project.of_extras(extras);
    let built = of_extras.requirements.into_iter().map(|line| (line, "the project's metadata".to_owned()));
    wishes.declared = stated.chain(built).map(|(line, source)| Line { line, source }).collect();
    let tree = tree(order)?;
    wishes.constraints = needs::locks::constraints(&tree, locks).map_err(|error| unread(&error))?;
    let unknown =
        of_extras.unknown.into_iter().map(|name| format!("extra {name}: the project provides none of this name"));
    Ok((wishes, unknown.chain(tree.notes()).collect()))
}

fn recipe_name(environment: &Environment) -> &str {
    match (&environment.recipe, environment.framework.as_str()) {
        (Some(recipe), _) => recipe,
        (None, "unittest") => "python-stdlib",
        (None, _) => "python-pytest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_modules_are_its_top_level_source() {
        let paths = [
            "conftest.py",
            "docs/__init__.py",
            "mixer/__init__.py",
            "mixer/deep/__init__.py",
            "plain.py",
            "setup.py",
            "src/blender/__init__.py",
            "src/blender/core.py",
            "tests/__init__.py",
        ];
        let modules = PythonToolchain.modules(&paths.map(str::to_owned), &Layout::by_name("pytest"));
        assert_eq!(modules, ["mixer", "plain", "blender"]);
    }

    #[test]
    fn a_source_folder_of_base_is_an_import_root_unless_it_is_a_package() {
        let root = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
            import_root(&PythonToolchain.variables(&paths)).to_owned()
        };
        assert_eq!(root(&["a.py", "src/a/__init__.py"]), "src");
        assert_eq!(root(&["a.py", "src/__init__.py", "src/a.py"]), "");
        assert_eq!(root(&["a.py"]), "");
    }

    #[test]
    fn a_variable_that_an_interpreter_reads_first_gets_another_name() {
        let mut env = BTreeMap::from([("PYTHONPATH".to_owned(), "lib".to_owned()), ("A".to_owned(), "1".to_owned())]);
        PythonToolchain.translate(&mut env);
        let expected = [("A", "1"), ("ASSAY_PYTHONPATH", "lib")];
        assert_eq!(env, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
