//! One trial: from its name to a recorded outcome, with the machine's faults retried.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, anyhow};

use crate::exit_code::Stop;
use crate::images::toolchain::Toolchain;
use crate::journal::{Failure, Record, Shared};
use crate::lab::Lab;
use crate::lab::site::Site;
use crate::model::digest::{Digest, canonical_json};
use crate::model::format;
use crate::model::instance::Environment;
use crate::model::trial::{Mode, Outcome, OutputRef, TestReport, Trial};
use crate::repo::protected_among;
use crate::runner::Command;
use crate::sandbox::{Executed, Job, SandboxError, Slot};

/// A worker's open slot and the image it is open for.
pub(crate) type KeptSlot = Option<(Digest, Box<dyn Slot>)>;

impl Lab<'_> {
    /// Runs a trial and records its outcome, or the failure to get one.
    pub(crate) fn run_trial(&self, site: &Site, kept: &mut KeptSlot, trial: &Trial) -> anyhow::Result<()> {
        if self.reuse(trial)? {
            return Ok(());
        }
        if self.closed {
            anyhow::bail!("no outcome of trial {} is there, or it is damaged", trial.id());
        }
        if trial.image != site.image.digest {
            let id = &trial.instance_id;
            let why = format!("{id}: the tag of its image was moved during the run; run the same command again");
            return Err(Stop::Environment(why).into());
        }
        let changes = site.repository.changes(&site.trees.tested_base, &trial.tree)?;
        let mut attempts = Vec::new();
        while attempts.len() < self.settings.attempts.max(1) as usize {
            self.check_interrupt()?;
            let nonce = nonce()?;
            let command = command(site, trial, &nonce)?;
            let job = job(site.toolchain, &site.environment, trial, &command, changes.clone());
            let reserved = self.memory.enter(&trial.image, trial.limits.memory_bytes);
            let ran = self.attempt(site, kept, &job);
            drop(reserved);
            match ran {
                Ok(executed) => return self.record_outcome(site, trial, executed, &nonce, attempts),
                Err(SandboxError::Interrupted) => return Err(Stop::Interrupted.into()),
                Err(SandboxError::Unavailable(why)) => return Err(Stop::Environment(why).into()),
                Err(error @ (SandboxError::ImageMissing { .. } | SandboxError::Failed { .. })) => {
                    // A slot that failed once may be broken: the next attempt opens a new one.
                    *kept = None;
                    attempts.push(error.to_string());
                }
            }
        }
        self.console.say(format!(
            "{}: trial {} could not be run in {} attempts: {}",
            trial.instance_id,
            trial.id().short(),
            attempts.len(),
            attempts.last().map_or("", String::as_str)
        ));
        self.record(Record::Failure(Failure { trial_id: trial.id(), attempts }))
    }

    /// Takes the outcome from an earlier run, if one kept it.
    fn reuse(&self, trial: &Trial) -> anyhow::Result<bool> {
        let Some(shared) = self.shared.as_ref().filter(|_| !trial.is_control()) else { return Ok(false) };
        match shared.find(trial, self.sandbox().name(), self.run.blobs())? {
            Shared::Found(outcome) => self.record(Record::Outcome(outcome)).map(|()| true),
            Shared::Nothing => Ok(false),
            Shared::Dropped(why) => {
                self.console.say(format!("an outcome of an earlier run is not used: {why}"));
                Ok(false)
            }
        }
    }

    /// Keeps the outcome for other runs. If it cannot be kept, this run loses nothing, and that is said once.
    fn share(&self, outcome: &Outcome, report: Option<&TestReport>) {
        let Some(shared) = &self.shared else { return };
        if let Err(error) = shared.keep(outcome, report, self.run.blobs())
            && !self.share_failed.swap(true, Ordering::SeqCst)
        {
            self.console.say(format!("outcomes are not kept for other runs: {error:#}"));
        }
    }

    fn attempt(&self, site: &Site, kept: &mut KeptSlot, job: &Job) -> Result<Executed, SandboxError> {
        if kept.as_ref().is_none_or(|(image, _)| *image != site.image.digest) {
            *kept = None;
            *kept = Some((site.image.digest.clone(), self.sandbox().slot(&site.image)?));
        }
        match kept {
            Some((_, slot)) => slot.run(job),
            None => Err(SandboxError::Failed { doing: "opening a slot", why: "it was not kept".to_owned() }),
        }
    }

    fn record_outcome(
        &self,
        site: &Site,
        trial: &Trial,
        executed: Executed,
        nonce: &str,
        retried: Vec<String>,
    ) -> anyhow::Result<()> {
        self.memory.saw(&trial.image, executed.peak_memory_bytes);
        let blobs = self.run.blobs();
        let report = (trial.plan.mode != Mode::Script).then(|| {
            let mut report = site.framework.parse(&executed.report, executed.report_truncated, nonce);
            // What a candidate's code says of itself is nobody's evidence, and may be anything.
            if ![&site.trees.tested_base, &site.trees.tested_gold].contains(&&trial.tree) {
                report.remarks = None;
            }
            report
        });
        let tampered = protected_among(&site.repository, &site.trees.layout, &trial.tree, &executed.touched)?;
        let outcome = Outcome {
            format: format::OUTCOME.to_owned(),
            trial_id: trial.id(),
            trial: trial.clone(),
            sandbox: self.sandbox().name().to_owned(),
            exit: executed.exit,
            report: report.as_ref().map(|report| blobs.put(&canonical_json(report))).transpose()?,
            output: OutputRef { blob: Some(blobs.put(&kept_output(&executed))?), total_bytes: executed.output_total },
            wall_ms: executed.wall_ms,
            overhead_ms: executed.overhead_ms,
            peak_memory_bytes: executed.peak_memory_bytes,
            tampered,
            retried,
            reused: false,
            imported: None,
        };
        self.share(&outcome, report.as_ref());
        self.ran.fetch_add(1, Ordering::Relaxed);
        self.console.ran(&trial.instance_id);
        self.record(Record::Outcome(Box::new(outcome)))
    }

    /// Appends to the journal, then takes it as known.
    pub(crate) fn record(&self, record: Record) -> anyhow::Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let place = writer.append(&record)?;
        self.knowledge.learn(&record, place)
    }
}

