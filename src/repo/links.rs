//! New symbolic links of a repair. One that stays inside the tree is a change like any other. One that leads out of the
//! tree, into `.git`, to another link or to a folder that it stands in is refused with the answer.
//!
//! A link is what it shows: if something that it shows would be protected at either of its two paths, or if it shows nothing,
//! the link is taken back and the rest is judged.

use std::collections::BTreeMap;

use super::draft::{Draft, Mode};
use super::store::{Leaf, Repository};
use super::{RepoError, Stop, paths};
use crate::language::classes;
use crate::model::candidate::{Malformed, MalformedReason, PathClass};
use crate::model::layout::Layout;

/// A link of an answer that may not stay, although the answer may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TakenBack {
    /// It would show a path of this class.
    Protected(PathClass),
    /// Nothing is where it leads.
    Dangling,
}

fn refused(link: &str, why: impl std::fmt::Display) -> Stop {
    Malformed::new(MalformedReason::UnsafePath, format!("the new link {link} {why}")).into()
}

/// Refuses a link by its own text, and one in the place of something that base has.
pub(super) fn check(draft: &Draft<'_>, link: &str, target: &[u8]) -> Result<(), Stop> {
    if draft.base_has(link)? {
        return Err(refused(link, "takes the place of a file or folder of the repository"));
    }
    leads_to(link, target).map_err(|why| refused(link, why))?;
    Ok(())
}

/// The path inside the tree that a link leads to by its text.
fn leads_to(link: &str, target: &[u8]) -> Result<String, String> {
    let target = std::str::from_utf8(target).map_err(|_| "leads to a name that is not UTF-8".to_owned())?;
    let shown: String = target.chars().take(200).collect();
    let leads = |why: &str| format!("leads to {shown:?}, which {why}");
    if target.starts_with('/') {
        return Err(leads("is absolute"));
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    let mut below = false;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            // What is named before it may be a link itself, and its parent is then elsewhere.
            ".." if below => return Err(leads("turns back on its way")),
            ".." => {
                parts.pop().ok_or_else(|| leads("leaves the tree"))?;
            }
            name => {
                below = true;
                parts.push(name);
            }
        }
    }
    let to = parts.join("/");
    if let Some(why) = paths::fault(&to) {
        return Err(leads(if to.is_empty() { "is the whole tree" } else { why }));
    }
    if link == to || link.strip_prefix(&to).is_some_and(|rest| rest.starts_with('/')) {
        return Err(leads("is the link itself or a folder that it stands in"));
    }
    Ok(to)
}

/// The new links of a tree that may not stay. The tree is an answer's, as it was submitted.
pub(super) fn taken_back(
    repo: &Repository,
    layout: &Layout,
    base: &str,
    submitted: &str,
) -> Result<Vec<(String, TakenBack)>, Stop> {
    let base = repo.tree(base)?;
    let is_link = |leaf: &Leaf| leaf.mode == Mode::Link.raw();
    let mut taken_back = Vec::new();
    let mut leaves: Option<BTreeMap<String, Leaf>> = None;
    let tree = repo.tree(submitted)?;
    for path in repo.changed_paths(&base.id().to_string(), submitted)? {
        let Some(leaf) = repo.leaf(&tree, &path)?.filter(is_link) else { continue };
        if repo.leaf(&base, &path)?.is_some_and(|leaf| is_link(&leaf)) {
            continue;
        }
        let to = leads_to(&path, &repo.blob(leaf.oid)?).map_err(|why| refused(&path, why))?;
        let leaves = match &mut leaves {
            Some(leaves) => leaves,
            None => leaves.insert(repo.leaves(submitted)?),
        };
        if let Some(why) = shows(layout, &path, &to, leaves)? {
            taken_back.push((path, why));
        }
    }
    Ok(taken_back)
}

/// Why a link may not stay; `None` if it may.
fn shows(layout: &Layout, link: &str, to: &str, leaves: &BTreeMap<String, Leaf>) -> Result<Option<TakenBack>, Stop> {
    let is_link = |leaf: &Leaf| leaf.mode == Mode::Link.raw();
    let through = paths::parents(to).chain([to]).find(|part| leaves.get(*part).is_some_and(is_link));
    if let Some(other) = through {
        return Err(refused(link, format!("leads through the link {other}")));
    }
    let protected = |path: &str| Some(layout.class(path)).filter(|class| classes::protected(*class));
    if let Some(class) = protected(link) {
        return Ok(Some(TakenBack::Protected(class)));
    }
    if leaves.contains_key(to) {
        let code =
            |path: &str| path.rsplit_once('.').map(|(_, suffix)| suffix.to_owned()).filter(|_| classes::is_code(path));
        if code(link).is_some() && code(link) != code(to) {
            return Err(refused(link, format!("has the name of code and leads to {to}, which has not")));
        }
        return Ok(protected(to).map(TakenBack::Protected));
    }
    let below = format!("{to}/");
    let shown: Vec<_> = leaves.range(below.clone()..).take_while(|(path, _)| path.starts_with(&below)).collect();
    if shown.is_empty() {
        return Ok(Some(TakenBack::Dangling));
    }
    if let Some((other, _)) = shown.iter().find(|(_, leaf)| is_link(leaf)) {
        return Err(refused(link, format!("leads to a folder that holds the link {other}")));
    }
    let class = |(path, _): &(&String, &Leaf)| {
        protected(path).or_else(|| protected(&format!("{link}/{}", &path[below.len()..])))
    };
    Ok(shown.iter().find_map(class).map(TakenBack::Protected))
}

/// The tree without these paths.
pub(super) fn without(repo: &Repository, tree: &str, paths: &[String]) -> Result<String, RepoError> {
    repo.write_tree(tree, &paths.iter().map(|path| (path.clone(), None)).collect())
}

#[cfg(test)]
#[path = "links_tests.rs"]
mod tests;
