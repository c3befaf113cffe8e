//! Verification. In: samples and admissions. Out: candidates, taken through their trials, and their verdicts.

pub mod candidates;
pub mod generated_tests;
pub mod matrix;
pub mod peers;
pub mod prompts;
pub mod samples;
pub mod screen;
pub mod single;
mod unread;
pub mod verdicts;
