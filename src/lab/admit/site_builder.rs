//! An instance made ready: repository, trees and sealed image; then admitted.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;

use super::bill::Bill;
use super::foreign_image as ready;
use super::foreign_image::{Gold, Ready};
use super::image_request::{Made, used};
use super::imported::Offer;
use super::test_files::TestFiles;
use crate::exit_code::Stop;
use crate::images;
use crate::images::Images;
use crate::images::environment_error::EnvironmentError;
use crate::images::order::Order;
use crate::images::phases::Phases;
use crate::images::seal_host::SealError;
use crate::images::toolchain;
use crate::images::toolchain::{Toolchain, WarmUp};
use crate::journal::Record;
use crate::judge::{AdmissionInput, admit, listed_among, lost_as_stored};
use crate::lab::locations::locations;
use crate::lab::run::facts::Knowledge;
use crate::lab::run::trials::{KeptSlot, job, nonce};
use crate::lab::site::Site;
use crate::lab::{Lab, Located};
use crate::model::admission::{Admission, Refusal, Trees};
use crate::model::digest::Digest;
use crate::model::instance::{Environment, Instance};
use crate::model::test_record::TestRecord;
use crate::model::trial::{Limits, TestPlan, Trial};
use crate::repo;
use crate::repo::{RepoError, Repository, Sources};
use crate::runner;
use crate::runner::Runner;
use crate::sandbox::{Job, LAYER_MTIME, SandboxError, SealedImage};

/// Longest time of a warm-up, milliseconds. It saves each later run the compiling, and that is never worth more.
const LONGEST_WARM_UP_MS: u64 = 60_000;

/// Prepares one instance.
pub struct SiteBuilder<'a> {
    lab: &'a Lab<'a>,
    located: &'a Located,
    phases: Phases,
    instance: Instance,
}

/// What a site is made from, before it has an image.
#[derive(Clone, Copy)]
struct Parts<'p> {
    repository: &'p Repository,
    trees: &'p Trees,
    framework: &'static dyn Runner,
    toolchain: &'static dyn Toolchain,
    ready: Option<&'p Ready>,
    /// Base without what a build adds.
    source: &'p str,
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

impl std::fmt::Debug for SiteBuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteBuilder").field("located", &self.located).finish_non_exhaustive()
    }
}

impl<'a> SiteBuilder<'a> {
    /// # Errors
    /// The instance cannot be read back.
    pub fn new(lab: &'a Lab<'a>, located: &'a Located) -> anyhow::Result<Self> {
        Ok(Self { lab, located, instance: located.instance.read()?, phases: Phases::default() })
    }

