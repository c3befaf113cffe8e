//! The report: one self-contained HTML file about a run or a dataset. In: a run directory, or a dataset's evidence, one
//! candidate at a time. Out: a page for people.
//!
//! The overview is plain HTML that needs no script; its bars are tables with widths, so that a screen reader reads them
//! and dark mode holds. Table and candidates are data in the page: JSON, gzip and base64 in inert elements, unpacked by
//! the browser (`DecompressionStream`) when they are looked at, so that 20,000 candidates open at once. What models
//! wrote is hostile: it reaches the page as data only and is shown as text, with control and direction characters as
//! escapes. The page's policy runs the one script whose digest it names and loads nothing.
//!
//! A dataset is told by the run that its evidence unpacks to, which holds neither answers nor models nor the sandbox's
//! name.

mod cut;
mod detail;
mod overview;
mod page;
mod run;
mod shard;
mod why;

pub use run::{report_dataset, report_run};
