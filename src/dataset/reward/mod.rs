//! The reward functions that ship with a dataset: one file for verl and TRL, with the standard library alone.
//!
//! The file speaks `http.client` itself, because a redirect would take the token elsewhere and leave the question
//! behind. Daemon threads ask and the caller waits on a future, so Ctrl-C or the end of the program settles the future
//! and cuts the connection. State belongs to a process id; a forked child makes its own. Only 0 or 1 that agrees with
//! status, instance and skill is a reward.
//!
//! TRL takes None for a completion without reward and leaves it out of the group's mean. verl takes neither None nor
//! NaN (NaN would spread to the group's advantages), so there the function raises after its patience is over; with
//! `trainer.v1.sampler.sync_refill_failed_groups` verl draws another rollout.

use std::path::Path;

use anyhow::Context as _;

/// Path of [`SOURCE`] in a dataset.
pub const FILE: &str = "reward/assay_reward.py";

/// `compute_score` and its kin for verl, `reward_func` for TRL; they ask a running `assay serve`.
pub const SOURCE: &str = include_str!("assay_reward.py");

/// Puts the file into a dataset directory.
///
/// # Errors
/// It cannot be written.
pub fn write(directory: &Path) -> anyhow::Result<()> {
    let path = directory.join(FILE);
    let folder = path.parent().unwrap_or(directory);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, SOURCE))
        .with_context(|| format!("cannot write {}", path.display()))
}
