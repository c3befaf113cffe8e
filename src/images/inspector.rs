//! A look into an image of others: which tool, runner and packages it has, and what in it tells the answer. The question is
//! a job for the image's own programs, which the language's [`Inspector`] writes and whose answer it reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::foreign::ReadyImage;
use super::seal_host::SealError;
use crate::model::digest::{Digest, canonical_json};
use crate::model::trial::Limits;
use crate::sandbox::{Executed, Job};

/// What is looked for.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Wanted<'a> {
    pub workdir: &'a str,
    /// The only tool that will do.
    #[serde(rename = "python")]
    pub tool: Option<&'a str>,
    /// Module of the test runner.
    pub runner: &'a str,
    /// Top-level modules of the project.
    pub modules: &'a [String],
    /// Lines that give the answer away if all of them stand in one file.
    pub lines: &'a [String],
}

/// What an image holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The tool that was chosen, and the program behind it.
    #[serde(rename = "python")]
    pub tool: String,
    pub real: String,
    pub version: String,
    /// Module and version of the test runner.
    pub runner: String,
    /// Folder of its packages.
    pub site: String,
    /// Files of installed copies of the project, with git's id of their content.
    pub copies: BTreeMap<String, String>,
    /// Git object stores, packs and bundles.
    pub histories: Vec<String>,
    /// Files that hold gold.
    pub answers: Vec<String>,
}

impl Found {
    /// Module of the test runner.
    pub fn runner_module(&self) -> &str {
        self.runner.split(' ').next().unwrap_or_default()
    }
}

/// How a language looks into images of others. Pure: the job is run by whatever holds the image.
pub trait Inspector: Send + Sync {
    /// Names the question: what was found is remembered by it.
    fn question(&self) -> &str;

    /// The job that looks.
    fn job(&self, image: &ReadyImage, wanted: &Wanted<'_>) -> Job;

    /// Reads what the job said.
    ///
    /// # Errors
    /// The image has no such tool, or the job failed.
    fn read(&self, image: &ReadyImage, wanted: &Wanted<'_>, executed: &Executed) -> Result<Found, SealError>;

    /// Files that the sealed image gets so that the project is imported from its work directory: path in the image -> text.
    /// `env` holds the variables of the instance and those of [`super::toolchain::Toolchain::variables`].
    fn start_up(&self, found: &Found, workdir: &str, env: &BTreeMap<String, String>) -> BTreeMap<String, String>;
}

/// What a look found is kept by what was asked: an image never changes under its id.
const LOOKS: &str = "image-looks";

/// What an earlier look found, or else what `look` finds. `kind` is what holds the image.
pub fn remembered(
    cache: &Cache,
    kind: &str,
    question: &str,
    image: &ReadyImage,
    wanted: &Wanted<'_>,
    look: impl FnOnce() -> Result<Found, SealError>,
) -> Result<Found, SealError> {
    let asked = Digest::of_json(&(question, kind, &image.image_id, &image.env, wanted));
    let name = format!("{asked}.json");
    if let Some(bytes) = cache.read(LOOKS, &name)?
        && let Ok(known) = serde_json::from_slice(&bytes)
    {
        return Ok(known);
    }
    let found = look()?;
    cache.write(LOOKS, &name, &canonical_json(&found))?;
    Ok(found)
}

/// A job of ours for the image's shell.
pub(crate) fn shell_job(script: &str, stdin: Vec<u8>) -> Job {
    Job {
        argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
        env: BTreeMap::from([
            ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
            ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ]),
        changes: Vec::new(),
        support: BTreeMap::new(),
        stdin,
        limits: Limits { deadline_ms: 1_800_000, keep_output_bytes: 32 << 20, ..Limits::default() },
    }
}

/// The last words of an output.
pub(crate) fn tail(words: &str) -> String {
    let lines: Vec<&str> = words.trim().lines().collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}
