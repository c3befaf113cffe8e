//! JSON Lines: one JSON object a line, plain or compressed with zstd, in shards. Same rows, same bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use zstd::stream::write::Encoder;

use super::tables::{LineWriter, Shard, partial_name, shard_name};

/// Higher levels cost several times the memory and time for a few hundredths of the size.
const LEVEL: i32 = 3;

/// How the lines are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// `.jsonl`: for readers that know no compression.
    Plain,
    /// `.jsonl.zst`.
    Zstd,
}

/// Writes `<directory>/<name>-00000-of-00001.jsonl.zst` and on. Shards keep a partial name until their number is known.
pub struct JsonlWriter {
    directory: PathBuf,
    name: String,
    packing: Packing,
    /// Bytes of lines in a shard, about.
    shard_bytes: u64,
    open: Option<Open>,
    written: u64,
    shards: Vec<Shard>,
}

enum Open {
    Plain(BufWriter<File>),
    Zstd(Box<Encoder<'static, BufWriter<File>>>),
}

impl JsonlWriter {
    pub fn create(directory: &Path, name: &str, packing: Packing, shard_bytes: u64) -> Result<Self> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let mut this = Self {
            directory: directory.to_owned(),
            name: name.to_owned(),
            packing,
            shard_bytes,
            open: None,
            written: 0,
            shards: Vec::new(),
        };
        this.open()?;
        Ok(this)
    }

    fn extension(&self) -> &'static str {
        match self.packing {
            Packing::Plain => "jsonl",
            Packing::Zstd => "jsonl.zst",
        }
    }

    fn open(&mut self) -> Result<()> {
        let path = partial_name(&self.directory, &self.name, self.shards.len());
        let open = || -> io::Result<_> {
            let file = BufWriter::new(File::create(&path)?);
            Ok(match self.packing {
                Packing::Plain => Open::Plain(file),
                Packing::Zstd => {
                    let mut encoder = Encoder::new(file, LEVEL)?;
                    encoder.include_checksum(true)?;
                    Open::Zstd(Box::new(encoder))
                }
            })
        };
        self.open = Some(open().with_context(|| format!("cannot create {}", path.display()))?);
        self.written = 0;
        self.shards.push(Shard { path, rows: 0 });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let close = || -> io::Result<()> {
            let file = match open {
                Open::Plain(file) => file,
                Open::Zstd(encoder) => encoder.finish()?,
            };
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        };
        close().with_context(|| format!("cannot write {}", self.place()))
    }

    fn place(&self) -> String {
        self.shards.last().map_or_else(String::new, |shard| shard.path.display().to_string())
    }
}

impl LineWriter for JsonlWriter {
    fn push_line(&mut self, line: &[u8]) -> Result<()> {
        if self.written >= self.shard_bytes {
            self.close()?;
            self.open()?;
        }
        let written = match &mut self.open {
            Some(Open::Plain(file)) => file.write_all(line),
            Some(Open::Zstd(encoder)) => encoder.write_all(line),
            None => Err(io::Error::other("the shard is closed")),
        };
        written.with_context(|| format!("cannot write {}", self.place()))?;
        self.written += line.len() as u64;
        if let Some(shard) = self.shards.last_mut() {
            shard.rows += 1;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Shard>> {
        self.close()?;
        let (count, extension) = (self.shards.len(), self.extension());
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let path = self.directory.join(shard_name(&self.name, index, count, extension));
            std::fs::rename(&shard.path, &path).with_context(|| format!("cannot write {}", path.display()))?;
            shard.path = path;
        }
        Ok(self.shards)
    }
}

impl std::fmt::Debug for JsonlWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonlWriter").field("name", &self.name).field("shards", &self.shards).finish_non_exhaustive()
    }
}
