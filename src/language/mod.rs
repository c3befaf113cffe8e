//! Languages: what a path is and what a source text says. In: paths and texts. Out: facts for the lab; no verdict.

pub mod class_table;
pub mod classes;
pub mod python;
