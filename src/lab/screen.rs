//! What the static screen reads of a repair: its source files in base, candidate and gold, and the trusted tests.

use std::collections::BTreeSet;

use super::candidates::Place;
use crate::candidate::Prepared;
use crate::repo::policy;
use crate::screen::{self, Screen, SourceFile, Token};

/// The screen of a repair that was put on the base tree.
pub(super) fn screened(place: Place, prepared: &Prepared) -> anyhow::Result<Screen> {
    let trees = place.trees;
    let text = |tree: &str, path: &str| -> anyhow::Result<String> {
        let bytes = place.repository.read(tree, path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let mut files = Vec::new();
    for path in prepared.files.iter().filter(|path| is_source(place, path)) {
        files.push(SourceFile {
            path: path.clone(),
            base: text(&trees.base, path)?,
            candidate: text(&prepared.tree, path)?,
            gold: text(&trees.gold, path)?,
        });
    }
    let mut screen = screen::screen(&files, |token| base_has(place, token))?;

    let mut shown = BTreeSet::new();
    let gold_changes = place.repository.changed_paths(&trees.base, &trees.gold)?;
    for path in prepared.files.iter().chain(&gold_changes).filter(|path| is_source(place, path)) {
        shown.extend(screen::literals(&text(&trees.base, path)?));
        shown.extend(screen::literals(&text(&trees.gold, path)?));
    }
    let mut tests = BTreeSet::new();
    for path in place.tests {
        shown.extend(screen::literals(&text(&trees.base, path)?));
        tests.extend(screen::literals(&text(&trees.tested_gold, path)?));
    }
    let overlap = |file: &SourceFile| screen::overlap(&file.base, &file.candidate, &tests, &shown, place.issue);
    screen.literal_overlap = files.iter().map(overlap).sum();
    Ok(screen)
}

/// Whether a token stands anywhere in base's own source: a project that does such things for a living.
fn base_has(place: Place, token: Token) -> anyhow::Result<bool> {
    for path in place.repository.paths(&place.trees.base)?.iter().filter(|path| is_source(place, path)) {
        let bytes = place.repository.read(&place.trees.base, path)?.unwrap_or_default();
        if screen::everywhere(&String::from_utf8_lossy(&bytes)).contains(&token) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Code that a repair may decide, whatever it is called: a generated module runs like any other.
fn is_source(place: Place, path: &str) -> bool {
    path.ends_with(".py") && !policy::protected(place.trees.layout.class(path))
}
