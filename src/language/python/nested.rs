//! Nested projects: folders with a packaging or a configuration of pytest of their own. Their tests are their own suite, unless
//! the change is in them. Pure.

use std::collections::BTreeSet;

use super::pytest_config::configures;
use super::survey::folder;
use crate::language::files::Files;
use crate::language::suite::is_at;

/// In words, what leaves the files of such a project out.
pub(crate) const WHY: &str = "a project of its own below the top";

/// Folders below the top that are projects of their own, have no path that changes, and are not what the suite was said to be.
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
        let apart = changed.iter().chain(starts).all(|other| !is_at(dir, other));
        if dir.is_empty() || !apart || found.contains(dir) || !MARKERS.contains(&name) {
            continue;
        }
        let text = files.read(path)?.unwrap_or_default();
        if is_project(name, &String::from_utf8_lossy(&text)) {
            found.insert(dir.to_owned());
        }
    }
    Ok(found)
}

const MARKERS: [&str; 8] =
    ["setup.py", "pyproject.toml", "setup.cfg", "tox.ini", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"];

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
