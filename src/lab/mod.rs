//! The lab: runs the trials that verdicts need. In: instances and generations. Out: journal records, then verdicts.
//!
//! Two passes share one pool of workers. First every instance is prepared (image, trees) and admitted; then every
//! distinct candidate is taken through its trials. What comes next is always decided by [`crate::judge`]; the lab only
//! answers. Whatever is in the journal already is not run again.
//!
//! The unit of work is an instance with its candidates. The instances that take longest come first, by the deadline
//! that gold's time gave them; instances that share an image follow each other. `candidates.jsonl`, `verdicts.jsonl`
//! and `receipts.jsonl` are written by instance, then by place in the input. A sandbox failure is tried up to three
//! times.

mod admissions;
pub mod admit;
pub(crate) mod companion;
mod locations;
pub mod run;
mod site;
pub mod verify;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::console::Console;
use crate::exit_code::Stop;
use crate::images::cache::{Cache, CacheError};
use crate::journal::{RunDir, SharedOutcomes, Writer};
use crate::judge::DeadlineRule;
use crate::language::{self, Reader};
use crate::model::admission::{Admission, Sessions};
use crate::model::digest::Digest;
use crate::model::generation::{Generation, GenerationRef};
use crate::model::instance::Instance;
use crate::model::trial::Limits;
use crate::model::verdict::Evidence;
use crate::repo::Repository;
use crate::runner::{self, Bare, Runner, Sentinels};
use crate::sandbox::{Engine, Sandbox};
use crate::shelf::Kept;

pub use admissions::Admissions;
pub use admit::difference::differences_of_runs;
pub use admit::imported::Offer;
use admit::refusals::Refusals;
pub use admit::site_builder::SiteBuilder;
pub use run::facts::Knowledge;
use run::memory::MemoryGate;
pub use verify::candidates::read_candidate;
pub use verify::file_names::MATRIX;
pub use verify::prompts::Prompt;
pub use verify::samples::Samples;
pub use verify::single::{SingleJudge, SingleVerdict};
pub use verify::verdicts::{Tally, recompute};

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Settings {
    pub workers: usize,
    /// Runs of base and of gold each, at admission.
    pub repeats: u32,
    /// E3 asks for the run without the runner beside what E2 rests on.
    pub evidence: Evidence,
    /// Whether gold is searched for parts that its tests do not need.
    pub minimal_gold: bool,
    /// Whether instances that lose too much of their suite are admitted, with rows of E1 at most.
    pub accept_lost: bool,
    /// Whether only the test files run that change, or that use what changes; rows are then of E1 at most.
    pub changed_tests: bool,
    pub limits: Limits,
    pub deadline: DeadlineRule,
    /// Bytes that running trials may take together, by what trials of their instance took before.
    pub memory_budget: u64,
    /// Whether admission repeats the files without fail-to-pass tests too.
    pub repeat_all: bool,
    /// Whether a repair's last tests and its control session are one session of the runner; `None`: as gold's time says.
    pub sessions: Option<Sessions>,
    /// Whether repairs run every split, also those whose verdict is known before.
    pub full: bool,
    /// Attempts at a trial before its failure is recorded.
    pub attempts: u32,
    /// Where environments and base layers are kept between runs.
    pub cache: PathBuf,
    /// Whether outcomes of earlier runs are used, and those of this one kept for later ones.
    pub reuse: bool,
    /// Bytes that prepared images may take; those that are in use stay whatever they take.
    pub image_budget: Option<u64>,
}

/// An instance and where its repository is. The instance is read when its turn comes, because there may be very many of them.
#[derive(Clone, Debug)]
pub struct Located {
    pub instance_id: String,
    pub instance: Kept<Instance>,
    /// Git repository that holds the base commit.
    pub repository: PathBuf,
}

/// A generation and where it stands in the input.
#[derive(Clone, Debug)]
pub struct Sample {
    pub generation: Generation,
    pub place: GenerationRef,
}

