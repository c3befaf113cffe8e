//! A bundle: admissions with what they rest on, in one file that others can use. JSON Lines compressed with zstd:
//!
//! 1. the manifest (`admission-bundle.v1`): who made it, with which tool and machine, and of which instances;
//! 2. per instance its admission, then the outcomes of the trials that it rests on, each followed by the blobs that are
//!    needed to judge again.
//!
//! Admissions and outcomes are the records of a journal, blobs are `blob.v1` with `"record": "blob"`. So what a bundle
//! holds of an instance can be laid into any run directory, and two bundles merge by laying out both.
//!
//! A bundle is what somebody says, so it is read as such ([`unpack`]): no name in it becomes a path but a sha256 in hex;
//! lines and instances have a bound; an outcome is taken only if the admission before it rests on it, a blob only if an
//! outcome before it names it. What does not fit is named with its line and left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Index, Record, RunDir, StoredBlob, Writer};
use crate::exit_code::Stop;
use crate::model::admission::{Admission, Refusal};
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::imported::{Imported, bad_name};
use crate::model::instance::Instance;
use crate::model::receipt::Tool;
use crate::model::trial::Outcome;
use crate::output::NewFile;

/// Longest line that is read. A report may have 64 MiB, and JSON in JSON takes more.
const LONGEST_LINE: u64 = 256 << 20;
/// Most that an instance may take, uncompressed.
const MOST_OF_AN_INSTANCE: u64 = 1 << 30;
/// So many damaged lines are named; then nothing more is read.
const MOST_DAMAGED: usize = 1000;
/// Characters that are kept of a reason.
const LONGEST_WHY: usize = 500;

/// The first line of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BundleManifest {
    /// Always `admission-bundle.v1`.
    pub format: String,
    /// What packed it.
    pub tool: Tool,
    /// Who made it, by their own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Where it was packed.
    pub machine: Machine,
    /// Instance id -> what its admission is of.
    pub instances: BTreeMap<String, Packed>,
}

/// A machine, as far as it may matter for what ran there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    pub os: String,
    pub arch: String,
    /// Release of the kernel.
    pub kernel: String,
    pub cores: u64,
}

/// What an admission of a bundle is of. It serves only who computes the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Packed {
    /// Digest of the instance.
    pub instance: Digest,
    /// Digest of the sealed image.
    pub image: Digest,
    /// The admission's key, which also names runner and options.
    pub key: Digest,
    /// Trials that it rests on.
    pub trials: u64,
}

/// A line after the first.
#[derive(Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
enum Line {
    Admission(Box<Admission>),
    Outcome(Box<Outcome>),
    Blob(StoredBlob),
}

/// What was packed, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Packing {
    pub admissions: u64,
    pub trials: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Refused before anything ran, or for a failure of the sandbox: it costs nothing to find that again.
    pub nothing_ran: u64,
    /// Imported from another bundle, which can be given on as it is.
    pub imported: u64,
    /// An outcome of theirs is not in the journal.
    pub incomplete: u64,
}

