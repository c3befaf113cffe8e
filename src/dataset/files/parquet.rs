//! Parquet: with `parquet_copy` the only door for writing it. Rows in, one at a time; shards out. Same rows, same
//! bytes.
//!
//! A file has a page index and zstd compression, free-form columns have the logical type JSON, and the footer holds the
//! tool and the row format. Row groups of 16 MiB of JSON and shards of 480 MiB end at rows that `cut` chooses, an
//! eighth later at the mean.
//!
//! Content-defined chunks are smaller than the usual ones: a page is compressed whole, so one changed row takes all
//! rows of its page along. Xet cuts at 64 KiB on average in any case, and that is dozens of rows once they are
//! compressed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow_json::reader::Decoder;
use arrow_json::{ArrayWriter, ReaderBuilder};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{CdcOptions, EnabledStatistics, WriterProperties};
use parquet::schema::types::{SchemaDescriptor, Type};
use serde_json::{Map, Value};

use super::columns::{Column, Kind};
use super::content_bounds::Cut;
use super::shard::{LineWriter, Shard, partial_name, shard_name};
use crate::dataset::config_names::SPLIT;
use crate::model::receipt::Tool;

/// Bounds of the files, in bytes of the rows written as JSON: what stays in memory, what the Hub's viewer must read at
/// once, and what a shard may hold (the `datasets` library aims at 500 MB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub batch_bytes: u64,
    pub row_group_bytes: u64,
    pub shard_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { batch_bytes: 1 << 20, row_group_bytes: 16 << 20, shard_bytes: 480 << 20 }
    }
}

/// Content-defined chunks, which are pages here: smaller than the usual 256 KiB to 1 MiB, so that a changed row of a few
/// KiB takes few of its neighbours along. What a page costs beside its rows stays under one percent.
const CHUNKS: CdcOptions = CdcOptions { min_chunk_size: 32 << 10, max_chunk_size: 128 << 10, norm_level: 0 };

/// Rows of a batch at most; the byte bound is usually met first.
const BATCH_ROWS: usize = 1024;

/// Writes one config: `<config>/train-00000-of-00001.parquet` and on. Shards keep a partial name until their number is
/// known.
pub struct ParquetWriter {
    directory: PathBuf,
    schema: SchemaRef,
    parquet_schema: SchemaDescriptor,
    properties: WriterProperties,
    bounds: Bounds,
    decoder: Decoder,
    writer: Option<ArrowWriter<File>>,
    shards: Vec<Shard>,
    /// Bytes of JSON since the last batch.
    batch: u64,
    row_group: Cut,
    shard: Cut,
    shard_ends: bool,
}

impl ParquetWriter {
    /// `format` names the rows' format in the footer.
    pub fn create(directory: &Path, columns: &[Column], format: &str, bounds: Bounds) -> Result<Self> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let schema = Arc::new(Schema::new(fields(columns)));
        let decoder = ReaderBuilder::new(schema.clone())
            .with_batch_size(BATCH_ROWS)
            .with_strict_mode(true)
            .build_decoder()
            .context("the columns of a row type are no Arrow schema")?;
        let mut this = Self {
            directory: directory.to_owned(),
            parquet_schema: parquet_schema(&schema, columns)
                .context("the columns of a row type are no Parquet schema")?,
            schema,
            properties: properties(format),
            bounds,
            decoder,
            writer: None,
            shards: Vec::new(),
            batch: 0,
            row_group: Cut::about(bounds.row_group_bytes),
            shard: Cut::about(bounds.shard_bytes),
            shard_ends: false,
        };
        this.open()?;
        Ok(this)
    }

    fn open(&mut self) -> Result<()> {
        let path = partial_name(&self.directory, SPLIT, self.shards.len());
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let options = ArrowWriterOptions::new()
            .with_properties(self.properties.clone())
            .with_parquet_schema(self.parquet_schema.clone());
        let writer = ArrowWriter::try_new_with_options(file, self.schema.clone(), options)
            .with_context(|| format!("cannot write {}", path.display()))?;
        self.writer = Some(writer);
        self.shards.push(Shard { path, rows: 0 });
        (self.batch, self.shard_ends) = (0, false);
        self.row_group.restart();
        Ok(())
    }

    fn write_batch(&mut self) -> Result<()> {
        self.batch = 0;
        let batch =
            self.decoder.flush().with_context(|| format!("a row does not fit the columns of {}", self.place()))?;
        if let (Some(batch), Some(writer)) = (batch, &mut self.writer) {
            writer.write(&batch).with_context(|| format!("cannot write {}", place(&self.shards)))?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.write_batch()?;
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        writer.finish().with_context(|| format!("cannot write {}", self.place()))?;
        writer.inner().sync_all().with_context(|| format!("cannot write {}", self.place()))
    }

    fn place(&self) -> String {
        place(&self.shards)
    }
}

