//! What a completion is split into. Plain data.

/// A completion in two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split<'c> {
    pub reasoning: Option<&'c str>,
    pub rest: Rest<'c>,
}

/// What follows the reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest<'c> {
    Answer(&'c str),
    /// The reasoning is opened and never closed.
    Unfinished,
    /// It cannot be told where the reasoning ends.
    Unclear,
}
