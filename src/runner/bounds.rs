//! Bounds of a report, whatever its runner: what is kept of a flood, and of names that a candidate may have chosen.

/// Alarms that are kept; a flood of bad records tells nothing beyond the first ones.
pub(super) const MOST_ALARMS: usize = 20;
/// First lines and reasons that are kept.
pub(super) const MOST_MESSAGES: usize = 200;
/// Longest text kept of a name or message, in characters.
const LONGEST_NAME: usize = 200;

/// Whether a text cannot be a name: it is empty, or holds control characters.
pub(super) fn odd(text: &str) -> bool {
    text.is_empty() || text.chars().any(char::is_control)
}

/// The part of a text that is kept.
pub(super) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}