impl LineWriter for ParquetWriter {
    fn push_line(&mut self, line: &[u8]) -> Result<()> {
        if self.shard_ends {
            self.close()?;
            self.open()?;
        }
        self.decoder.decode(line).with_context(|| format!("a row does not fit the columns of {}", self.place()))?;
        if let Some(shard) = self.shards.last_mut() {
            shard.rows += 1;
        }
        self.batch += line.len() as u64;
        self.shard_ends = self.shard.after(line);
        if self.batch >= self.bounds.batch_bytes || self.decoder.len() >= BATCH_ROWS {
            self.write_batch()?;
        }
        if self.row_group.after(line) {
            self.write_batch()?;
            if let Some(writer) = &mut self.writer {
                writer.flush().with_context(|| format!("cannot write {}", place(&self.shards)))?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Shard>> {
        self.close()?;
        let count = self.shards.len();
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let path = self.directory.join(shard_name(SPLIT, index, count, "parquet"));
            std::fs::rename(&shard.path, &path).with_context(|| format!("cannot write {}", path.display()))?;
            shard.path = path;
        }
        Ok(self.shards)
    }
}

impl std::fmt::Debug for ParquetWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetWriter").field("shards", &self.shards).finish_non_exhaustive()
    }
}

/// Reads the rows of a Parquet file, one at a time, as JSON objects; missing values are left out.
///
/// # Errors
/// A file that is not a Parquet file, or is damaged (the message names it), and whatever `each` fails with.
pub fn each_row(path: &Path, each: &mut dyn FnMut(Map<String, Value>) -> Result<()>) -> Result<()> {
    let cannot = || format!("cannot read {}; it is damaged or no Parquet file", path.display());
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(BATCH_ROWS / 16).build())
        .with_context(cannot)?;
    for batch in reader {
        let mut writer = ArrayWriter::new(Vec::new());
        writer.write(&batch.with_context(cannot)?).and_then(|()| writer.finish()).with_context(cannot)?;
        let rows = writer.into_inner();
        if rows.is_empty() {
            continue;
        }
        let rows: Vec<Map<String, Value>> = serde_json::from_slice(&rows).with_context(cannot)?;
        rows.into_iter().try_for_each(&mut *each)?;
    }
    Ok(())
}

fn place(shards: &[Shard]) -> String {
    shards.last().map_or_else(String::new, |shard| shard.path.display().to_string())
}

/// Page index and content-defined chunking are what the Hub calls optimised Parquet: its viewer reads single pages, and
/// a changed row uploads its own chunk only.
fn properties(format: &str) -> WriterProperties {
    let tool = Tool::this();
    let entry = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
    WriterProperties::builder()
        .set_created_by(format!("{} {}", tool.name, tool.version))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_content_defined_chunking(Some(CHUNKS))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_offset_index_disabled(false)
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some(vec![
            entry("assay.format", format),
            entry("assay.tool", &tool.name),
            entry("assay.version", &tool.version),
        ]))
        .build()
}

/// The Parquet schema of an Arrow schema, with the logical type JSON on the columns that hold it. Arrow has an extension
/// type for that, which the `parquet` crate maps behind a feature of its own.
fn parquet_schema(schema: &Schema, columns: &[Column]) -> Result<SchemaDescriptor, ParquetError> {
    let plain = ArrowSchemaConverter::new().convert(schema)?;
    let root = plain.root_schema();
    let mut fields = Vec::new();
    for (field, column) in root.get_fields().iter().zip(columns) {
        fields.push(match column.kind {
            Kind::Json => Arc::new(
                Type::primitive_type_builder(column.name, PhysicalType::BYTE_ARRAY)
                    .with_repetition(if column.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED })
                    .with_logical_type(Some(LogicalType::Json))
                    .build()?,
            ),
            _ => field.clone(),
        });
    }
    Ok(SchemaDescriptor::new(Arc::new(Type::group_type_builder(root.name()).with_fields(fields).build()?)))
}

fn fields(columns: &[Column]) -> Fields {
    columns.iter().map(|column| Field::new(column.name, data_type(&column.kind), column.optional)).collect()
}

