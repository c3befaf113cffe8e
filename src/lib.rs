//! Assay turns model output into training data that can be trusted.
//!
//! ```text
//!  instances ──import──► validate ──┐                                     ┌─► select
//!                                   ├─► plan ─► trials ─► outcomes ─► judge ─► verdicts ─► export
//!  generations ─extract─► candidates ┘   (lab + sandbox)    (pure)
//! ```
//!
//! Data flows one way: instances + generations -> candidates -> trials -> outcomes -> verdicts -> rows. A failing test,
//! a timeout or a candidate out of memory is an outcome; an `Err` is a fault of the machine or of ours.

#![warn(missing_debug_implementations)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod admission;
pub mod admission_report;
pub mod audit;
pub mod candidate;
pub mod chart;
pub mod cli;
pub mod consensus;
pub mod console;
pub mod contest;
pub mod curriculum;
pub mod dataset;
pub mod digest;
pub mod exit_code;
pub mod format;
pub mod framework;
pub mod generation;
pub mod hub;
pub mod instance;
pub mod intake;
pub mod interval;
pub mod journal;
pub mod judge;
pub mod lab;
pub mod leak;
pub mod lost;
pub mod matrix;
pub mod near_names;
pub mod output;
pub mod prompt;
pub mod receipt;
pub mod repo;
pub mod report;
pub mod repository_name;
pub mod sampler;
pub mod sandbox;
pub mod schema;
pub mod screen;
pub mod serve;
pub mod source;
pub mod strength;
pub mod surrogates;
pub mod test_record;
pub mod tokens;
pub mod trial;
pub mod verdict;
