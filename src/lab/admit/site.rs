//! An instance made ready: repository, trees and sealed image; then admitted.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;

use super::foreign_image as ready;
use super::foreign_image::{Gold, Ready};
use super::image_request as images;
use super::image_request::{Made, Order};
use crate::exit_code::Stop;
use crate::images::python::interpreter::EnvironmentError;
use crate::images::seal_host::SealError;
use crate::journal::Record;
use crate::judge::{AdmissionInput, Step, admit, lost_as_stored};
use crate::lab::run::trials::{KeptSlot, job, nonce};
use crate::lab::verify::candidates::locations;
use crate::lab::{Lab, Located};
use crate::model::admission::{Admission, Refusal, Trees};
use crate::model::candidate::PathClass;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::instance::{Environment, Instance};
use crate::model::layout::Layout;
use crate::model::trial::{Limits, TestPlan, Trial};
use crate::repo;
use crate::repo::{RepoError, Repository, Sources};
use crate::runner;
use crate::runner::Runner;
use crate::sandbox::{Job, LAYER_MTIME, SealedImage};

/// Prepares one instance.
pub struct Workshop<'a> {
    lab: &'a Lab<'a>,
    located: &'a Located,
}

/// Everything that trials of an instance share.
pub(crate) struct Site {
    pub repository: Repository,
    pub trees: Trees,
    pub image: SealedImage,
    pub framework: &'static dyn Runner,
    pub environment: Environment,
}

/// Why an instance has no site: a refusal, which is about the instance, or an error of ours.
enum NoSite {
    Refused(Refusal, String),
    Error(anyhow::Error),
}

impl From<anyhow::Error> for NoSite {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}

impl std::fmt::Debug for Workshop<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workshop").field("located", &self.located).finish_non_exhaustive()
    }
}

impl<'a> Workshop<'a> {
    pub fn new(lab: &'a Lab<'a>, located: &'a Located) -> Self {
        Self { lab, located }
    }

