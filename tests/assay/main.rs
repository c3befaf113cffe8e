//! Tests of behaviour, one module per topic.
mod cell;
