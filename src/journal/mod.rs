//! The run directory: what was done, append-only. In: records. Out: the same records, after any kind of ending.
//!
//! ```text
//! runs/NAME/
//!   run.json              format and tool version, configuration, input digests
//!   journal/*.jsonl       append-only records, one file per writing process; a record counts once its line is whole
//!   blobs/ab/<sha256>.zst generations, diffs, raw outputs, reports
//!   instances.jsonl       what was asked last, and what came of it: derived, written under a temporary name, then
//!   admissions.jsonl      renamed
//!   candidates.jsonl
//!   verdicts.jsonl
//!   quarantine.jsonl      input that could not be used
//!   summary.json
//! ```
//!
//! A torn last line is dropped; damage elsewhere is an error with its place. A record that only half fits on the disk
//! is taken back. Reports hold no times, so the report of everybody who passes everything is stored once. Journals and
//! blobs of two runs merge by copying the files together.

mod blobs;
mod bundle;
mod index;
mod lines;
mod record;
mod run_dir;
mod shared;
mod stored_blob;

pub use blobs::Blobs;
pub use bundle::{BundleManifest, Machine, Unpacked, pack, unpack};
pub use index::{Index, Place};
pub use lines::{ByInstance, LinesWriter};
pub use record::{Failure, Record};
pub use run_dir::{RunDir, RunInfo, Writer, write_atomically};
pub use shared::{Shared, SharedOutcomes};
pub use stored_blob::StoredBlob;
