//! The tables of a dataset directory while it is written. Each is compressed by a thread of its own; the channel to it is
//! short, so rows do not pile up.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow, bail};
use serde::Serialize;

use super::columns::Column;
use super::jsonl::{JsonlWriter, Packing};
use super::parquet::{Bounds, ParquetWriter};
use super::shard::{LineWriter, Shard};
use crate::dataset::seal::entries::Config;

/// Lines on their way to a table.
const UNDERWAY: usize = 256;

/// The tables of a directory, and what has been written so far.
pub(crate) struct Tables<'a> {
    pub directory: &'a Path,
    pub bounds: Bounds,
    pub configs: BTreeMap<String, Config>,
    pub evidence: BTreeMap<String, Config>,
    /// Path -> rows.
    pub rows: BTreeMap<String, u64>,
}

/// One table while it is written.
pub(crate) struct Table {
    pub name: String,
    row_format: &'static str,
    lines: Option<SyncSender<Vec<u8>>>,
    worker: Option<JoinHandle<Result<Vec<Shard>>>>,
}

impl Table {
    fn start(name: &str, row_format: &'static str, writer: Box<dyn LineWriter + Send>) -> Self {
        let (lines, receiver) = sync_channel(UNDERWAY);
        let worker = std::thread::spawn(move || write(writer, &receiver));
        Self { name: name.to_owned(), row_format, lines: Some(lines), worker: Some(worker) }
    }

    /// Opens a table of JSON Lines.
    pub fn lines(
        directory: &Path,
        name: &str,
        row_format: &'static str,
        packing: Packing,
        shard_bytes: u64,
    ) -> Result<Self> {
        Ok(Self::start(name, row_format, Box::new(JsonlWriter::create(directory, name, packing, shard_bytes)?)))
    }

    /// Adds a row.
    pub fn push<T: Serialize>(&mut self, row: &T) -> Result<()> {
        let mut line = serde_json::to_vec(row).map_err(|error| anyhow!("a row cannot be written as JSON: {error}"))?;
        line.push(b'\n');
        if self.lines.as_ref().is_some_and(|lines| lines.send(line).is_ok()) {
            return Ok(());
        }
        // The worker has stopped early, so it has an error to tell.
        match self.join() {
            Err(error) => Err(error),
            Ok(_) => bail!("the table {} was closed before its last row; this is a bug of assay", self.name),
        }
    }

    fn join(&mut self) -> Result<Vec<Shard>> {
        self.lines = None;
        let Some(worker) = self.worker.take() else { return Ok(Vec::new()) };
        worker.join().unwrap_or_else(|_| bail!("the writer of table {} panicked; this is a bug of assay", self.name))
    }
}

impl Drop for Table {
    /// Nothing is written to the directory after this.
    fn drop(&mut self) {
        let _ = self.join();
    }
}

fn write(mut writer: Box<dyn LineWriter + Send>, lines: &Receiver<Vec<u8>>) -> Result<Vec<Shard>> {
    for line in lines {
        writer.push_line(&line)?;
    }
    writer.finish()
}

impl Tables<'_> {
    /// Opens a config.
    pub fn config(&self, name: &str, columns: &[Column], row_format: &'static str) -> Result<Table> {
        let writer = ParquetWriter::create(&self.directory.join(name), columns, row_format, self.bounds)?;
        Ok(Table::start(name, row_format, Box::new(writer)))
    }

    /// Opens a table of evidence.
    pub fn evidence(&self, name: &str, row_format: &'static str) -> Result<Table> {
        let directory = self.directory.join("evidence");
        Table::lines(&directory, name, row_format, Packing::Zstd, self.bounds.shard_bytes)
    }

    pub fn close_config(&mut self, table: Table) -> Result<()> {
        let (name, entry) = self.close(table)?;
        self.configs.insert(name, entry);
        Ok(())
    }

    pub fn close_evidence(&mut self, table: Table) -> Result<()> {
        let (name, entry) = self.close(table)?;
        self.evidence.insert(name, entry);
        Ok(())
    }

    /// Closes a table that is neither; its files are listed with their rows.
    pub fn close(&mut self, mut table: Table) -> Result<(String, Config)> {
        let mut entry = Config { rows: 0, row_format: table.row_format.to_owned(), data_files: Vec::new() };
        for shard in table.join()? {
            entry.rows += shard.rows;
            entry.data_files.push(self.list(&shard));
        }
        Ok((std::mem::take(&mut table.name), entry))
    }

    /// Lists a file with its rows; gives its path in the dataset.
    pub fn list(&mut self, shard: &Shard) -> String {
        let inner = shard.path.strip_prefix(self.directory).unwrap_or(&shard.path);
        let path = inner.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        self.rows.insert(path.clone(), shard.rows);
        path
    }
}
