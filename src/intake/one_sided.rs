//! What came along for one of the two trees and not for the other: files of a submodule, contents of Git LFS. In the
//! difference they would all count as changed, so gold would add or remove what no fix touched. Pure.

use std::collections::BTreeSet;

use super::clone_notes::{lack, named};
use crate::repo::{Brought, Repository, Submodule};

/// A commit and what was brought of it.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub commit: &'a str,
    pub brought: &'a Brought,
    /// Every file of the tree that was brought.
    pub paths: &'a BTreeSet<String>,
}

impl Side<'_> {
    /// Whether it has a file at a path or below it.
    fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.paths.contains(path) || self.paths.range(folder.clone()..).next().is_some_and(|at| at.starts_with(&folder))
    }
}

/// Why the two cannot be compared, with the command that mends it. `same`: whether a file is the same on both sides.
pub(super) fn one_sided(from: &Repository, sides: [Side<'_>; 2], same: &dyn Fn(&str) -> bool) -> Option<String> {
    let [base, fix] = sides;
    let both = [(base, fix), (fix, base)];
    for (side, other) in both {
        let mut away =
            side.brought.submodules.iter().filter(|(path, submodule)| !submodule.is_here() && other.has(path));
        if let Some((path, submodule)) = away.next() {
            return Some(away_at(from, path, submodule, [other.commit, side.commit]));
        }
    }
    let mut apart = BTreeSet::new();
    for (side, other) in both {
        let away = side.brought.pointers.iter().filter(|(_, here)| !**here).map(|(path, _)| path.as_str());
        let there = |path: &&str| other.paths.contains(*path) && other.brought.pointers.get(*path) != Some(&false);
        apart.extend(away.filter(there).filter(|path| !same(path)));
    }
    let fetch = from.command(&format!("lfs fetch origin {} {}", base.commit, fix.commit));
    (!apart.is_empty()).then(|| {
        format!(
            "contents of Git LFS are here for one of the two commits and not for the other, so they would count as changed: {}; run \
             {fetch}, and import again",
            named(&apart)
        )
    })
}

/// What is said of a submodule whose files are at hand for the first commit and not for the second.
fn away_at(from: &Repository, path: &str, submodule: &Submodule, commits: [&str; 2]) -> String {
    let [here, away] = commits.map(short);
    let (what, next) = lack(submodule).unwrap_or_else(|| {
        let next = if from.has_work_tree() {
            let update = from.command("submodule update --init --recursive");
            format!("check {away} out there, run {update}")
        } else {
            "make a clone with `git clone --recurse-submodules`".to_owned()
        };
        ("its files".to_owned(), next)
    });
    format!(
        "files at {path} are here for commit {here}, and for {away} they are those of a submodule that lacks {what}, so all of them \
         would count as changed; {next}, and import again"
    )
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
