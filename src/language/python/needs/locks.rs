//! Versions that a project fixed for itself: lock files, compiled requirement files and files of constraints.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::entry::{self, Entry};
use super::requirement::{is_version, normalised};
use super::tree::Tree;

/// Lock files, in the order in which the first that is there is taken.
const LOCKS: [&str; 5] = ["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock"];

/// A version that is fixed, or bounds: a line for pip's `--constraint`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Constraint {
    /// Normalised.
    pub name: String,
    pub line: String,
    /// The file that has it.
    pub file: String,
}

/// The lock file of a tree.
pub(crate) fn of_tree(tree: &Tree) -> Option<&'static str> {
    LOCKS.into_iter().find(|path| tree.has(path))
}

/// What these files fix. A file that cannot be read is noted, and a distribution with several versions is left free.
pub(crate) fn constraints(tree: &Tree, paths: &[String]) -> anyhow::Result<Vec<Constraint>> {
    let mut all: Vec<Constraint> = Vec::new();
    for path in paths {
        let found = match path.rsplit_once('.') {
            Some((_, "lock" | "toml")) if path.ends_with("Pipfile.lock") => pipfile(tree, path)?,
            Some((_, "lock" | "toml")) => packages(tree, path)?,
            _ => {
                let mut found = Vec::new();
                lines(tree, path, &mut BTreeSet::new(), &mut found)?;
                found
            }
        };
        // Of two files that fix a distribution the first one counts.
        let known: BTreeSet<String> = all.iter().map(|constraint| constraint.name.clone()).collect();
        let found = found.into_iter().filter(|(name, _)| !known.contains(name));
        all.extend(found.map(|(name, line)| Constraint { name, line, file: path.clone() }));
    }
    Ok(all)
}

/// One line for each distribution that has one version.
fn single(versions: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut by_name: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // What is none could tell pip anything else.
    for (name, version) in versions.filter(|(_, version)| is_version(version)) {
        by_name.entry(name).or_default().insert(version);
    }
    let one = by_name.into_iter().filter(|(_, versions)| versions.len() == 1);
    one.flat_map(|(name, versions)| {
        versions.into_iter().map(move |version| (name.clone(), format!("{name}=={version}")))
    })
    .collect()
}

/// `uv.lock`, `poetry.lock`, `pdm.lock`: tables `package`; `pylock.toml`: tables `packages`.
fn packages(tree: &Tree, path: &str) -> anyhow::Result<Vec<(String, String)>> {
    let Some(table) = tree.toml(path)? else { return Ok(Vec::new()) };
    let entries = ["package", "packages"].into_iter().filter_map(|key| table.get(key)?.as_array()).flatten();
    let versions = entries.filter_map(Value::as_table).filter(|package| !has_place(package)).filter_map(|package| {
        let text = |key: &str| package.get(key).and_then(Value::as_str);
        Some((normalised(text("name")?)?, text("version")?.to_owned()))
    });
    Ok(single(versions))
}

/// Whether a package comes from a path or an address: its version is not one of the index.
fn has_place(package: &Table) -> bool {
    const PLACES: [&str; 9] = ["editable", "virtual", "directory", "path", "git", "url", "vcs", "archive", "file"];
    let named = |table: &Table| PLACES.iter().any(|place| table.contains_key(*place));
    let source = package.get("source").and_then(Value::as_table);
    // Poetry writes the kind as a text.
    let kind = source.and_then(|source| source.get("type")).and_then(Value::as_str);
    named(package) && !package.contains_key("files")
        || source.is_some_and(named)
        || kind.is_some_and(|kind| kind != "legacy")
}

fn pipfile(tree: &Tree, path: &str) -> anyhow::Result<Vec<(String, String)>> {
    let Some(text) = tree.read(path)? else { return Ok(Vec::new()) };
    let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) else {
        tree.note(format!("{path} is skipped, because it is not JSON"));
        return Ok(Vec::new());
    };
    let sections = ["default", "develop"].into_iter().filter_map(|key| value.get(key)?.as_object()).flatten();
    let versions = sections.filter_map(|(name, package)| {
        let version = package.get("version")?.as_str()?.strip_prefix("==")?;
        Some((normalised(name)?, version.to_owned()))
    });
    Ok(single(versions))
}

/// Files that a file of bounds may name, and those that they name, at most.
const MOST_FILES: usize = 50;

/// A requirement file or a file of constraints: its bounds, and those of the files that it names.
fn lines(
    tree: &Tree,
    path: &str,
    seen: &mut BTreeSet<String>,
    found: &mut Vec<(String, String)>,
) -> anyhow::Result<()> {
    if seen.contains(path) {
        return Ok(());
    }
    if seen.len() == MOST_FILES {
        tree.note(format!("{path} is skipped: it is named by a chain of more than {MOST_FILES} requirement files"));
        return Ok(());
    }
    seen.insert(path.to_owned());
    let Some(text) = tree.read(path)? else { return Ok(()) };
    for entry in entry::file(&text, path.rsplit_once('/').map_or("", |(folder, _)| folder)) {
        match entry {
            // A constraint has no extras.
            Entry::Requirement(requirement) if requirement.extras.is_empty() => {
                found.push((requirement.name, requirement.line));
            }
            Entry::File(path) | Entry::Constraints(path) => lines(tree, &path, seen, found)?,
            Entry::Requirement(_) | Entry::Group(_) | Entry::Extra(_) | Entry::LeftOut(..) => {}
        }
    }
    Ok(())
}
