//! Files of a dataset. In: rows. Out: shards of Parquet and JSON Lines, cut by content.

pub mod columns;
pub mod content_bounds;
pub mod jsonl;
pub mod lines;
pub mod parquet;
pub mod parquet_copy;
pub mod shard;
pub mod tables;
