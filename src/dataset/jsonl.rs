//! JSONL.zst: one JSON object a line, compressed. Same rows, same bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use zstd::stream::write::Encoder;

/// Higher levels cost several times the memory and time for a few hundredths of the size.
const LEVEL: i32 = 3;

/// Writes to `<path>.partial` and renames when finished.
pub struct JsonlWriter {
    path: PathBuf,
    partial: PathBuf,
    encoder: Encoder<'static, BufWriter<File>>,
    rows: u64,
}

impl JsonlWriter {
    pub fn create(path: &Path) -> Result<Self> {
        let partial = partial_name(path);
        let open = || -> io::Result<_> {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)?;
            }
            Encoder::new(BufWriter::new(File::create(&partial)?), LEVEL)
        };
        let mut encoder = open().with_context(|| format!("cannot create {}", partial.display()))?;
        encoder
            .include_checksum(true)
            .with_context(|| format!("cannot set up compression of {}", partial.display()))?;
        Ok(Self { path: path.to_owned(), partial, encoder, rows: 0 })
    }

    /// Adds a record.
    pub fn push<T: Serialize>(&mut self, record: &T) -> Result<()> {
        let mut line = serde_json::to_vec(record).context("a record cannot be written as JSON")?;
        line.push(b'\n');
        self.push_line(&line)
    }

    /// Adds a record that is JSON text already, with its line feed.
    pub fn push_line(&mut self, line: &[u8]) -> Result<()> {
        self.rows += 1;
        self.encoder.write_all(line).with_context(|| format!("cannot write {}", self.partial.display()))
    }

    /// Makes the file appear; gives the number of records.
    pub fn finish(self) -> Result<u64> {
        let close = || -> io::Result<()> {
            let file = self.encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            std::fs::rename(&self.partial, &self.path)
        };
        close().with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(self.rows)
    }
}

impl std::fmt::Debug for JsonlWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonlWriter").field("path", &self.path).field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// Name of a file that is being written.
pub(super) fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}
