//! Rows of other people's Parquet files, as JSON: any compression, lists and structures included.

use std::sync::Arc;

use anyhow::Result;
use arrow_array::cast::AsArray as _;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_json::WriterBuilder;
use arrow_json::writer::JsonArray;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;
use serde_json::{Map, Value};

use super::records::Record;

/// Rows decoded at a time: rows of these datasets are large, because they hold patches and thousands of test names.
const ROWS_AT_A_TIME: usize = 64;

/// Hands every row of a Parquet file to `take`. A missing value is null; moments are ISO 8601.
pub(super) fn each_row(source: impl ChunkReader + 'static, take: &mut dyn FnMut(Record)) -> Result<()> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(source)?.with_batch_size(ROWS_AT_A_TIME).build()?;
    let mut lines = 1..;
    for batch in reader {
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
        writer.write(&with_texts(&batch?)?)?;
        writer.finish()?;
        let rows: Vec<Map<String, Value>> = serde_json::from_slice(&writer.into_inner())?;
        for (row, line) in rows.into_iter().zip(&mut lines) {
            take(Record { line, row: Ok(row) });
        }
    }
    Ok(())
}

/// The same batch with columns of bytes as texts: some writers never say that theirs are UTF-8.
fn with_texts(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let mut fields = Vec::with_capacity(schema.fields().len());
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        match texts(column) {
            Some(texts) => {
                fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
                columns.push(texts);
            }
            None => {
                fields.push(Arc::clone(field));
                columns.push(Arc::clone(column));
            }
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// A column of bytes as texts; `None` for any other column.
fn texts(column: &ArrayRef) -> Option<ArrayRef> {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let texts: StringArray = match column.data_type() {
        DataType::Binary => column.as_binary::<i32>().iter().map(text).collect(),
        DataType::LargeBinary => column.as_binary::<i64>().iter().map(text).collect(),
        DataType::BinaryView => column.as_binary_view().iter().map(text).collect(),
        _ => return None,
    };
    Some(Arc::new(texts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{BinaryArray, Date32Array, Int64Array, StructArray, TimestampMicrosecondArray};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
    use parquet::file::properties::WriterProperties;
    use serde_json::json;

    fn table() -> RecordBatch {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.values().append_value("a");
        lists.values().append_null();
        lists.append(true);
        lists.append(false);
        let nested: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None]));
        let nested = StructArray::from(vec![(Arc::new(Field::new("deep", DataType::Int64, true)), nested)]);
        let columns: [(&str, ArrayRef); 6] = [
            ("text", Arc::new(StringArray::from(vec![Some("x\u{1f600}"), None]))),
            ("bytes", Arc::new(BinaryArray::from_opt_vec(vec![Some(b"raw"), Some(b"\xff")]))),
            ("list", Arc::new(lists.finish())),
            ("nested", Arc::new(nested)),
            ("day", Arc::new(Date32Array::from(vec![Some(0), None]))),
            ("moment", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_000_000), None]))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn rows_read_the_same_whatever_they_are_compressed_with() {
        let zstd = ZstdLevel::default();
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::BROTLI(BrotliLevel::default()),
            Compression::LZ4_RAW,
            Compression::ZSTD(zstd),
        ] {
            let mut file = Vec::new();
            let properties = WriterProperties::builder().set_compression(compression).build();
            let mut writer = ArrowWriter::try_new(&mut file, table().schema(), Some(properties)).unwrap();
            for _ in 0..40 {
                writer.write(&table()).unwrap();
            }
            writer.close().unwrap();
            let mut rows = Vec::new();
            each_row(Bytes::from(file), &mut |record| rows.push((record.line, record.row.unwrap()))).unwrap();
            assert_eq!(rows.len(), 80, "{compression}");
            assert_eq!(rows[79].0, 80);
            let first = json!({"text": "x\u{1f600}", "bytes": "raw", "list": ["a", null], "nested": {"deep": 7},
                "day": "1970-01-01", "moment": "1970-01-01T00:00:01"});
            let second = json!({"text": null, "bytes": "\u{fffd}", "list": null, "nested": {"deep": null}, "day": null,
                "moment": null});
            assert_eq!([json!(rows[78].1), json!(rows[79].1)], [first, second], "{compression}");
        }
    }

    #[test]
    fn a_file_that_is_no_parquet_file_is_an_error() {
        assert!(each_row(Bytes::from_static(b"PAR1 and no more"), &mut |_| {}).is_err());
    }
}
