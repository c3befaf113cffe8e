//! Asks OpenAI-compatible endpoints. In: prompts. Out: generations, appended as they come; nothing is asked twice.

pub mod asks;
pub mod budget;
pub mod endpoint;
pub mod failure;
pub mod fault;
pub mod keep;
pub mod ledger;
pub mod prompts;
pub mod reply;
pub mod results;
pub mod run;
pub mod terms;