    /// The adapter that the instance names.
    pub fn framework(&self) -> anyhow::Result<&'static dyn Runner> {
        let name = &self.located.instance.environment.framework;
        runner::by_name(name).with_context(|| {
            format!(
                "environment.framework is {name:?}, which is not known; set it to one of {}",
                runner::names().join(", ")
            )
        })
    }

    /// The limits of the run, with the instance's own upper bound for one trial.
    fn limits(&self) -> Limits {
        let limits = self.lab.settings.limits.clone();
        let bound_ms = self.located.instance.environment.timeout_s.map(|seconds| seconds.saturating_mul(1000));
        Limits { deadline_ms: bound_ms.map_or(limits.deadline_ms, |bound| bound.min(limits.deadline_ms)), ..limits }
    }

    /// Admits the instance, from the journal if it was admitted before under the same conditions.
    pub fn admit(&self) -> anyhow::Result<Admission> {
        let site = match self.make_site() {
            Ok(site) => site,
            Err(NoSite::Refused(refusal, detail)) => return Ok(self.refused(refusal, detail)),
            Err(NoSite::Error(error)) => return Err(error),
        };
        let name = format!("{}/{}", site.framework.name(), site.framework.version());
        let key = self.lab.admission_key(&self.located.instance, &site.image.digest, &name);
        // If the canary tree is gone, for example after a new import, the admission is derived again from the known trials.
        let usable = |admission: &Admission| {
            let canaries = admission.canaries.iter().map(|canaries| &canaries.tree);
            canaries.chain(admission.held_out.iter().map(|held_out| &held_out.tree)).all(|t| site.repository.holds(t))
        };
        let known = self.lab.knowledge.read_admission(&key)?.filter(usable);
        let input = self.admission_input(&site, key)?;
        // An earlier version did not look for lost files; what it kept is then derived again, from the same trials.
        if let Some(admission) = known
            && lost_as_stored(&admission, &input, site.framework, &self.lab.knowledge)
        {
            return Ok(admission);
        }
        let mut kept: KeptSlot = None;
        loop {
            self.lab.check_interrupt()?;
            match admit(&input, site.framework, &self.lab.knowledge) {
                Step::Needs(trial) => self.lab.run_trial(&site, &mut kept, &trial)?,
                Step::Done(admission) => {
                    let admission = match admission.admitted() {
                        true => {
                            let admission = self.lab.with_controls(&site, &mut kept, admission)?;
                            let admission = self.lab.with_plain(&site, &mut kept, admission)?;
                            self.lab.with_minimal_gold(&site, &mut kept, admission)?
                        }
                        false => admission,
                    };
                    // A sandbox failure is not remembered: the next run tries again.
                    if admission.refusal != Some(Refusal::SandboxFailed) {
                        self.lab.record(Record::Admission(Box::new(admission.clone())))?;
                    }
                    return Ok(admission);
                }
            }
        }
    }

    /// Makes the sealed image, or finds it.
    pub(crate) fn make_image(&self) -> anyhow::Result<Made> {
        let (image, refusal) = match self.make_site() {
            Ok(site) => (Some(site.image.digest), None),
            Err(NoSite::Refused(refusal, detail)) => (None, Some(format!("{refusal}: {detail}"))),
            Err(NoSite::Error(error)) => return Err(error),
        };
        Ok(Made { instance_id: self.id().to_owned(), image, refusal })
    }

    /// The site of an instance that was admitted.
    pub(crate) fn site(&self) -> anyhow::Result<Site> {
        self.make_site().map_err(|no_site| match no_site {
            NoSite::Refused(refusal, detail) => {
                anyhow::anyhow!("{} was admitted and is refused now ({refusal}): {detail}", self.id())
            }
            NoSite::Error(error) => error,
        })
    }

    fn make_site(&self) -> Result<Site, NoSite> {
        let instance = &self.located.instance;
        let framework = self.framework().map_err(|error| NoSite::Refused(Refusal::NoEnvironment, error.to_string()))?;
        if instance.environment.test_command.is_some() {
            let why = "environment.test_command is not supported, so the tests would not run as it says; remove it, and set \
                       environment.framework to the runner of the suite";
            return Err(NoSite::Refused(Refusal::NoEnvironment, why.to_owned()));
        }
        let ready = self.ready()?;
        let repository = Repository::open(&self.located.repository).map_err(|error| {
            let path = self.located.repository.display();
            let next = format!("put a git repository with commit {} at {path}, or use --repos", instance.base_commit);
            NoSite::Refused(Refusal::BaseNotFound, format!("{error}; {next}"))
        })?;
        let listed = listed_files(instance, framework);
        let mut sources = self.sources(&listed);
        if let Some(ready) = &ready {
            sources.base_commit = &ready.commit;
        }
        let trees = match repo::instance_trees(&repository, sources) {
            Ok(Ok(trees)) => trees,
            Ok(Err(malformed)) => return Err(NoSite::Refused(Refusal::PatchDoesNotApply, malformed.detail)),
            Err(error) => {
                return Err(match error.downcast_ref::<RepoError>() {
                    Some(RepoError::CommitNotFound { .. }) => NoSite::Refused(Refusal::BaseNotFound, error.to_string()),
                    // A clone without all its objects, and names that no path of ours can say.
                    Some(RepoError::Git { source, .. }) if source.code() == git2::ErrorCode::NotFound => {
                        let next = "the repository lacks objects of the base commit; complete it, for example with `git fetch --refetch`";
                        NoSite::Refused(Refusal::BaseNotFound, format!("{error:#}; {next}"))
                    }
                    Some(RepoError::Unstorable { .. }) => NoSite::Refused(Refusal::NoEnvironment, format!("{error:#}")),
                    _ => NoSite::Error(error.context(format!("{}: its trees cannot be made", self.id()))),
                });
            }
        };
        let image = self.image(&repository, &trees, framework, ready.as_ref())?;
        let environment = self.environment(&repository, &trees.base, ready.as_ref())?;
        Ok(Site { repository, trees, image, framework, environment })
    }

    /// The image of others that the instance names, with its work directory recorded.
    fn ready(&self) -> Result<Option<Ready>, NoSite> {
        let (lab, instance) = (self.lab, &self.located.instance);
        let Some(reference) = &instance.environment.image else { return Ok(None) };
        let say = |message: &str| lab.console.say(format!("{}: {message}", self.id()));
        let (cache, repository) = (&lab.settings.cache, &self.located.repository);
        let recorded = ready::record(&lab.engine, cache, instance, reference, repository, &say);
        match recorded {
            Ok(ready) => Ok(Some(ready)),
            Err(_) if lab.check_interrupt().is_err() => Err(NoSite::Error(Stop::Interrupted.into())),
            Err(error) => Err(match error.downcast_ref::<RepoError>() {
                Some(RepoError::CommitNotFound { .. }) => NoSite::Refused(Refusal::BaseNotFound, format!("{error:#}")),
                _ => NoSite::Refused(Refusal::NoEnvironment, format!("{error:#}")),
            }),
        }
    }

    /// The instance's environment with the import roots that base has: a candidate that plants a `src` folder must not
    /// decide where the project is imported from. What an image of others sets comes after what the instance sets.
    fn environment(&self, repository: &Repository, base: &str, ready: Option<&Ready>) -> anyhow::Result<Environment> {
        let paths = repository.paths(base)?;
        let has_source_root = paths.iter().any(|path| path.starts_with("src/"))
            && paths.binary_search_by(|path| path.as_str().cmp("src/__init__.py")).is_err();
        let mut environment = self.located.instance.environment.clone();
        let roots = if has_source_root { "src:." } else { "." };
        environment.env.entry("ASSAY_IMPORT_PATH".to_owned()).or_insert_with(|| roots.to_owned());
        for (name, value) in ready.iter().flat_map(|ready| &ready.image.env) {
            environment.env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Ok(environment)
    }

    /// The sealed image: made once, then found by its content.
    fn image(
        &self,
        repository: &Repository,
        trees: &Trees,
        framework: &'static dyn Runner,
        ready: Option<&Ready>,
    ) -> Result<SealedImage, NoSite> {
        let lab = self.lab;
        let checkout = |tree: &str, folder: &Path| Ok(repository.checkout(tree, folder, LAYER_MTIME)?);
        let say = |message: &str| lab.console.say(format!("{}: {message}", self.id()));
        let warm_job = |image: &SealedImage| self.warm_job(repository, trees, framework, image, ready);
        let order = Order {
            environment: &self.located.instance.environment,
            base_tree: &trees.base,
            modules: modules(&repository.paths(&trees.base).map_err(anyhow::Error::from)?, &trees.layout),
            layer_tree: &trees.tested_base,
            checkout: &checkout,
            warm_job: &warm_job,
            say: &say,
        };
        let sealed = match ready {
            None => images::seal(&lab.engine, &lab.settings.cache, &order),
            Some(ready) => {
                let roots = self.environment(repository, &trees.base, None)?;
                let roots = roots.env.get("ASSAY_IMPORT_PATH").map_or(".", String::as_str);
                let first = roots.split(':').next().unwrap_or_default();
                let gold = Gold {
                    repository,
                    base: &trees.base,
                    tested_gold: &trees.tested_gold,
                    patch: &self.located.instance.patch,
                    import_root: if first == "." { "" } else { first },
                };
                ready::seal(&lab.engine, &lab.settings.cache, ready, &order, &gold)
            }
        };
        match sealed {
            Ok(image) => {
                images::used(lab, &image, self.id())?;
                Ok(image)
            }
            Err(error) if error.downcast_ref::<Stop>().is_some_and(|stop| matches!(stop, Stop::Interrupted)) => {
                Err(NoSite::Error(error))
            }
            Err(error) if is_answer(&error) => Err(NoSite::Refused(Refusal::AnswerInImage, format!("{error:#}"))),
            Err(error) => Err(NoSite::Refused(Refusal::NoEnvironment, format!("{error:#}"))),
        }
    }

    /// The suite, run once with bytecode writing on to warm the layer.
    fn warm_job(
        &self,
        repository: &Repository,
        trees: &Trees,
        framework: &'static dyn Runner,
        image: &SealedImage,
        ready: Option<&Ready>,
    ) -> anyhow::Result<Job> {
        let collected = |path: &String| trees.layout.collects(framework, path);
        let tree = &trees.tested_base;
        let files = repository.paths(tree)?.into_iter().filter(collected).collect();
        let trial = Trial {
            instance_id: self.id().to_owned(),
            tree: tree.clone(),
            plan: TestPlan { framework: framework.name().to_owned(), files, ..TestPlan::default() },
            image: image.digest.clone(),
            limits: self.limits(),
            repeat: 0,
        };
        let mut command = framework.command(&image.python, &image.workdir, &trial.plan, &nonce()?);
        command.env.remove("PYTHONDONTWRITEBYTECODE");
        let environment = self.environment(repository, tree, ready)?;
        Ok(job(&environment, &trial, &command, Vec::new()))
    }

    fn admission_input(&self, site: &Site, key: Digest) -> anyhow::Result<AdmissionInput<'a>> {
        let collected = |path: &String| site.trees.layout.collects(site.framework, path);
        let test_files: Vec<_> =
            site.repository.paths(&site.trees.tested_gold)?.into_iter().filter(collected).collect();
        let mut with_tests = BTreeSet::new();
        for path in &test_files {
            let text = site.repository.read(&site.trees.tested_gold, path)?.unwrap_or_default();
            if site.framework.defines_tests(&String::from_utf8_lossy(&text)) {
                with_tests.insert(path.clone());
            }
        }
        let changed = site.repository.changed_paths(&site.trees.base, &site.trees.tested_gold)?;
        let gold = crate::model::candidate::Prepared {
            tree: site.trees.gold.clone(),
            submitted_tree: None,
            diff: site.repository.diff(&site.trees.base, &site.trees.gold)?,
            files: site.repository.changed_paths(&site.trees.base, &site.trees.gold)?,
            missing: Vec::new(),
            stripped: Vec::new(),
            normalised: Vec::new(),
        };
        Ok(AdmissionInput {
            instance: &self.located.instance,
            key,
            image: site.image.digest.clone(),
            trees: site.trees.clone(),
            test_files,
            with_tests,
            changed: changed.into_iter().collect(),
            gold_files: locations(&gold, &site.trees.layout),
            repeats: self.lab.settings.repeats,
            limits: self.limits(),
            deadline: self.lab.settings.deadline,
            accept_lost: self.lab.settings.accept_lost,
        })
    }

    fn refused(&self, refusal: Refusal, detail: String) -> Admission {
        Admission {
            format: format::ADMISSION.to_owned(),
            instance_id: self.id().to_owned(),
            key: self.located.instance.digest(),
            refusal: Some(refusal),
            detail,
            image: None,
            trees: None,
            fail_to_pass: Vec::new(),
            pass_to_pass: Vec::new(),
            tests: Default::default(),
            unstable: Default::default(),
            disagreements: Default::default(),
            splits: Vec::new(),
            gold_files: Vec::new(),
            unneeded: None,
            framework: self.located.instance.environment.framework.clone(),
            repeats: self.lab.settings.repeats,
            limits: self.limits(),
            shadows: Default::default(),
            lost: None,
            trials: Vec::new(),
            canaries: None,
            held_out: None,
            sentinels: None,
            joint: false,
            plain: None,
        }
    }

    fn sources<'s>(&'s self, listed: &'s [String]) -> Sources<'s> {
        let instance = &self.located.instance;
        Sources {
            base_commit: &instance.base_commit,
            patch: &instance.patch,
            test_patch: &instance.test_patch,
            framework: &instance.environment.framework,
            listed,
        }
    }

    fn id(&self) -> &'a str {
        &self.located.instance.instance_id
    }
}