fn command(site: &Site, trial: &Trial, nonce: &str) -> anyhow::Result<Command> {
    let (tool, workdir, plan) = (&site.image.tool, &site.image.workdir, &trial.plan);
    Ok(match plan.mode {
        Mode::Suite => site.framework.command(tool, workdir, plan, nonce),
        Mode::Plain => {
            let bare = site.framework.bare();
            let bare =
                bare.with_context(|| format!("trial {}: {} has no run without it", trial.id(), plan.framework))?;
            bare.command(tool, workdir, plan, nonce)
        }
        Mode::Script => {
            let path = plan.files.first().with_context(|| format!("trial {} names no script", trial.id()))?;
            let command = site.framework.script_command(tool, workdir, path, plan.variation);
            command.with_context(|| format!("trial {}: {} runs no scripts", trial.id(), plan.framework))?
        }
    })
}

pub(crate) fn job(
    toolchain: &dyn Toolchain,
    environment: &Environment,
    trial: &Trial,
    command: &Command,
    changes: Vec<crate::sandbox::FileChange>,
) -> Job {
    let mut env: BTreeMap<_, _> = environment.env.clone();
    toolchain.translate(&mut env);
    // The sealed variables win: an instance may add variables and may not loosen any.
    env.extend(command.env.clone());
    Job {
        argv: command.argv.clone(),
        env,
        changes,
        support: command.support.clone(),
        stdin: command.stdin.clone(),
        limits: trial.limits.clone(),
    }
}

/// Sixteen random bytes in hex, new for every run.
pub(crate) fn nonce() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no random bytes from the system: {error}"))?;
    Ok(hex::encode(bytes))
}

/// Head and tail with a line between them that says how much is left out.
fn kept_output(executed: &Executed) -> Vec<u8> {
    let kept = (executed.output_head.len() + executed.output_tail.len()) as u64;
    let mut bytes = executed.output_head.clone();
    if executed.output_total > kept {
        bytes.extend(format!("\n[{} bytes left out]\n", executed.output_total - kept).bytes());
    }
    bytes.extend(&executed.output_tail);
    bytes
}
