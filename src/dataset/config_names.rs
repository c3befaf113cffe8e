//! What the configs of a dataset and their only split are called.

/// Config with the SFT rows of all skills; the others are named after their skill.
pub(crate) const SFT: &str = "sft";
pub(crate) const RL: &str = "rl";
pub(crate) const PREFERENCE: &str = "preference";

/// The only split there is: held-out repositories are left out, not labelled.
pub(crate) const SPLIT: &str = "train";
