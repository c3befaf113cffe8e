//! The nouns of the tool, and nothing else: plain data with its JSON form. In: nothing of ours, but for a type beside it.
//! Out: every other folder uses these words.

pub mod admission;
pub mod built_part;
pub mod canary_form;
pub mod candidate;
pub mod cause;
pub mod channel;
pub mod contest;
pub mod declared;
pub mod digest;
pub mod format;
pub mod generation;
pub mod imported;
pub mod instance;
pub mod layout;
pub mod lost;
pub mod lost_tests;
pub mod matrix;
pub mod name;
pub mod near_names;
pub mod part_of_suite;
pub mod receipt;
pub mod repository_name;
pub mod screen;
pub mod strength;
pub mod suite;
pub mod test_id;
pub mod test_list;
pub mod test_record;
pub mod trial;
pub mod unread;
pub mod verdict;
