//! A prompts file as a table of contents: texts stay on disk until they are asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::model::format;
use crate::model::generation::Skill;
use crate::prompt::Prompt;

/// The prompts of a file.
#[derive(Debug)]
pub struct Prompts {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
    by_id: BTreeMap<String, usize>,
    /// Lines that are not prompts: line and why.
    pub unusable: Vec<(u64, String)>,
}

/// What is kept of a prompt.
#[derive(Clone, Debug)]
pub struct Entry {
    pub prompt_id: String,
    pub instance_id: String,
    pub skill: Skill,
    pub tokens: u64,
    at: u64,
    length: usize,
}

impl Prompts {
    /// Reads a `prompt.v1` file. Lines that cannot be used are noted and the rest go on; of equal ids the first counts.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open prompts file {}", path.display()))?;
        let mut reader = BufReader::new(file.try_clone()?);
        let mut prompts =
            Self { path: path.to_owned(), file, entries: Vec::new(), by_id: BTreeMap::new(), unusable: Vec::new() };
        let (mut at, mut line) = (0, Vec::new());
        for number in 1.. {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).with_context(|| format!("reading {}", path.display()))?;
            if length == 0 {
                break;
            }
            if !line.trim_ascii().is_empty() {
                match read(&line) {
                    Ok(prompt) => prompts.add(prompt, at, length),
                    Err(why) => prompts.unusable.push((number, why)),
                }
            }
            at += length as u64;
        }
        Ok(prompts)
    }

    fn add(&mut self, prompt: Prompt, at: u64, length: usize) {
        let Prompt { prompt_id, instance_id, skill, tokens, .. } = prompt;
        if self.by_id.contains_key(&prompt_id) {
            return;
        }
        self.by_id.insert(prompt_id.clone(), self.entries.len());
        self.entries.push(Entry { prompt_id, instance_id, skill, tokens, at, length });
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a prompt.
    pub fn find(&self, prompt_id: &str) -> Option<&Entry> {
        self.by_id.get(prompt_id).map(|place| &self.entries[*place])
    }

    /// A prompt, read again.
    ///
    /// # Errors
    /// The file changed under way.
    pub fn read(&self, entry: &Entry) -> anyhow::Result<Prompt> {
        let mut line = vec![0; entry.length];
        self.file.read_exact_at(&mut line, entry.at).with_context(|| format!("reading {}", self.path.display()))?;
        match read(&line) {
            Ok(prompt) if prompt.prompt_id == entry.prompt_id => Ok(prompt),
            _ => bail!("{} changed while it was being read; run again", self.path.display()),
        }
    }
}

fn read(line: &[u8]) -> Result<Prompt, String> {
    let prompt: Prompt = serde_json::from_slice(line).map_err(|error| format!("no prompt: {error}"))?;
    format::check(Some(&prompt.format), format::PROMPT).map_err(|error| format!("the line {error}"))?;
    if prompt.messages.is_empty() || prompt.prompt_id.is_empty() {
        return Err("no prompt: it has no messages or no prompt_id".to_owned());
    }
    Ok(prompt)
}
