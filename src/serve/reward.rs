//! The reward functions that ship with a dataset: one Python file for verl and TRL, with the standard library alone.

use std::path::Path;

use anyhow::Context as _;

/// Path of [`SOURCE`] in a dataset.
pub const FILE: &str = "reward/assay_reward.py";

/// `compute_score` and its kin for verl, `reward_func` for TRL; they ask a running `assay serve`.
pub const SOURCE: &str = include_str!("reward/assay_reward.py");

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
