//! Verification. In: samples and admissions. Out: candidates, taken through their trials, and their verdicts.

pub mod candidates;
pub mod file_names;
pub mod generated_tests;
pub mod ground;
pub mod identity;
pub(crate) mod judge_one;
pub mod matrix;
pub mod peers;
pub mod prompts;
pub mod read_cache;
pub mod samples;
pub mod screen;
pub mod single;
pub(crate) mod task;
mod unread;
pub mod verdicts;
pub(crate) mod worker_state;
