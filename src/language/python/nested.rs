//! Nested projects: folders with a packaging or a configuration of pytest of their own. Their tests are their own suite, unless
//! the change is in them. Pure.

use std::collections::BTreeSet;

use super::paths::folder;
use super::pytest_config::{PLACES, configures};
use crate::language::files::Files;
use crate::language::suite::is_at;

/// In words, what leaves the files of such a project out.
pub(crate) const WHY: &str = "a project of its own below the top";

/// Folders below the top that are projects of their own, have no path that changes, and are not in or around a place where the
/// suite was said to start.
///
/// # Errors
/// A fault of whoever keeps the files.
pub(crate) fn projects(
    files: &dyn Files,
    paths: &[String],
    changed: &BTreeSet<String>,
    starts: &[String],
) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for path in paths {
        let dir = folder(path);
        let name = path.rsplit('/').next().unwrap_or(path);
        if dir.is_empty() || found.contains(dir) || !(name == "setup.py" || PLACES.contains(&name)) {
            continue;
        }
        // Whoever is told to start above it goes into it too.
        let started = starts.iter().any(|start| is_at(dir, start) || is_at(start, dir));
        if started || changed.iter().any(|path| is_at(dir, path)) {
            continue;
        }
        if files.text(path)?.is_some_and(|text| is_project(name, &text)) {
            found.insert(dir.to_owned());
        }
    }
    Ok(found)
}

fn is_project(name: &str, text: &str) -> bool {
    let has = |section: &str| text.lines().any(|line| line.trim().starts_with(section));
    let packages = match name {
        "setup.py" => text.contains("setup("),
        "pyproject.toml" => ["[project]", "[build-system]", "[tool.poetry"].into_iter().any(has),
        "setup.cfg" => ["[metadata]", "[options]"].into_iter().any(has),
        _ => false,
    };
    packages || configures(name, text)
}