/// Packs the admissions of a run: those of the last command that wrote into it.
///
/// # Errors
/// A run directory without admissions; what cannot be read or written.
pub fn pack(run: &RunDir, by: Option<String>, machine: Machine, out: &Path) -> anyhow::Result<Packing> {
    let index = run.index()?;
    let (instances, admissions) = (run.by_instance("instances.jsonl")?, run.by_instance("admissions.jsonl")?);
    let (mut packing, mut packed) = (Packing::default(), BTreeMap::new());
    for (id, _) in admissions.instances() {
        let admission = admissions.read::<Admission>(id)?.pop();
        let instance = instances.read::<Instance>(id)?.pop();
        let (Some(admission), Some(instance)) = (admission, instance) else { continue };
        let ran = admission.refusal != Some(Refusal::SandboxFailed) && !admission.trials.is_empty();
        let Some(image) = admission.image.clone().filter(|_| ran) else {
            packing.nothing_ran += 1;
            continue;
        };
        if admission.imported.is_some() {
            packing.imported += 1;
            continue;
        }
        let mut known = admission.trials.iter().map(|trial| index.outcome(trial).map(|found| found.is_some()));
        if !known.try_fold(true, |all, known| Ok::<_, anyhow::Error>(all & known?))? {
            packing.incomplete += 1;
            continue;
        }
        let trials = admission.trials.len() as u64;
        packing.trials += trials;
        packed.insert(id.to_owned(), Packed { instance: instance.digest(), image, key: admission.key, trials });
    }
    packing.admissions = packed.len() as u64;
    if packed.is_empty() {
        let Packing { nothing_ran, imported, incomplete, .. } = packing;
        let why = format!(
            "{} holds no admission that could be packed: {nothing_ran} ran nothing, {imported} were imported, {incomplete} lack \
             outcomes; run `assay validate` without --admissions into a run directory",
            run.path().display()
        );
        return Err(Stop::Usage(why).into());
    }
    let manifest =
        BundleManifest { format: format::BUNDLE.to_owned(), tool: Tool::this(), by, machine, instances: packed };
    let cannot = || format!("cannot write {}; free space or make its folder writable", out.display());
    let mut lines = zstd::Encoder::new(NewFile::create(out)?, 6).with_context(cannot)?;
    push(&mut lines, &manifest).with_context(cannot)?;
    // A block ends here and after each instance, so that a file that is cut off serves up to there.
    lines.flush().with_context(cannot)?;
    for id in manifest.instances.keys() {
        let Some(admission) = admissions.read::<Admission>(id)?.pop() else { continue };
        let mut written = BTreeSet::new();
        let (trials, admitted) = (admission.trials.clone(), admission.admitted());
        push(&mut lines, &Line::Admission(Box::new(admission))).with_context(cannot)?;
        for trial in &trials {
            let stored = index.outcome(trial)?.with_context(|| format!("{id}: trial {trial} has no outcome"))?;
            let outcome = stored.outcome()?;
            // Why an instance is refused may quote what was printed.
            let printed = outcome.output.blob.clone().filter(|_| !admitted || outcome.report.is_none());
            let blobs: Vec<_> = outcome.report.clone().into_iter().chain(printed).collect();
            push(&mut lines, &Line::Outcome(Box::new(outcome))).with_context(cannot)?;
            for blob in blobs {
                if written.insert(blob.clone()) {
                    let bytes = run.blobs().get(&blob).with_context(|| format!("{id}: what trial {trial} gave"))?;
                    push(&mut lines, &Line::Blob(StoredBlob::of(&bytes))).with_context(cannot)?;
                }
            }
        }
        lines.flush().with_context(cannot)?;
    }
    packing.bytes = lines.finish().with_context(cannot)?.finish()?;
    Ok(packing)
}

fn push(lines: &mut impl std::io::Write, line: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *lines, line)?;
    Ok(lines.write_all(b"\n")?)
}

/// A bundle that was laid out in a run directory of its own. Nothing in it was judged yet.
#[derive(Debug)]
pub struct Unpacked {
    pub manifest: BundleManifest,
    pub from: Imported,
    /// Lines that were left out, and why.
    pub damaged: Vec<(u64, String)>,
}

