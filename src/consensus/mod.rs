//! One patch out of many for the same issue. In: what the candidates of an instance say and what runs showed of them. Out: the
//! choice, with votes and reasons, and how the share of resolved issues grows with the number of patches. Pure.
//!
//! The rules are those of SWE-Swiss' enhanced self-consistency and its relatives. Where its released code is at fault, the
//! rule as it was meant holds here:
//!
//! - A missing test report is never "no failure" ([`panel::Seen`]), and the fewest failures are the fewest among candidates
//!   with a patch and a result: there one crash makes the minimum zero and drops every honest candidate.
//! - Evidence that exists for some candidates only is not used ([`panel::Standing`]): which ones were tried may follow from the
//!   hidden tests.
//! - A text that does not parse leaves both sides of its file as they are ([`normal`]).
//! - What cannot be applied to any tree has no vote ([`change`]), and a sample that stands in the input again has one vote
//!   ([`repeats`]).
//! - With one sample a density is that of the sample itself; there the mean of no neighbours is not a number.
//! - Regression tests are all that pass before and after the change, not those of the test patch's files.
//! - A patch never reaches an interpreter or a shell: parsing is tree-sitter's, differences are libgit2's.
//!
//! Votes plus density can never overturn a difference in votes, for a density is at most 1; so the choice is made in that
//! order: votes, density, place.

mod agreement;
pub mod change;
pub mod choice;
mod choose;
#[cfg(test)]
mod choose_tests;
pub mod curve;
mod file_edit;
mod filters;
mod hunk;
mod lcs;
pub mod normal;
pub mod panel;
pub mod repeats;
pub mod selection;
pub mod similarity;
mod surroundings;

pub use choice::{Method, Rules, Used};
pub use file_edit::{FileEdit, Sides};
pub use panel::{Cell, Column, Entry, LeftOut, Panel, Seen, Unfit};
pub use similarity::Similarities;
