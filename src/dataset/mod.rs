//! Datasets. In: instances, admissions, candidates and verdicts. Out: a directory that is a Hub dataset.

pub mod card;
pub mod columns;
pub mod evidence;
pub mod export;
mod facts;
pub mod jsonl;
mod lines;
pub mod manifest;
pub mod merkle;
pub mod near;
pub mod parquet;
mod place;
pub mod rows;
mod run_source;
pub mod select;
pub mod signature;
pub mod source;
pub mod statement;
pub mod tables;

pub use run_source::RunSource;