/// Lays what a bundle holds of some instances into a new run directory.
///
/// # Errors
/// The file cannot be read or is no bundle; the directory cannot be written.
pub fn unpack(path: &Path, wanted: &BTreeSet<&str>, into: &RunDir) -> anyhow::Result<Unpacked> {
    let cannot = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    let bundle = Digest::of_reader(&file).with_context(cannot)?;
    file.rewind().with_context(cannot)?;
    let mut reader = BufReader::new(zstd::Decoder::new(file).with_context(cannot)?);
    let unusable = |why: String| Stop::Usage(format!("{} is not a bundle of `assay pack`: {why}", path.display()));
    let first = next(&mut reader, LONGEST_LINE).map_err(|error| unusable(format!("{error:#}")))?;
    let manifest = manifest(&first.unwrap_or_default()).map_err(|error| unusable(format!("{error:#}")))?;
    let from = Imported { by: manifest.by.clone(), bundle, tool_version: manifest.tool.version.clone() };
    let writer = into.writer(&mut Index::default())?;
    let mut laying = Laying { manifest: &manifest, wanted, into, writer, seen: BTreeSet::new(), at: At::Nothing };
    let mut damaged: Vec<(u64, String)> = Vec::new();
    // A reason may quote the line, and a line may be long.
    let short = |why: String| why.chars().take(LONGEST_WHY).collect();
    for number in 2.. {
        let line = match next(&mut reader, LONGEST_LINE) {
            Ok(None) => break,
            Ok(Some(line)) => line,
            Err(error) => {
                damaged.push((number, short(format!("{error:#}; nothing from here on is used"))));
                break;
            }
        };
        if let Err(why) = laying.line(&line)? {
            damaged.push((number, short(why)));
        }
        if damaged.len() >= MOST_DAMAGED {
            damaged.push((number, "too many lines are damaged; nothing from here on is used".to_owned()));
            break;
        }
    }
    drop(laying);
    Ok(Unpacked { manifest, from, damaged })
}

/// The next line without its end; none at the end of the file.
fn next(reader: &mut impl BufRead, longest: u64) -> anyhow::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(longest).read_until(b'\n', &mut line).context("the file is damaged or cut off")?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 + 1 == longest => bail!("a line is longer than {longest} bytes"),
        Some(_) => bail!("the file is cut off in the middle of a line"),
    }
}

/// Reads the first line. Its names are shown to people.
fn manifest(line: &[u8]) -> anyhow::Result<BundleManifest> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    let head: Head = serde_json::from_slice(line).context("it does not begin with a manifest")?;
    format::check(Some(&head.format), format::BUNDLE)?;
    let manifest: BundleManifest = serde_json::from_slice(line).context("its manifest cannot be read")?;
    if let Some(why) = manifest.by.iter().chain([&manifest.tool.version]).find_map(|name| bad_name(name)) {
        bail!("the name of its maker or tool: {why}");
    }
    Ok(manifest)
}

/// Where the reading is.
enum At {
    /// Before the first admission.
    Nothing,
    /// In an instance that nobody asked for, that is too large, or whose admission is left out.
    Skipping,
    Instance(Open),
}

/// An instance, with what may still come of it.
struct Open {
    id: String,
    image: Digest,
    trials: BTreeSet<Digest>,
    blobs: BTreeSet<Digest>,
    left: u64,
}

struct Laying<'a> {
    manifest: &'a BundleManifest,
    wanted: &'a BTreeSet<&'a str>,
    into: &'a RunDir,
    writer: Writer,
    /// Whose admission came: each comes once.
    seen: BTreeSet<String>,
    at: At,
}

