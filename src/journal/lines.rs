//! Derived JSON Lines files, a line at a time: written under a temporary name, read back one instance at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A derived file in the making. It takes its name when it is whole, and goes when it is dropped before.
#[derive(Debug)]
pub struct LinesWriter {
    file: BufWriter<tempfile::NamedTempFile>,
    path: PathBuf,
}

impl LinesWriter {
    pub(super) fn create(path: PathBuf) -> anyhow::Result<Self> {
        let folder = path.parent().context("a derived file has a folder")?;
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix(".new-").permissions(super::run_dir::readable()).tempfile_in(folder);
        let file = BufWriter::new(file.with_context(|| cannot_write(&path))?);
        Ok(Self { file, path })
    }

    pub fn push<T: Serialize>(&mut self, item: &T) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(item).with_context(|| cannot_write(&self.path))?;
        line.push(b'\n');
        self.file.write_all(&line).with_context(|| cannot_write(&self.path))
    }

    pub fn finish(self) -> anyhow::Result<()> {
        let Self { file, path } = self;
        let file = file.into_inner().map_err(|error| error.into_error()).with_context(|| cannot_write(&path))?;
        file.persist(&path).map_err(|error| error.error).with_context(|| cannot_write(&path))?;
        Ok(())
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}; free space or make its folder writable", path.display())
}

/// The lines of a derived file by the instance that they name.
#[derive(Debug)]
pub struct ByInstance {
    file: File,
    path: PathBuf,
    /// In the order in which they come first.
    instances: Vec<String>,
    /// Per instance, in the order of the file.
    lines: Vec<Vec<Line>>,
    numbers: BTreeMap<String, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    number: u32,
    length: u32,
    offset: u64,
}

#[derive(Deserialize)]
struct Named {
    instance_id: String,
}

impl ByInstance {
    pub(super) fn open(path: PathBuf) -> anyhow::Result<Self> {
        let cannot = || format!("cannot read {}; run `assay verify` into this directory first", path.display());
        let file = File::open(&path).with_context(cannot)?;
        let mut reader = BufReader::with_capacity(1 << 20, file.try_clone().with_context(cannot)?);
        let mut found = Self { file, instances: Vec::new(), lines: Vec::new(), numbers: BTreeMap::new(), path };
        let (mut bytes, mut offset) = (Vec::new(), 0);
        for number in 1_u32.. {
            bytes.clear();
            let at = || format!("{}:{number} cannot be read", found.path.display());
            let length = reader.read_until(b'\n', &mut bytes).with_context(at)?;
            if length == 0 {
                break;
            }
            let Named { instance_id } = serde_json::from_slice(&bytes).with_context(at)?;
            let line = Line { number, length: u32::try_from(length).with_context(at)?, offset };
            let place = match found.numbers.get(&instance_id) {
                Some(place) => *place,
                None => {
                    found.numbers.insert(instance_id.clone(), found.instances.len());
                    found.instances.push(instance_id);
                    found.lines.push(Vec::new());
                    found.instances.len() - 1
                }
            };
            found.lines[place].push(line);
            offset += length as u64;
        }
        Ok(found)
    }

    /// Instances in the order in which they come first, each with its number of lines.
    pub fn instances(&self) -> impl Iterator<Item = (&str, usize)> {
        self.instances.iter().zip(&self.lines).map(|(id, lines)| (id.as_str(), lines.len()))
    }

    /// What the file says of an instance, in the order of the file.
    pub fn read<T: DeserializeOwned>(&self, instance_id: &str) -> anyhow::Result<Vec<T>> {
        let lines = self.numbers.get(instance_id).map_or(&[][..], |place| &self.lines[*place]);
        let read = |line: &Line| {
            let mut bytes = vec![0; line.length as usize];
            self.file
                .read_exact_at(&mut bytes, line.offset)
                .map_err(anyhow::Error::from)
                .and_then(|()| Ok(serde_json::from_slice(&bytes)?))
                .with_context(|| format!("{}:{} cannot be read", self.path.display(), line.number))
        };
        lines.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn lines_come_back_by_instance_and_an_unfinished_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let mut writer = LinesWriter::create(path.clone()).unwrap();
        writer.push(&json!({"instance_id": "b", "n": 1})).unwrap();
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        let mut writer = LinesWriter::create(path.clone()).unwrap();
        let rows = [("b", 1), ("a", 2), ("b", 3)].map(|(id, n)| json!({"instance_id": id, "n": n}));
        rows.iter().for_each(|row| writer.push(row).unwrap());
        assert!(!path.exists(), "it has its name only when it is whole");
        writer.finish().unwrap();
        let lines = ByInstance::open(path).unwrap();
        assert_eq!(lines.instances().collect::<Vec<_>>(), [("b", 2), ("a", 1)]);
        assert_eq!(lines.read::<Value>("b").unwrap(), [rows[0].clone(), rows[2].clone()]);
        assert!(lines.read::<Value>("c").unwrap().is_empty());
    }

    #[test]
    fn a_broken_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, "{\"instance_id\": \"a\"}\n{\"instance_id\"\n").unwrap();
        let error = format!("{:#}", ByInstance::open(path).unwrap_err());
        assert!(error.contains("rows.jsonl:2 cannot be read"), "{error}");
    }
}