    /// The adapter that the instance names.
    pub fn framework(&self) -> anyhow::Result<&'static dyn Runner> {
        let name = &self.instance.environment.framework;
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
        let bound_ms = self.instance.environment.timeout_s.map(|seconds| seconds.saturating_mul(1000));
        Limits { deadline_ms: bound_ms.map_or(limits.deadline_ms, |bound| bound.min(limits.deadline_ms)), ..limits }
    }

    /// Admits the instance: from the journal if it was admitted before under the same conditions, else as a bundle has it, else by
    /// running.
    pub fn admit(&self, offers: &[Offer]) -> anyhow::Result<Admission> {
        let site = match self.make_site() {
            Ok(site) => site,
            Err(NoSite::Refused(refusal, detail)) => return Ok(self.refused(refusal, detail)),
            Err(NoSite::Error(error)) => return Err(error),
        };
        let name = format!("{}/{}", site.framework.name(), site.framework.version());
        let key = |all| self.lab.admission_key(&self.instance, &site.image.digest, &name, all);
        let (full, key) = (key(true), key(self.lab.settings.repeat_all));
        // If a tree of the controls is gone, for example after a new import, the admission is derived again from the known trials.
        let usable = |admission: &Admission| {
            if admission.channel != site.framework.channel() {
                return false;
            }
            // An earlier version let tests leave that stay today.
            if admission.tests.values().any(TestRecord::left_too_early) {
                return false;
            }
            let canaries = admission.canaries.iter().map(|canaries| &canaries.tree);
            let held_out = admission.held_out.iter().map(|held_out| &held_out.tree);
            canaries.chain(held_out).chain(&admission.one_session).all(|tree| site.repository.holds(tree))
        };
        // What was repeated as a whole says all that an admission without it would say.
        let mut known = self.lab.knowledge.read_admission(&full)?.filter(usable);
        if known.is_none() {
            known = self.lab.knowledge.read_admission(&key)?.filter(usable);
        }
        let input = self.admission_input(&site, key)?;
        // An earlier version did not look for lost files; what it kept is then derived again, from the same trials.
        if let Some(admission) = known
            && lost_as_stored(&admission, &input, site.framework, &self.lab.knowledge)
        {
            return Ok(admission);
        }
        for offer in offers {
            let (instance, image) = (&self.instance, &site.image.digest);
            if let Some(admission) =
                offer.take(self.lab, instance, image, &input.key, |lab| derive(lab, &site, &input))?
            {
                return Ok(admission);
            }
        }
        let admission = derive(self.lab, &site, &input)?;
        // A sandbox failure is not remembered: the next run tries again.
        if admission.refusal != Some(Refusal::SandboxFailed) {
            self.lab.record(Record::Admission(Box::new(admission.clone())))?;
        }
        Ok(admission)
    }

    /// Makes the sealed image, or finds it.
    pub(crate) fn make_image(&self) -> anyhow::Result<Made> {
        let (image, refusal) = match self.phases.time("the rest", || self.make_site()) {
            Ok(site) => (Some(site.image.digest), None),
            Err(NoSite::Refused(refusal, detail)) => (None, Some(format!("{refusal}: {detail}"))),
            Err(NoSite::Error(error)) => return Err(error),
        };
        Ok(Made { instance_id: self.id().to_owned(), image, refusal, phases: self.phases.spent() })
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
        let instance = &self.instance;
        let framework = self.framework().map_err(|error| NoSite::Refused(Refusal::NoEnvironment, error.to_string()))?;
        if instance.environment.test_command.is_some() {
            let why = "environment.test_command is not supported, so the tests would not run as it says; remove it, and set \
                       environment.framework to the runner of the suite";
            return Err(NoSite::Refused(Refusal::NoEnvironment, why.to_owned()));
        }
        let refused = |why: String| NoSite::Refused(Refusal::NoEnvironment, why);
        let language = framework.language();
        let toolchain = toolchain::of_language(language).ok_or_else(|| {
            refused(format!(
                "environments of {language} projects cannot be made yet; choose a runner of another language"
            ))
        })?;
        toolchain::check_settings(toolchain, &instance.environment).map_err(refused)?;
        let images = self.images()?;
        let ready = self.ready(images.as_ref())?;
        let repository = self.lab.repository(&self.located.repository).map_err(|error| self.not_opened(error))?;
        let listed: Vec<_> = instance.fail_to_pass.iter().chain(&instance.pass_to_pass).cloned().collect();
        let mut sources = self.sources(&listed);
        if let Some(ready) = &ready {
            sources.base_commit = &ready.commit;
        }
        let trees = self.phases.time("making the trees", || repo::instance_trees(&repository, sources));
        let trees = match trees {
            Ok(Ok(trees)) => trees,
            Ok(Err(malformed)) => return Err(NoSite::Refused(Refusal::PatchDoesNotApply, malformed.detail)),
            Err(error) => {
                return Err(match error.downcast_ref::<RepoError>() {
                    Some(RepoError::CommitNotFound { .. }) => NoSite::Refused(Refusal::BaseNotFound, error.to_string()),
                    // A clone without all its objects, and names that no path of ours can say.
                    Some(fault) if fault.lacks_objects() => {
                        NoSite::Refused(Refusal::BaseNotFound, format!("{error:#}"))
                    }
                    Some(RepoError::Unstorable { .. }) => NoSite::Refused(Refusal::NoEnvironment, format!("{error:#}")),
                    _ => NoSite::Error(error.context(format!("{}: its trees cannot be made", self.id()))),
                });
            }
        };
        let source = trees.base.clone();
        let ready = ready.as_ref();
        let parts = Parts { repository: &repository, trees: &trees, framework, toolchain, ready, source: &source };
        let trees = self.with_built(images.as_ref(), parts)?.unwrap_or_else(|| trees.clone());
        let parts = Parts { trees: &trees, ..parts };
        let (image, not_installed) = self.image(images.as_ref(), parts)?;
        let environment = self.environment(toolchain, &repository, &trees.base, ready)?;
        Ok(Site { repository, trees, image, framework, toolchain, environment, not_installed })
    }

    /// Why there is no repository.
    fn not_opened(&self, error: anyhow::Error) -> NoSite {
        if !error.downcast_ref::<RepoError>().is_some_and(RepoError::is_about_repository) {
            return NoSite::Error(error.context(format!("{}: its repository cannot be opened", self.id())));
        }
        let path = self.located.repository.display();
        let next = format!("put a git repository with commit {} at {path}, or use --repos", self.instance.base_commit);
        NoSite::Refused(Refusal::BaseNotFound, format!("{error:#}; {next}"))
    }

    /// What holds images for the sandbox in use.
    fn images(&self) -> anyhow::Result<Box<dyn Images + 'a>> {
        Ok(images::of(&self.lab.engine, self.lab.cache()?))
    }

    /// The image of others that the instance names, with its work directory recorded.
    fn ready(&self, images: &dyn Images) -> Result<Option<Ready>, NoSite> {
        let (lab, instance) = (self.lab, &self.instance);
        let Some(reference) = &instance.environment.image else { return Ok(None) };
        let say = |message: &str| lab.console.say(format!("{}: {message}", self.id()));
        let recorded = ready::record(images, instance, reference, &self.located.repository, &say, &self.phases);
        match recorded {
            Ok(ready) => Ok(Some(ready)),
            Err(_) if lab.check_interrupt().is_err() => Err(NoSite::Error(Stop::Interrupted.into())),
            Err(error) => Err(match error.downcast_ref::<RepoError>() {
                Some(RepoError::CommitNotFound { .. }) => NoSite::Refused(Refusal::BaseNotFound, format!("{error:#}")),
                Some(fault) if !fault.is_about_repository() => NoSite::Error(error),
                _ => NoSite::Refused(Refusal::NoEnvironment, format!("{error:#}")),
            }),
        }
    }

    /// The instance's environment with the variables that follow from base. What an image of others sets comes after what
    /// the instance sets.
    fn environment(
        &self,
        toolchain: &dyn Toolchain,
        repository: &Repository,
        base: &str,
        ready: Option<&Ready>,
    ) -> anyhow::Result<Environment> {
        let mut environment = self.instance.environment.clone();
        for (name, value) in toolchain.variables(&repository.paths(base)?) {
            environment.env.entry(name).or_insert(value);
        }
        for (name, value) in ready.iter().flat_map(|ready| &ready.image.env) {
            environment.env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Ok(environment)
    }

    /// The trees with what builds of base and gold add to them; `None` if they add nothing. Gold is built if it changes what
    /// the project is built from, also where base has no built part; otherwise its built part is base's.
    fn with_built(&self, images: &dyn Images, parts: Parts) -> Result<Option<Trees>, NoSite> {
        let Parts { repository, trees, toolchain, ready, .. } = parts;
        // An image of others holds what was built for it.
        if ready.is_some() {
            return Ok(None);
        }
        let build = |tree: &str| {
            let (built, _) = self.ordered(parts, |order| toolchain.built(images.cache(), order, tree))?;
            built.map_err(|error| self.not_sealed(error.into()))
        };
        let base = build(&trees.base)?;
        let mut layout = trees.layout.clone();
        layout.built = base.as_ref().map(|base| base.part.clone());
        let changed = repo::build_changes(repository, &layout, &trees.base, &trees.gold);
        let changed = changed.map_err(anyhow::Error::from)?;
        let gold = if changed.is_empty() {
            base.clone()
        } else {
            let named = changed.join(", ");
            build(&trees.gold).map_err(|no_site| match no_site {
                NoSite::Refused(refusal, why) => {
                    NoSite::Refused(refusal, format!("gold changes what the project is built from ({named}): {why}"))
                }
                error @ NoSite::Error(_) => error,
            })?
        };
        let (base, base_files) = base.map(|base| (base.part, base.files)).unzip();
        let (gold, gold_files) = gold.map(|gold| (gold.part, gold.files)).unzip();
        let part = match (base, gold) {
            (Some(base), Some(gold)) => base.with(gold),
            (Some(part), None) | (None, Some(part)) => part,
            (None, None) => return Ok(None),
        };
        let (base, gold) = (base_files.unwrap_or_default(), gold_files.unwrap_or_default());
        let laid = repo::with_built(repository, trees, part, (&base, &gold));
        Ok(Some(laid.map_err(anyhow::Error::from)?))
    }

    /// Does something with the order for the instance's image. Beside it stands what is declared and not installed.
    fn ordered<T>(&self, parts: Parts, work: impl FnOnce(&Order) -> T) -> anyhow::Result<(T, Vec<String>)> {
        let lab = self.lab;
        let Parts { repository, trees, toolchain, source, .. } = parts;
        let checkout = |tree: &str, folder: &Path| {
            Ok(self.phases.time("writing the base tree", || repository.checkout(tree, folder, LAYER_MTIME))?)
        };
        let say = |message: &str| lab.console.say(format!("{}: {message}", self.id()));
        let warm = |image: &SealedImage| match toolchain.warm_up() {
            None => Ok(image.clone()),
            Some(warm_up) => self.phases.time("warm-up run", || self.warm(parts, image, warm_up)),
        };
        let workshop =
            |image: &SealedImage, job: &Job| self.phases.time("building the project", || lab.engine.build(image, job));
        let paths = repository.paths(&trees.base)?;
        let not_installed = RefCell::default();
        let done = work(&Order {
            environment: &self.instance.environment,
            base_tree: source,
            base_files: &repo::files_of(repository, source),
            version: self.instance.version.as_deref(),
            modules: &toolchain.modules(&paths, &trees.layout),
            layer_tree: &trees.tested_base,
            checkout: &checkout,
            warm: &warm,
            workshop: if lab.engine.builds() { Some(&workshop) } else { None },
            say: &say,
            not_installed: &|lines| *not_installed.borrow_mut() = lines,
            phases: &self.phases,
        });
        Ok((done, not_installed.take()))
    }

    /// The sealed image: made once, then found by its content.
    fn image(&self, images: &dyn Images, parts: Parts) -> Result<(SealedImage, Vec<String>), NoSite> {
        let Parts { repository, trees, toolchain, ready, .. } = parts;
        let (sealed, not_installed) = self.ordered(parts, |order| match ready {
            None => images.seal(toolchain, order),
            Some(ready) => {
                let gold = Gold {
                    repository,
                    base: &trees.base,
                    tested_gold: &trees.tested_gold,
                    patch: &self.instance.patch,
                };
                let own = self.environment(toolchain, repository, &trees.base, None)?;
                ready::seal(images, toolchain, ready, order, &gold, &own.env)
            }
        })?;
        let image = sealed.map_err(|error| self.not_sealed(error))?;
        used(self.lab, images, &image, self.id())?;
        Ok((image, not_installed))
    }

    /// Why there is no image.
    fn not_sealed(&self, error: anyhow::Error) -> NoSite {
        // Whatever an interrupted seal says, it says nothing about the instance.
        if self.lab.check_interrupt().is_err() {
            return NoSite::Error(Stop::Interrupted.into());
        }
        if error.downcast_ref::<Stop>().is_some_and(|stop| matches!(stop, Stop::Interrupted)) {
            return NoSite::Error(error);
        }
        let refusal = if is_answer(&error) { Refusal::AnswerInImage } else { Refusal::NoEnvironment };
        NoSite::Refused(refusal, format!("{error:#}"))
    }

    /// Runs the listed test files once over an unfinished image, and gives the image with the caches that they filled. The
    /// caches save time and nothing else, so an image without them will do.
    fn warm(&self, parts: Parts, image: &SealedImage, warm_up: WarmUp) -> Result<SealedImage, SandboxError> {
        let (lab, what) = (self.lab, warm_up.for_what);
        let failed = |why: String| SandboxError::Failed { doing: "preparing the warm-up run", why };
        let job = self.warm_job(parts, image, warm_up).map_err(|error| failed(format!("{error:#}")));
        let warmed = match job {
            Ok(None) => return Ok(image.clone()),
            Ok(Some(job)) => {
                lab.console.say(format!("{}: running test files once for {what}", self.id()));
                lab.sandbox().warm(image, &job)
            }
            Err(error) => Err(error),
        };
        match warmed {
            Err(SandboxError::Interrupted) => Err(SandboxError::Interrupted),
            Err(_) if lab.check_interrupt().is_err() => Err(SandboxError::Interrupted),
            Err(error) => {
                lab.console.say(format!("{}: goes on without {what}, which only saves time: {error}", self.id()));
                Ok(image.clone())
            }
            Ok(image) => Ok(image),
        }
    }

    /// The files of the listed tests; without a list, all that the runner collects. None if that is no file at all.
    fn warm_job(&self, parts: Parts, image: &SealedImage, warm_up: WarmUp) -> anyhow::Result<Option<Job>> {
        let Parts { repository, trees, framework, toolchain, ready, .. } = parts;
        let tree = &trees.tested_base;
        let paths: BTreeSet<_> = repository.paths(tree)?.into_iter().collect();
        let suite = TestFiles::of(&self.instance, repository, trees, framework)?.suite;
        let collected = targets(framework, suite.iter().filter(|path| paths.contains(*path)));
        let files = listed_among(&self.instance, framework, collected.into_iter().collect());
        if files.is_empty() {
            return Ok(None);
        }
        let limits = self.limits();
        let deadline_ms = limits.deadline_ms.min(LONGEST_WARM_UP_MS);
        let trial = Trial {
            instance_id: self.id().to_owned(),
            tree: tree.clone(),
            plan: TestPlan { framework: framework.name().to_owned(), files, ..TestPlan::default() },
            image: image.digest.clone(),
            limits: Limits { deadline_ms, ..limits },
            repeat: 0,
        };
        let mut command = framework.command(&image.tool, &image.workdir, &trial.plan, &nonce()?);
        for name in warm_up.without {
            command.env.remove(*name);
        }
        let environment = self.environment(toolchain, repository, tree, ready)?;
        Ok(Some(job(toolchain, &environment, &trial, &command, Vec::new())))
    }

    fn admission_input(&self, site: &Site, key: Digest) -> anyhow::Result<AdmissionInput<'_>> {
        let TestFiles { collected, suite: test_files, changed, groups, told } =
            TestFiles::of(&self.instance, &site.repository, &site.trees, site.framework)?;
        let mut with_tests = Vec::new();
        for path in &test_files {
            let text = site.repository.read(&site.trees.tested_gold, path)?.unwrap_or_default();
            if site.framework.defines_tests(&String::from_utf8_lossy(&text)) {
                with_tests.push(path);
            }
        }
        let mut changed = changed;
        let changed_targets = targets(site.framework, collected.iter().filter(|path| changed.contains(*path)));
        changed.extend(changed_targets);
        let gold = crate::model::candidate::Prepared {
            tree: site.trees.gold.clone(),
            submitted_tree: None,
            diff: site.repository.diff(&site.trees.base, &site.trees.gold)?,
            files: site.repository.changed_paths(&site.trees.base, &site.trees.gold)?,
            missing: Vec::new(),
            stripped: Vec::new(),
            normalised: Vec::new(),
        };
        let part = if self.lab.settings.changed_tests {
            let used = repo::users_of_change(&site.repository, site.framework.name(), &site.trees)?;
            Some(targets(site.framework, used.iter().filter(|path| test_files.contains(path))))
        } else {
            None
        };
        Ok(AdmissionInput {
            instance: &self.instance,
            key,
            image: site.image.digest.clone(),
            trees: site.trees.clone(),
            test_files: targets(site.framework, &test_files).into_iter().collect(),
            suite: told,
            groups: groups.iter().map(|group| targets(site.framework, group).into_iter().collect()).collect(),
            part,
            with_tests: targets(site.framework, with_tests),
            changed,
            gold_files: locations(&gold, &site.trees.layout),
            repeats: self.lab.settings.repeats,
            limits: self.limits(),
            deadline: self.lab.settings.deadline,
            accept_lost: self.lab.settings.accept_lost,
            full: self.lab.settings.repeat_all,
        })
    }

    fn refused(&self, refusal: Refusal, detail: String) -> Admission {
        let instance = &self.instance;
        let (framework, repeats) = (instance.environment.framework.clone(), self.lab.settings.repeats);
        let blank = Admission::new(instance, instance.digest(), framework, repeats, self.limits());
        Admission { refusal: Some(refusal), detail, ..blank }
    }

    fn sources<'s>(&'s self, listed: &'s [String]) -> Sources<'s> {
        let instance = &self.instance;
        Sources {
            base_commit: &instance.base_commit,
            patch: &instance.patch,
            test_patch: &instance.test_patch,
            framework: &instance.environment.framework,
            listed,
            named: &instance.environment.tests,
        }
    }

    fn id(&self) -> &'a str {
        &self.located.instance_id
    }
}

