//! Audit: checks over a dataset, ours or anybody's. In: a directory, a file, or a dataset of the Hub. Out: findings.
//!
//! Nothing of a dataset is believed because it says so: files are held against the manifest, rows against receipts,
//! verdicts against what the evidence gives again, and rows of foreign datasets against what can be seen in them alone.
//!
//! ```text
//!  source ──tables──► shape (one row, understood) ──► content: duplicates, leaks, licences, patches, labels
//!     │                                          └──► rows against receipts and verdicts
//!     ├──► integrity: files, manifest, statement, signature
//!     ├──► evidence: verdicts again, without a sandbox
//!     └──► harness: other people's logs, graded again
//! ```

mod benchmarks;
mod check;
mod content;
mod evidence;
mod finding;
mod harness;
mod integrity;
mod patch_facts;
mod receipts;
mod report;
mod sarif;
mod shape;
mod show;
mod source;

pub use benchmarks::Benchmarks;
pub use check::{Checked, Checks, audit, check};
pub use content::{Content, Measures};
pub use finding::{Finding, Findings, Level, Place, Rule};
pub use harness::{Expected, GradedLog, disagrees, grade_logs, judge_logs, read_expected};
pub use integrity::check_files;
pub use report::{Agreement, AuditReport};
pub use sarif::sarif;
pub use shape::{Facts, Shape, facts};
pub use show::{Trace, show};
pub use source::{Source, Table, open};
