//! `generations.jsonl` of the run directory: every answer that got a verdict, once. `assay verify` reads it, finds what was
//! run in the journal, and so makes rollouts into data.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context as _;

use crate::model::digest::Digest;
use crate::model::generation::Generation;
use crate::surrogates::{with_bytes_of_diffs, written};

const NAME: &str = "generations.jsonl";

/// The file, and what it holds.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// Length of the whole lines.
    end: u64,
    /// Sha256 of what is there.
    known: HashSet<[u8; 32]>,
}

impl Ledger {
    /// Opens the file, or makes it. A last line that was cut off by a kill is dropped.
    pub fn open(run: &Path) -> anyhow::Result<Self> {
        let path = run.join(NAME);
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}; make the run directory writable", path.display()))?;
        let mut known = HashSet::new();
        let (mut reader, mut end, mut line, mut unended) = (BufReader::new(&file), 0_u64, Vec::new(), false);
        for number in 1.. {
            line.clear();
            let read =
                reader.read_until(b'\n', &mut line).with_context(|| format!("cannot read {}", path.display()))?;
            let whole = line.ends_with(b"\n");
            let generation = generation(&line);
            if read == 0 || !whole && generation.is_err() {
                break;
            }
            let generation = generation
                .with_context(|| format!("{}:{number} is not a generation; mend or remove the line", path.display()))?;
            known.insert(key(&generation.id())?);
            end += read as u64;
            unended = !whole;
        }
        let mut file = file;
        file.set_len(end)
            .and_then(|()| file.seek(SeekFrom::Start(end)))
            .and_then(|_| if unended { file.write_all(b"\n") } else { Ok(()) })
            .with_context(|| format!("cannot write {}", path.display()))?;
        let end = end + u64::from(unended);
        Ok(Self { path, state: Mutex::new(State { file, end, known }) })
    }

    /// Appends a generation that is not there yet.
    pub fn append(&self, generation: &Generation) -> anyhow::Result<()> {
        let key = key(&generation.id())?;
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if state.known.contains(&key) {
            return Ok(());
        }
        let mut line = serde_json::to_string(generation).context("a generation is JSON")?;
        line.push('\n');
        // Bytes that were kept are halves again, as where the line is read.
        let line = written(&line);
        if let Err(error) = state.file.write_all(line.as_bytes()) {
            // What was written of the line must not become part of the next.
            let end = state.end;
            let back = state.file.set_len(end).and_then(|()| state.file.seek(SeekFrom::Start(end)));
            back.with_context(|| format!("cannot take a half line back from {}", self.path.display()))?;
            return Err(error).with_context(|| format!("cannot append to {}; free space", self.path.display()));
        }
        state.end += line.len() as u64;
        state.known.insert(key);
        Ok(())
    }
}

fn generation(line: &[u8]) -> serde_json::Result<Generation> {
    serde_json::from_slice(line).or_else(|error| match with_bytes_of_diffs(line) {
        Some((_, value)) => serde_json::from_value(value),
        None => Err(error),
    })
}

fn key(id: &Digest) -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(id.as_str(), &mut key).context("a digest is hex")?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(completion: &str) -> Generation {
        serde_json::from_value(serde_json::json!({"instance_id": "i", "skill": "repair", "completion": completion}))
            .unwrap()
    }

    #[test]
    fn bytes_that_were_kept_are_written_as_the_halves_that_they_came_as() {
        let folder = tempfile::tempdir().unwrap();
        let kept = generation("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\u{10f7fc}\n+x\n");
        for _ in 0..2 {
            Ledger::open(folder.path()).unwrap().append(&kept).unwrap();
        }
        let path = folder.path().join(NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("-\\udcfc\\n") && text.lines().count() == 1, "{text}");
        let mut read = Vec::new();
        let known = ["i".to_owned()].into();
        crate::intake::read_generations(&path, &known, &mut |_, generation| {
            read.push(generation.id());
            Ok(())
        })
        .unwrap();
        assert_eq!(read, [kept.id()], "verify finds what was judged");
    }

    #[test]
    fn a_generation_is_kept_once_and_a_torn_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.append(&generation("a")).unwrap();
        ledger.append(&generation("a")).unwrap();
        drop(ledger);
        let path = folder.path().join(NAME);
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend(b"{\"instance_id\": \"to");
        std::fs::write(&path, torn).unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.append(&generation("a")).unwrap();
        ledger.append(&generation("b")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let completions: Vec<_> =
            text.lines().map(|line| serde_json::from_str::<Generation>(line).unwrap().completion.unwrap()).collect();
        assert_eq!(completions, ["a", "b"]);

        // An editor that takes the last line's end takes no answer.
        std::fs::write(&path, text.trim_end()).unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.append(&generation("b")).unwrap();
        ledger.append(&generation("c")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