/// The admission that the outcomes of a lab give, with what is not known yet run there.
fn derive(lab: &Lab, site: &Site, input: &AdmissionInput) -> anyhow::Result<Admission> {
    let mut kept: KeptSlot = None;
    let mut bill = Bill::new(lab, input, site.framework);
    let ask = |known: &Knowledge| admit(input, site.framework, known);
    let mut admission = lab.settle(ask, |trial| {
        lab.run_trial(site, &mut kept, trial)?;
        bill.ran(trial)
    })?;
    if admission.admitted() {
        admission = lab.with_controls(site, &mut kept, admission)?;
        admission = lab.with_plain(site, &mut kept, admission)?;
        admission = lab.with_minimal_gold(site, &mut kept, admission)?;
    }
    admission.not_installed = site.not_installed.clone();
    // An admission under other options rests on imported outcomes too, if the journal has them.
    for trial in &admission.trials {
        admission.imported = lab.knowledge.read_outcome(trial)?.and_then(|outcome| outcome.imported.clone());
        if admission.imported.is_some() {
            break;
        }
    }
    Ok(admission)
}

/// What the runner is given to run the tests of some files.
fn targets<'f>(framework: &dyn Runner, files: impl IntoIterator<Item = &'f String>) -> BTreeSet<String> {
    files.into_iter().filter_map(|file| framework.target_of_file(file)).collect()
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
