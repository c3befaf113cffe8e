//! Prompts: what a model is asked, and what its answer says. In: an instance or a completion. Out: chat messages, or the
//! parsed answer, or why there is none.

mod diff_block;
pub mod extract;
mod fence;
mod file_list;
mod reasoning;
pub mod render;
mod search_replace;
mod test_answer;

pub use extract::{Extraction, extract};

/// Reasoning and answer of a completion; no answer where the reasoning does not end.
pub fn split_reasoning(completion: &str) -> (Option<&str>, Option<&str>) {
    let split = reasoning::split(completion);
    (split.reasoning, split.answer)
}
pub use test_answer::MARKERS;
