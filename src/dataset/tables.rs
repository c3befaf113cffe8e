//! The tables of a dataset directory while it is written: Parquet and JSONL side by side, and evidence.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::columns::Column;
use super::jsonl::JsonlWriter;
use super::manifest::Config;
use super::parquet::{Bounds, ParquetWriter};

/// The tables of a directory, and what has been written so far.
pub(super) struct Tables<'a> {
    pub directory: &'a Path,
    pub bounds: Bounds,
    pub configs: BTreeMap<String, Config>,
    /// Path -> rows.
    pub rows: BTreeMap<String, u64>,
}

/// One config while it is written: Parquet and JSONL side by side.
pub(super) struct Table {
    config: String,
    row_format: &'static str,
    parquet: ParquetWriter,
    jsonl: JsonlWriter,
}

impl Table {
    pub fn push(&mut self, line: &[u8]) -> Result<()> {
        self.parquet.push_line(line)?;
        self.jsonl.push_line(line)
    }
}

impl Tables<'_> {
    pub fn open(&self, config: &str, columns: &[Column], row_format: &'static str) -> Result<Table> {
        Ok(Table {
            config: config.to_owned(),
            row_format,
            parquet: ParquetWriter::create(&self.directory.join(config), columns, row_format, self.bounds)?,
            jsonl: JsonlWriter::create(&self.directory.join(jsonl_path(config)))?,
        })
    }

    pub fn close(&mut self, table: Table) -> Result<()> {
        let Table { config, row_format, parquet, jsonl } = table;
        let rows = jsonl.finish()?;
        self.rows.insert(jsonl_path(&config), rows);
        let mut entry = Config { rows, row_format: row_format.to_owned(), data_files: Vec::new() };
        for shard in parquet.finish()? {
            let file = shard.path.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
            let path = format!("{config}/{file}");
            self.rows.insert(path.clone(), shard.rows);
            entry.data_files.push(path);
        }
        self.configs.insert(config, entry);
        Ok(())
    }

    pub fn evidence<T: Serialize>(&mut self, name: &str, records: impl IntoIterator<Item = T>) -> Result<()> {
        let path = format!("evidence/{name}.jsonl.zst");
        let mut writer = JsonlWriter::create(&self.directory.join(&path))?;
        for record in records {
            writer.push(&record)?;
        }
        self.rows.insert(path, writer.finish()?);
        Ok(())
    }
}

fn jsonl_path(config: &str) -> String {
    format!("jsonl/{config}.jsonl.zst")
}
