//! Asks OpenAI-compatible endpoints. In: prompts. Out: generations, appended as they come; nothing is asked twice.
//!
//! A request ends in one of three ways (`failure`): it is asked again; it is refused, which ends this prompt only; or
//! it stops the run, because of a key, an address or a quota with which nothing else will go better. One `Retry-After`
//! holds all requests back. The completion is the answer's text verbatim. Reasoning from a field of its own stays in
//! `reasoning_content`, and `sampling.reasoning_field` names the field. An answer that holds the API key is not kept,
//! and error texts are searched for the key.

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