/// What a run needs, shared by the workers.
pub struct Lab<'a> {
    pub run: &'a RunDir,
    pub console: &'a Console,
    pub engine: Engine,
    pub settings: Settings,
    /// Set by Ctrl-C. Once it is set, workers begin nothing new.
    pub cancel: Arc<AtomicBool>,
    pub knowledge: Knowledge,
    /// Runs the trials in place of the engine's own.
    sandbox: Option<Arc<dyn Sandbox>>,
    /// Outcomes of earlier runs; `None` if every trial is to be run.
    shared: Option<SharedOutcomes>,
    share_failed: Arc<AtomicBool>,
    /// Opened, and swept, by the first who needs it.
    cache: Arc<OnceLock<Cache>>,
    memory: Arc<MemoryGate>,
    /// Trials run by this lab, failures aside.
    ran: AtomicU64,
    /// Whether nothing runs here: what is not known stays unknown.
    closed: bool,
    pub(crate) writer: Arc<Mutex<Writer>>,
}

impl std::fmt::Debug for Lab<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").field("run", &self.run).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<'a> Lab<'a> {
    /// Opens the journal of a run and reads what is there.
    pub fn open(
        run: &'a RunDir,
        console: &'a Console,
        engine: Engine,
        settings: Settings,
        cancel: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let mut index = run.index()?;
        if index.torn > 0 {
            console.say(format!("{} record(s) were cut off by an earlier kill; those trials run again", index.torn));
        }
        let writer = Arc::new(Mutex::new(run.writer(&mut index)?));
        let knowledge = Knowledge::new(index.without_failures(), run.blobs().clone());
        let shared = settings.reuse.then(|| SharedOutcomes::new(&settings.cache));
        let share_failed = Arc::default();
        let memory = Arc::new(MemoryGate::new(settings.memory_budget));
        let ran = AtomicU64::new(0);
        Ok(Self {
            run,
            console,
            engine,
            settings,
            cancel,
            knowledge,
            sandbox: None,
            shared,
            share_failed,
            cache: Arc::default(),
            memory,
            ran,
            closed: false,
            writer,
        })
    }

    /// The same lab with trials and warm-ups going through another sandbox: one that watches, or one that fails. Images are
    /// still the engine's.
    pub fn with_sandbox(self, sandbox: Arc<dyn Sandbox>) -> Self {
        Self { sandbox: Some(sandbox), ..self }
    }

    /// The same lab, which takes no outcome from the cache and leaves none there.
    pub(crate) fn afresh(self) -> Self {
        Self { shared: None, ..self }
    }

    /// The same lab, in which no trial runs: a trial without an outcome is an error that names it.
    pub(crate) fn closed(self) -> Self {
        Self { closed: true, shared: None, ..self }
    }

    /// The same lab, journal and knowledge for one worker, whose trials end when its own flag is raised.
    fn beside(&self, cancel: Arc<AtomicBool>) -> Self {
        Self {
            run: self.run,
            console: self.console,
            engine: self.engine.with_cancel(&cancel),
            settings: self.settings.clone(),
            cancel,
            knowledge: self.knowledge.clone(),
            sandbox: self.sandbox.clone(),
            shared: self.shared.clone(),
            share_failed: self.share_failed.clone(),
            cache: self.cache.clone(),
            memory: self.memory.clone(),
            ran: AtomicU64::new(0),
            closed: self.closed,
            writer: self.writer.clone(),
        }
    }

    pub(crate) fn sandbox(&self) -> &dyn Sandbox {
        self.sandbox.as_deref().unwrap_or_else(|| self.engine.sandbox())
    }

    /// Prepares and admits every instance.
    pub fn admit(&self, instances: &[Located]) -> anyhow::Result<Admissions> {
        self.admit_offered(instances, &[])
    }

    /// The same, with admissions of bundles for instances that the journal knows nothing of.
    pub fn admit_offered(&self, instances: &[Located], offers: &[Offer]) -> anyhow::Result<Admissions> {
        let admissions = Mutex::new(Admissions::new()?);
        let stage = self.console.stage("admit", instances.len() as u64);
        let refusals = Refusals::default();
        run::pool::map(self.settings.workers, instances, |located| {
            self.check_interrupt()?;
            let admission = SiteBuilder::new(self, located)?.admit(offers)?;
            if !admission.admitted() {
                // What fails while the run is being ended says nothing about the instance.
                self.check_interrupt()?;
            }
            if admission.refusal.is_some() {
                let image = located.instance.read()?.environment.image;
                refusals.line(&admission, image.as_deref()).into_iter().for_each(|line| self.console.say(line));
            }
            admissions.lock().unwrap_or_else(PoisonError::into_inner).keep(&admission)?;
            stage.step();
            Ok(())
        })?;
        Ok(admissions.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes every sample through its trials and writes the verdicts. One batch of candidates is in memory at a time.
    pub fn verify(
        &self,
        instances: &[Located],
        admissions: &Admissions,
        samples: &mut Samples,
    ) -> anyhow::Result<Tally> {
        self.read_candidates(instances, admissions, samples)?;
        self.run_all_trials(instances, admissions)?;
        let digest = |one: &Located| Ok((one.instance_id.clone(), one.instance.read()?.digest()));
        let digests = instances.iter().map(digest).collect::<anyhow::Result<_>>()?;
        verify::verdicts::write_verdicts(self.run, admissions, &digests, &self.knowledge)
    }

    pub(crate) fn cache(&self) -> Result<Cache, CacheError> {
        if let Some(cache) = self.cache.get() {
            return Ok(cache.clone());
        }
        let opened = Cache::open(&self.settings.cache)?;
        Ok(self.cache.get_or_init(|| opened).clone())
    }

    /// The repository of an instance. If it is not ours, the trees that are made go to a companion in the cache.
    pub(crate) fn repository(&self, path: &Path) -> anyhow::Result<Repository> {
        companion::open(&self.cache()?, path)
    }

    pub(crate) fn check_interrupt(&self) -> anyhow::Result<()> {
        if self.cancel.load(Ordering::SeqCst) { Err(Stop::Interrupted.into()) } else { Ok(()) }
    }

    /// Whether an admission has the key that this lab gives to its instance and image.
    pub fn is_key_of(&self, admission: &Admission, instance: &Instance, repeat_all: bool) -> bool {
        let key = |image| self.admission_key(instance, image, &admission.framework, repeat_all);
        admission.image.as_ref().is_some_and(|image| key(image) == admission.key)
    }

    /// The digest that names a sealed image, adapter, controls and number of repeats for an instance.
    pub(crate) fn admission_key(
        &self,
        instance: &Instance,
        image: &Digest,
        framework: &str,
        repeat_all: bool,
    ) -> Digest {
        let runner = runner::of(framework);
        let limits = Limits { deadline_ms: 0, ..self.settings.limits.clone() };
        // Another key only if more is asked for: what was admitted without it stays known.
        let plain =
            (self.settings.evidence >= Evidence::E3).then(|| runner.and_then(Runner::bare).map(Bare::name)).flatten();
        let minimal = self.settings.minimal_gold.then_some("minimal-gold");
        let DeadlineRule { floor_ms, multiplier } = self.settings.deadline;
        let deadline =
            (self.settings.deadline != DeadlineRule::default()).then(|| format!("deadline-{floor_ms}-{multiplier}"));
        let accept_lost = self.settings.accept_lost.then_some("accept-lost");
        let changed_tests = self.settings.changed_tests.then_some("changed-tests");
        let repeat_all = repeat_all.then_some("repeat-all");
        let sessions = self.settings.sessions.map(|sessions| match sessions {
            Sessions::One => "one-session",
            Sessions::Split => "split-sessions",
        });
        let framework =
            [Some(framework), plain, minimal, accept_lost, changed_tests, repeat_all, sessions, deadline.as_deref()];
        let framework = framework.into_iter().flatten().collect::<Vec<_>>().join("+");
        let reader = runner.and_then(|runner| language::of(runner).reader());
        let sentinels = runner.and_then(Runner::sentinels);
        let controls = (
            reader.map_or(0, Reader::canary_version),
            reader.map_or(0, Reader::held_out_version),
            sentinels.map_or(0, Sentinels::version),
        );
        Digest::of_json(&(instance.digest(), image, framework, controls, self.settings.repeats, limits))
    }
}
