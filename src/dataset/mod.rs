//! Datasets. In: instances, admissions, candidates and verdicts. Out: a directory that is a Hub dataset.

pub mod card;
pub mod checks;
pub mod columns;
pub mod contamination;
pub mod croissant;
mod cut;
pub mod evidence;
pub mod export;
mod facts;
mod group_writer;
mod harbor;
pub mod jsonl;
mod lines;
pub mod manifest;
pub mod matched;
pub mod merkle;
pub mod near;
mod pairs;
pub mod parquet;
pub mod parquet_copy;
pub mod proof;
pub mod quarantine;
pub mod rows;
mod run_source;
pub mod secrets;
pub mod select;
pub mod signature;
pub mod source;
pub mod statement;
pub mod strangers;
pub mod tables;
mod view_files;
pub mod views;

pub use run_source::RunSource;
