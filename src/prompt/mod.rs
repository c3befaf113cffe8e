//! Prompts and answers. In: an instance and its base tree, or a completion. Out: chat messages under a token budget, or the
//! answer that the completion holds.

pub mod batch;
pub mod compose;
mod diff_block;
pub mod embed;
pub mod extract;
mod fence;
mod file_list;
mod harmony;
pub mod listing;
pub mod localized;
mod other_format;
pub mod rank;
mod reasoning;
pub mod record;
pub mod render;
mod search_replace;
mod split;
pub mod templates;
mod test_answer;
mod words;

pub use extract::extract;
pub use record::Prompt;

/// Reasoning and answer of a completion; no answer if the reasoning does not end, or if it cannot be told where.
pub fn split_reasoning(completion: &str) -> (Option<&str>, Option<&str>) {
    let split = reasoning::split(completion);
    match split.rest {
        split::Rest::Answer(answer) => (split.reasoning, Some(answer)),
        split::Rest::Unfinished | split::Rest::Unclear => (split.reasoning, None),
    }
}