impl Laying<'_> {
    /// Takes a line in, or says why it is left out. `Err` is a fault of the disk.
    fn line(&mut self, bytes: &[u8]) -> anyhow::Result<Result<(), String>> {
        let line: Line = match serde_json::from_slice(bytes) {
            Ok(line) => line,
            Err(error) => return Ok(Err(format!("not a record of a bundle: {error}"))),
        };
        match line {
            Line::Admission(admission) => self.admission(*admission, bytes.len() as u64),
            Line::Outcome(outcome) => match self.within(bytes.len(), |open| open.outcome(&outcome)) {
                Ok(Some(())) => self.writer.append(&Record::Outcome(outcome)).map(|_| Ok(())),
                Ok(None) => Ok(Ok(())),
                Err(why) => Ok(Err(why)),
            },
            Line::Blob(blob) => match self.within(bytes.len(), |open| open.blob(&blob)) {
                Ok(Some(bytes)) => self.into.blobs().put(&bytes).map(|_| Ok(())),
                Ok(None) => Ok(Ok(())),
                Err(why) => Ok(Err(why)),
            },
        }
    }

    /// What a line is to the instance that it belongs to. None: to one that is skipped.
    fn within<T>(
        &mut self,
        bytes: usize,
        take: impl FnOnce(&mut Open) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let open = match &mut self.at {
            At::Skipping => return Ok(None),
            At::Nothing => return Err("no admission stands before it".to_owned()),
            At::Instance(open) => open,
        };
        let Some(left) = open.left.checked_sub(bytes as u64) else {
            let why = format!("{}: takes more than {MOST_OF_AN_INSTANCE} bytes", open.id);
            self.at = At::Skipping;
            return Err(why);
        };
        open.left = left;
        take(open).map(Some).map_err(|why| format!("{}: {why}", open.id))
    }

    fn admission(&mut self, admission: Admission, bytes: u64) -> anyhow::Result<Result<(), String>> {
        let id = &admission.instance_id;
        self.at = At::Skipping;
        let Some(packed) = self.manifest.instances.get(id) else {
            return Ok(Err(format!("the admission of {id:?}, which the manifest does not name")));
        };
        if !self.wanted.contains(&**id) {
            return Ok(Ok(()));
        }
        if !self.seen.insert(id.clone()) {
            return Ok(Err(format!("{id}: a second admission")));
        }
        if admission.key != packed.key || admission.image.as_ref() != Some(&packed.image) {
            return Ok(Err(format!("{id}: the admission has another key or image than the manifest says")));
        }
        self.at = At::Instance(Open {
            id: id.clone(),
            image: packed.image.clone(),
            trials: admission.trials.iter().cloned().collect(),
            blobs: BTreeSet::new(),
            left: MOST_OF_AN_INSTANCE.saturating_sub(bytes),
        });
        self.writer.append(&Record::Admission(Box::new(admission))).map(|_| Ok(()))
    }
}

impl Open {
    fn outcome(&mut self, outcome: &Outcome) -> Result<(), String> {
        let id = outcome.trial.id();
        if outcome.trial_id != id {
            return Err("an outcome whose name is not that of its trial".to_owned());
        }
        if outcome.trial.instance_id != self.id || outcome.trial.image != self.image {
            return Err(format!("the outcome of trial {id}, which is of another instance or image"));
        }
        if !self.trials.remove(&id) {
            return Err(format!("the outcome of trial {id}, on which the admission does not rest, or a second one"));
        }
        self.blobs.extend(outcome.report.iter().chain(&outcome.output.blob).cloned());
        Ok(())
    }

