//! A run from its input to its files: admissions, trials, verdicts, and what is derived from them.

use std::collections::BTreeMap;

use super::input::Input;
use super::session::Session;
use super::summary::Summary;
use crate::admission_report::AdmissionReport;
use crate::console::Console;
use crate::exit_code::ExitCode;
use crate::journal::{RunDir, RunInfo};
use crate::lab::{Admissions, Lab, Offer};
use crate::leak::Leaks;
use crate::model::admission::Refusal;
use crate::model::format;

/// What a run gave.
pub struct Verified {
    pub admissions: Admissions,
    pub summary: Summary,
}

/// Runs the whole line into a run directory: admissions, trials, verdicts, and the files that are derived from them.
pub fn verify_into(run: &RunDir, console: &Console, session: &Session, input: &mut Input) -> anyhow::Result<Verified> {
    let admissions = admit_into(run, console, session, input)?.admissions;
    let lab = lab(run, console, session)?;
    let tally = lab.verify(&input.instances, &admissions, &mut input.samples)?;
    let mut summary = Summary::of(tally, run);
    summary.instances = Some(admissions.refusals().filter(Option::is_none).count() as u64);
    summary.quarantined = input.quarantined.len() as u64;
    run.write_derived("summary.json", &serde_json::to_vec_pretty(&summary)?)?;
    Ok(Verified { admissions, summary })
}

/// What admission gave.
#[derive(Debug)]
pub struct Admitted {
    pub admissions: Admissions,
    pub report: AdmissionReport,
}

/// The first half: instances prepared and admitted.
pub fn admit_into(run: &RunDir, console: &Console, session: &Session, input: &Input) -> anyhow::Result<Admitted> {
    admit_offered(run, console, session, input, &[])
}

/// The same, with bundles of admissions.
pub fn admit_offered(
    run: &RunDir,
    console: &Console,
    session: &Session,
    input: &Input,
    offers: &[Offer],
) -> anyhow::Result<Admitted> {
    let info = RunInfo {
        format: format::RUN.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        sandbox: session.engine.sandbox().name().to_owned(),
        repeats: session.settings.repeats,
        evidence: session.settings.evidence,
        inputs: input.digests.clone(),
    };
    run.write_derived("run.json", &serde_json::to_vec_pretty(&info)?)?;
    run.write_lines("quarantine.jsonl", &input.quarantined)?;
    let (mut instances, mut leaks) = (run.lines_writer("instances.jsonl")?, BTreeMap::new());
    for located in &input.instances {
        let instance = located.instance.read()?;
        instances.push(&instance)?;
        leaks.insert(located.instance_id.as_str(), Leaks::of(&instance));
    }
    instances.finish()?;
    let lab = lab(run, console, session)?;
    let admissions = lab.admit_offered(&input.instances, offers)?;
    let (mut lines, mut report) = (run.lines_writer("admissions.jsonl")?, AdmissionReport::default());
    for admission in admissions.each() {
        let admission = admission?;
        lines.push(&admission)?;
        report.add(&admission, leaks.get(&*admission.instance_id).copied().unwrap_or_default());
    }
    lines.finish()?;
    run.write_derived("admission-report.json", &serde_json::to_vec_pretty(&report)?)?;
    run.write_derived("admission-report.md", report.markdown().as_bytes())?;
    lab.write_prompts(&input.instances, &admissions)?;
    Ok(Admitted { admissions, report })
}

/// Opens the lab of a run, with the settings of the session.
pub fn lab<'a>(run: &'a RunDir, console: &'a Console, session: &Session) -> anyhow::Result<Lab<'a>> {
    Lab::open(run, console, session.engine.clone(), session.settings.clone(), session.cancel.clone())
}

/// 4 when nothing could run for want of an environment, 2 when an instance was refused or nothing was verified.
pub fn exit_code(admissions: &Admissions, verified: u64) -> anyhow::Result<ExitCode> {
    if admissions.refusals().all(|refusal| refusal == Some(Refusal::NoEnvironment)) {
        return Ok(ExitCode::Environment);
    }
    let refused = admissions.refusals().any(|refusal| refusal.is_some());
    Ok(if refused || verified == 0 { ExitCode::Findings } else { ExitCode::Done })
}