/// Files of the listed tests. A module of which only the doctests are listed is left out: it is source, and a candidate may
/// edit the doctests with the rest, so nothing is expected of them.
fn listed_files(instance: &Instance, framework: &dyn Runner) -> Vec<String> {
    let doctest = |id: &str| {
        let name = id.split("::").nth(1).unwrap_or_default();
        name.split('[').next().is_some_and(|name| name.contains('.'))
    };
    let listed = instance.fail_to_pass.iter().chain(&instance.pass_to_pass);
    let files = listed.map(|id| (framework.target_of(id), doctest(id)));
    let files = files.filter(|(file, doctest)| !(*doctest && file.ends_with(".py"))).map(|(file, _)| file);
    files.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether an image was refused because it would hold the answer.
fn is_answer(error: &anyhow::Error) -> bool {
    let found = |error: &EnvironmentError| matches!(error, EnvironmentError::AnswerInImage { .. });
    match error.downcast_ref::<SealError>() {
        Some(SealError::Environment(inner)) => found(inner),
        Some(_) => false,
        None => error.downcast_ref::<EnvironmentError>().is_some_and(found),
    }
}

/// Top-level modules of the project among the paths of its tree, at the root and in `src`.
fn modules(paths: &[String], layout: &Layout) -> Vec<String> {
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
        assert_eq!(modules(&paths.map(str::to_owned), &Layout::by_name("pytest")), ["mixer", "plain", "blender"]);
    }
}
