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

pub mod admission_report;
pub mod audit;
pub mod chart;
pub mod cli;
pub mod consensus;
pub mod console;
pub mod curriculum;
pub mod dataset;
pub mod exit_code;
pub mod hub;
pub mod images;
pub mod intake;
pub mod interval;
pub mod journal;
pub mod judge;
pub mod lab;
pub mod language;
pub mod leak;
pub mod logs;
pub mod model;
pub mod output;
mod pipeline;
pub mod prompt;
pub mod repo;
pub mod report;
pub mod runner;
pub mod sampler;
pub mod sandbox;
pub mod schema;
pub mod serve;
pub mod surrogates;
pub mod tokens;