fn data_type(kind: &Kind) -> DataType {
    match kind {
        Kind::Text | Kind::Json => DataType::Utf8,
        Kind::Flag => DataType::Boolean,
        Kind::Integer => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::Texts => DataType::new_list(DataType::Utf8, false),
        Kind::Struct(columns) => DataType::Struct(fields(columns)),
        Kind::Structs(columns) => DataType::new_list(DataType::Struct(fields(columns)), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::files::content_bounds::tests::shared;
    use parquet::arrow::arrow_reader::ArrowReaderOptions;
    use parquet::file::metadata::PageIndexPolicy;

    fn write(directory: &Path, rows: u64, bounds: Bounds) -> Vec<Shard> {
        let columns = [Column::text("id"), Column::chat("messages"), Column::new("n", Kind::Integer)];
        let mut writer = ParquetWriter::create(directory, &columns, "row.v1", bounds).unwrap();
        for n in 0..rows {
            let row = serde_json::json!({"id": format!("i{n}"), "messages": [{"role": "user", "content": "x".repeat(90)}], "n": n});
            writer.push_line(row.to_string().as_bytes()).unwrap();
        }
        Box::new(writer).finish().unwrap()
    }

    #[test]
    fn rows_come_back_from_zstd_files_with_a_page_index_and_bounded_row_groups() {
        let directory = tempfile::tempdir().unwrap();
        let bounds = Bounds { batch_bytes: 300, row_group_bytes: 1_000, shard_bytes: 5_000 };
        let shards = write(directory.path(), 100, bounds);
        assert!(shards.len() > 1);
        assert_eq!(shards.iter().map(|shard| shard.rows).sum::<u64>(), 100);
        let mut seen = 0;
        for (index, shard) in shards.iter().enumerate() {
            let name = format!("train-{index:05}-of-{:05}.parquet", shards.len());
            assert_eq!(shard.path.file_name().unwrap().to_str().unwrap(), name);
            let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
            let builder =
                ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(&shard.path).unwrap(), options)
                    .unwrap();
            let metadata = builder.metadata().clone();
            assert!(metadata.num_row_groups() > 1);
            assert!(metadata.page_index().is_some());
            assert!(matches!(metadata.row_group(0).column(0).compression(), Compression::ZSTD(_)));
            seen += builder.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum::<usize>();
        }
        assert_eq!(seen, 100);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), shards.len());
    }

    /// About 8 KiB of text that compresses the way code does.
    fn text(seed: u64) -> String {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut text = String::new();
        while text.len() < 8_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push_str(
                ["value_", "return ", "self.", "(x, y)\n    ", "for item in ", "total"][(state % 6) as usize],
            );
            text.push_str(&(state >> 50).to_string());
        }
        text
    }

    fn write_texts(directory: &Path, rows: u64, changed: impl Fn(u64) -> bool) -> Vec<u8> {
        let columns = [Column::text("id"), Column::chat("messages"), Column::text("receipt")];
        let mut writer = ParquetWriter::create(directory, &columns, "row.v1", Bounds::default()).unwrap();
        for n in 0..rows {
            let seed = if changed(n) { n + rows } else { n };
            let receipt = crate::model::digest::Digest::of(&seed.to_le_bytes());
            let row = serde_json::json!({
                "id": format!("i{}", n / 100), "messages": [{"role": "user", "content": text(seed)}], "receipt": receipt,
            });
            writer.push_line(row.to_string().as_bytes()).unwrap();
        }
        std::fs::read(&Box::new(writer).finish().unwrap()[0].path).unwrap()
    }

    #[test]
    fn a_second_file_with_one_percent_of_its_rows_verified_again_is_mostly_the_first() {
        let rows = 3_000;
        let directory = tempfile::tempdir().unwrap();
        let first = write_texts(directory.path(), rows, |_| false);
        // Instances verified again: their rows stand together.
        let second = write_texts(directory.path(), rows, |n| (700..730).contains(&n));
        let share = shared(&first, &second);
        assert!(share >= 0.9, "{share}");
    }

    #[test]
    fn free_form_columns_are_marked_as_json_and_their_text_comes_back_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let columns = [Column::text("id"), Column::new("metadata", Kind::Json)];
        let mut writer = ParquetWriter::create(directory.path(), &columns, "row.v1", Bounds::default()).unwrap();
        writer.push_line(br#"{"id": "a", "metadata": "{\"b\": [1, null]}"}"#).unwrap();
        let path = Box::new(writer).finish().unwrap().remove(0).path;
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
        let column = builder.metadata().file_metadata().schema_descr().column(1);
        assert_eq!(column.logical_type_ref(), Some(&LogicalType::Json));
        let mut rows = Vec::new();
        each_row(&path, &mut |row| {
            rows.push(row);
            Ok(())
        })
        .unwrap();
        assert_eq!(rows[0]["metadata"], r#"{"b": [1, null]}"#);
    }

    #[test]
    fn no_rows_give_a_valid_empty_file() {
        let directory = tempfile::tempdir().unwrap();
        let shards = write(directory.path(), 0, Bounds::default());
        assert_eq!(shards.len(), 1);
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&shards[0].path).unwrap()).unwrap();
        assert_eq!(builder.schema().fields().len(), 3);
        assert_eq!(builder.build().unwrap().count(), 0);
    }

    #[test]
    fn a_row_with_an_unknown_or_missing_field_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for row in [r#"{"id": "a", "other": 1}"#, "{}"] {
            let mut writer =
                ParquetWriter::create(directory.path(), &[Column::text("id")], "row.v1", Bounds::default()).unwrap();
            let error =
                writer.push_line(row.as_bytes()).and_then(|()| Box::new(writer).finish().map(drop)).unwrap_err();
            assert!(error.to_string().contains("does not fit the columns"), "{error:#}");
        }
    }
}
