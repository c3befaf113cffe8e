//! New symbolic links of a repair. One that stays inside the tree is a change like any other. One that may not stay is taken
//! back, and the rest is judged.
//!
//! A link is what it shows. If something that it shows would be protected at either of its two paths, the link is taken back
//! like a protected file. If it leads nowhere, out of the tree or to another link, it is left out.
//!
//! The answer is refused only if the link cannot be read as what it says, or if it hides something: a target that enters
//! `.git` or that no path can be, a name of code for what is none, the place of something that base has.

use std::collections::BTreeMap;

use super::draft::{Draft, Mode};
use super::store::{Leaf, Repository};
use super::{RepoError, Stop, paths};
use crate::language::classes;
use crate::model::candidate::{Malformed, MalformedReason, PathClass};
use crate::model::layout::Layout;

/// A link of an answer that may not stay, although the answer may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakenBack {
    /// It would show a path of this class.
    Protected(PathClass),
    /// Nothing is where it leads.
    Dangling,
    /// It leads out of the tree, to or through another link, or to what holds a link.
    Astray,
}

/// Where a link leads by its text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Leads {
    /// To a path inside the tree; `folder` if only a folder may be there.
    To { path: String, folder: bool },
    /// Out of the tree, or to what holds the link.
    Astray,
}

fn refused(link: &str, why: impl std::fmt::Display) -> Stop {
    Malformed::new(MalformedReason::UnsafePath, format!("the new link {link} {why}")).into()
}

/// Refuses a link by its own text, and one in the place of something that base has.
pub(super) fn check(draft: &Draft<'_>, link: &str, target: &[u8]) -> Result<(), Stop> {
    if draft.base_has(link)? {
        return Err(refused(link, "takes the place of a file or folder of the repository"));
    }
    leads(link, target).map(|_| ())
}

fn leads(link: &str, target: &[u8]) -> Result<Leads, Stop> {
    let target = std::str::from_utf8(target).map_err(|_| refused(link, "leads to a name that is not UTF-8"))?;
    let refused = |why: &str| {
        let shown: String = target.chars().take(200).collect();
        refused(link, format!("leads to {shown:?}, which {why}"))
    };
    // No system makes a link with a longer target, however short the path is that it comes to.
    if target.len() >= paths::MAX_PATH_BYTES {
        return Err(refused("is longer than 4095 bytes"));
    }
    if target.starts_with('/') {
        return Ok(Leads::Astray);
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    let mut below = false;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            // What is named before it may be a link itself, and its parent is then elsewhere.
            ".." if below => return Ok(Leads::Astray),
            ".." => {
                if parts.pop().is_none() {
                    return Ok(Leads::Astray);
                }
            }
            name => {
                below = true;
                parts.push(name);
            }
        }
    }
    let path = parts.join("/");
    // The whole tree, the link itself, or a folder that it stands in.
    if path.is_empty() || link == path || paths::parents(link).any(|parent| parent == path) {
        return Ok(Leads::Astray);
    }
    if let Some(why) = paths::fault(&path) {
        return Err(refused(why));
    }
    Ok(Leads::To { path, folder: matches!(target.rsplit('/').next(), Some("" | ".")) })
}

/// The links among the changed paths of an answer's tree that may not stay: by what they show in it, and by what they would show in
/// the tree that runs.
pub(super) fn taken_back(
    repo: &Repository,
    layout: &Layout,
    changed: &[String],
    tree: &str,
    runs: &str,
) -> Result<Vec<(String, TakenBack)>, Stop> {
    let links = links(repo, changed, tree)?;
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let (here, there) = (repo.leaves(tree)?, repo.leaves(runs)?);
    let mut taken_back = Vec::new();
    for (link, target) in links {
        let leads = leads(&link, &target)?;
        let why = match may_not_stay(layout, &link, &leads, &here)? {
            None => may_not_stay(layout, &link, &leads, &there)?,
            why => why,
        };
        taken_back.extend(why.map(|why| (link, why)));
    }
    Ok(taken_back)
}

/// Links with their targets. Base has none of them: a repair changes no link.
fn links(repo: &Repository, changed: &[String], tree: &str) -> Result<Vec<(String, Vec<u8>)>, RepoError> {
    let tree = repo.tree(tree)?;
    let mut links = Vec::new();
    for path in changed {
        if let Some(leaf) = repo.leaf(&tree, path)?.filter(is_link) {
            links.push((path.clone(), repo.blob(leaf.oid)?));
        }
    }
    Ok(links)
}

fn is_link(leaf: &Leaf) -> bool {
    leaf.mode == Mode::Link.raw()
}

/// Why a link may not stay in a tree of these files; `None` if it may.
fn may_not_stay(
    layout: &Layout,
    link: &str,
    leads: &Leads,
    leaves: &BTreeMap<String, Leaf>,
) -> Result<Option<TakenBack>, Stop> {
    let astray = Ok(Some(TakenBack::Astray));
    let Leads::To { path: to, folder } = leads else { return astray };
    if paths::parents(to).chain([to.as_str()]).any(|part| leaves.get(part).is_some_and(is_link)) {
        return astray;
    }
    let protected = |path: &str| Some(layout.class(path)).filter(|class| classes::protected(*class));
    if let Some(class) = protected(link) {
        return Ok(Some(TakenBack::Protected(class)));
    }
    if leaves.contains_key(to) {
        if *folder {
            return Ok(Some(TakenBack::Dangling));
        }
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
    if shown.iter().any(|(_, leaf)| is_link(leaf)) {
        return astray;
    }
    let class = |(path, _): &(&String, &Leaf)| {
        protected(path).or_else(|| protected(&format!("{link}/{}", &path[below.len()..])))
    };
    Ok(shown.iter().find_map(class).map(TakenBack::Protected))
}

#[cfg(test)]
#[path = "links_tests.rs"]
pub(super) mod tests;