    fn blob(&mut self, blob: &StoredBlob) -> Result<Vec<u8>, String> {
        if !self.blobs.remove(&blob.sha256) {
            return Err("a blob that no outcome before it names, or a second one".to_owned());
        }
        blob.bytes().map_err(|error| format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_that_is_too_long_or_has_no_end_ends_the_reading() {
        let mut reader = &b"123\n123456789\n"[..];
        assert_eq!(next(&mut reader, 8).unwrap(), Some(b"123".to_vec()));
        assert!(next(&mut reader, 8).unwrap_err().to_string().contains("longer than 8 bytes"));
        assert!(next(&mut &b"123"[..], 8).unwrap_err().to_string().contains("middle of a line"));
        assert_eq!(next(&mut &b""[..], 8).unwrap(), None);
    }

    #[test]
    fn an_instance_that_nobody_asked_for_or_that_is_too_large_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let into = RunDir::open(folder.path()).unwrap();
        let digest = Digest::of(b"x");
        let packed = json!({"instance": digest, "image": digest, "key": digest, "trials": 1});
        let line = json!({"format": format::BUNDLE, "tool": Tool::this(), "instances": {"one": packed, "two": packed, "four": packed},
            "machine": {"os": "linux", "arch": "x", "kernel": "6", "cores": 1}});
        let manifest = manifest(line.to_string().as_bytes()).unwrap();
        let wanted = BTreeSet::from(["one", "four"]);
        let writer = into.writer(&mut Index::default()).unwrap();
        let mut laying = Laying {
            manifest: &manifest,
            wanted: &wanted,
            into: &into,
            writer,
            seen: BTreeSet::new(),
            at: At::Nothing,
        };
        let blob = json!({"record": "blob", "format": format::BLOB, "sha256": Digest::of(b"text"), "text": "text"})
            .to_string();
        let mut said = |id: Option<&str>, left: Option<u64>, blob: &str| {
            if let Some(id) = id {
                let admission = json!({"record": "admission", "format": format::ADMISSION, "instance_id": id, "key": digest,
                    "image": digest, "fail_to_pass": [], "pass_to_pass": [], "gold_files": [], "framework": "x/1", "repeats": 3,
                    "limits": crate::model::trial::Limits::default(), "trials": []});
                laying.line(admission.to_string().as_bytes()).unwrap()?;
            }
            if let (Some(left), At::Instance(open)) = (left, &mut laying.at) {
                (open.left, open.blobs) = (left, [Digest::of(b"text")].into());
            }
            laying.line(blob.as_bytes()).unwrap()
        };
        assert_eq!(said(None, None, &blob).unwrap_err(), "no admission stands before it");
        assert_eq!(said(Some("two"), None, &blob), Ok(()), "skipped");
        assert!(said(Some("three"), None, &blob).unwrap_err().contains("does not name"));
        assert!(said(Some("one"), Some(9), &blob).unwrap_err().contains("takes more than"));
        assert_eq!(said(None, None, &blob), Ok(()), "skipped");
        assert!(!into.blobs().holds(&Digest::of(b"text")));
        assert!(said(Some("one"), Some(999), &blob).unwrap_err().contains("a second admission"));
        assert_eq!(said(None, None, &blob), Ok(()), "skipped");
        assert!(!into.blobs().holds(&Digest::of(b"text")));
        assert_eq!(said(Some("four"), Some(999), &blob), Ok(()));
        assert!(into.blobs().holds(&Digest::of(b"text")));
        assert!(said(None, None, &blob).unwrap_err().contains("no outcome before it names"));
    }

    #[test]
    fn of_a_long_line_that_is_no_record_little_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let into = RunDir::open(&folder.path().join("run")).unwrap();
        let manifest = json!({"format": format::BUNDLE, "tool": Tool::this(), "instances": {},
            "machine": {"os": "linux", "arch": "x", "kernel": "6", "cores": 1}});
        let lines = format!("{manifest}\n{}\n", json!({"record": "a".repeat(1 << 20)}));
        let path = folder.path().join("bundle");
        std::fs::write(&path, zstd::encode_all(lines.as_bytes(), 1).unwrap()).unwrap();
        let unpacked = unpack(&path, &BTreeSet::new(), &into).unwrap();
        let [(2, why)] = unpacked.damaged.as_slice() else { panic!("{:?}", unpacked.damaged.len()) };
        assert!(why.starts_with("not a record of a bundle") && why.len() <= LONGEST_WHY, "{}", why.len());
    }

    #[test]
    fn a_maker_cannot_write_more_than_a_name_and_a_digest_is_one() {
        let digest = Digest::of(b"x");
        let line = |by: &str, key: &str| {
            let packed = json!({"instance": digest, "image": digest, "key": key, "trials": 1});
            let line = json!({"format": format::BUNDLE, "tool": Tool::this(), "by": by, "instances": {"one": packed},
                "machine": {"os": "linux", "arch": "x", "kernel": "6", "cores": 1}});
            manifest(line.to_string().as_bytes()).is_ok()
        };
        assert!(line("Team A", digest.as_str()));
        assert!(
            !line("Team\u{1b}[2J", digest.as_str())
                && !line("\u{202e}A", digest.as_str())
                && !line(" ", digest.as_str())
        );
        assert!(!line(&"a".repeat(201), digest.as_str()) && !line("Team A", "../key"));
    }
}
