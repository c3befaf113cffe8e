//! What models are asked, and what they answer. In: completions. Out: parsed answers, or why there is none.

mod diff_block;
pub mod extract;
mod fence;
mod file_list;
mod reasoning;
mod search_replace;
mod test_answer;

pub use extract::{Extraction, extract};
pub use test_answer::MARKERS;
