//! Parquet rows copied as they are, some left out: the other door to parquet beside [`super::parquet`].

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Rows that are decoded at a time.
const BATCH: usize = 512;

/// Copies the rows of a file for which `stays` says so, counted from 1, with the schema and the metadata of the file.
pub fn copy_rows(from: &Path, to: &File, stays: impl Fn(u64) -> bool) -> anyhow::Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(from)?)?;
    let total = u64::try_from(builder.metadata().file_metadata().num_rows())?;
    let select = |row: u64| match stays(row) {
        true => RowSelector::select(1),
        false => RowSelector::skip(1),
    };
    let selection: RowSelection = (1..=total).map(select).collect::<Vec<_>>().into();
    let schema = Arc::clone(builder.schema());
    let metadata = builder.metadata().file_metadata().key_value_metadata().cloned();
    // The writer writes the schema of Arrow itself.
    let metadata = metadata.map(|entries| entries.into_iter().filter(|entry| entry.key != "ARROW:schema").collect());
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_key_value_metadata(metadata)
        .build();
    let mut writer = ArrowWriter::try_new(to, schema, Some(properties))?;
    for batch in builder.with_batch_size(BATCH).with_row_selection(selection).build()? {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(())
}
