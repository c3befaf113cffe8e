//! Datasets. In: instances, admissions, candidates and verdicts. Out: a directory that is a Hub dataset.

pub mod card;
pub mod columns;
pub mod export;
pub mod jsonl;
pub mod manifest;
pub mod parquet;
mod place;
pub mod rows;
pub mod select;
mod tables;
