//! Bundles of admissions that a run is offered, laid out apart from it, and a sample of what was taken, run again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::input::Input;
use super::run::lab;
use super::session::Session;
use crate::console::{Console, plain};
use crate::intake::Quarantined;
use crate::journal::{RunDir, Unpacked, unpack};
use crate::lab::{Admissions, Located, Offer, differences_of_runs};
use crate::model::admission::{Admission, Refusal};
use crate::model::digest::Digest;

/// A bundle in a folder of its own. Only what the judge confirms goes from there into the run.
pub struct Bundle {
    file: PathBuf,
    unpacked: Unpacked,
    run: RunDir,
    _folder: tempfile::TempDir,
}

impl Bundle {
    /// Lays out what the bundle holds of the instances of a run.
    pub fn open(file: &Path, console: &Console, input: &Input) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a directory for --admissions; free space in TMPDIR")?;
        let run = RunDir::open(&folder.path().join("run"))?;
        let wanted = input.instances.iter().map(|located| &*located.instance_id).collect();
        let unpacked = unpack(file, &wanted, &run)?;
        let (packed, machine) = (&unpacked.manifest.instances, &unpacked.manifest.machine);
        console.say(format!(
            "{}: {} admission(s), {} of them of these instances; {}, packed on {} {}",
            file.display(),
            packed.len(),
            packed.keys().filter(|id| wanted.contains(&***id)).count(),
            unpacked.from.told(),
            plain(&machine.os),
            plain(&machine.arch),
        ));
        if let Some((line, why)) = unpacked.damaged.first() {
            let (count, file) = (unpacked.damaged.len(), file.display());
            console.say(format!("{file}: {count} record(s) are left out, the first in line {line}: {}", plain(why)));
        }
        Ok(Self { file: file.to_owned(), unpacked, run, _folder: folder })
    }

    /// Records that were left out.
    pub fn quarantined(&self) -> impl Iterator<Item = Quarantined> {
        let file = self.file.display().to_string();
        self.unpacked.damaged.iter().map(move |(line, why)| Quarantined::new(file.clone(), *line, why))
    }

    pub fn offer<'a>(&'a self, console: &'a Console, session: &Session) -> anyhow::Result<Offer<'a>> {
        Ok(Offer::new(lab(&self.run, console, session)?, &self.unpacked))
    }
}

/// What running some imported admissions again gave.
#[derive(Debug, Default)]
pub struct Sampled {
    /// How many ran.
    pub of: usize,
    /// Instance -> what differs.
    pub disagree: BTreeMap<String, Vec<String>>,
    /// Instance -> why it could not be run again.
    pub failed: BTreeMap<String, String>,
}

/// Runs the admissions of some imported instances again, with nothing that is known, and compares. The instances are those
/// whose key with the seed has the least digest, so the same seed chooses the same ones.
pub fn run_sample(
    console: &Console,
    session: &Session,
    input: &Input,
    admissions: &Admissions,
    wanted: usize,
    seed: u64,
) -> anyhow::Result<Sampled> {
    let mut chosen = Vec::new();
    for located in &input.instances {
        if let Some(admission) = admissions.read(&located.instance_id)?
            && admission.imported.is_some()
        {
            chosen.push((Digest::of_json(&(seed, &admission.key)), located.clone()));
        }
    }
    chosen.sort_by(|(a, _): &(Digest, Located), (b, _)| a.cmp(b));
    chosen.truncate(wanted);
    let folder = tempfile::tempdir().context("cannot make a directory for --sample; free space in TMPDIR")?;
    let run = RunDir::open(folder.path())?;
    let mut lab = lab(&run, console, session)?.afresh();
    console.say(format!("running base and gold of {} imported admission(s) again", chosen.len()));
    let mut sampled = Sampled { of: chosen.len(), ..Sampled::default() };
    // Each as it was made, whether this command says `--full` or not.
    for full in [false, true] {
        lab.settings.repeat_all = full;
        let mut alike = Vec::new();
        for (_, located) in &chosen {
            let theirs = imported(admissions, &located.instance_id)?;
            if lab.is_key_of(&theirs, &located.instance.read()?, true) == full {
                alike.push(located.clone());
            }
        }
        for again in lab.admit(&alike)?.each() {
            let again = again?;
            let id = again.instance_id.clone();
            if again.refusal == Some(Refusal::SandboxFailed) || again.image.is_none() {
                sampled.failed.insert(id, again.detail);
                continue;
            }
            let differs = differences_of_runs(&imported(admissions, &id)?, &again)?;
            if !differs.is_empty() {
                sampled.disagree.insert(id, differs);
            }
        }
    }
    Ok(sampled)
}

fn imported(admissions: &Admissions, id: &str) -> anyhow::Result<Admission> {
    admissions.read(id)?.with_context(|| format!("{id} was chosen and is not there"))
}
