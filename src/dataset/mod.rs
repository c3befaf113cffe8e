//! Datasets. In: instances, admissions, candidates and verdicts (`source`). Out: a directory that is a Hub dataset.
//!
//! Instances and admissions come one at a time: once for a line of each that stays (`census`), and again with their rows.
//! So do candidates, verdicts, receipts and generations, grouped by instance and skill. What stays per verdict is an entry
//! of a few dozen bytes. The journal is read once, whole, for
//! its outcomes.
//!
//! A row is selected in three steps: by what its verdict says (`select`), by what its instance is (`checks`: licence,
//! held-out repository, benchmark, near copy of another instance, secrets), then by its own content (benchmark patch,
//! secrets and personal data, tokens, near duplicates within the instance). The cap per repository takes from the
//! instances of the repository in turn. Every exclusion has a reason, which the manifest and the card count.
//!
//! The config `sft` lists the shards of the three skills instead of repeating them.

pub mod card;
mod census;
mod config_names;
pub mod evidence;
pub mod export;
mod extra_columns;
pub mod files;
mod group_writer;
pub mod options;
pub mod reward;
pub mod rows;
mod run_source;
pub mod seal;
pub mod select;
pub mod source;
mod turns;
pub mod views;

pub use run_source::RunSource;
