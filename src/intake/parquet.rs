//! Rows of a parquet file, through polars. The only module here that knows polars.

use anyhow::Result;
use polars::io::mmap::MmapBytesReader;
use polars::prelude::{AnyValue, ParquetReader, SerReader};
use serde_json::{Map, Value, json};

use super::records::Record;

/// Rows decoded at a time: rows of these datasets are large, for they hold patches and thousands of test names.
const ROWS_AT_A_TIME: usize = 512;

/// Hands every row of a parquet file to `take`, with lists and structures as JSON.
pub(super) fn each_row(mut source: impl MmapBytesReader, take: &mut dyn FnMut(Record)) -> Result<()> {
    let total = ParquetReader::new(&mut source).num_rows()?;
    for start in (0..total).step_by(ROWS_AT_A_TIME) {
        let length = ROWS_AT_A_TIME.min(total - start);
        let table = ParquetReader::new(&mut source).with_slice(Some((start, length))).finish()?;
        for offset in 0..table.height() {
            let mut row = Map::new();
            for column in table.columns() {
                row.insert(column.name().to_string(), json_of(column.get(offset)?));
            }
            take(Record { line: (start + offset + 1) as u64, row: Ok(row) });
        }
    }
    Ok(())
}

fn json_of(value: AnyValue<'_>) -> Value {
    match value.into_static() {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => json!(value),
        AnyValue::String(text) => json!(text),
        AnyValue::StringOwned(text) => json!(text.as_str()),
        AnyValue::UInt8(value) => json!(value),
        AnyValue::UInt16(value) => json!(value),
        AnyValue::UInt32(value) => json!(value),
        AnyValue::UInt64(value) => json!(value),
        AnyValue::Int8(value) => json!(value),
        AnyValue::Int16(value) => json!(value),
        AnyValue::Int32(value) => json!(value),
        AnyValue::Int64(value) => json!(value),
        AnyValue::Float32(value) => json!(value),
        AnyValue::Float64(value) => json!(value),
        AnyValue::List(items) => items.iter().map(json_of).collect(),
        AnyValue::StructOwned(fields) => {
            let (values, fields) = *fields;
            fields.iter().zip(values).map(|(field, value)| (field.name().to_string(), json_of(value))).collect()
        }
        AnyValue::Binary(bytes) => json!(String::from_utf8_lossy(bytes)),
        AnyValue::BinaryOwned(bytes) => json!(String::from_utf8_lossy(&bytes)),
        // ISO 8601 for moments; other types by their own text.
        moment @ (AnyValue::Datetime(..) | AnyValue::DatetimeOwned(..)) => {
            json!(moment.to_string().replacen(' ', "T", 1))
        }
        other => json!(other.to_string()),
    }
}
