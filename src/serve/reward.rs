//! The reward functions that ship with a dataset: one Python file for verl and TRL, with the standard library alone.

/// Name of [`SOURCE`] in a dataset.
pub const FILE: &str = "assay_reward.py";

/// `compute_score` and its kin for verl, `reward_func` for TRL; they ask a running `assay serve`.
pub const SOURCE: &str = include_str!("reward/assay_reward.py");
