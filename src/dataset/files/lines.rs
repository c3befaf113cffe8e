//! A file of JSON lines, read one line at a time, in any order.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;

/// Places of the lines of a file: eight bytes each, the lines stay where they are.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
    /// Start of every line, and the end of the last.
    starts: Vec<u64>,
}

impl Lines {
    /// Opens a file; `each` gets every line with its number from 0.
    pub fn open(path: &Path, each: &mut dyn FnMut(usize, &[u8]) -> Result<()>) -> Result<Self> {
        let cannot = || format!("cannot read {}; run `assay verify` into this directory first", path.display());
        let file = File::open(path).with_context(cannot)?;
        let mut reader = BufReader::with_capacity(1 << 20, file.try_clone().with_context(cannot)?);
        let mut starts = vec![0];
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).with_context(cannot)?;
            if read == 0 {
                return Ok(Self { path: path.to_owned(), file, starts });
            }
            let number = starts.len() - 1;
            each(number, &line).with_context(|| format!("{}:{} cannot be read", path.display(), number + 1))?;
            starts.push(starts[number] + read as u64);
        }
    }

    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Reads a line, by number from 0.
    pub fn read<T: DeserializeOwned>(&self, number: usize) -> Result<T> {
        let mut bytes = vec![0; (self.starts[number + 1] - self.starts[number]) as usize];
        let place = || format!("{}:{} cannot be read", self.path.display(), number + 1);
        self.file.read_exact_at(&mut bytes, self.starts[number]).with_context(place)?;
        serde_json::from_slice(&bytes).with_context(place)
    }
}

/// Lines that are found by what they say. Of lines with one key the last counts.
#[derive(Debug)]
pub(crate) struct KeyedLines<K> {
    lines: Lines,
    numbers: HashMap<K, u32>,
}

impl<K: Eq + Hash> KeyedLines<K> {
    pub fn open(path: &Path, key: impl Fn(&[u8]) -> Result<K>) -> Result<Self> {
        let mut numbers = HashMap::new();
        let lines = Lines::open(path, &mut |number, line| {
            numbers.insert(key(line)?, u32::try_from(number).context("more than four thousand million lines")?);
            Ok(())
        })?;
        Ok(Self { lines, numbers })
    }

    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.numbers.keys()
    }

    pub fn read<T: DeserializeOwned, Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Result<Option<T>>
    where
        K: Borrow<Q>,
    {
        self.numbers.get(key).map(|number| self.lines.read(*number as usize)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn lines_are_found_by_number_and_by_key_and_a_bad_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lines.jsonl");
        std::fs::write(&path, "{\"k\":1}\n{\"k\":2}\n{\"k\":1,\"v\":3}").unwrap();
        let key = |line: &[u8]| Ok(serde_json::from_slice::<Value>(line)?["k"].as_u64().unwrap());
        let keyed = KeyedLines::open(&path, key).unwrap();
        assert_eq!(keyed.lines.len(), 3);
        assert_eq!(keyed.read::<Value, u64>(&1).unwrap().unwrap()["v"], 3);
        assert_eq!(keyed.read::<Value, u64>(&7).unwrap(), None);
        std::fs::write(&path, "{}\nno\n").unwrap();
        let error = KeyedLines::open(&path, |line| Ok(serde_json::from_slice::<Value>(line)?.to_string())).unwrap_err();
        assert!(format!("{error:#}").contains("lines.jsonl:2"), "{error:#}");
    }
}
