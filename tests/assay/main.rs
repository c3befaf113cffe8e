//! The integration tests: one binary, one module per topic.

mod export;
mod samples;
mod schemas;
//! Tests of behaviour, one module per topic.
mod cell;
