//! The report: one self-contained HTML file about a run or a dataset. In: a run directory, or a dataset's evidence. Out: a page
//! for people.
//!
//! The overview is plain HTML that needs no script. Table and candidates are data in the page, compressed in shards that
//! are unpacked when they are looked at, so that 20,000 candidates open at once. What models wrote is hostile: it reaches
//! the page as data only, is shown as text, and the page's policy runs no script but ours.

mod cut;
mod detail;
mod overview;
mod page;
mod run;
mod shard;
mod why;

pub use run::{Written, report_dataset, report_run};
