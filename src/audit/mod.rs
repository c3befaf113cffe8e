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
//!
//! | what was changed | what finds it |
//! | --- | --- |
//! | any byte of a file | its digest in the manifest |
//! | the manifest | its canonical form, its Merkle root, and the statement that follows from it, compared byte for byte |
//! | the statement, and all of it made to fit | the signature, with `--verify-signature`; without a key nothing says who made a dataset |
//! | a row's patch, candidate or level | receipt and verdict |
//! | a row's answer | at least half of the lines that its patch adds must stand in the answer |
//! | a verdict | its receipt; with the receipt made to fit, the verdict computed again from the evidence |
//! | the evidence, so that it gives the verdict | `--rerun`, for the rows that the sample meets |
//!
//! If a prompt in a row was edited and the dataset sealed again, only the signature finds it.

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
pub use check::{Checks, audit, check};
pub use content::Measures;
pub use finding::{Findings, Level, Place, Rule};
pub use harness::{GradedLog, disagrees, grade_logs, judge_logs, read_expected};
pub use integrity::check_files;
pub use report::{Agreement, AuditReport};
pub use sarif::sarif;
pub use shape::{Facts, Shape};
pub use show::show;
pub use source::{Source, open};
