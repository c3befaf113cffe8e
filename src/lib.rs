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
//!
//! The library shows two things: [`Cli`], which is the whole tool, and [`seams`], for a language, a runner and a tool chain
//! of one's own.

#![warn(missing_debug_implementations)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod admission_report;
mod audit;
mod chart;
mod cli;
mod consensus;
mod console;
mod curriculum;
mod dataset;
mod exit_code;
mod hub;
mod images;
mod intake;
mod interval;
mod journal;
mod judge;
mod lab;
mod language;
mod leak;
mod logs;
mod model;
mod output;
mod pipeline;
mod prompt;
mod repo;
mod report;
mod runner;
mod sampler;
mod sandbox;
mod schema;
mod serve;
mod shelf;
mod surrogates;
mod tokens;

#[doc(hidden)]
pub mod inside;
pub mod seams;

pub use cli::Cli;
