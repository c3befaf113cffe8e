//! What a user must know of a commit range that was imported from a clone: submodules, contents of Git LFS, replacements.

use std::collections::{BTreeMap, BTreeSet};

use crate::repo::{Brought, Repository, Submodule};

/// Most paths that a note names.
const MOST_NAMED: usize = 3;

/// A line for each thing that is not as a work tree of git has it. `commits`: each with what was brought of it.
pub(super) fn beside_git(from: &Repository, commits: &[(&String, &Brought)]) -> Vec<String> {
    let mut notes = Vec::new();
    let (mut here, mut absent, mut lacking) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for (path, submodule) in commits.iter().flat_map(|(_, brought)| &brought.submodules) {
        match submodule {
            Submodule::Here => {
                here.insert(path.as_str());
            }
            Submodule::NotCloned => {
                absent.insert(path.as_str());
            }
            Submodule::Lacks { .. } | Submodule::Incomplete { .. } => {
                lacking.extend(lack(submodule).map(|lack| (path.as_str(), lack)));
            }
        }
    }
    let again = "and import again if the tests need them";
    if !here.is_empty() {
        notes.push(format!("files of submodules are part of the instance: {}", named(&here)));
    }
    if !absent.is_empty() {
        let next = if from.has_work_tree() {
            format!("run {}", from.command("submodule update --init --recursive"))
        } else {
            "make a clone with `git clone --recurse-submodules`".to_owned()
        };
        let named = named(&absent);
        notes.push(format!(
            "submodules are not here, so their folders are empty in the instance: {named}; {next}, {again}"
        ));
    }
    for (path, (what, next)) in lacking {
        notes.push(format!(
            "the clone of submodule {path} lacks {what}, so its folder is empty in the instance; {next}, {again}"
        ));
    }
    let pointers = || commits.iter().flat_map(|(_, brought)| &brought.pointers);
    let away: BTreeSet<_> = pointers().filter(|(_, here)| !**here).map(|(path, _)| path.as_str()).collect();
    if !away.is_empty() {
        let [commits, named] =
            [commits.iter().map(|(commit, _)| commit.as_str()).collect::<Vec<_>>().join(" "), named(&away)];
        let fetch = from.command(&format!("lfs fetch origin {commits}"));
        let count = away.len();
        notes.push(format!(
            "{count} file(s) hold a pointer of Git LFS in the place of their content, so tests that read them fail: {named}; run \
             {fetch}, {again}"
        ));
    }
    if from.replaces() {
        let list = from.command("replace -l");
        notes.push(format!(
            "replacements of the repository are not followed, and {list} lists them; name commits by their ids"
        ));
    }
    notes
}

/// What the clone of a submodule lacks, if there is one, and what brings it.
pub(super) fn lack(submodule: &Submodule) -> Option<(String, String)> {
    match submodule {
        Submodule::Lacks { clone, commit } => {
            let fetch = format!("run `git -C {} fetch origin {commit}`", Repository::word(clone));
            Some((format!("commit {commit}"), fetch))
        }
        Submodule::Incomplete { commit, next } => Some((format!("objects of commit {commit}"), next.clone())),
        Submodule::Here | Submodule::NotCloned => None,
    }
}

/// The first of some paths, and how many more there are.
pub(super) fn named(paths: &BTreeSet<&str>) -> String {
    let first: Vec<_> = paths.iter().take(MOST_NAMED).copied().collect();
    match paths.len().saturating_sub(MOST_NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
